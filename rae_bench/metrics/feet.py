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
LEVEL = 1e-4
"""Share of a rig's height: a foot's heights within it are equal. A resting foot keeps them far closer than that."""
WIDE, HALVINGS = 40, 60
"""A weight is 0 or 1 to the last digit at 40 tolerances; 60 halvings reach the last digit of any threshold."""
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


def low_weights(height: np.ndarray, count: np.ndarray, tolerance: float) -> np.ndarray:
    """Return how far each step belongs to the `count` lowest ones of its clip and joint, (N, T, C), 0 to 1.

    The weight is 1 well below a threshold, 0 well above it, and the logistic function of the height between; the
    threshold is such that weights sum to `count`. A rank would be 0 or 1: where a foot rests for longer than `count`,
    its heights are equal up to rounding, and rounding would choose steps of other speeds. Here such steps share.

    Args:
        height: (N, T, C) in metres; infinite where a step does not exist.
        count: (N, C) steps, at most as many as exist.
        tolerance: metres over which the weight falls; heights that differ by much less count as equal.
    """
    from scipy.special import expit

    exists = np.isfinite(height)
    low = height.min(1, where=exists, initial=0) - WIDE * tolerance
    high = height.max(1, where=exists, initial=0) + WIDE * tolerance
    # The sum grows with the threshold, so halving the interval finds it to the last digit.
    for _ in range(HALVINGS):
        threshold = (low + high) / 2
        few = expit((threshold[:, None] - height) / tolerance).sum(1) < count
        low, high = np.where(few, threshold, low), np.where(few, high, threshold)
    return expit((high[:, None] - height) / tolerance) * (count > 0)[:, None]


def foot_sliding_lowest(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Mean horizontal speed in cm/s of each contact joint in its own lowest steps of a clip, by `low_weights`.

    There are as many steps as the truth stands on the joint in that clip. No step needs to be at the truth's time, so a
    gait that is out of step with the truth is not punished. A joint that hovers or never leaves the ground is measured
    all the same, in the steps in which it is lowest. Steps between two of these count too where they take at most
    `SWING`: no foot is lifted and put elsewhere so fast.
    """
    from scipy.ndimage import grey_closing

    count = stance(truth).sum(1)
    y = generated.positions[:, :, generated.rig.contact_joints, 1].astype(np.float64)
    height = np.where(truth.valid[:, 1:, None], (y[:, 1:] + y[:, :-1]) / 2, np.inf)
    low = low_weights(height, count, LEVEL * generated.rig.height)
    gap = max(round(SWING * truth.fps), 1)
    around = np.pad(low, ((0, 0), (gap, gap), (0, 0)))
    low = grey_closing(around, (1, gap + 1, 1))[:, gap:-gap] * truth.valid[:, 1:, None]
    # A joint weighs by the truth's steps, however many of its own count.
    slid = (CENTIMETRES * horizontal_speed(generated) * low).sum(1)
    mean = np.divide(slid, low.sum(1), out=np.zeros_like(slid), where=count > 0)
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
        measure=foot_sliding_lowest, version=3,
    ),
    MetricInfo(
        name=SPEED, label="contact speed of the truth", unit="cm/s", digits=1,
        direction="none", category="feet",
        source="rae-bench",
        description="horizontal speed of the truth's contact joints over all frames, to normalise sliding",
        measure=truth_contact_speed,
    ),
)
