"""Actions: the combinations of action, speed, turn and style that clips are made of. Each combination is a group."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from rae_bench.data.generators.locomotion.gaits import GAITS, Gait
from rae_bench.data.generators.locomotion.style import PLAIN, StyleCell, style_cells, style_name

SPEEDS = ("slow", "medium", "fast")
"""Names of a gait's three speeds."""
TURNS = {"straight": 0.0, "left": 0.09, "right": -0.09, "sharp-left": 0.2, "sharp-right": -0.2}
"""Turn rate over sqrt(g / leg length); a left turn is positive."""
FEW = ("straight", "left", "right")
"""Turns of actions that have fewer cells."""
SIDES = {"left": 1.0, "right": -1.0}
"""Signs of the two sides."""
SEATS = {2: ("sit",), 4: ("sit", "lie"), 6: ("lie",)}
"""How bodies with a number of legs lower themselves to the ground or to an unseen stool."""
OFF_PATH = frozenset({"idle", "jump", "sit", "lie"})
"""Actions that the path of the root does not determine. The track `control` leaves them out."""


@dataclass(frozen=True)
class Cell:
    """A group of clips.

    Attributes:
        group: its name: action, speed, turn and style.
        action: what its clips do.
        gait: how the body moves.
        speeds: Froude speeds before, during and after; 0 stands.
        turn: turn rate over sqrt(g / leg length) while the body travels.
        way: radians from the heading to the direction of travel; a quarter turn is to the left, a half turn is back.
        spin: turn rate on the spot over sqrt(g / leg length); a left turn is positive.
        restless: how much a standing body shifts its weight and looks around.
        rise: leg lengths by which a jump raises the body after take-off; 0 where nothing jumps.
        leap: Froude speed of a jump over the ground.
        seat: the pose into which the body lowers itself, "sit" or "lie".
        order: the order in which it does so: "down", "up" or "down-up".
        style: the style cell.
    """

    group: str
    action: str
    gait: Gait
    speeds: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn: float = 0.0
    way: float = 0.0
    spin: float = 0.0
    restless: float = 0.5
    rise: float = 0.0
    leap: float = 0.0
    seat: str = ""
    order: str = ""
    style: StyleCell = PLAIN

    @property
    def reference(self) -> float:
        """Froude speed of the gait: the mean of the lowest and the highest speed other than 0, 0 if there is none."""
        moving = [speed for speed in self.speeds if speed > 0]
        return (min(moving) + max(moving)) / 2 if moving else 0.0


def action_cells(legs: int) -> list[Cell]:
    """Return all cells of bodies with a number of legs, family by family, and each in the order of a hash.

    A family is what stands before the first "/". The order of the hash lets a few cells in a row differ in speed, turn
    and style. A test holds that twelve clips that are spread over the cells are of all five folds.
    """
    families: dict[str, list[Cell]] = {}
    for count, cell in _plain_cells(GAITS[legs]):
        family = families.setdefault(cell.group.partition("/")[0], [])
        for style in style_cells(cell.group, count):
            family.append(replace(cell, group=f"{cell.group}/{style_name(style)}", style=style))

    def order(cell: Cell) -> str:
        return hashlib.sha256(f"order{cell.group}".encode()).hexdigest()

    return [cell for family in families.values() for cell in sorted(family, key=order)]


def action_cell_names() -> tuple[str, ...]:
    """Return the names of the cells of all bodies, each once; cells of one family follow one another."""
    names = dict.fromkeys(cell.group for legs in GAITS for cell in action_cells(legs))
    return tuple(sorted(names, key=lambda name: name.partition("/")[0]))


def _plain_cells(gaits: Mapping[str, Gait]) -> Iterator[tuple[int, Cell]]:
    """Yield the cells without style, each with the number of style cells that it is combined with."""
    names = list(gaits)
    first = gaits[names[0]]
    for i, (name, gait) in enumerate(gaits.items()):
        for speed, label in zip(gait.speeds, SPEEDS, strict=True):
            if i == 2 and label == "medium":
                continue
            for turn in TURNS if i == 0 else FEW:
                yield 2, Cell(f"{name}/{label}/{turn}", name, gait, (speed,) * 3, TURNS[turn])
    for name in names[:2]:
        gait = gaits[name]
        medium = gait.speeds[1]
        for turn in FEW if name == names[0] else FEW[:1]:
            yield 2, Cell(f"start-{name}/medium/{turn}", "start", gait, (0, medium, medium), TURNS[turn])
            yield 2, Cell(f"stop-{name}/medium/{turn}", "stop", gait, (medium, medium, 0), TURNS[turn])
    slow, medium, fast = first.speeds
    for turn in FEW:
        yield 2, Cell(f"{names[0]}-faster/slow-to-fast/{turn}", "speed-change", first, (slow, fast, fast), TURNS[turn])
        yield 2, Cell(f"{names[0]}-slower/fast-to-slow/{turn}", "speed-change", first, (fast, slow, slow), TURNS[turn])
    yield from _steps(first)
    yield from _in_place(first, len(first.touchdowns))


def _steps(gait: Gait) -> Iterator[tuple[int, Cell]]:
    """Yield steps backwards, to the side and on the spot: the body stands, steps, and stands again."""
    slow, medium, _ = gait.speeds
    calm = replace(gait, heel=0.3 * gait.heel, toe=0.3 * gait.toe, arm=0.4 * gait.arm, yaw=0.5 * gait.yaw, behind=0)
    back = replace(calm, speeds=(0.7 * slow, 0.85 * slow, 0.8 * medium), stride=0.5 * gait.stride)
    for label, speed, turns in (("slow", back.speeds[0], FEW), ("fast", back.speeds[2], FEW[:1])):
        for turn in turns:
            yield 2, Cell(f"back/{label}/{turn}", "back", back, (0, speed, 0), TURNS[turn], way=np.pi)
    # Feet that step to the side must not cross: a stride stays below twice the distance of two feet.
    side = replace(calm, speeds=(0.065, 0.08, 0.1), stride=0.24, lift=0.8 * gait.lift, width=1)
    for label, speed in (("slow", side.speeds[0]), ("fast", side.speeds[2])):
        for turn, sign in SIDES.items():
            yield 2, Cell(f"side/{label}/{turn}", "side", side, (0, speed, 0), way=sign * np.pi / 2)
    spot = replace(calm, lift=0.8 * gait.lift, width=1)
    for label, rate in (("slow", 0.18), ("fast", 0.3)):
        for turn, sign in SIDES.items():
            yield 2, Cell(f"turn/{label}/{turn}", "turn", spot, spin=sign * rate)


def _in_place(gait: Gait, legs: int) -> Iterator[tuple[int, Cell]]:
    """Yield standing, jumps, and sitting or lying down."""
    yield 4, Cell("idle/still/straight", "idle", gait, restless=0.5)
    yield 4, Cell("idle/restless/straight", "idle", gait, restless=1.0)
    for label, rise in (("low", 0.1), ("high", 0.22)):
        yield 2, Cell(f"jump/{label}/up", "jump", gait, rise=rise)
        yield 2, Cell(f"jump/{label}/forward", "jump", gait, rise=rise, leap=0.4)
    for seat in SEATS[legs]:
        for order in ("down", "up", "down-up"):
            yield 4 // len(SEATS[legs]), Cell(f"{seat}/{order}/straight", seat, gait, seat=seat, order=order)
