"""The board: from entries to one JSON-ready table, which every output is made of.

Its numbers do not depend on the order of the entries, nor, but for ties of equal numbers, on their names. They are rounded
to `DIGITS`, so that machines whose last bits differ write the same bytes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from rae_bench.leaderboard.benchmark import BENCHMARK, REFERENCES, TASKS
from rae_bench.leaderboard.cells import CONFIG, ERROR, Contestant, TaskCells, results_table, task_cells
from rae_bench.leaderboard.columns import (
    GAINS, categories_of, cost_of, estimate, gain_effects, gains_of, normalised, over_seeds, over_tasks,
    reference_colds, seed_effects,
)  # fmt: skip
from rae_bench.leaderboard.entry import TRUTH, Entry
from rae_bench.metrics import METRICS, PRIMARY, category_scores, headline_score
from rae_bench.metrics.headline import HEADLINE_CATEGORIES
from rae_bench.registry import CONTROLS
from rae_bench.statistics.ranks import headline_scores, rank_table
from rae_bench.statistics.tables import cell_values
from rae_bench.statistics.transfer import transfer_summary

SCHEMA = "rae-bench.board/1"
SEED = 0
DIGITS = 6


@dataclass(frozen=True, eq=False)
class Board:
    """The table, and what it was made of.

    Attributes:
        data: JSON-ready.
        entries: by name.
        tasks: by name, the ranked ones first.
    """

    data: Mapping[str, Any]
    entries: Mapping[str, Entry]
    tasks: Mapping[str, TaskCells]


@dataclass(frozen=True, eq=False)
class _Task:
    """What of a task goes on into the rows over tasks."""

    cells: TaskCells
    scores: pd.DataFrame
    scaled: Mapping[str, Mapping[str, np.ndarray]]
    gains: Mapping[str, Mapping[str, Any]]
    table: Mapping[str, Any]


def make_board(entries: Sequence[Entry]) -> Board:
    """Rows of every task and over the ranked ones.

    Raises:
        UserError: cells of different versions of a task, its data or metrics; two entries that are the same control.
    """
    entries = sorted(entries, key=lambda entry: entry.name)
    names = {task for entry in entries for task in entry.tasks}
    order = [task for task in TASKS if task in names] + sorted(names - set(TASKS))
    tasks = {name: _task(task_cells(name, entries)) for name in order}
    data = {
        "schema": SCHEMA,
        "benchmark": BENCHMARK,
        "entries_sha256": _hash_of(entries),
        "overall": _overall([tasks[name] for name in order if name in TASKS], entries),
        "tasks": {name: task.table for name, task in tasks.items()},
        "entries": {entry.name: _facts(entry) for entry in entries},
    }
    return Board(_rounded(data), {e.name: e for e in entries}, {name: task.cells for name, task in tasks.items()})


def _hash_of(entries: Sequence[Entry]) -> str:
    """sha256 of all that the board shows of the entries."""
    digest = hashlib.sha256()
    for entry in entries:
        facts = [(task, entry.hash_of(task), entry.level(task)) for task in entry.tasks]
        digest.update(msgspec.json.encode([entry.name, entry.card, entry.external, facts]))
    return digest.hexdigest()


def _facts(entry: Entry) -> dict[str, Any]:
    return {
        **msgspec.to_builtins(entry.card),
        "regime": entry.regime,
        "division": entry.division,
        "external": list(entry.external),
        "cells": len(entry.cells),
        "tasks": {task: entry.level(task) for task in entry.tasks},
        "edited": list(entry.edited),
    }


def _task(cells: TaskCells) -> _Task:
    scores = _scores(cells)
    scaled = {c.name: normalised(c, cells) for c in cells.complete}
    references = reference_colds(cells, REFERENCES)
    gains = {c.name: gains_of(c, cells, references) for c in cells.complete}
    ranks = rank_table(scores, np.random.default_rng(SEED)).set_index("entry").to_dict("index") if len(scores) else {}
    controls = _control_rows(cells)
    saved = _saved(cells)
    rows = [
        {
            **_head(c.entry, c.entry.level(c.task)),
            **_rank(ranks.get(c.name), [row for row in controls if row["control"] != TRUTH]),
            "seeds": len(c.seeds),
            "seed_scores": _seed_scores(scores, c.name),
            "categories": categories_of(c, scaled[c.name]),
            "gain": {name: _gain(gains[c.name][name]) for name in GAINS},
            "quality_of_full": _gain(gains[c.name]["full"], 100),
            "by_fraction": _by_fraction(c, gains[c.name], saved.get(c.name, {})),
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
        "rows": sorted(rows, key=_place),
        "controls": controls,
        "incomplete": [
            {"entry": name, "missing": len(keys), "first": _words(keys[0])} for name, keys in cells.missing.items()
        ],
    }
    return _Task(cells, scores, scaled, gains, table)


def _scores(cells: TaskCells) -> pd.DataFrame:
    """Headline scores; entries with the same fractions at a time, as those without target data have none of the others'."""
    tables = []
    if not {TRUTH, "hold"} <= set(cells.controls):
        return pd.DataFrame(columns=["entry", "task", "seed", "value"])
    results = results_table(cells)
    for low in sorted({(c.low, c.seeds) for c in cells.complete}):
        alike = {c.name: c.regime for c in cells.complete if (c.low, c.seeds) == low}
        kept = results["model"].isin([*alike, TRUTH, "hold"])
        found = headline_scores(results[kept], {f"{name}-{CONFIG}": regime for name, regime in alike.items()})
        tables.append(found.assign(entry=found["entry"].str.removesuffix(f"-{CONFIG}")))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["entry", "task", "seed", "value"])


def _saved(cells: TaskCells) -> dict[str, dict[float, Any]]:
    """Entry -> fraction -> data saved and gap closed, and cells worse than their cold start."""
    out: dict[str, dict[float, Any]] = {}
    if not any(c.regime != "cold" for c in cells.complete):
        return out
    errors = cell_values(results_table(cells), ERROR)
    for row in transfer_summary(errors).to_dict("records"):
        saved = estimate(row["data_saved"]) and {
            "value": row["data_saved"], "low": row["data_saved_low"], "high": row["data_saved_high"]
        }
        name = str(row["entry"]).removesuffix(f"-{CONFIG}")
        out.setdefault(name, {})[row["fraction"]] = {
            "data_saved": saved, "data_saved_words": row["data_saved_words"], "negative": row["negative"],
            "gap_closed": estimate(row["gap_closed"], row["gap_closed_low"], row["gap_closed_high"]),
        }  # fmt: skip
    return out


def _by_fraction(c: Contestant, gains: Mapping[str, Any], saved: Mapping[float, Any]) -> list[dict[str, Any]]:
    return [
        {
            "fraction": f,
            **{metric: over_seeds(c.values(c.regime, f, metric)) for metric in PRIMARY.values()},
            "gain": _gain(gains["cold"], fractions=[f]),
            **saved.get(f, {"data_saved": None, "data_saved_words": "", "negative": None, "gap_closed": None}),
        }
        for f in c.low
    ]


def _gain(gain: Any, times: float = 1, fractions: Sequence[float] | None = None) -> Any:
    effects = gain_effects(gain, fractions) if gain else None
    return over_tasks([effects] if effects else None, SEED, lambda v: times * math.exp(v))


def _head(entry: Entry, level: str) -> dict[str, Any]:
    return {
        "entry": entry.name, "title": entry.card.title, "authors": entry.card.authors, "regime": entry.regime,
        "access": entry.card.access, "division": entry.division, "level": level,
    }  # fmt: skip


def _rank(found: Mapping[Any, Any] | None, controls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
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


def _seed_scores(scores: pd.DataFrame, name: str) -> list[float]:
    own = scores[scores["entry"] == name]
    return [float(v) for v in own.sort_values("seed")["value"]]


def _place(row: Mapping[str, Any]) -> tuple[float, str]:
    return (row["score"]["value"] if row["score"] else math.inf, row["entry"])


def _control_rows(cells: TaskCells) -> list[dict[str, Any]]:
    truth, hold = (cells.controls.get(name, {}).get(1.0) for name in (TRUTH, "hold"))
    rows = []
    for name in (TRUTH, *CONTROLS):
        by_fraction = cells.controls.get(name, {})
        used = [by_fraction[f] for f in ((1.0,) if 1.0 in by_fraction else cells.fractions) if f in by_fraction]
        if not used:
            continue
        scaled = [category_scores(values, truth, hold) for values in used] if truth and hold else []
        rows.append({
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
        })
    return rows


def _overall(tasks: Sequence[_Task], entries: Sequence[Entry]) -> dict[str, Any]:
    """Rows over the ranked tasks, of the entries that are complete on all of them."""
    learners = [entry for entry in entries if entry.card.model not in (TRUTH, *CONTROLS)]
    scored = [set(task.scores["entry"]) for task in tasks]
    everywhere = [entry for entry in learners if tasks and all(entry.name in names for names in scored)]
    incomplete = [
        {"entry": entry.name, "missing": [task.cells.task.name for task in tasks if entry.name not in set(task.scores["entry"])]}
        for entry in learners
        if entry not in everywhere and set(entry.tasks) & {task.cells.task.name for task in tasks}
    ]
    controls = _overall_controls(tasks)
    scores = [task.scores[task.scores["entry"].isin([e.name for e in everywhere])] for task in tasks]
    ranks: dict[Any, Any] = {}
    if everywhere:
        table = pd.concat(scores, ignore_index=True)
        count = table.groupby(["entry", "task"])["seed"].transform("size").groupby(table["entry"]).transform("min")
        ranks = rank_table(table[table["seed"] < count], np.random.default_rng(SEED)).set_index("entry").to_dict("index")
    rows = []
    for entry in everywhere:
        own = [next(row for row in task.table["rows"] if row["entry"] == entry.name) for task in tasks]
        rows.append({
            **_head(entry, min((entry.level(t.cells.task.name) for t in tasks), key=("claimed", "rescored", "reproduced").index)),
            **_rank(ranks[entry.name], [row for row in controls if row["control"] != TRUTH]),
            "seeds": min(row["seeds"] for row in own),
            "seed_scores": {t.cells.task.name: row["seed_scores"] for t, row in zip(tasks, own, strict=True)},
            "categories": {
                category: over_tasks([seed_effects(task.scaled[entry.name][category]) for task in tasks], SEED)
                for category in HEADLINE_CATEGORIES
            },
            "gain": {name: _overall_gain(tasks, entry.name, name) for name in GAINS},
            "quality_of_full": _overall_gain(tasks, entry.name, "full", 100),
            "cost": {column: _mean([row["cost"][column] for row in own]) for column in own[0]["cost"]},
        })
    return {
        "tasks": [task.cells.task.name for task in tasks],
        "lacking_tasks": [name for name in TASKS if name not in {task.cells.task.name for task in tasks}],
        "rows": sorted(rows, key=_place), "controls": controls, "incomplete": incomplete,
    }  # fmt: skip


def _overall_gain(tasks: Sequence[_Task], entry: str, name: str, times: float = 1) -> Any:
    effects = [gain_effects(gain) if (gain := task.gains[entry][name]) else None for task in tasks]
    known = [e for e in effects if e is not None]
    return over_tasks(known if len(known) == len(effects) else None, SEED, lambda v: times * math.exp(v))


def _overall_controls(tasks: Sequence[_Task]) -> list[dict[str, Any]]:
    from rae_bench.statistics.intervals import interquartile_mean

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


def _words(key: tuple[str, float, int]) -> str:
    regime, fraction, seed = key
    return f"{regime} {100 * fraction:g} % seed {seed}"


def _rounded(value: Any) -> Any:
    """Numbers with `DIGITS` digits; what is not finite as null."""
    if isinstance(value, Mapping):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.{DIGITS}g}") + 0.0 if math.isfinite(value) else None
    return value
