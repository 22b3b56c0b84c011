"""The whole body over a clip: the pelvis sways and bobs, trunk, arms and tail follow, legs reach their feet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.ndimage import convolve1d, maximum_filter1d

from rae_bench.data.generators.locomotion.body import UP, Body, FreeArm, Leg, only_axis
from rae_bench.data.generators.locomotion.foot_paths import FootHome, Step, foot_path
from rae_bench.data.generators.locomotion.gaits import GaitCell
from rae_bench.data.generators.locomotion.paths import GRAVITY, Ground, Paths, bump, ease, fade, ground_at, make_paths
from rae_bench.data.generators.locomotion.pose import Pose, shortfall, solve_leg, turn_about, unit
from rae_bench.kinematics import quat
from rae_bench.kinematics.inverse import from_limit_angles, limit_angles
from rae_bench.rigs.rig import Rig

SPREAD = {"hand": 0.45, "foot": -0.45}
"""Leg lengths by which sprawled legs reach ahead of where they rest."""


@dataclass(frozen=True)
class _Course:
    """What all parts of the body follow, over the frames of N clips.

    Attributes:
        rig: the skeleton.
        body: its body plan.
        cells: N cells, one for each clip.
        draw: (N, DRAWS) random numbers in [0, 1).
        paths: the body's paths.
        times: (N, T) seconds.
        reference: (N, 1) metres a second.
        stride: (N, 1) metres.
        phase: (N, T) cycles.
        speed: (N, T) metres a second.
        ground: where the girdles stand.
        go: (N, T) how much of a full-speed movement remains.
    """

    rig: Rig
    body: Body
    cells: Sequence[GaitCell]
    draw: np.ndarray
    paths: Paths
    times: np.ndarray
    reference: np.ndarray
    stride: np.ndarray
    phase: np.ndarray
    speed: np.ndarray
    ground: Ground
    go: np.ndarray

    def number(self, field: str) -> np.ndarray:
        """Return a number of the gait of each clip, (N, 1)."""
        return np.array([getattr(cell.gait, field) for cell in self.cells], float)[:, None]

    def vary(self, draw: int, spread: float | np.ndarray) -> np.ndarray:
        """Return factors (N, 1) within 1 +- `spread`, from the draw of that index."""
        return 1 + spread * (2 * self.draw[:, draw : draw + 1] - 1)

    @property
    def cycle(self) -> np.ndarray:
        """(N, T) radians since the left foot came down."""
        return 2 * np.pi * self.phase

    @property
    def middle(self) -> np.ndarray:
        """(N, T) radians since the middle of the left foot's stance."""
        return 2 * np.pi * (self.phase - self.number("duty") / 2)


def make_poses(
    rig: Rig, body: Body, cells: Sequence[GaitCell], draw: np.ndarray, seconds: float, fps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the root positions (N, T, 3), local rotations (N, T, J, 4) and contacts (N, T, C) of all clips.

    Args:
        rig: the skeleton.
        body: its body plan.
        cells: N cells, one for each clip.
        draw: (N, DRAWS) random numbers in [0, 1).
        seconds: length of a clip.
        fps: frames per second.
    """
    paths, reference, stride = make_paths(cells, body.leg_length, draw, seconds, fps)
    times = np.broadcast_to(np.arange(round(seconds * fps)) / fps, (len(cells), round(seconds * fps)))
    phase, speed = paths.at(paths.phase, times), paths.at(paths.speed, times)
    ground = ground_at(paths, times, body.length)
    go = fade(speed / reference)
    course = _Course(rig, body, cells, draw, paths, times, reference, stride, phase, speed, ground, go)

    pose, tilt = _pelvis(course)
    _trunk(course, pose, tilt)
    _arms_and_tails(course, pose)
    steps = _legs(course, pose, fps)
    contacts = _contacts(pose, body, steps, fps)
    rotations = _within_limits(rig, body, pose.rotations())
    return pose.root.astype(np.float32), rotations.astype(np.float32), contacts


class _Tilt(NamedTuple):
    """Turns of the pelvis against its path, (N, T) radians; `upright` is its part of the trunk's `lean`."""

    twist: np.ndarray
    roll: np.ndarray
    pitch: np.ndarray
    lean: np.ndarray
    upright: np.ndarray


def _pelvis(course: _Course) -> tuple[Pose, _Tilt]:
    """Make the pelvis sway over the standing foot, bob twice a cycle and lean into turns."""
    number, vary, go, draw = course.number, course.vary, course.go, course.draw
    paths, times, middle, leg_length = course.paths, course.times, course.middle, course.body.leg_length
    pull = np.arctan(course.speed**2 * paths.at(paths.bend, times) / GRAVITY)
    sway = number("sway") * leg_length * vary(10, 0.35) * go * np.cos(middle)
    inward = 0.55 * np.tan(pull) * leg_length
    bob = number("bob") * leg_length * vary(11, 0.35) * go * np.cos(2 * middle)
    breath = 0.004 * leg_length * np.sin(2 * np.pi * (times * 0.3 + draw[:, 12:13]))
    twist = np.radians(number("yaw")) * vary(13, 0.3) * go * np.cos(course.cycle)
    roll = -0.6 * pull - np.radians(number("roll")) * vary(14, 0.3) * go * np.sin(middle + 0.6)
    pitch = np.radians(number("pitch")) * go * np.sin(2 * middle)
    lean = np.radians(number("lean")) * vary(15, 0.4) * go + 0.04 * (draw[:, 16:17] - 0.5)
    upright = 0.4 * lean if course.body.arms else 0.0 * lean

    shift = sway + inward
    x, z, yaw = course.ground.rear
    height = float(course.rig.rest_global[0][0, 1])
    root = np.stack([x + np.cos(yaw) * shift, height + bob + breath, z - np.sin(yaw) * shift], -1)
    turn = quat.mul(quat.from_yaw(yaw - twist), turn_about(x=upright + pitch, z=roll))
    return Pose(course.rig, root, turn), _Tilt(twist, roll, pitch, lean, upright)


def _trunk(course: _Course, pose: Pose, tilt: _Tilt) -> None:
    """Bend the trunk along the path, turn it against the pelvis, and let the neck keep the head level."""
    body, paths, times, draw, go = course.body, course.paths, course.times, course.draw, course.go
    bend = course.ground.fore[2] - course.ground.rear[2]
    ahead = paths.at(paths.yaw, times + 0.5) - paths.at(paths.yaw, times)
    counter = tilt.twist * (1 + 0.6 * (len(body.arms) > 0)) * course.vary(17, 0.3)
    nod = (0.012 if body.arms else 0.05) * np.sin(2 * course.middle + 1) * go
    nod = nod + 0.02 * np.sin(2 * np.pi * (times * 0.21 + draw[:, 18:19]))
    glance = 0.05 * np.sin(2 * np.pi * (times * 0.17 + draw[:, 19:20]))
    for joint in body.trunk:
        part = 1 / len(body.trunk)
        stoop = tilt.lean - tilt.upright - tilt.pitch
        pose.bend(joint, turn_about(x=part * stoop, y=part * (bend + tilt.twist + counter), z=part * -0.75 * tilt.roll))
    for joint in body.neck:
        part = 1 / len(body.neck)
        look = 0.45 * ahead + glance - counter
        pose.bend(joint, turn_about(x=part * (nod - 0.8 * tilt.lean), y=part * look, z=part * -0.2 * tilt.roll))


def _arms_and_tails(course: _Course, pose: Pose) -> None:
    """Swing the arms against the legs, and let tails wave with them."""
    body, times, draw, go, cycle = course.body, course.times, course.draw, course.go, course.cycle
    number, vary = course.number, course.vary
    running = fade(course.reference / np.sqrt(GRAVITY * body.leg_length))
    for arm in body.arms:
        back = np.radians(number("arm")) * vary(24, 0.35) * go * arm.side * np.cos(cycle - 0.25)
        back = back * min(1, body.leg_length / arm.length)
        back = back + 0.02 * np.sin(2 * np.pi * (times * 0.25 + draw[:, 27:28]))
        flex = np.radians(8) + np.radians(number("elbow")) * vary(25, 0.25) * (0.3 + 0.7 * go) - 0.4 * back
        spread = np.radians(9) + np.radians(8) * running + 0.06 * draw[:, 26:27]
        swing_arm(pose, arm, back, flex, spread)
    for tail in body.tails:
        for i, joint in enumerate(tail):
            wave = (0.10 + 0.05 * i) * vary(20, 0.5) * (0.35 + 0.65 * go)
            pose.bend(joint, turn_about(x=0.3 * wave * np.cos(2 * cycle - i), y=wave * np.sin(cycle - 0.8 * i)))


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


def _legs(course: _Course, pose: Pose, fps: float) -> list[Step]:
    """Return the steps of all legs; the body sinks as far as the legs need to reach them, and each leg is solved."""
    body = course.body
    moves = [(leg, *_step(course, pose, leg)) for leg in body.legs]
    sink = np.max([shortfall(pose, leg, step, foot) for leg, step, foot in moves], 0)
    radius = round(0.45 * np.sqrt(body.leg_length / GRAVITY) * fps)
    pose.root = pose.root - _envelope(np.maximum(sink, 0), radius)[..., None] * UP
    for leg, step, foot in moves:
        solve_leg(pose, leg, step, foot, (course.ground.fore if leg.fore else course.ground.rear)[2])
    return [step for _, step, _ in moves]


def _step(course: _Course, pose: Pose, leg: Leg) -> tuple[Step, np.ndarray]:
    """Return the path of a leg's foot and the foot's turn (N, T, 4); set girdle and toes."""
    rig, body, number, vary = course.rig, course.body, course.number, course.vary
    rest, duty = pose.rest, number("duty")
    offset = np.array([cell.gait.touchdowns[leg.role] for cell in course.cells])[:, None]
    side, _, ahead = rest[leg.contact] - rest[body.trunk[-1] if leg.fore else 0]
    if leg.coxa >= 0:  # sprawled legs rest straight out; at work the fore ones reach ahead, the hind ones back
        ahead += SPREAD.get(leg.role.split("_")[1], 0) * body.leg_length
    width = number("width") * vary(21, 0.15)
    home = FootHome(float(side), float(ahead), width, number("behind") * body.leg_length, course.reference)
    swept = number("swept")
    lift = number("lift") * body.leg_length * vary(22, 0.3 * (1 - swept))
    height = float(rest[leg.contact, 1])
    step = foot_path(
        course.paths, course.times, body.length, leg.fore, offset, duty, home, course.stride, lift, height, swept
    )

    opening = 0.45 * duty
    window = (step.phase - opening) / (duty + 0.72 * (1 - duty) - opening)
    heel = np.radians(number("heel")) * vary(23, 0.2) * step.gain * bump(window, 4, 3)
    toe = np.radians(number("toe")) * step.gain * bump((step.swing - 0.4) / 0.6, 4, 3)
    for joint in leg.girdle:
        reachout = np.cos(2 * np.pi * step.phase + np.pi * (0.5 - duty))
        pose.bend(joint, turn_about(x=-np.radians(7) * course.go * reachout / len(leg.girdle)))
    heading = quat.from_yaw(step.yaw)
    if rig.limits[leg.contact].any() and leg.ankle >= 0:
        pose.turns[leg.contact] = quat.mul(heading, turn_about(x=0.45 * heel * ease(step.swing * 2) - toe))
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
    """Bring what swings freely back inside its limits; legs are left alone, since their feet are planted."""
    held = np.zeros(len(rig), bool)
    held[[0, *(j for leg in body.legs for j in leg.joints)]] = True
    angles = limit_angles(rotations, rig)
    low, high = rig.limits[..., 0].astype(np.float64), rig.limits[..., 1].astype(np.float64)
    over = ((angles < low - 1e-6) | (angles > high + 1e-6)).any((0, 1, 3)) & ~held
    if over.any():
        rotations[..., over, :] = from_limit_angles(np.clip(angles, low, high), rig)[..., over, :]
    return rotations
