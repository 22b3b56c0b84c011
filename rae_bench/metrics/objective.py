"""Objectives: how near each key joint is to where it had to be when it had to be there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rae_bench.metrics.base import CENTIMETRES, MetricInfo, Sums

if TYPE_CHECKING:
    from rae_bench.motion import Motion
    from rae_bench.objectives import Objectives

REACHED = 0.05
"""Within this share of the rig's height counts as reached."""


@dataclass(frozen=True, eq=False)
class Arrivals:
    """Each distinct objective (clip, role, arrival frame) once.

    Attributes:
        due: (N, T, 8) bool, an objective of the role arrives at this frame.
        positions: (N, T, 8, 3) metres, world; of the latest row that names the arrival.
        rotations: (N, T, 8, 4) world, relative to the rest pose.
    """

    due: np.ndarray
    positions: np.ndarray
    rotations: np.ndarray


def arrivals(objectives: Objectives, lengths: np.ndarray) -> Arrivals:
    """The objectives that come due within the clips.

    One that is due at frame 0 is not among the rows (row t looks beyond t), nor would it ask anything: it is one
    frame away from the history.
    """
    due = np.zeros(objectives.kinds.shape, bool)
    positions = np.zeros_like(objectives.positions)
    rotations = np.zeros_like(objectives.rotations)
    rotations[..., 0] = 1
    frame = np.arange(objectives.kinds.shape[1])[:, None]
    at = objectives.arrivals
    inside = objectives.active & (at > frame) & (at < np.asarray(lengths)[:, None, None])
    # Rows come in frame order, so where several name one arrival the latest is kept.
    clip, row, slot = np.nonzero(inside)
    when = at[clip, row, slot]
    due[clip, when, slot] = True
    positions[clip, when, slot] = objectives.positions[clip, row, slot]
    rotations[clip, when, slot] = objectives.rotations[clip, row, slot]
    return Arrivals(due, positions, rotations)


def distances(generated: Motion, targets: Arrivals) -> np.ndarray:
    """Metres between each key joint and the objective due, (N, T, 8); 0 where none is due."""
    from rae_bench.objectives import key_transforms

    positions, _ = key_transforms(generated.positions, generated.global_rotations, generated.rig)
    return np.where(targets.due, np.linalg.norm(positions - targets.positions, axis=-1), 0)


def angles(generated: Motion, targets: Arrivals) -> np.ndarray:
    """Radians between each key joint's rotation and that of the objective due, (N, T, 8); 0 where none is due."""
    from rae_bench.kinematics import quat
    from rae_bench.objectives import key_transforms

    _, rotations = key_transforms(generated.positions, generated.global_rotations, generated.rig)
    return np.where(targets.due, quat.angle(rotations, targets.rotations), 0)


def _by_role(values: np.ndarray, due: np.ndarray) -> Sums:
    return Sums(np.where(due, values, 0).sum(1).astype(np.float64), due.sum(1).astype(np.float64))


def objective_error(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Distance in cm at arrival: mean within each role, then over roles."""
    targets = arrivals(objectives, truth.lengths)
    return _by_role(CENTIMETRES * distances(generated, targets), targets.due)


def objective_rotation_error(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Angle in degrees at arrival: mean within each role, then over roles."""
    targets = arrivals(objectives, truth.lengths)
    return _by_role(np.degrees(angles(generated, targets)), targets.due)


def objective_reached(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Percent of objectives with the key joint within 5 % of the rig's height at arrival: within, then over roles."""
    targets = arrivals(objectives, truth.lengths)
    near = distances(generated, targets) <= REACHED * truth.rig.height
    return _by_role(100.0 * near, targets.due)


METRICS = (
    MetricInfo(
        "objective_error",
        "cm",
        "lower",
        "objective",
        True,
        "rae-bench; thesis' DistanceObjective at the deadline",
        "distance of key joints to their objectives at arrival, averaged within then over roles",
        objective_error,
    ),
    MetricInfo(
        "objective_rotation_error",
        "deg",
        "lower",
        "objective",
        False,
        "rae-bench",
        "angle of key joints to their objectives at arrival, averaged within then over roles",
        objective_rotation_error,
    ),
    MetricInfo(
        "objective_reached",
        "%",
        "higher",
        "objective",
        False,
        "rae-bench; success radius as a share of height",
        "objectives met within 5 % of the rig's height, averaged within then over roles",
        objective_reached,
    ),
)
