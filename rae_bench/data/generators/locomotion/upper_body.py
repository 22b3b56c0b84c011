"""Trunk, neck, arms and tails: they follow the phase of the gait, the path, the style, and what the body does."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rae_bench.data.generators.locomotion.body import FreeArm, only_axis
from rae_bench.data.generators.locomotion.course import Course
from rae_bench.data.generators.locomotion.curves import GRAVITY, fade
from rae_bench.data.generators.locomotion.pose import Pose, turn_about, unit
from rae_bench.kinematics import quat

SWING = 1.8
"""Factor on what head, tail and arms do at the highest number of style."""
MOST = 1.1
"""Radians that the swing of an arm stays below."""


class Tilt(NamedTuple):
    """Turns of the pelvis against its path, (N, T) radians; `upright` is its part of the trunk's `lean`."""

    twist: np.ndarray
    roll: np.ndarray
    pitch: np.ndarray
    lean: np.ndarray
    upright: np.ndarray


def bend_trunk(course: Course, pose: Pose, tilt: Tilt) -> None:
    """Bend the trunk along the path, turn it against the pelvis, and let the neck keep the head level."""
    body, paths, times, draw, go = course.body, course.paths, course.times, course.draw, course.go
    bend = course.ground.fore[2] - course.ground.rear[2]
    ahead = paths.at(paths.yaw, times + 0.5) - paths.at(paths.yaw, times)
    swing, free = SWING**course.style.swing, 1 - course.number("swept")
    counter = tilt.twist * (1 + 0.6 * (len(body.arms) > 0)) * course.vary(17, 0.3)
    turned = 0.12 * swing * course.idle * course.drift(32, 4.0)
    nod = (0.012 if body.arms else 0.05) * swing * np.sin(2 * course.middle + 1) * go
    nod = nod + 0.02 * np.sin(2 * np.pi * (times * 0.21 + draw[:, 18:19]))
    nod = nod + free * swing * (0.05 + 0.12 * course.idle) * course.drift(34, 3.0)
    glance = 0.05 * np.sin(2 * np.pi * (times * 0.17 + draw[:, 19:20]))
    glance = glance + free * swing * (0.07 + 0.4 * course.idle) * course.drift(36, 4.0)
    stoop = tilt.lean - tilt.upright - tilt.pitch + course.of_seat("stoop")
    for joint in body.trunk:
        part = 1 / len(body.trunk)
        turn = bend + tilt.twist + counter + turned
        pose.bend(joint, turn_about(x=part * stoop, y=part * turn, z=part * -0.75 * tilt.roll))
    level = nod - 0.6 * tilt.lean - 0.8 * (course.of_seat("stoop") + course.of_seat("pitch"))
    for joint in body.neck:
        part = 1 / len(body.neck)
        look = 0.45 * ahead + glance - counter
        pose.bend(joint, turn_about(x=part * level, y=part * look, z=part * -0.2 * tilt.roll))


def swing_limbs(course: Course, pose: Pose) -> None:
    """Swing the arms against the legs, and let tails wave with them."""
    body, times, draw, go, cycle = course.body, course.times, course.draw, course.go, course.cycle
    number, vary, style = course.number, course.vary, course.style
    swing = SWING**style.swing
    running = fade(course.reference / np.sqrt(GRAVITY * body.leg_length))
    for arm in body.arms:
        more = swing * (1 + 0.35 * arm.side * style.asymmetry)
        back = np.radians(number("arm")) * vary(24, 0.35) * more * go * arm.side * np.cos(cycle - 0.25) * course.along
        back = back * min(1, body.leg_length / arm.length)
        back = back + 0.02 * np.sin(2 * np.pi * (times * 0.25 + draw[:, 27:28]))
        back = back + 0.08 * more * course.idle * course.drift(38, 3.5) * arm.side
        back = MOST * np.tanh(back / MOST)
        long = max(0.0, arm.length / body.leg_length - 0.5)  # long arms must not hang to the ground
        # Before a jump the arms swing back, in flight they are thrown forward.
        back = back - 0.75 * np.tanh(more * course.height / np.maximum(course.jumps.depth, 1e-9))
        back = back - (0.5 + 0.3 * long) * course.down
        flex = np.radians(8) + np.radians(number("elbow")) * vary(25, 0.25) * (0.3 + 0.7 * go) - 0.4 * back
        flex = flex + 0.8 * long * course.down + 0.12 * (swing - 0.5) * (1 - number("swept"))
        spread = np.radians(9) + np.radians(8) * running + 0.06 * draw[:, 26:27] + 0.1 * (swing - 1)
        swing_arm(pose, arm, back, (flex + np.sqrt(flex * flex + 0.01)) / 2, spread)  # never bent backwards
    for tail in body.tails:
        for i, joint in enumerate(tail):
            wave = (0.10 + 0.05 * i) * vary(20, 0.5) * swing * (0.35 + 0.65 * go) * (course.jumps.speed == 0)
            raised = 0.14 * style.swing - 0.9 * course.of_seat("pitch") * (i == 0)
            swish = 0.12 * swing * course.idle * course.drift(38, 2.0)
            turn = wave * np.sin(cycle - 0.8 * i) + swish
            pose.bend(joint, turn_about(x=0.3 * wave * np.cos(2 * cycle - i) + raised, y=turn))


def swing_arm(pose: Pose, arm: FreeArm, back: np.ndarray, flex: np.ndarray, spread: np.ndarray) -> None:
    """Set one arm.

    Args:
        pose: the trunk is set.
        arm: the arm.
        back: (N, T) radians, how far it is swung back.
        flex: (N, T) radians, how far the elbow is bent.
        spread: (N, T) radians, how far it hangs out from the body.
    """
    shoulder, elbow, hand, side, rest = arm.shoulder, arm.elbow, arm.hand, arm.side, pose.rest
    hang = rest[hand] - rest[shoulder]
    out = float(np.arctan2(side * hang[0], -hang[1]))
    # A bent forearm points ahead, not outwards: the upper arm turns inwards as the elbow bends.
    inward = 0.1 + 0.4 * (flex + 0.4 * back)
    for joint in arm.clavicles:
        pose.bend(joint, turn_about(y=0.12 * back * side / len(arm.clavicles)))
    # That turn also carries an arm that rests out from the body forward; the swing takes it back.
    swing = back + 0.06 + inward * np.sin(max(out, 0))
    pose.bend(shoulder, turn_about(x=swing, y=-side * inward, z=side * (spread - out)))
    forearm = rest[hand] - rest[elbow]
    hinge = unit(np.cross(unit(forearm * [1, 1, 0]), [0.0, 0.0, 1.0]))
    axis = only_axis(pose.rig, elbow)
    if axis is not None:
        hinge = axis * np.sign(axis @ hinge)
    pose.bend(elbow, quat.from_axis_angle(hinge, flex))
    pose.bend(hand, turn_about(x=-0.08 - 0.15 * back))
