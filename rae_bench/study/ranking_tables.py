"""The check of a ranking as tables, lines and JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rae_bench.model.regimes import COLD, COLD_LONG, FULL, percent
from rae_bench.model.registry import CONTROLS
from rae_bench.results.text_table import SECTION, Cells, TextColumn
from rae_bench.statistics.intervals import level_interval
from rae_bench.study.ranking import Key, Measured, Verdict, scores_at_full
from rae_bench.task.cells import NEAREST

SCHEMA = "rae-bench.ranking/1"


def tables(found: Measured) -> list[tuple[str, list[TextColumn], list[Cells | None]]]:
    """Return title, columns and rows of the tables: reconstruction error and score of every entry and control."""
    columns = _columns(found)
    heads = [TextColumn("entry", right=False), *(_head(label, f) for label, f in columns)]
    seeds = f"{len(found.seeds)} seed{'s' if len(found.seeds) > 1 else ''}, half of the 95 % interval over folds"
    parts = (("reconstruction error, cm", found.reconstruction, 2), ("score, 0 is the truth", found.scores, 3))
    return [
        (f"{found.task}: {words}; {seeds}", heads, [*_table_rows(found, values, columns, digits)])
        for words, values, digits in parts
    ]


def _head(label: str, fraction: float) -> TextColumn:
    if label == FULL:
        return TextColumn(FULL)
    return TextColumn(f"{label} {percent(fraction)}", f"{label}\n{percent(fraction)}")


def _columns(found: Measured) -> list[tuple[str, float]]:
    first = found.fractions[0]
    return [*((COLD, f) for f in found.fractions), (COLD_LONG, first), (FULL, 1.0)]


def _table_rows(
    found: Measured, values: Mapping[Key, np.ndarray], columns: Sequence[tuple[str, float]], digits: int
) -> list[Cells | None]:
    """Return the rows: entries by their score at `full`, then the controls, whose values stand below `cold`."""

    def cell(entry: str, label: str, fraction: float) -> str:
        found_here = values.get((entry, label, fraction))
        if found_here is None and entry in CONTROLS and label != COLD_LONG:
            found_here = values.get((entry, entry, fraction if entry == NEAREST else 1.0))
        if found_here is None:
            return "-"
        mean = level_interval(found.seeds, found_here)
        half = mean.high - mean.estimate
        return f"{mean.estimate:.{digits}f}" + ("" if math.isnan(half) else f" ±{half:.{digits}f}")

    learned = dict.fromkeys(key[0] for key in values if key[0] not in CONTROLS)
    at_full = scores_at_full(found)
    ordered = sorted(learned, key=lambda name: (at_full[name], name))
    controls = [name for name in CONTROLS if any(key[0] == name for key in values)]

    def row(name: str) -> Cells:
        return [name, *(cell(name, label, fraction) for label, fraction in columns)]

    return [*map(row, ordered), SECTION, *map(row, controls)]


def condition_facts(verdict: Verdict) -> list[tuple[str, str]]:
    """Return each condition in words, and last the verdict: (heading, text)."""
    lines = [("ok" if c.holds else "MISSED", f"{c.name}: {c.words}") for c in verdict.conditions]
    where = ", ".join(map(percent, verdict.ranked))
    end = f"ranked at {where}" if where else "not ranked"
    room = [f"{r:.2f} [{low:.2f}, {high:.2f}] at {percent(f)}" for f, (r, low, high) in verdict.headroom.items()]
    words = f"{end}; cold / full of the two best entries ({' and '.join(verdict.best)}) is {', '.join(room)}"
    return [*lines, ("verdict", words)]


def facts(found: Measured, verdict: Verdict) -> dict[str, Any]:
    """Return everything as numbers, ready for JSON; `read_facts` takes them back."""
    return {
        "schema": SCHEMA, "task": found.task, "seeds": list(found.seeds), "fractions": list(found.fractions),
        "learned": list(found.learned), "recorded": found.recorded, "blocks": found.blocks,
        "least": {f"{f:g}": list(held) for f, held in found.least.items()},
        "rows": [
            {
                "entry": e, "row": r, "fraction": f, "errors": found.errors[e, r, f].tolist(),
                "scores": found.scores[e, r, f].tolist(), "reconstruction": found.reconstruction[e, r, f].tolist(),
            }
            for e, r, f in found.errors
        ],
        "unsettled": list(verdict.unsettled),
        "full_change": None if math.isnan(verdict.full_change) else verdict.full_change,
        "best": list(verdict.best), "ranked": list(verdict.ranked),
        "headroom": {f"{f:g}": list(ends) for f, ends in verdict.headroom.items()},
        "conditions": [vars(condition) for condition in verdict.conditions],
    }  # fmt: skip


def read_facts(given: Mapping[str, Any]) -> tuple[Measured, tuple[float, ...], float]:
    """Return what `facts` wrote: what was measured, where the budget is not enough, and the change of `full`.

    Raises:
        AttributeError, LookupError, TypeError, ValueError: JSON of another kind.
    """
    if given["schema"] != SCHEMA:
        raise ValueError(f"schema {given['schema']}, not {SCHEMA}")
    rows = {(row["entry"], row["row"], float(row["fraction"])): row for row in given["rows"]}

    def values(name: str) -> dict[Key, np.ndarray]:
        return {key: np.asarray(row[name], float) for key, row in rows.items()}

    least = {float(f): (int(held[0]), int(held[1]), float(held[2])) for f, held in given["least"].items()}
    found = Measured(
        given["task"], tuple(given["seeds"]), tuple(given["fractions"]), tuple(given["learned"]),
        values("errors"), values("scores"), values("reconstruction"), least, given["recorded"], given["blocks"],
    )  # fmt: skip
    change = given["full_change"]
    return found, tuple(given["unsettled"]), math.nan if change is None else float(change)
