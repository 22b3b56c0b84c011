"""A walk laid out along the pelvis' way: the `[walk]` table of an objectives file.

    [walk]
    stride = 0.9                  # seconds from a foot's touch-down to its next
    touch_downs = { left_foot = 0.0, left_hand = 0.25, right_foot = 0.5, right_hand = 0.75 }   # shares of the stride
    duty = 0.65                   # share of the stride that a foot is on the ground; 0.6 without it

Models learn with an objective for every role: the next touch-down of each foot, a keyframe every half second for the
rest. A person writes a few. The others are laid out here from the posture of the history: feet touch down where the
body will stand over them in mid-stance, the other roles are carried along with the pelvis. What the file itself asks of
a role comes first.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator

from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.motion.motion import Motion
from rae_bench.objectives.keyframes import KEYFRAME_INTERVAL
from rae_bench.objectives.objectives import CONTACT, KEYFRAME, key_transforms, slot_contacts
from rae_bench.objectives.written import Walk, Wish
from rae_bench.rigs.rig import ROLES

PELVIS = ROLES.index("pelvis")


def lay_out(walk: Walk, asked: tuple[Wish, ...], seconds: float, past: Motion, where: str) -> tuple[Wish, ...]:
    """The objectives that were asked for, and those of a walk between them.

    Args:
        asked: in the root space of the last history frame.
        seconds: how long the walk is.
        past: one clip, the history, whose posture is carried along.
        where: name of the file, for messages.

    Raises:
        UserError: a foot that the rig lacks, or that has no contact joint.
    """
    rig = past.rig
    for slot in walk.touch_downs:
        if slot not in rig.contact_slots:
            raise UserError(
                f"{where}: walk: rig '{rig.name}' has no {ROLES[slot]} with a contact joint to touch down with"
            )
    places, turns = _posture(past)
    way = _way(asked, float(places[PELVIS, 1]))

    planned = []
    for slot in map(int, np.flatnonzero(rig.role_mask)):
        if slot in walk.touch_downs:
            times = np.arange(walk.touch_downs[slot] * walk.stride or walk.stride, seconds, walk.stride)
            # A foot is put down where the body will stand over it in mid-stance, and lands by the end.
            over = [*np.minimum(times + walk.duty * walk.stride / 2, seconds), seconds]
            if len(times) and seconds - times[-1] < walk.duty * walk.stride:
                over[-1] = over[-2]
            events = [(time, at, CONTACT) for time, at in zip([*times, seconds], over, strict=True)]
        else:
            times = np.arange(KEYFRAME_INTERVAL, seconds + 1e-9, KEYFRAME_INTERVAL)
            events = [(time, time, KEYFRAME) for time in times]
        for time, at, kind in events:
            if any(wish.slot == slot and abs(wish.time - time) < KEYFRAME_INTERVAL / 2 for wish in asked):
                continue
            x, lift, z, yaw = way(at)
            heading = quat.from_yaw(np.array(yaw))
            position = quat.rotate(heading, places[slot]) + np.array([x, lift if kind == KEYFRAME else 0, z])
            planned.append(Wish(slot, float(time), position, quat.mul(heading, turns[slot]), kind))
    return (*asked, *planned)


def _posture(past: Motion) -> tuple[np.ndarray, np.ndarray]:
    """(8, 3) metres and (8, 4): the key joints in root space, on average over the history; of feet while they stand."""
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


def _way(asked: tuple[Wish, ...], height: float) -> Any:
    """Where the pelvis is at a time: x, rise over `height`, z, yaw; through what was asked of it, then it stays."""
    points = {0.0: (0.0, 0.0, 0.0, 0.0)}
    for wish in sorted((w for w in asked if w.slot == PELVIS), key=lambda w: w.time):
        w, _, y, _ = wish.rotation
        points[wish.time] = (wish.position[0], wish.position[1] - height, wish.position[2], 2 * math.atan2(y, w))
    times, values = np.array(list(points)), np.array(list(points.values()))
    values[:, 3] = np.unwrap(values[:, 3])
    if len(times) < 2:
        return lambda time: values[0]
    through = PchipInterpolator(times, values)
    return lambda time: through(min(time, times[-1]))
