"""Copies of a domain on rigs with other bone lengths and fewer joints, for models of any skeleton to learn from."""

from __future__ import annotations

import numpy as np

from rae_bench.model import Domain, Objectives, Rig, RootPath, key_transforms, make_motion, quat, solve_ik

CLIPS = 24
"""Segments in a variant at most: inverse kinematics of all frames is what a variant costs."""
STRETCH = 0.3
"""A bone's length changes by a factor of e^-STRETCH to e^STRETCH."""
MERGED = 0.2
"""The probability with which a joint without a role is merged into its parent."""
LEVEL = 0.97
"""The share of its height at which the pelvis goes, so that feet stay within reach."""
MISSED = 0.01
"""Rig heights. Segments whose contact joints miss their places by more on average are left out."""


def vary(domain: Domain, random: np.random.Generator) -> Domain:
    """The same motion on a rig with other bone lengths and fewer joints, the same on both sides.

    Places over the ground scale with the height of the pelvis, and inverse kinematics brings contact joints to where
    that puts them. At most `CLIPS` segments are copied; those that come out badly are left out, so that there may be
    none.
    """
    pick = np.sort(random.permutation(len(domain))[:CLIPS])
    motion, old = domain.motion[pick], domain.rig
    rig, kept = other_rig(old, random)
    turns = motion.global_rotations[:, :, kept]
    pelvis = old.roles.get("pelvis", 0)
    scale = rig.rest_global[0][kept.tolist().index(pelvis), 1] / old.rest_global[0][pelvis, 1]
    local = turns.copy()
    below = rig.parents >= 0
    local[:, :, below] = quat.mul(quat.inverse(turns[:, :, rig.parents[below]]), turns[:, :, below])
    root = motion.root_positions * (scale * np.array([1, LEVEL, 1], np.float32))
    goals = motion.positions[:, :, old.contact_joints] * scale
    root, local = solve_ik(rig, root, local, rig.contact_joints.tolist(), goals, iterations=12, floor=1e-4)
    moved = make_motion(rig, motion.fps, root, local, lengths=motion.lengths, contacts=motion.contacts)
    miss = np.linalg.norm(moved.positions[:, :, rig.contact_joints] - goals, axis=-1).mean(-1)
    good = np.flatnonzero((miss * moved.valid).sum(1) / moved.valid.sum(1) <= MISSED * rig.height)
    moved, pick = moved[good], pick[good]

    asked = domain.objectives[pick]
    places, ways = key_transforms(moved.positions, moved.global_rotations, rig)
    at = (np.arange(len(pick))[:, None, None], asked.arrivals, np.arange(places.shape[2]))
    names = [tuple(column[i] for i in pick) for column in (domain.ids, domain.groups)]
    objectives = Objectives(places[at], ways[at], asked.arrivals, asked.kinds)
    path = None if domain.path is None else domain.path[pick]
    if path is not None:
        path = RootPath(path.positions * np.float32(scale), path.headings)
    return Domain(f"{domain.name}, varied", rig, moved, objectives, domain.phases[pick], names[0], names[1], path)


def other_rig(rig: Rig, random: np.random.Generator) -> tuple[Rig, np.ndarray]:
    """A rig with other bone lengths and fewer joints, and which joints of `rig` it kept."""
    count, joints = len(rig), np.arange(len(rig))
    first = np.minimum(joints, rig.mirror)  # a pair draws once
    factor = np.exp(random.uniform(-STRETCH, STRETCH, count))[first].astype(np.float32)
    needed = np.isin(joints, [*rig.roles.values(), *rig.contact_joints]) | (rig.parents < 0)
    goes = ((random.random(count) < MERGED)[first] & ~needed & ~needed[rig.mirror])
    kept = np.flatnonzero(~goes)
    rest, offsets, parents = rig.rest.copy(), rig.offsets * factor[:, None], rig.parents.copy()
    for j in np.flatnonzero(goes):  # parents first: what is above a joint has been merged already
        for child in np.flatnonzero(parents == j):
            offsets[child] = offsets[j] + quat.rotate(rest[j], offsets[child])
            rest[child] = quat.mul(rest[j], rest[child])
            parents[child] = parents[j]
    new = np.full(count + 1, -1)
    new[kept] = np.arange(len(kept))
    made = Rig(
        f"{rig.name}-varied", tuple(rig.joint_names[j] for j in kept), new[parents[kept]], offsets[kept],
        {role: int(new[j]) for role, j in rig.roles.items()}, new[rig.contact_joints], rig.limits[kept],
        new[rig.mirror[kept]], rest[kept], rig.fixed_base,
    )  # fmt: skip
    return made, kept
