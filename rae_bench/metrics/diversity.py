"""Diversity: how far apart several continuations of one clip lie."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from rae_bench.metrics.base import CENTIMETRES, MetricInfo, Sums
from rae_bench.metrics.reconstruction import root_aligned_error

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion


def diversity(samples: Sequence[Motion], truth: Motion) -> Sums:
    """Mean root-aligned joint distance in cm between all pairs of samples, over all real frames."""
    pairs = list(combinations(samples, 2))
    apart = np.mean([root_aligned_error(a, b) for a, b in pairs], axis=0)
    return Sums.over(CENTIMETRES * apart, truth.valid)


METRICS = (
    MetricInfo(
        "diversity",
        "cm",
        "none",
        "quality",
        False,
        "multimodality (Guo et al. 2020), on joint positions",
        "joint distance between samples of one clip, in root space; only where there are several",
        spread=diversity,
    ),
)
