"""The ground: contact joints that sink into it or hover over it.

A contact joint's stance height is its own, clip by clip: the 5th percentile of its height over the frames in which the
truth stands on it. A joint that the truth does not stand on in a clip is not measured there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rae_bench.metrics.base import CENTIMETRES, MetricInfo, Sums, shared

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion
    from rae_bench.objectives.objectives import Objectives

LOWEST = 0.05
"""Quantile of the heights in stance."""


@shared
def standing(truth: Motion) -> tuple[np.ndarray, np.ndarray]:
    """(N, C) metres, stance height of each contact joint in each clip, and (N, C) bool, whether it has one."""
    contacts = truth.contacts & truth.valid[..., None]
    heights = np.sort(np.where(contacts, truth.positions[:, :, truth.rig.contact_joints, 1], np.inf), axis=1)
    count = contacts.sum(1)
    at = np.round(LOWEST * np.maximum(count - 1, 0)).astype(int)
    height = np.take_along_axis(heights, at[:, None], axis=1)[:, 0]
    return np.where(count > 0, height, 0), count > 0


@shared
def heights(motion: Motion, truth: Motion) -> np.ndarray:
    """(N, T, C) metres of the contact joints over their stance heights."""
    return motion.positions[:, :, motion.rig.contact_joints, 1] - standing(truth)[0][:, None]


def penetration(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Mean depth in cm of contact joints below their stance heights, over joints and frames; 0 where above."""
    below = np.maximum(-heights(generated, truth), 0)
    return Sums.over(CENTIMETRES * below, standing(truth)[1][:, None] & truth.valid[..., None])


def floating(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Height in cm of the lowest contact joint over its stance height, over frames in which the truth stands."""
    above = np.where(standing(truth)[1][:, None], heights(generated, truth), np.inf).min(-1, initial=np.inf)
    stands = truth.contacts.any(-1) & truth.valid
    return Sums.over(CENTIMETRES * np.maximum(above, 0), stands)


METRICS = (
    MetricInfo(
        "penetration",
        "cm",
        "lower",
        "feet",
        False,
        "as in SAME (Lee et al. 2023), over each joint's own stance height",
        "depth of contact joints below the height at which the truth stands on them",
        penetration,
    ),
    MetricInfo(
        "floating",
        "cm",
        "lower",
        "feet",
        False,
        "rae-bench",
        "height of the lowest contact joint while the truth stands",
        floating,
    ),
)
