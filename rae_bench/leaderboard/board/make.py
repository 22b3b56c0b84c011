"""The board: from entries to one table that is ready for JSON. Every output is made of it.

The numbers depend neither on the order of the entries nor, but for ties of equal numbers, on their names. They are
rounded to `SIGNIFICANT_DIGITS`, so that machines whose last bits differ write the same bytes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np

from rae_bench.benchmark import BENCHMARK_VERSION
from rae_bench.errors import UserError
from rae_bench.leaderboard.board.contestants import TaskCells, task_cells
from rae_bench.leaderboard.board.overall import overall_table
from rae_bench.leaderboard.board.sound import sort_out
from rae_bench.leaderboard.board.task_rows import task_rows
from rae_bench.leaderboard.entries.entry import Entry
from rae_bench.leaderboard.entries.finding import one_line
from rae_bench.leaderboard.entries.rules import TASKS, evidence_words
from rae_bench.leaderboard.verify.budgets import budget_status
from rae_bench.task.named import load_task

FAMILY = "rae-bench.board/"
SCHEMA = FAMILY + "2"
FAULTS = (UserError, ArithmeticError, ValueError, LookupError, TypeError, AssertionError)
"""What numbers that nobody expected may end in."""
SIGNIFICANT_DIGITS = 6


@dataclass(frozen=True, eq=False)
class Board:
    """The table, and what it was made of.

    Attributes:
        data: the whole table, ready for JSON.
        entries: the entries by name.
        tasks: the cells of tasks by name, the ranked tasks first.
    """

    data: Mapping[str, Any]
    entries: Mapping[str, Entry]
    tasks: Mapping[str, TaskCells]


def make_board(entries: Sequence[Entry], left_out: Mapping[str, str] = MappingProxyType({})) -> Board:
    """Make the tables of every task and the one over the ranked tasks.

    An entry that cannot stand in a table with the others is named and left out (`sound.sort_out`), whatever is wrong
    with it.

    Args:
        entries: in any order.
        left_out: name -> why an entry could not even be read.
    """
    sound, unsound = sort_out(sorted(entries, key=lambda entry: entry.name))
    left = {**left_out, **unsound}
    try:
        return _board(sound, left)
    except FAULTS as error:
        for entry in sound:
            yardsticks = [other for other in sound if not other.card.learns and other is not entry]
            try:
                _board([*yardsticks, entry], {})
            except FAULTS as fault:
                left[entry.name] = one_line(fault)
        kept = [entry for entry in sound if entry.name not in left]
        if len(kept) == len(sound):
            raise UserError(f"the board cannot be made of these entries together: {one_line(error)}") from None
        return _board(kept, left)


def _board(entries: Sequence[Entry], left: Mapping[str, str]) -> Board:
    names = {task for entry in entries for task in entry.tasks}
    order = [task for task in TASKS if task in names] + sorted(names - set(TASKS))
    tasks = {name: task_rows(task_cells(name, entries)) for name in order}
    data = {
        "schema": SCHEMA,
        "benchmark": BENCHMARK_VERSION,
        "entries_sha256": _hash_of(entries),
        "overall": overall_table([tasks[name] for name in order if name in TASKS], entries),
        "tasks": {name: task.table for name, task in tasks.items()},
        "entries": {entry.name: _facts(entry) for entry in entries},
        "left_out": [{"entry": name, "why": left[name]} for name in sorted(left)],
    }
    return Board(_rounded(data), {e.name: e for e in entries}, {name: task.cells for name, task in tasks.items()})


def _hash_of(entries: Sequence[Entry]) -> str:
    """Return the sha256 of all that the board shows of the entries."""
    digest = hashlib.sha256()
    for entry in entries:
        facts = [(task, entry.hash_of(task), entry.level(task), entry.recorded(task)) for task in entry.tasks]
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
        "evidence": {task: words for task in entry.tasks if (words := evidence_words(entry, load_task(task)))},
        "budget": budget_status(entry.cells),
        "edited": list(entry.edited),
    }


def _rounded(value: Any) -> Any:
    """Round all numbers to `SIGNIFICANT_DIGITS`; what is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}") + 0.0 if math.isfinite(value) else None
    return value
