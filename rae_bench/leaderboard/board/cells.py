"""The cells of all entries, sorted out for the board: who is complete on a task, and what they measured, as arrays."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from rae_bench.errors import UserError
from rae_bench.harness.identity import part_hash
from rae_bench.leaderboard.board.benchmark import SAME
from rae_bench.leaderboard.entries.entry import TRUTH, Entry, EntryCell
from rae_bench.leaderboard.entries.finding import plain
from rae_bench.leaderboard.entries.rules import SEEDS, CellKey, compared_fractions, missing_cells
from rae_bench.metrics import PRIMARY
from rae_bench.model.registry import CONTROLS
from rae_bench.task.task import Task, builtin_tasks, load_task

ERROR = PRIMARY["reconstruction"]


@dataclass(frozen=True, eq=False)
class Contestant:
    """An entry that has every cell that a task asks for.

    Attributes:
        seeds: those that it has in every cell that is compared, 0 to S - 1.
        low: fractions of its transfer regime; (0,) where it takes no target data.
        cells: (regime, fraction, seed) -> finished cell.
    """

    entry: Entry
    task: str
    seeds: tuple[int, ...]
    low: tuple[float, ...]
    cells: Mapping[CellKey, EntryCell] = field(repr=False)

    @property
    def name(self) -> str:
        """Of the entry."""
        return self.entry.name

    @property
    def regime(self) -> str:
        """That is ranked."""
        return self.entry.regime

    def values(self, regime: str, fraction: float, metric: str, seeds: Sequence[int] | None = None) -> np.ndarray:
        """(S,) of every seed; empty where it has no such cells."""
        keys = [CellKey(regime, fraction, seed) for seed in (self.seeds if seeds is None else seeds)]
        if not all(key in self.cells for key in keys):
            return np.array([])
        return np.array([self.cells[key].metrics.get(metric, np.nan) for key in keys])

    def clips(self, regime: str, fraction: float, seeds: Sequence[int]) -> list[Clips]:
        """Reconstruction errors clip by clip, one table a seed; none where it has no such cells."""
        keys = [CellKey(regime, fraction, seed) for seed in seeds]
        if not all(key in self.cells for key in keys):
            return []
        return [read_clips(self.cells[key].path.with_suffix(".csv"), ERROR) for key in keys]


@dataclass(frozen=True, eq=False)
class Clips:
    """A metric of every clip of a cell: N names, their groups, (N,) values."""

    names: tuple[str, ...]
    groups: tuple[str, ...]
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class TaskCells:
    """All entries on one task.

    Attributes:
        fractions: at which entries are compared.
        identity: the parts `SAME` of every cell's identity.
        controls: name, `truth` among them -> fraction -> metrics; fraction 1 where it plays no part.
        missing: entry -> what it lacks.
    """

    task: Task
    fractions: tuple[float, ...]
    identity: Mapping[str, str]
    controls: Mapping[str, Mapping[float, Mapping[str, float]]]
    complete: tuple[Contestant, ...]
    missing: Mapping[str, Sequence[CellKey]]


def task_cells(name: str, entries: Sequence[Entry]) -> TaskCells:
    """Sort out the cells of a task.

    Raises:
        UserError: a task that is not known; cells of another version of the task, its data or metrics than others'.
    """
    if name not in builtin_tasks():
        raise UserError(
            f"task '{plain(name)}' is none of {', '.join(builtin_tasks())}; install the version that has it"
        )
    task = load_task(name)
    there = [entry for entry in entries if entry.of(name)]
    identity = _same_identity(name, there)
    controls: dict[str, dict[float, Mapping[str, float]]] = {}
    complete, missing = [], {}
    for entry in there:
        if entry.card.model in (TRUTH, *CONTROLS):
            finished = {c.fraction: c.metrics for c in entry.of(name) if c.status == "ok"}
            if controls.setdefault(entry.card.model, finished) is not finished:
                raise UserError(f"{name}: more than one entry is the control '{entry.card.model}'; remove one")
            continue
        lacking = missing_cells(entry, task)
        if lacking:
            missing[entry.name] = lacking
        else:
            complete.append(_contestant(entry, task))
    return TaskCells(task, compared_fractions(task), identity, controls, tuple(complete), missing)


def _contestant(entry: Entry, task: Task) -> Contestant:
    cells = {CellKey(c.regime, c.fraction, c.seed): c for c in entry.of(task.name) if c.status == "ok"}
    fractions = compared_fractions(task)
    low = (0.0,) if entry.regime == "zero-shot" else fractions
    pairs = {(entry.regime, f) for f in low} | {("cold", f) for f in (*fractions, 1.0)}
    count = len(SEEDS)
    while all(CellKey(regime, f, count) in cells for regime, f in pairs):
        count += 1
    return Contestant(entry, task.name, tuple(range(count)), low, cells)


def _same_identity(name: str, entries: Sequence[Entry]) -> dict[str, str]:
    """What the cells of a task depend on, alike for all. Raises `UserError` where it is not: two versions are mixed."""
    first: dict[str, tuple[str, str]] = {}
    for entry in entries:
        for cell in entry.of(name):
            for part in SAME:
                found = part_hash(cell.identity.get(part, ""))
                known, whose = first.setdefault(part, (found, entry.name))
                if found != known:
                    raise UserError(
                        f"{name}: {plain(entry.name)} and {plain(whose)} were measured with another {part} "
                        f"({plain(found, 8)} and {plain(known, 8)}), so they do not stand in one "
                        "table; run the older one again, or rescore it"
                    )
    return {part: value for part, (value, _) in first.items()}


@lru_cache(maxsize=256)
def _columns(header: tuple[str, ...], metric: str) -> tuple[int, int, int]:
    return header.index("clip"), header.index("group"), header.index(metric)


def read_clips(path: Path, metric: str) -> Clips:
    """One metric of every clip, NaN where a clip has nothing to measure. Raises `UserError` on a damaged table."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *lines = csv.reader(file)
        name, group, value = _columns(tuple(header), metric)
        values = np.array([float(line[value]) if line[value] else np.nan for line in lines])
        return Clips(tuple(line[name] for line in lines), tuple(line[group] for line in lines), values)
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise UserError(f"{path}: not a readable table of clips ({plain(error)}); rae-bench verify says more") from None
