"""The regimes: what a model has learnt before it meets the target, and what of it trains there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True)
class Regime:
    """One regime (docs/design.md 2).

    Attributes:
        name: as it stands in results, tables and options.
        pretrained: whether it starts from what the source taught.
        trains: what adaptation changes: everything, the rig-specific codec alone, or nothing.
        usual: whether `run` asks for it unless told otherwise; of the others, those that a card claims are asked for
            where they need no target data.
    """

    name: str
    pretrained: bool
    trains: Literal["everything", "codec", "nothing"]
    usual: bool

    @property
    def needs_target(self) -> bool:
        """Whether it sees any of the target's motion."""
        return self.trains != "nothing"


REGIMES: Mapping[str, Regime] = MappingProxyType(
    {
        regime.name: regime
        for regime in (
            Regime("cold", pretrained=False, trains="everything", usual=True),
            Regime("cold-long", pretrained=False, trains="everything", usual=False),
            Regime("frozen", pretrained=True, trains="codec", usual=True),
            Regime("finetune", pretrained=True, trains="everything", usual=True),
            Regime("zero-shot", pretrained=True, trains="nothing", usual=False),
        )
    }
)
"""Name -> regime, in the order of every table."""
COLD, COLD_LONG, FROZEN, FINETUNE, ZERO_SHOT = REGIMES
FULL = "full"
"""What people call `cold` with all of the target's training data; a row of tables, not a regime of cells."""
NO_REGIME = "none"
"""The regime of rows that learn nothing: controls and the truth."""
ROWS = (*REGIMES, FULL)
"""Rows of a table that learn, in its order; what `--regimes` takes."""


def percent(fraction: float) -> str:
    """Write a fraction of the target's data as people read it, such as "5 %"."""
    return f"{100 * fraction:g} %"


def row_name(regime: str, fraction: float) -> str:
    """The row that a cell stands in: its regime, or `full`."""
    return FULL if regime == COLD and fraction == 1 else regime


def is_pretrained(regime: str) -> bool:
    """Whether cells of a regime start from what the source taught; false for rows that learn nothing."""
    return regime in REGIMES and REGIMES[regime].pretrained
