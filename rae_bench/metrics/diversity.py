"""Diversity: how far apart different continuations of one clip are."""

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
    """Return the mean root-aligned joint distance in cm between all pairs of samples, over all real frames."""
    pairs = list(combinations(samples, 2))
    apart = np.mean([root_aligned_error(a, b) for a, b in pairs], axis=0)
    return Sums.over(CENTIMETRES * apart, truth.valid)


METRICS = (
    MetricInfo(
        name="diversity", label="diversity", unit="cm", digits=2, direction="none", category="quality",
        source="multimodality (Guo et al. 2020), on joint positions",
        description="joint distance between samples of one clip, in root space; only where there is more than one",
        spread=diversity,
    ),
)
