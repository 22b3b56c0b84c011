"""Paths: where the body goes, how far the gait has come, and where each foot stands; for all clips at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rae_bench.data.generators.locomotion.gaits import GaitCell

GRAVITY = 9.81
"""Metres a second squared."""
DRAWS = 28
"""Random numbers that a clip is made of, each in [0, 1); the first ten shape its path, the others its poses."""
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
        speed: (N, G) metres a second.
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


def ease(u: np.ndarray) -> np.ndarray:
    """Return 0 to 1 over u in [0, 1], with zero velocity and acceleration at both ends."""
    u = np.clip(u, 0, 1)
    return u * u * u * (10 - 15 * u + 6 * u * u)


def bump(u: np.ndarray, rise: int = 3, fall: int = 3) -> np.ndarray:
    """Return 0 to 1 and back over u in [0, 1], with zero velocity and acceleration at both ends.

    The peak is at rise / (rise + fall).
    """
    u = np.clip(u, 0, 1)
    peak = rise / (rise + fall)
    return u**rise * (1 - u) ** fall / (peak**rise * (1 - peak) ** fall)


def fade(x: np.ndarray) -> np.ndarray:
    """Return how much of a full-speed movement remains at share `x` of the speed: 0 at 0, about 1 at 1, smooth."""
    return np.tanh(2 * x) / np.tanh(2.0)


def make_paths(
    cells: Sequence[GaitCell], leg: float, draw: np.ndarray, seconds: float, fps: float
) -> tuple[Paths, np.ndarray, np.ndarray]:
    """Return the paths of all clips, their reference speeds (N, 1) in m/s and their strides (N, 1) in metres.

    Args:
        cells: N cells, one for each clip.
        leg: leg length in metres.
        draw: (N, DRAWS) random numbers in [0, 1).
        seconds: length of a clip.
        fps: frames per second.
    """

    def column(values: list[float]) -> np.ndarray:
        return np.array(values, float)[:, None]

    swept = column([cell.gait.swept for cell in cells])
    first = draw[:, 9:10]
    draw = np.where(swept, 0.5, draw)  # the middle of a draw changes nothing
    unit = np.sqrt(GRAVITY * leg)
    varied = 1 + 0.14 * (draw[:, :1] - 0.5)
    before = column([cell.before for cell in cells]) * unit * varied
    after = column([cell.after for cell in cells]) * unit * varied
    medium = column([cell.gait.speeds[1] for cell in cells]) * unit
    reference = np.where((before > 0) & (after > 0), (before + after) / 2, np.maximum(before, after))
    stride = column([cell.gait.stride for cell in cells]) * leg * (0.94 + 0.12 * draw[:, 1:2])
    stride = stride * np.sqrt(reference / medium)

    fine = 4
    step = 1 / (fps * fine)
    margin = max(MARGIN, float(1.5 * (stride / reference).max()))
    times = np.arange(-round(margin * fps) * fine, round((seconds + margin) * fps) * fine + 1) * step
    # Stops and starts take about one stride; a change of speed two.
    lasts = np.where((before > 0) & (after > 0), 2.0, 1.3) * stride / reference
    middle = seconds * (0.4 + 0.2 * draw[:, 2:3])
    change = ease((times - middle) / lasts + 0.5)
    wander = 1 + 0.05 * (1 - swept) * np.sin(2 * np.pi * (times / (2.5 + 2 * draw[:, 3:4]) + draw[:, 4:5]))
    speed = (before + (after - before) * change) * wander
    frequency = reference / stride * np.sqrt(0.3 + 0.7 * speed / reference)
    rate = column([cell.turn for cell in cells]) * np.sqrt(GRAVITY / leg) * (0.75 + 0.5 * draw[:, 5:6])
    drift = 0.02 * np.sqrt(GRAVITY / leg) * (draw[:, 6:7] - 0.5)
    # A tighter turn than half a g of sideways pull would throw the body over.
    curvature = np.clip((rate + drift) / reference, -0.45 / leg, 0.45 / leg)
    curvature = curvature * np.minimum(1, 0.35 * GRAVITY / np.maximum(reference**2 * np.abs(curvature), 1e-9))
    curvature = curvature * (1 + 0.25 * np.sin(2 * np.pi * (times / (3 + 2 * draw[:, 7:8]) + draw[:, 8:9])))

    zero = int(np.argmin(np.abs(times)))

    def integral(rate_: np.ndarray) -> np.ndarray:
        total = np.concatenate([np.zeros((len(rate_), 1)), np.cumsum((rate_[:, 1:] + rate_[:, :-1]) / 2, 1)], 1) * step
        return total - total[:, zero : zero + 1]

    yaw = integral(speed * curvature)
    paths = Paths(
        float(times[0]),
        step,
        integral(speed * np.sin(yaw)),
        integral(speed * np.cos(yaw)),
        yaw,
        integral(frequency) + first,
        speed,
        curvature * fade(speed / reference),
    )
    return paths, reference, stride


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
