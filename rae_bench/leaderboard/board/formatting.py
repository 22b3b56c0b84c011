"""Numbers of the board in words, the same in Markdown, in a terminal and on pages."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rae_bench.results.columns import COLUMNS
from rae_bench.task.cells import HOLD, NEAREST, TRUTH

NONE = "–"
"""What stands where there is no number."""
CONTROL_NOTES = {
    TRUTH: "the held-out motion itself",
    HOLD: "keeps the last pose",
    "interpolate": "moves key joints straight to their objectives",
    NEAREST: "replays the nearest training segment",
}
"""What the truth and each control do."""
Line = TypeVar("Line")


def number(value: float | None, digits: int) -> str:
    """Write a number with so many decimals, a zero without a sign; a dash for None."""
    return NONE if value is None else f"{value:z.{digits}f}"


def ends(found: Mapping[str, Any] | None, digits: int) -> str:
    """Write an interval as "low to high"; a dash where there is none."""
    if found is None or found.get("low") is None or found.get("high") is None:
        return NONE
    return f"{number(found['low'], digits)} to {number(found['high'], digits)}"


def with_ends(found: Mapping[str, Any] | None, digits: int) -> str:
    """Write an estimate as "value (low to high)"; a dash where there is none."""
    if found is None or found.get("value") is None:
        return NONE
    interval = ends(found, digits)
    return number(found["value"], digits) + (f" ({interval})" if interval != NONE else "")


def rank(row: Mapping[str, Any]) -> str:
    """Write a rank as an interval, or as one number where it is certain; "*" says that it is provisional."""
    if row["rank"] is None:
        return NONE
    low, high = row["rank"]
    return (f"{low} to {high}" if low < high else str(low)) + (" *" if row["provisional"] else "")


def budget_note(row: Mapping[str, Any]) -> str:
    """Say what is wrong with an entry's budgets, in brackets; "" where they are enforced or declared."""
    return {"undeclared": " (budget undeclared)", "exceeded": " (over budget)"}.get(row["budget"], "")


def data_saved(row: Mapping[str, Any]) -> str:
    """Write the data saved at the smallest fraction, with a sign where it is a bound."""
    at = row["by_fraction"][0] if row.get("by_fraction") else None
    if at is None or at["data_saved"] is None:
        return NONE
    found, digits = at["data_saved"], COLUMNS["data_saved"].digits
    fault = at["data_saved_words"]
    bound = "> " if fault.startswith("at least") else "< " if fault.startswith("at most") else ""
    value = bound + number(found["value"], digits)
    low, high = (None if end in (None, 0) else number(end, digits) for end in (found["low"], found["high"]))
    if low is None and high is None:
        return value
    return f"{value} ({f'{low} to {high}' if low and high else f'{low} or more' if low else f'up to {high}'})"


def count(value: float | None) -> str:
    """Write a whole number with commas at the thousands; a dash for None."""
    return NONE if value is None else f"{value:,.0f}"


def in_order(
    part: Mapping[str, Any], entry: Callable[[Mapping[str, Any]], Line], control: Callable[[Mapping[str, Any]], Line]
) -> list[Line]:
    """Return a line for each row of a table in the order of scores: controls where theirs lie, the truth on top.

    Args:
        part: a table of the board.
        entry, control: make a line of an entry's row and of a control's row.
    """
    lines = [(row["score"]["value"] if row["score"] else math.inf, 1, entry(row)) for row in part["rows"]]
    lines += [(-1.0 if row["score"] is None else row["score"], 0, control(row)) for row in part["controls"]]
    return [line for _, _, line in sorted(lines, key=lambda line: line[:2])]


def lacking(row: Mapping[str, Any], write: Callable[[str], str] = str) -> str:
    """Say what an incomplete entry lacks.

    Args:
        write: makes a name harmless for where it stands.
    """
    if isinstance(row["missing"], int):
        return f"{row['missing']} cell{'s' if row['missing'] > 1 else ''}, the first {write(row['first'])}"
    return ", ".join(map(write, row["missing"]))


def whisker(found: Mapping[str, Any] | None, most: float) -> tuple[float, float, float] | None:
    """Return where the value and the ends of an interval lie, in percent of the width of a scale from 0 to `most`."""
    if found is None or found.get("value") is None:
        return None
    value = 100 * found["value"] / most
    low, high = (value if found.get(end) is None else 100 * found[end] / most for end in ("low", "high"))
    return tuple(round(min(max(v, 0.0), 100.0), 2) for v in (value, low, high))


def heat(gain: float) -> tuple[str, float]:
    """Return "better" or "worse" than cold, and how strongly a cell is coloured: a factor of two is full."""
    strength = min(abs(math.log2(gain)), 1.0) if gain > 0 else 1.0
    return ("better" if gain >= 1 else "worse"), round(0.08 + 0.42 * strength, 3)


def rests_on(row: Mapping[str, Any]) -> str:
    """Say how much a row's level rests on, such as "3 of 30 ranked cells; 139 of 28,360 clips rescored"."""
    cells, _, clips = row["evidence"].partition("; ")
    return "; ".join(words for words in (cells.partition(", off by")[0], clips) if words)


def level(row: Mapping[str, Any]) -> str:
    """Say a row's level and how much it rests on, such as "rescored: 35 of 1,057 clips"."""
    count = row["evidence"].partition(", off by")[0]
    return row["level"] + (f": {count}" if count else "")
