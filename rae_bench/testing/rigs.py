"""Does a rig stand, face, mirror and move as the benchmark expects of one?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rae_bench.errors import UserError
from rae_bench.motion.root import heading_angle
from rae_bench.rigs.rig import ROLES, Rig
from rae_bench.testing.check import Check, Skipped

CLOSE = 0.01
"""How far a joint may be from where it is expected, in rig heights."""
SMALLEST, TALLEST = 0.02, 20.0
"""Metres within which the height of a rig is likely to be right."""
SLIDE = 0.01
"""Heights a second that a planted foot may slide in built-in motion."""
LEAST_ASIDE = 0.01
"""Heights that a left joint is to the left at least."""
ANGLE = np.radians(1.0)
CLIPS, SECONDS = 12, 2.5


def check_rig(rig: Rig) -> list[Check]:
    """Check a rig that has been read: what cannot be read is refused by `load_rig`, by joint and fault.

    Returns:
        The results, in the order of `CHECKS_OF_RIGS`.
    """
    found = []
    for function in CHECKS_OF_RIGS:
        try:
            reason = function(rig)
        except Skipped as skipped:
            found.append(Check(function.__name__, True, f"skipped: {skipped}"))
            continue
        found.append(Check(function.__name__, not reason, reason))
    return found


def roles(rig: Rig) -> str:
    """It has a pelvis, and a hand or foot that something can be asked of."""
    if "pelvis" not in rig.roles:
        return "no joint has the role pelvis"
    if not set(rig.roles) - {"pelvis", "head"}:
        return "neither hand nor foot has a joint: tasks would ask nothing of this rig"
    return ""


def size(rig: Rig) -> str:
    """Its height is that of a character in metres."""
    if SMALLEST <= rig.height <= TALLEST:
        return ""
    return f"it is {rig.height:.3g} m tall; are its offsets in metres?"


def faces_forward(rig: Rig) -> str:
    """At rest it faces +Z."""
    positions, rotations = rig.rest_global
    angle = heading_angle(positions, rotations, rig).item()
    return "" if abs(angle) < ANGLE else f"at rest it faces {np.degrees(angle):.0f} degrees to the left of +Z"


def stands_on_the_ground(rig: Rig) -> str:
    """At rest its contact joints are its lowest points."""
    if not len(rig.contact_joints):
        raise Skipped("it has no contact joints")
    heights = rig.rest_global[0][rig.contact_joints, 1]
    worst = int(heights.argmax())
    if heights[worst] <= CLOSE * rig.height:
        return ""
    joint = _joint(rig, int(rig.contact_joints[worst]))
    return f"at rest {joint} is {100 * heights[worst]:.1f} cm above the lowest joint"


def mirrored(rig: Rig) -> str:
    """Left is +X, and the right side is its mirror image by the pairs under `mirror`."""
    left = [role for role in ROLES if role.startswith("left_") and role in rig.roles]
    if not left:
        raise Skipped("it has no left side")
    positions = rig.rest_global[0]
    for role in left:
        joint, other = rig.roles[role], rig.roles.get(role.replace("left", "right"))
        if positions[joint, 0] < LEAST_ASIDE * rig.height:
            return f"{role} {_joint(rig, joint)} is not on the left, which is +X"
        if other is not None and rig.mirror[joint] != other:
            return f"`mirror` does not pair {_joint(rig, joint)} with {_joint(rig, other)}"
    apart = np.linalg.norm(positions - positions[rig.mirror] * np.array([-1, 1, 1], np.float32), axis=1)
    worst = int(apart.argmax())
    if apart[worst] <= CLOSE * rig.height:
        return ""
    return f"{_joint(rig, worst)} is {100 * apart[worst]:.1f} cm off the mirror image of its partner"


def limits_hold_the_rest_pose(rig: Rig) -> str:
    """Limits are about the rest pose: 0 lies within them."""
    outside = ((rig.limits[..., 0] > 0) | (rig.limits[..., 1] < 0)).any(1)
    return f"the limits of {_joint(rig, int(outside.argmax()))} do not hold 0, its rest pose" if outside.any() else ""


def limits_mirrored(rig: Rig) -> str:
    """The limits of a pair are alike, with the signs of y and z changed."""
    if (rig.mirror == np.arange(len(rig))).all():
        raise Skipped("`mirror` names no pair")
    flipped = rig.limits[rig.mirror].copy()
    flipped[:, 1:] = -flipped[:, 1:, ::-1]
    apart = np.abs(rig.limits - flipped).max((1, 2)) * (rig.mirror != np.arange(len(rig)))
    worst = int(apart.argmax())
    if apart[worst] < ANGLE:
        return ""
    pair = f"{_joint(rig, worst)} and {_joint(rig, int(rig.mirror[worst]))}"
    return f"the limits of {pair} differ by {np.degrees(apart[worst]):.0f} degrees; y and z change their signs"


def moves(rig: Rig) -> str:
    """Built-in motion can be made on it, and its planted feet stay."""
    from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
    from rae_bench.data.generators.reach.reach import generate_reach

    make: Callable[..., Any] = generate_locomotion if len(rig.contact_joints) else generate_reach
    try:
        motion = make(rig, clips=CLIPS, seconds=SECONDS, fps=30).motion
    except UserError as error:
        raise Skipped(f"no built-in motion: {error}") from None
    if not (np.isfinite(motion.positions).all() and np.isfinite(motion.rotations).all()):
        return "built-in motion on it is not finite"
    feet = motion.positions[:, :, rig.contact_joints][..., [0, 2]]
    speed = np.linalg.norm(np.diff(feet, axis=1), axis=-1) * motion.fps
    planted = motion.contacts[:, 1:] & motion.contacts[:, :-1]
    slide = float(np.where(planted, speed, 0).max(initial=0)) / rig.height
    return "" if slide <= SLIDE else f"planted feet slide by up to {slide:.2f} heights a second in built-in motion"


def _joint(rig: Rig, joint: int) -> str:
    return f"'{rig.joint_names[joint]}'"


CHECKS_OF_RIGS = (
    roles, size, faces_forward, stands_on_the_ground, mirrored, limits_hold_the_rest_pose, limits_mirrored, moves,
)  # fmt: skip
