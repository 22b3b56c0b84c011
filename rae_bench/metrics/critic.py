"""Adversarial score: can a small critic tell generated windows of motion from real ones?

The critic is a classifier two-sample test (Lopez-Paz and Oquab 2017) with a fixed recipe, solved in closed form.
docs/metrics.md, "The critic", has the recipe and its reasons.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rae_bench.metrics.base import MetricInfo
from rae_bench.metrics.windows import MIN_SPREAD, Windows, standardise, windows_of

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion

FOLDS = 5
REPEATS = 4
"""Number of critics that are averaged; each has its own folds and random features."""
HIDDEN = 32
"""Random features of a critic."""
NOISE = 3.0
"""Noise in standard deviations of the real windows. At 3, a held pose scores near 1, a slow error of 6 degrees 0.5."""
MIN_DESCRIPTOR_SPREAD = 0.5
"""The least spread of a window descriptor, in standard deviations of frames."""
NULL_DRAWS = 40
"""Random halves of the truth that `null_interval` compares."""


def _deal(windows: Windows, clips: int, rng: np.random.Generator) -> np.ndarray:
    """Return the fold of each clip, (clips,): clips are sorted along a random direction and dealt in turn.

    The folds depend on the clips' content and not on their order, and every fold gets clips of all kinds.
    """
    means = np.zeros((clips, windows.frames.shape[-1]))
    np.add.at(means, windows.clips, windows.frames.mean(1))
    means /= np.maximum(np.bincount(windows.clips, minlength=clips), 1)[:, None]
    means = (means - means.mean(0)) / (means.std(0) + MIN_SPREAD)
    order = np.argsort(means @ rng.standard_normal(means.shape[1]), kind="stable")
    folds = np.empty(clips, int)
    folds[order] = np.arange(clips) % min(FOLDS, clips)
    return folds


def _describe(frames: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return mean, standard deviation and mean random features, (W, 2 D + H), of windows (W, L, D)."""
    hidden = np.maximum(frames @ weights + bias, 0).mean(1)
    return np.concatenate([frames.mean(1), frames.std(1), hidden], -1)


def _pair_auc(real: np.ndarray, fake: np.ndarray, noise: float) -> float:
    """Return the chance that a generated window scores above a real one when both scores have Gaussian `noise`."""
    from scipy.special import ndtr

    return float(ndtr((fake[:, None] - real[None, :]) / (np.sqrt(2) * max(noise, 1e-12))).mean())


@dataclass(frozen=True, eq=False)
class Fit:
    """Descriptors, (W, D) each, of one fold that is left out and of the other folds.

    They are standardised by the real descriptors of the other folds.
    """

    real: np.ndarray
    fake: np.ndarray
    real_out: np.ndarray
    fake_out: np.ndarray


def cross_fits(real: Windows, fake: Windows, clips: int, seed: int, repeats: int = REPEATS) -> Iterator[Fit]:
    """Leave each fold out in turn, `repeats` times with other folds and random features.

    Args:
        real, fake: windows. A clip number names the same pair of clips in both; the pair's windows share a fold.
        clips: the number of pairs. With fewer than two, nothing can be held out and nothing is yielded.
    """
    if clips < 2 or not len(real.clips) or not len(fake.clips):
        return
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        folds = _deal(real, clips, rng)
        width = real.frames.shape[-1]
        weights = rng.standard_normal((width, HIDDEN)) / np.sqrt(width)
        bias = rng.standard_normal(HIDDEN)
        for fold in range(folds.max() + 1):
            real_out, fake_out = folds[real.clips] == fold, folds[fake.clips] == fold
            reference = real.frames[~real_out]
            if not len(reference) or not real_out.any() or not fake_out.any() or fake_out.all():
                continue
            x_real = _describe(standardise(real.frames, reference, MIN_SPREAD), weights, bias)
            x_fake = _describe(standardise(fake.frames, reference, MIN_SPREAD), weights, bias)
            x_fake = standardise(x_fake, x_real[~real_out], MIN_DESCRIPTOR_SPREAD)
            x_real = standardise(x_real, x_real[~real_out], MIN_DESCRIPTOR_SPREAD)
            yield Fit(x_real[~real_out], x_fake[~fake_out], x_real[real_out], x_fake[fake_out])


def critic_auc(real: Windows, fake: Windows, clips: int, seed: int) -> float:
    """Return the cross-fitted AUC of the critic, the mean over folds and repeats; 0.5 if nothing can be held out."""
    aucs, sizes = [], []
    for fit in cross_fits(real, fake, clips, seed):
        difference = fit.fake.mean(0) - fit.real.mean(0)
        within = (np.cov(fit.real.T, bias=True) + np.cov(fit.fake.T, bias=True)) / 2
        w = np.linalg.solve(within + NOISE**2 * np.eye(len(difference)), difference)
        aucs.append(_pair_auc(fit.real_out @ w, fit.fake_out @ w, NOISE * float(np.linalg.norm(w))))
        sizes.append(len(fit.real_out))
    return float(np.average(aucs, weights=sizes)) if aucs else 0.5


def critic_score(real: Windows, fake: Windows, clips: int, seed: int) -> float:
    """Return 2 |AUC - 0.5| of the critic."""
    return 2 * abs(critic_auc(real, fake, clips, seed) - 0.5)


def null_interval(truth: Motion, seed: int = 0, *, draws: int = NULL_DRAWS) -> tuple[float, float]:
    """Return where the score of real motion against other real motion falls: (0, the 95 % quantile).

    `draws` times, the truth's clips are split at random into two halves, and one half stands for the generated clips.
    Half the clips make a noisier critic than all of them, so the interval is rather too wide. Other clips also differ
    more from the truth than continuations of the same clips do. A score inside the interval is no evidence against a
    model.
    """
    half = len(truth) // 2
    if half < 2:
        return 0.0, 1.0
    from rae_bench.motion.contacts import stance_heights

    windows = windows_of(truth, stance_heights(truth.positions, truth.rig, truth.lengths))
    rng = np.random.default_rng([seed, 1])
    scores = []
    for _ in range(draws):
        order = rng.permutation(len(truth))
        real, fake = _pick(windows, order[:half]), _pick(windows, order[half : 2 * half])
        scores.append(critic_score(real, fake, half, seed))
    return 0.0, float(np.quantile(scores, 0.95))


def _pick(windows: Windows, clips: np.ndarray) -> Windows:
    """Return the windows of some clips, renumbered in the order of `clips`."""
    number = np.full(max(int(windows.clips.max(initial=0)), int(clips.max())) + 1, -1)
    number[clips] = np.arange(len(clips))
    keep = number[windows.clips] >= 0
    return Windows(windows.frames[keep], number[windows.clips[keep]])


METRICS = (
    MetricInfo(
        name="adversarial_score", label="adversarial", unit="", digits=3,
        direction="lower", category="adversarial", primary=True,
        source="classifier two-sample test (Lopez-Paz and Oquab 2017)",
        description="2 |AUC - 0.5| of a small critic, cross-fitted by clip: 0 cannot tell, 1 always",
        compare=critic_score,
    ),
)
