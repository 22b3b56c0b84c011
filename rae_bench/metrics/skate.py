"""Skating as other papers measure it: by the height of the generated foot, without contact labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rae_bench.metrics.base import CENTIMETRES, MetricInfo, Sums
from rae_bench.metrics.feet import horizontal_speed
from rae_bench.metrics.ground import heights, standing

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion
    from rae_bench.objectives.objectives import Objectives

WEIGHT_HEIGHT = 0.015
"""Heights: MANN's 2.5 cm on a person of 1.7 m."""
SHARE_HEIGHT, SHARE_SPEED = 0.03, 0.3
"""Heights, and heights a second: 5 cm and 0.5 m/s on a person of 1.7 m."""
STAND_SPEED = 0.15
"""Heights a second below which a low joint stands, as contacts are found in recordings."""
SHARE_WINDOW = 0.25
"""Seconds: five frames at the 20 a second for which the rule was made."""


def skate(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Return the mean in cm/s over contact joints and frames of v (2 - 2^clip(h / H, 0, 1)).

    v is the horizontal speed, h the height over the joint's stance height, and H is `WEIGHT_HEIGHT`. All of v counts on
    the ground and nothing from H upwards.
    """
    least = max(WEIGHT_HEIGHT * truth.rig.height, 1e-6)
    weight = 2 - np.exp2(np.clip(heights(generated, truth)[:, 1:] / least, 0, 1))
    mask = standing(truth)[1][:, None] & truth.valid[:, 1:, None]
    return Sums.over(CENTIMETRES * horizontal_speed(generated) * weight, mask)


def skating_share(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Return the percentage of frames in which any contact joint skates.

    A joint skates where it is low at both ends of a step, fast in it, and fast on average over `SHARE_WINDOW` around.
    """
    speed, fast = horizontal_speed(generated), SHARE_SPEED * truth.rig.height
    low: np.ndarray = heights(generated, truth) < SHARE_HEIGHT * truth.rig.height
    steps = truth.valid[:, 1:]
    reach = max(round((SHARE_WINDOW * truth.fps - 1) / 2), 0)
    lasting = _average(speed, np.broadcast_to(steps[..., None], speed.shape), reach) > fast
    skates = low[:, 1:] & low[:, :-1] & (speed > fast) & lasting & standing(truth)[1][:, None]
    return Sums.over(100.0 * skates.any(-1), steps & standing(truth)[1].any(1, keepdims=True))


def stance_share(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Return the percentage of steps, over contact joints, in which a joint is low at both ends and slow."""
    low: np.ndarray = heights(generated, truth) < SHARE_HEIGHT * truth.rig.height
    stands = low[:, 1:] & low[:, :-1] & (horizontal_speed(generated) < STAND_SPEED * truth.rig.height)
    return Sums.over(100.0 * stands, truth.valid[:, 1:, None] & standing(truth)[1][:, None])


def _average(values: np.ndarray, mask: np.ndarray, reach: int) -> np.ndarray:
    """Return the mean, (N, T, C), over the frames at most `reach` away in which `mask` is true."""
    total, count = (_window_sum(part.astype(np.float64), reach) for part in (np.where(mask, values, 0), mask))
    return total / np.maximum(count, 1)


def _window_sum(values: np.ndarray, reach: int) -> np.ndarray:
    frames = values.shape[1]
    running = np.concatenate([np.zeros_like(values[:, :1]), np.cumsum(values, axis=1)], 1)
    frame = np.arange(frames)
    return running[:, np.minimum(frame + reach + 1, frames)] - running[:, np.maximum(frame - reach, 0)]


METRICS = (
    MetricInfo(
        name="skate", label="skate", unit="cm/s", digits=1, direction="lower", category="feet",
        source="MANN (Zhang et al. 2018), height scaled to the rig",
        description="horizontal speed of contact joints, weighted by how near they are to their stance height",
        measure=skate,
    ),
    MetricInfo(
        name="skating_share", label="skating frames", unit="%", digits=1,
        direction="lower", category="feet",
        source="GMD (Karunratanakul et al. 2023), thresholds scaled to the rig",
        description="frames in which a low contact joint moves faster than 0.3 heights a second", measure=skating_share,
    ),
    MetricInfo(
        name="stance_share", label="stance", unit="%", digits=1, direction="none", category="feet",
        source="rae-bench", description="steps in which a contact joint is low and slow; ideal is the truth's",
        measure=stance_share,
    ),
)
