"""Paths of feet: still through a stance, then in flight to the place of the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rae_bench.data.generators.locomotion.curves import bump, ease, fade
from rae_bench.data.generators.locomotion.paths import Paths, ground_at


@dataclass(frozen=True)
class Step:
    """One foot over all frames.

    Attributes:
        position: (N, T, 3) metres, the contact joint.
        yaw: (N, T) radians, heading of the foot.
        planted: (N, T) bool.
        swing: (N, T) 0 to 1 through the flight, 0 in stance.
        phase: (N, T) cycles since touch-down, in [0, 1).
        gain: (N, T) length of the coming or present step, about 1 at the reference stride.
    """

    position: np.ndarray
    yaw: np.ndarray
    planted: np.ndarray
    swing: np.ndarray
    phase: np.ndarray
    gain: np.ndarray


@dataclass(frozen=True)
class FootHome:
    """Where a foot stands beside its girdle, and what the gait changes in it.

    Attributes:
        side: (N, 1) metres to the left at rest.
        ahead: (N, 1) metres ahead at rest.
        width: (N, 1) factor on the distance from the midline at full speed.
        behind: (N, 1) metres further behind at full speed.
        speed: (N, 1) metres a second, the full speed.
    """

    side: np.ndarray
    ahead: np.ndarray
    width: np.ndarray
    behind: np.ndarray
    speed: np.ndarray


def _place(
    paths: Paths, index: np.ndarray, offset: np.ndarray, duty: np.ndarray, length: float, fore: bool, home: FootHome
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x and z (N, T) in metres and the heading of the stance of number `index` (N, T)."""
    times = paths.time_of(index + offset + duty / 2)
    ground = ground_at(paths, times, length)
    x, z, yaw = ground.fore if fore else ground.rear
    s, c = np.sin(yaw), np.cos(yaw)
    go = fade(paths.at(paths.speed, times) / home.speed)
    side, ahead = home.side * (1 + (home.width - 1) * go), home.ahead - home.behind * go
    return x + c * side + s * ahead, z - s * side + c * ahead, yaw


def foot_path(
    paths: Paths,
    times: np.ndarray,
    length: float,
    fore: bool,
    offset: np.ndarray,
    duty: np.ndarray,
    home: FootHome,
    stride: np.ndarray,
    lift: np.ndarray,
    height: float,
    swept: np.ndarray,
    leap: np.ndarray,
) -> Step:
    """Return the path of one foot.

    Args:
        paths: the body's paths.
        times: (N, T) seconds.
        length: metres between the girdles.
        fore: whether the foot belongs to the fore girdle.
        offset: (N, 1) cycles, when it comes down.
        duty: (N, 1) share of the cycle that it stands.
        home: where it stands beside its girdle.
        stride: (N, 1) metres.
        lift: (N, 1) metres.
        height: metres of the standing foot's contact joint over the ground.
        swept: (N, 1) 1 where the foot flies along a cycloid.
        leap: (N, T) metres by which jumps lift the foot.
    """
    phase = paths.at(paths.phase, times) - offset
    index = np.floor(phase)
    phase = phase - index
    x, z, yaw = _place(paths, index, offset, duty, length, fore, home)
    next_x, next_z, next_yaw = _place(paths, index + 1, offset, duty, length, fore, home)
    swing = np.clip((phase - duty) / (1 - duty), 0, 1)
    distance = np.hypot(next_x - x, next_z - z)
    gain = fade(1.2 * distance / stride)
    around = 2 * np.pi * swing
    along = np.where(swept, swing - np.sin(around) / (2 * np.pi), ease(swing))
    rise = np.where(swept, lift * (1 - np.cos(around)) / 2, lift * gain * bump(swing, 3, 4))
    position = np.stack(
        [
            x + (next_x - x) * along,
            height + rise + leap,
            z + (next_z - z) * along,
        ],
        -1,
    )
    still = (phase < duty) | ((distance < 1e-7) & (leap == 0))
    # A backward difference is at rest only where the frame before stood in the same place.
    same = np.concatenate([still[:, :1], np.linalg.norm(np.diff(position, axis=1), axis=-1) < 1e-6], 1)
    return Step(position, yaw + (next_yaw - yaw) * along, still & same, swing, phase, gain)
