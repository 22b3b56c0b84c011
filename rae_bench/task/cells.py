"""TODO."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from rae_bench.model.api import MULTIPLE_SOURCES, Budget
from rae_bench.task.task import Protocol

PAPER_EPOCHS = (51, 31)
"""The thesis trained for so many epochs on all data, and on a fraction."""


@dataclass(frozen=True)
class Cell:
    """One training, one result file. Controls and the truth have the regime `none`.

    Attributes:
        trials: configurations that were tried before these options were chosen.
    """

    model: str
    options: Mapping[str, Any]
    regime: str
    fraction: float
    seed: int
    trials: int = 0

    @property
    def needs_pretraining(self) -> bool:
        """Whether it starts from what the source taught."""
        return self.regime in ("frozen", "finetune", "zero-shot")


def budget_of(regime: str, fraction: float, protocol: Protocol) -> Budget:
    """Optimiser updates and frames of an adaptation; `cold-long` has those of pre-training added.

    In the mode `paper` they are epochs: less data has fewer updates, and full data as many as pre-training.
    """
    updates = protocol.adapt_updates
    if protocol.mode == "paper":
        full, part = PAPER_EPOCHS
        updates = max(1, round(protocol.pretrain_updates * (1 if fraction == 1 else fraction * part / full)))
    updates += protocol.pretrain_updates if regime == "cold-long" else 0
    return Budget(updates, updates * protocol.frames_per_update)


def excuse(cell: Cell, capabilities: Collection[str], sources: int) -> str:
    """Why a model with these capabilities need not run a cell of a task with so many sources; "" where it must."""
    if cell.regime not in ("none", "cold") and cell.regime not in capabilities:
        return f"the model does not support the regime {cell.regime}"
    if cell.needs_pretraining and sources > 1 and MULTIPLE_SOURCES not in capabilities:
        return f"the model does not learn from several sources, and the task has {sources}"
    return ""
