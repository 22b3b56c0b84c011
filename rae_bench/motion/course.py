"""The course of a motion: where its root goes once its steps are smoothed away."""

from __future__ import annotations

import numpy as np

from rae_bench.motion.motion import Motion

SMOOTHING = 0.5
"""Standard deviation of the Gaussian, in seconds: a step of a walk lasts about as long."""
AHEAD = 1.0
"""Seconds of course that go on after the last frame."""
REACH = 4.0
"""Standard deviations at which the Gaussian is cut off."""


def frames_ahead(fps: float) -> int:
    """Return how many frames of course go on after the last one."""
    return round(AHEAD * fps)


def reach_of(fps: float) -> int:
    """Return how many frames on either side the course's Gaussian takes in."""
    return int(np.ceil(REACH * SMOOTHING * fps)) + 1


def smooth(values: np.ndarray, fps: float) -> np.ndarray:
    """Return values (N, T, D) at `fps`, low-passed in time by the course's Gaussian; beyond the ends they stay."""
    from scipy.ndimage import gaussian_filter1d

    out: np.ndarray = gaussian_filter1d(values, SMOOTHING * fps, axis=1, mode="nearest", truncate=REACH)
    return out


def course_of(motion: Motion) -> np.ndarray:
    """Return the course of whole takes: low-passed root position on the ground and heading.

    A take is continued at both ends by its reflection in the end point (x(-t) = 2 x(0) - x(t)), so that a straight walk
    stays one to its last frame and goes on after it. Nothing of another take enters.

    Args:
        motion: N takes of up to T frames.

    Returns:
        (N, T + A, 3) float32: x and z in metres, world, and heading in radians about +Y from +Z, without jumps of a
        turn. A is `frames_ahead`. Frames past a take's own length plus A repeat the last one.
    """
    root = motion.root
    raw = np.stack([root.origin[..., 0], root.origin[..., 2], np.unwrap(root.yaw, axis=1)], -1).astype(np.float64)
    return smooth_takes(raw, motion.lengths, motion.fps, frames_ahead(motion.fps)).astype(np.float32)


def smooth_takes(values: np.ndarray, lengths: np.ndarray, fps: float, ahead: int = 0) -> np.ndarray:
    """Return values of whole takes, low-passed by the course's Gaussian, each take continued as in `course_of`.

    Args:
        values: (N, T, D) float64.
        lengths: (N,) frames of each take.
        fps: frames per second.
        ahead: A, frames that go on after a take's last one.

    Returns:
        (N, T + A, D) float64. Frames past a take's own length plus A repeat the last one.
    """
    count, frames, width = values.shape
    reach = reach_of(fps)
    out = np.zeros((count, frames + ahead, width))
    for length in np.unique(lengths):
        clips = np.flatnonzero(lengths == length)
        padding = ((0, 0), (reach, reach + ahead), (0, 0))
        mode = "reflect" if length > 1 else "edge"
        kind = {"reflect_type": "odd"} if length > 1 else {}
        wide = np.pad(values[clips, :length], padding, mode, **kind)  # type: ignore[call-overload]
        made = smooth(wide, fps)[:, reach : reach + length + ahead]
        out[clips, : length + ahead] = made
        out[clips, length + ahead :] = made[:, -1:]
    return out
