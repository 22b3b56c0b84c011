"""Intervals on folds that can be worked out by hand.

    fold   groups   mean
    0      1   3     2       each group is one clip of its own; the means vary by s^2 = 1 around 2, so the interval is
    1      2   4     3       2 -+ t(2) sqrt(2.5 (1 / 3 + shared))
    2      0   2     1
"""

import math

import numpy as np
import pytest
from scipy import stats

from rae_bench.errors import UserError
from rae_bench.statistics.folds import FULL_OVERLAP, fold_means, overlap
from rae_bench.statistics.intervals import (
    ALLOWANCE,
    Effects,
    fold_interval,
    fold_values,
    gain_interval,
    half_width,
    interquartile_mean,
    interquartile_weights,
    interval,
    level_interval,
    mean_interval,
    ratio_interval,
)
from rae_bench.task.cells import fold_of


def effects(*folds: list[float], clips: list[list[float]] | None = None) -> Effects:
    counts = clips or [[1.0] * len(fold) for fold in folds]
    return Effects(tuple(range(len(folds))), tuple(map(np.array, folds)), tuple(map(np.array, counts)))


TABLE = effects([1.0, 3], [2.0, 4], [0.0, 2])


@pytest.mark.parametrize("shared", [0.0, 0.0125, 0.25])
def test_by_hand(shared: float) -> None:
    found = fold_interval([TABLE], shared)
    half = 4.3027 * math.sqrt(2.5 * (1 / 3 + shared))
    assert (found.estimate, found.low, found.high) == pytest.approx((2, 2 - half, 2 + half), rel=1e-4)
    assert found.p == pytest.approx(2 * stats.t.sf(2 / math.sqrt(2.5 * (1 / 3 + shared)), 2))
    assert TABLE.groups == 6


def test_shared_training_data_counts_a_quarter_at_full_and_less_below() -> None:
    """Nadeau and Bengio: n_test / n_train, one fold to four. A fraction shares that part of it."""
    assert FULL_OVERLAP == 0.25
    assert [overlap(f) for f in (0.0, 0.05, 0.2, 1.0)] == pytest.approx([0, 0.0125, 0.05, 0.25])
    for fraction in (0.05, 0.2, 0.7, 1.0):
        correlation = fraction / 5
        assert correlation / (1 - correlation) <= overlap(fraction) + 1e-12


def test_clips_weigh_alike() -> None:
    # The total 6 of two clips, and 2 of one clip: 8 / 3, from which the folds are 2 / 3 away in totals.
    found = fold_values([effects([2.0, 4], [2.0], clips=[[1, 1], [1]])])
    assert found == pytest.approx([8 / 3 + (2 / 3) / 1.5, 8 / 3 - (2 / 3) / 1.5])
    # Three clips of mean 1 and one of mean 5.
    assert fold_values([effects([3.0], [5.0], clips=[[3], [1]])]).mean() == 2


def test_a_fold_is_the_same_seed_on_every_task() -> None:
    """What one task loses in a fold the other gains: nothing is left of either's spread."""
    found = fold_interval([effects([1.0], [2.0], [3.0]), effects([3.0], [2.0], [1.0])], 0.0)
    assert (found.estimate, found.low, found.high) == pytest.approx((2, 2, 2))
    twice = fold_interval([effects([1.0], [2.0], [3.0])] * 2, 0.0)
    once = fold_interval([effects([1.0], [2.0], [3.0])], 0.0)
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))


def test_tasks_weigh_as_in_their_interquartile_mean() -> None:
    """Of tasks around 0, 1, 2 and 9 only the middle ones count, each for a half; so do their folds."""
    tasks = [effects([m - d], [m + d]) for m, d in ((9.0, 5.0), (1.0, 0.4), (0.0, 3.0), (2.0, 0.2))]
    assert fold_values(tasks) == pytest.approx([1.5 - 0.3, 1.5 + 0.3])


def test_one_fold_has_no_interval() -> None:
    found = fold_interval([effects([1.0, 3])], 0.0)
    assert found.estimate == 2
    assert all(math.isnan(v) for v in (found.low, found.high, found.p))


def test_nothing_varies() -> None:
    still = fold_interval([effects([0.0], [0.0])], 0.0)
    assert (still.low, still.high, still.p) == (0, 0, 1)
    sure = fold_interval([effects([1.0], [1.0])], 0.0)
    assert (sure.low, sure.high, sure.p) == (1, 1, 0)


def test_order_of_folds_groups_and_tasks_does_not_matter() -> None:
    shuffle = np.random.default_rng(3)
    clips = [[shuffle.integers(1, 4, 3).astype(float) for _ in range(5)] for _ in range(4)]
    totals = [[shuffle.normal(size=3) for _ in range(5)] for _ in range(4)]
    labels = tuple(range(5))
    expected = fold_interval([Effects(labels, tuple(t), tuple(c)) for t, c in zip(totals, clips, strict=True)], 0.1)
    for _ in range(5):
        folds, group = shuffle.permutation(5), shuffle.permutation(3)
        other = [
            Effects(labels, tuple(totals[t][k][group] for k in folds), tuple(clips[t][k][group] for k in folds))
            for t in shuffle.permutation(4)
        ]
        found = fold_interval(other, 0.1)
        assert (found.estimate, found.low, found.high, found.p) == pytest.approx(
            (expected.estimate, expected.low, expected.high, expected.p)
        )


def test_tasks_with_other_folds_are_refused() -> None:
    with pytest.raises(UserError, match=r"same seeds on each; there are those of the folds \[\[0, 1\], \[0, 1, 2\]\]"):
        fold_interval([TABLE, effects([1.0], [2.0])], 0.0)


def test_p_is_below_the_level_exactly_where_zero_is_outside() -> None:
    values = np.array([1.0, 2, 3, 4, 5]) - 3
    half = half_width(4) * math.sqrt(ALLOWANCE * (0.2 + 0.05) * 2.5)
    assert mean_interval(values + half * 0.999, 0.05).p > 0.05
    assert mean_interval(values + half * 1.001, 0.05).p < 0.05


def test_seeds_of_one_fold_count_once() -> None:
    """Seeds 0 and 5 test fold 0: their mean is one value of it."""
    assert [fold_of(seed) for seed in (0, 4, 5, 11)] == [0, 4, 0, 1]
    assert fold_means([5, 0, 1], np.array([[1.0, 8], [3, 8], [7, 9]])).tolist() == [[2, 8], [7, 9]]


@pytest.mark.parametrize(
    ("values", "mean"), [([4], 4), ([1, 3], 2), ([5, 0, 1], 1.5), ([9, 0, 2, 1], 1.5), ([8, 1, 2, 3, 4, 5, 6, 7], 4.5)]
)
def test_interquartile_mean(values: list[float], mean: float) -> None:
    assert interquartile_mean(np.array(values)) == pytest.approx(mean)
    assert interquartile_mean(np.array([values, values])) == pytest.approx([mean, mean])
    assert interquartile_weights(np.array(values)) @ values == pytest.approx(mean)


def test_equal_values_have_equal_weights() -> None:
    assert interquartile_weights(np.array([1.0, 5, 1])) == pytest.approx([5 / 12, 1 / 6, 5 / 12])


def test_interquartile_mean_is_an_integral_over_quantiles() -> None:
    """Another way to say it: the mean of the quantile function (a staircase) from a quarter to three quarters."""
    values = np.random.default_rng(1).normal(size=11)
    at = np.linspace(0.25, 0.75, 200_001)
    staircase = np.sort(values)[np.minimum((at * 11).astype(int), 10)]
    assert interquartile_mean(values) == pytest.approx(staircase.mean(), abs=1e-4)


def test_interval_of_independent_values() -> None:
    mean, half = interval([8.0, 6.0, 10.0])
    assert mean == 8
    assert half == pytest.approx(4.302653 * 2 / math.sqrt(3), rel=1e-6)  # t of 2 degrees of freedom, deviation 2
    assert interval([5.0, 5.0]) == (5, 0)
    mean, half = interval([3.0])
    assert mean == 3
    assert math.isnan(half)


def test_ratios_average_in_logarithms() -> None:
    mean, low, high = ratio_interval([2.0, 0.5])
    assert mean == pytest.approx(1)
    assert low * high == pytest.approx(1)
    assert low < 0.5
    assert all(math.isnan(end) for end in ratio_interval([2.0, math.nan])[1:])


def test_levels_and_gains_of_seeds_by_hand() -> None:
    """Seeds 0 and 5 are one fold: its level is their mean, its gain their geometric mean."""
    found = level_interval([0, 5, 1, 2], [1.0, 3, 4, 6])
    half = 4.30265 * math.sqrt(2.5 * (1 / 3 + 1 / 4) * 4)
    assert (found.estimate, found.low, found.high) == pytest.approx((4, 4 - half, 4 + half), abs=1e-4)
    mean, low, high = gain_interval([0, 5, 1, 2], np.exp([1.0, 3, 4, 6]), 0.2)
    half = 4.30265 * math.sqrt(2.5 * (1 / 3 + 0.05) * 4)
    assert np.log([mean, low, high]) == pytest.approx([4, 4 - half, 4 + half], abs=1e-4)
    mean, *ends = gain_interval([0, 5, 1], [1.0, 3.0, math.inf], 0.2)
    assert mean == math.inf
    assert np.isnan(ends).all()
