import numpy as np
import pytest
from helpers.walking import as_trajectory, noisy, walk
from scipy.linalg import sqrtm

from rae_bench.metrics import adversarial
from rae_bench.metrics.distribution import descriptors, frechet_distance, kernel_distance
from rae_bench.metrics.windows import Windows
from rae_bench.motion.motion import Motion

NAMES = ("kernel_distance", "frechet_distance")


def _values(generated: Motion, truth: Motion) -> list[float]:
    values = adversarial(as_trajectory(generated), truth, walk(len(truth), 60, seed=50))
    return [values[name] for name in NAMES]


def _cloud(shift: float, scale: float, seed: int, clips: int = 10) -> Windows:
    rng = np.random.default_rng(seed)
    frames = shift + scale * rng.standard_normal((6 * clips, 5, 3))
    return Windows(frames, np.zeros((6 * clips, 1)), np.zeros((6 * clips, 9)), np.repeat(np.arange(clips), 6))


def test_the_truth_scores_nothing_and_errors_rise() -> None:
    truth = walk(12, 60)
    scores = np.array([_values(noisy(truth, degrees), truth) for degrees in (0, 1, 3, 10)])
    assert scores[0] == pytest.approx([0, 0], abs=1e-4)
    assert (np.diff(scores, axis=0) > 0).all()


def test_other_real_motion_is_nearer_than_noise() -> None:
    truth = walk(16, 60)
    others = np.mean([_values(walk(16, 60, seed=5 + i), walk(16, 60, seed=15 + i)) for i in range(6)], axis=0)
    shaky = _values(noisy(truth, 3), truth)
    assert abs(others[0]) < 0.1 * shaky[0]
    assert abs(others[1]) < 0.1 * shaky[1]


def test_kernel_against_loops() -> None:
    real, fake = _cloud(0, 1, 0, 4), _cloud(0.5, 1.2, 1, 4)
    x, y = descriptors(real, fake)

    def pairs(a: np.ndarray, b: np.ndarray, same: bool) -> list[float]:
        clips = real.clips
        kept = [(i, j) for i in range(len(a)) for j in range(len(b)) if not same or clips[i] != clips[j]]
        return [float(((a[i] - b[j]) ** 2).sum()) for i, j in kept]

    within = pairs(x, x, True)
    width = np.median(within)
    means = [
        np.mean(np.exp(-np.array(part) / (2 * width)))
        for part in (within, pairs(y, y, True), pairs(x, y, False))
    ]
    assert kernel_distance(real, fake) == pytest.approx(means[0] + means[1] - 2 * means[2], rel=1e-9)


def test_frechet_against_matrix_roots() -> None:
    real, fake = _cloud(0, 1, 0), _cloud(0.5, 1.2, 1)
    x, y = descriptors(real, fake)
    # Six descriptors, fewer than the components: a rotation, which changes nothing.
    a, b = np.cov(x.T), np.cov(y.T)
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    assert frechet_distance(real, fake) == pytest.approx(expected, rel=1e-6)


def test_too_little_to_compare() -> None:
    one = _cloud(0, 0, 0, 1)
    assert kernel_distance(one, one) == 0
    assert frechet_distance(one, one) == 0
    assert _values(walk(1, 60, seed=1), walk(1, 60)) == [0, 0]
