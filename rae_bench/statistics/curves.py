"""Data saved and gap closed: ratios of uncertain numbers, with the values that the seeds do not rule out.

Both intervals invert a t-test over seeds: they hold every value that the seeds do not contradict. So an interval may be
unbounded, and then says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rae_bench.errors import UserError
from rae_bench.metrics.transfer import data_saved, gap_closed
from rae_bench.statistics.intervals import half_width

LEAST_FRACTIONS = 3
"""The fewest fractions of a cold curve from which data saved is read."""
GRID = 200
"""Steps between two measured fractions in the search for the ends of an interval of data saved."""
BEYOND_CURVE = "beyond the measured range"


@dataclass(frozen=True)
class CurveEstimate:
    """Gap closed, or data saved, with its interval.

    Attributes:
        value, low, high: NaN where undefined; the ends also with one seed. Of data saved, an end beyond the measured
            range is 0 or infinite, and a value beyond it is the bound.
        words: "" where all three were measured, else what was not, and why.
    """

    value: float
    low: float
    high: float
    words: str


def gap_interval(cold: np.ndarray, errors: np.ndarray, full: np.ndarray) -> CurveEstimate:
    """Return the share of the gap between cold start and full data that was closed (Fieller 1954).

    It is the mean of (1 - e / cold) over the mean of (1 - full / cold). The interval holds every g for which the
    t-interval over seeds of (1 - e / cold) - g (1 - full / cold) contains 0. It is undefined where there is no gap: a
    gap below 2 % of the cold error, or one whose t-interval contains 0, for which the set of such g has no ends.

    Args:
        cold, errors, full: (S,) errors of the same seeds; cold is above 0.
    """
    left, best = np.asarray(errors, float) / cold, np.asarray(full, float) / cold
    gained, gap = 1 - left, 1 - best
    value = gap_closed(1.0, float(left.mean()), float(best.mean()))
    if math.isnan(value):
        return CurveEstimate(math.nan, math.nan, math.nan, "no gap to close")
    if len(gap) < 2:
        return CurveEstimate(value, math.nan, math.nan, "no interval of one seed")
    scale = half_width(len(gap) - 1) ** 2 / len(gap)
    (xx, xy), (_, yy) = np.cov(gained, gap)
    x, y = gained.mean(), gap.mean()
    a, b, c = y * y - scale * yy, x * y - scale * xy, x * x - scale * xx
    if a <= 0:
        return CurveEstimate(math.nan, math.nan, math.nan, "no gap that these seeds can show")
    root = math.sqrt(max(b * b - a * c, 0.0))
    return CurveEstimate(value, float((b - root) / a), float((b + root) / a), "")


def data_saved_interval(
    fractions: Sequence[float], cold: np.ndarray, fraction: float, errors: np.ndarray
) -> CurveEstimate:
    """Return how many times less data the transfer needed than a cold start with the same error.

    At a fraction f' each seed has a difference d = log(cold(f') / e), with a cold curve that is straight between
    measured fractions in logarithms. The factor is where the mean of d is 0, by `metrics.transfer.data_saved`. The
    interval goes from the first f' at which the t-interval of d over seeds contains 0 to the last.

    Args:
        fractions: (F,) ascending, F at least three.
        cold: (S, F) errors of the cold starts, above 0.
        fraction: of the transfer.
        errors: (S,) errors of the transfer, above 0.

    Raises:
        UserError: fewer than three fractions, or an error that is not above 0.
    """
    cold, errors = np.asarray(cold, float), np.asarray(errors, float)
    if len(fractions) < LEAST_FRACTIONS:
        raise UserError(f"data saved needs cold starts at {LEAST_FRACTIONS} fractions or more, not {len(fractions)}")
    if (cold <= 0).any() or (errors <= 0).any():
        raise UserError("data saved needs errors above 0")
    log_cold, log_errors = np.log(cold), np.log(errors)
    point = data_saved(fractions, np.exp(log_cold.mean(0)).tolist(), fraction, float(np.exp(log_errors.mean())))
    words = {"above": [f"at least, {BEYOND_CURVE}"], "below": [f"at most, {BEYOND_CURVE}"]}.get(point.capped, [])
    if len(errors) < 2:
        return CurveEstimate(point.factor, math.nan, math.nan, "; ".join([*words, "no interval of one seed"]))
    log_fractions = np.log(np.asarray(fractions, float))
    steps = np.linspace(0, 1, GRID, endpoint=False)
    grid = np.append((log_fractions[:-1, None] + np.diff(log_fractions)[:, None] * steps).ravel(), log_fractions[-1])
    curves = np.stack([np.interp(grid, log_fractions, line) for line in log_cold])
    differences = curves - log_errors[:, None]
    half = half_width(len(errors) - 1) * differences.std(0, ddof=1) / math.sqrt(len(errors))
    possible = np.abs(differences.mean(0)) <= half
    if not possible.any():
        # Every measured fraction is ruled out, so the answer lies beyond the bound, or between two steps.
        at = point.factor
        ends = {"above": (at, math.inf), "below": (0.0, at)}.get(point.capped, (at, at))
        return CurveEstimate(at, *ends, "; ".join(words))
    inside = np.exp(grid[possible]) / fraction
    low, high = min(inside[0], point.factor), max(inside[-1], point.factor)
    if possible[0] or point.capped == "below":
        low = 0.0
    if possible[-1] or point.capped == "above":
        high = math.inf
    if not point.capped:
        words += [f"interval reaches {BEYOND_CURVE}"] if low == 0 or high == math.inf else []
    return CurveEstimate(point.factor, float(low), float(high), "; ".join(words))
