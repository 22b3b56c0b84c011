"""Adversarial score: can a small critic tell generated windows of motion from real ones of other clips?

The critic is a classifier two-sample test (Lopez-Paz and Oquab 2017) with a fixed recipe, solved in closed form.
docs/reference/metrics.md, "The critic", has the recipe and its reasons. Generated motion is never compared with the
truth of the same clips: that would reward a low reconstruction error, and punish a model that moves well but otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rae_bench.metrics.base import MetricInfo, shared
from rae_bench.metrics.windows import MIN_SPREAD, Crowd, Windows, standardise
from rae_bench.objectives.tracks import TRACKS

FOLDS = 5
REPEATS = 4
"""Number of critics that are averaged; each has its own folds and random features."""
HIDDEN = 32
"""Random features of a critic."""
NOISE = 3.0
"""Noise in standard deviations of real windows. At 3, a held pose scores near 1, a slow error of 6 degrees 0.5."""
MIN_DESCRIPTOR_SPREAD = 0.5
"""The least spread of a window descriptor, in standard deviations of frames."""
MIN_PACE_SPREAD = 0.25
"""The least spread of a pace, in natural logarithms."""
PRIOR = 0.03
"""Variance of a real difference that is expected in each descriptor, in squared standard deviations of real windows."""
PACE_WEIGHT = 2.0
"""How many times less noise paces are seen through. They are few, and what they show no other descriptor does."""


def deal(real: Windows, groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the fold of each clip, (N,): groups are sorted along a random direction and dealt in turn.

    The folds depend on the content and not on the order of clips, and every fold gets clips of all kinds. Where all
    clips are of one group, each clip is dealt by itself.
    """
    names = groups if len(np.unique(groups)) > 1 else np.arange(len(groups))
    _, number = np.unique(names, return_inverse=True)
    count = int(number.max()) + 1
    of = number[real.clips]
    means = np.zeros((count, real.frames.shape[-1]))
    np.add.at(means, of, real.frames.mean(1))
    means /= np.maximum(np.bincount(of, minlength=count), 1)[:, None]
    means = (means - means.mean(0)) / (means.std(0) + MIN_SPREAD)
    order = np.argsort(means @ rng.standard_normal(means.shape[1]), kind="stable")
    folds = np.empty(count, int)
    folds[order] = np.arange(count) % min(FOLDS, count)
    return folds[number]


def _described(crowd: Crowd) -> Iterator[tuple[np.random.Generator, list[np.ndarray]]]:
    """Yield the descriptors, (W, D) each, of others, real and generated windows, once for each repeat.

    Descriptors are mean and standard deviation of the frame vectors, the mean of random features of them, and the
    paces. They are standardised by the other real windows, which are the same whatever is told from them.
    """
    sets = (crowd.others, crowd.real, *crowd.generated)
    frames = [standardise(w.frames, crowd.others.frames, MIN_SPREAD) for w in sets]
    paces = [PACE_WEIGHT * standardise(w.paces, crowd.others.paces, MIN_PACE_SPREAD) for w in sets]
    fixed = [np.concatenate([x.mean(1), x.std(1)], -1) for x in frames]
    fixed = [standardise(x, fixed[0], MIN_DESCRIPTOR_SPREAD) for x in fixed]
    width = frames[0].shape[-1]
    for repeat in range(REPEATS):
        rng = np.random.default_rng([crowd.beside.seed, repeat])
        weights, bias = rng.standard_normal((width, HIDDEN)) / np.sqrt(width), rng.standard_normal(HIDDEN)
        hidden = [np.maximum(x @ weights + bias, 0).mean(1) for x in frames]
        hidden = [standardise(x, hidden[0], MIN_DESCRIPTOR_SPREAD) for x in hidden]
        yield rng, [np.concatenate(parts, -1) for parts in zip(fixed, hidden, paces, strict=True)]


def pair_auc(real: np.ndarray, fake: np.ndarray, noise: float) -> float:
    """Return the chance that a generated window scores above a real one when both scores have Gaussian `noise`."""
    from scipy.special import ndtr

    return float(ndtr((fake[:, None] - real[None, :]) / (np.sqrt(2) * max(noise, 1e-12))).mean())


@dataclass(frozen=True, eq=False)
class Sample:
    """What a critic learns of one kind of windows.

    Attributes:
        mean: (D,) of their descriptors.
        within: (D, D) covariance of windows.
        doubt: (D, D) how far the mean may be off because clips and groups are few: the covariance of a mean over clips
            and that of a mean over groups, added.
    """

    mean: np.ndarray
    within: np.ndarray
    doubt: np.ndarray

    @classmethod
    def of(cls, windows: np.ndarray, *units: np.ndarray) -> Sample:
        """Take a sample of windows (W, D); each of `units` (W,) numbers what may be drawn again: clips, groups."""
        doubt = np.zeros((windows.shape[1],) * 2)
        for unit in units:
            _, number = np.unique(unit, return_inverse=True)
            count = np.bincount(number)
            if len(count) < 2:
                continue
            means = np.zeros((len(count), windows.shape[1]))
            np.add.at(means, number, windows)
            doubt += np.cov((means / count[:, None]).T) / len(count)
        return cls(windows.mean(0), np.cov(windows.T, bias=True), doubt)


def rule(real: Sample, fake: Sample) -> np.ndarray:
    """Return the direction (D,) in which generated windows lie from real ones, for a linear critic under `NOISE`.

    It is Fisher's discriminant of the difference that is to be expected where a difference of variance `PRIOR` in each
    descriptor was expected beforehand: what could as well be the chance of few clips and groups is not learnt.
    """
    eye = np.eye(len(real.mean))
    expected = np.linalg.solve(eye + (real.doubt + fake.doubt) / PRIOR, fake.mean - real.mean)
    return np.linalg.solve((real.within + fake.within) / 2 + NOISE**2 * eye, expected)


@shared
def separations(crowd: Crowd) -> np.ndarray:
    """Return 2 (AUC - 0.5) of critics that tell other real windows from the true ones, and from each sample's.

    A critic is fitted without the groups of a fold and scores their windows. Other clips of a fold's groups are left
    out of the fit with it. A separation below 0 says that what was learnt from other groups does not hold in these.

    Returns:
        (1 + S,), all 0 with fewer than two clips: nothing can be held out.
    """
    sources = (crowd.real, *crowd.generated)
    totals, weight = np.zeros(len(sources)), 0
    if not crowd.comparable:
        return totals
    for rng, (others, *sets) in _described(crowd):
        folds = deal(crowd.real, crowd.beside.groups, rng)
        for fold in range(folds.max() + 1):
            out = folds == fold
            near = out | np.isin(crowd.beside.other_groups, crowd.beside.other_groups[out])
            clips = crowd.others.clips
            learnt, tested = ~(out if near.all() else near)[clips], out[clips]
            real = Sample.of(others[learnt], clips[learnt], crowd.beside.other_groups[clips[learnt]])
            for k, (x, windows) in enumerate(zip(sets, sources, strict=True)):
                held = out[windows.clips]
                clips = windows.clips[~held]
                w = rule(real, Sample.of(x[~held], clips, crowd.beside.groups[clips]))
                noise = NOISE * float(np.linalg.norm(w))
                totals[k] += tested.sum() * pair_auc(others[tested] @ w, x[held] @ w, noise)
            weight += tested.sum()
    return 2 * totals / weight - 1


def adversarial_score(crowd: Crowd) -> float:
    """Return how much better generated windows are told from other real ones than the true windows are."""
    true, *generated = separations(crowd)
    return float(np.mean(generated) - true)


def adversarial_level(crowd: Crowd) -> float:
    """Return how well true windows are told from other real ones: what is subtracted from the score."""
    return float(separations(crowd)[0])


METRICS = (
    MetricInfo(
        name="adversarial_score", label="adversarial", unit="", digits=3,
        direction="lower", category="adversarial", primary=TRACKS,
        source="classifier two-sample test (Lopez-Paz and Oquab 2017), unpaired, less real against real",
        description="2 (AUC - 0.5) of a critic on generated and other real windows, less the same of the true windows",
        compare=adversarial_score, version=2,
    ),
    MetricInfo(
        name="adversarial_level", label="real against real", unit="", digits=3,
        direction="none", category="adversarial",
        source="rae-bench",
        description="2 (AUC - 0.5) of the critic on the true windows and other real ones: the adversarial score's zero",
        compare=adversarial_level,
    ),
)
