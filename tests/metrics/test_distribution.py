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
    values = adversarial(as_trajectory(generated), truth)
    return [values[name] for name in NAMES]


def _cloud(shift: float, scale: float, seed: int, clips: int = 10) -> Windows:
    rng = np.random.default_rng(seed)
    return Windows(shift + scale * rng.standard_normal((6 * clips, 5, 3)), np.repeat(np.arange(clips), 6))


def test_copies_score_nothing_and_errors_rise() -> None:
    truth = walk(12, 60)
    scores = np.array([_values(noisy(truth, degrees), truth) for degrees in (0, 0.3, 1, 3, 10)])
    assert scores[0] == pytest.approx([0, 0], abs=1e-6)
    assert (np.diff(scores, axis=0) > 0).all()


def test_other_real_motion_is_nearer_than_noise() -> None:
    truth = walk(16, 60)
    other, shaky = _values(walk(16, 60, seed=5), truth), _values(noisy(truth, 3), truth)
    assert other[0] < 0.3 * shaky[0]
    assert other[1] < 0.3 * shaky[1]


def test_kernel_against_loops() -> None:
    real, fake = _cloud(0, 1, 0, 4), _cloud(0.5, 1.2, 1, 4)
    x, y = descriptors(real, fake)

    def pairs(a: np.ndarray, n: np.ndarray, b: np.ndarray, m: np.ndarray) -> list[float]:
        return [float(((a[i] - b[j]) ** 2).sum()) for i in range(len(a)) for j in range(len(b)) if n[i] != m[j]]

    within = pairs(x, real.clips, x, real.clips)
    width = np.median(within)
    means = [
        np.mean(np.exp(-np.array(part) / (2 * width)))
        for part in (within, pairs(y, fake.clips, y, fake.clips), pairs(x, real.clips, y, fake.clips))
    ]
    assert kernel_distance(real, fake, 4, 0) == pytest.approx(means[0] + means[1] - 2 * means[2], rel=1e-9)


def test_frechet_against_matrix_roots() -> None:
    real, fake = _cloud(0, 1, 0), _cloud(0.5, 1.2, 1)
    x, y = descriptors(real, fake)
    # Six descriptors, fewer than the components: a rotation, which changes nothing.
    a, b = np.cov(x.T), np.cov(y.T)
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))
    assert frechet_distance(real, fake, 10, 0) == pytest.approx(expected, rel=1e-6)


def test_too_little_to_compare() -> None:
    empty = Windows(np.zeros((0, 5, 3)), np.zeros(0, int))
    one = Windows(np.ones((4, 5, 3)), np.zeros(4, int))
    for real, fake, clips in ((empty, empty, 0), (one, one, 1), (one, empty, 2), (one, one, 2)):
        assert kernel_distance(real, fake, clips, 0) == 0
        assert frechet_distance(real, fake, clips, 0) == 0
