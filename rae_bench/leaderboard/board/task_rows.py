"""The table of a task: rows of the entries that are complete on it, of the controls, and what is incomplete."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from rae_bench.leaderboard.board.contestants import Contestant, TaskCells
from rae_bench.leaderboard.board.estimates import (
    Gain,
    categories_of,
    cost_of,
    estimate,
    fraction_scores,
    gain_effects,
    gains_of,
    normalised,
    over_seeds,
    over_tasks,
    reference_colds,
    transfer_at,
)
from rae_bench.leaderboard.board.score_gains import ScoreGains, score_gain_estimates, score_gains
from rae_bench.leaderboard.entries.cells import EntryCell
from rae_bench.leaderboard.entries.entry import Entry
from rae_bench.leaderboard.entries.level import Level
from rae_bench.leaderboard.entries.rules import REFERENCES, evidence_words
from rae_bench.leaderboard.verify.budgets import budget_status
from rae_bench.metrics import METRICS, floored, headline_score, primaries
from rae_bench.metrics.headline import HEADLINE_CATEGORIES
from rae_bench.model.regimes import COLD, FULL, percent
from rae_bench.model.registry import CONTROLS
from rae_bench.statistics.folds import overlap
from rae_bench.statistics.gains import GAINS
from rae_bench.statistics.ranks import rank_table
from rae_bench.task.cells import TRUTH


@dataclass(frozen=True, eq=False)
class TaskRows:
    """A task's table, and what of it goes on into the overall table.

    Attributes:
        scores: headline scores with the columns entry, task, seed, value.
        scaled: entry -> category -> (S,) on the headline's scale.
        gains: entry -> what it gained over each of `GAINS` and over `full`.
        score_gained: entry -> by how much its score is better than that of its other starts.
        table: ready for JSON.
    """

    cells: TaskCells
    scores: pd.DataFrame
    scaled: Mapping[str, Mapping[str, np.ndarray]]
    gains: Mapping[str, Mapping[str, Gain]]
    score_gained: Mapping[str, ScoreGains]
    table: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of the task."""
        return self.cells.task.name

    @cached_property
    def rows(self) -> dict[str, Any]:
        """The rows of the table by entry."""
        return {row["entry"]: row for row in self.table["rows"]}


def task_rows(cells: TaskCells) -> TaskRows:
    """Make the table of a task, its rows in the order of their scores."""
    scaled = {c.name: normalised(c, cells) for c in cells.complete}
    scores = scores_of(scaled, cells.task.name)
    references = reference_colds(cells, REFERENCES)
    gains = {c.name: gains_of(c, cells, references) for c in cells.complete}
    score_gained = {c.name: score_gains(c, cells) for c in cells.complete}
    ranks = ranks_of(scores, max(cells.fractions)) if len(scores) else {}
    by_entry = {str(name): list(group["value"]) for name, group in scores.groupby("entry", sort=False)}
    controls = _control_rows(cells)
    rows = [
        {
            **head(c.entry, c.entry.level(c.task), list(c.cells.values())),
            "evidence": evidence_words(c.entry, cells.task),
            **rank_columns(ranks.get(c.name), controls),
            "seeds": len(c.seeds),
            "seed_scores": by_entry.get(c.name, []),
            "categories": categories_of(c, scaled[c.name]),
            "gain": {name: gain_estimate([gains[c.name][name]]) for name in GAINS},
            "score_gain": score_gain_estimates([score_gained[c.name]], cells.fractions),
            "quality_of_full": gain_estimate([gains[c.name][FULL]], times=100),
            "by_fraction": _by_fraction(c, gains[c.name][COLD], cells),
            "cost": cost_of(c),
        }
        for c in cells.complete
    ]
    table = {
        "title": cells.task.title,
        "description": cells.task.description,
        "fractions": list(cells.fractions),
        "identity": dict(cells.identity),
        "reference_cold": {
            percent(fraction): c.name + (f" ({regime})" if regime != COLD else "")
            for fraction, (c, regime) in references.items()
        },
        "units": {category: METRICS[name].unit for category, name in primaries(cells.track).items()},
        "track": cells.track,
        "rows": sorted(rows, key=place),
        "controls": controls,
        "incomplete": [
            {"entry": name, "missing": len(keys), "first": str(keys[0])} for name, keys in cells.missing.items()
        ],
    }
    return TaskRows(cells, scores, scaled, gains, score_gained, table)


def ranks_of(scores: pd.DataFrame, fraction: float) -> dict[Any, Any]:
    """Return entry -> its line of `rank_table`."""
    return rank_table(scores, fraction).set_index("entry").to_dict("index")


def scores_of(scaled: Mapping[str, Mapping[str, np.ndarray]], task: str) -> pd.DataFrame:
    """Return the headline scores, means over categories: columns entry, task, seed, value."""
    rows = [
        (name, task, seed, float(value))
        for name, categories in scaled.items()
        if categories
        for seed, value in enumerate(np.mean([categories[category] for category in HEADLINE_CATEGORIES], 0))
    ]
    return pd.DataFrame(rows, columns=["entry", "task", "seed", "value"])


def _by_fraction(c: Contestant, gain: Gain, cells: TaskCells) -> list[dict[str, Any]]:
    return [
        {
            "fraction": f,
            **{metric: over_seeds(c.values(c.regime, f, metric)) for metric in primaries(c.track).values()},
            "gain": gain_estimate([gain], fractions=[f]),
            **transfer_at(c, f, cells.fractions),
        }
        for f in c.low
    ]


def gain_estimate(gains: Sequence[Gain], *, times: float = 1, fractions: Sequence[float] | None = None) -> Any:
    """Estimate a gain over tasks, `times` the ratio of errors; None where a task has none.

    Args:
        gains: the gain on each task.
        fractions: the fractions that count; all where None.
    """
    found = [gain_effects(gain, fractions) for gain in gains]
    shared = overlap(max((one.trained_on for one in found if one), default=0.0))
    return over_tasks([one.effects if one else None for one in found], shared, lambda effect: times * math.exp(effect))


def head(entry: Entry, level: Level, cells: Sequence[EntryCell]) -> dict[str, Any]:
    """Return what a row says of its entry, and of the budgets of its cells on the table's tasks."""
    return {
        "entry": entry.name, "title": entry.card.title, "authors": entry.card.authors, "regime": entry.regime,
        "access": entry.card.access, "division": entry.division, "budget": budget_status(cells), "level": level,
    }  # fmt: skip


def rank_columns(found: Mapping[Any, Any] | None, controls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return score, rank interval, tie group, and the controls that are better than the interval's better end.

    Args:
        found: the entry's line of `ranks_of`; None where it has no score.
        controls: the table's rows of controls and of the truth.
    """
    if found is None:
        return {"score": None, "rank": None, "ties": "", "provisional": True, "behind": []}
    least = found["low"] if math.isfinite(found["low"]) else found["score"]
    rivals = [row for row in controls if row["control"] != TRUTH and row["score"] is not None]
    return {
        "score": estimate(found["score"], found["low"], found["high"]),
        "rank": [int(found["rank_low"]), int(found["rank_high"])],
        "ties": str(found["ties"]),
        "provisional": bool(found["provisional"]),
        "behind": [row["control"] for row in rivals if row["score"] < least],
    }


def place(row: Mapping[str, Any]) -> tuple[float, str]:
    """Return the key that sorts rows by score; rows without a score come last."""
    return (row["score"]["value"] if row["score"] else math.inf, row["entry"])


def _control_rows(cells: TaskCells) -> list[dict[str, Any]]:
    rows = []
    for name in (TRUTH, *CONTROLS):
        by_fraction = cells.controls.get(name, {})
        # `nearest` searches the clips of a fraction, so it is measured at the fractions of entries; others read none.
        used = [by_fraction[f] for f in cells.fractions if f in by_fraction] or [*by_fraction.values()]
        if not used:
            continue
        found = [fraction_scores(by_seed, cells) for by_seed in used]
        scaled = [scores for seeds in found for scores in seeds] if all(found) else []
        rows.append(
            {
                "control": name,
                "score": headline_score(scaled) if scaled else None,
                "categories": {
                    category: {
                        "metric": metric,
                        "value": float(np.mean([_shown(category, metric, by_seed) for by_seed in used])),
                        "normalised": float(np.mean([scores[category] for scores in scaled])) if scaled else None,
                    }
                    for category, metric in primaries(cells.track).items()
                },
            }
        )
    return rows


def _shown(category: str, metric: str, by_seed: Mapping[int, Mapping[str, float]]) -> float:
    """The mean of a primary over seeds, floored as in the rows of entries."""
    values = [metrics[metric] for metrics in by_seed.values()]
    return float(np.mean(floored(values) if category == "adversarial" else values))
