"""Coverage and diversity of a whole set of generated windows, by the angles between the rotations of joints."""

from __future__ import annotations

import numpy as np

from rae_bench.metrics.base import MetricInfo, shared
from rae_bench.metrics.windows import Crowd, RealWindows, Windows

NEAR = 90.0
"""Percentile of the angles between other real windows and their nearest true one, within which a window is near. A
fixed angle, such as the 20 degrees of AnyTop, is met by a frozen pose where motion is small, and missed by real motion
where it is wide."""


def angles(a: Windows, b: Windows) -> np.ndarray:
    """Return the angle in degrees between the rotations of two windows, over frames and joints, (A, B).

    It is the angle whose chord is the root mean square of the chords of all joints in all frames.
    """
    x, y = a.poses, b.poses
    count = max(x.shape[1] / 9, 1)
    products = x @ y.T  # with nothing between them, numpy halves the work where both are the same windows
    squared = (x * x).sum(1)[:, None] + (y * y).sum(1) - 2 * products
    # |R - S|^2 of two rotation matrices at an angle t is 8 sin(t / 2)^2.
    return 2 * np.degrees(np.arcsin(np.sqrt(np.clip(squared / (8 * count), 0, 1))))


@shared
def true_spread(beside: RealWindows) -> float:
    """Return the mean angle in degrees between true windows of different clips."""
    return _spread(beside.real)


@shared
def near_angle(beside: RealWindows) -> float:
    """Return the angle in degrees within which `NEAR` percent of the other real windows have a true one."""
    return float(np.percentile(angles(beside.others, beside.real).min(1), NEAR))


def _spread(windows: Windows) -> float:
    apart = angles(windows, windows)[windows.clips[:, None] != windows.clips]
    return float(apart.mean()) if len(apart) else 0.0


def coverage(crowd: Crowd) -> float:
    """Return the percentage of other real windows with a generated one as near as `NEAR` percent have a true one."""
    if not crowd.comparable:
        return NEAR
    near = near_angle(crowd.beside)
    return float(np.mean([100 * (angles(crowd.others, w).min(1) <= near).mean() for w in crowd.generated]))


def window_diversity(crowd: Crowd) -> float:
    """Return the mean angle between generated windows of different clips over that between true ones."""
    real = true_spread(crowd.beside) if crowd.comparable else 0.0
    return float(np.mean([_spread(w) for w in crowd.generated]) / real) if real > 1e-6 else 1.0


METRICS = (
    MetricInfo(
        name="coverage", label="coverage", unit="%", digits=0, direction="higher", category="adversarial",
        source="coverage (Li et al. 2022, Gat et al. 2025), radius from real motion",
        description="other real windows with a generated one as near as 90 % of them have a true one; the truth has 90",
        compare=coverage,
    ),
    MetricInfo(
        name="window_diversity", label="window diversity", unit="", digits=2, direction="none", category="adversarial",
        source="mean pairwise distance (Guo et al. 2020), over the truth's",
        description="mean angle between generated windows of different clips over that of true ones; ideal 1",
        compare=window_diversity,
    ),
)
