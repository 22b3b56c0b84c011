import math

import numpy as np
import pytest

from rae_bench.errors import UserError
from rae_bench.metrics import category_scores, floored, floored_scores, headline_score, primaries
from rae_bench.objectives.tracks import TRACKS

HEIGHT = 2.0
TRUTH = {"reconstruction_error": 0.0, "foot_sliding": 1.0, "objective_error": 2.0, "adversarial_score": 0.0}
CELL = {"reconstruction_error": 6.0, "foot_sliding": 6.0, "objective_error": 20.0, "adversarial_score": 0.4}


def test_by_hand() -> None:
    # Yardsticks of a rig of 2 m: 6 cm, 20 cm/s, 6 cm.
    scores = category_scores(CELL, TRUTH, HEIGHT)
    assert scores == {"reconstruction": 0.5, "feet": 5 / 25, "objective": 18 / 24, "adversarial": 0.4}
    assert headline_score([scores]) == pytest.approx((0.5 + 0.2 + 0.75 + 0.4) / 4)
    other = dict.fromkeys(scores, 0.1)
    assert headline_score([scores, other]) == pytest.approx(((0.5 + 0.2 + 0.75 + 0.4) / 4 + 0.1) / 2)


@pytest.mark.parametrize("track", TRACKS)
def test_truth_is_zero_in_every_category(track: str) -> None:
    truth = dict(zip(primaries(track).values(), (0.0, 3.0, 0.2, 0.0), strict=True))
    scores = category_scores(truth, truth, 1.7, track)
    assert set(scores.values()) == {0}
    assert headline_score([scores]) == 0
    # Better than the truth, as a held pose slides less, is no better than the truth.
    assert category_scores(truth | {primaries(track)["feet"]: 0.0}, truth, 1.7, track)["feet"] == 0


def test_control_has_primaries_of_its_own() -> None:
    truth = dict.fromkeys(primaries("control").values(), 0.0)
    cell = {
        "reconstruction_error@first": 3.0, "foot_sliding_lowest": 10.0, "path_error": 9.0, "adversarial_score": 0.2,
        "reconstruction_error": 99.0, "objective_error": 99.0,
    }  # fmt: skip
    scores = category_scores(cell, truth, 1.0, "control")
    assert scores == {"reconstruction": 0.5, "feet": 0.5, "objective": 0.75, "adversarial": 0.2}


def test_no_error_weighs_more_than_one() -> None:
    far = category_scores(dict.fromkeys(TRUTH, 1e9) | {"adversarial_score": 1.0}, TRUTH, HEIGHT)
    assert max(far.values()) == pytest.approx(1)


def test_adversarial_scores_are_floored_after_averaging() -> None:
    assert floored([-0.1, 0.05]).tolist() == pytest.approx([-0.075, 0.075])
    assert floored([-0.1, 0.3]).tolist() == [-0.1, 0.3]
    assert floored([]).tolist() == []
    assert np.isnan(floored([math.nan, -1.0])[0])
    seeds = [category_scores(CELL | {"adversarial_score": value}, TRUTH, HEIGHT) for value in (-0.1, 0.05)]
    assert [one["adversarial"] for one in seeds] == [-0.1, 0.05]
    settled = floored_scores(seeds)
    assert np.mean([one["adversarial"] for one in settled]) == pytest.approx(0)
    assert [one["feet"] for one in settled] == [one["feet"] for one in seeds]


def test_what_is_missing_is_named() -> None:
    with pytest.raises(UserError, match="objective_error"):
        category_scores({"reconstruction_error": 1, "foot_sliding": 1}, TRUTH, HEIGHT)
    with pytest.raises(UserError, match="height"):
        category_scores(CELL, TRUTH, math.nan)
    assert math.isnan(headline_score([]))
    assert math.isnan(category_scores(CELL | {"objective_error": math.nan}, TRUTH, HEIGHT)["objective"])
