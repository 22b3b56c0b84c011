"""Whether a task can tell models apart: the conditions of docs/develop/design.md 4.9 as functions of errors.

Errors are the primaries of a cell without the adversarial one, (S, 3) for S seeds. Their geometric mean is compared, so
that the unit of an error does not change its weight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rae_bench.errors import UserError
from rae_bench.statistics.folds import fold_means, overlap
from rae_bench.statistics.intervals import ALLOWANCE, Interval, gain_interval, mean_interval

LEAST_RATIO, LEAST_END = 2.0, 1.5
"""What cold / full must be at least, and what its 95 % interval must be above."""
LEAST_ERRORS = 4.0
"""How many standard errors of a paired difference of two entries log(cold / full) must be at least."""


def log_errors(errors: np.ndarray) -> np.ndarray:
    """Return the mean of the logarithms of the errors of each seed.

    Args:
        errors: (S, E) primary errors, above 0.

    Returns:
        (S,).

    Raises:
        UserError: an error is not above 0.
    """
    found = np.asarray(errors, float)
    if not (np.isfinite(found) & (found > 0)).all():
        raise UserError("headroom needs errors above 0; one is 0 or missing")
    return np.asarray(np.log(found).mean(-1))


def headroom(
    seeds: Sequence[int], cold: Sequence[np.ndarray], full: Sequence[np.ndarray]
) -> tuple[float, float, float]:
    """Return cold / full with its 95 % interval over folds: geometric mean over entries, primary errors and folds.

    Args:
        seeds: S numbers.
        cold, full: for each entry (S, E) primary errors of `cold` at a fraction, and with all data.

    Returns:
        the ratio, and the ends of its interval; NaN ends with one fold.
    """
    logs = [log_errors(few) - log_errors(all_data) for few, all_data in zip(cold, full, strict=True)]
    return gain_interval(seeds, np.exp(np.mean(logs, axis=0)), 1.0)


def paired_standard_error(seeds: Sequence[int], a: np.ndarray, b: np.ndarray, trained_on: float) -> float:
    """Return the standard error of the mean over folds of log(a / b), that of `intervals.mean_interval`.

    It holds the correction for shared training data and the allowance for skewed values, as the published intervals do.

    Args:
        seeds: S numbers.
        a, b: (S, E) primary errors of two entries on the same clips.
        trained_on: the largest fraction of the target's data that either was trained on.

    Returns:
        NaN with one fold.
    """
    values = fold_means(seeds, log_errors(a) - log_errors(b))
    if len(values) < 2:
        return math.nan
    return math.sqrt(ALLOWANCE * (1 / len(values) + overlap(trained_on)) * float(values.var(ddof=1)))


def score_lead(seeds: Sequence[int], scores: np.ndarray, other: np.ndarray, trained_on: float) -> Interval:
    """Return by how much `other` scores worse than an entry, with its interval over folds; above 0 the entry leads.

    Args:
        seeds: S numbers.
        scores, other: (S,) headline scores on the same clips; lower is better.
        trained_on: the largest fraction of the target's data that either was trained on.
    """
    return mean_interval(fold_means(seeds, np.asarray(other, float) - np.asarray(scores, float)), overlap(trained_on))
