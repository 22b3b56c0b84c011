"""A cell's table of clips against its result: the board takes gains from one and scores from the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from rae_bench.leaderboard.entries.cells import EntryCell
from rae_bench.leaderboard.entries.finding import Finding, Refused, one_line
from rae_bench.leaderboard.entries.text import check_line
from rae_bench.leaderboard.verify.copies import CLIP_FLOOR
from rae_bench.leaderboard.verify.grading import tolerance
from rae_bench.metrics import METRICS, primaries
from rae_bench.results.rows import ERROR, track_of
from rae_bench.rigs.rig import ROLES
from rae_bench.task.cells import TRUTH

ROUNDED = 1e-5
"""Tables have six digits; a mean of them may be off by so much of itself."""
MEND = "put both files there as run wrote them"
AS_MADE = "put the file there as run wrote it"
BY_CLIPS = ("reconstruction", "feet", "objective")
"""The categories whose primary metrics are means over clips."""


def check_table(cell: EntryCell) -> Iterator[Finding]:
    """Check the form of a cell's table of clips, and that the result's values can be means of it. Needs no data."""
    if cell.status != "ok":
        return
    try:
        table = cell.clips
        for name in {*table.clips, *table.groups, *table.actions}:
            check_line(name, cell.table, 200)
    except Refused as refused:
        yield refused.finding
        return
    columns = set(_ranking(cell))
    yield from (Finding(cell.table, f"has no column {name}", AS_MADE) for name in sorted(columns - set(table.values)))
    odd = sorted(table.values.keys() - METRICS.keys())
    if odd:
        yield Finding(f"{cell.table}: {odd[0][:60]}", "is no metric", AS_MADE)
    # What a clip has of feet and objectives depends on the task; it always has an error.
    judged = primaries(track_of([cell.result]))["reconstruction"]
    yield from _check_blank(cell, judged, np.ones(len(table.clips), bool))
    for name, values in table.values.items():
        known = values[np.isfinite(values)]
        if name not in METRICS or name not in cell.metrics or not len(known) or math.isnan(cell.metrics[name]):
            continue
        # A mean over roles of means over clips may leave the range of the clips' own means, by as much as the roles.
        wide = 1 if METRICS[name].category in ("reconstruction", "feet") else len(ROLES)
        low, high = sorted((float(known.min()), float(known.max())))
        slack = tolerance(name, high) + ROUNDED * max(abs(low), abs(high))
        low, high = (min(low, low / wide, low * wide) - slack, max(high, high / wide, high * wide) + slack)
        if not low <= cell.metrics[name] <= high:
            yield Finding(
                f"{cell.where}: {one_line(name, 60)}",
                f"says {cell.metrics[name]:.6g}, which no mean over the clips of its table can be: they have "
                f"{known.min():.6g} to {known.max():.6g}",
                MEND,
            )
    yield from _check_least(cell, table.values.get(ERROR, np.empty(0)))


def _ranking(cell: EntryCell) -> list[str]:
    """Return the primary metrics of a cell that are means over its clips."""
    named = primaries(track_of([cell.result]))
    return [named[category] for category in BY_CLIPS if named[category] in cell.metrics]


def _check_blank(cell: EntryCell, name: str, counted: np.ndarray) -> Iterator[Finding]:
    """Check that each clip that counts, (N,) bool, has a value: a blank would take a bad clip out of the mean."""
    if name not in cell.clips.values:
        return
    blank = np.flatnonzero(counted & ~np.isfinite(cell.clips.values[name]))
    if len(blank):
        clips = f"{len(blank)} clips have" if len(blank) > 1 else "a clip has"
        first = one_line(cell.clips.clips[blank[0]], 60)
        yield Finding(f"{cell.table}: {name}", f"{clips} no value, first {first}; each of them counts", AS_MADE)


def _check_least(cell: EntryCell, errors: np.ndarray) -> Iterator[Finding]:
    height = cell.result.get("rig_height")
    if cell.result["model"] == TRUTH or not isinstance(height, (int, float)) or not height > 0:
        return
    close = np.flatnonzero(errors < CLIP_FLOOR * height)
    if len(close):
        clip = cell.clips.clips[close[0]]
        yield Finding(
            f"{cell.table}: {ERROR}", f"clip {one_line(clip, 60)} has {errors[close[0]]:.3g} cm, which needs the truth",
            "submit what the model generated from the history alone",
        )  # fmt: skip


def check_means(cell: EntryCell, weights: Mapping[str, np.ndarray]) -> Iterator[Finding]:
    """Check that a result's values are the means of its table, clip for clip.

    Args:
        cell: a finished cell whose clips are the task's.
        weights: metric -> (N, G) what each clip counts in each group, as `Sums.weights` of the truth.
    """
    for name in _ranking(cell):
        if name in weights:
            yield from _check_blank(cell, name, np.any(weights[name] > 0, axis=1))
    for name, values in cell.clips.values.items():
        counts = weights.get(name)
        said = cell.metrics.get(name, math.nan)
        if counts is None or counts.shape[1] != 1 or math.isnan(said):
            continue
        used = (counts[:, 0] > 0) & np.isfinite(values)
        if not used.any():
            continue
        mean = float(np.average(values[used], weights=counts[used, 0]))
        if abs(mean - said) > tolerance(name, mean) + ROUNDED * float(np.abs(values[used]).max()):
            yield Finding(
                f"{cell.where}: {one_line(name, 60)}",
                f"says {said:.6g}; the mean over the clips of its table is {mean:.6g}", MEND,
            )  # fmt: skip
