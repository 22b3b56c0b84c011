"""The track `control`: the path that the character is asked to follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

HORIZONS = (1 / 3, 2 / 3, 1.0)
"""Seconds ahead at which the path is known."""
GRAIN = 0.005
"""To how much a path is rounded: rig heights, and radians. The low-pass leaves some hundredths of a millimetre of every
step, and in single precision a filter could bring the steps back from them."""


@dataclass(frozen=True, eq=False)
class RootPath:
    """Where the root is asked to be, `HORIZONS` ahead of each frame.

    Row t is what may be known when frame t + 1 is made. It lies on the course of the take: root motion, low-passed so
    that it shows no steps (`rae_bench.motion.course`).

    Attributes:
        positions: (N, T, 3, 2) float32 metres, x and z of the root on the ground, world.
        headings: (N, T, 3) float32 radians about +Y from +Z, without jumps of a turn.
    """

    positions: np.ndarray
    headings: np.ndarray

    def __repr__(self) -> str:
        clips, frames = self.headings.shape[:2]
        return f"RootPath({clips} clip{'s' * (clips != 1)}, {frames} frames)"

    def __getitem__(self, clips: Any) -> RootPath:
        """Return the paths of some of the clips."""
        return RootPath(self.positions[clips], self.headings[clips])

    def cut(self, start: int, stop: int | None = None) -> RootPath:
        """Return the rows from `start` up to `stop`."""
        part = (slice(None), slice(start, stop))
        return RootPath(self.positions[part], self.headings[part])


def path_of(course: np.ndarray, fps: float, height: float) -> RootPath:
    """Return the path rows of clips, rounded to `GRAIN`.

    Args:
        course: (N, T + A, 3) x and z in metres and heading in radians, as of `rae_bench.motion.course.course_of`.
        fps: frames per second.
        height: of the rig, metres.

    Returns:
        The paths of the N clips, T rows each.
    """
    steps = [round(seconds * fps) for seconds in HORIZONS]
    frames = course.shape[1] - round(HORIZONS[-1] * fps)
    grain = GRAIN * np.array([height, height, 1.0])
    coarse = (np.round(course / grain) * grain).astype(np.float32)
    rows = np.stack([coarse[:, step : step + frames] for step in steps], 2)
    return RootPath(np.ascontiguousarray(rows[..., :2]), np.ascontiguousarray(rows[..., 2]))
