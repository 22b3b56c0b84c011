"""Style: eight numbers that are held over a clip and mean the same on every rig, and the cells that they are dealt in.

A cell says of three of the numbers in which half of its range it lies, so there are eight cells. The other five numbers
are drawn from their whole range.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

WORDS = {"crouch": ("tall", "low"), "stride": ("short", "long"), "swing": ("calm", "lively")}
"""The numbers that make a style cell, and the names of the lower and the upper half of each."""
LEAST = 0.15
"""How far a number that makes a cell stays away from the middle of its range."""


@dataclass(frozen=True)
class Style:
    """Eight numbers of each of N clips, (N, 1) arrays from -1 to 1. At 0 the clip moves as its gait says.

    Attributes:
        stride: length of the steps at the same speed; standing feet stand further apart.
        lift: how high the feet are lifted.
        crouch: how low the body is carried; -1 is upright.
        lean: how far the trunk is pitched forward.
        sway: how far the body goes from side to side.
        swing: how much the head, the tail and the arms move.
        asymmetry: how much more the left side does than the right one.
        duty: how long the feet stand in a cycle.
    """

    stride: np.ndarray
    lift: np.ndarray
    crouch: np.ndarray
    lean: np.ndarray
    sway: np.ndarray
    swing: np.ndarray
    asymmetry: np.ndarray
    duty: np.ndarray


NUMBERS = tuple(field.name for field in fields(Style))
"""Names of the eight numbers."""
StyleCell = tuple[int, ...]
"""For each of `WORDS` -1 for the lower half, 1 for the upper one; all 0 for clips without style."""
PLAIN: StyleCell = (0, 0, 0)
"""The cell of clips without style."""


def style_name(cell: StyleCell) -> str:
    """Return the name of a style cell, such as "low-long-calm"."""
    return "-".join(words[half > 0] for words, half in zip(WORDS.values(), cell, strict=True))


def style_cells(name: str, count: int) -> list[StyleCell]:
    """Return `count` of the eight style cells, 2 or 4, chosen by a hash of `name`.

    Two cells are opposite in every number. Four cells have each pair of halves of any two numbers once.
    """
    first = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
    signs = np.array([-1 if first >> bit & 1 else 1 for bit in range(3)])
    turns = np.array([[1, 1, 1], [-1, -1, -1]] if count == 2 else [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    return [tuple(int(half) for half in signs * turn) for turn in turns]


def draw_style(cells: Sequence[StyleCell], draw: np.ndarray, strength: np.ndarray) -> Style:
    """Return the style of N clips.

    Args:
        cells: N style cells.
        draw: (N, 8) random numbers in [0, 1), in the order of `NUMBERS`.
        strength: (N, 1) factor on all numbers.
    """
    numbers = dict(zip(NUMBERS, np.split(2 * draw - 1, len(NUMBERS), axis=1), strict=True))
    halves = np.array(cells, float)
    for name, half in zip(WORDS, np.split(halves, len(WORDS), axis=1), strict=True):
        numbers[name] = half * (LEAST + (1 - LEAST) * (numbers[name] + 1) / 2)
    plain = ~halves.any(1, keepdims=True)
    return Style(**{name: np.where(plain, 0.0, strength * number) for name, number in numbers.items()})
