"""Cells: one training each, what it may cost, and why a model may be excused from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from rae_bench.model.api import MULTIPLE_SOURCES, Budget
from rae_bench.model.regimes import COLD, COLD_LONG, NO_REGIME, is_pretrained, is_retargeted, percent, row_name
from rae_bench.task.task import Protocol

TRUTH = "truth"
"""The model of the row that is the held-out motion itself."""
HOLD = "hold"
"""The control that holds the last pose."""
NEAREST = "nearest"
"""The control that has a cell for every fraction, because it replays training motion."""
FOLDS = 5
"""Shares of a domain's groups; each is the test set of the seeds that leave the same remainder."""
PAPER_EPOCHS = (51, 31)
"""The thesis trained for so many epochs on all data, and on a fraction."""


@dataclass(frozen=True)
class Cell:
    """One training, one result file. Controls and the truth have the regime `none`.

    Attributes:
        model: as it was named: an entry, `package.module:Class` or `path/to/file.py:Class`.
        options: of the model, as they were given.
        fraction: of the target's training motion, 0 to 1.
        trials: configurations that were tried before these options were chosen.
    """

    model: str
    options: Mapping[str, Any]
    regime: str
    fraction: float
    seed: int
    trials: int = 0

    @property
    def learns(self) -> bool:
        """Whether anything is trained: controls and the truth learn nothing."""
        return self.regime != NO_REGIME

    @property
    def needs_pretraining(self) -> bool:
        """Whether it starts from what the source taught."""
        return is_pretrained(self.regime)

    @property
    def pretrained_name(self) -> str:
        """Name of the folder of the pre-trained model that it starts from, if it does."""
        return f"pretrained-{'retarget-' if is_retargeted(self.regime) else ''}s{self.seed}"

    @property
    def file_name(self) -> str:
        """Name of its result file, without the ending."""
        return cell_name(self.regime, self.fraction, self.seed)

    @property
    def row(self) -> str:
        """The row of a table that it stands in, in words: `finetune 5 %`, `full`, `hold`."""
        return row_label(self.model, self.regime, self.fraction)


def fold_of(seed: int) -> int:
    """The fold that cells of a seed are tested on."""
    return seed % FOLDS


def cell_name(regime: str, fraction: float, seed: int) -> str:
    """Name of a cell's result file, without the ending."""
    return f"{regime}-f{fraction:g}-s{seed}"


def row_label(model: str, regime: str, fraction: float) -> str:
    """The row of a table that a cell stands in, in words."""
    if regime == NO_REGIME:
        return model
    name = row_name(regime, fraction)
    return name if name != regime else f"{name} {percent(fraction)}"


def budget_of(regime: str, fraction: float, protocol: Protocol) -> Budget:
    """Optimiser updates and frames of an adaptation; `cold-long` has those of pre-training added.

    `retarget` without target data has none.

    In the published protocol they are epochs: less data has fewer updates, and full data as many as pre-training.
    """
    updates = protocol.adapt_updates
    if protocol.published:
        full, part = PAPER_EPOCHS
        updates = max(1, round(protocol.pretrain_updates * (1 if fraction == 1 else fraction * part / full)))
    updates += protocol.pretrain_updates if regime == COLD_LONG else 0
    if is_retargeted(regime) and fraction == 0:
        updates = 0
    return Budget(updates, updates * protocol.frames_per_update)


def skip_reason(cell: Cell, capabilities: Collection[str], sources: int) -> str:
    """Why a model with these capabilities need not run a cell of a task with so many sources; "" where it must."""
    if cell.regime not in (NO_REGIME, COLD) and cell.regime not in capabilities:
        return f"the model does not support the regime {cell.regime}"
    if cell.needs_pretraining and sources > 1 and MULTIPLE_SOURCES not in capabilities:
        return f"the model does not learn from several sources, and the task has {sources}"
    return ""
