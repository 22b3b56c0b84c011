"""Paths: where the body goes, how far the gait has come, and where each foot stands; for all clips at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rae_bench.data.generators.locomotion.actions import Cell
from rae_bench.data.generators.locomotion.curves import GRAVITY, ease, fade
from rae_bench.data.generators.locomotion.heights import Jumps, make_jumps
from rae_bench.data.generators.locomotion.style import Style

DRAWS = 48
"""Random numbers that a clip is made of, each in [0, 1); the first ten shape its path, the next ones its poses, the
last eight its style."""
TEMPO = 0.36
"""Cycles in the time sqrt(leg length / g) of steps on the spot."""
SPIN_BEND = 0.1
"""Radians of bend for each distance between a foot and the middle, at full speed on the spot."""
STRIDE = 1.3
"""Factor on the length of steps at the highest number of style."""
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
        bend: (N, G) radians a metre, curvature of the path where the body moves.
    """

    start: float
    step: float
    x: np.ndarray
    z: np.ndarray
    yaw: np.ndarray
    phase: np.ndarray
    speed: np.ndarray
    bend: np.ndarray

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


class Pace(NamedTuple):
    """How fast N clips go and step, (N, 1) each.

    Attributes:
        speeds: metres a second before, during and after the action.
        reference: metres a second of the gait at its fullest.
        stride: metres between two footprints of a foot.
        spin: radians a second on the spot.
        way: radians from the heading to the direction of travel.
        leap: metres a second over the ground in a jump.
    """

    speeds: tuple[np.ndarray, np.ndarray, np.ndarray]
    reference: np.ndarray
    stride: np.ndarray
    spin: np.ndarray
    way: np.ndarray
    leap: np.ndarray


def column(values: Iterable[float]) -> np.ndarray:
    """Return values as (N, 1) floats."""
    return np.array(list(values), float)[:, None]


def pace_of(cells: Sequence[Cell], leg: float, distance: float, style: Style, draw: np.ndarray) -> Pace:
    """Return how fast all clips go and step; for the arguments see `make_paths`."""
    draw = np.where(column(cell.gait.swept for cell in cells), 0.5, draw)  # the middle of a draw changes nothing
    unit, rate = np.sqrt(GRAVITY * leg), np.sqrt(GRAVITY / leg)
    varied = 1 + 0.2 * (draw[:, :1] - 0.5)
    spin = column(cell.spin for cell in cells) * rate
    # A body that turns on the spot goes at the speed of its feet around its middle.
    around = np.abs(spin) * distance
    before, during, after = (column(cell.speeds[k] for cell in cells) * unit * varied for k in range(3))
    during = during + around * varied
    medium = column(cell.gait.speeds[1] for cell in cells) * unit
    reference = column(cell.reference for cell in cells) * unit * varied
    reference = np.where(spin != 0, during, np.where(reference > 0, reference, medium))
    stride = column(cell.gait.stride for cell in cells) * leg * (0.94 + 0.12 * draw[:, 1:2])
    stride = np.where(spin != 0, reference / (TEMPO * rate), stride * np.sqrt(reference / medium))
    return Pace(
        (before, during, after),
        reference,
        stride * STRIDE**style.stride,
        spin,
        column(cell.way for cell in cells),
        column(cell.leap for cell in cells) * unit,
    )


def make_paths(
    cells: Sequence[Cell],
    leg: float,
    distance: float,
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
        distance: metres between a foot and the middle of the body.
        duty: (N, 1) share of the cycle that a foot stands.
        style: that of each clip.
        draw: (N, DRAWS) random numbers in [0, 1).
        strength: (N, 1) factor on jumps.
        seconds: length of a clip.
        fps: frames per second.
    """
    swept, first = column(cell.gait.swept for cell in cells), draw[:, 9:10]
    draw = np.where(swept, 0.5, draw)
    pace = pace_of(cells, leg, distance, style, draw)
    reference, lasts, spins = pace.reference, pace.stride / pace.reference, pace.spin != 0
    fine = 4
    step = 1 / (fps * fine)
    margin = max(MARGIN, float(1.5 * lasts.max()))
    times = np.arange(-round(margin * fps) * fine, round((seconds + margin) * fps) * fine + 1) * step
    speed = _speed(pace, draw, times, seconds)
    speed = speed * (1 + 0.05 * (1 - swept) * np.sin(2 * np.pi * (times / (2.5 + 2 * draw[:, 3:4]) + draw[:, 4:5])))
    frequency = np.sqrt(0.3 + 0.7 * speed / reference) / lasts
    curvature = np.where(spins, 0.0, _curvature(cells, leg, reference, draw, times))

    zero = int(np.argmin(np.abs(times)))

    def integral(rate: np.ndarray) -> np.ndarray:
        total = np.concatenate([np.zeros((len(rate), 1)), np.cumsum((rate[:, 1:] + rate[:, :-1]) / 2, 1)], 1) * step
        return total - total[:, zero : zero + 1]

    jumps = make_jumps(cells, leg, draw[:, 29:32], strength)
    gone = np.where(spins, 0.0, speed) + pace.leap * (0.3 + 0.7 * strength) * jumps.travel(times)
    yaw = integral(np.where(spins, np.sign(pace.spin) * speed / distance, speed * curvature))
    steps = integral(frequency) + first
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
        bend * fade(speed / reference) * np.cos(pace.way),
    )
    return paths, jumps, pace


def _speed(pace: Pace, draw: np.ndarray, times: np.ndarray, seconds: float) -> np.ndarray:
    """Return the speed (N, G) at the times of the grid.

    A clip that starts, stops or changes its speed does so about its middle. One that stands before and after what it
    does begins soon and ends late.
    """
    before, during, after = pace.speeds
    bout = (before == 0) & (after == 0)
    # Stops and starts take about one stride; a change of speed two.
    lasts = np.where((before > 0) & (after > 0), 2.0, 1.3) * pace.stride / pace.reference
    begin = seconds * np.where(bout, 0.05 + 0.2 * draw[:, 2:3], 0.4 + 0.2 * draw[:, 2:3])
    end = np.where(bout, seconds * (0.75 + 0.2 * draw[:, 28:29]), begin)
    begun, ended = (ease((times - middle) / lasts + 0.5) for middle in (begin, end))
    speed: np.ndarray = before + (during - before) * begun + (after - during) * ended
    return speed


def _curvature(
    cells: Sequence[Cell], leg: float, reference: np.ndarray, draw: np.ndarray, times: np.ndarray
) -> np.ndarray:
    """Return the curvature of the paths (N, G) in radians a metre, at the times of the grid."""
    rate = column(cell.turn for cell in cells) * np.sqrt(GRAVITY / leg) * (0.75 + 0.5 * draw[:, 5:6])
    drift = 0.02 * np.sqrt(GRAVITY / leg) * (draw[:, 6:7] - 0.5)
    # A tighter turn than half a g of sideways pull would throw the body over.
    curvature = np.clip((rate + drift) / reference, -0.45 / leg, 0.45 / leg)
    curvature = curvature * np.minimum(1, 0.35 * GRAVITY / np.maximum(reference**2 * np.abs(curvature), 1e-9))
    wave: np.ndarray = 1 + 0.25 * np.sin(2 * np.pi * (times / (3 + 2 * draw[:, 7:8]) + draw[:, 8:9]))
    return curvature * wave


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
