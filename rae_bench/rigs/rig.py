"""Rigs: what a skeleton is, and how one is built from names. docs/reference/formats.md describes rig files."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from rae_bench.errors import UserError, unknown
from rae_bench.kinematics.forward import forward_kinematics
from rae_bench.rigs.tree import depth_first, find_cycle, reordered

ROLES = ("pelvis", "head", "left_hand", "right_hand", "left_foot", "right_foot", "left_mid", "right_mid")
"""The eight ordered slots that all rigs share; a rig without a role leaves its slot masked."""

FREE = math.pi
"""Radians: an axis with the limits -FREE and FREE turns freely."""
MAX_JOINTS = 1000
"""More joints than any character has; a hostile file is refused before arrays of joints x joints are made."""
LARGEST = 1e9
"""Numbers beyond it are no place and no angle, and their squares overflow single precision soon after."""
LEG_TO_HEIGHT = 1.9
"""A headless rig counts as this many leg lengths tall, a standing adult's ratio."""
FLAT = 0.2
"""A rig without feet and hands, such as a snake, counts as at least this share of its length tall."""


@dataclass(frozen=True, eq=False)
class Rig:
    """A skeleton of J joints, parents first.

    Attributes:
        name: short name.
        joint_names: J unique names.
        parents: (J,) int, -1 at the root.
        offsets: (J, 3) float32, metres, in the parent's axes; kinematics ignores the root's.
        roles: role -> joint index.
        contact_joints: (C,) int, joints that touch the ground.
        limits: (J, 3, 2) float32, radians about x, y, z away from the rest pose; -pi to pi is free, 0 to 0 is locked.
        mirror: (J,) int, the joint on the other side; itself on the midline.
        rest: (J, 4) float32 local rotations (w, x, y, z) of the standing rest pose, which faces +Z.
        fixed_base: whether the root stays where it is, as that of an arm on a table does.
        description: one line for people.
    """

    name: str
    joint_names: tuple[str, ...]
    parents: np.ndarray
    offsets: np.ndarray
    roles: Mapping[str, int]
    contact_joints: np.ndarray
    limits: np.ndarray
    mirror: np.ndarray
    rest: np.ndarray
    fixed_base: bool = False
    description: str = ""

    def __len__(self) -> int:
        return len(self.joint_names)

    def __repr__(self) -> str:
        return f"Rig('{self.name}', {len(self)} joints, height {self.height:.3g} m)"

    @cached_property
    def key_joints(self) -> np.ndarray:
        """(8,) int: the joint of each role slot, -1 where the rig has none."""
        return np.array([self.roles.get(role, -1) for role in ROLES])

    @cached_property
    def role_mask(self) -> np.ndarray:
        """(8,) bool: which role slots this rig fills."""
        return self.key_joints >= 0

    @cached_property
    def contact_slots(self) -> np.ndarray:
        """(C,) int: role slot of each contact joint, by the nearest key joint at or above it; -1 where none is."""
        slot_of = {joint: slot for slot, joint in enumerate(self.key_joints) if joint >= 0}
        slots = []
        for joint in self.contact_joints:
            j = int(joint)
            while j >= 0 and j not in slot_of:
                j = int(self.parents[j])
            slots.append(slot_of.get(j, -1))
        return np.array(slots, dtype=int)

    @cached_property
    def ancestors(self) -> np.ndarray:
        """(J, J) bool: [j, k] is true where k is j or lies between j and the root."""
        mask = np.eye(len(self), dtype=bool)
        for j, p in enumerate(self.parents):
            if p >= 0:
                mask[j] |= mask[p]
        return mask

    @cached_property
    def depths(self) -> np.ndarray:
        """(J,) int: the number of joints above each joint."""
        return self.ancestors.sum(1) - 1

    @cached_property
    def rest_global(self) -> tuple[np.ndarray, np.ndarray]:
        """Standing rest pose in the world: positions (J, 3) in metres, lowest joint at y = 0, and rotations (J, 4)."""
        positions, rotations = self.forward_kinematics(self.rest[None], np.zeros((1, 3), np.float32))
        lowest = 0.0 if self.fixed_base else positions[0, :, 1].min()
        positions = positions[0] - np.array([0, lowest, 0], np.float32)
        for array in (positions, rotations[0]):
            array.setflags(write=False)
        return positions, rotations[0]

    @cached_property
    def height(self) -> float:
        """Metres from the ground to the top of the head in the standing rest pose; leg length x 1.9 without a head.

        Without feet and hands it is the extent of the rest pose, of an arm alone the length of its bones.
        """
        y = self.rest_global[0][:, 1]
        if not set(self.roles) - {"pelvis", "head"} and not self.fixed_base and len(self) > 1:
            extent = np.ptp(self.rest_global[0], axis=0)
            return float(max(extent[1], FLAT * extent.max()))
        if "head" in self.roles:
            return float(y[self.ancestors[:, self.roles["head"]]].max() - y.min())
        legs = [self.roles[role] for role in ROLES[4:] if role in self.roles]
        if legs:
            root = self.roles.get("pelvis", 0)
            return float(LEG_TO_HEIGHT * (y[root] - y[legs].min()))
        return float(np.linalg.norm(self.offsets[1:], axis=1).sum())

    @cached_property
    def content_hash(self) -> str:
        """sha256 of all that kinematics and roles depend on: names and numbers, not the description."""
        digest = hashlib.sha256()
        digest.update(json.dumps([self.joint_names, sorted(self.roles.items()), self.fixed_base]).encode())
        for array in (self.parents, self.offsets, self.contact_joints, self.limits, self.mirror, self.rest):
            digest.update(np.round(np.asarray(array, np.float64), 7).tobytes())
        return digest.hexdigest()

    def forward_kinematics(
        self, rotations: np.ndarray, root_positions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return world positions (..., J, 3) in metres and rotations (..., J, 4), as `forward_kinematics` does."""
        return forward_kinematics(rotations, root_positions, self.parents, self.offsets)

    def index(self, joint: str) -> int:
        """Return the index of a joint by name.

        Raises:
            UserError: The rig has no such joint; the nearest names are suggested.
        """
        try:
            return self.joint_names.index(joint)
        except ValueError:
            raise unknown(f"joint of rig '{self.name}'", joint, self.joint_names) from None

    def require_roles(self, roles: tuple[str, ...] | list[str], why: str) -> None:
        """Raise `UserError` when any of `roles` has no joint on this rig; `why` says who needs them."""
        missing = [role for role in roles if role not in self.roles]
        if missing:
            raise UserError(f"rig '{self.name}' has no joint for role {', '.join(missing)}, which {why} needs")


def make_rig(
    name: str,
    joints: Sequence[tuple[str, str | None, Any]],
    roles: Mapping[str, str],
    *,
    contact_joints: Sequence[str] = (),
    limits: Mapping[str, Mapping[str, Any]] | None = None,
    mirror: Sequence[Sequence[str]] = (),
    rest: Mapping[str, Any] | None = None,
    fixed_base: bool = False,
    description: str = "",
    where: str = "",
) -> Rig:
    """Build a rig from names, and check it.

    Args:
        name: name of the rig.
        joints: (name, parent's name or None, offset of 3 metres in the parent's axes), in any order.
        roles: role -> joint name.
        contact_joints: names of the joints that touch the ground.
        limits: joint name -> {axis: [low, high]} in degrees; a joint that is not named is free.
        mirror: pairs of joint names.
        rest: joint name -> (w, x, y, z), its local rotation in the rest pose; the identity where it is not named.
        fixed_base: whether the root stays where it is.
        description: one line for people.
        where: name of the file, for error messages.

    Raises:
        UserError: One line names the file, the joint and the fault.
    """
    where = where or f"rig '{name}'"

    def fault(joint: str, text: str) -> UserError:
        return UserError(f"{where}: joint '{joint}': {text}")

    order, parents = _checked_tree(joints, where, fault)
    names = [joints[j][0] for j in order]
    index = {joint: j for j, joint in enumerate(names)}

    def index_of(joint: str, text: str) -> int:
        if joint not in index:
            raise fault(joint, f"{text} does not exist")
        return index[joint]

    offsets = np.zeros((len(order), 3), np.float32)
    for j, k in enumerate(order):
        offsets[j] = _numbers(joints[k][2], 3, lambda text, joint=names[j]: fault(joint, f"offset {text}"))
    limit_array = np.tile(np.array([-FREE, FREE], np.float32), (len(order), 3, 1))
    for joint, axes in (limits or {}).items():
        limit_array[index_of(joint, "limits for a joint that")] = _limits(axes, partial(fault, joint))
    rest_array = np.tile(np.array([1, 0, 0, 0], np.float32), (len(order), 1))
    for joint, quaternion in (rest or {}).items():
        j = index_of(joint, "rest rotation for a joint that")
        values = _numbers(quaternion, 4, lambda text, joint=joint: fault(joint, f"rest rotation {text}"))
        if abs(np.linalg.norm(values) - 1) > 1e-3:
            raise fault(joint, "rest rotation is not a unit quaternion (w, x, y, z)")
        rest_array[j] = values / np.linalg.norm(values)
    for role, joint in roles.items():
        if role not in ROLES:
            raise fault(str(joint), f"unknown role '{role}'; roles are {', '.join(ROLES)}")
        index_of(joint, f"has the role '{role}' but")
    _check_key_joints(names, parents, offsets, list(roles.values()), fault)
    contacts = [index_of(joint, "is listed under contact_joints but") for joint in contact_joints]
    mirror_array = np.arange(len(order))
    for pair in mirror:
        if len(pair) != 2 or any(joint not in index for joint in pair):
            raise UserError(f"{where}: mirror pair {list(pair)} does not name two joints of this rig")
        left, right = index[pair[0]], index[pair[1]]
        mirror_array[left], mirror_array[right] = right, left

    rig = Rig(
        name=name,
        joint_names=tuple(names),
        parents=parents,
        offsets=offsets,
        roles={role: index[roles[role]] for role in ROLES if role in roles},
        contact_joints=np.array(contacts, dtype=int),
        limits=limit_array,
        mirror=mirror_array,
        rest=rest_array,
        fixed_base=fixed_base,
        description=description,
    )
    for array in (rig.parents, rig.offsets, rig.contact_joints, rig.limits, rig.mirror, rig.rest):
        array.setflags(write=False)
    return rig


_Fault = Callable[[str, str], UserError]
"""Makes the error of a joint and what is wrong with it."""


def _checked_tree(
    joints: Sequence[tuple[str, str | None, Any]], where: str, fault: _Fault
) -> tuple[list[int], np.ndarray]:
    """Return the joints depth first, as indices into the list, and their parents (J,) in that order."""
    if not joints:
        raise UserError(f"{where}: no joints; list them parents first under `joints`")
    if len(joints) > MAX_JOINTS:
        raise UserError(f"{where}: {len(joints)} joints; up to {MAX_JOINTS} are read")
    index: dict[str, int] = {}
    for j, (joint, _, _) in enumerate(joints):
        if joint in index:
            raise fault(joint, "the name stands twice; joint names must be unique")
        index[joint] = j
    parents = []
    for joint, parent, _ in joints:
        if parent is not None and parent not in index:
            raise fault(joint, f"its parent '{parent}' does not exist")
        parents.append(-1 if parent is None else index[parent])
    cycle = find_cycle(parents)
    if cycle:
        raise fault(joints[cycle[0]][0], f"its parents form a cycle through '{joints[cycle[1]][0]}'")
    roots = [j for j, parent in enumerate(parents) if parent < 0]
    if len(roots) > 1:
        raise fault(joints[roots[1]][0], f"a second root beside '{joints[roots[0]][0]}'; a rig has one")
    order = depth_first(parents)
    return order, reordered(parents, order)


def _check_key_joints(
    names: Sequence[str], parents: np.ndarray, offsets: np.ndarray, key_joints: Sequence[str], fault: _Fault
) -> None:
    """Refuse a joint with two roles, and a key joint that lies where the key joint above it does."""
    doubled = sorted({joint for joint in key_joints if key_joints.count(joint) > 1})
    if doubled:
        raise fault(doubled[0], "has two roles; a key joint has one")
    lengths = np.linalg.norm(offsets, axis=1)
    for joint in key_joints:
        at = names.index(joint)
        length = float(lengths[at])
        at = int(parents[at])
        while at >= 0 and names[at] not in key_joints:
            length += float(lengths[at])
            at = int(parents[at])
        if at >= 0 and length < 1e-6:
            raise fault(joint, f"zero-length offset to the key joint '{names[at]}' above it")


def _limits(axes: Mapping[str, Any], fault: Callable[[str], UserError]) -> np.ndarray:
    """Return the limits (3, 2) of one joint in radians; an axis that is not named is locked."""
    limits = np.zeros((3, 2), np.float32)
    for axis, pair in axes.items():
        if axis not in ("x", "y", "z"):
            raise fault(f"limit axis '{axis}'; use x, y or z")
        low, high = _numbers(pair, 2, lambda text: fault(f"limit {text}"))
        if low > high:
            raise fault(f"limit {axis} runs from {low:g} down to {high:g}")
        limits["xyz".index(axis)] = np.radians([low, high])
    return limits


def _numbers(value: Any, count: int, fault: Any) -> np.ndarray:
    """Return `count` finite numbers below `LARGEST` as an array; `fault` makes an error of what is wrong with them."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise fault(f"is not {count} numbers") from None
    if array.shape != (count,):
        raise fault(f"has shape {list(array.shape)}; {count} numbers are needed")
    if not np.isfinite(array).all():
        raise fault("is not finite")
    if not (np.abs(array) < LARGEST).all():
        raise fault(f"holds a number beyond {LARGEST:g}")
    return array
