"""Windows of motion in numbers that mean the same on every rig. Critics and distances of motion compare them.

Each frame becomes a vector: key-joint positions and velocities in root space, speeds pooled over joints, the height and
skating of the feet. Lengths are shares of the rig's height. Half-second windows of such frames overlap by half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion

WINDOW, STRIDE = 0.5, 0.25
"""Length of a window and distance between the beginnings of two windows, seconds."""
CLIP = 5.0
"""Standard deviations at which a descriptor is cut off, so that no single outlier decides the discriminant."""
MIN_SPREAD = 0.05
"""The least spread of a descriptor, in heights and heights a second, even where the real motion has none."""
LAG = 0.1
"""Seconds over which speeds are taken. From frame to frame they would show little but jitter, and differ with fps."""
LOW = 0.03
"""Heights over its stance height below which a foot that moves skates."""
ACCELERATION = 0.03
"""Seconds in which an acceleration is read as a change of speed; longer makes the critic see little but jitter."""
TURNING = 0.1
"""The reach, in heights, at which a joint's turning is read as a speed."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Descriptors of windows.

    Attributes:
        frames: (W, L, D) float64 frame vectors of each window.
        clips: (W,) int, the clip each window is from.
    """

    frames: np.ndarray
    clips: np.ndarray


def frame_vectors(motion: Motion, stance_height: np.ndarray) -> np.ndarray:
    """Return what the critic sees of each frame, (N, T, D) float64, in heights and seconds, whatever the joint order.

    Args:
        stance_height: (C,) metres, height of each contact joint when it stands.
    """
    from rae_bench.kinematics import quat
    from rae_bench.motion.root import velocities

    rig, fps = motion.rig, motion.fps
    height = max(rig.height, 1e-6)
    keys = rig.key_joints[rig.role_mask]
    positions = motion.positions.astype(np.float64)
    speed = _rate(positions, fps) / height
    change = _rate(speed, fps)
    local = motion.root.points_in(positions[:, :, keys]) / height
    moving = motion.root.vectors_in(speed[:, :, keys])
    turns = quat.angle(motion.rotations[:, :-1], motion.rotations[:, 1:]).mean(-1) * fps
    turns = np.concatenate([turns[:, :1], turns], 1) if turns.shape[1] else np.zeros(motion.valid.shape)
    lead = local.shape[:2]
    parts = [
        local.reshape(*lead, -1),
        moving.reshape(*lead, -1),
        np.linalg.norm(speed, axis=-1).mean(-1)[..., None],
        ACCELERATION * np.linalg.norm(change, axis=-1).mean(-1)[..., None],
        TURNING * turns[..., None],
    ]
    feet = rig.contact_joints
    if len(feet):
        above = (positions[:, :, feet, 1] - stance_height) / height
        sliding = np.linalg.norm(velocities(positions[:, :, feet], fps)[..., [0, 2]], axis=-1) / height
        skate = sliding * np.clip(1 - above / LOW, 0, 1)
        parts += [above.mean(-1)[..., None], above.min(-1)[..., None], skate.mean(-1)[..., None]]
    return np.concatenate(parts, -1)


def _rate(values: np.ndarray, fps: float) -> np.ndarray:
    """Return the change per second of (N, T, ...) over the last `LAG` seconds, or over fewer at a clip's beginning."""
    frame = np.arange(values.shape[1])
    before = np.maximum(frame - max(round(LAG * fps), 1), 0)
    elapsed = np.maximum(frame - before, 1) / fps
    rate = (values - values[:, before]) / elapsed.reshape(-1, *[1] * (values.ndim - 2))
    return np.concatenate([rate[:, 1:2], rate[:, 1:]], 1) if len(frame) > 1 else rate


def cut_windows(vectors: np.ndarray, lengths: np.ndarray, fps: float) -> Windows:
    """Cut (N, T, D) into overlapping windows within the clips' lengths; a short clip repeats its last frame."""
    size, stride = max(round(WINDOW * fps), 1), max(round(STRIDE * fps), 1)
    starts = [np.arange(0, max(length - size, 0) + 1, stride) if length else np.empty(0, int) for length in lengths]
    clips = np.repeat(np.arange(len(lengths)), [len(s) for s in starts])
    if not len(clips):
        return Windows(np.zeros((0, size, vectors.shape[-1])), clips)
    frame = np.minimum(np.concatenate(starts)[:, None] + np.arange(size), np.asarray(lengths)[clips][:, None] - 1)
    return Windows(vectors[clips[:, None], frame], clips)


def standardise(values: np.ndarray, real: np.ndarray, least: float) -> np.ndarray:
    """Return values in standard deviations of the real ones, over all axes but the last, clipped.

    Args:
        least: added to the spread (as a root of squares), so that no axis has none.
    """
    flat = real.reshape(-1, real.shape[-1])
    spread = np.sqrt(flat.var(0) + least**2)
    return np.clip((values - flat.mean(0)) / spread, -CLIP, CLIP)


def windows_of(motion: Motion, stance_height: np.ndarray) -> Windows:
    """Return the windows of all clips; see `frame_vectors`."""
    return cut_windows(frame_vectors(motion, stance_height), motion.lengths, motion.fps)
