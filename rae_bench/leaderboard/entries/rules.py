"""The rules of the board: what it ranks, and which cells an entry must have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rae_bench.leaderboard.entries.card import Card
from rae_bench.leaderboard.entries.cells import EntryCell
from rae_bench.leaderboard.entries.entry import Entry
from rae_bench.leaderboard.entries.level import REPRODUCED, Again
from rae_bench.model.api import MULTIPLE_SOURCES
from rae_bench.model.regimes import COLD, NO_REGIME, REGIMES, percent
from rae_bench.task.cells import FOLDS, NEAREST
from rae_bench.task.task import Task

TASKS = ("biped2quad-control", "quad2biped-control", "biped2monster-control")
"""The tasks that the overall score is over. Entries may have other tasks, each with a table of its own."""
REFERENCES = ("fe", "fc", "fs", "mann", "nsm", "lmp-moe", "mvae", "rtn", "omg-lstm", "anyrig")
"""Names of the reference entries. The best of their cold starts is the reference cold of a task and fraction."""

REQUIRED_REGIMES = tuple(regime.name for regime in REGIMES.values() if regime.usual)
"""The regimes that an entry must have, as far as its card says that the model can."""
FRACTIONS = (0.05, 0.2)
"""The fractions that an entry must have, as far as the task has them, besides all data for `cold`."""
SEEDS = (0, 1, 2)
"""The seeds that every cell must have. More may follow without a gap, the same in every cell."""


def is_ranked(task: Task) -> bool:
    """Return whether a task ranks entries: as its file says, and where that says nothing, whether it is of `TASKS`."""
    return task.name in TASKS if task.ranking is None else bool(task.ranking.fractions)


class CellKey(NamedTuple):
    """A cell of an entry's task."""

    regime: str
    fraction: float
    seed: int

    def __str__(self) -> str:
        return f"{self.regime} {percent(self.fraction)} seed {self.seed}"


def compared_fractions(task: Task) -> tuple[float, ...]:
    """Return the fractions below all data at which entries compare on a task."""
    if task.ranking is not None and task.ranking.fractions:
        return task.ranking.fractions
    return tuple(f for f in FRACTIONS if f in task.protocol.fractions) or task.protocol.fractions


def ranked_fractions(regime: str, task: Task) -> tuple[float, ...]:
    """Return the fractions at which cells of a regime rank an entry; (0,) where it takes no target data."""
    if regime == NO_REGIME:
        return (1.0,)
    return compared_fractions(task) if REGIMES[regime].needs_target else (0.0,)


def ranked_cells(entry: Entry, task: Task) -> list[EntryCell]:
    """Return the finished cells whose scores rank an entry; of a control, all of its cells."""
    fractions = ranked_fractions(entry.regime, task)
    return [
        cell
        for cell in entry.of(task.name)
        if cell.status == "ok" and cell.regime == entry.regime and (cell.fraction in fractions or not entry.card.learns)
    ]


class Evidence(NamedTuple):
    """What `reproduced` rests on: `cells` of `ranked` ranked cells, off by at most `off` (a share), when and where."""

    cells: int
    ranked: int
    off: float
    date: str
    machine: str

    def words(self) -> str:
        """Say it, such as "2 of 6 ranked cells, off by 0.8 %, 2026-11-27, Linux x86_64, torch 2.13.0"."""
        count = f"{self.cells} of {self.ranked} ranked cells"
        return f"{count}, off by {100 * self.off:.2g} %, {self.date}, {self.machine}"


def evidence(again: Iterable[Again], entry: Entry, task: Task) -> Evidence | None:
    """Return what cells that were trained again are worth; None where none of them is ranked."""
    ranked = {cell.name for cell in ranked_cells(entry, task)}
    found = {one.cell: one for one in again if one.cell in ranked}
    if not found:
        return None
    last = max(found.values(), key=lambda one: one.date)
    return Evidence(len(found), len(ranked), max(one.off for one in found.values()), last.date, last.machine)


def recorded_evidence(entry: Entry, task: Task) -> Evidence | None:
    """Return what a reproduced level of a task rests on, as it was recorded; None at other levels."""
    if entry.level(task.name) != REPRODUCED:
        return None
    return evidence([again for again, _ in entry.again(task.name)], entry, task)


def evidence_words(entry: Entry, *tasks: Task) -> str:
    """Say what a recorded level rests on, such as "35 of 1,057 clips"; "" for one that nobody checked.

    Of several tasks these are sums, the worst difference, and the last day with its machine.
    """
    known = [entry.recorded(task.name) for task in tasks]
    counts = [level.clips for level in known if level is not None]
    if not tasks or len(counts) < len(tasks):
        return ""
    clips = "{:,} of {:,} clips".format(*map(sum, zip(*counts, strict=True)))
    found = [rests for task in tasks if (rests := recorded_evidence(entry, task)) is not None]
    if len(found) < len(tasks):
        return clips
    last, off = max(found, key=lambda one: one.date), max(one.off for one in found)
    cells, ranked = sum(one.cells for one in found), sum(one.ranked for one in found)
    return f"{Evidence(cells, ranked, off, last.date, last.machine).words()}; {clips} rescored"


def required_cells(card: Card, regime: str, task: Task) -> list[CellKey]:
    """Return the cells that an entry must have of a task, without those that the card's capabilities excuse.

    Args:
        regime: the regime that the entry declares.
    """
    fractions = compared_fractions(task)
    if regime == NO_REGIME:
        used = fractions if card.model == NEAREST else (1.0,)
        # Every seed of an entry is scored by the truth of its own fold, so every fold must be there.
        return [CellKey(NO_REGIME, f, seed) for f in used for seed in range(FOLDS)]
    learns_source = len(task.sources) == 1 or MULTIPLE_SOURCES in card.capabilities
    wanted = [r for r in REQUIRED_REGIMES if r == COLD or (r in card.capabilities and learns_source)]
    wanted += [regime] if regime not in wanted else []
    keys = [(r, f) for r in wanted for f in (fractions if REGIMES[r].needs_target else (0.0,))] + [(COLD, 1.0)]
    return [CellKey(r, f, seed) for r, f in keys for seed in SEEDS]


def missing_cells(entry: Entry, task: Task) -> list[CellKey]:
    """Return the required cells of a task that an entry does not have."""
    have = {CellKey(c.regime, c.fraction, c.seed) for c in entry.of(task.name) if c.status == "ok"}
    return [key for key in required_cells(entry.card, entry.regime, task) if key not in have]
