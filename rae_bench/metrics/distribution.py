"""Kernel distance and Frechet distance between the distributions of real and generated windows.

Windows are described by mean and standard deviation of their frame vectors (`rae_bench.metrics.windows`), so the
numbers mean the same on every rig. Neither distance is an FID, since no network is trained. Values compare within one
test set only, since they depend on the number of windows.
"""

from __future__ import annotations

import numpy as np

from rae_bench.metrics.base import MetricInfo
from rae_bench.metrics.windows import MIN_SPREAD, Windows, standardise

COMPONENTS = 32
"""Principal components of the real windows in which the Frechet distance is taken."""


def descriptors(real: Windows, fake: Windows) -> tuple[np.ndarray, np.ndarray]:
    """Return the descriptors (W, 2 D) of real and of generated windows, in units of the spread of real frames."""
    described = []
    for windows in (real, fake):
        frames = standardise(windows.frames, real.frames, MIN_SPREAD)
        described.append(np.concatenate([frames.mean(1), frames.std(1)], -1))
    return described[0], described[1]


def kernel_distance(real: Windows, fake: Windows, clips: int, seed: int) -> float:
    """Squared maximum mean discrepancy under a Gaussian kernel as wide as the median distance of real windows.

    Only windows of different clips are paired, also real ones with generated ones: the windows of one clip are much
    alike. A copy of the truth scores 0.
    """
    if clips < 2 or not len(real.clips) or not len(fake.clips):
        return 0.0
    x, y = descriptors(real, fake)
    apart = _squared_distances(x, x)[real.clips[:, None] != real.clips]
    if not len(apart):
        return 0.0
    width = max(float(np.median(apart)), 1e-12)
    pairs = ((x, real.clips, x, real.clips), (y, fake.clips, y, fake.clips), (x, real.clips, y, fake.clips))
    means = [
        np.exp(-_squared_distances(a, b)[n[:, None] != m] / (2 * width)).mean() for a, n, b, m in pairs
    ]
    return max(float(means[0] + means[1] - 2 * means[2]), 0.0)


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.maximum((a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T, 0)


def frechet_distance(real: Windows, fake: Windows, clips: int, seed: int) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of Gaussians fitted to the real windows' principal components."""
    if clips < 2 or len(real.clips) < 2 or len(fake.clips) < 2:
        return 0.0
    x, y = descriptors(real, fake)
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


METRICS = (
    MetricInfo(
        name="kernel_distance", label="kernel distance", unit="", digits=3,
        direction="lower", category="adversarial",
        source="maximum mean discrepancy (Gretton et al. 2012)",
        description="squared MMD between real and generated windows, Gaussian kernel", compare=kernel_distance,
    ),
    MetricInfo(
        name="frechet_distance", label="Frechet distance", unit="", digits=2,
        direction="lower", category="adversarial",
        source="Frechet distance of Gaussians (Dowson and Landau 1982)",
        description="Frechet distance between real and generated windows in 32 principal components",
        compare=frechet_distance,
    ),
)
