"""How firm the order of a task's table is: which entries are apart, and what single groups of test clips decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from rae_bench.leaderboard.board.contestants import Contestant, TaskCells
from rae_bench.leaderboard.board.task_rows import scores_of
from rae_bench.leaderboard.entries.cells import EntryCell
from rae_bench.metrics import category_scores, floored_scores, primaries
from rae_bench.metrics.base import Sums
from rae_bench.metrics.headline import HEADLINE_CATEGORIES, YARDSTICKS
from rae_bench.statistics.ranks import rank_table
from rae_bench.task.cells import fold_of

FIRST = 3
"""How many entries at the head of a table are watched."""
Truths = Callable[[int], Mapping[str, Sums]]
"""Seed -> what `measure` says of the truth of its test clips, in the order of the tables of clips."""


@dataclass(frozen=True)
class Stability:
    """How firm the order of a task's table is.

    Attributes:
        task: its name.
        entries: how many have a score.
        pairs: of entries.
        apart: pairs of which one is better than the other by more than folds explain, as `rank_table` has it.
        groups: of test clips, over all folds.
        first: the first three entries.
        others: groups without which other entries are the first three.
        reordered: groups without which the same three stand in another order.
        largest: the largest change of an entry's score when a group is left out.
    """

    task: str
    entries: int
    pairs: int
    apart: int
    groups: int
    first: tuple[str, ...]
    others: tuple[str, ...]
    reordered: tuple[str, ...]
    largest: float


def stability_of(cells: TaskCells, truths: Truths) -> Stability | None:
    """Leave out each group of test clips in turn, and see what becomes of the first three entries.

    Reconstruction, foot sliding and objective are means over the clips that are left, with the weights that the task
    gives them. The adversarial score compares all clips at once, so it stays as it is.

    Args:
        cells: all entries on the task.
        truths: what is measured of the truth.

    Returns:
        None where no entry has a score.
    """
    contestants = [c for c in cells.complete if cells.yardsticks_at(c.seeds[0])]
    if not contestants:
        return None
    whole = {c.name: _category_scores(c, cells, truths, None) for c in contestants}
    table = rank_table(scores_of(whole, cells.task.name), max(cells.fractions))
    names, before = list(table["entry"]), table.set_index("entry")["score"]
    first = tuple(names[:FIRST])
    groups = sorted({g for c in contestants for cell in c.transfer for g in cell.clips.groups})
    others, reordered, largest = [], [], 0.0
    for group in groups:
        without = {c.name: _category_scores(c, cells, truths, group, whole[c.name]) for c in contestants}
        left = rank_table(scores_of(without, cells.task.name), max(cells.fractions))
        largest = max(largest, float((left.set_index("entry")["score"] - before).abs().max()))
        now = tuple(left["entry"][:FIRST])
        if set(now) != set(first):
            others.append(group)
        elif now != first:
            reordered.append(group)
    count = len(names)
    return Stability(
        cells.task.name, count, count * (count - 1) // 2, int((table["rank_low"] - 1).sum()), len(groups), first,
        tuple(others), tuple(reordered), largest,
    )  # fmt: skip


def _category_scores(
    c: Contestant, cells: TaskCells, truths: Truths, group: str | None, whole: Mapping[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Return category -> (S,) on the score's scale, the mean over fractions, without one group of test clips.

    Args:
        group: the group that is left out; None for none.
        whole: the scores with all groups, which stay where a seed's clips are of none that is left out.
    """
    touched = [seed for seed in c.seeds if whole is None or group in c.at(c.regime, c.low[0], [seed])[0].clips.groups]
    by_fraction = []
    for fraction in c.low:
        scaled = []
        for cell in c.at(c.regime, fraction, touched):
            known = cells.yardsticks_at(cell.seed)
            assert known is not None
            truth, height, track = known
            found = truths(fold_of(cell.seed))
            scaled.append(category_scores(
                {**cell.metrics, **_left(cell, found, group, track)},
                {**truth, **_left_of_truth(cell, found, group, track)}, height, track,
            ))  # fmt: skip
        by_fraction.append(floored_scores(scaled) if whole is None else scaled)
    out = {}
    for category in HEADLINE_CATEGORIES:
        values = np.array([[one[category] for one in scaled] for scaled in by_fraction]).mean(0)
        if whole is None:
            out[category] = values
            continue
        out[category] = whole[category].copy()
        if category in YARDSTICKS:
            out[category][[c.seeds.index(seed) for seed in touched]] = values
    return out


def _left(cell: EntryCell, truth: Mapping[str, Sums], group: str | None, track: str) -> dict[str, float]:
    """Return the primary metrics over the clips that are left; {} where all are."""
    if group is None:
        return {}
    kept = np.array([other != group for other in cell.clips.groups])
    out = {}
    for category, name in primaries(track).items():
        if category in YARDSTICKS:
            values, weights = cell.clips.values[name], truth[name].weights.sum(1)
            used = kept & (weights > 0) & np.isfinite(values)
            out[name] = float(np.average(values[used], weights=weights[used])) if used.any() else truth[name].empty
    return out


def _left_of_truth(cell: EntryCell, truth: Mapping[str, Sums], group: str | None, track: str) -> dict[str, float]:
    """Return the same of the truth."""
    if group is None:
        return {}
    kept = np.array([other != group for other in cell.clips.groups])
    known = {name: truth[name] for category, name in primaries(track).items() if category in YARDSTICKS}
    return {name: Sums(sums.totals[kept], sums.weights[kept], sums.empty).value() for name, sums in known.items()}
