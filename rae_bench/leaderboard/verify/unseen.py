"""Does a model do worse on motion that nobody has seen? Kind by kind, against its public cell.

Built-in motion of another seed has other clips of the same kinds, in the same folds. So each kind of test motion is
compared with itself: what makes a kind hard is alike on both sides.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from rae_bench.leaderboard.entries.cells import EntryCell
from rae_bench.leaderboard.entries.entry import Entry
from rae_bench.leaderboard.entries.finding import Finding
from rae_bench.leaderboard.verify.grading import Grader
from rae_bench.results.clips import ClipTable
from rae_bench.results.rows import ERROR
from rae_bench.task.cells import fold_of

UNSEEN_LEVEL = 0.99
"""One-sided level of the test whether a model does worse on motion that nobody has seen."""
WORSE = math.log(1.1)
"""By how much the logarithm of the error must be greater at least, so that a model counts as worse there."""
LEAST_KINDS = 3
"""Kinds of motion that both sides must have."""


def compare_unseen(
    entry: Entry, cell: EntryCell, grader: Grader, unseen: Grader, clips: ClipTable, spread: float
) -> tuple[str, list[Finding]]:
    """Compare a cell that was trained and tested on unseen motion with the entry's cells of the same row and fold.

    Args:
        entry: the entry.
        cell: its cell.
        grader: of the task's own data.
        unseen: of the data that nobody has seen.
        clips: what the model made of them.
        spread: how much the logarithm of a cell's error scatters from training to training.

    Returns:
        a note in words, and the findings.
    """
    row = (cell.regime, cell.fraction, fold_of(cell.seed), "ok")
    same = [c for c in entry.of(cell.task) if (c.regime, c.fraction, fold_of(c.seed), c.status) == row]
    public = [by_kind(c.clips.groups, c.clips.values[ERROR], grader.on(c.seed).hold_error) for c in same]
    kinds = {kind for one in public for kind in one}
    mean = {kind: float(np.mean([one[kind] for one in public if kind in one])) for kind in kinds}
    fresh = by_kind(clips.groups, clips.values[ERROR], unseen.on(cell.seed).hold_error)
    return worse(mean, fresh, spread, f"{cell.task} {cell.name} on unseen motion")


def by_kind(kinds: Sequence[str], errors: np.ndarray, held: np.ndarray) -> dict[str, float]:
    """Return the mean logarithm over each kind's clips of the error over a held pose's: {kind: mean}."""
    found = defaultdict(list)
    for kind, error, hold in zip(kinds, errors.tolist(), held.tolist(), strict=True):
        if error > 0 and hold > 0:
            found[kind].append(math.log(error / hold))
    return {kind: float(np.mean(values)) for kind, values in found.items()}


def worse(
    public: Mapping[str, float], fresh: Mapping[str, float], spread: float, where: str
) -> tuple[str, list[Finding]]:
    """Find whether `fresh` is above `public`, by a one-sided test on the kinds that both have.

    Args:
        public: kind -> mean logarithm of the error over a held pose's.
        fresh: the same on motion that nobody has seen.
        spread: as in `compare_unseen`.
        where: the cell, for messages.
    """
    from scipy import stats

    shared = sorted(set(public) & set(fresh))
    if len(shared) < LEAST_KINDS:
        return f"{where}: too few kinds of motion to compare", []
    gaps = np.array([fresh[kind] - public[kind] for kind in shared])
    gap, error = float(gaps.mean()), math.sqrt(gaps.var(ddof=1) / len(gaps) + 2 * spread**2)
    limit = max(WORSE, error * float(stats.t.ppf(UNSEEN_LEVEL, len(gaps) - 1)))
    text = f"{math.exp(gap):.2f} times the public error on the same kinds of motion; up to {math.exp(limit):.2f} passes"
    found = [Finding(where, f"has {text}", "do not fit anything to the public test clips")] if gap > limit else []
    return f"{where}: {text}", found
