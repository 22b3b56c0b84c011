"""Headroom of a task: its ratio and interval, and the noise that it is held against."""

import math

import numpy as np
import pytest

from rae_bench.errors import UserError
from rae_bench.statistics.headroom import headroom, paired_standard_error, score_lead

SEEDS = (0, 1, 2, 3, 4)


def test_headroom_is_the_geometric_mean_over_errors_entries_and_folds() -> None:
    full = np.ones((5, 3))
    cold = [full * [2.0, 4.0, 1.0], full * [8.0, 1.0, 8.0]]  # geometric means 2 and 4
    ratio, low, high = headroom(SEEDS, cold, [full, full])
    assert ratio == pytest.approx(math.sqrt(8))
    assert low == pytest.approx(ratio) == pytest.approx(high)


def test_its_interval_is_that_of_folds() -> None:
    spread = np.exp([-0.2, -0.1, 0.0, 0.1, 0.2])[:, None] * np.ones(3)
    ratio, low, high = headroom(SEEDS, [2 * spread], [np.ones((5, 3))])
    half = 2.7764451 * math.sqrt(2.5 * (1 / 5 + 1 / 4) * 0.025)
    assert ratio == pytest.approx(2)
    assert math.log(high / ratio) == pytest.approx(half)
    assert math.log(ratio / low) == pytest.approx(half)
    assert math.isnan(headroom((0,), [spread[:1]], [spread[:1]])[1])


def test_noise_is_that_of_a_paired_difference() -> None:
    """What two entries have in common on a fold, such as a hard fold, is no noise."""
    hard = np.exp([0.0, 1.0, 2.0, 3.0, 4.0])[:, None] * np.ones(3)
    assert paired_standard_error(SEEDS, hard, 3 * hard, 1.0) == pytest.approx(0, abs=1e-12)
    wobble = np.exp([-0.2, -0.1, 0.0, 0.1, 0.2])[:, None]
    assert paired_standard_error(SEEDS, hard * wobble, hard, 1.0) == pytest.approx(math.sqrt(2.5 * 0.45 * 0.025))
    assert paired_standard_error(SEEDS, hard * wobble, hard, 0.05) < math.sqrt(2.5 * 0.45 * 0.025)


def test_an_error_of_zero_has_no_ratio() -> None:
    with pytest.raises(UserError, match="above 0"):
        headroom(SEEDS, [np.zeros((5, 3))], [np.ones((5, 3))])


def test_the_lead_in_score_is_positive_where_the_other_is_worse() -> None:
    lead = score_lead(SEEDS, np.full(5, 0.3), np.full(5, 0.5), 0.05)
    assert lead.estimate == pytest.approx(0.2)
    assert lead.p == 0
