"""Rigs: what a skeleton is, and how one is read from and written to a TOML file.

A rig file lists its joints, parents first:

    name = "stick"
    joints = [
      { name = "hips", offset = [0, 0, 0], limits = { x = [-30, 30], y = [-180, 180] } },
      { name = "head", parent = "hips", offset = [0, 0.5, 0] },
    ]
    contact_joints = []
    mirror = []                       # pairs [left, right]
    [roles]
    pelvis = "hips"

Offsets are metres in the parent's frame; limits are degrees about the joint's own axes, applied in the
intrinsic order x, z, y (flexion, abduction, twist); an axis that is not listed does not turn, a joint without
`limits` is free. `rest` (w, x, y, z), where given, is the local rotation in the standing rest pose, which faces +Z.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rae_bench.errors import UserError, unknown
from rae_bench.kinematics.forward import forward_kinematics

ROLES = ("pelvis", "head", "left_hand", "right_hand", "left_foot", "right_foot", "left_mid", "right_mid")
"""The eight ordered slots that every rig shares; a rig without a role leaves its slot masked."""

FREE = math.pi
MAX_JOINTS = 1000
"""More than any character has; a hostile file is refused before arrays of joints x joints are made."""
LARGEST = 1e9
"""Numbers beyond it are no place and no angle, and their squares overflow single precision soon after."""
LEG_TO_HEIGHT = 1.9
"""A headless rig counts as this many leg lengths tall (a standing adult's ratio)."""


@dataclass(frozen=True, eq=False)
class Rig:
    """A skeleton of J joints, parents first.

    Attributes:
        name: short name.
        joint_names: J unique names.
        parents: (J,) int, -1 at the root.
        offsets: (J, 3) float32, metres, in the parent's frame; the root's is ignored by kinematics.
        roles: role -> joint index.
        contact_joints: (C,) int, joints that touch the ground.
        limits: (J, 3, 2) float32, radians, about x, y, z relative to the rest pose; +-pi is free, 0 to 0 locked.
        mirror: (J,) int, the joint on the other side (itself on the midline).
        rest: (J, 4) float32 local rotations (w, x, y, z) of the standing rest pose, which faces +Z.
        fixed_base: the root does not travel (an arm on a table).
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
        """(C,) int: the role slot each contact joint belongs to (nearest key joint at or above it), -1 if none."""
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
        """(J, J) bool: [j, k] is true where k is j itself or lies between j and the root."""
        mask = np.eye(len(self), dtype=bool)
        for j, p in enumerate(self.parents):
            if p >= 0:
                mask[j] |= mask[p]
        return mask

    @cached_property
    def depths(self) -> np.ndarray:
        """(J,) int: number of joints above each joint."""
        return self.ancestors.sum(1) - 1

    @cached_property
    def rest_global(self) -> tuple[np.ndarray, np.ndarray]:
        """Standing rest pose: world positions (J, 3) in metres, lowest joint at y = 0, and rotations (J, 4)."""
        positions, rotations = self.forward_kinematics(self.rest[None], np.zeros((1, 3), np.float32))
        lowest = 0.0 if self.fixed_base else positions[0, :, 1].min()
        positions = positions[0] - np.array([0, lowest, 0], np.float32)
        for array in (positions, rotations[0]):
            array.setflags(write=False)
        return positions, rotations[0]

    @cached_property
    def height(self) -> float:
        """Metres: top of the head over the ground in the standing rest pose; leg length x 1.9 without a head."""
        y = self.rest_global[0][:, 1]
        if "head" in self.roles:
            return float(y[self.ancestors[:, self.roles["head"]]].max() - y.min())
        legs = [self.roles[role] for role in ROLES[4:] if role in self.roles]
        if legs:
            root = self.roles.get("pelvis", 0)
            return float(LEG_TO_HEIGHT * (y[root] - y[legs].min()))
        return float(np.linalg.norm(self.offsets[1:], axis=1).sum())

    @cached_property
    def content_hash(self) -> str:
        """sha256 of everything that kinematics and roles depend on (names, numbers; not the description)."""
        digest = hashlib.sha256()
        digest.update(json.dumps([self.joint_names, sorted(self.roles.items()), self.fixed_base]).encode())
        for array in (self.parents, self.offsets, self.contact_joints, self.limits, self.mirror, self.rest):
            digest.update(np.round(np.asarray(array, np.float64), 7).tobytes())
        return digest.hexdigest()

    def forward_kinematics(
        self, rotations: np.ndarray, root_positions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """World joint positions (..., J, 3) in metres and rotations (..., J, 4) of local poses.

        Args:
            rotations: (..., J, 4) local unit quaternions (w, x, y, z).
            root_positions: (..., 3) metres, world.
        """
        return forward_kinematics(rotations, root_positions, self.parents, self.offsets)

    def index(self, joint: str) -> int:
        """Index of a joint by name."""
        try:
            return self.joint_names.index(joint)
        except ValueError:
            raise unknown(f"joint of rig '{self.name}'", joint, self.joint_names) from None

    def require_roles(self, roles: tuple[str, ...] | list[str], why: str) -> None:
        """Raise `UserError` when any of `roles` has no joint on this rig."""
        missing = [role for role in roles if role not in self.roles]
        if missing:
            raise UserError(f"rig '{self.name}' has no joint for role {', '.join(missing)}, which {why} needs")


def make_rig(
    name: str,
    joints: list[tuple[str, str | None, Any]],
    roles: Mapping[str, str],
    *,
    contact_joints: list[str] | tuple[str, ...] = (),
    limits: Mapping[str, Mapping[str, Any]] | None = None,
    mirror: Sequence[Sequence[str]] = (),
    rest: Mapping[str, Any] | None = None,
    fixed_base: bool = False,
    description: str = "",
    where: str = "",
) -> Rig:
    """Build and check a rig from names.

    Args:
        joints: (name, parent name or None, offset of 3 metres), in any order.
        roles: role -> joint name.
        limits: joint name -> {axis: [low, high]} in degrees; joints that are not named are free.
        mirror: pairs of joint names.
        rest: joint name -> (w, x, y, z); identity where absent.
        where: file name for error messages.

    Raises:
        UserError: one line naming file, joint and fault.
    """
    where = where or f"rig '{name}'"

    def fault(joint: str, text: str) -> UserError:
        return UserError(f"{where}: joint '{joint}': {text}")

    if not joints:
        raise UserError(f"{where}: no joints; list them parents first under `joints`")
    if len(joints) > MAX_JOINTS:
        raise UserError(f"{where}: {len(joints)} joints; up to {MAX_JOINTS} are read")
    names = [joint for joint, _, _ in joints]
    seen: set[str] = set()
    for joint in names:
        if joint in seen:
            raise fault(joint, "the name stands twice; joint names must be unique")
        seen.add(joint)
    parent_of = {joint: parent for joint, parent, _ in joints}
    for joint, parent in parent_of.items():
        if parent is not None and parent not in seen:
            raise fault(joint, f"its parent '{parent}' does not exist")
    for joint in names:
        path, at = {joint}, parent_of[joint]
        while at is not None:
            if at in path:
                raise fault(joint, f"its parents form a cycle through '{at}'")
            path.add(at)
            at = parent_of[at]
    roots = [joint for joint in names if parent_of[joint] is None]
    if len(roots) > 1:
        raise fault(roots[1], f"a second root beside '{roots[0]}'; a rig has one")

    order: list[str] = []
    children: dict[str | None, list[str]] = {}
    for joint in names:
        children.setdefault(parent_of[joint], []).append(joint)
    stack = [roots[0]]
    while stack:  # depth first, in the order of the file
        joint = stack.pop()
        order.append(joint)
        stack.extend(reversed(children.get(joint, [])))
    index = {joint: i for i, joint in enumerate(order)}
    parents = np.array([-1 if (p := parent_of[j]) is None else index[p] for j in order])

    offset_of = {joint: offset for joint, _, offset in joints}
    offsets = np.zeros((len(order), 3), np.float32)
    for joint in order:
        offsets[index[joint]] = _numbers(offset_of[joint], 3, lambda text, j=joint: fault(j, f"offset {text}"))

    limit_array = np.tile(np.array([-FREE, FREE], np.float32), (len(order), 3, 1))
    for joint, axes in (limits or {}).items():
        if joint not in index:
            raise fault(joint, "limits for a joint that does not exist")
        limit_array[index[joint]] = 0
        for axis, pair in axes.items():
            if axis not in ("x", "y", "z"):
                raise fault(joint, f"limit axis '{axis}'; use x, y or z")
            low, high = _numbers(pair, 2, lambda text, j=joint: fault(j, f"limit {text}"))
            if low > high:
                raise fault(joint, f"limit {axis} runs from {low:g} down to {high:g}")
            limit_array[index[joint], "xyz".index(axis)] = np.radians([low, high])

    rest_array = np.tile(np.array([1, 0, 0, 0], np.float32), (len(order), 1))
    for joint, quaternion in (rest or {}).items():
        if joint not in index:
            raise fault(joint, "rest rotation for a joint that does not exist")
        values = _numbers(quaternion, 4, lambda text, j=joint: fault(j, f"rest rotation {text}"))
        if abs(np.linalg.norm(values) - 1) > 1e-3:
            raise fault(joint, "rest rotation is not a unit quaternion (w, x, y, z)")
        rest_array[index[joint]] = values / np.linalg.norm(values)

    for role, joint in roles.items():
        if role not in ROLES:
            raise fault(str(joint), f"unknown role '{role}'; roles are {', '.join(ROLES)}")
        if joint not in index:
            raise fault(str(joint), f"has the role '{role}' but does not exist")
    doubled = sorted({joint for joint in roles.values() if list(roles.values()).count(joint) > 1})
    if doubled:
        raise fault(doubled[0], "has two roles; a key joint has one")
    key_of = {joint: role for role, joint in roles.items()}
    for joint in key_of:
        length, at = float(np.linalg.norm(offsets[index[joint]])), parent_of[joint]
        while at is not None and at not in key_of:
            length += float(np.linalg.norm(offsets[index[at]]))
            at = parent_of[at]
        if at is not None and length < 1e-6:
            raise fault(joint, f"zero-length offset to the key joint '{at}' above it")

    for joint in contact_joints:
        if joint not in index:
            raise fault(joint, "is listed under contact_joints but does not exist")
    mirror_array = np.arange(len(order))
    for pair in mirror:
        if len(pair) != 2 or any(joint not in index for joint in pair):
            raise UserError(f"{where}: mirror pair {list(pair)} does not name two joints of this rig")
        left, right = index[pair[0]], index[pair[1]]
        mirror_array[left], mirror_array[right] = right, left

    rig = Rig(
        name=name,
        joint_names=tuple(order),
        parents=parents,
        offsets=offsets,
        roles={role: index[roles[role]] for role in ROLES if role in roles},
        contact_joints=np.array([index[joint] for joint in contact_joints], dtype=int),
        limits=limit_array,
        mirror=mirror_array,
        rest=rest_array,
        fixed_base=fixed_base,
        description=description,
    )
    for array in (rig.parents, rig.offsets, rig.contact_joints, rig.limits, rig.mirror, rig.rest):
        array.setflags(write=False)
    return rig


def _numbers(value: Any, count: int, fault: Any) -> np.ndarray:
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










