"""The ground: contact joints that sink into it or hover over it.

The stance height of a contact joint in a clip is the 5th percentile of its height over the frames in which the truth
stands on it. A joint that the truth does not stand on in a clip is not measured in that clip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rae_bench.metrics.base import CENTIMETRES, MetricInfo, Sums, shared

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion
    from rae_bench.objectives.objectives import Objectives

LOWEST = 0.05
"""The quantile of the heights in stance that is the stance height."""


@shared
def standing(truth: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Return the stance height of each contact joint in each clip, (N, C) metres, and whether it has one, (N, C)."""
    contacts = truth.contacts & truth.valid[..., None]
    heights = np.sort(np.where(contacts, truth.positions[:, :, truth.rig.contact_joints, 1], np.inf), axis=1)
    count = contacts.sum(1)
    at = np.round(LOWEST * np.maximum(count - 1, 0)).astype(int)
    height = np.take_along_axis(heights, at[:, None], axis=1)[:, 0]
    return np.where(count > 0, height, 0), count > 0


@shared
def heights(motion: Motion, truth: Motion) -> np.ndarray:
    """Return the heights of the contact joints over their stance heights, (N, T, C) metres."""
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
        name="penetration", label="penetration", unit="cm", digits=2, direction="lower", category="feet",
        source="as in SAME (Lee et al. 2023), over each joint's own stance height",
        description="depth of contact joints below the height at which the truth stands on them", measure=penetration,
    ),
    MetricInfo(
        name="floating", label="floating", unit="cm", digits=2, direction="lower", category="feet",
        source="rae-bench", description="height of the lowest contact joint while the truth stands", measure=floating,
    ),
)
