"""Folds: why two measurements of one entry are independent, and how much training data two folds share.

Seed s tests on fold s mod 5 and trains on the rest (docs/develop/design.md 4.1), so seeds differ in the initialisation,
in the motion that was held out, and in the fraction that was drawn. Groups are nested in folds. If two seeds tested
the same fold, the fold counts once, with the mean over its seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from rae_bench.task.cells import FOLDS, fold_of

Number = TypeVar("Number", float, np.ndarray)

FULL_OVERLAP = 1 / (FOLDS - 1)
"""Test data over training data at fraction 1: the correction of Nadeau and Bengio (2003) for shared training data."""


def overlap(fraction: Number) -> Number:
    """Return what shared training data adds to 1 / K in the variance of a mean of K folds, in variances of one fold.

    Two folds share a fraction f of what they share at full, because each draws its fraction anew. Their correlation is
    then f / 5, and the term f / (5 - f), which is at most f / 4 (`python -m rae_bench.statistics.overlap`).

    Args:
        fraction: the largest fraction of the target's data that anything in the effect was trained on.
    """
    return FULL_OVERLAP * fraction


def fold_means(seeds: Sequence[int], values: np.ndarray) -> np.ndarray:
    """Return the means of values (S, ...) over the seeds of each fold, (K, ...), the folds in order."""
    folds = np.array([fold_of(seed) for seed in seeds])
    return np.stack([np.asarray(values, float)[folds == fold].mean(0) for fold in np.unique(folds)])
