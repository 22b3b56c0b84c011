"""Reconstruction: how far the generated poses are from the true ones, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rae_bench.metrics.base import CENTIMETRES, Measure, MetricInfo, Sums, length, shared
from rae_bench.objectives.tracks import CONTROL, KEYFRAMES, LIMBS

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion
    from rae_bench.objectives.objectives import Objectives

HORIZONS = (0.5, 1.0, 2.0, 4.0)
"""Seconds after the history."""
FIRST = 1.0
"""Seconds in which a path and the history still decide the motion."""


@shared
def root_aligned_error(generated: Motion, truth: Motion) -> np.ndarray:
    """Return the mean over joints of |p_hat - p|, each pose in its own root space, (N, T) metres.

    Drift of the root over the ground and drift of the heading do not count here; height over the ground does.
    """
    difference = generated.root.points_in(generated.positions) - truth.root.points_in(truth.positions)
    return length(difference).mean(-1)


def world_error(generated: Motion, truth: Motion) -> np.ndarray:
    """Return the mean over joints of |p_hat - p| in the world, (N, T) metres."""
    return length(generated.positions - truth.positions).mean(-1)


def rotation_angle(generated: Motion, truth: Motion) -> np.ndarray:
    """Return the mean over joints of the geodesic angle between rotations in root space, (N, T) radians.

    Rotations are those of the whole chain and not parent-relative ones: a twist counts alike, whichever joint has it.
    """
    from rae_bench.kinematics import quat

    # Turning one motion by the difference of headings gives the angles between both seen from their roots.
    turn = quat.from_yaw(truth.root.yaw - generated.root.yaw)
    return quat.angle(quat.mul(turn[..., None, :], generated.global_rotations), truth.global_rotations).mean(-1)


def reconstruction_error(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Root-aligned joint position error in cm over all real frames."""
    return Sums.over(CENTIMETRES * root_aligned_error(generated, truth), truth.valid)


def error_at(seconds: float) -> Measure:
    """Return the measure of the root-aligned error in cm in the one frame `seconds` after the last history frame."""

    def measure(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
        # Frame 0 of the cut is one frame after the history.
        frame = max(round(seconds * truth.fps) - 1, 0)
        here = (np.arange(truth.valid.shape[1]) == frame) & truth.valid
        return Sums.over(CENTIMETRES * root_aligned_error(generated, truth), here)

    return measure


def _first(truth: Motion) -> np.ndarray:
    """Return whether a frame is real and within the first second, (N, T) bool."""
    return truth.valid & (np.arange(truth.valid.shape[1]) < max(round(FIRST * truth.fps), 1))


def first_error(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Root-aligned joint position error in cm over the first second of the roll-out."""
    return Sums.over(CENTIMETRES * root_aligned_error(generated, truth), _first(truth))


def best_first_error(samples: Sequence[Motion], truth: Motion) -> Sums:
    """Root-aligned joint position error in cm over the first second, of each clip's best sample."""
    sums = [Sums.over(CENTIMETRES * root_aligned_error(one, truth), _first(truth)) for one in samples]
    return Sums(np.min([s.totals for s in sums], axis=0), sums[0].weights)


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
        name="reconstruction_error", label="reconstruction", unit="cm", digits=2,
        direction="lower", category="reconstruction", primary=(LIMBS, KEYFRAMES),
        source="MPJPE, root-aligned (Ionescu et al. 2014)",
        description="joint position error in root space, over joints and frames of the roll-out",
        measure=reconstruction_error,
    ),
    MetricInfo(
        name="reconstruction_error@first", label="reconstruction 1st second", unit="cm", digits=2,
        direction="lower", category="reconstruction", primary=(CONTROL,),
        source="MPJPE, root-aligned (Ionescu et al. 2014)",
        description="joint position error in root space within the first second after the history, mean over samples",
        measure=first_error,
    ),
    MetricInfo(
        name="reconstruction_error@first_best", label="reconstruction 1st second, best sample", unit="cm", digits=2,
        direction="lower", category="reconstruction",
        source="best-of-many (Bhattacharyya et al. 2018)",
        description="joint position error in root space within the first second, each clip's best sample",
        spread=best_first_error,
    ),
    *(
        MetricInfo(
            name=f"reconstruction_error@{seconds:g}s", label=f"reconstruction at {seconds:g} s", unit="cm", digits=2,
            direction="lower", category="reconstruction",
            source="MPJPE, root-aligned (Ionescu et al. 2014)",
            description=f"joint position error in root space {seconds:g} s after the history",
            measure=error_at(seconds), optional=True,
        )
        for seconds in HORIZONS
    ),
    MetricInfo(
        name="reconstruction_error_height", label="reconstruction over height", unit="%", digits=2,
        direction="lower", category="reconstruction",
        source="MPJPE over rig height (Aberman et al. 2020)",
        description="joint position error in root space, in percent of the rig's height", measure=relative_error,
    ),
    MetricInfo(
        name="world_position_error", label="world position", unit="cm", digits=2,
        direction="lower", category="reconstruction",
        source="MPJPE (Ionescu et al. 2014)", description="joint position error in the world: drift of the root counts",
        measure=world_position_error,
    ),
    MetricInfo(
        name="rotation_error", label="rotation", unit="deg", digits=1,
        direction="lower", category="reconstruction",
        source="geodesic distance on SO(3) (Huynh 2009)", description="angle between joint rotations in root space",
        measure=rotation_error,
    ),
)
