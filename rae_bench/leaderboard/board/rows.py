"""Rows of the board: of the entries that are complete on a task, of the controls, and what is incomplete."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from rae_bench.leaderboard.board.benchmark import REFERENCES
from rae_bench.leaderboard.board.cells import Contestant, TaskCells
from rae_bench.leaderboard.board.columns import (
    GAINS,
    categories_of,
    cost_of,
    estimate,
    gain_effects,
    gains_of,
    normalised,
    over_seeds,
    over_tasks,
    reference_colds,
    transfer_at,
)  # fmt: skip
from rae_bench.leaderboard.entries.card import HOLD
from rae_bench.leaderboard.entries.entry import TRUTH, Entry
from rae_bench.metrics import METRICS, PRIMARY, category_scores, headline_score
from rae_bench.metrics.headline import HEADLINE_CATEGORIES
from rae_bench.model.registry import CONTROLS
from rae_bench.statistics.ranks import rank_table

SEED = 0


@dataclass(frozen=True, eq=False)
class TaskRows:
    """What of a task goes on into the rows over tasks."""

    cells: TaskCells
    scores: pd.DataFrame
    scaled: Mapping[str, Mapping[str, np.ndarray]]
    gains: Mapping[str, Mapping[str, Any]]
    table: Mapping[str, Any]

    @cached_property
    def rows(self) -> dict[str, Any]:
        """By entry."""
        return {row["entry"]: row for row in self.table["rows"]}


def task_rows(cells: TaskCells) -> TaskRows:
    """The rows of a task, in order of their scores."""
    scaled = {c.name: normalised(c, cells) for c in cells.complete}
    scores = _scores(scaled, cells.task.name)
    references = reference_colds(cells, REFERENCES)
    gains = {c.name: gains_of(c, cells, references) for c in cells.complete}
    ranks = ranks_of(scores) if len(scores) else {}
    by_entry = {str(name): list(own["value"]) for name, own in scores.groupby("entry", sort=False)}
    controls = _control_rows(cells)
    rows = [
        {
            **head(c.entry, c.entry.level(c.task)),
            **rank_columns(ranks.get(c.name), [row for row in controls if row["control"] != TRUTH]),
            "seeds": len(c.seeds),
            "seed_scores": by_entry.get(c.name, []),
            "categories": categories_of(c, scaled[c.name]),
            "gain": {name: _gain(gains[c.name][name]) for name in GAINS},
            "quality_of_full": _gain(gains[c.name]["full"], 100),
            "by_fraction": _by_fraction(c, gains[c.name], cells),
            "cost": cost_of(c),
        }
        for c in cells.complete
    ]
    table = {
        "title": cells.task.title,
        "description": cells.task.description,
        "fractions": list(cells.fractions),
        "identity": dict(cells.identity),
        "reference_cold": {f"{100 * f:g} %": c.name for f, c in references.items()},
        "units": {category: METRICS[PRIMARY[category]].unit for category in HEADLINE_CATEGORIES},
        "rows": sorted(rows, key=place),
        "controls": controls,
        "incomplete": [
            {"entry": name, "missing": len(keys), "first": _words(keys[0])} for name, keys in cells.missing.items()
        ],
    }
    return TaskRows(cells, scores, scaled, gains, table)


def ranks_of(scores: pd.DataFrame) -> dict[Any, Any]:
    """Entry -> its line of `rank_table`."""
    return rank_table(scores, np.random.default_rng(SEED)).set_index("entry").to_dict("index")


def _scores(scaled: Mapping[str, Mapping[str, np.ndarray]], task: str) -> pd.DataFrame:
    """Headline scores, the mean over categories: columns entry, task, seed, value."""
    rows = [
        (name, task, seed, float(value))
        for name, categories in scaled.items()
        if categories
        for seed, value in enumerate(np.mean([categories[category] for category in HEADLINE_CATEGORIES], 0))
    ]
    return pd.DataFrame(rows, columns=["entry", "task", "seed", "value"])


def _by_fraction(c: Contestant, gains: Mapping[str, Any], cells: TaskCells) -> list[dict[str, Any]]:
    return [
        {
            "fraction": f,
            **{metric: over_seeds(c.values(c.regime, f, metric)) for metric in PRIMARY.values()},
            "gain": _gain(gains["cold"], fractions=[f]),
            **transfer_at(c, f, cells.fractions),
        }
        for f in c.low
    ]


def _gain(gain: Any, times: float = 1, fractions: Sequence[float] | None = None) -> Any:
    effects = gain_effects(gain, fractions) if gain else None
    return over_tasks([effects] if effects else None, SEED, lambda v: times * math.exp(v))


def head(entry: Entry, level: str) -> dict[str, Any]:
    """Whose row it is."""
    return {
        "entry": entry.name, "title": entry.card.title, "authors": entry.card.authors, "regime": entry.regime,
        "access": entry.card.access, "division": entry.division, "level": level,
    }  # fmt: skip


def rank_columns(found: Mapping[Any, Any] | None, controls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Score, rank interval, tie group, and the controls that are better even than the interval's better end."""
    if found is None:
        return {"score": None, "rank": None, "ties": "", "provisional": True, "behind": []}
    least = found["low"] if math.isfinite(found["low"]) else found["score"]
    return {
        "score": estimate(found["score"], found["low"], found["high"]),
        "rank": [int(found["rank_low"]), int(found["rank_high"])],
        "ties": str(found["ties"]),
        "provisional": bool(found["provisional"]),
        "behind": [row["control"] for row in controls if row["score"] is not None and row["score"] < least],
    }


def place(row: Mapping[str, Any]) -> tuple[float, str]:
    """By score; what has none comes last."""
    return (row["score"]["value"] if row["score"] else math.inf, row["entry"])


def _control_rows(cells: TaskCells) -> list[dict[str, Any]]:
    truth, hold = (cells.controls.get(name, {}).get(1.0) for name in (TRUTH, HOLD))
    rows = []
    for name in (TRUTH, *CONTROLS):
        by_fraction = cells.controls.get(name, {})
        # `nearest` searches the clips of a fraction, so it is measured on those that entries are; others read no clip.
        used = [by_fraction[f] for f in cells.fractions if f in by_fraction] or [*by_fraction.values()]
        if not used:
            continue
        scaled = [category_scores(values, truth, hold) for values in used] if truth and hold else []
        rows.append(
            {
                "control": name,
                "score": headline_score(scaled) if scaled else None,
                "categories": {
                    category: {
                        "metric": PRIMARY[category],
                        "value": float(np.mean([values[PRIMARY[category]] for values in used])),
                        "normalised": float(np.mean([scores[category] for scores in scaled])) if scaled else None,
                    }
                    for category in HEADLINE_CATEGORIES
                },
            }
        )
    return rows


def _words(key: tuple[str, float, int]) -> str:
    regime, fraction, seed = key
    return f"{regime} {100 * fraction:g} % seed {seed}"
