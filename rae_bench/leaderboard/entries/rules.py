"""Which cells an entry must have to be ranked, and which seeds are prescribed."""

from __future__ import annotations

from typing import NamedTuple

from rae_bench.leaderboard.entries.entry import Card, Entry
from rae_bench.model.api import MULTIPLE_SOURCES
from rae_bench.task.task import Task

REGIMES = ("cold", "frozen", "finetune")
FRACTIONS = (0.05, 0.2)
"""As far as the task has them; and the full data, cold."""
SEEDS = (0, 1, 2)
"""At least these; more are those that follow, without a gap, in every cell alike."""


class CellKey(NamedTuple):
    """A cell of an entry's task."""

    regime: str
    fraction: float
    seed: int


def compared_fractions(task: Task) -> tuple[float, ...]:
    """The fractions, below all data, at which entries compare on a task."""
    return tuple(f for f in FRACTIONS if f in task.protocol.fractions) or task.protocol.fractions


def required_cells(card: Card, regime: str, task: Task) -> list[CellKey]:
    """The cells that an entry must have of a task, less what the card's capabilities excuse.

    Args:
        regime: that the entry declares.
    """
    fractions = compared_fractions(task)
    if regime == "none":
        return [CellKey("none", f, 0) for f in (fractions if card.model == "nearest" else (1.0,))]
    learns_source = len(task.sources) == 1 or MULTIPLE_SOURCES in card.capabilities
    wanted = [r for r in REGIMES if r == "cold" or (r in card.capabilities and learns_source)]
    wanted += [regime] if regime not in wanted else []
    keys = [(r, f) for r in wanted for f in ((0.0,) if r == "zero-shot" else fractions)] + [("cold", 1.0)]
    return [CellKey(r, f, seed) for r, f in keys for seed in SEEDS]


def missing_cells(entry: Entry, task: Task) -> list[CellKey]:
    """Required cells of a task that an entry does not have."""
    have = {CellKey(c.regime, c.fraction, c.seed) for c in entry.of(task.name) if c.status == "ok"}
    return [key for key in required_cells(entry.card, entry.regime, task) if key not in have]
