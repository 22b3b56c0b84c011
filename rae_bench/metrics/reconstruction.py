"""Reconstruction: how far the generated poses are from the true ones, frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rae_bench.metrics.base import CENTIMETRES, Measure, MetricInfo, Sums, length, shared

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion
    from rae_bench.objectives.objectives import Objectives

HORIZONS = (0.5, 1.0, 2.0, 4.0)
"""Seconds after the history."""


@shared
def root_aligned_error(generated: Motion, truth: Motion) -> np.ndarray:
    """Mean over joints of |p_hat - p|, each pose seen from its own root space; metres, (N, T).

    Drift of the root over the ground and of the heading is not counted here; height over the ground is.
    """
    difference = generated.root.points_in(generated.positions) - truth.root.points_in(truth.positions)
    return length(difference).mean(-1)


def world_error(generated: Motion, truth: Motion) -> np.ndarray:
    """Mean over joints of |p_hat - p| in the world; metres, (N, T)."""
    return length(generated.positions - truth.positions).mean(-1)


def rotation_angle(generated: Motion, truth: Motion) -> np.ndarray:
    """Mean over joints of the geodesic angle between the joints' rotations in root space; radians, (N, T).

    Of whole-chain rotations, not parent-relative ones, so that relabelling where a twist sits does not hide.
    """
    from rae_bench.kinematics import quat

    # Turning one motion by the difference of headings gives the angles between both seen from their roots.
    turn = quat.from_yaw(truth.root.yaw - generated.root.yaw)
    return quat.angle(quat.mul(turn[..., None, :], generated.global_rotations), truth.global_rotations).mean(-1)


def reconstruction_error(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Root-aligned joint position error in cm over all real frames."""
    return Sums.over(CENTIMETRES * root_aligned_error(generated, truth), truth.valid)


def error_at(seconds: float) -> Measure:
    """Root-aligned error in cm at one instant: the frame `seconds` after the last history frame."""

    def measure(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
        # Frame 0 of the cut is one frame after the history.
        frame = max(round(seconds * truth.fps) - 1, 0)
        here = (np.arange(truth.valid.shape[1]) == frame) & truth.valid
        return Sums.over(CENTIMETRES * root_aligned_error(generated, truth), here)

    return measure


def relative_error(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Root-aligned error in percent of the rig's height."""
    return Sums.over(100 * root_aligned_error(generated, truth) / max(truth.rig.height, 1e-6), truth.valid)


def world_position_error(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """World joint position error in cm."""
    return Sums.over(CENTIMETRES * world_error(generated, truth), truth.valid)


def rotation_error(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Geodesic rotation error in degrees."""
    return Sums.over(np.degrees(rotation_angle(generated, truth)), truth.valid)


METRICS = (
    MetricInfo(
        "reconstruction_error",
        "cm",
        "lower",
        "reconstruction",
        True,
        "MPJPE, root-aligned (Ionescu et al. 2014)",
        "joint position error in root space, over joints and frames of the roll-out",
        reconstruction_error,
    ),
    *(
        MetricInfo(
            f"reconstruction_error@{seconds:g}s",
            "cm",
            "lower",
            "reconstruction",
            False,
            "MPJPE, root-aligned (Ionescu et al. 2014)",
            f"joint position error in root space {seconds:g} s after the history",
            error_at(seconds),
            optional=True,
        )
        for seconds in HORIZONS
    ),
    MetricInfo(
        "reconstruction_error_height",
        "%",
        "lower",
        "reconstruction",
        False,
        "MPJPE over rig height (Aberman et al. 2020)",
        "joint position error in root space, in percent of the rig's height",
        relative_error,
    ),
    MetricInfo(
        "world_position_error",
        "cm",
        "lower",
        "reconstruction",
        False,
        "MPJPE (Ionescu et al. 2014)",
        "joint position error in the world: drift of the root counts",
        world_position_error,
    ),
    MetricInfo(
        "rotation_error",
        "deg",
        "lower",
        "reconstruction",
        False,
        "geodesic distance on SO(3) (Huynh 2009)",
        "angle between joint rotations in root space",
        rotation_error,
    ),
)
