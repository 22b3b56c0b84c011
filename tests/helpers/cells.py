"""Tables of cells whose every statistic can be worked out by hand.

Errors of the entry `m` on task `t`, times 1, 2 and 1/2 for seeds 0, 1 and 2:

    fraction   cold   cold-long   finetune   frozen
    1 %        8      8           4          16
    10 %       4      2           2          4
    100 %      2
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

SCALES = {0: 1.0, 1: 2.0, 2: 0.5}
ERRORS = {
    ("cold", 0.01): 8.0, ("cold", 0.1): 4.0, ("full", 1.0): 2.0,
    ("cold-long", 0.01): 8.0, ("cold-long", 0.1): 2.0,
    ("finetune", 0.01): 4.0, ("finetune", 0.1): 2.0,
    ("frozen", 0.01): 16.0, ("frozen", 0.1): 4.0,
}  # fmt: skip


def cells(entry: str = "m", task: str = "t", factor: float = 1.0) -> pd.DataFrame:
    """The table above, as `rae_bench.statistics.tables.cell_values` gives it."""
    rows = [
        (entry, task, regime, fraction, seed, factor * scale * error)
        for (regime, fraction), error in ERRORS.items()
        for seed, scale in SCALES.items()
    ]
    return pd.DataFrame(rows, columns=["entry", "task", "regime", "fraction", "seed", "value"])


def clips(
    values: Iterable[Iterable[float]], entry: str = "a", regime: str = "cold", fraction: float = 0.05, task: str = "t",
    groups: str = "gh",
) -> pd.DataFrame:
    """One cell a row of `values`, seeds counted from 0; clips c0, c1, ... of groups in turn, others in each fold."""
    rows = [
        (entry, task, regime, fraction, seed, f"{seed % 5}c{n}", f"{seed % 5}{groups[n % len(groups)]}", value)
        for seed, row in enumerate(values)
        for n, value in enumerate(row)
    ]
    return pd.DataFrame(rows, columns=["entry", "task", "regime", "fraction", "seed", "clip", "group", "value"])
