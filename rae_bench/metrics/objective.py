"""Objectives: how near each key joint is to its objective when the objective is due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rae_bench.metrics.base import CENTIMETRES, Measure, MetricInfo, Sums, length, shared
from rae_bench.objectives.tracks import KEYFRAMES, LIMBS

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion
    from rae_bench.objectives.objectives import Objectives

REACHED = 0.05
"""An objective counts as reached within this share of the rig's height."""
RADII = (0.01, 0.02, 0.1)
"""Other shares of the height: the curve of the reach rate."""
THESIS_RADIUS = 0.1
"""The radius of the thesis, metres."""
WIDEST = 0.2
"""Share of the height up to which the area under that curve goes."""
HOLD_SECONDS = 0.5
"""How long after its arrival, at most, and before it, a hold is followed."""
COST_FLOOR = 1e-3
"""Heights: what the truth's mean distance counts at least."""


@dataclass(frozen=True, eq=False)
class Arrivals:
    """Each distinct objective (clip, role, arrival frame) once, K of them.

    Attributes:
        clip, frame, slot: (K,) int, where and when it is due.
        positions: (K, 3) metres, world; of the latest row that names the arrival.
        rotations: (K, 4) world, relative to the rest pose.
        kinds: (K,) index into `rae_bench.objectives.objectives.KINDS`.
    """

    clip: np.ndarray
    frame: np.ndarray
    slot: np.ndarray
    positions: np.ndarray
    rotations: np.ndarray
    kinds: np.ndarray


@shared
def arrivals(objectives: Objectives, truth: Motion) -> Arrivals:
    """Return the objectives that come due within the clips.

    An objective that is due at frame 0 is not among the rows, since row t looks beyond t. It would also ask for
    nothing: it is one frame away from the history.
    """
    clips, frames, slots = objectives.kinds.shape
    at = objectives.arrivals
    inside = objectives.active & (at > np.arange(frames)[:, None]) & (at < truth.lengths[:, None, None])
    clip, row, slot = np.nonzero(inside)
    when = at[clip, row, slot]
    # Rows come in frame order, so where several name one arrival the latest is kept.
    latest = np.full((clips, frames, slots), -1)
    latest[clip, when, slot] = row
    clip, when, slot = np.nonzero(latest >= 0)
    of = clip, latest[clip, when, slot], slot
    return Arrivals(clip, when, slot, objectives.positions[of], objectives.rotations[of], objectives.kinds[of])


@shared
def key_poses(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Return world positions (N, T, 8, 3) and rest-relative rotations (N, T, 8, 4) of the key joints."""
    from rae_bench.objectives.objectives import key_transforms

    return key_transforms(motion.positions, motion.global_rotations, motion.rig)


@shared
def distances(generated: Motion, truth: Motion, objectives: Objectives) -> np.ndarray:
    """Return the distance between each key joint and the objective that is due, (K,) metres."""
    due = arrivals(objectives, truth)
    return length(key_poses(generated)[0][due.clip, due.frame, due.slot] - due.positions)


def _by_role(values: np.ndarray, due: Arrivals, shape: tuple[int, int, int]) -> Sums:
    """Sum `values` (K,) of arrivals by role; `shape` is that of the objectives, (N, T, 8)."""
    cell = due.clip * shape[2] + due.slot
    size, table = shape[0] * shape[2], (shape[0], shape[2])
    totals = np.bincount(cell, values, size).reshape(table)
    return Sums(totals, np.bincount(cell, minlength=size).astype(np.float64).reshape(table))


def objective_error(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Return the distance in cm at arrival: the mean within each role, then over roles."""
    gaps = CENTIMETRES * distances(generated, truth, objectives)
    return _by_role(gaps, arrivals(objectives, truth), objectives.kinds.shape)


def objective_rotation_error(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Return the angle in degrees at arrival: the mean within each role, then over roles."""
    from rae_bench.kinematics import quat

    due = arrivals(objectives, truth)
    turns = quat.angle(key_poses(generated)[1][due.clip, due.frame, due.slot], due.rotations)
    return _by_role(np.degrees(turns), due, objectives.kinds.shape)


def reached(share: float = 0.0, metres: float = 0.0) -> Measure:
    """Return the measure of the percentage of objectives reached within `share` of the height plus `metres`."""

    def measure(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
        near = distances(generated, truth, objectives) <= share * truth.rig.height + metres
        return _by_role(100.0 * near, arrivals(objectives, truth), objectives.kinds.shape)

    return measure


def objective_reach_area(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Return the percentage reached, averaged over all radii from 0 to R = `WIDEST` of the rig's height.

    An error e below R counts 1 - e / R.
    """
    gaps = distances(generated, truth, objectives) / max(WIDEST * truth.rig.height, 1e-6)
    return _by_role(100.0 * np.maximum(1 - gaps, 0), arrivals(objectives, truth), objectives.kinds.shape)


@shared
def holds(truth: Motion, objectives: Objectives) -> tuple[np.ndarray, np.ndarray]:
    """Return frames (K, W) about each arrival, and whether the truth stays at the objective from there to the arrival.

    It stays at an objective while it is within `REACHED` of it in every frame. Only contacts and targets count: a
    keyframe of a pelvis is passed, not held.
    """
    from rae_bench.objectives.objectives import CONTACT, TARGET

    due = arrivals(objectives, truth)
    reach = max(round(HOLD_SECONDS * truth.fps), 1)
    frames = due.frame[:, None] + np.arange(-reach, reach + 1)
    inside = (frames >= 0) & (frames < truth.lengths[due.clip][:, None])
    frames = np.where(inside, frames, due.frame[:, None])
    places = key_poses(truth)[0][due.clip[:, None], frames, due.slot[:, None]]
    near = inside & (length(places - due.positions[:, None]) <= REACHED * truth.rig.height)
    near &= np.isin(due.kinds, (CONTACT, TARGET))[:, None]
    before = np.logical_and.accumulate(near[:, reach::-1], axis=1)[:, ::-1]
    after = np.logical_and.accumulate(near[:, reach:], axis=1)
    return frames, np.concatenate([before, after[:, 1:]], 1)


def hold_error(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Return the distance in cm over the frames in which the truth stays at a contact or target, then over roles."""
    due = arrivals(objectives, truth)
    frames, kept = holds(truth, objectives)
    objective, offset = np.nonzero(kept)
    clip, slot = due.clip[objective], due.slot[objective]
    gaps = length(key_poses(generated)[0][clip, frames[objective, offset], slot] - due.positions[objective])
    count, _, slots = objectives.kinds.shape
    totals = np.bincount(clip * slots + slot, CENTIMETRES * gaps, count * slots)
    weights = np.bincount(clip * slots + slot, minlength=count * slots).astype(np.float64)
    return Sums(totals.reshape(count, slots), weights.reshape(count, slots))


def objective_cost_ratio(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Return the area under the distance to the current objective over that of the truth, by role; 1 is as direct."""
    inside = objectives.active & truth.valid[..., None]
    over, under = (
        np.where(inside, length(key_poses(motion)[0] - objectives.positions), 0).sum(1, dtype=np.float64)
        for motion in (generated, truth)
    )
    floor = COST_FLOOR * truth.rig.height * inside.sum(1)
    return Sums(over + floor, under + floor, empty=1.0)


METRICS = (
    MetricInfo(
        name="objective_error", label="objective", unit="cm", digits=2,
        direction="lower", category="objective", primary=(LIMBS, KEYFRAMES),
        source="rae-bench; thesis' DistanceObjective at the deadline",
        description="distance of key joints to their objectives at arrival, averaged within then over roles",
        measure=objective_error,
    ),
    MetricInfo(
        name="objective_rotation_error", label="objective rotation", unit="deg", digits=1,
        direction="lower", category="objective",
        source="rae-bench",
        description="angle of key joints to their objectives at arrival, averaged within then over roles",
        measure=objective_rotation_error,
    ),
    MetricInfo(
        name="objective_reached", label="reached within 5 %", unit="%", digits=1,
        direction="higher", category="objective",
        source="rae-bench; success radius as a share of height",
        description="objectives met within 5 % of the rig's height, averaged within then over roles",
        measure=reached(REACHED),
    ),
    *(
        MetricInfo(
            name=f"objective_reached@{100 * share:g}%", label=f"reached within {100 * share:g} %", unit="%", digits=1,
            direction="higher", category="objective",
            source="rae-bench; success radius as a share of height",
            description=f"objectives met within {100 * share:g} % of the rig's height, averaged within then over roles",
            measure=reached(share),
        )
        for share in RADII
    ),
    MetricInfo(
        name="objective_reached@0.1m", label="reached within 0.1 m", unit="%", digits=1,
        direction="higher", category="objective",
        source="thesis' contact accuracy", description="objectives met within 0.1 m, averaged within then over roles",
        measure=reached(metres=THESIS_RADIUS),
    ),
    MetricInfo(
        name="objective_reach_area", label="reach area", unit="%", digits=1,
        direction="higher", category="objective",
        source="rae-bench", description="objectives met, averaged over radii from 0 to 20 % of the rig's height",
        measure=objective_reach_area,
    ),
    MetricInfo(
        name="hold_error", label="held objective", unit="cm", digits=2,
        direction="lower", category="objective",
        source="rae-bench", description="distance of key joints to contacts and targets while the truth keeps to them",
        measure=hold_error,
    ),
    MetricInfo(
        name="objective_cost_ratio", label="objective cost", unit="", digits=2,
        direction="none", category="objective",
        source="thesis' summed position cost, as a ratio",
        description="area under the distance to the current objective over that of the truth; ideal 1",
        measure=objective_cost_ratio,
    ),
)
