"""What holds for all metrics of one trajectory."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.places import TESTS
from helpers.walking import as_trajectory, noisy, relabel, walk

from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.metrics import CATEGORIES, METRICS, adversarial, evaluate, evaluate_clips, primaries
from rae_bench.metrics.catalogue import discover
from rae_bench.model.api import Trajectory
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.objectives.tracks import TRACKS
from rae_bench.rigs.rig import make_rig

PRIMARY = {name for track in TRACKS for name in primaries(track).values()}


def _all(generated: Motion, truth: Motion, others: Motion | None = None) -> dict[str, float]:
    trajectory, objectives = as_trajectory(generated), keyframe_objectives(truth)
    others = walk(len(truth), truth.root_positions.shape[1], seed=50) if others is None else others
    return evaluate(trajectory, truth, objectives) | adversarial(trajectory, truth, others)


@pytest.mark.parametrize("track", TRACKS)
def test_truth_is_perfect(track: str) -> None:
    truth = walk(6, 60)
    values = _all(truth, truth)
    for name in primaries(track).values():
        assert values[name] == pytest.approx(0, abs=0.02), name


def test_tracks_have_primaries_of_their_own() -> None:
    assert primaries("limbs") == primaries("keyframes") == primaries()
    assert primaries("limbs") == {
        "reconstruction": "reconstruction_error", "feet": "foot_sliding", "objective": "objective_error",
        "adversarial": "adversarial_score",
    }  # fmt: skip
    assert primaries("control") == {
        "reconstruction": "reconstruction_error@first", "feet": "foot_sliding_lowest", "objective": "path_error",
        "adversarial": "adversarial_score",
    }  # fmt: skip
    with pytest.raises(UserError, match="unknown track 'limb'"):
        primaries("limb")


def test_joint_order_does_not_matter() -> None:
    truth = walk(6, 40)
    generated = noisy(truth, 5)
    others = walk(6, 40, seed=50)
    a, b = _all(generated, truth, others), _all(relabel(generated), relabel(truth), relabel(others))
    assert relabel(truth).rig.joint_names != truth.rig.joint_names
    assert a.keys() == b.keys()
    for name in a:
        assert a[name] == pytest.approx(b[name], rel=1e-3, abs=1e-4), name


def test_clip_order_does_not_matter() -> None:
    truth = walk(6, 40)
    generated, order = noisy(truth, 5), np.array([3, 1, 5, 0, 2, 4])
    others = walk(6, 40, seed=50)
    a, b = _all(generated, truth, others), _all(generated[order], truth[order], others[order])
    for name in a:
        assert a[name] == pytest.approx(b[name], rel=1e-5, abs=1e-7), name
    objectives = keyframe_objectives(truth)
    c = evaluate_clips(as_trajectory(generated), truth, objectives)
    d = evaluate_clips(as_trajectory(generated[order]), truth[order], objectives[order])
    for name in c:
        np.testing.assert_allclose(c[name][order], d[name], rtol=1e-5)


@pytest.mark.parametrize("frames", [1, 2, 3, 20])
@pytest.mark.parametrize("clips", [1, 2, 4])
def test_constant_and_one_frame_input_is_finite(frames: int, clips: int) -> None:
    still = walk(clips, 1)
    still = make_motion(
        still.rig, 30, np.repeat(still.root_positions, frames, 1), np.repeat(still.rotations, frames, 1)
    )
    for generated, truth in ((still, still), (walk(clips, frames), still), (still, walk(clips, frames))):
        for others in (still, walk(clips, frames, seed=50)):
            values = _all(generated, truth, others)
            assert np.isfinite(list(values.values())).all(), values
            assert values.keys() >= PRIMARY


def test_a_rig_without_roles_and_feet() -> None:
    rig = make_rig("chain", [("a", None, [0, 0, 0]), ("b", "a", [0, 0, 1])], {})
    q = np.zeros((2, 20, 2, 4))
    q[..., 0] = 1
    motion = make_motion(rig, 30, np.zeros((2, 20, 3)), q)
    assert np.isfinite(list(_all(motion, motion, motion).values())).all()


def test_samples_are_averaged() -> None:
    truth = walk(3, 30)
    a, b = noisy(truth, 2), noisy(truth, 6, seed=1)
    objectives = keyframe_objectives(truth)
    both = evaluate(as_trajectory(a, b), truth, objectives)
    assert both.pop("diversity") > 0
    assert both.pop("reconstruction_error@first_best") <= both["reconstruction_error@first"]
    for name, value in both.items():
        separate = [evaluate(as_trajectory(m), truth, objectives)[name] for m in (a, b)]
        assert value == pytest.approx(np.mean(separate), rel=1e-6), name
    others = walk(3, 30, seed=50)
    for name, value in adversarial(as_trajectory(a, b), truth, others).items():
        assert value == pytest.approx(np.mean([adversarial(as_trajectory(m), truth, others)[name] for m in (a, b)]))


def test_frames_past_a_clip_do_not_matter() -> None:
    whole = walk(3, 30)
    truth = make_motion(
        whole.rig, 30, whole.root_positions, whole.rotations, lengths=np.array([30, 12, 20]), contacts=whole.contacts
    )
    generated = noisy(truth, 3)
    root, rotations = generated.root_positions.copy(), generated.rotations.copy()
    root[~truth.valid], rotations[~truth.valid] = np.nan, 7
    objectives = keyframe_objectives(truth)
    a = evaluate(as_trajectory(generated), truth, objectives)
    b = evaluate(Trajectory(root[None], rotations[None]), truth, objectives)
    assert a == pytest.approx(b)


def test_bad_trajectories_are_refused() -> None:
    truth = walk(3, 10)
    objectives, good = keyframe_objectives(truth), as_trajectory(truth)
    with pytest.raises(UserError, match="rotations have shape"):
        evaluate(Trajectory(good.root_positions, good.rotations[:, :, :5]), truth, objectives)
    broken = good.root_positions.copy()
    broken[0, 2, 4] = np.inf
    with pytest.raises(UserError, match="clip 2"):
        evaluate(Trajectory(broken, good.rotations), truth, objectives)


def test_scaled_quaternions_do_not_stretch_bones() -> None:
    truth = walk(2, 10)
    scaled = Trajectory(truth.root_positions[None], 3 * truth.rotations[None])
    assert evaluate(scaled, truth, keyframe_objectives(truth))["reconstruction_error"] == pytest.approx(0, abs=1e-3)


def test_table_is_complete_and_ordered() -> None:
    places = [CATEGORIES.index(info.category) for info in METRICS.values()]
    assert places == sorted(places)
    assert all(list(primaries(track)) == ["reconstruction", "feet", "objective", "adversarial"] for track in TRACKS)
    for name, info in METRICS.items():
        assert name == info.name
        assert info.direction in ("lower", "higher", "none")
        assert info.label
        assert info.digits >= 0
        assert info.source
        assert info.description
    truth = noisy(walk(2, 130), 0)
    turn = np.linspace(0, 2, 130)
    truth = make_motion(
        truth.rig, 30, truth.root_positions + np.stack([np.sin(2 * turn), 0 * turn, 0 * turn], -1), truth.rotations,
        contacts=truth.contacts,
    )  # fmt: skip
    measured = evaluate(as_trajectory(truth), truth, keyframe_objectives(truth))
    assert list(measured) == [name for name, info in METRICS.items() if info.measure is not None]


def test_a_metric_is_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "more_metrics"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "late.py").write_text(
        "from rae_bench.metrics import MetricInfo, Sums\n"
        "def late(generated, truth, objectives):\n"
        "    return Sums.over(truth.valid * 1.0, truth.valid)\n"
        "METRICS = (MetricInfo(name='late', label='late', unit='s', digits=1, direction='lower', category='quality',\n"
        "                      primary=(), source='here', description='test', measure=late),)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert list(discover([str(package)], "more_metrics")) == ["late"]
    (package / "twice.py").write_text("from more_metrics.late import METRICS\n")
    with pytest.raises(UserError, match="twice"):
        discover([str(package)], "more_metrics")


def test_import_is_cheap_and_nothing_needs_torch() -> None:
    code = (
        "import sys, rae_bench.metrics as m\n"
        "assert not {'torch', 'scipy', 'pandas'} & set(sys.modules)\n"
        "assert callable(m.adversarial)\n"
        "sys.modules['torch'] = None\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from helpers.walking import as_trajectory, walk\n"
        "m.adversarial(as_trajectory(walk(4, 20)), walk(4, 20), walk(4, 20, seed=1))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(TESTS)], check=True)


def test_how_clips_are_batched_does_not_matter() -> None:
    truth = walk(5, 40)
    generated, objectives = noisy(truth, 5), keyframe_objectives(truth)
    whole = evaluate_clips(as_trajectory(generated), truth, objectives)
    parts = [
        evaluate_clips(as_trajectory(generated[part]), truth[part], objectives[part])
        for part in (slice(0, 2), slice(2, 5))
    ]
    for name, values in whole.items():
        np.testing.assert_allclose(np.concatenate([p[name] for p in parts]), values, rtol=1e-5, err_msg=name)


def test_place_and_heading_do_not_matter() -> None:
    truth = walk(4, 40)
    generated = noisy(truth, 5)

    def moved(motion: Motion) -> Motion:
        turn = quat.from_yaw(np.array(2.0)).astype(np.float32)
        q = motion.rotations.copy()
        q[:, :, 0] = quat.mul(turn, q[:, :, 0])
        root = quat.rotate(turn, motion.root_positions) + np.array([3, 0, -2], np.float32)
        return make_motion(motion.rig, 30, root, q, contacts=motion.contacts)

    others = walk(4, 40, seed=50)
    a, b = _all(generated, truth, others), _all(moved(generated), moved(truth), moved(others))
    for name in a:
        assert a[name] == pytest.approx(b[name], rel=5e-3, abs=1e-3), name


def test_only_what_is_asked_for_is_in_metres() -> None:
    """A rig twice as tall: ratios, shares, angles and rig heights stay, lengths and speeds double."""
    small = walk(4, 40)
    rig = small.rig
    joints = [
        (n, None if p < 0 else rig.joint_names[p], 2 * o)
        for n, p, o in zip(rig.joint_names, rig.parents, rig.offsets, strict=True)
    ]
    tall = make_rig(
        "tall",
        joints,
        {role: rig.joint_names[j] for role, j in rig.roles.items()},
        contact_joints=[rig.joint_names[j] for j in rig.contact_joints],
    )

    def grown(motion: Motion) -> Motion:
        return make_motion(tall, 30, 2 * motion.root_positions, motion.rotations, contacts=motion.contacts)

    others = walk(4, 40, seed=50)
    a, b = _all(noisy(small, 5), small, others), _all(grown(noisy(small, 5)), grown(small), grown(others))
    assert tall.height == pytest.approx(2 * rig.height)
    for name in a:
        if name != "objective_reached@0.1m":
            factor = 2 if METRICS[name].unit in ("cm", "cm/s") else 1
            assert factor * a[name] == pytest.approx(b[name], rel=2e-3, abs=1e-3), name


def test_zero_length_clips_are_refused() -> None:
    truth = walk(3, 20)
    empty = Motion(truth.rig, 30, np.array([20, 0, 20]), truth.root_positions, truth.rotations, truth.contacts)
    with pytest.raises(UserError, match="clip 1"):
        evaluate(as_trajectory(truth), empty, keyframe_objectives(truth))
