"""In `control` no way of standing, hovering or gliding is a good one: some primary punishes each."""

import numpy as np
import pytest
from helpers.walking import as_trajectory, walk

from rae_bench.metrics import adversarial, category_scores, evaluate, headline_score
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.objectives.tracks import TRACKS
from rae_bench.study.robustness import collapse, freeze, hover


@pytest.fixture(scope="module")
def truth() -> Motion:
    return walk(16, 90)


@pytest.fixture(scope="module")
def others() -> Motion:
    return walk(16, 90, seed=40)


def _scores(generated: Motion, truth: Motion, others: Motion, track: str = "control") -> dict[str, float]:
    def values(motion: Motion) -> dict[str, float]:
        made = as_trajectory(motion)
        return evaluate(made, truth, keyframe_objectives(truth)) | adversarial(made, truth, others)

    return category_scores(values(generated), values(truth), truth.rig.height, track)


@pytest.mark.parametrize("track", TRACKS)
def test_the_truth_scores_zero_in_every_category(track: str, truth: Motion, others: Motion) -> None:
    scores = _scores(truth, truth, others, track)
    assert scores == pytest.approx(dict.fromkeys(scores, 0.0), abs=1e-6)
    assert headline_score([scores]) == pytest.approx(0, abs=1e-6)


def test_hovering(truth: Motion, others: Motion) -> None:
    scores = _scores(hover(truth, 3), truth, others)
    assert scores["reconstruction"] > 0.45  # 3 % of the height in every pose
    assert scores["adversarial"] > 0.3
    assert scores["feet"] < 0.01
    # Hovering makes a slide no smaller.
    slid = walk(16, 90, slide=0.2)
    above, below = (_scores(motion, truth, others)["feet"] for motion in (hover(slid, 3), slid))
    assert above == pytest.approx(below, abs=0.01)


def test_freezing(truth: Motion, others: Motion) -> None:
    scores = _scores(freeze(truth, 100), truth, others)
    assert scores["objective"] > 0.8  # it does not follow the path
    assert scores["adversarial"] > 0.8
    assert scores["feet"] < 0.01


def test_gliding_feet(truth: Motion, others: Motion) -> None:
    slow = _scores(walk(16, 90, slide=0.15), truth, others)
    assert slow["feet"] == pytest.approx(15 / (15 + 10 * truth.rig.height), abs=0.03)
    stiff = _scores(collapse(truth, 100), truth, others)
    assert stiff["objective"] == pytest.approx(0, abs=1e-3)  # it does follow the path
    assert stiff["feet"] > 0.7
    assert stiff["adversarial"] > 0.8


def test_another_walk_along_the_same_path_is_fine_but_for_the_first_second(truth: Motion, others: Motion) -> None:
    """The stride of a walk that starts half a cycle later: a path does not decide it, so it must cost little."""
    late = make_motion(truth.rig, 30, truth.root_positions[:, 15:], truth.rotations[:, 15:])
    start = truth.root_positions[:, :1] - late.root_positions[:, :1]
    shifted = make_motion(truth.rig, 30, late.root_positions + start * np.array([1, 0, 1]), late.rotations)
    scores = _scores(shifted, truth.cut(0, 75), others.cut(0, 75))
    assert scores["objective"] < 0.1
    assert scores["feet"] < 0.3
    assert scores["adversarial"] < 0.15
    limbs = _scores(shifted, truth.cut(0, 75), others.cut(0, 75), "limbs")
    assert limbs["feet"] > scores["feet"] + 0.2
