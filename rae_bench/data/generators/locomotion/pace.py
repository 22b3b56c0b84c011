"""Pace: how fast bodies go and step, how they turn, and when they begin to move and come to rest; for all clips."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from rae_bench.data.generators.locomotion.actions import Cell
from rae_bench.data.generators.locomotion.curves import GRAVITY, ease
from rae_bench.data.generators.locomotion.style import Style

TEMPO = 0.36
"""Cycles in the time sqrt(leg length / g) of steps on the spot."""
STRIDE = 1.3
"""Factor on the length of steps at the highest number of style."""
ALL_DOWN = 0.58
"""Least share of the cycle that a foot stands as its body begins to move or comes to rest: then all feet of two and of
trotting legs are on the ground at once."""
HEAVE = 0.45
"""Acceleration of starts, stops and changes of speed at their fastest, in g, unless their steps last longer."""
LEAVE, ARRIVE = 0.25, 0.25
"""Share of a start after which the first foot leaves its place, and of a stop before whose end the last one stands."""
STANCE = 0.85
"""Bound on the leg lengths that a body travels over a standing foot, if its legs stand nearly straight."""
WIDEST = 2.1
"""Most length of steps to a side and on the spot, over the way from a foot to the midline."""
TIGHTEST = 0.45
"""Most curvature, over the length of a leg or the way from the middle to a foot if that is longer."""


class Bouts(NamedTuple):
    """When N bodies begin to move and come to rest, (N, 1) each; -inf and inf where that is outside of the clip.

    Attributes:
        first: gait cycles before which no foot leaves its place.
        last: gait cycles after which none does.
        duty: share of the cycle that a foot stands while its body is slow.
    """

    first: np.ndarray
    last: np.ndarray
    duty: np.ndarray


class Spread(NamedTuple):
    """How far apart the feet of a body stand, in metres: from its middle on average, and the least to the midline."""

    distance: float
    side: float


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


def pace_of(
    cells: Sequence[Cell], leg: float, spring: float, spread: Spread, duty: np.ndarray, style: Style, draw: np.ndarray
) -> Pace:
    """Return how fast all clips go and step; for the arguments see `make_paths`."""
    swept = column(cell.gait.swept for cell in cells)
    draw = np.where(swept, 0.5, draw)  # the middle of a draw changes nothing
    unit, rate = np.sqrt(GRAVITY * leg), np.sqrt(GRAVITY / leg)
    varied = 1 + 0.2 * (draw[:, :1] - 0.5)
    spin = column(cell.spin for cell in cells) * rate
    distance = spread.distance
    # A body that turns on the spot goes at the speed of its feet around its middle.
    around = np.abs(spin) * distance
    before, during, after = (column(cell.speeds[k] for cell in cells) * unit * varied for k in range(3))
    during = during + around * varied
    medium = column(cell.gait.speeds[1] for cell in cells) * unit
    reference = column(cell.reference for cell in cells) * unit * varied
    reference = np.where(spin != 0, during, np.where(reference > 0, reference, medium))
    stride = column(cell.gait.stride for cell in cells) * leg * (0.94 + 0.12 * draw[:, 1:2])
    stride = np.where(spin != 0, reference / (TEMPO * rate), stride * np.sqrt(reference / medium))
    # In a turn the outer feet go the longer way: they take the steps that the gait asks for.
    tight = np.abs(_mean_curvature(cells, leg, distance, reference, draw))
    stride = stride / (1 + np.where(spin != 0, 0.0, tight) * distance) * STRIDE**style.stride
    # Legs reach only so far: the longer a stance is, the less of it is added.
    most = (STANCE * leg + max(spring, 0.0)) / duty
    stride = np.where(swept > 0, stride, stride / (1 + (stride / most) ** 4) ** 0.25)
    way = column(cell.way for cell in cells)
    # Feet that step to a side must not cross.
    stride = np.where((spin != 0) | (np.abs(np.sin(way)) > 0.5), np.minimum(stride, WIDEST * spread.side), stride)
    return Pace(
        (before, during, after),
        reference,
        stride,
        spin,
        way,
        column(cell.leap for cell in cells) * unit,
    )


class Moves(NamedTuple):
    """When the speed of N clips changes first and last, in seconds, and how long that takes, (N, 1) each."""

    begin: np.ndarray
    end: np.ndarray
    lasts: np.ndarray


def speed_at(pace: Pace, draw: np.ndarray, times: np.ndarray, seconds: float) -> tuple[np.ndarray, Moves]:
    """Return the speed (N, G) at the times of the grid, and when it changes.

    A clip that starts, stops or changes its speed does so about its middle. One that stands before and after what it
    does begins soon and ends late; in a short clip it stands before and after the clip.
    """
    before, during, after = pace.speeds
    bout = (before == 0) & (after == 0)
    # Stops and starts take about one stride; a change of speed two.
    cycle = pace.stride / pace.reference
    change = np.maximum(np.abs(during - before), np.abs(after - during))
    lasts = np.where((before > 0) & (after > 0), 2.0, 1.2) * cycle
    lasts = np.maximum(lasts, 1.875 * change / (HEAVE * GRAVITY))
    early, late = 0.02 + 0.1 * draw[:, 2:3], 0.98 - 0.1 * draw[:, 28:29]
    middle, half = seconds * (early + late) / 2, np.maximum(seconds * (late - early) / 2, 1.1 * lasts)
    begin = np.where(bout, middle - half, seconds * (0.4 + 0.2 * draw[:, 2:3]) - lasts / 2)
    end = np.where(bout, middle + half, begin + lasts)
    begun, ended = ease((times - begin) / lasts), ease((times - end) / lasts + 1)
    speed: np.ndarray = before + (during - before) * begun + (after - during) * ended
    return speed, Moves(begin, end, lasts)


def find_bouts(
    cells: Sequence[Cell],
    pace: Pace,
    moves: Moves,
    steps: np.ndarray,
    first: np.ndarray,
    duty: np.ndarray,
    times: np.ndarray,
) -> tuple[np.ndarray, Bouts]:
    """Return the gait cycles (N, G) at the times of the grid, and when the bodies move.

    The first foot leaves its place as its body begins to move, and the last one comes down as it comes to rest.

    Args:
        cells: N cells, one for each clip.
        pace: how fast they go.
        moves: when their speeds change.
        steps: (N, G) cycles that the gait has gone since the beginning of the clip.
        first: (N, 1) random numbers in [0, 1): which foot is the first, or the cycles at the beginning.
        duty: (N, 1) share of the cycle that a foot stands.
        times: (G,) seconds.
    """
    before, during, after = pace.speeds
    starts, stops = (during > 0) & (before == 0), (during > 0) & (after == 0)
    slow = np.where(starts | stops, np.maximum(duty, ALL_DOWN), duty)

    def cycles_at(moment: np.ndarray) -> np.ndarray:
        place = np.rint((moment - times[0]) / (times[1] - times[0])).astype(int)
        return np.take_along_axis(steps, np.clip(place, 0, len(times) - 1), 1)

    leave, arrive = cycles_at(moves.begin + LEAVE * moves.lasts), cycles_at(moves.end - ARRIVE * moves.lasts)
    downs = np.array([sorted(cell.gait.touchdowns.values()) for cell in cells])  # (N, legs) cycles
    down = np.take_along_axis(downs, (first * downs.shape[1]).astype(int), 1)
    begun = down + slow
    # Steps take a little more or less time where a clip has to come out even at both ends.
    last = begun + arrive - leave
    ends = downs + np.rint(last - downs)
    last = np.take_along_axis(ends, np.abs(ends - last).argmin(1)[:, None], 1)
    even = np.where(starts & stops, (last - begun) / np.where(arrive > leave, arrive - leave, 1), 1.0)
    shift = np.where(starts, begun - even * leave, np.where(stops, down - arrive, first))
    return even * steps + shift, Bouts(
        np.where(starts, even * leave + shift, -np.inf),
        np.where(stops, even * arrive + shift, np.inf),
        slow,
    )


def _mean_curvature(
    cells: Sequence[Cell], leg: float, distance: float, reference: np.ndarray, draw: np.ndarray
) -> np.ndarray:
    """Return the mean curvature of the paths (N, 1) in radians a metre."""
    rate = column(cell.turn for cell in cells) * np.sqrt(GRAVITY / leg) * (0.75 + 0.5 * draw[:, 5:6])
    drift = 0.02 * np.sqrt(GRAVITY / leg) * (draw[:, 6:7] - 0.5)
    most = TIGHTEST / max(leg, distance)
    curvature = np.clip((rate + drift) / reference, -most, most)
    # A tighter turn than half a g of sideways pull would throw the body over.
    curvature = curvature * np.minimum(1, 0.35 * GRAVITY / np.maximum(reference**2 * np.abs(curvature), 1e-9))
    return curvature


def curvature_at(
    cells: Sequence[Cell], leg: float, distance: float, reference: np.ndarray, draw: np.ndarray, times: np.ndarray
) -> np.ndarray:
    """Return the curvature of the paths (N, G) in radians a metre, at the times of the grid."""
    wave: np.ndarray = 1 + 0.25 * np.sin(2 * np.pi * (times / (3 + 2 * draw[:, 7:8]) + draw[:, 8:9]))
    return _mean_curvature(cells, leg, distance, reference, draw) * wave
