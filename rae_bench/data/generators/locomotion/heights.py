"""Heights: what jumps do to the height of a body and of its feet, and how far a body has sat or lain down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rae_bench.data.generators.locomotion.actions import Cell
from rae_bench.data.generators.locomotion.curves import GRAVITY, ease, spline

CROUCH, LAND = 1.5, 2.0
"""Jumps: time to go down before one and to get up after it, in sqrt(leg length / g)."""
TALLEST = 0.06
"""Most leg lengths at which a body is above its standing height as it takes off."""
SOFT = 0.03
"""Leg lengths by which a body lands lower than it took off: the legs are ahead of it, and ready to bend."""
REACH = 0.035
"""Leg lengths by which legs stretch further after the take-off, while their feet gain the speed of the body."""
TUCK = (0.03, 0.35)
"""By how much a jumping body draws its feet up: leg lengths, and a share of the height of the jump."""
LOWER = 5.5
"""Time to sit or lie down, in sqrt(leg length / g)."""


@dataclass(frozen=True)
class Jumps:
    """The jumps of N clips; a clip without jumps has some of height 0 far behind its end.

    Attributes:
        off: (N, 2) seconds of take-off.
        land: (N, 2) seconds of touch-down.
        push: (N, 1) seconds from the lowest point to take-off.
        speed: (N, 1) metres a second upwards at take-off.
        depth: (N, 1) metres by which the body sinks beforehand.
        top: (N, 1) metres above its standing height at which it takes off.
        ahead: (N, 1) seconds by which the feet take off before the body does.
        leg: leg length in metres.
    """

    off: np.ndarray
    land: np.ndarray
    push: np.ndarray
    speed: np.ndarray
    depth: np.ndarray
    top: np.ndarray
    ahead: np.ndarray
    leg: float

    def earlier(self, off: float, land: float) -> Jumps:
        """Return the same jumps for feet that leave the ground and come down earlier, by shares of the flight."""
        flight = self.land - self.off
        return replace(
            self, off=self.off - off * flight, land=self.land - land * flight, ahead=self.ahead + off * flight[:, :1]
        )

    @property
    def stretch(self) -> np.ndarray:
        """(N, 1) seconds for which legs go on to stretch after take-off, and have stretched before touch-down."""
        lasts: np.ndarray = np.minimum(
            REACH * self.leg / (0.55 * np.maximum(self.speed, 1e-9)), 0.25 * (self.land - self.off)[:, :1]
        )
        return lasts

    @property
    def fall(self) -> np.ndarray:
        """(N, 1) metres a second downwards at touch-down."""
        speed: np.ndarray = np.sqrt(self.speed**2 + 2 * GRAVITY * SOFT * self.leg)
        return speed

    @property
    def soft(self) -> np.ndarray:
        """(N, 1) seconds from touch-down to the lowest point of a landing."""
        lasts: np.ndarray = (0.8 * self.depth + self.top - SOFT * self.leg) / np.maximum(
            0.42 * self.speed, 0.1 * np.sqrt(GRAVITY * self.leg)
        )
        return lasts

    def travel(self, times: np.ndarray) -> np.ndarray:
        """Return (N, T) the share of its speed over the ground that a body has: 1 in flight, 0 as it stands."""
        start = ease((times[..., None] - (self.off - self.push)[:, None]) / self.push[:, None])
        stop = ease((times[..., None] - self.land[:, None]) / self.push[:, None])
        share: np.ndarray = (start - stop).sum(-1)
        return share

    def phase(self, times: np.ndarray, duty: np.ndarray) -> np.ndarray:
        """Return gait cycles (N, T): each flight is the swing of a cycle, whose stance has a share of `duty` (N, 1)."""
        knots = np.stack([self.off[:, 0] - 2, self.off[:, 0], self.land[:, 0], self.off[:, 1], self.land[:, 1]], 1)
        knots = np.concatenate([knots, knots[:, -1:] + 2], 1)
        cycles = np.concatenate([0 * duty, duty, 0 * duty + 1, 1 + duty, 0 * duty + 2, 2 + duty], 1)
        return np.stack([np.interp(t, k, c) for t, k, c in zip(times, knots, cycles, strict=True)])

    def height(self, times: np.ndarray) -> np.ndarray:
        """Return by how many metres a body is above its standing height, (N, T)."""
        unit = np.sqrt(self.leg / GRAVITY)
        one = np.ones_like(self.push)
        up, thrust, soft = self.speed, 1.5 * self.speed / self.push, 0.5 * self.fall / self.soft
        rows = []
        for off, land in zip(np.split(self.off, 2, 1), np.split(self.land, 2, 1), strict=True):
            bottom, rest = off - self.push, land + self.soft
            rows += [
                (bottom - CROUCH * unit, 0 * one, 0 * one, 0 * one),
                (bottom, -self.depth, 0 * one, thrust),
                (off, self.top, up, -GRAVITY * one),
                (land, self.top - SOFT * self.leg, -self.fall, -GRAVITY * one),
                (rest, -0.8 * self.depth, 0 * one, soft),
                (rest + LAND * unit, 0 * one, 0 * one, 0 * one),
            ]
        return np.where(self.speed > 0, _through(rows, times), 0.0)

    def feet(self, times: np.ndarray) -> np.ndarray:
        """Return by how many metres the feet are lifted, (N, T).

        A leg that takes off goes on to stretch, by `REACH`, until its foot is as fast as the body. Then the feet are
        drawn up. They land in the same way.
        """
        one, lasts, tuck = (
            np.ones_like(self.push),
            self.stretch,
            TUCK[0] * self.leg + TUCK[1] * self.speed**2 / (2 * GRAVITY),
        )
        half = (self.land - self.off)[:, :1] / 2
        reach = [0.55 * speed * lasts for speed in (self.speed, self.fall)]
        # After take-off and before touch-down; then in the middle, where the legs are shortest.
        (up, rising), (down, falling) = (
            (speed * lasts - GRAVITY * lasts**2 / 2 - more, speed - GRAVITY * lasts)
            for speed, more in zip((self.speed, self.fall), reach, strict=True)
        )
        since = half - self.ahead
        middle = self.speed * since - GRAVITY * since**2 / 2 + tuck
        drawn = -GRAVITY - 4 * (sum(reach) / 2 + tuck) / (half - lasts) ** 2
        rows = []
        for off, land in zip(np.split(self.off, 2, 1), np.split(self.land, 2, 1), strict=True):
            rows += [
                (off, 0 * one, 0 * one, 0 * one),
                (off + lasts, up, rising, self.speed / lasts - GRAVITY),
                (off + half, middle, self.speed - GRAVITY * since, drawn),
                (land - lasts, down, -falling, self.fall / lasts - GRAVITY),
                (land, 0 * one, 0 * one, 0 * one),
            ]
        return np.where(self.speed > 0, _through(rows, times), 0.0)

    def ready(self, times: np.ndarray) -> np.ndarray:
        """Return from 0 to 1 how far the body has gone from standing to the lowest point of a jump, (N, T)."""
        unit = np.sqrt(self.leg / GRAVITY)
        down = ease((times[..., None] - (self.off - self.push)[:, None]) / (CROUCH * unit) + 1)
        up = ease((times[..., None] - (self.land + self.soft)[:, None]) / (LAND * unit))
        return np.where(self.speed > 0, (down - up).sum(-1), 0.0)

    def heel(self, times: np.ndarray) -> np.ndarray:
        """Return how far heels are raised, (N, T): 1 at take-off, 2 just after it, and about 1 at touch-down."""
        one, lasts = np.ones_like(self.push), self.stretch
        rows = []
        for off, land in zip(np.split(self.off, 2, 1), np.split(self.land, 2, 1), strict=True):
            rows += [
                (off - 0.6 * self.push, 0 * one, 0 * one, 0 * one),
                (off + 1.2 * lasts, one, 0 * one, 0 * one),
                ((off + land) / 2 + 0.1 * (land - off), 0.35 * one, 0 * one, 0 * one),
                (land - 0.5 * lasts, 0.7 * one, 0 * one, 0 * one),
                (land + 0.8 * self.soft, 0 * one, 0 * one, 0 * one),
            ]
        return np.where(self.speed > 0, _through(rows, times), 0.0)

    def thrust(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return from 0 to 1 how far the body is about a take-off and how far about a landing, (N, T) each."""
        push, flight = self.push[:, None], (self.land - self.off)[:, None]
        since, until = times[..., None] - self.off[:, None], self.land[:, None] - times[..., None]
        up = ease((since + 0.6 * push) / (0.6 * push)) * ease(1 - since / (0.5 * flight))
        down = ease((until + 0.5 * push) / (0.5 * push)) * ease(1 - until / (0.4 * flight))
        jumps = self.speed > 0
        return np.where(jumps, up.sum(-1), 0.0), np.where(jumps, down.sum(-1), 0.0)


def _through(rows: Sequence[tuple[np.ndarray, ...]], times: np.ndarray) -> np.ndarray:
    """Return the spline (N, T) through rows of a time, a value, a slope and a bend, (N, 1) each."""
    knots, values, slopes, bends = (np.concatenate(column, 1) for column in zip(*rows, strict=True))
    return spline(knots, values, slopes, bends, times)


def make_jumps(cells: Sequence[Cell], leg: float, spring: float, draw: np.ndarray, strength: np.ndarray) -> Jumps:
    """Return the two jumps of each clip.

    Args:
        cells: N cells.
        leg: leg length in metres.
        spring: metres above its standing height at which the body stands on stretched legs, with raised heels.
        draw: (N, 3) random numbers in [0, 1): when the first jump is, how much later the second one, how high.
        strength: (N, 1) factor on the height.
    """
    unit = np.sqrt(leg / GRAVITY)
    rise = np.array([[cell.rise] for cell in cells]) * leg * (0.8 + 0.4 * draw[:, 2:3]) * (0.4 + 0.6 * strength)
    speed = np.sqrt(2 * GRAVITY * rise)
    depth = 0.1 * leg + 0.55 * rise
    level = np.clip(spring, -0.06 * leg, TALLEST * leg)
    push = (depth + level) / np.maximum(0.45 * speed, 0.1 * np.sqrt(GRAVITY * leg))
    # A body that leaps is ahead of its feet as it takes off.
    ahead = np.array([[cell.leap] for cell in cells]) * np.sqrt(GRAVITY * leg) * push / 2
    top = level - ahead**2 / (2 * leg)
    flight = (speed + np.sqrt(speed**2 + 2 * GRAVITY * SOFT * leg)) / GRAVITY
    first = push + CROUCH * unit + (0.1 + 0.5 * draw[:, :1])
    soft = Jumps(first, first, push, speed, depth, top, 0 * top, leg).soft
    between = flight + push + soft + (CROUCH + LAND + 0.1 + 1.5 * draw[:, 1:2]) * unit
    off = np.where(speed > 0, np.concatenate([first, first + between], 1), 1e6 + np.array([[0, 1e3]]))
    return Jumps(off, off + flight, push, speed, depth, top, 0 * top, leg)


def seated(cells: Sequence[Cell], leg: float, draw: np.ndarray, times: np.ndarray, seconds: float) -> np.ndarray:
    """Return from 0 to 1 how far each body has sat or lain down, (N, T).

    Args:
        cells: N cells.
        leg: leg length in metres.
        draw: (N, 3) random numbers in [0, 1): when it goes down, when it gets up, and how slowly.
        times: (N, T) seconds.
        seconds: length of a clip.
    """
    lasts = LOWER * np.sqrt(leg / GRAVITY) * (0.8 + 0.5 * draw[:, 2:3])
    down = seconds * (0.02 + 0.15 * draw[:, :1])
    rising = np.array([[cell.order == "up"] for cell in cells])
    up = seconds * (np.where(rising, 0.1, 0.5) + np.where(rising, 0.35, 0.2) * draw[:, 1:2])
    goes, rises = ([[word in cell.order.split("-")] for cell in cells] for word in ("down", "up"))
    low = np.where(goes, ease((times - down) / lasts), 1.0) - np.where(rises, ease((times - up) / lasts), 0.0)
    return np.where([[bool(cell.seat)] for cell in cells], low, 0.0)
