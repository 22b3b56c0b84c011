"""A walk laid out along the pelvis' way: the `[walk]` table of an objectives file.

Models learn with an objective for every role, and a person writes a few. The others are laid out here from the posture
of the history. docs/reference/formats.md says how.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.interpolate import PchipInterpolator

from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.motion.motion import Motion
from rae_bench.objectives.keyframes import KEYFRAME_INTERVAL
from rae_bench.objectives.objectives import CONTACT, KEYFRAME, key_transforms, slot_contacts
from rae_bench.objectives.written import Walk, WrittenObjective
from rae_bench.rigs.rig import ROLES

PELVIS = ROLES.index("pelvis")


def with_walk(
    walk: Walk, asked: Sequence[WrittenObjective], seconds: float, past: Motion, where: str
) -> tuple[WrittenObjective, ...]:
    """Return the objectives that were asked for, and those of a walk between them.

    Args:
        walk: when feet touch down.
        asked: what the file asks for, in the root space of the last history frame.
        seconds: how long the walk is.
        past: one clip, the history, whose posture is carried along.
        where: name of the file, for messages.

    Raises:
        UserError: The rig lacks a foot of the walk, or the foot has no contact joint.
    """
    rig = past.rig
    for slot in walk.touch_downs:
        if slot not in rig.contact_slots:
            raise UserError(
                f"{where}: walk: rig '{rig.name}' has no {ROLES[slot]} with a contact joint to touch down with"
            )
    places, turns = _posture(past)
    pelvis_at = _pelvis_way(asked, float(places[PELVIS, 1]))

    planned = []
    for slot in map(int, np.flatnonzero(rig.role_mask)):
        for time, at, kind in _events(walk, slot, seconds):
            if any(each.slot == slot and abs(each.time - time) < KEYFRAME_INTERVAL / 2 for each in asked):
                continue
            x, lift, z, yaw = pelvis_at(at)
            heading = quat.from_yaw(np.array(yaw))
            position = quat.rotate(heading, places[slot]) + np.array([x, lift if kind == KEYFRAME else 0, z])
            planned.append(WrittenObjective(slot, float(time), position, quat.mul(heading, turns[slot]), kind))
    return (*asked, *planned)


def _events(walk: Walk, slot: int, seconds: float) -> list[tuple[float, float, int]]:
    """Return (time, time at which the pelvis carries the role there, kind) of the objectives of a role, in seconds."""
    if slot not in walk.touch_downs:
        times = np.arange(KEYFRAME_INTERVAL, seconds + 1e-9, KEYFRAME_INTERVAL)
        return [(time, time, KEYFRAME) for time in times]
    times = np.arange(walk.touch_downs[slot] * walk.stride or walk.stride, seconds, walk.stride)
    # A foot is put down where the body will stand over it in mid-stance, and lands by the end.
    over = [*np.minimum(times + walk.duty * walk.stride / 2, seconds), seconds]
    if len(times) and seconds - times[-1] < walk.duty * walk.stride:
        over[-1] = over[-2]
    return [(time, at, CONTACT) for time, at in zip([*times, seconds], over, strict=True)]


def _posture(past: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Return places (8, 3) in metres and turns (8, 4) of the key joints in root space, averaged over the history.

    Heights and turns of feet are averaged over the frames in which they stand.
    """
    positions, rotations = key_transforms(past.positions[0], past.global_rotations[0], past.rig)
    positions, rotations = past.root.points_in(positions[None])[0], past.root.rotations_in(rotations[None])[0]
    standing = slot_contacts(past.contacts[0], past.rig)
    counted = np.where(standing.any(0), standing, 1.0)
    counted = (counted / counted.sum(0))[..., None]
    # Over a stride a foot is ahead as much as behind; its height and turn are those of standing on it.
    places = positions.mean(0)
    places[:, 1] = (positions * counted).sum(0)[:, 1]
    same_side = np.where((rotations * rotations[:1]).sum(-1, keepdims=True) < 0, -rotations, rotations)
    return places, quat.normalize((same_side * counted).sum(0))


def _pelvis_way(asked: Sequence[WrittenObjective], height: float) -> Callable[[float], np.ndarray]:
    """Return a function of time in seconds: the pelvis' x, rise over `height`, z in metres, and yaw in radians.

    The way leads through what is asked of the pelvis; after the last of it the pelvis stays.
    """
    points = {0.0: (0.0, 0.0, 0.0, 0.0)}
    for each in sorted((each for each in asked if each.slot == PELVIS), key=lambda each: each.time):
        w, _, y, _ = each.rotation
        points[each.time] = (each.position[0], each.position[1] - height, each.position[2], 2 * math.atan2(y, w))
    times, values = np.array(list(points)), np.array(list(points.values()))
    values[:, 3] = np.unwrap(values[:, 3])
    if len(times) < 2:
        return lambda time: values[0]
    through = PchipInterpolator(times, values)
    return lambda time: through(min(time, times[-1]))
