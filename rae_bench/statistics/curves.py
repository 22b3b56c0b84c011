"""Data saved and gap closed: ratios of uncertain numbers, with the values that the folds do not rule out.

Both intervals invert a t-test over folds (`intervals.mean_interval`): they contain every value that the folds do not
contradict. So an interval may be unbounded, and then its words say so. Both numbers exist only if there is something to
close or to save: the cold start's error must be at least `metrics.transfer.LEAST_HEADROOM` times that of full data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rae_bench.errors import UserError
from rae_bench.metrics.transfer import LEAST_HEADROOM, data_saved, gap_closed, has_headroom
from rae_bench.statistics.folds import FULL_OVERLAP, fold_means, overlap
from rae_bench.statistics.intervals import half_width

LEAST_FRACTIONS = 3
"""The fewest fractions of a cold curve from which data saved is read."""
GRID = 200
"""Steps between two measured fractions in the search for the ends of an interval of data saved."""
GAP_ALLOWANCE, SAVED_ALLOWANCE = 1.0, 2.0
"""What the variance of folds is multiplied by, as `intervals.ALLOWANCE`. These suffice: all terms of a gap have the
correction of full data, and skewed errors of two cells leave a difference that is less skewed."""
BEYOND_CURVE = "beyond the measured range"
ONE_FOLD = "no interval of one fold"


@dataclass(frozen=True)
class CurveEstimate:
    """Gap closed, or data saved, with its interval.

    Attributes:
        value, low, high: NaN where undefined; the ends also with one fold. Of data saved, an end beyond the measured
            range is 0 or infinite, and a value beyond it is the bound.
        words: "" where all three were measured, else what was not, and why.
    """

    value: float
    low: float
    high: float
    words: str


def undefined(why: str) -> CurveEstimate:
    """Return an estimate without numbers."""
    return CurveEstimate(math.nan, math.nan, math.nan, why)


def too_little_headroom(cold: float, full: float) -> str:
    """Return in words that the cold start's error is too close to that of full data; "" where it is not."""
    if has_headroom(cold, full):
        return ""
    ratio = f"{cold / full:.2f}" if full > 0 else "unknown"
    return f"cold / full is {ratio}, below {LEAST_HEADROOM}: too little to close or to save"


def gap_interval(seeds: Sequence[int], cold: np.ndarray, errors: np.ndarray, full: np.ndarray) -> CurveEstimate:
    """Return the share of the gap between cold start and full data that was closed (Fieller 1954).

    It is the mean over folds of log(cold / e), over the mean of log(cold / full). The interval holds every g for which
    the interval of the mean of log(cold / e) - g log(cold / full) contains 0. It is undefined where there is too little
    headroom, and where the gap's own interval contains 0, for which the set of such g has no ends.

    Args:
        seeds: S numbers.
        cold, errors, full: (S,) errors of these seeds, above 0.

    Raises:
        UserError: an error that is not above 0.
    """
    start, reached, best = np.log(_positive(cold, errors, full, what="gap closed"))
    gained, gap = fold_means(seeds, np.stack([start - reached, start - best], 1)).T
    words = too_little_headroom(math.exp(gap.mean()), 1.0)
    if words:
        return undefined(words)
    value = gap_closed(math.exp(gap.mean()), math.exp(gap.mean() - gained.mean()), 1.0)
    if len(gap) < 2:
        return CurveEstimate(value, math.nan, math.nan, ONE_FOLD)
    scale = half_width(len(gap) - 1) ** 2 * GAP_ALLOWANCE * (1 / len(gap) + FULL_OVERLAP)
    (xx, xy), (_, yy) = np.cov(gained, gap)
    x, y = gained.mean(), gap.mean()
    a, b, c = y * y - scale * yy, x * y - scale * xy, x * x - scale * xx
    if a <= 0:
        return undefined("no gap that these folds can show")
    root = math.sqrt(max(b * b - a * c, 0.0))
    return CurveEstimate(value, float((b - root) / a), float((b + root) / a), "")


def data_saved_interval(
    seeds: Sequence[int], fractions: Sequence[float], cold: np.ndarray, fraction: float, errors: np.ndarray
) -> CurveEstimate:
    """Return how many times less data the transfer needed than a cold start with the same error.

    At a fraction f' each fold has a difference d = log(cold(f') / e), with a cold curve that is straight between
    measured fractions in logarithms. The factor is where the mean of d is 0, by `metrics.transfer.data_saved`. The
    interval goes from the first f' at which the interval of d contains 0 to the last. It is undefined where there is
    too little headroom.

    Args:
        seeds: S numbers.
        fractions: (F,) ascending, F at least three; the last is all data.
        cold: (S, F) errors of the cold starts, above 0.
        fraction: of the transfer.
        errors: (S,) errors of the transfer, above 0.

    Raises:
        UserError: fewer than three fractions, or an error that is not above 0.
    """
    if len(fractions) < LEAST_FRACTIONS:
        raise UserError(f"data saved needs cold starts at {LEAST_FRACTIONS} fractions or more, not {len(fractions)}")
    together = _positive(*np.asarray(cold, float).T, errors, what="data saved").T
    logs = fold_means(seeds, np.log(together))
    log_cold, log_errors = logs[:, :-1], logs[:, -1]
    log_fractions, means = np.log(np.asarray(fractions, float)), log_cold.mean(0)
    start = math.exp(np.interp(math.log(fraction), log_fractions, means))
    words = too_little_headroom(start, math.exp(means[-1]))
    if words:
        return undefined(words)
    point = data_saved(fractions, np.exp(means).tolist(), fraction, float(np.exp(log_errors.mean())))
    notes = {"above": [f"at least, {BEYOND_CURVE}"], "below": [f"at most, {BEYOND_CURVE}"]}.get(point.capped, [])
    if len(log_errors) < 2:
        return CurveEstimate(point.factor, math.nan, math.nan, "; ".join([*notes, ONE_FOLD]))
    steps = np.linspace(0, 1, GRID, endpoint=False)
    grid = np.append((log_fractions[:-1, None] + np.diff(log_fractions)[:, None] * steps).ravel(), log_fractions[-1])
    curves = np.stack([np.interp(grid, log_fractions, line) for line in log_cold])
    differences = curves - log_errors[:, None]
    shared = overlap(np.maximum(np.exp(grid), fraction))
    spread = np.sqrt(SAVED_ALLOWANCE * (1 / len(log_errors) + shared)) * differences.std(0, ddof=1)
    possible = np.abs(differences.mean(0)) <= half_width(len(log_errors) - 1) * spread
    if not possible.any():
        # Every measured fraction is ruled out, so the answer lies beyond the bound, or between two steps.
        at = point.factor
        ends = {"above": (at, math.inf), "below": (0.0, at)}.get(point.capped, (at, at))
        return CurveEstimate(at, *ends, "; ".join(notes))
    inside = np.exp(grid[possible]) / fraction
    low, high = min(inside[0], point.factor), max(inside[-1], point.factor)
    if possible[0] or point.capped == "below":
        low = 0.0
    if possible[-1] or point.capped == "above":
        high = math.inf
    if not point.capped:
        notes += [f"interval reaches {BEYOND_CURVE}"] if low == 0 or high == math.inf else []
    return CurveEstimate(point.factor, float(low), float(high), "; ".join(notes))


def _positive(*errors: np.ndarray, what: str) -> np.ndarray:
    """Return errors of the same seeds as one array. Raise `UserError` where one is not above 0."""
    together = np.stack([np.asarray(values, float) for values in errors])
    if not (together > 0).all():
        raise UserError(f"{what} needs errors above 0")
    return together
