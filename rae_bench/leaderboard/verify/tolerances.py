"""How far a cell that is trained again may be from what an entry says: by others' spread and a cap, never by its own.

On another machine rounding grows over the frames of a roll-out until the cell is as different as another seed. How
different that is, is measured on the reference entries; an author's own rows could be made as noisy as one likes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rae_bench.leaderboard.entries.cells import EntryCell
from rae_bench.leaderboard.entries.entry import Entry
from rae_bench.leaderboard.entries.rules import REFERENCES, ranked_cells
from rae_bench.leaderboard.verify.grading import tolerance
from rae_bench.metrics import METRICS, primaries
from rae_bench.results.rows import track_of
from rae_bench.statistics.intervals import half_width
from rae_bench.task.task import Task

LEAST = 0.02
"""The share of a value by which it may always differ, however alike the references' seeds are."""
CAPS: Mapping[str, float] = {"reconstruction": 0.15, "feet": 0.3, "objective": 0.3, "adversarial": 0.15}
"""Category -> the most that passes whatever the references' spread: a share of the value; of the adversarial score, an
absolute difference."""
USUAL: Mapping[str, float] = {"reconstruction": 0.065, "feet": 0.18, "objective": 0.28, "adversarial": 0.03}
"""Category -> the spread of one cell where there are no reference entries to measure it on: that of seven of them on
biped2quad at the quick budget, `finetune` at 5 and 20 %, two seeds, 13 degrees of freedom."""
MOST_OFF = 10.0
"""What a record says of a difference at most, as a share."""
ENOUGH = 4
"""Degrees of freedom with which a spread is taken from reference entries."""


def allowed(name: str, claimed: float, spread: float | None, degrees: int = 0) -> float:
    """Return how far a cell that was trained again may be from what was claimed.

    Two draws that scatter by s differ by less than t s sqrt(2) in 95 of 100 cases.

    Args:
        name: the primary metric.
        claimed: its claimed value.
        spread: s of `reference_spread`; None where there are too few reference entries.
        degrees: of freedom that it was measured with.
    """
    category = METRICS[name].category
    unit = 1.0 if category == "adversarial" else abs(claimed)
    s, t = (USUAL[category], 2.0) if spread is None else (spread, half_width(degrees))
    return max(min(t * s * math.sqrt(2), CAPS[category]) * unit, LEAST * abs(claimed), tolerance(name, claimed))


def reference_spread(name: str, task: Task, entries: Sequence[Entry], without: str) -> tuple[float | None, int]:
    """Return how much a cell of the reference entries scatters beyond what its row and its fold explain.

    Of the logarithms of each row's seeds (of the adversarial score, of the values) the means of rows and of seeds are
    taken away: another fold moves all entries alike, and says nothing of training the same cell again.

    Args:
        name: the primary metric.
        task: the task.
        entries: any entries; the references among them count.
        without: the name of the entry that is checked, which does not count.

    Returns:
        the standard deviation, None with fewer than `ENOUGH` degrees of freedom, and these degrees.
    """
    rows: dict[tuple[str, str, float], dict[int, float]] = {}
    for entry in entries:
        if entry.name in REFERENCES and entry.name != without and entry.card.model == entry.name:
            for cell in ranked_cells(entry, task):
                row = rows.setdefault((entry.name, cell.regime, cell.fraction), {})
                row[cell.seed] = cell.metrics.get(name, math.nan)
    seeds = sorted(set.intersection(*map(set, rows.values()))) if rows else []
    table = np.array([[row[seed] for seed in seeds] for row in rows.values()]).reshape(len(rows), len(seeds))
    if METRICS[name].category != "adversarial":
        with np.errstate(divide="ignore", invalid="ignore"):
            table = np.log(table)
    table = table[np.isfinite(table).all(1)]
    degrees = (len(table) - 1) * (len(seeds) - 1)
    if degrees < ENOUGH:
        return None, 0
    left = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    return math.sqrt(float(np.square(left).sum()) / degrees), degrees


class Difference(NamedTuple):
    """A primary metric of a cell that was trained again: its value, what the entry says, how far apart they may be."""

    name: str
    value: float
    claimed: float
    limit: float


def differences(
    cell: EntryCell, values: Mapping[str, float], task: Task, entries: Sequence[Entry], without: str
) -> Iterator[Difference]:
    """Yield the primary metrics of a cell that was trained again.

    Args:
        cell: the entry's own.
        values: metric -> value of the training; NaN where one is missing.
        task, entries, without: as for `reference_spread`.
    """
    for name in primaries(track_of([cell.result])).values():
        claimed = cell.metrics[name]
        limit = allowed(name, claimed, *reference_spread(name, task, entries, without))
        yield Difference(name, values.get(name, math.nan), claimed, limit)


def largest_share(cell: EntryCell, values: Mapping[str, float]) -> float:
    """Return the largest difference of a primary metric, as a share of what the entry says, and at most `MOST_OFF`.

    The adversarial score, which may be 0, is compared as it is.
    """
    most = 0.0
    for name in primaries(track_of([cell.result])).values():
        claimed = cell.metrics[name]
        unit = 1.0 if METRICS[name].category == "adversarial" else max(abs(claimed), 1e-9)
        most = max(most, abs(values.get(name, math.nan) - claimed) / unit)
    return min(most, MOST_OFF)
