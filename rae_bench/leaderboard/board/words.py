"""Numbers of the board in words, alike in Markdown, terminal and pages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rae_bench.metrics import PRIMARY

NONE = "–"
DIGITS = {
    "score": 3,
    "reconstruction": 2,
    "feet": 1,
    "objective": 2,
    "adversarial": 3,
    "gain": 2,
    "quality": 0,
    "saved": 1,
}
CATEGORIES = {
    "reconstruction": "reconstruction",
    "feet": "foot sliding",
    "objective": "objective",
    "adversarial": "adversarial",
}
METRIC_NAMES = [PRIMARY[category] for category in CATEGORIES]
ROWS = {
    "truth": "the held-out motion itself",
    "hold": "keeps the last pose",
    "interpolate": "moves key joints straight to their objectives",
    "nearest": "replays the nearest training segment",
}


def number(value: float | None, digits: int) -> str:
    """With so many decimals, none of them with the sign of a zero; a dash where there is none."""
    return NONE if value is None else f"{value:z.{digits}f}"


def ends(found: Mapping[str, Any] | None, digits: int) -> str:
    """low to high; a dash where there is no interval."""
    if found is None or found.get("low") is None or found.get("high") is None:
        return NONE
    return f"{number(found['low'], digits)} to {number(found['high'], digits)}"


def with_ends(found: Mapping[str, Any] | None, digits: int) -> str:
    """value (low to high)."""
    if found is None or found.get("value") is None:
        return NONE
    interval = ends(found, digits)
    return number(found["value"], digits) + (f" ({interval})" if interval != NONE else "")


def rank(row: Mapping[str, Any]) -> str:
    """An interval, never a bare rank, unless it is certain."""
    if row["rank"] is None:
        return NONE
    low, high = row["rank"]
    return (f"{low} to {high}" if low < high else str(low)) + (" *" if row["provisional"] else "")


def saved(row: Mapping[str, Any]) -> str:
    """Data saved at the least fraction, with what is wrong with it."""
    at = row["by_fraction"][0] if row.get("by_fraction") else None
    if at is None or at["data_saved"] is None:
        return NONE
    return _saved(at["data_saved"], at["data_saved_words"])


def _saved(found: Mapping[str, Any], wrong: str) -> str:
    bound = "> " if wrong.startswith("at least") else "< " if wrong.startswith("at most") else ""
    value = bound + number(found["value"], DIGITS["saved"])
    low, high = (None if end in (None, 0) else number(end, DIGITS["saved"]) for end in (found["low"], found["high"]))
    if low is None and high is None:
        return value
    return f"{value} ({f'{low} to {high}' if low and high else f'{low} or more' if low else f'up to {high}'})"


def count(value: float | None) -> str:
    """Thousands with commas."""
    return NONE if value is None else f"{value:,.0f}"


def percent(fraction: float) -> str:
    """5 %"""
    return f"{100 * fraction:g} %"


def whisker(found: Mapping[str, Any] | None, most: float) -> tuple[float, float, float] | None:
    """Percent of the scale's width at which the point and the ends of its interval lie."""
    if found is None or found.get("value") is None:
        return None
    value = 100 * found["value"] / most
    low, high = (value if found.get(end) is None else 100 * found[end] / most for end in ("low", "high"))
    return tuple(round(min(max(v, 0.0), 100.0), 2) for v in (value, low, high))


def heat(gain: float) -> tuple[str, float]:
    """Better or worse than cold, and how strongly a cell is coloured: a factor of two is full."""
    strength = min(abs(math.log2(gain)), 1.0) if gain > 0 else 1.0
    return ("better" if gain >= 1 else "worse"), round(0.08 + 0.42 * strength, 3)
