"""Rows over the ranked tasks: interquartile means of the entries that are complete on all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from rae_bench.leaderboard.board.benchmark import TASKS
from rae_bench.leaderboard.board.columns import GAINS, gain_effects, over_tasks, seed_effects
from rae_bench.leaderboard.board.rows import SEED, TaskRows, head, place, rank_columns, ranks_of
from rae_bench.leaderboard.entries.card import HOLD
from rae_bench.leaderboard.entries.entry import TRUTH, Entry
from rae_bench.leaderboard.entries.level import LEVELS
from rae_bench.metrics.headline import HEADLINE_CATEGORIES
from rae_bench.model.registry import CONTROLS
from rae_bench.statistics.intervals import interquartile_mean


def overall(tasks: Sequence[TaskRows], entries: Sequence[Entry]) -> dict[str, Any]:
    """Rows over the ranked tasks, of the entries that are complete on all of them."""
    learners = [entry for entry in entries if entry.card.model not in (TRUTH, *CONTROLS)]
    scored = [set(task.scores["entry"]) for task in tasks]
    everywhere = [entry for entry in learners if tasks and all(entry.name in names for names in scored)]
    incomplete = [
        {"entry": e.name, "missing": [_lacking(t) for t, n in zip(tasks, scored, strict=True) if e.name not in n]}
        for e in learners
        if e not in everywhere and set(e.tasks) & {task.cells.task.name for task in tasks}
    ]
    controls = _overall_controls(tasks)
    scores = [task.scores[task.scores["entry"].isin([e.name for e in everywhere])] for task in tasks]
    ranks: dict[Any, Any] = {}
    if everywhere:
        table = pd.concat(scores, ignore_index=True)
        count = table.groupby(["entry", "task"])["seed"].transform("size").groupby(table["entry"]).transform("min")
        ranks = ranks_of(table[table["seed"] < count])
    rows = []
    for entry in everywhere:
        own = [task.rows[entry.name] for task in tasks]
        rows.append(
            {
                **head(entry, min((row["level"] for row in own), key=LEVELS.index)),
                **rank_columns(ranks[entry.name], [row for row in controls if row["control"] != TRUTH]),
                "seeds": min(row["seeds"] for row in own),
                "seed_scores": {t.cells.task.name: row["seed_scores"] for t, row in zip(tasks, own, strict=True)},
                "categories": {
                    category: over_tasks([seed_effects(task.scaled[entry.name][category]) for task in tasks], SEED)
                    for category in HEADLINE_CATEGORIES
                },
                "gain": {name: _overall_gain(tasks, entry.name, name) for name in GAINS},
                "quality_of_full": _overall_gain(tasks, entry.name, "full", 100),
                "cost": {column: _mean([row["cost"][column] for row in own]) for column in own[0]["cost"]},
            }
        )
    return {
        "tasks": [task.cells.task.name for task in tasks],
        "lacking_tasks": [name for name in TASKS if name not in {task.cells.task.name for task in tasks}],
        "rows": sorted(rows, key=place), "controls": controls, "incomplete": incomplete,
    }  # fmt: skip


def _lacking(task: TaskRows) -> str:
    """A task on which an entry has no score: for want of its own cells, or of those that the scale is made of."""
    lacks = [name for name in (TRUTH, HOLD) if name not in task.cells.controls]
    return task.cells.task.name + (f" (no score without {' and '.join(lacks)})" if lacks else "")


def _overall_gain(tasks: Sequence[TaskRows], entry: str, name: str, times: float = 1) -> Any:
    effects = [gain_effects(gain) if (gain := task.gains[entry][name]) else None for task in tasks]
    known = [e for e in effects if e is not None]
    return over_tasks(known if len(known) == len(effects) else None, SEED, lambda v: times * math.exp(v))


def _overall_controls(tasks: Sequence[TaskRows]) -> list[dict[str, Any]]:
    rows = []
    for name in (TRUTH, *CONTROLS):
        own = [row for task in tasks for row in task.table["controls"] if row["control"] == name]
        if not own or len(own) < len(tasks) or any(row["score"] is None for row in own):
            continue
        middle = {
            category: float(interquartile_mean(np.array([row["categories"][category]["normalised"] for row in own])))
            for category in HEADLINE_CATEGORIES
        }
        score = float(interquartile_mean(np.array([row["score"] for row in own])))
        rows.append({"control": name, "score": score, "categories": middle})
    return rows


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
