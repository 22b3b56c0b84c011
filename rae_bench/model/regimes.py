"""The regimes: what a model has learnt before it meets the target, and what of it trains there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True)
class Regime:
    """One regime (docs/concepts/glossary.md).

    Attributes:
        name: as it stands in results, tables and options.
        pretrained: whether it starts from what the source taught.
        trains: what adaptation changes: everything, the rig-specific codec alone, or nothing.
        usual: whether `run` asks for it unless told otherwise; of the others, those that a card claims are asked for
            where they need no target data.
        retargeted: whether it learns the source's motion on the target's rig. The whole network is carried over then,
            and there is a cell without target data, which trains nothing more.
    """

    name: str
    pretrained: bool
    trains: Literal["everything", "codec", "nothing"]
    usual: bool
    retargeted: bool = False

    @property
    def needs_target(self) -> bool:
        """Whether it sees any of the target's motion."""
        return self.trains != "nothing"

    def fractions(self, asked: Sequence[float]) -> tuple[float, ...]:
        """The fractions of the target's data at which it runs where these are asked for."""
        without = (0.0,) if self.retargeted or not self.needs_target else ()
        return (*without, *(asked if self.needs_target else ()))


REGIMES: Mapping[str, Regime] = MappingProxyType(
    {
        regime.name: regime
        for regime in (
            Regime("cold", pretrained=False, trains="everything", usual=True),
            Regime("cold-long", pretrained=False, trains="everything", usual=False),
            Regime("frozen", pretrained=True, trains="codec", usual=True),
            Regime("finetune", pretrained=True, trains="everything", usual=True),
            Regime("retarget", pretrained=True, trains="everything", usual=False, retargeted=True),
            Regime("zero-shot", pretrained=True, trains="nothing", usual=False),
        )
    }
)
"""Name -> regime, in the order of every table."""
COLD, COLD_LONG, FROZEN, FINETUNE, RETARGET, ZERO_SHOT = REGIMES
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


def is_retargeted(regime: str) -> bool:
    """Whether cells of a regime start from the source's motion on the target's rig."""
    return regime in REGIMES and REGIMES[regime].retargeted


def is_pretrained(regime: str) -> bool:
    """Whether cells of a regime start from what the source taught; false for rows that learn nothing."""
    return regime in REGIMES and REGIMES[regime].pretrained
