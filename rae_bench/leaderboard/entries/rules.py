"""The rules of the board: what it ranks, and which cells an entry must have."""

from __future__ import annotations

from typing import NamedTuple

from rae_bench.leaderboard.entries.entry import Card, Entry, EntryCell
from rae_bench.model.api import MULTIPLE_SOURCES
from rae_bench.model.regimes import COLD, NO_REGIME, REGIMES, percent
from rae_bench.task.cells import NEAREST
from rae_bench.task.task import Task

TASKS = ("biped2quad", "reach-biped2monster")
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


def required_cells(card: Card, regime: str, task: Task) -> list[CellKey]:
    """Return the cells that an entry must have of a task, without those that the card's capabilities excuse.

    Args:
        regime: the regime that the entry declares.
    """
    fractions = compared_fractions(task)
    if regime == NO_REGIME:
        return [CellKey(NO_REGIME, f, 0) for f in (fractions if card.model == NEAREST else (1.0,))]
    learns_source = len(task.sources) == 1 or MULTIPLE_SOURCES in card.capabilities
    wanted = [r for r in REQUIRED_REGIMES if r == COLD or (r in card.capabilities and learns_source)]
    wanted += [regime] if regime not in wanted else []
    keys = [(r, f) for r in wanted for f in (fractions if REGIMES[r].needs_target else (0.0,))] + [(COLD, 1.0)]
    return [CellKey(r, f, seed) for r, f in keys for seed in SEEDS]


def missing_cells(entry: Entry, task: Task) -> list[CellKey]:
    """Return the required cells of a task that an entry does not have."""
    have = {CellKey(c.regime, c.fraction, c.seed) for c in entry.of(task.name) if c.status == "ok"}
    return [key for key in required_cells(entry.card, entry.regime, task) if key not in have]
