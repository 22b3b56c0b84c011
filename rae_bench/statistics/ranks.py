"""How certain the order of entries is: ranks are intervals, and entries that are not apart are ties."""

from __future__ import annotations

import math
import string

import numpy as np
import pandas as pd

from rae_bench.errors import UserError
from rae_bench.statistics.folds import FULL_OVERLAP, fold_means, overlap
from rae_bench.statistics.intervals import (
    ALLOWANCE,
    NOTHING,
    interquartile_mean,
    interquartile_weights,
    mean_interval,
    two_sided,
)
from rae_bench.statistics.significance import SIGNIFICANT, holm
from rae_bench.statistics.tables import in_words, refuse_missing_cells, refuse_twice
from rae_bench.task.cells import FOLDS, fold_of

RANKED_SEEDS = 5
"""With fewer seeds a rank is provisional."""
SCORE = ["entry", "task", "seed"]


def rank_table(scores: pd.DataFrame, fraction: float) -> pd.DataFrame:
    """Return entries in the order of their scores, with intervals, ranks that are intervals, and tie groups.

    Two entries are apart where `pair_tests` says so after Holm's adjustment for all pairs. An entry's rank is between
    one more than the number of better entries and the number of entries that are not worse. Entries that share a letter
    of `ties` are not apart: a letter is a run of neighbours of which no two are apart.

    Args:
        scores: columns entry, task, seed, value, such as headline scores; lower is better. An entry has the same
            seeds on every task; entries compare on the folds that both have.
        fraction: the largest fraction of the target's data that a score is about.

    Returns:
        entry, score (interquartile mean over tasks of the mean over folds), low, high, rank_low, rank_high, ties,
        tasks, seeds, provisional (fewer than five seeds).

    Raises:
        UserError: a score, task or seed is missing; the message names it.
    """
    refuse_twice(scores, SCORE)
    refuse_missing_cells(scores, "entry", ["task"])
    uneven = scores.groupby(["entry", "seed"]).size().groupby(level="entry").transform("max")
    lacking = scores.groupby(["entry", "seed"]).size() < uneven
    for entry in sorted({entry for entry, _ in lacking[lacking].index}):
        refuse_missing_cells(scores[scores["entry"] == entry], "task", ["entry", "seed"])
    gaps = scores[scores["value"].isna()]
    if len(gaps):
        raise UserError(f"no score: {in_words(gaps[SCORE])}")
    table = scores.pivot(index=["entry", "seed"], columns="task", values="value").sort_index().sort_index(axis=1)
    wide = {str(entry): rows.droplevel("entry") for entry, rows in table.groupby(level="entry")}
    values = {entry: _fold_scores(rows) for entry, rows in wide.items()}
    found = {entry: mean_interval(known[~np.isnan(known)], FULL_OVERLAP) for entry, known in values.items()}
    order = sorted(wide, key=lambda entry: (found[entry].estimate, entry))
    apart = _apart(np.stack([values[entry] for entry in order]), fraction) if order else np.zeros((0, 0), bool)
    ties = tie_letters(apart | apart.T)
    rows = [
        (
            entry, found[entry].estimate, found[entry].low, found[entry].high,
            1 + int(apart[:, i].sum()), len(order) - int(apart[i].sum()), ties[i],
            wide[entry].shape[1], len(wide[entry]), len(wide[entry]) < RANKED_SEEDS,
        )
        for i, entry in enumerate(order)
    ]
    columns = ["entry", "score", "low", "high", "rank_low", "rank_high", "ties", "tasks", "seeds", "provisional"]
    return pd.DataFrame(rows, columns=columns)


def _fold_scores(rows: pd.DataFrame) -> np.ndarray:
    """Return what each fold contributes to an entry's score, (FOLDS,); NaN where it has no seed of the fold.

    Args:
        rows: scores with a row for each seed and a column for each task.
    """
    seeds = [int(seed) for seed in rows.index]
    scores = fold_means(seeds, rows.to_numpy(float))
    means = scores.mean(0)
    out = np.full(FOLDS, np.nan)
    out[sorted({fold_of(seed) for seed in seeds})] = (
        interquartile_mean(means) + (scores - means) @ interquartile_weights(means)
    )
    return out


def pair_tests(values: np.ndarray, shared: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Compare every two of n entries on the folds that both have.

    A pair's variance is the larger of its own with `intervals.ALLOWANCE`, as for two entries alone, and the mean over
    all pairs. So a pair is not called apart only because its five differences are alike by chance. If a pair varies
    more than others, it is not judged by the variance of the others. The degrees of freedom are those of the mean,
    (n - 1) (K - 1).

    Args:
        values: (n, K), NaN where an entry lacks a fold.
        shared: what shared training data adds, as in `intervals.mean_interval`.

    Returns:
        For the P pairs i < j in the order of `np.triu_indices`: the means of value[j] - value[i], their standard errors
        and p, (P,) each, and the degrees of freedom. Error and p are NaN where a pair has fewer than two folds.
    """
    one, other = np.triu_indices(len(values), 1)
    differences = values[other] - values[one]
    known = ~np.isnan(differences)
    count = known.sum(1)
    means = np.where(known, differences, 0.0).sum(1) / np.maximum(count, 1)
    squares = (np.where(known, differences - means[:, None], 0.0) ** 2).sum(1)
    tested = count > 1
    freedom = float((count[tested] - 1).sum())
    errors, p = np.full(len(means), np.nan), np.full(len(means), np.nan)
    if not freedom:
        return means, errors, p, math.nan
    common = squares[tested].sum() / freedom
    freedom *= 2 / len({*one[tested], *other[tested]})
    own = squares[tested] / (count[tested] - 1)
    errors[tested] = np.sqrt(np.maximum(ALLOWANCE * own, common) * (1 / count[tested] + shared))
    sure = errors <= NOTHING * np.maximum(np.abs(means), NOTHING)
    p[tested] = two_sided(means[tested] / np.where(sure, 1.0, errors)[tested], freedom)
    p[sure] = np.where(np.abs(means[sure]) < NOTHING, 1.0, 0.0)
    return means, errors, p, freedom


def _apart(values: np.ndarray, fraction: float) -> np.ndarray:
    """Return whether one of n entries is better than another by more than folds explain, (n, n) bool."""
    gain, _, p, _ = pair_tests(values, overlap(fraction))
    adjusted = holm(p.tolist()) < SIGNIFICANT
    one, other = np.triu_indices(len(values), 1)
    apart = np.zeros((len(values), len(values)), bool)
    apart[np.where(gain > 0, one, other), np.where(gain > 0, other, one)] = adjusted
    return apart


def tie_letters(apart: np.ndarray) -> list[str]:
    """Return the letters of each of n entries in order.

    A letter stands for a longest run of neighbours of which no two are apart.

    Args:
        apart: (n, n) bool, whether two entries are apart.
    """
    count = len(apart)
    runs: list[tuple[int, int]] = []
    for start in range(count):
        stop = start + 1
        while stop < count and not apart[start:stop, stop].any():
            stop += 1
        if not runs or stop > runs[-1][1]:
            runs.append((start, stop))
    letters = ["" for _ in range(count)]
    for number, (start, stop) in enumerate(runs):
        name = string.ascii_lowercase[number % 26] * (number // 26 + 1)
        for i in range(start, stop):
            letters[i] += name
    return letters
