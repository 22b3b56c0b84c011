"""Feet: horizontal speed of contact joints while the ground truth stands on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rae_bench.metrics.base import CENTIMETRES, MetricInfo, Sums

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion
    from rae_bench.objectives.objectives import Objectives


def horizontal_speed(motion: Motion) -> np.ndarray:
    """fps |p_t - p_(t-1)| on the ground of each contact joint, metres a second; (N, T - 1, C), frames 1 to T - 1."""
    feet = motion.positions[:, :, motion.rig.contact_joints][..., [0, 2]]
    return np.linalg.norm(np.diff(feet, axis=1), axis=-1) * motion.fps


def stance(truth: Motion) -> np.ndarray:
    """(N, T - 1, C) bool: the truth is in contact at t - 1 and at t, for frames 1 ... T - 1.

    A backward difference across a touch-down measures the swing, so the first frame of a stance does not count.
    Contacts come from the truth alone: a model that never touches the ground gains nothing by it.
    """
    return truth.contacts[:, 1:] & truth.contacts[:, :-1] & truth.valid[:, 1:, None]


def foot_sliding(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Mean horizontal speed in cm/s of contact joints in the truth's stance: a foot at 10 cm/s gives 10."""
    return Sums.over(CENTIMETRES * horizontal_speed(generated), stance(truth))


def truth_contact_speed(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Mean horizontal speed in cm/s of the truth's contact joints over all frames: the yardstick of sliding."""
    speed = horizontal_speed(truth)
    return Sums.over(CENTIMETRES * speed, np.broadcast_to(truth.valid[:, 1:, None], speed.shape))


METRICS = (
    MetricInfo(
        "foot_sliding",
        "cm/s",
        "lower",
        "feet",
        True,
        "contact velocity (Harvey et al. 2020), contacts of the truth",
        "horizontal speed of contact joints while the ground truth is in stance",
        foot_sliding,
    ),
    MetricInfo(
        "truth_contact_speed",
        "cm/s",
        "none",
        "feet",
        False,
        "rae-bench",
        "horizontal speed of the truth's contact joints over all frames, to normalise sliding",
        truth_contact_speed,
    ),
)
