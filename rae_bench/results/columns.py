"""The columns of every table of results, and how they are written.

Metrics are columns, with their label, unit and digits. The score, gains over other starts, and costs stand here.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from types import MappingProxyType

from rae_bench.metrics import METRICS, primaries
from rae_bench.metrics.base import Column
from rae_bench.objectives.tracks import KEYFRAMES

COLUMNS: Mapping[str, Column] = MappingProxyType(
    dict[str, Column](METRICS)
    | {
        column.name: column
        for column in (
            Column("score", "score", "", 3),
            Column("gain_over_cold_long", "over cold-long", "x", 2),
            Column("gain_over_retarget", "over retarget", "x", 2),
            Column("gain_over_reference_cold", "over reference cold", "x", 2),
            Column("core_seconds", "CPU time to adapt", "s", 0),
            Column("pretrain_core_seconds", "CPU time to pre-train", "s", 0),
            Column("ms_per_frame", "latency", "ms a frame", 2),
            Column("parameters", "parameters", "", 0),
            Column("trained", "trained parameters", "", 0),
            Column("peak_memory_mb", "memory", "MB", 0),
        )
    }
)
"""Name -> column: all metrics, then what is no metric."""


def primary_columns(track: str = KEYFRAMES) -> dict[str, Column]:
    """Return category -> column of its primary metric in a track, for the categories of the headline score."""
    return {category: COLUMNS[name] for category, name in primaries(track).items()}


_BREAKS = {"reconstruction": "recon- struction", "adversarial": "adver- sarial", "parameters": "para- meters"}
"""Words that are too long for a narrow column, and where they break."""


def narrow_heading(column: Column, width: int = 9) -> str:
    """Return label and unit in short lines, for a narrow column of a terminal."""
    words = " ".join(_BREAKS.get(word, word) if len(word) > width else word for word in column.label.split())
    lines = textwrap.wrap(words, width, break_long_words=False, break_on_hyphens=False)
    return "\n".join([*lines, column.unit] if column.unit else lines)
