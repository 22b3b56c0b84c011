"""Quality of movement without a pose to compare with: too shaky, too smooth, or collapsed to a mean pose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rae_bench.metrics.base import MetricInfo, Sums, length

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion
    from rae_bench.objectives.objectives import Objectives

JERK_FLOOR = 0.1
"""Heights per second cubed, far below moving people's hundreds: keeps the ratio finite where the truth stands still."""
ENERGY_FLOOR = 1e-3
"""Radians a second, for the same reason."""
SPEED_FLOOR = 1e-3
"""Heights a second, likewise."""


def jerk(motion: Motion) -> np.ndarray:
    """Return fps^3 |third difference| of world joint positions, mean over joints, m/s^3, (N, max(T - 3, 0))."""
    p = motion.positions
    if p.shape[1] < 4:
        return np.zeros((len(p), 0), p.dtype)
    return length(p[:, 3:] - p[:, :-3] - 3 * (p[:, 2:-1] - p[:, 1:-2])).mean(-1) * motion.fps**3


def angular_speed(motion: Motion) -> np.ndarray:
    """Return fps times the angle between consecutive local rotations, mean over joints, rad/s, (N, T - 1)."""
    from rae_bench.kinematics import quat

    q = motion.rotations
    return quat.angle(q[:, :-1], q[:, 1:]).mean(-1) * motion.fps


def _ratio(of: np.ndarray, to: np.ndarray, mask: np.ndarray, floor: float) -> Sums:
    above, below = Sums.over(of + floor, mask), Sums.over(to + floor, mask)
    return Sums(above.totals, below.totals, empty=1.0)


def jerk_ratio(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Mean jerk of the generated motion over the truth's; 1 is ideal, above is shaky, below too smooth."""
    return _ratio(jerk(generated), jerk(truth), truth.valid[:, 3:], JERK_FLOOR * truth.rig.height)


def motion_energy_ratio(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Mean angular speed of the generated joints over the truth's; 1 is ideal, near 0 a collapse to a mean pose."""
    return _ratio(angular_speed(generated), angular_speed(truth), truth.valid[:, 1:], ENERGY_FLOOR)


def root_speed(motion: Motion) -> np.ndarray:
    """Return fps times the horizontal distance of the root between frames, m/s, (N, T - 1)."""
    return np.linalg.norm(np.diff(motion.root.origin.astype(np.float64), axis=1), axis=-1) * motion.fps


def root_speed_ratio(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Mean horizontal root speed of the generated motion over the truth's; 1 is ideal: it travels as fast."""
    return _ratio(root_speed(generated), root_speed(truth), truth.valid[:, 1:], SPEED_FLOOR * truth.rig.height)


METRICS = (
    MetricInfo(
        name="jerk_ratio", label="jerk", unit="", digits=2, direction="none", category="quality",
        source="jerk (Flash and Hogan 1985), relative to the truth", description="mean jerk over the truth's; ideal 1",
        measure=jerk_ratio,
    ),
    MetricInfo(
        name="motion_energy_ratio", label="motion energy", unit="", digits=2,
        direction="none", category="quality",
        source="thesis' delta metric, as a ratio",
        description="mean angular speed of joints over the truth's; ideal 1, near 0 is a collapse to the mean pose",
        measure=motion_energy_ratio,
    ),
    MetricInfo(
        name="root_speed_ratio", label="root speed", unit="", digits=2,
        direction="none", category="quality",
        source="rae-bench", description="mean horizontal root speed over the truth's; ideal 1",
        measure=root_speed_ratio,
    ),
)
