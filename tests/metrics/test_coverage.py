import numpy as np
import pytest
from helpers.walking import as_trajectory, walk

from rae_bench.kinematics import quat
from rae_bench.metrics import adversarial
from rae_bench.metrics.coverage import angles
from rae_bench.metrics.evaluation import beside_real, real_windows
from rae_bench.metrics.windows import windows_of
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.study.robustness import collapse


def _values(generated: Motion, truth: Motion, others: Motion) -> tuple[float, float]:
    values = adversarial(as_trajectory(generated), truth, others)
    return values["coverage"], values["window_diversity"]


def test_angles_between_windows() -> None:
    motion = walk(2, 15)
    turned = motion.rotations.copy()
    turned[:, :, 1:] = quat.mul(turned[:, :, 1:], quat.from_axis_angle(np.array([1.0, 0, 0]), np.array(np.radians(30))))
    other = make_motion(motion.rig, 30, motion.root_positions, turned)
    a, b = (windows_of(m, np.zeros(2)) for m in (motion, other))
    share = (len(motion.rig) - 1) / len(motion.rig)
    expected = 2 * np.degrees(np.arcsin(np.sqrt(share) * np.sin(np.radians(15))))
    assert np.diag(angles(a, b)) == pytest.approx([expected] * 2, abs=0.2)
    assert np.diag(angles(a, a)) == pytest.approx([0, 0], abs=0.1)
    # Heading is no difference of pose.
    q = motion.rotations.copy()
    q[:, :, 0] = quat.mul(quat.from_yaw(np.array(1.0)).astype(np.float32), q[:, :, 0])
    elsewhere = windows_of(make_motion(motion.rig, 30, motion.root_positions, q), np.zeros(2))
    assert np.diag(angles(a, elsewhere)).max() < 0.1


def test_a_single_repeated_window_covers_little_and_has_no_diversity() -> None:
    truth, others = walk(10, 60), walk(10, 60, seed=3)
    full, spread = _values(truth, truth, others)
    assert spread == pytest.approx(1)
    assert full == pytest.approx(90, abs=2)
    same = make_motion(
        truth.rig, 30, truth.root_positions, np.repeat(np.repeat(truth.rotations[:1, :1], 60, 1), 10, 0)
    )
    little, none = _values(same, truth, others)
    assert little < 10
    assert none == pytest.approx(0, abs=0.01)


def test_collapse_lowers_diversity() -> None:
    truth, others = walk(10, 60), walk(10, 60, seed=3)
    half = _values(collapse(truth, 50), truth, others)[1]
    whole = _values(collapse(truth, 100), truth, others)[1]
    assert whole < half < 1


def test_far_from_everything_covers_nothing() -> None:
    truth, others = walk(4, 60), walk(4, 60, seed=3)
    q = quat.mul(truth.rotations, quat.from_axis_angle(np.array([0, 0, 1.0]), np.array(2.0)))
    assert _values(make_motion(truth.rig, 30, truth.root_positions, q), truth, others)[0] == 0


def test_real_motion_that_was_prepared_gives_the_same_values_for_each_cell() -> None:
    truth, others = walk(6, 60), walk(6, 60, seed=3)
    real = real_windows(truth, others)
    for motion in (walk(6, 60, seed=5), truth):
        made = as_trajectory(motion)
        assert beside_real(made, real) == adversarial(made, truth, others)
