"""How often an interval holds the true value, by simulation. `python -m rae_bench.statistics.coverage` prints it.

A 95 % interval should hold the true value in 95 of 100 data sets; every published one must in 93 of 100, at five seeds,
in every scenario. The spreads are those that version 1 measured on its two tasks (docs/reports/version1.md): the
logarithm of the ratio of two entries varies by .18 and .06 between groups, and by .06 and .03 between seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd

from rae_bench.statistics.curves import CurveEstimate, data_saved_interval, gap_interval
from rae_bench.statistics.folds import FULL_OVERLAP, overlap
from rae_bench.statistics.intervals import (
    Effects,
    Interval,
    fold_interval,
    fold_values,
    half_width,
    interquartile_mean,
    mean_interval,
)
from rae_bench.statistics.ranks import pair_tests
from rae_bench.task.cells import FOLDS

DATA_SETS = 1000
BOOTSTRAP_DRAWS = 300
SPREADS = ((0.18, 0.06), (0.18, 0.03), (0.06, 0.06), (0.06, 0.03))
"""Standard deviations between groups and between seeds, in logarithms of the ratio of two entries."""
SHAPES = ("normal", "skewed", "heavy")
GROUPS = (1, 2, 3, 10)
"""Numbers of groups of a fold."""
FRACTIONS = (0.05, 1.0)
"""Fractions of the target's data. At 1 folds are correlated through the training data that they share."""
TRUE_EFFECTS = (-0.1, -0.03, 0.03, 0.1)
"""The true effects of four tasks, in logarithms; their interquartile mean is 0."""
MOST_CLIPS = 3
"""Groups have 1 to so many clips."""
CURVE = (0.05, 0.2, 1.0)
"""Fractions of the cold starts. At the smallest, their error is twice that of full data."""
CURVE_CASES = ((2.0, (1.0, 1.0, 1.0, 1.0)), (6.0, (0.5, 0.5, 0.5, 2.0)))
"""The data saved, and how much the cold starts and the transfer vary."""
SCORED = (0.5, 0.3, 0.1)
"""Errors of three categories in yardsticks, on the way to a score."""
ENTRIES = ((2, 1.0), (3, 3.0), (10, 1.0), (10, 3.0))
"""Numbers of entries that are ranked, and how many times as much as the others the first of them varies."""


@dataclass(frozen=True)
class Scenario:
    """What varies.

    Attributes:
        group, seed: standard deviations between groups and between seeds, in logarithms of the ratio of two entries.
        shape: the shape of every distribution: `normal`, `skewed` (exponential) or `heavy` (Student's t, 3 degrees).
        groups: the number of groups of a fold.
        fraction: of the target's data. A part that all folds share has the variance of a fold times `folds.overlap`.
        seeds: their number, each a fold of its own.
    """

    group: float
    seed: float
    shape: str = "normal"
    groups: int = 3
    fraction: float = 0.05
    seeds: int = FOLDS


def standard(shape: str, size: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw numbers of mean 0 and variance 1 of one of `SHAPES`."""
    if shape == "skewed":
        return rng.exponential(size=size) - 1
    return rng.standard_t(3, size) / math.sqrt(3) if shape == "heavy" else rng.standard_normal(size)


def draw(s: Scenario, size: tuple[int, ...], rng: np.random.Generator, fraction: float | None = None) -> np.ndarray:
    """Draw effects of groups around 0: (*size, K, G)."""
    seeds = s.seed * standard(s.shape, (*size, s.seeds, 1), rng)
    groups = s.group * standard(s.shape, (*size, s.seeds, s.groups), rng)
    variance = (s.seed**2 + s.group**2 / s.groups) * overlap(s.fraction if fraction is None else fraction)
    return seeds + groups + math.sqrt(variance) * standard(s.shape, (*size, 1, 1), rng)


def draw_effects(s: Scenario, tasks: int, sets: int, rng: np.random.Generator) -> Iterator[list[Effects]]:
    """Draw the effects of one pair of entries on 1 or 4 tasks, `sets` times; a seed's part is alike on all tasks."""
    true = np.array(TRUE_EFFECTS if tasks == len(TRUE_EFFECTS) else (0.0,) * tasks)
    seeds = draw(replace(s, group=0.0, groups=1), (sets, 1), rng)
    values = true[:, None, None] + seeds + draw(replace(s, seed=0.0), (sets, tasks), rng)
    clips = rng.integers(1, MOST_CLIPS + 1, values.shape).astype(float)
    folds = tuple(range(s.seeds))
    for totals, counts in zip(values * clips, clips, strict=True):
        yield [Effects(folds, tuple(t), tuple(c)) for t, c in zip(totals, counts, strict=True)]


def draw_entries(s: Scenario, entries: int, sets: int, rng: np.random.Generator, first: float = 1.0) -> np.ndarray:
    """Draw scores of equal entries by fold, (sets, n, K); the first varies `first` times as much as the others."""
    values = draw(s, (sets, entries), rng).mean(-1) / math.sqrt(2)  # so that two of them differ by the spreads
    return values * np.where(np.arange(entries) == 0, first, 1.0)[:, None]


# ---- published intervals ---------------------------------------------------------------------------------------------


def pair_coverage(s: Scenario, sets: int, rng: np.random.Generator, tasks: int = 1) -> float:
    """Return the coverage of the effect of one entry over another, and of a gain."""
    return _share(fold_interval(made, overlap(s.fraction)) for made in draw_effects(s, tasks, sets, rng))


def score_coverage(s: Scenario, sets: int, rng: np.random.Generator) -> float:
    """Return the coverage of a score: the mean over categories of e / (e + 1), e an error in yardsticks.

    Errors are means over groups and vary as the ratio of two entries does.
    """

    def scores(count: int) -> np.ndarray:
        errors = np.array(SCORED)[:, None] * np.exp(draw(s, (count, len(SCORED)), rng)).mean(-1)
        return (errors / (errors + 1)).mean(1)

    true = scores(20 * sets).mean()
    return _share(mean_interval(values - true, FULL_OVERLAP) for values in scores(sets))


def rank_coverage(s: Scenario, sets: int, rng: np.random.Generator) -> float:
    """Return the least coverage of the difference of two entries among some, of which the first may vary more."""
    found = []
    for entries, first in ENTRIES:
        held = []
        for values in draw_entries(s, entries, sets, rng, first):
            means, errors, _, freedom = pair_tests(values, overlap(s.fraction))
            held.append(np.abs(means) <= half_width(freedom) * errors)
        with_first = np.triu_indices(entries, 1)[0] == 0
        found += [np.mean(held, 0)[which].mean() for which in (with_first, ~with_first) if which.any()]
    return float(min(found))


def curves_coverage(s: Scenario, sets: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return the coverage of gap closed and of data saved, of those that have an interval.

    The transfer at the smallest fraction is as good as a cold start at twice that, and all vary alike, or at six times,
    and it varies most. The smaller coverage counts.
    """
    slope = math.log(2) / math.log(CURVE[-1] / CURVE[0])
    gaps, saved = [], []
    for times, varying in CURVE_CASES:
        logs = -slope * np.log([*CURVE, times * CURVE[0]])
        noise = [draw(s, (sets,), rng, f).mean(-1) / math.sqrt(2) for f in (*CURVE, CURVE[0])]
        errors = np.exp(logs[:, None] + np.array(varying)[:, None] * np.stack(noise, 1))
        closed = math.log(times) / math.log(CURVE[-1] / CURVE[0])
        seeds = range(s.seeds)
        gaps.append(_held((gap_interval(seeds, e[0], e[3], e[2]) for e in errors), closed))
        saved.append(_held((data_saved_interval(seeds, CURVE, e[:3].T, CURVE[0], e[3]) for e in errors), times))
    return min(gaps), min(saved)


def _share(intervals: Iterator[Interval]) -> float:
    return float(np.mean([found.low <= 0 <= found.high for found in intervals]))


def _held(found: Iterator[CurveEstimate], true: float) -> float:
    """Return how often an interval held, of those that there are."""
    return float(np.mean([one.low <= true <= one.high for one in found if not math.isnan(one.low)] or math.nan))


PUBLISHED = ("effect, gain", "over 4 tasks", "score", "rank difference", "gap closed", "data saved", "false positives")


def coverage(
    shapes: Sequence[str] = SHAPES, groups: Sequence[int] = GROUPS, seeds: int = FOLDS, sets: int = DATA_SETS
) -> pd.DataFrame:
    """Return the lowest coverage of each published interval over `SPREADS` and `FRACTIONS`.

    Returns:
        Columns shape, groups, and `PUBLISHED`: shares of data sets. `false positives` is the greatest share of two
        equal entries that the pair test calls apart.
    """
    rows = []
    for shape, count in product(shapes, groups):
        rng = np.random.default_rng([SHAPES.index(shape), count, seeds])
        each = [
            _coverage_of(Scenario(group, seed, shape, count, fraction, seeds), sets, rng)
            for (group, seed), fraction in product(SPREADS, FRACTIONS)
        ]
        lowest = np.nanmin(each, 0)
        rows.append((shape, count, *lowest[:-1], 1 - lowest[-1]))
    return pd.DataFrame(rows, columns=["shape", "groups", *PUBLISHED])


def _coverage_of(s: Scenario, sets: int, rng: np.random.Generator) -> list[float]:
    """Return the coverage of `PUBLISHED` in one scenario; of the curves, which hold all fractions, in one of two."""
    equal = (mean_interval(one[1] - one[0], overlap(s.fraction)) for one in draw_entries(s, 2, sets, rng))
    curves = curves_coverage(s, sets, rng) if s.fraction == FRACTIONS[0] else (math.nan, math.nan)
    pairs = (pair_coverage(s, sets, rng, tasks) for tasks in (1, len(TRUE_EFFECTS)))
    return [*pairs, score_coverage(s, sets, rng), rank_coverage(s, sets, rng), *curves, _share(equal)]


# ---- other intervals -------------------------------------------------------------------------------------------------


def naive(made: Sequence[Effects], fraction: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return the t-interval over folds, as if they were independent and normal."""
    values = fold_values(made)
    half = half_width(len(values) - 1) * float(values.std(ddof=1)) / math.sqrt(len(values))
    return values.mean() - half, values.mean() + half


def corrected(made: Sequence[Effects], fraction: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return the t-interval over folds with the correction for shared training data."""
    low, high = naive(made, fraction, rng)
    wider = math.sqrt(1 + len(made[0].folds) * overlap(fraction))
    return ((low + high) / 2 - wider * (high - low) / 2, (low + high) / 2 + wider * (high - low) / 2)


def bootstrap(made: Sequence[Effects], fraction: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return quantiles of the effect with folds, and groups within them, drawn anew."""
    count = len(made[0].folds)
    chosen = rng.integers(count, size=(BOOTSTRAP_DRAWS, count))
    means = []
    for task in made:
        totals, clips = np.stack(task.totals), np.stack(task.clips)
        groups = rng.integers(totals.shape[1], size=(*chosen.shape, totals.shape[1]))
        picked = (chosen[..., None], groups)
        means.append(totals[picked].sum((1, 2)) / clips[picked].sum((1, 2)))
    low, high = np.quantile(interquartile_mean(np.stack(means, -1)), [0.025, 0.975])
    return float(low), float(high)


def published(made: Sequence[Effects], fraction: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return the interval of `intervals.fold_interval`."""
    found = fold_interval(made, overlap(fraction))
    return found.low, found.high


METHODS: Mapping[str, Callable[[Sequence[Effects], float, np.random.Generator], tuple[float, float]]] = {
    "bootstrap of folds and groups": bootstrap,
    "t over folds": naive,
    "t, corrected": corrected,
    "published": published,
}


def gap_bootstrap(shapes: Sequence[str] = SHAPES, sets: int = DATA_SETS) -> float:
    """Return the lowest coverage of gap closed by quantiles of a bootstrap of folds and groups, as in `CURVE_CASES`."""
    found = []
    for shape, count, (group, seed), (times, varying) in product(shapes, GROUPS, SPREADS, CURVE_CASES):
        rng = np.random.default_rng([13, SHAPES.index(shape), count])
        s = Scenario(group, seed, shape, count)
        noise = np.stack([draw(s, (sets,), rng, f) for f in (CURVE[0], CURVE[-1], CURVE[0])]) / math.sqrt(2)
        noise *= np.array([varying[0], varying[2], varying[3]])[:, None, None, None]
        folds = rng.integers(s.seeds, size=(sets, BOOTSTRAP_DRAWS, s.seeds, 1))
        groups = rng.integers(count, size=(sets, BOOTSTRAP_DRAWS, s.seeds, count))
        cold, full, error = noise[:, np.arange(sets)[:, None, None, None], folds, groups].mean((3, 4))
        closed = math.log(times) / math.log(CURVE[-1] / CURVE[0])
        ratios = (cold - error + closed * math.log(2)) / (cold - full + math.log(2))
        low, high = np.quantile(ratios, [0.025, 0.975], axis=1)
        found.append(float(np.mean((low <= closed) & (closed <= high))))
    return min(found)


def compare_methods(
    shapes: Sequence[str] = SHAPES, groups: Sequence[int] = GROUPS, sets: int = DATA_SETS
) -> pd.DataFrame:
    """Return coverage and median width of intervals of one pair's effect on one task, at five seeds.

    Returns:
        Columns shape, groups, method, coverage (the lowest over `SPREADS` and `FRACTIONS`), width (the mean over them).
    """
    rows = []
    for shape, count in product(shapes, groups):
        rng = np.random.default_rng([7, SHAPES.index(shape), count])
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in METHODS}
        for (group, seed), fraction in product(SPREADS, FRACTIONS):
            data = list(draw_effects(Scenario(group, seed, shape, count, fraction), 1, sets, rng))
            for name, method in METHODS.items():
                ends = np.array([method(made, fraction, rng) for made in data])
                held = float(np.mean((ends[:, 0] <= 0) & (ends[:, 1] >= 0)))
                found[name].append((held, float(np.median(ends[:, 1] - ends[:, 0]))))
        for name, one in found.items():
            held, wide = np.array(one).T
            rows.append((shape, count, name, held.min(), wide.mean()))
    return pd.DataFrame(rows, columns=["shape", "groups", "method", "coverage", "width"])


# ---- equal entries ---------------------------------------------------------------------------------------------------


def _own(values: np.ndarray, fraction: float) -> np.ndarray:
    differences = np.stack([values[j] - values[i] for i, j in zip(*np.triu_indices(len(values), 1), strict=True)])
    return np.array([mean_interval(d, overlap(fraction)).p for d in differences])


def _pooled(values: np.ndarray, fraction: float) -> np.ndarray:
    from scipy import stats

    one, other = np.triu_indices(len(values), 1)
    differences = values[other] - values[one]
    count, freedom = values.shape[1], (len(values) - 1) * (values.shape[1] - 1)
    error = math.sqrt((1 / count + overlap(fraction)) * float(differences.var(1, ddof=1).mean()))
    return np.asarray(2 * stats.t.sf(np.abs(differences.mean(1)) / error, freedom))


RANK_METHODS: Mapping[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "own variance": _own,
    "pooled alone": _pooled,
    "published": lambda values, fraction: pair_tests(values, overlap(fraction))[2],
}


# ---- tables ----------------------------------------------------------------------------------------------------------
