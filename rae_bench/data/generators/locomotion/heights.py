"""Heights: what jumps do to the height of a body and of its feet, and how far a body has sat or lain down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rae_bench.data.generators.locomotion.actions import Cell
from rae_bench.data.generators.locomotion.curves import GRAVITY, ease, spline

CROUCH, LAND, OFF = 1.5, 2.0, -0.06
"""Jumps: time to go down before and to get up after one, in sqrt(leg length / g); leg lengths at take-off above
standing."""
TUCK = 0.04
"""Leg lengths by which a jumping body draws its feet up."""
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
        leg: leg length in metres.
    """

    off: np.ndarray
    land: np.ndarray
    push: np.ndarray
    speed: np.ndarray
    depth: np.ndarray
    leg: float

    def earlier(self, share: float) -> Jumps:
        """Return the same jumps, whose flights begin and end earlier by a share of their length."""
        ahead = share * (self.land - self.off)
        return replace(self, off=self.off - ahead, land=self.land - ahead)

    def airborne(self, times: np.ndarray) -> np.ndarray:
        """Return from 0 to 1 how far each flight has come at times (N, T), as (N, T, 2)."""
        return np.clip((times[..., None] - self.off[:, None]) / (self.land - self.off)[:, None], 0, 1)

    def travel(self, times: np.ndarray) -> np.ndarray:
        """Return (N, T) the share of its speed over the ground that a body has: 1 in flight, 0 as it stands."""
        start = ease((times[..., None] - (self.off - self.push)[:, None]) / self.push[:, None])
        stop = ease((times[..., None] - self.land[:, None]) / (1.5 * self.push)[:, None])
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
        up, thrust = self.speed, 1.5 * self.speed / self.push
        rows = []
        for off, land in zip(np.split(self.off, 2, 1), np.split(self.land, 2, 1), strict=True):
            bottom, rest = off - self.push, land + 1.5 * self.push
            rows += [
                (bottom - CROUCH * unit, 0 * one, 0 * one, 0 * one),
                (bottom, -self.depth, 0 * one, thrust),
                (off, OFF * self.leg * one, up, -GRAVITY * one),
                (land, OFF * self.leg * one, -up, -GRAVITY * one),
                (rest, -0.8 * self.depth, 0 * one, thrust / 1.5),
                (rest + LAND * unit, 0 * one, 0 * one, 0 * one),
            ]
        knots, values, slopes, bends = (np.concatenate(column, 1) for column in zip(*rows, strict=True))
        return np.where(self.speed > 0, spline(knots, values, slopes, bends, times), 0.0)

    def feet(self, times: np.ndarray) -> np.ndarray:
        """Return by how many metres the feet are lifted, (N, T): they rise as the body does, and are drawn up."""
        share = self.airborne(times)
        rise = self.speed**2 / (2 * GRAVITY) + TUCK * self.leg * (self.speed > 0)
        lifted: np.ndarray = rise * (ease(share / 0.42) * ease((1 - share) / 0.42)).sum(-1)
        return lifted

    def thrust(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return from 0 to 1 how far the body is about a take-off and how far about a landing, (N, T) each."""
        push, flight = self.push[:, None], (self.land - self.off)[:, None]
        since, until = times[..., None] - self.off[:, None], self.land[:, None] - times[..., None]
        up = ease((since + 0.6 * push) / (0.6 * push)) * ease(1 - since / (0.5 * flight))
        down = ease((until + 0.5 * push) / (0.5 * push)) * ease(1 - until / (0.4 * flight))
        jumps = self.speed > 0
        return np.where(jumps, up.sum(-1), 0.0), np.where(jumps, down.sum(-1), 0.0)


def make_jumps(cells: Sequence[Cell], leg: float, draw: np.ndarray, strength: np.ndarray) -> Jumps:
    """Return the two jumps of each clip.

    Args:
        cells: N cells.
        leg: leg length in metres.
        draw: (N, 3) random numbers in [0, 1): when the first jump is, how much later the second one, how high.
        strength: (N, 1) factor on the height.
    """
    unit = np.sqrt(leg / GRAVITY)
    rise = np.array([[cell.rise] for cell in cells]) * leg * (0.8 + 0.4 * draw[:, 2:3]) * (0.4 + 0.6 * strength)
    speed = np.sqrt(2 * GRAVITY * rise)
    depth = 0.1 * leg + 0.55 * rise
    push = (depth + OFF * leg) / np.maximum(0.45 * speed, 0.1 * np.sqrt(GRAVITY * leg))
    flight = np.maximum(2 * speed / GRAVITY, 0.1 * unit)
    first = push + CROUCH * unit + (0.1 + 0.5 * draw[:, :1])
    between = flight + 2.5 * push + (CROUCH + LAND + 0.1 + 1.5 * draw[:, 1:2]) * unit
    off = np.where(speed > 0, np.concatenate([first, first + between], 1), 1e6 + np.array([[0, 1e3]]))
    return Jumps(off, off + flight, push, speed, depth, leg)


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
