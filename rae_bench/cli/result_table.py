"""The table of a run: a line for each regime and control, with intervals below the numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rae_bench.results.text_table import SECTION, Cells, TextColumn, short_number, short_range

if TYPE_CHECKING:
    from rae_bench.harness.run import Outcome
    from rae_bench.metrics.base import Column
    from rae_bench.results.rows import Row
    from rae_bench.statistics.intervals import Interval

RATIOS = ("gain_over_cold", "quality_of_full", "data_saved")
LEAVING = ("trained", "core_seconds", "data_saved", "quality_of_full")
"""Columns in the order in which they leave a narrow terminal. Then go the errors from the right."""
STAYING = ("score", "gain_over_cold")
"""Columns that stay, as do the row's name, its fraction and the first error."""
EXACT = ("trained", "core_seconds")
"""Columns that are counted and have no interval."""


def interval_of(name: str, row: Row) -> Interval:
    """Return the mean over seeds of a column of a row, geometric for ratios, with its interval."""
    from rae_bench.statistics.intervals import Interval, gain_interval, level_interval

    values = row.values[name]
    seeds = row.seeds if len(row.seeds) == len(values) else range(len(values))  # a seed without cold has no gain
    if name in RATIOS:
        trained_on = row.fraction if name == "gain_over_cold" and row.fraction is not None else 1.0
        return Interval(*gain_interval(seeds, values, trained_on), math.nan)
    return level_interval(seeds, values)


def value_text(name: str, row: Row, digits: int) -> str:
    """Return the mean over seeds of a column of a row, and below it the half width or the ends of its interval."""
    found = interval_of(name, row)
    mean, half = found.estimate, found.high - found.estimate
    if name in RATIOS:
        sign = {"above": "≥ ", "below": "≤ "}.get(row.capped, "") if name == "data_saved" else ""
        text = sign + short_number(mean, digits)
        return text if math.isnan(found.low) else f"{text}\n({short_range(found.low, found.high, digits)})"
    if name in EXACT:
        return f"{mean:,.{digits}f}"
    text = short_number(mean, digits)
    return text if math.isnan(half) else f"{text}\n± {short_number(half, digits)}"


def result_columns(known: Sequence[Column]) -> list[TextColumn]:
    """Return the columns of the table; `known` are those of `ROW_COLUMNS` that have a value."""
    from rae_bench.results.columns import narrow_heading

    errors = [column.name for column in known if column.name not in (*LEAVING, *STAYING)][1:]
    order = [*LEAVING, *reversed(errors)]
    return [
        TextColumn("regime", right=False),
        TextColumn("target data", "target\ndata"),
        *(
            TextColumn(c.label, narrow_heading(c), leaves=len(order) - order.index(c.name) if c.name in order else 0)
            for c in known
        ),
    ]


def result_rows(table_rows: Sequence[Row]) -> tuple[list[TextColumn], list[Cells | None]]:
    """Return the columns and the cells of the table of a run."""
    from rae_bench.model.regimes import percent
    from rae_bench.results.rows import ROW_COLUMNS

    known = {name for row in table_rows for name, found in row.values.items() if not all(map(math.isnan, found))}
    columns = [column for column in ROW_COLUMNS if column.name in known]
    body: list[Cells | None] = []
    last = ""
    for row in table_rows:
        if last and row.kind != last:
            body.append(SECTION)
        last = row.kind
        found = [row.values.get(column.name, []) for column in columns]
        cells = [
            "" if all(map(math.isnan, values)) else value_text(column.name, row, column.digits)
            for column, values in zip(columns, found, strict=True)
        ]
        fraction = "" if row.fraction is None else percent(row.fraction)
        body.append([row.label + (" *" if row.reason else ""), fraction, *cells])
    return result_columns(columns), body


def print_rows(table_rows: Sequence[Row], title: str, *, wide: bool = False) -> None:
    """Print the table of a run."""
    from rae_bench.cli.screen import print_table

    print_table(*result_rows(table_rows), title, wide=wide)


def print_actions(outcome: Outcome, *, wide: bool = False) -> None:
    """Print reconstruction, sliding and root speed by action, every row's beside the controls'.

    A table for each of the three, so that a column is one action and as narrow as its number.
    """
    from rae_bench.cli.screen import print_table
    from rae_bench.metrics import primaries
    from rae_bench.results.clips import means_by_action
    from rae_bench.results.columns import COLUMNS
    from rae_bench.task.cells import TRUTH

    primary = primaries(outcome.task.protocol.track)
    shown = (primary["reconstruction"], primary["feet"], "root_speed_ratio")
    files: dict[str, list[Path]] = {}
    for p in outcome.cells:
        if p.path.with_suffix(".csv").exists() and p.cell.model != TRUTH:
            files.setdefault(p.cell.row, []).append(p.path.with_suffix(".csv"))
    values = means_by_action(files, shown)
    for name in shown:
        column = COLUMNS[name]
        unit = "the truth's is 1" if name == "root_speed_ratio" else column.unit
        heads = [TextColumn(action, leaves=number) for number, action in enumerate(values, 1)]
        body = [
            [label, *(short_number(means.get(label, {}).get(name, math.nan), column.digits) or "-"
                      for means in values.values())]
            for label in files
        ]  # fmt: skip
        print_table([TextColumn("row", right=False), *heads], body, f"By action: {column.label}, {unit}", wide=wide)
