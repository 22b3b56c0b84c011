"""Search spaces of models: which of their options may be tuned, and configurations drawn from them.

A model declares `search_space`, {option: range}, where a range is

    ("choice", a, b, ...)   any of these
    ("uniform", low, high)  evenly
    ("log", low, high)      evenly in the logarithm
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rae_bench.errors import UserError
from rae_bench.model.api import Space

GRID_POINTS = 3
DIGITS = 3
TRIES = 20
"""Draws for each configuration that is wanted, as some come twice."""


def check_space(model: str, space: Any, fixed: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """The space without the options that are fixed. Raises `UserError` where it cannot be searched."""
    if not space:
        raise UserError(f"model '{model}' declares no search_space, so there is nothing to tune")
    out = {}
    for option, given in space.items():
        kind, *values = given
        sound = kind == "choice" and len(values) > 0
        if kind in ("uniform", "log") and len(values) == 2:
            sound = values[0] < values[1] and (kind == "uniform" or values[0] > 0)
        if not sound:
            raise UserError(f"model '{model}': search_space of {option} is {given!r}; see docs/guides/sweep.md")
        if option not in fixed:
            out[option] = tuple(given)
    if not out:
        raise UserError(f"model '{model}': --set fixes every option of its search_space, so there is nothing to tune")
    return out


def draw(space: Space, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """So many different configurations at random, fewer where a space of choices has no more.

    More of them begin with the same ones.
    """
    out: list[dict[str, Any]] = []
    for trial in range(TRIES * count):
        rng = np.random.default_rng([seed, trial])
        drawn = {option: _at(space[option], rng.random()) for option in sorted(space)}
        if drawn not in out:
            out.append(drawn)
        if len(out) == count:
            break
    return out


def grid(space: Space) -> list[dict[str, Any]]:
    """All combinations of the choices, and of three points of each range: its ends and its middle."""
    axes = []
    for option in sorted(space):
        kind, *values = space[option]
        points = range(GRID_POINTS)
        axes.append(values if kind == "choice" else [_at(space[option], p / (GRID_POINTS - 1)) for p in points])
    return [dict(zip(sorted(space), values, strict=True)) for values in itertools.product(*axes)]


def _at(given: Sequence[Any], share: float) -> Any:
    """The value at a share 0..1 of a range; numbers to three digits, as nobody can tell more apart."""
    kind, *values = given
    if kind == "choice":
        return values[min(int(share * len(values)), len(values) - 1)]
    low, high = values
    value = low + share * (high - low) if kind == "uniform" else low * math.exp(share * math.log(high / low))
    return float(f"{value:.{DIGITS}g}")
