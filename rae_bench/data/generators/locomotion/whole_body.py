"""The whole body over a clip: the pelvis sways and bobs, trunk, arms and tail follow, legs reach their feet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import convolve1d, maximum_filter1d

from rae_bench.data.generators.locomotion.actions import Cell
from rae_bench.data.generators.locomotion.body import UP, Body, Leg
from rae_bench.data.generators.locomotion.course import LATE, Course, make_course
from rae_bench.data.generators.locomotion.curves import GRAVITY, bump, ease
from rae_bench.data.generators.locomotion.foot_paths import FootHome, Step, foot_path
from rae_bench.data.generators.locomotion.pelvis import place_pelvis
from rae_bench.data.generators.locomotion.pose import Pose, shortfall, solve_leg, turn_about
from rae_bench.data.generators.locomotion.postures import TIPTOE, Postures, foot_home
from rae_bench.data.generators.locomotion.upper_body import bend_trunk, swing_limbs
from rae_bench.kinematics import quat
from rae_bench.kinematics.inverse import from_limit_angles, limit_angles
from rae_bench.rigs.rig import Rig

LIFT, LIMP = 1.6, 0.35
"""Factor on lift at the highest number of style; share by which the left foot is then lifted higher."""
LEAD = (0.3, 0.1)
"""Shares of a jump's flight by which fore feet are ahead of hind feet, at take-off and at touch-down."""
BOW = 0.04
"""Leg lengths by which a foot swings out around the leg that stands."""
NARROWEST = 0.055
"""Least leg lengths from a moving foot to the midline."""
EASY = 0.8
"""Share of its limits up to which a joint swings freely."""


def make_poses(
    rig: Rig,
    body: Body,
    postures: Postures,
    cells: Sequence[Cell],
    draw: np.ndarray,
    seconds: float,
    fps: float,
    strength: np.ndarray | float = 1.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the root positions (N, T, 3), local rotations (N, T, J, 4) and contacts (N, T, C) of all clips.

    Args:
        rig: the skeleton.
        body: its body plan.
        postures: how low it can go.
        cells: N cells, one for each clip.
        draw: (N, DRAWS) random numbers in [0, 1).
        seconds: length of a clip.
        fps: frames per second.
        strength: (N, 1) factor on style, jumps and seats, 1 unless limits ask for less.
    """
    strength = np.broadcast_to(strength, (len(cells), 1))
    course = make_course(rig, body, postures, cells, draw, strength, seconds, fps)
    pose, tilt = place_pelvis(course)
    bend_trunk(course, pose, tilt)
    swing_limbs(course, pose)
    steps = _legs(course, pose, fps)
    contacts = _contacts(pose, body, steps, fps)
    rotations = _within_limits(rig, body, pose.rotations())
    return pose.root, rotations, contacts


def _legs(course: Course, pose: Pose, fps: float) -> list[Step]:
    """Return the steps of all legs; the body sinks as far as the legs need to reach them, and each leg is solved."""
    body = course.body
    moves = [(leg, *_step(course, pose, leg)) for leg in body.legs]
    sink = np.max([shortfall(pose, leg, step.position, foot) for leg, step, foot in moves], 0)
    unit, low = np.sqrt(body.leg_length / GRAVITY), np.zeros_like(sink)
    # Over a jump, and from step to step of a run, the body is lower by the same: so it flies freely.
    jumps = course.jumps.speed[:, 0] > 0
    for clips, lasts in ((jumps, 2.5), (course.flies[:, 0], 1.0), (~jumps & ~course.flies[:, 0], 0.45)):
        if clips.any():
            low[clips] = _envelope(np.maximum(sink[clips], 0), round(lasts * unit * fps))
    pose.root = pose.root - low[..., None] * UP
    for leg, step, foot in moves:
        girdle = course.ground.fore if leg.fore else course.ground.rear
        solve_leg(pose, leg, step.position, foot, step.yaw, girdle[2])
    return [step for _, step, _ in moves]


def _step(course: Course, pose: Pose, leg: Leg) -> tuple[Step, np.ndarray]:
    """Return the path of a leg's foot and the foot's turn (N, T, 4); set girdle and toes."""
    rig, body, number, vary, style = course.rig, course.body, course.number, course.vary, course.style
    rest, duty, leg_length = pose.rest, course.duty, body.leg_length
    left = 1.0 if leg.role.startswith("left") else -1.0
    offset = np.array([cell.gait.touchdowns[leg.role] for cell in course.cells])[:, None]
    runs = course.jumps.speed == 0  # in jumps all feet leave the ground together
    offset = (offset + LATE * style.asymmetry * (left < 0)) * runs
    side, ahead = foot_home(rig, body, leg)
    width = number("width") * vary(21, 0.15)
    width = np.maximum(width, min(NARROWEST * leg_length / max(abs(side), 1e-6), 1.0))
    # Standing feet are apart as far as steps are long; the left one is ahead where the left side does more.
    apart = 1 + 0.2 * style.stride
    stagger = 0.05 * leg_length * left * style.asymmetry
    home = FootHome(side * apart, ahead + stagger, width / apart, number("behind") * leg_length, course.reference)
    swept = number("swept")
    limp = 1 + LIMP * left * style.asymmetry
    lift = number("lift") * leg_length * vary(22, 0.3 * (1 - swept)) * LIFT**style.lift * limp
    height = float(rest[leg.contact, 1])
    # A long body leaps: its fore feet leave the ground first and come down first.
    jumps = course.jumps.earlier(*(LEAD if leg.fore and body.length > 0 else (0, 0)))
    leap = jumps.feet(course.times)
    step = foot_path(
        course.jumping(jumps), course.times, body.length, leg.fore, offset, duty, home, course.stride, lift,
        BOW * leg_length * np.sign(side) * (1 - swept), height, swept, leap,
    )  # fmt: skip

    forward = 0.35 + 0.65 * np.maximum(course.along, 0)
    heel = np.radians(number("heel")) * runs * forward * vary(23, 0.2) * step.gain * bump(step.roll, 4, 3)
    heel = heel + TIPTOE / 0.5 * jumps.heel(course.times) * (number("heel") > 0)
    heel = heel + course.of_seat("fore" if leg.fore else "hind")
    toe = np.radians(number("toe")) * runs * forward * step.gain * bump((step.swing - 0.4) / 0.6, 4, 3)
    for joint in leg.girdle:
        reachout = np.cos(2 * np.pi * step.phase + np.pi * (0.5 - duty))
        pose.bend(joint, turn_about(x=-np.radians(7) * course.go * reachout * course.along / len(leg.girdle)))
    heading = quat.from_yaw(step.yaw)
    if rig.limits[leg.contact].any() and leg.ankle >= 0:
        pose.turns[leg.contact] = quat.mul(heading, turn_about(x=0.45 * heel * runs * ease(step.swing * 2) - toe))
    return step, quat.mul(heading, turn_about(x=heel - toe))


def _envelope(values: np.ndarray, radius: int) -> np.ndarray:
    """Return a smooth curve (N, T) nowhere below `values`.

    It is a running maximum, then a weighted mean, over `radius` frames each way.
    """
    kernel = np.hanning(2 * radius + 3)[1:-1]
    highest = maximum_filter1d(values, 2 * radius + 1, axis=1, mode="nearest")
    return convolve1d(highest, kernel / kernel.sum(), axis=1, mode="nearest")


def _contacts(pose: Pose, body: Body, steps: Sequence[Step], fps: float) -> np.ndarray:
    """Return when contact joints stand, (N, T, C) bool."""
    rig = pose.rig
    contacts = np.zeros((*steps[0].planted.shape, len(rig.contact_joints)), bool)
    for leg, step in zip(body.legs, steps, strict=True):
        contacts[..., leg.column] = step.planted
        # A second contact joint of the same foot stands while the foot is flat: it rests before the frame or after it.
        for column in np.flatnonzero(rig.contact_slots == rig.contact_slots[leg.column]):
            if column != leg.column:
                moved = np.linalg.norm(np.diff(pose.position(int(rig.contact_joints[column])), axis=1), axis=-1) * fps
                still = moved < 1e-3 * body.leg_length
                contacts[:, :-1, column] |= step.planted[:, :-1] & still
                contacts[:, 1:, column] |= step.planted[:, 1:] & still
    return contacts


def _within_limits(rig: Rig, body: Body, rotations: np.ndarray) -> np.ndarray:
    """Bring what swings freely back inside its limits; legs are left alone, since their feet are planted.

    A joint axis that would leave its limits somewhere in a clip nears them ever more slowly over the whole clip.
    """
    held = np.zeros(len(rig), bool)
    held[[0, *(j for leg in body.legs for j in leg.joints)]] = True
    angles = limit_angles(rotations, rig)
    low, high = rig.limits[..., 0].astype(np.float64), rig.limits[..., 1].astype(np.float64)
    over = ((angles < low - 1e-6) | (angles > high + 1e-6)).any(1, keepdims=True) & ~held[:, None]
    if over.any():
        middle, reach = (low + high) / 2, np.maximum((high - low) / 2, 1e-9)
        share = (angles - middle) / reach
        past = np.maximum(np.abs(share) - EASY, 0) / (1 - EASY)
        soft = middle + reach * np.sign(share) * (np.minimum(np.abs(share), EASY) + (1 - EASY) * np.tanh(past))
        joints = over.any((0, 1, 3))
        bent = from_limit_angles(np.where(over, soft, angles), rig)
        rotations[..., joints, :] = bent[..., joints, :]
    return rotations
