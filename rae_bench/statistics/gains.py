"""The gains of pre-training: the formulas of `rae_bench.metrics.transfer` on tables of cells, and their means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rae_bench.errors import UserError
from rae_bench.metrics.transfer import error_area, gain_over_cold, gap_closed, is_negative_transfer, quality_of_full
from rae_bench.model.regimes import COLD, COLD_LONG, FULL, REGIMES, RETARGET
from rae_bench.statistics.curves import (
    LEAST_FRACTIONS,
    CurveEstimate,
    data_saved_interval,
    gap_interval,
    undefined,
)
from rae_bench.statistics.intervals import gain_interval
from rae_bench.statistics.tables import CELL, in_words, refuse_twice

REFERENCE = "reference"
"""The best of `REFERENCE_REGIMES` of the reference entries on a task and fraction: the reference cold."""
REFERENCE_REGIMES = (COLD, COLD_LONG)
GAINS = {
    COLD: "gain_over_cold",
    COLD_LONG: "gain_over_cold_long",
    RETARGET: "gain_over_retarget",
    REFERENCE: "gain_over_reference_cold",
}
"""What the error of a transfer is compared with -> name of the gain."""
TRANSFER_REGIMES = tuple(name for name, regime in REGIMES.items() if regime.pretrained)
"""The regimes that start from what the source taught."""
STRATUM = ["entry", "task", "regime", "fraction"]


def transfer_cells(cells: pd.DataFrame, references: Sequence[str] = ()) -> pd.DataFrame:
    """Return every transfer cell with its cold starts and the full data of its seed.

    Args:
        cells: errors (lower is better) as from `tables.cell_values`.
        references: entries whose best cold start, `cold` or `cold-long`, by the geometric mean over seeds of a task
            and fraction, is the reference cold.

    Returns:
        A row for each cell of a transfer regime: `CELL`, `value`, the columns of `GAINS`, `quality_of_full`,
        `gap_closed` (NaN if there is no gap), `negative` (1 if it is worse than cold, else 0), and the errors that it
        was compared with: `cold`, `cold-long`, `retarget`, `reference`, `full`. A column is NaN where the entry has no
        cell of the regime that it is compared with, or is of that regime itself.

    Raises:
        UserError: a seed lacks cells that other seeds have. The message names the cells.
    """
    refuse_twice(cells, CELL)
    table = cells[cells["regime"].isin(TRANSFER_REGIMES)].copy()
    if table.empty:
        raise UserError(f"no cell of a transfer regime: {', '.join(TRANSFER_REGIMES)}")
    place = ["entry", "task", "seed"]
    pools = {
        **{name: (cells[cells["regime"] == name], [*place, "fraction"]) for name in (COLD, COLD_LONG, RETARGET)},
        REFERENCE: (_reference_cold(cells, references), ["task", "seed", "fraction"]),
        FULL: (cells[cells["regime"] == FULL], place),
    }
    for name, (pool, keys) in pools.items():
        table[name] = _beside(table, pool, keys, name).where(table["regime"] != name)
    for name, column in GAINS.items():
        table[column] = _each(gain_over_cold, table[name], table["value"])
    table["quality_of_full"] = _each(quality_of_full, table[FULL], table["value"])
    table["gap_closed"] = _each(gap_closed, table[COLD], table["value"], table[FULL])
    negative = _each(is_negative_transfer, table[COLD], table["value"])
    table["negative"] = np.where(table[COLD].isna(), np.nan, negative)
    return table.sort_values(CELL, ignore_index=True)


def transfer_summary(cells: pd.DataFrame, references: Sequence[str] = ()) -> pd.DataFrame:
    """Return the gains of transfer for each entry, task, regime and fraction: means with 95 % intervals over folds.

    Returns:
        `STRATUM`, `seeds`; for each of `GAINS` and `quality_of_full` the geometric mean, `_low` and `_high`;
        `gap_closed` and `data_saved`, each with `_low`, `_high` and `_words` ("" or why it is no measurement, see
        `rae_bench.statistics.curves`); `negative`, the number of seeds that are worse than their cold start.
    """
    rows = []
    for key, group in transfer_cells(cells, references).groupby(STRATUM):
        row: dict[str, object] = {**dict(zip(STRATUM, key, strict=True)), "seeds": len(group)}
        fraction = float(group["fraction"].iloc[0])
        for column, trained_on in {**dict.fromkeys(GAINS.values(), fraction), "quality_of_full": 1.0}.items():
            ends = gain_interval(list(group["seed"]), group[column].to_numpy(float), trained_on)
            row |= zip((column, f"{column}_low", f"{column}_high"), ends, strict=True)
        row |= _with_ends("gap_closed", _closed_by(group))
        row |= _with_ends("data_saved", _saved_by(cells, group))
        row["negative"] = float(group["negative"].sum(skipna=False))
        rows.append(row)
    return pd.DataFrame(rows)


def error_areas(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the area under the error-fraction curve: columns entry, task, regime, seed and `error_area`.

    `cold` has only the fractions below 1, so that it compares with the transfer regimes; 0, at which `retarget` has a
    cell, is left out.

    Raises:
        UserError: a seed without one of the fractions of its regime; fewer than two fractions.
    """
    learning = [name for name, regime in REGIMES.items() if regime.needs_target]
    curves = cells[cells["regime"].isin(learning) & (cells["fraction"] > 0)]
    rows = []
    for (task, regime), group in curves.groupby(["task", "regime"]):
        fractions = sorted(group["fraction"].unique())
        for (entry, seed), curve in group.groupby(["entry", "seed"]):
            _refuse_gaps(curve, fractions)
            errors = curve.sort_values("fraction")["value"]
            rows.append((entry, task, regime, seed, error_area(fractions, list(errors))))
    return pd.DataFrame(rows, columns=["entry", "task", "regime", "seed", "error_area"]).sort_values(
        ["entry", "task", "regime", "seed"], ignore_index=True
    )


def source_target_matrix(table: pd.DataFrame, domains: dict[str, tuple[str, str]], value: str) -> pd.DataFrame:
    """Arrange one value of each task as a matrix: a row for each source, a column for each target, NaN without a task.

    Args:
        table: a row for each task, with the columns `task` and the one that `value` names.
        domains: task -> names of its source and target.
        value: the name of a column.

    Raises:
        UserError: a task is not in `domains`, or two tasks have the same source and target.
    """
    lacking = sorted(set(table["task"]) - set(domains))
    if lacking:
        raise UserError(f"source and target are not known of the tasks {', '.join(lacking)}")
    placed = table.assign(
        source=[domains[task][0] for task in table["task"]], target=[domains[task][1] for task in table["task"]]
    )
    twice = placed[placed.duplicated(["source", "target"])]
    if len(twice):
        raise UserError(f"more than one value from {twice['source'].iloc[0]} to {twice['target'].iloc[0]}")
    return placed.pivot(index="source", columns="target", values=value)


def _with_ends(name: str, found: CurveEstimate) -> dict[str, object]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high, f"{name}_words": found.words}


def _closed_by(group: pd.DataFrame) -> CurveEstimate:
    """Return the gap closed by one stratum of transfer cells."""
    if group[[COLD, FULL]].isna().any(axis=None):
        return undefined("no cold start and full data to go by")
    cold, errors, full = (group[name].to_numpy(float) for name in (COLD, "value", FULL))
    if min(map(np.min, (cold, errors, full))) <= 0:
        return undefined("an error is 0")
    return gap_interval(list(group["seed"]), cold, errors, full)


def _saved_by(cells: pd.DataFrame, group: pd.DataFrame) -> CurveEstimate:
    """Return the data saved by one stratum of transfer cells."""
    entry, task, _, fraction = (group[name].iloc[0] for name in STRATUM)
    mine = cells[(cells["entry"] == entry) & (cells["task"] == task) & cells["regime"].isin([COLD, FULL])]
    fractions = sorted(mine["fraction"].unique())
    if fraction <= 0:
        return undefined("used no target data")
    if len(fractions) < LEAST_FRACTIONS:
        return undefined(f"cold starts at {len(fractions)} of the {LEAST_FRACTIONS} fractions that it takes")
    if FULL not in set(mine["regime"]):
        return undefined("no full data to go by")
    if (group["value"] <= 0).any() or (mine["value"] <= 0).any():
        return undefined("an error is 0")
    curves = mine[mine["seed"].isin(group["seed"])]
    for seed in group["seed"]:
        _refuse_gaps(curves[curves["seed"] == seed].assign(seed=seed), fractions, (entry, task, COLD, seed))
    wide = curves.pivot(index="seed", columns="fraction", values="value").sort_index()
    errors = group.sort_values("seed")["value"].to_numpy(float)
    return data_saved_interval(list(wide.index), fractions, wide.to_numpy(float), float(fraction), errors)


def _reference_cold(cells: pd.DataFrame, references: Sequence[str]) -> pd.DataFrame:
    """Return the cells of the best cold start, `cold` or `cold-long`, of a reference entry on each task and fraction.

    Of those with the most seeds: a regime that was run for fewer is no reference for all.
    """
    pool = cells[cells["regime"].isin(REFERENCE_REGIMES) & cells["entry"].isin(references)]
    unknown = sorted(set(references) - set(pool.loc[pool["regime"] == COLD, "entry"]))
    if unknown:
        raise UserError(f"reference cold: no cold cell of {', '.join(unknown)}")
    best = []
    for _, group in pool.groupby(["task", "fraction"]):
        colds = [rows for _, rows in group.groupby(["entry", "regime"])]
        most = max(map(len, colds))
        best.append(min((c for c in colds if len(c) == most), key=lambda rows: float(np.log(rows["value"]).mean())))
    return pd.concat(best) if best else pool


def _beside(table: pd.DataFrame, pool: pd.DataFrame, keys: list[str], name: str) -> pd.Series:
    """Return the pool's value at each row's keys; NaN where the pool has no seed of that row's place."""
    joined = table.merge(pool[[*keys, "value"]], on=keys, how="left", suffixes=("", "_beside"))["value_beside"]
    joined.index = table.index
    without_seed = [key for key in keys if key != "seed"]
    places = set(pool[without_seed].itertuples(index=False, name=None))
    lacking = table[table[without_seed].apply(tuple, axis=1).isin(places) & joined.isna()]
    if len(lacking):
        regime = COLD if name == REFERENCE else name
        cells = lacking.assign(regime=regime, fraction=1.0 if name == FULL else lacking["fraction"])
        raise UserError(f"missing: {in_words(cells)}, which other seeds have; run these cells first")
    return joined


def _refuse_gaps(curve: pd.DataFrame, fractions: Sequence[float], place: tuple[object, ...] | None = None) -> None:
    lacking = sorted(set(fractions) - set(curve["fraction"]))
    if lacking:
        entry, task, regime, seed = place or (curve[key].iloc[0] for key in ("entry", "task", "regime", "seed"))
        cells = pd.DataFrame([(entry, task, regime, f, seed) for f in lacking], columns=CELL)
        raise UserError(f"missing: {in_words(cells)}, which others have; run these cells first")


def _each(formula: object, *columns: pd.Series) -> np.ndarray:
    assert callable(formula)
    return np.array([formula(*map(float, row)) for row in zip(*columns, strict=True)], float)
