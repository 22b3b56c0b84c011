"""Feet: horizontal speed of contact joints while the ground truth stands on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rae_bench.metrics.base import CENTIMETRES, MetricInfo, Sums
from rae_bench.objectives.tracks import CONTROL, KEYFRAMES, LIMBS

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion
    from rae_bench.objectives.objectives import Objectives


SWING = 0.1
"""Seconds: a foot that leaves the ground for less has not made a step."""
SPEED = "truth_contact_speed"
"""The metric that says how fast the true feet are, whatever was generated."""


def horizontal_speed(motion: Motion) -> np.ndarray:
    """Return fps |p_t - p_(t-1)| over the ground of each contact joint, m/s, (N, T - 1, C), for frames 1 to T - 1."""
    feet = motion.positions[:, :, motion.rig.contact_joints][..., [0, 2]]
    return np.linalg.norm(np.diff(feet, axis=1), axis=-1) * motion.fps


def stance(truth: Motion) -> np.ndarray:
    """Return whether the truth is in contact at t - 1 and at t, (N, T - 1, C) bool, for frames 1 to T - 1.

    A backward difference across a touch-down measures the swing, so the first frame of a stance does not count.
    Contacts come from the truth alone, so a model that never touches the ground gains nothing.
    """
    return truth.contacts[:, 1:] & truth.contacts[:, :-1] & truth.valid[:, 1:, None]


def foot_sliding(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Mean horizontal speed in cm/s of contact joints in the truth's stance: a foot at 10 cm/s gives 10."""
    return Sums.over(CENTIMETRES * horizontal_speed(generated), stance(truth))


def foot_sliding_lowest(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Mean horizontal speed in cm/s of each contact joint in its own lowest steps of a clip.

    There are as many steps as the truth stands on the joint in that clip. No step needs to be at the truth's time, so a
    gait that is out of step with the truth is not punished. A joint that hovers or never leaves the ground is measured
    all the same, in the steps in which it is lowest. Steps between two of these count too where they take at most
    `SWING`: no foot is lifted and put elsewhere so fast.
    """
    from scipy.ndimage import binary_closing

    count = stance(truth).sum(1)
    y = generated.positions[:, :, generated.rig.contact_joints, 1].astype(np.float64)
    height = np.where(truth.valid[:, 1:, None], (y[:, 1:] + y[:, :-1]) / 2, np.inf)
    low = height.argsort(1, kind="stable").argsort(1, kind="stable") < count[:, None]
    gap = max(round(SWING * truth.fps), 1)
    around = np.pad(low, ((0, 0), (gap, gap), (0, 0)))
    low = binary_closing(around, np.ones((1, gap + 1, 1), bool))[:, gap:-gap]
    # A joint weighs by the truth's steps, however many of its own count.
    mean = (CENTIMETRES * horizontal_speed(generated) * low).sum(1) / np.maximum(low.sum(1), 1)
    return Sums((mean * count).sum(1, keepdims=True), count.sum(1, keepdims=True).astype(np.float64))


def truth_contact_speed(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Mean horizontal speed in cm/s of the truth's contact joints over all frames: the yardstick of sliding."""
    speed = horizontal_speed(truth)
    return Sums.over(CENTIMETRES * speed, np.broadcast_to(truth.valid[:, 1:, None], speed.shape))


METRICS = (
    MetricInfo(
        name="foot_sliding", label="foot sliding", unit="cm/s", digits=1,
        direction="lower", category="feet", primary=(LIMBS, KEYFRAMES),
        source="contact velocity (Harvey et al. 2020), contacts of the truth",
        description="horizontal speed of contact joints while the ground truth is in stance", measure=foot_sliding,
    ),
    MetricInfo(
        name="foot_sliding_lowest", label="foot sliding, lowest", unit="cm/s", digits=1,
        direction="lower", category="feet", primary=(CONTROL,),
        source="rae-bench; contact velocity without the truth's phase",
        description="horizontal speed of each contact joint in its lowest frames, as many as the truth stands on it",
        measure=foot_sliding_lowest, version=2,
    ),
    MetricInfo(
        name=SPEED, label="contact speed of the truth", unit="cm/s", digits=1,
        direction="none", category="feet",
        source="rae-bench",
        description="horizontal speed of the truth's contact joints over all frames, to normalise sliding",
        measure=truth_contact_speed,
    ),
)
