"""Tables of cells, which all statistics take. Each cell is there once, and no cell is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from rae_bench.data.wording import first_few
from rae_bench.errors import UserError
from rae_bench.model.regimes import COLD, FULL, percent

CELL = ["entry", "task", "regime", "fraction", "seed"]
"""The columns that name a cell."""
MOST_WORDS = 5
"""Names that an error lists before it counts the others."""


def cell_values(results: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return one metric of every finished cell: columns `CELL` and `value`.

    `entry` is the model with the hash of its options. `cold` at fraction 1 has the regime `full`.

    Args:
        results: as from `rae_bench.load_results`.
        metric: its name.

    Raises:
        UserError: there is no such metric, a cell is there twice, or a value is missing. The message names it.
    """
    table = results[(results["metric"] == metric) & (results["status"] == "ok")]
    if table.empty:
        raise UserError(f"no result has the metric '{metric}'")
    table = with_entry(table)
    refuse_twice(table, CELL)
    refuse_missing_values(table, metric)
    return table[[*CELL, "value"]].sort_values(CELL, ignore_index=True)


def with_entry(table: pd.DataFrame) -> pd.DataFrame:
    """Add a column `entry` to a table of results, and call `cold` at fraction 1 `full`."""
    full = (table["regime"] == COLD) & (table["fraction"] == 1)
    return table.assign(
        entry=table["model"] + "-" + table["config"],
        regime=table["regime"].where(~full, FULL),
        value=table["value"].astype(float),
    )


def refuse_twice(table: pd.DataFrame, keys: Sequence[str]) -> None:
    """Raise `UserError` if two rows have the same `keys`."""
    twice = table[table.duplicated(list(keys))]
    if len(twice):
        raise UserError(f"twice in the results: {in_words(twice)}; compare folders that hold each cell once")


def refuse_missing_values(table: pd.DataFrame, metric: str) -> None:
    """Raise `UserError` if a cell has no value."""
    without = table[table["value"].isna()]
    if len(without):
        raise UserError(f"no value of {metric}: {in_words(without)}")


def refuse_missing_cells(table: pd.DataFrame, across: str, within: Sequence[str]) -> None:
    """Raise `UserError` if one value of `across` lacks a combination of `within` that another value has.

    `refuse_missing_cells(table, "entry", ["task", "seed"])` asks that all entries have the same tasks and seeds.
    """
    have = set(table[[across, *within]].itertuples(index=False, name=None))
    wanted = set(table[list(within)].itertuples(index=False, name=None))
    lacking = sorted((name, *key) for name in table[across].unique() for key in wanted if (name, *key) not in have)
    if lacking:
        raise UserError(f"missing: {in_words(pd.DataFrame(lacking, columns=[across, *within]))}; run these cells first")


def in_words(cells: pd.DataFrame) -> str:
    """Name cells in words, the first few of them."""
    columns = [c for c in (*CELL, "clip") if c in cells]
    words = [cell_in_words(dict(zip(columns, row, strict=True))) for row in cells[columns].itertuples(index=False)]
    return in_short(words)


def cell_in_words(cell: dict[str, object]) -> str:
    """Name a cell in words, such as "fe-44136fa3 biped2quad finetune 5 % seed 0"."""
    words = dict(cell)
    if "fraction" in words:
        words["fraction"] = percent(float(str(words["fraction"])))
    if "seed" in words:
        words["seed"] = f"seed {words['seed']}"
    return " ".join(str(word) for word in words.values())


def in_short(words: Iterable[str]) -> str:
    """List the first few words, each once, and say how many more there are."""
    return first_few(list(dict.fromkeys(words)), MOST_WORDS, "; ")
