"""Rigs between two rigs: bones of one on the way to those of another, joints split or dropped.

They make the distance between rigs (`rae_bench.rigs.correspondence.distance`) an axis that can be chosen.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.rigs.builtin import RigName
from rae_bench.rigs.correspondence import anchors, match, way_to
from rae_bench.rigs.rig import Rig

GIVES = np.radians(10)
"""Radians: how far a joint that splits a bone turns about each axis, either way."""
LEAST = 2
"""A limb keeps so many joints above its end: a hip and a knee."""
DIGITS = 6
"""Decimals of offsets in metres. Arithmetic is double, so they are the same on every machine, and so is what a
generator draws by the hash of a rig."""


def morph(first: Rig, second: Rig, share: float, joints: int = 0) -> Rig:
    """Return a rig with the joints of one whose rest pose stands between those of both.

    Joints on the way from the pelvis to a role of both rigs go to where those of the other lie that correspond
    (`rae_bench.rigs.correspondence.anchors`); joints between two such keep their share of the way between them. Other
    joints, such as fingers, keep their place at the joint above, scaled as the standing height is. Names, rest
    rotations, limits and roles are those of the first rig.

    Args:
        share: 0 for the bones of the first rig, 1 for those of the second.
        joints: how many joints there are more, which split the longest bones between roles in halves and give a little,
            or, below 0, fewer: those without a role or contact whose bones are shortest are dropped. Both sides of the
            body are treated alike.

    Raises:
        UserError: the rigs have no role in common but the pelvis; there are not so many joints to split or drop.
    """
    name = str(RigName(first.name, second.name, share, joints))
    made = replace(first, name=name, offsets=_mixed_offsets(first, second, share))
    if joints:
        made = _split(made, joints) if joints > 0 else _dropped(made, -joints)
    made = replace(made, description=f"{share:g} of the way from {first.name} to {second.name}, {len(made)} joints")
    for array in (made.parents, made.offsets, made.contact_joints, made.limits, made.mirror, made.rest):
        array.setflags(write=False)
    return made


def _mixed_offsets(first: Rig, second: Rig, share: float) -> np.ndarray:
    """(J, 3) offsets of the first rig on the way to the second."""
    here, turned = _standing(first)
    goals, there = _goals(first, second), _standing(second)[0]
    scale = 1 + share * (there[:, 1].max() / here[:, 1].max() - 1)
    places, offsets = here.copy(), first.offsets.astype(np.float64)
    for joint, parent in enumerate(first.parents):  # parents first
        if joint in goals:
            places[joint] = (1 - share) * here[joint] + share * goals[joint]
        elif parent >= 0:
            places[joint] = places[parent] + scale * (here[joint] - here[parent])
        if parent >= 0:
            offsets[joint] = quat.rotate(quat.inverse(turned[parent]), places[joint] - places[parent])
    return _rounded(offsets)


def _standing(rig: Rig) -> tuple[np.ndarray, np.ndarray]:
    """World positions (J, 3) in metres, the lowest at 0, and rotations (J, 4) of the rest pose in double precision."""
    positions, rotations = rig.forward_kinematics(rig.rest[None].astype(np.float64), np.zeros((1, 3)))
    return positions[0] - [0, positions[0, :, 1].min(), 0], rotations[0]


def _rounded(offsets: np.ndarray) -> np.ndarray:
    return np.round(offsets, DIGITS).astype(np.float32)


def _goals(first: Rig, second: Rig) -> dict[int, np.ndarray]:
    """Where joints of the first rig lie in the rest pose of the second, for those that correspond."""
    place = _standing(second)[0]
    roots = first.roles.get("pelvis", 0), second.roles.get("pelvis", 0)
    goals = {roots[0]: place[roots[1]]}
    for role in match(first, second).roles:
        if role == "pelvis":
            continue
        ours, theirs = way_to(first, role), way_to(second, role)
        at, reach = _along(first, ours), _along(second, theirs)
        known = anchors(first, second, role)
        knots = [0, *(at[1 + ours.index(joint)] for joint, _ in known)]
        along = np.interp(at[1:], knots, [0, *(reach[1 + theirs.index(joint)] for _, joint in known)])
        line = place[[roots[1], *theirs]]
        found = np.stack([np.interp(along, reach, line[:, axis]) for axis in range(3)], -1)
        for joint, goal in zip(ours, found, strict=True):
            goals.setdefault(joint, goal)
    for joint, other, _ in match(second, first).contacts:
        goals.setdefault(joint, place[other])
    return goals


def _along(rig: Rig, way: list[int]) -> np.ndarray:
    """(K + 1,) metres from a way's start to that and to each of its K joints."""
    return np.concatenate([[0], _lengths(rig)[way].cumsum()])


def _lengths(rig: Rig) -> np.ndarray:
    """(J,) lengths of bones in metres."""
    return np.linalg.norm(rig.offsets.astype(np.float64), axis=1)


def _split(rig: Rig, count: int) -> Rig:
    """A rig with so many joints more, each in the middle of a bone."""
    on = sorted({joint for role in rig.roles if role != "pelvis" for joint in way_to(rig, role)})
    lengths = _lengths(rig)
    bones = [joint for joint in on if lengths[joint] > 0.02 * rig.height]
    for joint in sorted(_chosen(rig, bones, -lengths, count, "split"), reverse=True):  # from behind: indices stay
        rig = _with_half(rig, joint)
    return rig


def _with_half(rig: Rig, joint: int) -> Rig:
    """A rig with a joint in the middle of the bone that ends at a joint, before it in the order."""
    count = len(rig)
    moved = np.arange(count) + (np.arange(count) >= joint)
    keep = np.insert(np.arange(count), joint, joint)
    parents = np.where(rig.parents >= 0, moved[rig.parents], -1)[keep]
    parents[joint], parents[joint + 1] = moved[rig.parents[joint]], joint
    offsets, limits, rest = rig.offsets[keep], rig.limits[keep], rig.rest[keep]
    offsets[[joint, joint + 1]] /= 2
    limits[joint] = [-GIVES, GIVES]
    rest[joint] = [1, 0, 0, 0]
    mirror = moved[rig.mirror][keep]
    names = list(rig.joint_names)
    names.insert(joint, f"{rig.joint_names[joint]}_half")
    mirror[joint] = joint
    other = int(rig.mirror[joint])
    if other != joint:
        half = f"{rig.joint_names[other]}_half"
        if half in names:  # the other side is there already
            mirror[joint] = names.index(half)
            mirror[names.index(half)] = joint
    return replace(
        rig,
        joint_names=tuple(names),
        parents=parents,
        offsets=offsets,
        roles={role: int(moved[j]) for role, j in rig.roles.items()},
        contact_joints=moved[rig.contact_joints],
        limits=limits,
        mirror=mirror,
        rest=rest,
    )


def _dropped(rig: Rig, count: int) -> Rig:
    """A rig with so many joints fewer; the bone above and the bone below become one."""
    lengths = _lengths(rig)
    needed = {0, *rig.roles.values(), *rig.contact_joints.tolist()}
    bare = [joint for joint in range(len(rig)) if joint not in needed]
    limbs = [set(way_to(rig, role)[:-1]) for role in rig.roles if role not in ("pelvis", "head")]
    spare = [len(limb) - LEAST for limb in limbs]
    gone = []
    for joint in _chosen(rig, bare, lengths, None, "drop"):
        on = [k for k, limb in enumerate(limbs) if joint in limb]
        if all(spare[k] > 0 for k in on):
            gone.append(joint)
            for k in on:
                spare[k] -= 1
    for joint in sorted(_chosen(rig, gone, lengths, count, "drop"), reverse=True):
        rig = _without(rig, joint)
    return rig


def _without(rig: Rig, joint: int) -> Rig:
    """A rig without a joint; its rest rotation goes to the joints below it."""
    keep = np.delete(np.arange(len(rig)), joint)
    moved = np.arange(len(rig)) - (np.arange(len(rig)) > joint)
    parents, offsets, rest = rig.parents.copy(), rig.offsets.astype(np.float64), rig.rest.astype(np.float64)
    own = rest[joint]
    for below in np.flatnonzero(rig.parents == joint):
        parents[below] = rig.parents[joint]
        offsets[below] = offsets[joint] + quat.rotate(own, offsets[below])
        rest[below] = quat.mul(own, rest[below])
    mirror = np.where(rig.mirror == joint, np.arange(len(rig)), rig.mirror)
    return replace(
        rig,
        joint_names=tuple(rig.joint_names[j] for j in keep),
        parents=np.where(parents >= 0, moved[parents], -1)[keep],
        offsets=_rounded(offsets[keep]),
        roles={role: int(moved[j]) for role, j in rig.roles.items()},
        contact_joints=moved[rig.contact_joints],
        limits=rig.limits[keep],
        mirror=moved[mirror][keep],
        rest=rest[keep].astype(np.float32),
    )


def _chosen(rig: Rig, among: list[int], order: np.ndarray, count: int | None, what: str) -> list[int]:
    """So many joints, lowest in an order first, and those of both sides together; all of them for None."""
    sides = [(joint, int(rig.mirror[joint])) for joint in among if joint <= rig.mirror[joint]]
    pairs = [tuple(dict.fromkeys(pair)) for pair in sides if set(pair) <= set(among)]
    found: list[int] = []
    for pair in sorted(pairs, key=lambda pair: (round(float(order[pair[0]]), DIGITS), pair[0])):
        if count is None or len(found) + len(pair) <= count:
            found += pair
    if count is not None and len(found) < count:
        raise UserError(f"rig '{rig.name}': {count} joints to {what} are not there; up to {sum(map(len, pairs))} are")
    return found
