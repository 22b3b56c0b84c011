"""The table over the ranked tasks: interquartile means of the entries that are complete on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from rae_bench.leaderboard.board.estimates import mean_of_all, over_tasks, seed_effects
from rae_bench.leaderboard.board.score_gains import score_gain_estimates
from rae_bench.leaderboard.board.task_rows import TaskRows, gain_estimate, head, place, rank_columns, ranks_of
from rae_bench.leaderboard.entries.entry import Entry
from rae_bench.leaderboard.entries.level import LEVELS
from rae_bench.leaderboard.entries.rules import TASKS, evidence_words
from rae_bench.metrics.headline import HEADLINE_CATEGORIES
from rae_bench.model.regimes import FULL
from rae_bench.model.registry import CONTROLS
from rae_bench.statistics.folds import FULL_OVERLAP
from rae_bench.statistics.gains import GAINS
from rae_bench.statistics.intervals import interquartile_mean
from rae_bench.task.cells import TRUTH


def overall_table(tasks: Sequence[TaskRows], entries: Sequence[Entry]) -> dict[str, Any]:
    """Make the table over the ranked tasks, ready for JSON."""
    learners = [entry for entry in entries if entry.card.model not in (TRUTH, *CONTROLS)]
    scored = [set(task.scores["entry"]) for task in tasks]
    complete = [entry for entry in learners if tasks and all(entry.name in names for names in scored)]
    incomplete = [
        {"entry": e.name, "missing": [_lacking(t) for t, n in zip(tasks, scored, strict=True) if e.name not in n]}
        for e in learners
        if e not in complete and set(e.tasks) & {task.name for task in tasks}
    ]
    controls = _controls(tasks)
    ranks = _ranks(tasks, [entry.name for entry in complete])
    rows = []
    for entry in complete:
        on_tasks = [task.rows[entry.name] for task in tasks]
        gains = [task.gains[entry.name] for task in tasks]
        rows.append(
            {
                **head(
                    entry, min((row["level"] for row in on_tasks), key=LEVELS.index),
                    [cell for task in tasks for cell in entry.of(task.name)],
                ),
                "evidence": evidence_words(entry, *(task.cells.task for task in tasks)),
                **rank_columns(ranks[entry.name], controls),
                "seeds": min(row["seeds"] for row in on_tasks),
                "seed_scores": {t.name: row["seed_scores"] for t, row in zip(tasks, on_tasks, strict=True)},
                "categories": {
                    category: over_tasks(
                        [seed_effects(task.scaled[entry.name][category]) for task in tasks], FULL_OVERLAP
                    )
                    for category in HEADLINE_CATEGORIES
                },
                "gain": {name: gain_estimate([gain[name] for gain in gains]) for name in GAINS},
                "score_gain": score_gain_estimates(
                    [task.score_gained[entry.name] for task in tasks],
                    [fraction for task in tasks for fraction in task.cells.fractions],
                ),
                "quality_of_full": gain_estimate([gain[FULL] for gain in gains], times=100),
                "cost": {
                    column: mean_of_all([row["cost"][column] for row in on_tasks]) for column in on_tasks[0]["cost"]
                },
            }
        )
    present = [task.name for task in tasks]
    return {
        "tasks": present, "lacking_tasks": [name for name in TASKS if name not in present],
        "rows": sorted(rows, key=place), "controls": controls, "incomplete": incomplete,
    }  # fmt: skip


def _ranks(tasks: Sequence[TaskRows], names: Sequence[str]) -> dict[Any, Any]:
    """Return the ranks of entries, each over the seeds that it has on every task."""
    if not names:
        return {}
    table = pd.concat([task.scores[task.scores["entry"].isin(names)] for task in tasks], ignore_index=True)
    count = table.groupby(["entry", "task"])["seed"].transform("size").groupby(table["entry"]).transform("min")
    return ranks_of(table[table["seed"] < count], max(f for task in tasks for f in task.cells.fractions))


def _lacking(task: TaskRows) -> str:
    """Name a task on which an entry has no score, for lack of cells of its own or of those that make the scale."""
    if TRUTH not in task.cells.controls:
        return f"{task.name} (no score without {TRUTH})"
    if not task.cells.height > 0:
        return f"{task.name} (the results of {TRUTH} do not say rig_height)"
    return task.name


def _controls(tasks: Sequence[TaskRows]) -> list[dict[str, Any]]:
    rows = []
    for name in (TRUTH, *CONTROLS):
        on_tasks = [row for task in tasks for row in task.table["controls"] if row["control"] == name]
        if not on_tasks or len(on_tasks) < len(tasks) or any(row["score"] is None for row in on_tasks):
            continue
        scaled = {c: [row["categories"][c]["normalised"] for row in on_tasks] for c in HEADLINE_CATEGORIES}
        rows.append(
            {
                "control": name,
                "score": _middle([row["score"] for row in on_tasks]),
                "categories": {category: _middle(values) for category, values in scaled.items()},
            }
        )
    return rows


def _middle(values: Sequence[float]) -> float:
    return float(interquartile_mean(np.array(values)))
