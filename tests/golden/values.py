"""What is kept of a piece's numbers: a handful each, and how near they must stay."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

CLOSE, TRAINED = 1e-5, 1e-3
"""Tolerances: of what is computed, and of what is trained. Rounding differs from processor to processor."""
WHOLE = 12
"""Arrays of at most so many numbers are kept whole."""


class Value(NamedTuple):
    """Numbers (None for NaN) or words.

    Attributes:
        tolerance: how far a number may move, as a share of the largest of them; 0 for not at all.
    """

    numbers: list[Any]
    tolerance: float


Values = Mapping[str, Value]


def close(array: ArrayLike, tolerance: float = CLOSE) -> Value:
    """A small array whole; of a large one five entries, mean, root mean square and a sum of changing signs.

    All of them have the unit of the array.
    """
    flat = np.asarray(array, np.float64).ravel()
    if len(flat) > WHOLE:
        picked = flat[np.linspace(0, len(flat) - 1, 5).astype(int)]
        swung = flat @ np.cos(np.arange(len(flat))) / math.sqrt(len(flat))
        flat = np.array([*picked, flat.mean(), math.sqrt((flat**2).mean()), swung])
    return Value([None if math.isnan(number) else float(f"{number:.9g}") for number in flat], tolerance)


def exact(items: Iterable[Any]) -> Value:
    """Whole numbers and words, one by one."""
    return Value([item if isinstance(item, str) else int(item) for item in items], 0)


def counted(array: np.ndarray) -> Value:
    """Whole numbers or truths of a large array: how many there are, their sum, and one in which their places count."""
    flat = np.asarray(array).ravel().astype(np.int64)
    return exact([len(flat), flat.sum(), (flat * (1 + np.arange(len(flat)) % 997)).sum()])


def differences(old: list[Any], new: Value) -> list[str]:
    """How each number that moved did: "[3] 0.25 -> 0.26"."""
    if len(old) != len(new.numbers):
        return [f"{len(old)} numbers -> {len(new.numbers)}"]
    sizes = [abs(number) for number in old if isinstance(number, (int, float))]
    allowed = new.tolerance * max(sizes, default=0.0)
    moved = []
    for at, (before, after) in enumerate(zip(old, new.numbers, strict=True)):
        numeric = isinstance(before, (int, float)) and isinstance(after, (int, float))
        if abs(after - before) > allowed if numeric else before != after:
            shown = f"{before:.7g} -> {after:.7g}" if numeric else f"{before} -> {after}"
            moved.append(f"[{at}] {shown}")
    return moved
