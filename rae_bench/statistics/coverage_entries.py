"""How often entries that are equal seem to be apart."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pandas as pd

from rae_bench.statistics.coverage import (
    DATA_SETS,
    FRACTIONS,
    RANK_METHODS,
    SHAPES,
    SPREADS,
    Scenario,
    draw_entries,
    standard,
)
from rae_bench.statistics.significance import SIGNIFICANT, holm
from rae_bench.task.cells import FOLDS


def one_test_set(s: Scenario, entries: int, sets: int, rng: np.random.Generator) -> float:
    """Return how many pairs of equal entries version 1 called apart: t over seeds that all had the same test groups."""
    groups = s.group * standard(s.shape, (sets, entries, 1, FOLDS * s.groups), rng).mean(-1)
    values = (groups + s.seed * standard(s.shape, (sets, entries, s.seeds), rng)) / math.sqrt(2)
    one, other = np.triu_indices(entries, 1)
    called = 0
    for scores in values:
        differences = scores[other] - scores[one]
        error = differences.std(1, ddof=1) / math.sqrt(s.seeds)
        from scipy import stats

        called += int((2 * stats.t.sf(np.abs(differences.mean(1)) / error, s.seeds - 1) < SIGNIFICANT).sum())
    return called / sets


def equal_entries(sets: int = DATA_SETS, entries: int = 10) -> pd.DataFrame:
    """Return how many pairs of equal entries are called apart after Holm's adjustment, at five seeds and one task.

    Returns:
        Columns varies (whether the first entry varies as the others or three times as much), method, pairs (the mean
        number called apart), any (the share of data sets with one or more); each the greatest over `SHAPES`, `SPREADS`,
        `FRACTIONS` and 1, 3 and 10 groups.
    """
    rows = []
    for first in (1.0, 3.0):
        rng = np.random.default_rng([11, int(first)])
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in RANK_METHODS}
        for shape, (group, seed), fraction, count in product(SHAPES, SPREADS[::3], FRACTIONS, (1, 3, 10)):
            data = draw_entries(Scenario(group, seed, shape, count, fraction), entries, sets, rng, first)
            for name, method in RANK_METHODS.items():
                calls = [int((holm(method(values, fraction).tolist()) < SIGNIFICANT).sum()) for values in data]
                found[name].append((float(np.mean(calls)), float(np.mean(np.array(calls) > 0))))
        words = "as the others" if first == 1 else "three times as much"
        rows += [(words, name, *np.max(one, 0)) for name, one in found.items()]
    return pd.DataFrame(rows, columns=["varies", "method", "pairs", "any"])
