"""Intervals on a 3 x 3 table that can be worked out by hand.

    seed \\ group   a   b   c    mean
    0              1   2   3     2          seeds: variance 1 of 3 means, so 1/3 of their mean
    1              2   3   4     3          groups: the same
    2              0   1   2     1          together 2/3, with (2/3)^2 / ((1/3)^2 / 2 + (1/3)^2 / 2) = 4 degrees
    mean           1   2   3     2          2 -+ t(4) sqrt(2/3) = 2 -+ 2.776 * 0.8165 = 2 -+ 2.267
"""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from rae_bench.errors import UserError
from rae_bench.statistics.intervals import (
    Effects,
    bootstrap,
    effect,
    hierarchical_interval,
    interquartile_mean,
    interval,
    ratio_interval,
)

TABLE = np.array([[1.0, 2, 3], [2, 3, 4], [0, 1, 2]])
ONE = [Effects(TABLE, np.ones(3, int))]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_by_hand() -> None:
    found = hierarchical_interval(ONE, rng(), draws=200_000)
    assert found.estimate == 2
    assert found.high - found.estimate == pytest.approx(2.776 * math.sqrt(2 / 3), rel=0.01)
    assert found.estimate - found.low == pytest.approx(2.776 * math.sqrt(2 / 3), rel=0.01)
    assert found.p == pytest.approx(2 * stats.t.sf(2 / math.sqrt(2 / 3), 4), rel=0.02)


def test_bootstrap_is_the_distribution_over_all_27_times_27_draws() -> None:
    every = [TABLE[np.ix_(s, g)].mean() for s in product(range(3), repeat=3) for g in product(range(3), repeat=3)]
    drawn = bootstrap(ONE, rng(), 50_000)
    assert drawn.mean() == pytest.approx(np.mean(every), abs=0.02)
    assert drawn.var() == pytest.approx(np.var(every), rel=0.02)
    assert np.quantile(drawn, 0.1) == pytest.approx(np.quantile(every, 0.1), abs=0.12)
    assert bootstrap(ONE, rng(), 50_000, groups=False).var() == pytest.approx(2 / 9, rel=0.02)
    assert bootstrap(ONE, rng(), 10, seeds=False, groups=False) == pytest.approx(np.full(10, 2.0))


def test_groups_weigh_by_their_clips() -> None:
    # Three clips of mean 1, one of mean 5.
    assert effect([Effects(np.array([[3.0, 5.0]]), np.array([3, 1]))]) == 2
    drawn = bootstrap([Effects(np.array([[3.0, 5.0]]), np.array([3, 1]))], rng(), 4000)
    assert set(np.round(np.unique(drawn), 9)) == {1.0, 2.0, 5.0}


def test_one_group_leaves_the_t_interval_over_seeds() -> None:
    values = [1.0, 2.0, 4.0]
    found = hierarchical_interval([Effects(np.array(values)[:, None], np.ones(1, int))], rng(), draws=200_000)
    mean, half = interval(values)
    assert found.estimate == pytest.approx(mean)
    assert found.high - mean == pytest.approx(half, rel=0.01)
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=0.02)


def test_one_seed_has_no_interval() -> None:
    found = hierarchical_interval([Effects(TABLE[:1], np.ones(3, int))], rng())
    assert found.estimate == 2
    assert all(math.isnan(v) for v in (found.low, found.high, found.p))


def test_nothing_varies() -> None:
    still = hierarchical_interval([Effects(np.zeros((3, 3)), np.ones(3, int))], rng())
    assert (still.low, still.high, still.p) == (0, 0, 1)
    sure = hierarchical_interval([Effects(np.ones((3, 3)), np.ones(3, int))], rng())
    assert (sure.low, sure.high, sure.p) == (1, 1, 0)


def test_order_of_seeds_groups_and_tasks_does_not_matter() -> None:
    shuffle = np.random.default_rng(3)
    tasks = [Effects(shuffle.normal(size=(3, g)), shuffle.integers(1, 4, g)) for g in (4, 6, 5)]
    expected = hierarchical_interval(tasks, rng())
    for _ in range(5):
        seeds = shuffle.permutation(3)
        other = []
        for i in shuffle.permutation(3):
            groups = shuffle.permutation(len(tasks[i].clips))
            other.append(Effects(tasks[i].totals[seeds][:, groups], tasks[i].clips[groups]))
        found = hierarchical_interval(other, rng())
        assert (found.estimate, found.low, found.high, found.p) == pytest.approx(
            (expected.estimate, expected.low, expected.high, expected.p)
        )


def test_tasks_with_other_seeds_are_refused() -> None:
    with pytest.raises(UserError, match="same seeds"):
        hierarchical_interval([*ONE, Effects(TABLE[:2], np.ones(3, int))], rng())


@pytest.mark.parametrize(
    ("values", "mean"), [([4], 4), ([1, 3], 2), ([5, 0, 1], 1.5), ([9, 0, 2, 1], 1.5), ([8, 1, 2, 3, 4, 5, 6, 7], 4.5)]
)
def test_interquartile_mean(values: list[float], mean: float) -> None:
    assert interquartile_mean(np.array(values)) == pytest.approx(mean)
    assert interquartile_mean(np.array([values, values])) == pytest.approx([mean, mean])


def test_interquartile_mean_is_an_integral_over_quantiles() -> None:
    """Another way to say it: the mean of the quantile function (a staircase) from a quarter to three quarters."""
    values = np.random.default_rng(1).normal(size=11)
    at = np.linspace(0.25, 0.75, 200_001)
    staircase = np.sort(values)[np.minimum((at * 11).astype(int), 10)]
    assert interquartile_mean(values) == pytest.approx(staircase.mean(), abs=1e-4)


def test_interval_over_seeds() -> None:
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
