"""Intervals over seeds and groups of held-out clips that hold the true value as often as they say.

docs/statistics.md, "The interval", has the reasons; `rae_bench.statistics.coverage` measures the intervals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rae_bench.errors import UserError

LEVEL = 0.95
"""The level of every interval."""
DRAWS = 2000
"""Bootstrap draws."""
BATCH = 256
"""The number of effects whose bootstrap draws are in memory at once."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval.

    Attributes:
        estimate: the effect.
        low, high: the ends of the interval; NaN with one seed.
        p: two-sided, of the hypothesis that the effect is 0, from the same standard error. It is below 0.05 exactly
            where 0 is outside the 95 % interval. It is NaN with one seed, and 1 where nothing differs.
    """

    estimate: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, eq=False)
class Effects:
    """The effects measured on one task: S seeds, G groups of held-out clips.

    Attributes:
        totals: sums over the clips of a group, (S, G).
        clips: the number of clips of a group, (G,).
    """

    totals: np.ndarray
    clips: np.ndarray


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and half the 95 % t-interval; the half is NaN for fewer than two values."""
    count = len(values)
    mean = sum(values) / count
    if count < 2:
        return mean, math.nan
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (count - 1))
    return mean, half_width(count - 1) * spread / math.sqrt(count)


@lru_cache(maxsize=64)
def half_width(freedom: float) -> float:
    """Return half the width of a t-interval at `LEVEL`, in standard errors, for some degrees of freedom."""
    from scipy import stats

    return float(stats.t.ppf((1 + LEVEL) / 2, freedom))


def ratio_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the geometric mean and the ends of the 95 % t-interval of the logarithms: gains of 2 and 0.5 cancel.

    The ends are NaN for fewer than two values. Where a value is not positive and finite, the mean is the arithmetic one
    and the ends are NaN.
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
    count = values.shape[-1]
    if count < 3:
        return values.mean(-1)
    ordered = np.sort(values, axis=-1)
    edges = np.clip(np.arange(count + 1) / count, 0.25, 0.75)
    return ordered @ (2 * np.diff(edges))


def bootstrap(
    tasks: Sequence[Effects], rng: np.random.Generator, draws: int = DRAWS, *, seeds: bool = True, groups: bool = True
) -> np.ndarray:
    """Return interquartile means over tasks of the mean effect, (draws,), with seeds and groups drawn anew.

    A seed is the same initialisation on every task, and tasks may share their source. So seeds are drawn once for all
    tasks; groups are drawn task by task. Both are drawn with replacement.

    Args:
        tasks: the effects on each task.
        rng: the random numbers.
        draws: their number.
        seeds, groups: whether these are drawn; each counts once where not.
    """
    count = _seed_count(tasks)
    seed_share = rng.multinomial(count, np.full(count, 1 / count), draws) if seeds else np.ones((draws, count), int)
    effects = []
    for task in tasks:
        many = len(task.clips)
        times = rng.multinomial(many, np.full(many, 1 / many), draws) if groups else np.ones((draws, many), int)
        totals = ((seed_share @ task.totals) * times).sum(1)
        effects.append(totals / (count * (times @ task.clips)))
    return interquartile_mean(np.stack(effects, -1))


def effect(tasks: Sequence[Effects]) -> float:
    """Return the interquartile mean over tasks of the mean effect over seeds and clips."""
    return float(interquartile_mean(np.array([t.totals.sum() / (len(t.totals) * t.clips.sum()) for t in tasks])))


def _seed_count(tasks: Sequence[Effects]) -> int:
    counts = {len(task.totals) for task in tasks}
    if len(counts) != 1:
        raise UserError(f"an interval over tasks needs the same seeds on each; there are {sorted(counts)}")
    return counts.pop()


def hierarchical_interval(tasks: Sequence[Effects], rng: np.random.Generator, draws: int = DRAWS) -> Interval:
    """Return the interval of `effect` over seeds and clip groups; over seeds alone where every task has one group.

        v_seeds  = S / (S - 1) Var*(seeds drawn),   v_groups = G / (G - 1) Var*(groups drawn), G per task the mean
        effect -+ t(df) sqrt(v_seeds + v_groups),   1 / df by Welch and Satterthwaite, with S - 1 and sum (G - 1)

    The order and names of seeds, groups and tasks do not matter: they are put in the order of their contents.

    Raises:
        UserError: another number of seeds on one task than on another.
    """
    tasks = canonical(tasks)
    estimate, count = effect(tasks), _seed_count(tasks)
    if count < 2:
        return Interval(estimate, math.nan, math.nan, math.nan)
    seeds = float(bootstrap(tasks, rng, draws, groups=False).var()) * count / (count - 1)
    group_freedom = sum(len(task.clips) - 1 for task in tasks)
    groups = 0.0
    if group_freedom:
        mean_count = group_freedom / len(tasks) + 1
        groups = float(bootstrap(tasks, rng, draws, seeds=False).var()) * mean_count / (mean_count - 1)
    return _welch(estimate, seeds, count - 1, groups, group_freedom)


def seed_tests(values: np.ndarray, rng: np.random.Generator, draws: int = DRAWS) -> tuple[np.ndarray, np.ndarray]:
    """Return estimates and p of many effects, as `hierarchical_interval` gives them where tasks have no clip groups.

    Args:
        values: (P, S, T), P effects of S seeds, at least two, on T tasks.
        rng: the bootstrap's random numbers.
        draws: their number.

    Returns:
        Estimates, (P,), and p, (P,).
    """
    from scipy import stats

    count, seeds, _ = values.shape
    estimate = interquartile_mean(values.mean(1))
    keys = np.moveaxis(np.sort(values, -1), -1, 0)[::-1]  # as in `canonical`: seeds in the order of their contents
    ordered = np.take_along_axis(values, np.lexsort(keys)[..., None], 1)
    share = rng.multinomial(seeds, np.full(seeds, 1 / seeds), draws) / seeds
    variance = np.empty(count)
    for start in range(0, count, BATCH):
        part = ordered[start : start + BATCH]
        part = part.mean(-1, keepdims=True) if part.shape[-1] < 3 else part  # which commutes with the draws
        variance[start : start + BATCH] = interquartile_mean(share @ part).var(-1) * seeds / (seeds - 1)
    known = variance > (1e-12 * np.maximum(np.abs(estimate), 1e-12)) ** 2
    error = np.sqrt(np.where(known, variance, 1))
    p = 2 * stats.t.sf(np.abs(estimate) / error, seeds - 1)
    return estimate, np.where(known, p, np.where(np.abs(estimate) < 1e-12, 1.0, 0.0))


def _welch(estimate: float, first: float, first_df: int, second: float, second_df: int) -> Interval:
    from scipy import stats

    variance = first + second
    if variance <= (1e-12 * max(abs(estimate), 1e-12)) ** 2:
        return Interval(estimate, estimate, estimate, 1.0 if abs(estimate) < 1e-12 else 0.0)
    freedom = variance**2 / (first**2 / first_df + (second**2 / second_df if second_df else 0.0))
    error = math.sqrt(variance)
    half = half_width(freedom) * error
    return Interval(estimate, estimate - half, estimate + half, float(2 * stats.t.sf(abs(estimate) / error, freedom)))


def canonical(tasks: Sequence[Effects]) -> list[Effects]:
    """Return the effects with seeds, groups and tasks in the order of their contents, whatever their names."""
    _seed_count(tasks)
    everything = np.concatenate([task.totals for task in tasks], 1)
    seeds = sorted(range(len(everything)), key=lambda s: sorted(everything[s]))
    out = []
    for task in tasks:
        keys = [(clips, sorted(column)) for clips, column in zip(task.clips, task.totals.T, strict=True)]
        groups = sorted(range(len(keys)), key=lambda g: keys[g])
        out.append(Effects(task.totals[seeds][:, groups], np.asarray(task.clips)[groups]))
    return sorted(out, key=lambda task: (len(task.clips), sorted(task.totals.ravel())))
