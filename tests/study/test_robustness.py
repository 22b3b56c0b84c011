"""Faults are what they say, and the metrics see them: on a walking figure here, on test clips by the command."""

import json
from pathlib import Path

import numpy as np
import pytest

from rae_bench import load_rig
from rae_bench.cli import main
from rae_bench.data.generators.locomotion.locomotion import load_locomotion
from rae_bench.kinematics import quat
from rae_bench.metrics import adversarial, evaluate, primaries
from rae_bench.metrics.smoothness import angular_speed
from rae_bench.model.api import Trajectory
from rae_bench.motion.motion import Motion
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.study import robustness
from rae_bench.study.robustness import FAULTS, Fault, Reading


@pytest.fixture(scope="module")
def truth() -> Motion:
    motion = load_locomotion(load_rig("r1"), clips=12, seed=3).motion
    return motion[motion.lengths == motion.lengths.max()].cut(0, 60)


def _measured(motion: Motion, truth: Motion) -> dict[str, float]:
    trajectory = Trajectory.of(motion)
    return evaluate(trajectory, truth, keyframe_objectives(truth))


def test_feet_slide_at_the_speed_asked_for(truth: Motion) -> None:
    slid = robustness.foot_slide(truth, 10)
    values = _measured(slid, truth)
    assert values["foot_sliding"] == pytest.approx(10, rel=0.02)
    assert values["reconstruction_error"] == pytest.approx(0, abs=1e-3)
    assert np.abs(slid.root_positions - truth.root_positions).max() < 0.033


def test_the_others_are_what_they_say(truth: Motion) -> None:
    turn = np.degrees(quat.angle(robustness.jitter(truth, 1).rotations, truth.rotations))
    assert np.sqrt((turn**2).mean()) == pytest.approx(np.sqrt(3), rel=0.05)
    flat = robustness.collapse(truth, 100).rotations[:, :, 1:]
    assert np.abs(np.diff(flat, axis=1)).max() < 1e-5
    assert robustness.lag(truth, 100).root_positions[:, 3:] == pytest.approx(truth.root_positions[:, :-3])
    risen = robustness.hover(truth, 10).positions - truth.positions
    assert risen[..., 1] == pytest.approx(np.full(risen.shape[:3], 0.1 * truth.rig.height), abs=1e-5)
    gone = (robustness.drift(truth, 30).root_positions - truth.root_positions)[:, 30]
    assert np.linalg.norm(gone, axis=-1) == pytest.approx(np.full(len(truth), 0.3), abs=1e-5)
    assert robustness.reverse(truth, 100).rotations[:, ::-1] == pytest.approx(truth.rotations)
    wild = robustness.exaggerate(truth, 100)
    assert wild.rotations[:, :, 0] == pytest.approx(truth.rotations[:, :, 0])
    speeds = (angular_speed(m)[m.valid[:, 1:]].mean() for m in (wild, truth))
    assert next(speeds) == pytest.approx(2 * next(speeds), rel=0.1)
    still = robustness.freeze(truth, 100)
    assert np.abs(np.diff(still.positions, axis=1)).max() < 1e-5
    half = (robustness.reverse(truth, 50).rotations == truth.rotations).all((1, 2, 3))
    assert half.sum() == len(truth) - round(len(truth) / 2)


def test_sides_are_mirrored_in_place(truth: Motion) -> None:
    """Each joint stands where its counterpart stood, seen in a mirror along the heading; twice is nothing."""
    swapped = robustness.swap_sides(truth, 100)
    seen = swapped.root.points_in(swapped.positions)
    expected = truth.root.points_in(truth.positions)[:, :, truth.rig.mirror] * np.array([-1, 1, 1])
    assert seen == pytest.approx(expected, abs=2e-3)
    assert robustness.swap_sides(swapped, 100).positions == pytest.approx(truth.positions, abs=4e-3)


def test_every_category_sees_its_own_fault(truth: Motion) -> None:
    chosen = [f for f in FAULTS if f.name in robustness.FAULT_OF_CATEGORY.values()]
    assert len(chosen) == len(primaries("limbs"))
    mild = [Fault(f.name, f.unit, f.strengths[1::2], f.inject) for f in chosen]
    others = load_locomotion(load_rig("r1"), clips=12, seed=4).motion.cut(0, 60)[: len(truth)]
    found = robustness.readings(truth, keyframe_objectives(truth), lambda t: adversarial(t, truth, others), mild)
    assert len(found) == 4 * 3
    assert robustness.failings(found) == []
    text = robustness.table(found)
    assert "| jitter | 2 deg |" in text
    assert "| foot_sliding |" in text
    assert "Track `control`:" in text


def test_failings_are_named() -> None:
    known = [*primaries("limbs").values(), *primaries("control").values(), "hold_error"]
    names = dict.fromkeys(known, 0.0)

    def reading(fault: str, strength: float, **values: float) -> Reading:
        return Reading(fault, "x", strength, names | values)

    found = [
        reading("jitter", 0),
        reading("jitter", 1, adversarial_score=0.5),
        reading("jitter", 2, adversarial_score=0.4),
        reading("lag", 0),
        reading("lag", 1, hold_error=0.1),
        reading("floating", 0),
        reading("floating", 1, hold_error=10),
    ]
    assert robustness.failings(found) == [
        "adversarial_score does not rise with jitter: 0, 0.5, 0.4",
        "no primary of limbs sees lag",
        "no primary of limbs sees floating",
        "no primary of control sees lag",
        "no primary of control sees floating",
    ]
    assert robustness.responses(found)["lag"]["hold_error"] == pytest.approx(0.01)


def test_a_plot_that_cannot_be_written_is_told_before_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "metrics", "--plot", "nowhere/faults.png"])
    assert ended.value.code == 2
    told = capsys.readouterr().err.splitlines()
    assert told[-1].startswith("rae-bench: cannot write nowhere/faults.png: give a file in a folder")
    assert len(told) == 2  # the first says what is begun


@pytest.mark.slow
def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", "metrics", "--json", "--plot", str(tmp_path / "faults.png")])
    assert ended.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["failings"] == []
    assert len(found["readings"]) == sum(len(f.strengths) + 1 for f in FAULTS)
    assert (tmp_path / "faults.png").stat().st_size > 20_000
