import numpy as np
import pytest
from helpers.walking import as_trajectory, noisy, walk

from rae_bench.kinematics import quat
from rae_bench.metrics import evaluate, evaluate_clips
from rae_bench.metrics.npss import power, real_power, spectral_distance
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.keyframes import keyframe_objectives


def _npss(generated: Motion, truth: Motion) -> float:
    return evaluate(as_trajectory(generated), truth, keyframe_objectives(truth))["npss"]


def _slow_power(signal: np.ndarray) -> np.ndarray:
    """|sum_t x_t exp(-2 pi i k t / T)|^2, term by term."""
    frames = len(signal)
    out = []
    for k in range(frames):
        angle = 2 * np.pi * k * np.arange(frames) / frames
        out.append((signal * np.cos(angle)).sum() ** 2 + (signal * np.sin(angle)).sum() ** 2)
    return np.array(out)


@pytest.mark.parametrize("frames", [1, 2, 3, 8, 9])
def test_distance_is_over_all_frequencies(frames: int) -> None:
    signals = np.random.default_rng(0).standard_normal((2, 3, frames))
    half = power(signals)
    assert half.shape == (2, 3, frames // 2 + 1)
    for n in range(2):
        for d in range(3):
            whole = _slow_power(signals[n, d])
            np.testing.assert_allclose(half[n, d], whole[: frames // 2 + 1], rtol=1e-9)
            other = half[n, d] * np.arange(1, frames // 2 + 2)
            full = np.concatenate([other, other[1 : (frames + 1) // 2][::-1]])
            assert len(full) == frames
            emd = np.abs(np.cumsum(full / full.sum()) - np.cumsum(whole / whole.sum())).sum()
            distance, total = spectral_distance(other, half[n, d], frames)
            assert distance == pytest.approx(emd)
            assert total == pytest.approx(whole.sum())


def test_a_shift_in_time_costs_nothing_but_a_change_of_pace_does() -> None:
    t = 2 * np.pi * np.arange(60) / 60
    sine, cosine, faster = np.sin(3 * t), np.cos(3 * t), np.sin(5 * t)
    assert spectral_distance(power(cosine), power(sine), 60)[0] == pytest.approx(0, abs=1e-9)
    # Half of the power moves from bin 3 to bin 5, half from 57 to 55.
    assert spectral_distance(power(faster), power(sine), 60)[0] == pytest.approx(2)
    assert spectral_distance(real_power(cosine), real_power(sine), 60)[0] > 1


def test_constant_channels() -> None:
    still, moving = np.zeros(8), np.sin(2 * np.pi * np.arange(8) / 8)
    for a, b in ((still, still), (still, still + 1), (still + 1, still)):
        assert spectral_distance(power(a), power(b), 8)[0] == pytest.approx(0)
    assert spectral_distance(power(still), power(moving), 8)[0] == pytest.approx(0.5 * 1 + 0.5 * 7)


def test_against_loops() -> None:
    truth = walk(3, 30)
    truth = make_motion(
        truth.rig, 30, truth.root_positions, truth.rotations, lengths=np.array([30, 13, 1]), contacts=truth.contacts
    )
    generated = noisy(truth, 8)
    total, weight = np.zeros(3), np.zeros(3)
    for n, length in enumerate(truth.lengths):
        for j in range(len(truth.rig)):
            pair = []
            for motion in (generated, truth):
                q = motion.rotations[n, :length, j].astype(float)
                if j == 0:
                    q = quat.mul(quat.from_yaw(-motion.root.yaw[n, :length].astype(float)), q)
                for t in range(1, length):
                    q[t] *= np.sign(q[t] @ q[t - 1])
                pair.append(q)
            for c in range(4):
                a, b = (_slow_power(q[:, c]) for q in pair)
                shares = [p / p.sum() if p.sum() else np.eye(length)[0] for p in (a, b)]
                total[n] += b.sum() * np.abs(np.cumsum(shares[0]) - np.cumsum(shares[1])).sum()
                weight[n] += b.sum()
    assert _npss(generated, truth) == pytest.approx(total.sum() / weight.sum(), rel=2e-3)
    clips = evaluate_clips(as_trajectory(generated), truth, keyframe_objectives(truth))["npss"]
    np.testing.assert_allclose(clips, total / weight, rtol=2e-3, atol=1e-6)


def test_north_and_the_sign_of_quaternions_do_not_matter() -> None:
    truth = walk(3, 40)
    generated = noisy(truth, 6)

    def turned(motion: Motion) -> Motion:
        q = motion.rotations.copy()
        q[:, :, 0] = quat.mul(quat.from_yaw(np.array(1.2)), q[:, :, 0])
        return make_motion(motion.rig, 30, quat.rotate(quat.from_yaw(np.array(1.2)), motion.root_positions), -q)

    assert _npss(turned(generated), turned(truth)) == pytest.approx(_npss(generated, truth), rel=1e-3)
    assert _npss(truth, truth) == pytest.approx(0, abs=1e-6)
    assert _npss(truth, truth) < _npss(noisy(truth, 3), truth) < _npss(noisy(truth, 12), truth)
