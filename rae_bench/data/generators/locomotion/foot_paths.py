"""Paths of feet: still through a stance, then in flight to the place of the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rae_bench.data.generators.locomotion.curves import bump, ease, fade, glide
from rae_bench.data.generators.locomotion.paths import Paths, ground_at

AT_REST = 3e-6
"""Metres: a foot nearer than that to where it stands is at rest; positions of 32 bits tell no less."""
SHORTEST = 0.6
"""Least length of a swing that begins with the first step or ends with the last one, as a share of a whole swing."""


@dataclass(frozen=True)
class Step:
    """One foot over all frames.

    Attributes:
        position: (N, T, 3) metres, the contact joint.
        yaw: (N, T) radians, heading of the foot.
        planted: (N, T) bool, whether it stands on the ground at rest.
        swing: (N, T) 0 to 1 through the flight, 0 in stance.
        roll: (N, T) below 0 before the heel rises for the flight, above 1 after it has come down.
        phase: (N, T) cycles of the gait; whole where the foot comes down.
        gain: (N, T) length of the coming or present step, about 1 at the reference stride.
    """

    position: np.ndarray
    yaw: np.ndarray
    planted: np.ndarray
    swing: np.ndarray
    roll: np.ndarray
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


class _Stance(NamedTuple):
    """A stance of each frame, (N, T) each: metres, radians, and the gait cycles at which it begins and ends."""

    x: np.ndarray
    z: np.ndarray
    yaw: np.ndarray
    touch: np.ndarray
    lift: np.ndarray


def _stance(
    paths: Paths, index: np.ndarray, offset: np.ndarray, duty: np.ndarray, length: float, fore: bool, home: FootHome
) -> _Stance:
    """Return the stance of number `index` (N, T).

    A slow foot stands longer. The swing that the first or the last step of a bout cuts short lasts at least `SHORTEST`.
    """
    first, last, short = paths.bouts.first, paths.bouts.last, SHORTEST * (1 - duty)
    touch = index + offset
    slow = 1 - ease(paths.at(paths.speed, paths.time_of(touch)) / (0.9 * home.speed))
    lift = touch + duty + slow * (paths.bouts.duty - duty)
    touch = np.where(touch > first, np.maximum(touch, first + short), touch)
    lift = np.where(lift < last, np.minimum(lift, last - short), lift)
    times = paths.time_of((touch + lift) / 2)
    ground = ground_at(paths, times, length)
    x, z, yaw = ground.fore if fore else ground.rear
    s, c = np.sin(yaw), np.cos(yaw)
    go = fade(paths.at(paths.speed, times) / home.speed)
    side, ahead = home.side * (1 + (home.width - 1) * go), home.ahead - home.behind * go
    return _Stance(x + c * side + s * ahead, z - s * side + c * ahead, yaw, touch, lift)


def foot_path(
    paths: Paths,
    times: np.ndarray,
    length: float,
    fore: bool,
    offset: np.ndarray,
    duty: np.ndarray,
    home: FootHome,
    stride: np.ndarray,
    lift_height: np.ndarray,
    bow: np.ndarray,
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
        lift_height: (N, 1) metres by which it is lifted.
        bow: (N, 1) metres to the left by which it swings out.
        height: metres of the standing foot's contact joint over the ground.
        swept: (N, 1) 1 where the foot flies along a cycloid.
        leap: (N, T) metres by which jumps lift the foot.
    """
    bouts = paths.bouts
    phase = paths.at(paths.phase, times)
    cycles = np.clip(phase, bouts.first, bouts.last)
    index = np.floor(cycles - offset)
    late = (index + offset > bouts.first) & (cycles < bouts.first + SHORTEST * (1 - duty))
    index = index - late  # the swing before goes on
    here, there = (_stance(paths, index + k, offset, duty, length, fore, home) for k in (0, 1))
    lift, touch = np.maximum(here.lift, bouts.first), np.minimum(there.touch, bouts.last)
    lasts = np.maximum(touch - lift, 1e-6)
    swing = np.clip((cycles - lift) / lasts, 0, 1)
    # The heel rises in the second half of the stance, and is down again before the foot is.
    opening = np.maximum(here.touch + 0.45 * (here.lift - here.touch), bouts.first)
    roll = (cycles - opening) / (lift + 0.72 * lasts - opening)
    distance = np.hypot(there.x - here.x, there.z - here.z)
    gain = fade(1.2 * distance / stride) * (here.lift < bouts.last)
    around = 2 * np.pi * swing
    along = np.where(swept, swing - np.sin(around) / (2 * np.pi), glide(swing))
    rise = np.where(swept, lift_height * (1 - np.cos(around)) / 2, lift_height * gain * bump(swing, 3, 4))
    yaw = here.yaw + (there.yaw - here.yaw) * along
    out = bow * gain * bump(swing)
    x = here.x + (there.x - here.x) * along + np.cos(yaw) * out
    z = here.z + (there.z - here.z) * along - np.sin(yaw) * out
    position = np.stack([x, height + rise + leap, z], -1)
    planted = (distance * np.minimum(along, 1 - along) < AT_REST) & (rise + leap < AT_REST)
    return Step(position, yaw, planted, swing, roll, phase - offset, gain)
