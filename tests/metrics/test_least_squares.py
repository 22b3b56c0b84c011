import numpy as np
import pytest
from helpers.walking import as_trajectory, noisy, walk

from rae_bench.metrics import adversarial
from rae_bench.metrics.critic import NOISE, cross_fits
from rae_bench.metrics.least_squares import least_squares_error
from rae_bench.metrics.windows import windows_of
from rae_bench.motion.contacts import stance_heights


def test_from_undecided_to_certain() -> None:
    truth = walk(12, 60)
    values = [
        adversarial(as_trajectory(noisy(truth, degrees)), truth)["least_squares_error"] for degrees in (0, 0.3, 1, 10)
    ]
    assert values[0] == pytest.approx(0.125, abs=1e-4)
    assert values == sorted(values)
    assert values[-1] > 0.3


def test_is_the_least_squares_solution_under_noise() -> None:
    """Against the normal equations over noisy copies of the windows, each kind with half of the weight."""
    truth, generated = walk(6, 60), noisy(walk(6, 60), 3)
    height = stance_heights(truth.positions, truth.rig, truth.lengths)
    real, fake = windows_of(truth, height), windows_of(generated, height)
    errors, sizes = [], []
    for fit in cross_fits(real, fake, 6, 0, repeats=1):
        rows = np.concatenate([fit.real, fit.fake])
        labels = np.concatenate([np.ones(len(fit.real)), np.zeros(len(fit.fake))])
        weight = np.concatenate([np.full(len(x), 0.5 / len(x)) for x in (fit.real, fit.fake)])
        design = np.concatenate([rows, np.ones((len(rows), 1))], 1)
        # Noise of variance s^2 on every descriptor adds s^2 to the diagonal of its expected square.
        square = (design * weight[:, None]).T @ design + np.diag([*[NOISE**2] * rows.shape[1], 0])
        solution = np.linalg.solve(square, (design * weight[:, None]).T @ labels)
        d = np.concatenate([fit.fake_out, np.ones((len(fit.fake_out), 1))], 1) @ solution
        errors.append(np.mean(0.5 * (d - 1) ** 2))
        sizes.append(len(d))
    assert least_squares_error(real, fake, 6, 0) == pytest.approx(np.average(errors, weights=sizes), rel=1e-6)


def test_one_clip_is_undecided() -> None:
    truth = walk(1, 60)
    assert adversarial(as_trajectory(noisy(truth, 9)), truth)["least_squares_error"] == 0.125
