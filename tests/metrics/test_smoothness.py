import numpy as np
import pytest
from helpers.walking import as_trajectory, noisy, walk
from scipy.spatial.transform import Rotation

from rae_bench.kinematics import quat
from rae_bench.metrics import evaluate
from rae_bench.metrics.smoothness import angular_speed, jerk
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.keyframes import keyframe_objectives


def _values(generated: Motion, truth: Motion) -> tuple[float, float]:
    values = evaluate(as_trajectory(generated), truth, keyframe_objectives(truth))
    return values["jerk_ratio"], values["motion_energy_ratio"]


def test_jerk_of_a_cubic() -> None:
    truth = walk(1, 12)
    time = np.arange(12) / 30
    root = np.zeros((1, 12, 3))
    root[0, :, 2] = 0.5 * time**3
    still = np.broadcast_to(quat.IDENTITY, truth.rotations.shape)
    np.testing.assert_allclose(jerk(make_motion(truth.rig, 30, root, still)), 3.0, rtol=0.02)


def test_angular_speed_against_scipy() -> None:
    motion = walk(2, 6)
    speeds = angular_speed(motion)
    for n in range(2):
        for t in range(5):
            a, b = (Rotation.from_quat(motion.rotations[n, f], scalar_first=True) for f in (t, t + 1))
            assert speeds[n, t] == pytest.approx(30 * (a.inv() * b).magnitude().mean(), rel=1e-3)


def test_ratios() -> None:
    truth = walk(4, 60)
    assert _values(truth, truth) == pytest.approx((1, 1), rel=1e-5)
    shaky = _values(noisy(truth, 2), truth)
    assert shaky[0] > 5
    assert shaky[1] > 1.5
    held = make_motion(
        truth.rig, 30, np.repeat(truth.root_positions[:, :1], 60, 1), np.repeat(truth.rotations[:, :1], 60, 1)
    )
    assert max(_values(held, truth)) < 0.01
    assert _values(held, held) == pytest.approx((1, 1))
    assert np.isfinite(_values(truth, held)).all()


def test_root_speed_ratio() -> None:
    truth = walk(3, 40)
    faster = make_motion(truth.rig, 30, truth.root_positions * [1.5, 1, 1.5], truth.rotations)
    assert evaluate(as_trajectory(faster), truth, keyframe_objectives(truth))["root_speed_ratio"] == pytest.approx(
        1.5, rel=0.01
    )
