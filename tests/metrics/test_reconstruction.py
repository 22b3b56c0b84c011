import numpy as np
import pytest
from helpers.walking import as_trajectory, noisy, walk
from scipy.spatial.transform import Rotation

from rae_bench.kinematics import quat
from rae_bench.metrics import evaluate, evaluate_clips
from rae_bench.metrics.reconstruction import rotation_angle
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.keyframes import keyframe_objectives


def _evaluate(generated: Motion, truth: Motion) -> dict[str, float]:
    return evaluate(as_trajectory(generated), truth, keyframe_objectives(truth))


def _by_loops(generated: Motion, truth: Motion) -> list[list[float]]:
    """Root-aligned error in cm of each frame of each clip, from scratch: shoulders and hips give the heading."""
    rows = []
    for n in range(len(truth)):
        row = []
        for t in range(int(truth.lengths[n])):
            seen = []
            for motion in (generated, truth):
                p = motion.positions[n, t].astype(float)
                index = motion.rig.index
                across = sum(p[index(f"left_{part}")] - p[index(f"right_{part}")] for part in ("thigh", "arm"))
                yaw = np.arctan2(-across[2], across[0])
                ground = p[index("hips")] * [1, 0, 1]
                seen.append(Rotation.from_euler("y", -yaw).apply(p - ground))
            row.append(100 * float(np.mean([np.linalg.norm(a - b) for a, b in zip(*seen, strict=True)])))
        rows.append(row)
    return rows


def test_against_loops_and_frame_weighted() -> None:
    truth = walk(3, 40)
    truth = make_motion(truth.rig, 30, truth.root_positions, truth.rotations, lengths=np.array([40, 10, 25]))
    generated = noisy(truth, 6)
    rows = _by_loops(generated, truth)
    values = _evaluate(generated, truth)
    assert values["reconstruction_error"] == pytest.approx(np.concatenate(rows).mean(), rel=1e-4)
    assert values["reconstruction_error@0.5s"] == pytest.approx(np.mean([rows[0][14], rows[2][14]]), rel=1e-4)
    assert values["reconstruction_error@1s"] == pytest.approx(rows[0][29], rel=1e-4)
    assert "reconstruction_error@2s" not in values
    clips = evaluate_clips(as_trajectory(generated), truth, keyframe_objectives(truth))
    np.testing.assert_allclose(clips["reconstruction_error"], [np.mean(row) for row in rows], rtol=1e-4)
    np.testing.assert_allclose(clips["reconstruction_error@0.5s"], [rows[0][14], np.nan, rows[2][14]], rtol=1e-4)
    height = 100 * truth.rig.height
    assert values["reconstruction_error_height"] == pytest.approx(100 * values["reconstruction_error"] / height)


def test_moved_and_turned_bodies() -> None:
    truth = walk(3, 30)
    turn = quat.from_yaw(np.array(0.7))
    rotations = truth.rotations.copy()
    rotations[:, :, 0] = quat.mul(turn, rotations[:, :, 0])
    moved = make_motion(truth.rig, 30, truth.root_positions + np.array([0.03, 0, 0.04]), truth.rotations)
    turned = make_motion(truth.rig, 30, quat.rotate(turn, truth.root_positions), rotations)
    raised = make_motion(truth.rig, 30, truth.root_positions + np.array([0, 0.07, 0]), truth.rotations)
    assert _evaluate(moved, truth)["world_position_error"] == pytest.approx(5, rel=1e-3)
    for same in (moved, turned, truth):
        assert _evaluate(same, truth)["reconstruction_error"] == pytest.approx(0, abs=1e-3)
        assert _evaluate(same, truth)["rotation_error"] == pytest.approx(0, abs=1e-2)
    assert _evaluate(raised, truth)["reconstruction_error"] == pytest.approx(7, rel=1e-3)


def test_rotation_error_against_scipy() -> None:
    truth, generated = walk(2, 5), walk(2, 5, seed=3)
    angles = rotation_angle(generated, truth)
    for n in range(2):
        for t in range(5):
            a, b = (
                Rotation.from_euler("y", -m.root.yaw[n, t])
                * Rotation.from_quat(m.global_rotations[n, t], scalar_first=True)
                for m in (generated, truth)
            )
            assert angles[n, t] == pytest.approx((a.inv() * b).magnitude().mean(), rel=1e-4)
    bent = truth.rotations.copy()
    hand = truth.rig.index("left_hand")
    bent[:, :, hand] = quat.mul(bent[:, :, hand], quat.from_axis_angle(np.array([0, 0, 1.0]), np.radians(32.0)))
    one = make_motion(truth.rig, 30, truth.root_positions, bent)
    assert _evaluate(one, truth)["rotation_error"] == pytest.approx(32 / len(truth.rig), rel=1e-3)


def test_the_first_second_and_its_best_sample() -> None:
    truth = walk(3, 50)
    truth = make_motion(truth.rig, 30, truth.root_positions, truth.rotations, lengths=np.array([50, 12, 40]))
    samples = [noisy(truth, 3, seed) for seed in range(3)]
    rows = [[row[:30] for row in _by_loops(one, truth)] for one in samples]
    values = evaluate(as_trajectory(*samples), truth, keyframe_objectives(truth))
    assert values["reconstruction_error@first"] == pytest.approx(
        np.mean([np.concatenate(one).mean() for one in rows]), rel=1e-4
    )
    best = [min((one[clip] for one in rows), key=np.mean) for clip in range(3)]
    assert values["reconstruction_error@first_best"] == pytest.approx(np.concatenate(best).mean(), rel=1e-4)
    assert "reconstruction_error@first_best" not in _evaluate(samples[0], truth)
    half = truth.rotations.copy()
    half[:, 30:] = noisy(truth, 20).rotations[:, 30:]
    late = make_motion(truth.rig, 30, truth.root_positions, half, lengths=truth.lengths)
    assert _evaluate(late, truth)["reconstruction_error@first"] == pytest.approx(0, abs=1e-3)
