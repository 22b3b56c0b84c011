"""Intervals over folds and their groups of held-out clips that hold the true value as often as they say.

docs/concepts/statistics.md, "The interval", has the reasons; `rae_bench.statistics.coverage` measures the intervals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rae_bench.errors import UserError
from rae_bench.statistics.folds import FULL_OVERLAP, fold_means, overlap

LEVEL = 0.95
"""The level of every interval."""
ALLOWANCE = 2.5
"""What the variance of folds is multiplied by, because five values may be skewed. With 2 `coverage` finds 92.6 % of
intervals to hold in the worst scenario, with 2.5 94.3 %."""
NOTHING = 1e-12
"""The share of an effect below which its standard error is one of rounding."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval.

    Attributes:
        estimate: the effect.
        low, high: the ends of the interval; NaN with one fold.
        p: two-sided, of the hypothesis that the effect is 0, from the same standard error. It is below 0.05 exactly
            where 0 is outside the 95 % interval. It is NaN with one fold, and 1 where nothing differs.
    """

    estimate: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, eq=False)
class Effects:
    """The effects measured on one task: K folds, each with its own groups of held-out clips.

    Attributes:
        folds: K numbers, by which the folds of several tasks are matched.
        totals: for each fold the sums over the clips of each of its groups, (G,), means over the fold's seeds.
        clips: for each fold the number of clips of each group, (G,).
    """

    folds: tuple[int, ...]
    totals: tuple[np.ndarray, ...]
    clips: tuple[np.ndarray, ...]

    @property
    def groups(self) -> int:
        """The number of groups of all folds."""
        return sum(map(len, self.clips))


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and half the 95 % t-interval; the half is NaN for fewer than two values.

    It is that of independent values, such as rounds of a measurement of time, and not of folds.
    """
    count = len(values)
    mean = sum(values) / count
    if count < 2:
        return mean, math.nan
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (count - 1))
    return mean, half_width(count - 1) * spread / math.sqrt(count)


@lru_cache(maxsize=64)
def half_width(freedom: float) -> float:
    """Return half the width of a t-interval at `LEVEL`, in standard errors, for some degrees of freedom."""
    from scipy import special

    return float(special.stdtrit(freedom, (1 + LEVEL) / 2))


def ratio_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the geometric mean and the ends of the 95 % t-interval of the logarithms: gains of 2 and 0.5 cancel.

    The ends are NaN for fewer than two values. Where a value is not positive and finite, the mean is the arithmetic one
    and the ends are NaN. As with `interval`, the values are independent.
    """
    if not all(0 < v < math.inf for v in values):
        return interval(values)[0], math.nan, math.nan
    mean, half = interval([math.log(v) for v in values])
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


def interquartile_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean of the middle half along the last axis.

    Where the number of values is not a multiple of four, the cut goes through values: of [0, 1, 5] the mean is
    (0/4 + 1 + 5/4) / 1.5 = 1.5. Of one or two values it is their mean.
    """
    values = np.asarray(values, float)
    return np.sort(values, axis=-1) @ _shares(values.shape[-1])


def interquartile_weights(values: np.ndarray) -> np.ndarray:
    """Return the weight of each of n values in their interquartile mean, (n,); equal values have equal weights."""
    values = np.asarray(values, float)
    order, shares = np.argsort(values, kind="stable"), _shares(len(values))
    weights = np.empty(len(values))
    weights[order] = shares
    _, which = np.unique(values, return_inverse=True)
    return (np.bincount(which, weights) / np.bincount(which))[which]


def _shares(count: int) -> np.ndarray:
    """Return the weights of n ordered values in their interquartile mean, (n,)."""
    if count < 3:
        return np.full(count, 1 / count)
    return 2 * np.diff(np.clip(np.arange(count + 1) / count, 0.25, 0.75))


def fold_values(tasks: Sequence[Effects]) -> np.ndarray:
    """Return what each fold contributes to the effect, (K,). Their mean is the effect.

    The effect is the interquartile mean over tasks of the mean over clips. A fold's value is the effect, plus for each
    task its weight in the interquartile mean times the fold's distance from the task's mean (the total of the fold less
    the mean times its clips, over the mean number of clips of a fold). A fold is the same seed on every task, and tasks
    may share their source, so the sum over tasks is taken before the spread.

    Raises:
        UserError: other folds on one task than on another.
    """
    labels = {task.folds for task in tasks}
    if len(labels) != 1:
        known = sorted(map(list, labels))
        raise UserError(f"an interval over tasks needs the same seeds on each; there are those of the folds {known}")
    means = np.array([sum(t.sum() for t in task.totals) / sum(c.sum() for c in task.clips) for task in tasks])
    values = np.full(len(tasks[0].folds), interquartile_mean(means))
    for task, mean, weight in zip(tasks, means, interquartile_weights(means), strict=True):
        totals, clips = (np.array([part.sum() for part in parts], float) for parts in (task.totals, task.clips))
        values += weight * (totals - mean * clips) / clips.mean()
    return values


def mean_interval(values: np.ndarray, shared: float) -> Interval:
    """Return the interval of the mean of K folds.

        mean -+ t(K - 1) sqrt(ALLOWANCE (1 / K + shared) s^2),   s^2 the variance of the folds

    Args:
        values: one for each fold, (K,).
        shared: what shared training data adds: `folds.overlap` for paired differences, `folds.FULL_OVERLAP` for levels.
    """
    values = np.asarray(values, float)
    count, estimate = len(values), float(values.mean())
    if count < 2:
        return Interval(estimate, math.nan, math.nan, math.nan)
    error = math.sqrt(ALLOWANCE * (1 / count + shared) * float(values.var(ddof=1)))
    if error <= NOTHING * max(abs(estimate), NOTHING):
        return Interval(estimate, estimate, estimate, 1.0 if abs(estimate) < NOTHING else 0.0)
    half = half_width(count - 1) * error
    return Interval(estimate, estimate - half, estimate + half, float(two_sided(estimate / error, count - 1)))


def level_interval(seeds: Sequence[int], values: Sequence[float] | np.ndarray) -> Interval:
    """Return the interval of the mean over folds of a level, such as an error or a score, of S seeds.

    Levels have the correction of full data at every fraction: a group that is hard to move and hard to learn from moves
    the errors of all folds alike (docs/concepts/statistics.md). In a difference of two models that cancels.
    """
    return mean_interval(fold_means(seeds, np.asarray(values, float)), FULL_OVERLAP)


def gain_interval(
    seeds: Sequence[int], ratios: Sequence[float] | np.ndarray, trained_on: float
) -> tuple[float, float, float]:
    """Return the geometric mean over folds of ratios of S seeds, and the ends of its interval.

    Where a ratio is not positive and finite, the mean is the arithmetic one and the ends are NaN.

    Args:
        seeds: S numbers.
        ratios: one for each seed, of errors on the same clips.
        trained_on: the largest fraction of the target's data that either side was trained on.
    """
    values = np.asarray(ratios, float)
    if not (np.isfinite(values) & (values > 0)).all():
        return float(fold_means(seeds, values).mean()), math.nan, math.nan
    found = mean_interval(fold_means(seeds, np.log(values)), overlap(trained_on))
    return math.exp(found.estimate), math.exp(found.low), math.exp(found.high)


def fold_interval(tasks: Sequence[Effects], shared: float) -> Interval:
    """Return the effect over tasks with its interval, that of `mean_interval` over `fold_values`.

    The order and names of folds, groups and tasks do not matter.

    Raises:
        UserError: other folds on one task than on another.
    """
    return mean_interval(fold_values(tasks), shared)


def two_sided(t: np.ndarray | float, freedom: np.ndarray | float) -> np.ndarray:
    """Return the two-sided p of Student's t."""
    from scipy import special

    return np.asarray(2 * special.stdtr(freedom, -np.abs(t)))
