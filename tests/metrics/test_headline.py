import math

import pytest

from rae_bench.errors import UserError
from rae_bench.metrics import category_scores, headline_score

TRUTH = {
    "reconstruction_error": 0.0,
    "foot_sliding": 1.0,
    "objective_error": 2.0,
    "adversarial_score": 0.0,
    "truth_contact_speed": 50.0,
}
HOLD = {"reconstruction_error": 20.0, "foot_sliding": 0.0, "objective_error": 42.0, "adversarial_score": 0.9}
CELL = {"reconstruction_error": 5.0, "foot_sliding": 11.0, "objective_error": 12.0, "adversarial_score": 0.4}


def test_by_hand() -> None:
    scores = category_scores(CELL, TRUTH, HOLD)
    assert scores == {"reconstruction": 0.25, "feet": 0.2, "objective": 0.25, "adversarial": 0.4}
    assert headline_score([scores]) == pytest.approx(0.275)
    other = dict.fromkeys(scores, 0.475)
    assert headline_score([scores, other]) == pytest.approx(0.375)


def test_truth_is_zero_and_hold_does_not_win_by_standing() -> None:
    assert headline_score([category_scores(TRUTH, TRUTH, HOLD)]) == 0
    scores = category_scores(HOLD, TRUTH, HOLD)
    assert scores["reconstruction"] == scores["objective"] == 1
    assert scores["feet"] == pytest.approx(-0.02)


def test_without_yardstick() -> None:
    no_feet = TRUTH | {"foot_sliding": 0.0, "truth_contact_speed": 0.0}
    assert category_scores(CELL | {"foot_sliding": 0.0}, no_feet, HOLD)["feet"] == 0
    assert math.isnan(category_scores(CELL, TRUTH, HOLD | {"reconstruction_error": 0.0})["reconstruction"])
    assert math.isnan(headline_score([]))


def test_missing_metrics_are_named() -> None:
    with pytest.raises(UserError, match="objective_error"):
        category_scores({"reconstruction_error": 1, "foot_sliding": 1}, TRUTH, HOLD)


def test_feet_that_only_stand_have_a_yardstick() -> None:
    # 0.6 cm/s of sliding where the truth's feet stand still: 0.6 / 5, not 0.6 / 0.0002.
    standing = TRUTH | {"foot_sliding": 0.0, "truth_contact_speed": 2e-4}
    assert category_scores(CELL | {"foot_sliding": 0.6}, standing, HOLD)["feet"] == pytest.approx(0.12)
