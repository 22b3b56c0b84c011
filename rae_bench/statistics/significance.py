"""Tests of hypotheses, by scipy, and their adjustment for many tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rae_bench.errors import UserError

SIGNIFICANT = 0.05
"""An effect is decided where its p is below this."""


def mann_whitney(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the two-sided p that values of two unpaired samples are alike, such as seeds of two publications.

    Three against three can never be below 0.1, four against four below 0.028.
    """
    from scipy import stats

    first, second = _finite(a, "mann_whitney"), _finite(b, "mann_whitney")
    if np.ptp(np.concatenate([first, second])) == 0:
        return 1.0
    return float(stats.mannwhitneyu(first, second, alternative="two-sided").pvalue)


def wilcoxon(differences: Sequence[float]) -> float:
    """Return the two-sided p that paired differences are symmetric around 0 (signed ranks without differences of 0).

    Fewer than six differences can never be below 0.05.
    """
    from scipy import stats

    values = _finite(differences, "wilcoxon")
    values = values[values != 0]
    return float(stats.wilcoxon(values).pvalue) if len(values) else 1.0


def holm(p: Sequence[float]) -> np.ndarray:
    """Return p-values, (n,), adjusted for their number, step down (Holm 1979), however the tests depend on each other.

    The k-th smallest is multiplied by n - k + 1, and is at least the one before. NaN stays NaN and does not count.
    """
    values = np.asarray(p, float)
    out = np.full(len(values), np.nan)
    order = [i for i in np.argsort(values, kind="stable") if not np.isnan(values[i])]
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * values[i]))
        out[i] = highest
    return out


def _finite(values: Sequence[float], what: str) -> np.ndarray:
    array = np.asarray(values, float)
    if not array.size or not np.isfinite(array).all():
        raise UserError(f"{what}: at least one value is needed, and only finite ones")
    return array
