"""Numbers behind the curves of a page: error over the target's fraction, with intervals, as JSON for its script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rae_bench.leaderboard.board.cells import Contestant, TaskCells
from rae_bench.leaderboard.board.columns import over_seeds
from rae_bench.leaderboard.board.words import CATEGORIES, DIGITS
from rae_bench.leaderboard.entries.entry import TRUTH
from rae_bench.metrics import METRICS, PRIMARY
from rae_bench.viewer.gather import ON_DARK
from rae_bench.viewer.plots import COLOURS

LINES = (
    ("#2a6fdb", "#6ea4f7"), ("#c2410c", "#fb923c"), ("#15803d", "#4ade80"), ("#7b3fa0", "#c694ef"),
    ("#0e7490", "#22d3ee"), ("#a16207", "#facc15"), ("#be185d", "#f472b6"), ("#4d5b6b", "#a8b3c0"),
    ("#4d7c0f", "#bef264"), ("#7f1d1d", "#fda4af"),
)  # fmt: skip
"""Colours of entries on light and on dark ground."""
SHOWN = 5
"""Entries whose lines are on from the start."""

Place = tuple[str, float]
"""Regime and fraction."""


def task_chart(cells: TaskCells, order: Sequence[str]) -> dict[str, Any]:
    """A line for each entry: its transfer regime, then all of the target's data.

    Args:
        order: entries as in the table.
    """
    by_name = {c.name: c for c in cells.complete}
    lines = [
        _line(by_name[name], [(by_name[name].regime, f) for f in by_name[name].low if f > 0] + [("cold", 1.0)], name, k)
        for k, name in enumerate(order)
        if name in by_name
    ]
    return _chart(cells, lines)


def entry_chart(contestant: Contestant, cells: TaskCells) -> dict[str, Any]:
    """A line for each regime that the entry ran."""
    regimes = sorted({key.regime for key in contestant.cells} - {"zero-shot"}, key=list(COLOURS).index)
    lines = []
    for regime in regimes:
        fractions = sorted({key.fraction for key in contestant.cells if key.regime == regime})
        line = _line(contestant, [(regime, f) for f in fractions], regime, 0)
        lines.append(line | {"colours": [COLOURS[regime], ON_DARK[regime]], "shown": True})
    return _chart(cells, lines)


def _line(c: Contestant, places: Sequence[Place], label: str, number: int) -> dict[str, Any]:
    points: dict[str, list[Any]] = {"x": []} | {category: [] for category in CATEGORIES}
    for regime, fraction in places:
        found = {k: over_seeds(c.values(regime, fraction, PRIMARY[k])) for k in CATEGORIES}
        if any(value is not None for value in found.values()):
            points["x"].append(100 * fraction)
            for category, value in found.items():
                points[category].append(value and [_short(value[end]) for end in ("value", "low", "high")])
    return {"label": label, "colours": list(LINES[number % len(LINES)]), "shown": number < SHOWN, **points}


def _chart(cells: TaskCells, lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Panels in the order of the categories; controls are dashed, level unless they read the fraction's clips."""
    ticks = sorted({x for line in lines for x in line["x"]})
    controls: list[dict[str, Any]] = []
    for name, by_fraction in cells.controls.items():
        fixed = by_fraction[1.0] if list(by_fraction) == [1.0] else None
        at = {100 * fraction: values for fraction, values in by_fraction.items()}
        values = [fixed or at.get(x) for x in ticks]
        if name != TRUTH and any(values):
            line = {c: [_short(v[PRIMARY[c]]) if v else None for v in values] for c in CATEGORIES}
            controls.append({"label": name, "colours": [COLOURS[name], ON_DARK[name]], **line})
    panels = [
        {"category": c, "title": title, "unit": METRICS[PRIMARY[c]].unit, "digits": DIGITS[c]}
        for c, title in CATEGORIES.items()
    ]
    return {"panels": panels, "lines": list(lines), "controls": controls, "ticks": ticks}


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def scale_of(part: Mapping[str, Any]) -> float:
    """The right end of the scale that a table's scores are drawn on: room for the entries; controls may lie beyond."""
    known = [row["score"]["high"] or row["score"]["value"] for row in part["rows"] if row["score"]]
    return max([1e-9, *known]) * 1.05
