"""The whole body over a clip: the pelvis sways and bobs, trunk, arms and tail follow, legs reach their feet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import convolve1d, maximum_filter1d

from rae_bench.data.generators.locomotion.actions import Cell
from rae_bench.data.generators.locomotion.body import UP, Body, Leg
from rae_bench.data.generators.locomotion.course import Course, make_course
from rae_bench.data.generators.locomotion.curves import GRAVITY, bump, ease
from rae_bench.data.generators.locomotion.foot_paths import FootHome, Step, foot_path
from rae_bench.data.generators.locomotion.paths import STRIDE
from rae_bench.data.generators.locomotion.pose import Pose, shortfall, solve_leg, turn_about
from rae_bench.data.generators.locomotion.postures import Postures, foot_home
from rae_bench.data.generators.locomotion.upper_body import Tilt, bend_trunk, swing_limbs
from rae_bench.kinematics import quat
from rae_bench.kinematics.inverse import from_limit_angles, limit_angles
from rae_bench.rigs.rig import Rig

CROUCH = 0.22
"""Leg lengths by which the highest number of style lowers a body, or `ROOM` of what its legs allow if that is less."""
ROOM = 0.5
"""Share of the room below a standing body that a crouch may take."""
LEAN = np.radians([13, 5])
"""Pitch of an upright trunk, and of one that lies on its legs, at the highest number of style."""
BALANCE = 0.4
"""Metres back for a metre down in a crouch of an upright body."""
SWAY, LIFT, LIMP = 2.0, 1.6, 0.35
"""Factors on sway and lift at the highest numbers of style; share by which the left foot is then lifted higher."""
LEAD = 0.12
"""Share of a leap's flight by which fore feet are ahead of hind feet."""
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
    pose, tilt = _pelvis(course)
    bend_trunk(course, pose, tilt)
    swing_limbs(course, pose)
    steps = _legs(course, pose, fps)
    contacts = _contacts(pose, body, steps, fps)
    rotations = _within_limits(rig, body, pose.rotations())
    return pose.root, rotations, contacts


def _pelvis(course: Course) -> tuple[Pose, Tilt]:
    """Make the pelvis sway over the standing foot, bob twice a cycle, lean into turns, and go where the action asks."""
    number, vary, go, draw, style = course.number, course.vary, course.go, course.draw, course.style
    paths, times, middle, leg_length = course.paths, course.times, course.middle, course.body.leg_length
    pull = np.arctan(course.speed**2 * paths.at(paths.bend, times) / GRAVITY)
    wide = SWAY**style.sway
    sway = number("sway") * leg_length * vary(10, 0.35) * wide * go * np.cos(middle)
    sway = sway + 0.045 * leg_length * wide * course.idle * course.drift(36, 3.5)
    inward = 0.55 * np.tan(pull) * leg_length
    limp = 0.018 * leg_length * style.asymmetry * go * np.cos(middle)
    # Shorter steps come faster; without this the body would be thrown up and down the harder.
    bob = number("bob") * STRIDE ** (2 * style.stride) * leg_length * vary(11, 0.35) * go * np.cos(2 * middle) + limp
    breath = 0.004 * leg_length * np.sin(2 * np.pi * (times * 0.3 + draw[:, 12:13]))
    twist = np.radians(number("yaw")) * vary(13, 0.3) * go * np.cos(course.cycle) * course.along
    roll = -0.6 * pull - np.radians(number("roll")) * vary(14, 0.3) * wide * go * np.sin(middle + 0.6)
    roll = roll + np.radians(2) * style.asymmetry * (1 - 0.7 * course.down)
    pitch = np.radians(number("pitch")) * go * np.sin(2 * middle)
    lean = np.radians(number("lean")) * vary(15, 0.4) * go + 0.04 * (draw[:, 16:17] - 0.5)
    held = LEAN[0 if course.body.arms else 1] * style.lean * (1 - 0.7 * course.down)
    lean = lean + held
    low = min(CROUCH * leg_length, ROOM * course.postures.room) * np.maximum(style.crouch, 0)
    low = low * (1 - course.down) * np.where(course.jumps.speed > 0, 0.4, 1.0)
    # An upright body that bends its knees keeps its balance: the pelvis goes back, the trunk leans forward.
    back = (BALANCE if course.body.arms else 0.0) * low
    lean = lean + 1.5 * back / leg_length
    upright = 0.4 * lean if course.body.arms else held
    nose_up = 0.2 * min(1, 2 * course.body.length / leg_length)
    pitch = pitch + course.of_seat("pitch") - nose_up * (course.thrust - course.landing)

    shift = sway + inward
    ahead = 0.03 * leg_length * course.idle * course.drift(34, 4.5) - course.of_seat("back") - back
    x, z, yaw = course.ground.rear
    height = float(course.rig.rest_global[0][0, 1]) - low - course.of_seat("drop") + course.height
    s, c = np.sin(yaw), np.cos(yaw)
    root = np.stack([x + c * shift + s * ahead, height + bob + breath, z - s * shift + c * ahead], -1)
    turn = quat.mul(quat.from_yaw(yaw - twist), turn_about(x=upright + pitch, z=roll))
    return Pose(course.rig, root, turn), Tilt(twist, roll, pitch, lean, upright)


def _legs(course: Course, pose: Pose, fps: float) -> list[Step]:
    """Return the steps of all legs; the body sinks as far as the legs need to reach them, and each leg is solved."""
    body = course.body
    moves = [(leg, *_step(course, pose, leg)) for leg in body.legs]
    sink = np.max([shortfall(pose, leg, step, foot) for leg, step, foot in moves], 0)
    radius = round(0.45 * np.sqrt(body.leg_length / GRAVITY) * fps)
    pose.root = pose.root - _envelope(np.maximum(sink, 0), radius)[..., None] * UP
    for leg, step, foot in moves:
        solve_leg(pose, leg, step, foot, (course.ground.fore if leg.fore else course.ground.rear)[2])
    return [step for _, step, _ in moves]


def _step(course: Course, pose: Pose, leg: Leg) -> tuple[Step, np.ndarray]:
    """Return the path of a leg's foot and the foot's turn (N, T, 4); set girdle and toes."""
    rig, body, number, vary, style = course.rig, course.body, course.number, course.vary, course.style
    rest, duty, leg_length = pose.rest, course.duty, body.leg_length
    left = 1.0 if leg.role.startswith("left") else -1.0
    offset = np.array([cell.gait.touchdowns[leg.role] for cell in course.cells])[:, None]
    runs = course.jumps.speed == 0  # in jumps all feet leave the ground together
    offset = (offset + 0.04 * style.asymmetry * (left < 0)) * runs
    side, ahead = foot_home(rig, body, leg)
    width = number("width") * vary(21, 0.15)
    # Standing feet are apart as far as steps are long; the left one is ahead where the left side does more.
    apart = 1 + 0.2 * style.stride
    stagger = 0.05 * leg_length * left * style.asymmetry
    home = FootHome(side * apart, ahead + stagger, width / apart, number("behind") * leg_length, course.reference)
    swept = number("swept")
    limp = 1 + LIMP * left * style.asymmetry
    lift = number("lift") * leg_length * vary(22, 0.3 * (1 - swept)) * LIFT**style.lift * limp
    height = float(rest[leg.contact, 1])
    # A long body leaps: its fore feet leave the ground first and come down first.
    jumps = course.jumps.earlier(LEAD * (leg.fore and body.length > 0))
    leap = jumps.feet(course.times)
    thrust, landing = jumps.thrust(course.times)
    step = foot_path(
        course.jumping(jumps), course.times, body.length, leg.fore, offset, duty, home, course.stride, lift, height,
        swept, leap,
    )  # fmt: skip

    opening = 0.45 * duty
    window = (step.phase - opening) / (duty + 0.72 * (1 - duty) - opening)
    forward = 0.35 + 0.65 * np.maximum(course.along, 0)
    heel = np.radians(number("heel")) * runs * forward * vary(23, 0.2) * step.gain * bump(window, 4, 3)
    heel = heel + np.radians(30) * (thrust + 0.6 * landing) * (number("heel") > 0)
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
        # A second contact joint of the same foot stands while the foot is flat.
        for column in np.flatnonzero(rig.contact_slots == rig.contact_slots[leg.column]):
            if column != leg.column:
                moved = np.linalg.norm(np.diff(pose.position(int(rig.contact_joints[column])), axis=1), axis=-1) * fps
                still = np.concatenate([moved[:, :1], moved], 1) < 1e-3 * body.leg_length
                contacts[..., column] = step.planted & still
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
