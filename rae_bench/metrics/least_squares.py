"""The thesis' adversarial error: a least-squares critic (LSGAN, Mao et al. 2017), here linear and in closed form.

The thesis trains one convolutional critic on real clips against an autoencoder's, so its scores depend on that
training. This critic is fitted anew for every model, on the descriptors of `critic`, and scores windows that it has not
seen.
"""

from __future__ import annotations

import numpy as np

from rae_bench.metrics.base import MetricInfo
from rae_bench.metrics.critic import NOISE, cross_fits
from rae_bench.metrics.windows import Windows

UNDECIDED = 0.125
"""0.5 (D - 1)^2 at D = 0.5, of a critic that cannot tell."""


def least_squares_error(real: Windows, fake: Windows, clips: int, seed: int) -> float:
    """Return the mean of 0.5 (D(x) - 1)^2 over generated windows that are left out of the fit.

    D is fitted to 1 on real and to 0 on generated windows, under Gaussian noise of `NOISE` on the descriptors like the
    critic's.
    """
    errors, sizes = [], []
    for fit in cross_fits(real, fake, clips, seed, repeats=1):
        means = fit.real.mean(0), fit.fake.mean(0)
        difference = means[0] - means[1]
        within = (np.cov(fit.real.T, bias=True) + np.cov(fit.fake.T, bias=True)) / 2
        # With both kinds weighing a half, the covariance with the label is a quarter of the difference of the means.
        whole = within + np.outer(difference, difference) / 4 + NOISE**2 * np.eye(len(difference))
        w = np.linalg.solve(whole, difference / 4)
        d = 0.5 + (fit.fake_out - (means[0] + means[1]) / 2) @ w
        errors.append(float((0.5 * (d - 1) ** 2).mean()))
        sizes.append(len(d))
    return float(np.average(errors, weights=sizes)) if errors else UNDECIDED


METRICS = (
    MetricInfo(
        name="least_squares_error", label="least squares", unit="", digits=3,
        direction="lower", category="adversarial",
        source="thesis' adversarial error (LSGAN, Mao et al. 2017)",
        description="0.5 (D - 1)^2 of a linear least-squares critic: 0.125 cannot tell, 0.5 always",
        compare=least_squares_error,
    ),
)
