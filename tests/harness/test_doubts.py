"""What speaks against a motion: on a walker that is sunk, slid and lifted, and on objectives beyond its training."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.walking import walk

from rae_bench.harness.doubts import asked_beyond, feet, missed, trained_range
from rae_bench.motion.contacts import stance_heights
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.written import WrittenObjective, WrittenObjectives
from rae_bench.rigs.rig import ROLES

START = np.array([0.0, 0.76, 0.0])


@pytest.fixture(scope="module")
def training() -> Motion:
    return walk(8, 150, seed=1)


def moved(motion: Motion, by: np.ndarray) -> Motion:
    return make_motion(motion.rig, motion.fps, motion.root_positions + by, motion.rotations)


def test_the_range_of_training(training: Motion) -> None:
    found = trained_range(training)
    assert 0.6 < found["speed"] < 1.0  # it walks at 0.5 to 0.9 m/s
    low, high = found["heights"]["pelvis"]
    assert 0.7 < low < 0.76 < high < 0.82
    assert found["reach"]["head"] == pytest.approx(0.75, abs=0.02)  # spine, neck and head are 0.2, 0.3 and 0.25 m long
    assert "pelvis" not in found["reach"]
    assert trained_range(training[:0]) == {}


def test_feet_that_sink_slide_or_float(training: Motion) -> None:
    stance = stance_heights(training.positions, training.rig, training.lengths)
    clip, tall = training[[0]], training.rig.height

    def lines(motion: Motion) -> list[str]:
        return [doubt.text for doubt in feet(motion, stance)[1]]

    assert lines(clip) == []
    text, doubts = feet(moved(clip, np.array([0, -0.1 * tall, 0])), stance)
    assert "_foot sinks" in doubts[0].text
    assert 10 * tall - 2 < float(text.split("feet: ")[1].split(" cm")[0]) * 100 / 100 < 10 * tall + 3
    assert doubts[0].size == pytest.approx(0.1 / 0.03, rel=0.2)
    drift = np.linspace(0, 5 * 0.4 * tall, 150)[None, :, None] * np.array([1, 0, 0])
    assert any(line.startswith("feet slide at") for line in lines(moved(clip, drift)))
    assert any("no foot is near the ground for 5.00 s" in line for line in lines(moved(clip, np.array([0, tall, 0]))))


def asked(*objectives: tuple[str, float, list[float]]) -> WrittenObjectives:
    turn = np.array([1.0, 0, 0, 0])
    made = tuple(WrittenObjective(ROLES.index(role), at, np.array(place), turn, 2) for role, at, place in objectives)
    return WrittenObjectives(4.0, made)


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        (("pelvis", 2.0, [0, 0.76, 1.5]), ""),
        (("pelvis", 1.0, [0, 0.76, 4.0]), "asked for 4 m/s on the way to 1.00 s; it was trained at up to 0."),
        (("pelvis", 2.0, [0, 0.3, 1.0]), "pelvis at 2.00 s: asked for a height of 30 cm; it was trained between"),
        (("left_hand", 2.0, [2.5, 0.8, 1.0]), "left_hand at 2.00 s: 2.5 m from where the pelvis is asked to be"),
    ],
)
def test_what_was_asked_beyond_training(
    training: Motion, objective: tuple[str, float, list[float]], words: str
) -> None:
    whole = [objective] if objective[0] == "pelvis" else [("pelvis", 2.0, [0, 0.76, 1.0]), objective]
    lines = [d.text for d in asked_beyond(asked(*whole), trained_range(training), START, training.rig.height)]
    assert [words in line for line in lines] == [True] * bool(words), lines
    assert asked_beyond(asked(*whole), {}, START, training.rig.height) == []


def test_objectives_that_are_missed() -> None:
    doubts = missed([("head", 1.0, 0.5), ("head", 2.0, 0.9), ("pelvis", 1.0, 0.1)], 30.0, 1.7)
    assert [doubt.text for doubt in doubts] == ["head misses what it was asked by 90 cm at 2.00 s"]
    assert (doubts[0].frame, doubts[0].size) == (59, pytest.approx(0.9 / 0.17))
