"""Paths: where the body goes, how far the gait has come, and where each foot stands; for all clips at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from rae_bench.data.generators.locomotion.actions import Cell
from rae_bench.data.generators.locomotion.curves import fade
from rae_bench.data.generators.locomotion.heights import Jumps, make_jumps
from rae_bench.data.generators.locomotion.pace import (
    Bouts,
    Pace,
    Spread,
    column,
    curvature_at,
    find_bouts,
    pace_of,
    speed_at,
)
from rae_bench.data.generators.locomotion.style import Style

DRAWS = 48
"""Random numbers that a clip is made of, each in [0, 1); the first ten shape its path, the next ones its poses, the
last eight its style."""
SPIN_BEND = 0.1
"""Radians of bend for each distance between a foot and the middle, at full speed on the spot."""
SURGE = 0.15
"""Seconds of the running means of a body's acceleration."""
MARGIN = 3.0
"""Least seconds of path before and after a clip: foot places depend on the middle of stances that lie outside it."""


@dataclass(frozen=True)
class Paths:
    """The paths of N clips on a grid of G times that reaches past the clips at both ends.

    Attributes:
        start: time of the first grid point, seconds.
        step: time between two grid points, seconds.
        x: (N, G) metres, the middle of the body on the ground.
        z: (N, G) metres.
        yaw: (N, G) radians.
        phase: (N, G) gait cycles.
        speed: (N, G) metres a second, of the feet where the body turns on the spot; 0 in jumps.
        surge: (N, G) metres a second squared, by how much the body gets faster, smoothed.
        bend: (N, G) radians a metre, curvature of the path where the body moves.
        bouts: when the bodies move.
    """

    start: float
    step: float
    x: np.ndarray
    z: np.ndarray
    yaw: np.ndarray
    phase: np.ndarray
    speed: np.ndarray
    surge: np.ndarray
    bend: np.ndarray
    bouts: Bouts

    def at(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return values (N, G) at times (N, T), linear between grid points."""
        place = np.clip((times - self.start) / self.step, 0, values.shape[1] - 1.000001)
        left = place.astype(int)
        clip = np.arange(len(values))[:, None]
        low = values[clip, left]
        return low + (values[clip, left + 1] - low) * (place - left)

    def time_of(self, phase: np.ndarray) -> np.ndarray:
        """Return the times (N, T) in seconds at which the phase reaches `phase` (N, T)."""
        # One sorted table for all paths: clip n occupies [n, n + 1).
        low, high = self.phase[:, :1] - 1e-9, self.phase[:, -1:] + 1e-9
        row = np.arange(len(phase))[:, None]
        table = row + (self.phase - low) / (high - low)
        times = self.start + self.step * np.arange(table.shape[1])
        wanted = row + np.clip((phase - low) / (high - low), 1e-9, 1 - 1e-9)
        return np.interp(wanted.ravel(), table.ravel(), np.tile(times, len(table))).reshape(phase.shape)


def make_paths(
    cells: Sequence[Cell],
    leg: float,
    spring: float,
    spread: Spread,
    duty: np.ndarray,
    style: Style,
    draw: np.ndarray,
    strength: np.ndarray,
    seconds: float,
    fps: float,
) -> tuple[Paths, Jumps, Pace]:
    """Return the paths and jumps of all clips, and how fast they go.

    Args:
        cells: N cells, one for each clip.
        leg: leg length in metres.
        spring: metres by which the body can be raised on stretched legs.
        spread: how far apart its feet stand.
        duty: (N, 1) share of the cycle that a foot stands.
        style: that of each clip.
        draw: (N, DRAWS) random numbers in [0, 1).
        strength: (N, 1) factor on jumps.
        seconds: length of a clip.
        fps: frames per second.
    """
    swept, first = column(cell.gait.swept for cell in cells), draw[:, 9:10]
    draw = np.where(swept, 0.5, draw)
    pace = pace_of(cells, leg, spring, spread, duty, style, draw)
    distance = spread.distance
    reference, lasts, spins = pace.reference, pace.stride / pace.reference, pace.spin != 0
    fine = 4
    step = 1 / (fps * fine)
    margin = max(MARGIN, float(1.5 * lasts.max()))
    times = np.arange(-round(margin * fps) * fine, round((seconds + margin) * fps) * fine + 1) * step
    speed, moves = speed_at(pace, draw, times, seconds)
    speed = speed * (1 + 0.05 * (1 - swept) * np.sin(2 * np.pi * (times / (2.5 + 2 * draw[:, 3:4]) + draw[:, 4:5])))
    frequency = np.sqrt(0.6 + 0.4 * (speed / reference) ** 2) / lasts
    curvature = np.where(spins, 0.0, curvature_at(cells, leg, distance, reference, draw, times))

    zero = int(np.argmin(np.abs(times)))

    def integral(rate: np.ndarray) -> np.ndarray:
        total = np.concatenate([np.zeros((len(rate), 1)), np.cumsum((rate[:, 1:] + rate[:, :-1]) / 2, 1)], 1) * step
        return total - total[:, zero : zero + 1]

    jumps = make_jumps(cells, leg, spring, draw[:, 29:32], strength)
    gone = np.where(spins, 0.0, speed) + pace.leap * (0.3 + 0.7 * strength) * jumps.travel(times)
    yaw = integral(np.where(spins, np.sign(pace.spin) * speed / distance, speed * curvature))
    steps, bouts = find_bouts(cells, pace, moves, integral(frequency), first, duty, times)
    # A body that turns on the spot bends to the side to which it turns.
    bend = np.where(spins, SPIN_BEND * np.sign(pace.spin) / distance, curvature)
    paths = Paths(
        float(times[0]),
        step,
        integral(gone * np.sin(yaw + pace.way)),
        integral(gone * np.cos(yaw + pace.way)),
        yaw,
        np.where(jumps.speed > 0, jumps.phase(np.broadcast_to(times, yaw.shape), duty), steps),
        speed,
        _smooth(np.where(spins, 0.0, np.gradient(speed, step, axis=1)) * np.cos(pace.way), round(SURGE / step)),
        bend * fade(speed / reference) * np.cos(pace.way),
        bouts,
    )
    return paths, jumps, pace


def _smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Return running means (N, G) of running means over a window of grid points."""
    return uniform_filter1d(uniform_filter1d(values, window, axis=1), window, axis=1)


@dataclass(frozen=True)
class Ground:
    """Where the body's two girdles stand at some times, each as x and z in metres and heading in radians, (N, T)."""

    rear: tuple[np.ndarray, np.ndarray, np.ndarray]
    fore: tuple[np.ndarray, np.ndarray, np.ndarray]


def ground_at(paths: Paths, times: np.ndarray, length: float) -> Ground:
    """Return where the girdles stand at times (N, T).

    They lie on the path, half the body's `length` (in metres) behind and before its middle. The back bends along the
    path.
    """
    x, z, yaw = (paths.at(v, times) for v in (paths.x, paths.z, paths.yaw))
    bend = paths.at(paths.bend, times) * length
    half = length / 2
    back, ahead = yaw - bend / 4, yaw + bend / 4
    return Ground(
        (x - half * np.sin(back), z - half * np.cos(back), yaw - bend / 2),
        (x + half * np.sin(ahead), z + half * np.cos(ahead), yaw + bend / 2),
    )
