"""What all parts of a body follow over the frames of its clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rae_bench.data.generators.locomotion.actions import Cell
from rae_bench.data.generators.locomotion.body import Body
from rae_bench.data.generators.locomotion.curves import fade
from rae_bench.data.generators.locomotion.heights import Jumps, seated
from rae_bench.data.generators.locomotion.pace import Spread, column
from rae_bench.data.generators.locomotion.paths import Ground, Paths, ground_at, make_paths
from rae_bench.data.generators.locomotion.postures import Postures, Seat, foot_home
from rae_bench.data.generators.locomotion.style import NUMBERS, Style, draw_style
from rae_bench.rigs.rig import Rig

LATE = 0.04
"""Cycles by which right feet come down late at the highest number of asymmetry."""
DUTY = 0.05
"""By how much the highest number of style lengthens a stance, in cycles."""


@dataclass(frozen=True)
class Course:
    """What all parts of the body follow, over the frames of N clips.

    Attributes:
        rig: the skeleton.
        body: its body plan.
        postures: how low it can go.
        cells: N cells, one for each clip.
        style: that of each clip.
        draw: (N, DRAWS) random numbers in [0, 1).
        paths: the body's paths.
        jumps: the body's jumps.
        times: (N, T) seconds.
        reference: (N, 1) metres a second.
        stride: (N, 1) metres.
        duty: (N, 1) share of the cycle that a foot stands.
        phase: (N, T) cycles.
        speed: (N, T) metres a second.
        ground: where the girdles stand.
        go: (N, T) how much of a full-speed movement remains.
        down: (N, T) from 0 to 1 how far the body has sat or lain down.
        height: (N, T) metres by which a jump raises the body.
        thrust: (N, T) from 0 to 1 how far the body is about a take-off.
        landing: (N, T) from 0 to 1 how far the body is about a landing.
    """

    rig: Rig
    body: Body
    postures: Postures
    cells: Sequence[Cell]
    style: Style
    draw: np.ndarray
    paths: Paths
    jumps: Jumps
    times: np.ndarray
    reference: np.ndarray
    stride: np.ndarray
    duty: np.ndarray
    phase: np.ndarray
    speed: np.ndarray
    ground: Ground
    go: np.ndarray
    down: np.ndarray
    height: np.ndarray
    thrust: np.ndarray
    landing: np.ndarray

    def number(self, field: str) -> np.ndarray:
        """Return a number of the gait of each clip, (N, 1)."""
        return column(getattr(cell.gait, field) for cell in self.cells)

    def of_cell(self, field: str) -> np.ndarray:
        """Return a number of the cell of each clip, (N, 1)."""
        return column(getattr(cell, field) for cell in self.cells)

    def of_seat(self, field: str) -> np.ndarray:
        """Return (N, T) how much of a number of its seat each clip has at each frame."""
        seats = (self.postures.seats.get(cell.seat, Seat()) for cell in self.cells)
        return column(getattr(seat, field) for seat in seats) * self.down

    def jumping(self, jumps: Jumps) -> Paths:
        """Return the paths with the phase of other jumps, for feet that are ahead of others."""
        grid = self.paths.start + self.paths.step * np.arange(self.paths.phase.shape[1])
        phase = jumps.phase(np.broadcast_to(grid, self.paths.phase.shape), self.duty)
        return replace(self.paths, phase=np.where(jumps.speed > 0, phase, self.paths.phase))

    def vary(self, draw: int, spread: float | np.ndarray) -> np.ndarray:
        """Return factors (N, 1) within 1 +- `spread`, from the draw of that index."""
        return 1 + spread * (2 * self.draw[:, draw : draw + 1] - 1)

    def drift(self, draw: int, period: float) -> np.ndarray:
        """Return a slow wave (N, T) between -1 and 1 that does not repeat; two draws from that index on shape it."""
        a, b = self.draw[:, draw : draw + 1], self.draw[:, draw + 1 : draw + 2]
        turns = self.times / (period * (0.75 + 0.5 * b))
        wave: np.ndarray = (np.sin(2 * np.pi * (turns + a)) + 0.6 * np.sin(2 * np.pi * (1.7 * turns + 3 * b))) / 1.6
        return wave

    @property
    def cycle(self) -> np.ndarray:
        """(N, T) radians since the left foot came down."""
        return 2 * np.pi * self.phase

    @property
    def middle(self) -> np.ndarray:
        """(N, T) radians since the middle of the left foot's stance."""
        return 2 * np.pi * (self.phase - self.duty / 2)

    @property
    def along(self) -> np.ndarray:
        """(N, 1) how much of the travel is forward: 1 ahead, 0 to a side, -1 back."""
        return np.cos(self.of_cell("way"))

    @property
    def flies(self) -> np.ndarray:
        """(N, 1) bool, whether the gait has times at which no foot is on the ground."""
        flies: np.ndarray = self.number("duty") < 0.5
        return flies & (self.jumps.speed == 0)

    @property
    def idle(self) -> np.ndarray:
        """(N, T) how much the body is free to shift its weight: it stands, and neither jumps nor sits."""
        free = np.where(self.jumps.speed > 0, 0.3, 1.0) * (1 - 0.7 * self.down) * (1 - self.number("swept"))
        return self.of_cell("restless") * free * (1 - self.go)


def make_course(
    rig: Rig,
    body: Body,
    postures: Postures,
    cells: Sequence[Cell],
    draw: np.ndarray,
    strength: np.ndarray,
    seconds: float,
    fps: float,
) -> Course:
    """Return the course of all clips; for the arguments see `whole_body.make_poses`."""
    style = draw_style([cell.style for cell in cells], draw[:, -len(NUMBERS) :], strength)
    grounded = column(cell.rise == 0 for cell in cells)
    duty = column(cell.gait.duty for cell in cells) + DUTY * style.duty * grounded
    sides, aheads = np.array([foot_home(rig, body, leg) for leg in body.legs]).T
    girdles = body.length * (np.array([leg.fore for leg in body.legs]) - 0.5)
    spread = Spread(float(np.hypot(sides, aheads + girdles).mean()), float(np.abs(sides).min()))
    paths, jumps, pace = make_paths(
        cells, body.leg_length, postures.spring, spread, duty, style, draw, strength, seconds, fps
    )
    times = np.broadcast_to(np.arange(round(seconds * fps)) / fps, (len(cells), round(seconds * fps)))
    speed = paths.at(paths.speed, times)
    return Course(
        rig,
        body,
        postures,
        cells,
        style,
        draw,
        paths,
        jumps,
        times,
        pace.reference,
        pace.stride,
        duty,
        paths.at(paths.phase, times),
        speed,
        ground_at(paths, times, body.length),
        fade(speed / pace.reference),
        seated(cells, body.leg_length, draw[:, 29:32], times, seconds) * (0.5 + 0.5 * strength),
        jumps.height(times),
        *jumps.thrust(times),
    )
