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
END = 1.0
"""Seconds at either end of a take from which it is continued, about a stride."""


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

    A take is continued at both ends along the straight line that fits its first or last second best. So a straight walk
    stays one to its last frame and goes on after it, and the course does not go through the last frame itself, which
    would give it away. Nothing of another take enters.

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
        own = values[clips, :length]
        before = _line_after(own[:, ::-1], reach, fps)[:, ::-1]
        wide = np.concatenate([before, own, _line_after(own, reach + ahead, fps)], 1)
        made = smooth(wide, fps)[:, reach : reach + length + ahead]
        out[clips, : length + ahead] = made
        out[clips, length + ahead :] = made[:, -1:]
    return out


def _line_after(values: np.ndarray, count: int, fps: float) -> np.ndarray:
    """Return (N, count, D) how values (N, L, D) go on along the line that fits their last `END` seconds best."""
    last = values[:, -max(round(END * fps), 1) :]
    time = np.arange(last.shape[1]) - (last.shape[1] - 1) / 2
    mean = last.mean(1)
    slope = np.einsum("t,ntd->nd", time, last) / max((time * time).sum(), 1)
    ahead = time[-1] + np.arange(1, count + 1)
    line: np.ndarray = mean[:, None] + ahead[:, None] * slope[:, None]
    return line
