"""Windows of motion in numbers that mean the same on every rig. Critics and distances of motion compare them.

Each frame becomes a vector: key-joint positions and velocities in root space, speeds pooled over joints, the height and
skating of the feet. Lengths are shares of the rig's height. Half-second windows of such frames overlap by half. Beside
its frames a window has the pace of its movement: jerk and turning on scales from 1/30 to 1/5 of a second.
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
SCALES = (1 / 30, 0.1, 0.2)
"""Seconds between the poses of which jerk and turning are differences; at least one frame. On finer scales the jerk of
a tremor that nobody sees grows without bounds, and with the frame rate."""
JERK_FLOOR, TURN_FLOOR = 20.0, 0.05
"""Heights a second cubed, and radians a second: what adds to a pace before its logarithm, so that differences far below
it do not show. Walking has 50 to 300 heights a second cubed. Built-in reaching motion has 2, and a tremor of some
thousandths of a degree in every joint would else be all that a critic sees of it."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Descriptors of windows.

    Attributes:
        frames: (W, L, D) float64 frame vectors of each window.
        paces: (W, 2 R) float64, logarithms of the mean jerk and of the mean turning of joints on each of `SCALES`: in
            the window, then in its whole clip.
        poses: (W, L J 9) float32, rotations of all joints, for angles between windows; the root's in root space.
        clips: (W,) int, the clip each window is from.
    """

    frames: np.ndarray
    paces: np.ndarray
    poses: np.ndarray
    clips: np.ndarray


@dataclass(frozen=True, eq=False)
class RealWindows:
    """The real motion beside which generated motion is put: N held-out clips, and another real clip for each.

    Attributes:
        truth: the held-out clips.
        stance_height: the height of each contact joint on the ground, of the held-out and the other clips together.
        others: windows of real clips of other groups, of which clip n stands beside held-out clip n.
        real: windows of the held-out clips themselves.
        groups, other_groups: (N,) int, the group of each held-out clip and of each other clip.
        seed: of folds and random features.
    """

    truth: Motion
    stance_height: np.ndarray
    others: Windows
    real: Windows
    groups: np.ndarray
    other_groups: np.ndarray
    seed: int


@dataclass(frozen=True, eq=False)
class Crowd:
    """What critics and distances compare: real motion, and a continuation of each held-out clip.

    Attributes:
        beside: the real motion. What is computed of it alone is kept with it.
        generated: windows of the continuations, one for each sample.
    """

    beside: RealWindows
    generated: tuple[Windows, ...]

    @property
    def others(self) -> Windows:
        """Windows of the other real clips."""
        return self.beside.others

    @property
    def real(self) -> Windows:
        """Windows of the held-out clips."""
        return self.beside.real

    @property
    def comparable(self) -> bool:
        """Whether there is enough to compare: two clips that can be held out from one another."""
        return len(self.beside.groups) > 1 and all(len(w.clips) for w in (self.others, self.real, *self.generated))


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


def paces(motion: Motion) -> np.ndarray:
    """Return jerk in heights per second cubed and turning in radians a second, (N, T, R), on each of `SCALES`.

    Both are means over joints: of the third difference of places in the world, and of the angle between rotations.
    """
    from rae_bench.kinematics import quat

    height = max(motion.rig.height, 1e-6)
    positions = motion.positions.astype(np.float64) / height
    parts = []
    for seconds in SCALES:
        step = max(round(seconds * motion.fps), 1)
        over = step / motion.fps
        third = positions[:, 3 * step :] - positions[:, : -3 * step]
        third = third - 3 * (positions[:, 2 * step : -step] - positions[:, step : -2 * step])
        parts.append(_begun(np.linalg.norm(third, axis=-1).mean(-1) / over**3, motion.valid.shape))
        turns = quat.angle(motion.rotations[:, :-step], motion.rotations[:, step:]).mean(-1) / over
        parts.append(_begun(turns, motion.valid.shape))
    return np.stack(parts, -1)


def _begun(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return values (N, T - k) for all T frames: the first stands for those before it; 0 where there is none."""
    if not values.shape[1]:
        return np.zeros(shape)
    return np.concatenate([np.repeat(values[:, :1], shape[1] - values.shape[1], 1), values], 1)


def poses(motion: Motion) -> np.ndarray:
    """Return the rotation matrices of all joints, (N, T, J 9) float32: local ones, and the root's in root space."""
    from rae_bench.kinematics import quat

    rotations = motion.rotations.copy()
    roots = motion.rig.parents < 0
    turn = quat.from_yaw(-motion.root.yaw)[..., None, :]
    rotations[:, :, roots] = quat.mul(turn, motion.rotations[:, :, roots])
    return quat.to_matrix(rotations).reshape(*rotations.shape[:2], -1).astype(np.float32)


def cut_windows(lengths: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Cut clips into overlapping windows within their lengths; a short clip repeats its last frame.

    Returns:
        (W,) int, the clip of each window, and (W, L) int, its frames.
    """
    size, stride = max(round(WINDOW * fps), 1), max(round(STRIDE * fps), 1)
    starts = [np.arange(0, max(n - size, 0) + 1, stride) if n else np.empty(0, int) for n in lengths]
    clips = np.repeat(np.arange(len(lengths)), [len(s) for s in starts])
    if not len(clips):
        return clips, np.zeros((0, size), int)
    frame = np.concatenate(starts)[:, None] + np.arange(size)
    return clips, np.minimum(frame, np.asarray(lengths)[clips][:, None] - 1)


def standardise(values: np.ndarray, real: np.ndarray, least: float) -> np.ndarray:
    """Return values in standard deviations of the real ones, over all axes but the last, clipped.

    Args:
        least: added to the spread (as a root of squares), so that no axis has none.
    """
    flat = real.reshape(-1, real.shape[-1])
    spread = np.sqrt(flat.var(0) + least**2)
    return np.clip((values - flat.mean(0)) / spread, -CLIP, CLIP)


def windows_of(motion: Motion, stance_height: np.ndarray) -> Windows:
    """Return the windows of all clips; see `frame_vectors`, `paces` and `poses`."""
    clips, frames = cut_windows(motion.lengths, motion.fps)
    at = clips[:, None], frames
    floors = np.tile([JERK_FLOOR, TURN_FLOOR], len(SCALES))
    found = paces(motion)
    # A whole clip differs less from other clips than a window from other windows, so it shows a smaller fault.
    whole = np.where(motion.valid[..., None], found, 0).sum(1) / np.maximum(motion.lengths, 1)[:, None]
    pace = np.log(np.concatenate([found[at].mean(1) + floors, whole[clips] + floors], -1))
    turned = poses(motion)[at].reshape(len(clips), -1)
    return Windows(frame_vectors(motion, stance_height)[at], pace, turned, clips)
