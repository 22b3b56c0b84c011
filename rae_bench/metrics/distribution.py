"""Kernel distance and Frechet distance between the distributions of real and generated windows.

Windows are described by mean and standard deviation of their frame vectors (`rae_bench.metrics.windows`), so the
numbers mean the same on every rig. Neither distance is an FID, since no network is trained. Both are distances to other
real clips, less the distance of the true clips to the same others, equally many: both grow where windows are few, and
other clips differ. A difference and not a ratio, because the distance between real clips may be next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rae_bench.metrics.base import MetricInfo, shared
from rae_bench.metrics.windows import MIN_SPREAD, Crowd, RealWindows, Windows, standardise

COMPONENTS = 32
"""Principal components of the real windows in which the Frechet distance is taken."""


def descriptors(real: Windows, fake: Windows) -> tuple[np.ndarray, np.ndarray]:
    """Return the descriptors (W, 2 D) of real and of generated windows, in units of the spread of real frames."""
    described = []
    for windows in (real, fake):
        frames = standardise(windows.frames, real.frames, MIN_SPREAD)
        described.append(np.concatenate([frames.mean(1), frames.std(1)], -1))
    return described[0], described[1]


def kernel_distance(others: Windows, these: Windows) -> float:
    """Squared maximum mean discrepancy under a Gaussian kernel as wide as the median distance of other real windows.

    Within a set only windows of different clips are paired: the windows of one clip are much alike. It may be a little
    below 0.
    """
    x, y = descriptors(others, these)
    apart = _squared_distances(x, x)[others.clips[:, None] != others.clips]
    if not len(apart) or len(np.unique(these.clips)) < 2:
        return 0.0
    width = 2 * max(float(np.median(apart)), 1e-12)
    within = np.exp(-apart / width).mean()
    among = np.exp(-_squared_distances(y, y)[these.clips[:, None] != these.clips] / width).mean()
    return float(within + among - 2 * np.exp(-_squared_distances(x, y) / width).mean())


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.maximum((a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T, 0)


def frechet_distance(others: Windows, these: Windows) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of Gaussians fitted to principal components of other real windows."""
    if len(others.clips) < 2 or len(these.clips) < 2:
        return 0.0
    x, y = descriptors(others, these)
    _, spread, axes = np.linalg.svd(x - x.mean(0), full_matrices=False)
    # With few windows the last direction is arbitrary.
    axes = axes[:COMPONENTS][spread[:COMPONENTS] > 1e-6 * spread[0]]
    if not len(axes):
        axes = np.eye(x.shape[1])[:COMPONENTS]
    x, y = x @ axes.T, y @ axes.T
    a, b = (np.atleast_2d(np.cov(part.T)) for part in (x, y))
    root = _root(a)
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ b @ root), 0)).sum()
    gap = x.mean(0) - y.mean(0)
    return max(float(gap @ gap + np.trace(a) + np.trace(b) - 2 * cross), 0.0)


def _root(matrix: np.ndarray) -> np.ndarray:
    """Square root of a symmetric positive semidefinite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def beyond_real(distance: Callable[[Windows, Windows], float]) -> Callable[[Crowd], float]:
    """Return the measure of a distance of generated windows to other real ones, less that of the true windows."""

    @shared
    def of_truth(beside: RealWindows) -> float:
        return distance(beside.others, beside.real)

    def compare(crowd: Crowd) -> float:
        if not crowd.comparable:
            return 0.0
        return float(np.mean([distance(crowd.others, windows) for windows in crowd.generated]) - of_truth(crowd.beside))

    return compare


METRICS = (
    MetricInfo(
        name="kernel_distance", label="kernel distance", unit="", digits=3,
        direction="lower", category="adversarial",
        source="maximum mean discrepancy (Gretton et al. 2012), less real to real",
        description="squared MMD of generated windows to other real ones, less that of the true windows",
        compare=beyond_real(kernel_distance), version=2,
    ),
    MetricInfo(
        name="frechet_distance", label="Frechet distance", unit="", digits=2,
        direction="lower", category="adversarial",
        source="Frechet distance of Gaussians (Dowson and Landau 1982), less real to real",
        description="Frechet distance of generated windows to other real ones, less that of the true windows",
        compare=beyond_real(frechet_distance), version=2,
    ),
)
