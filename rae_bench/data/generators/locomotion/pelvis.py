"""The pelvis: it sways over the standing foot, heaves with the steps, leans into turns, and goes where actions ask."""

from __future__ import annotations

import numpy as np

from rae_bench.data.generators.locomotion.course import LATE, Course
from rae_bench.data.generators.locomotion.curves import GRAVITY
from rae_bench.data.generators.locomotion.pace import STRIDE
from rae_bench.data.generators.locomotion.pose import Pose, turn_about
from rae_bench.data.generators.locomotion.upper_body import Tilt
from rae_bench.kinematics import quat

CROUCH = 0.22
"""Leg lengths by which the highest number of style lowers a body, or `ROOM` of what its legs allow if that is less."""
ROOM = 0.5
"""Share of the room below a standing body that a crouch may take."""
LEAN = np.radians([13, 5])
"""Pitch of an upright trunk, and of one that lies on its legs, at the highest number of style."""
BALANCE = 0.4
"""Metres back for a metre down in a crouch of an upright body."""
SWAY = 2.0
"""Factor on sway at the highest number of style."""
HARMONICS = 12
"""Of the height of a running body."""


def place_pelvis(course: Course) -> tuple[Pose, Tilt]:
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
    bob = number("bob") * STRIDE ** (2 * style.stride) * leg_length * vary(11, 0.35) * go * np.cos(2 * middle)
    bob = np.where(course.flies, _heave(course), bob) + limp * ~course.flies
    breath = 0.004 * leg_length * np.sin(2 * np.pi * (times * 0.3 + draw[:, 12:13]))
    twist = np.radians(number("yaw")) * vary(13, 0.3) * go * np.cos(course.cycle) * course.along
    roll = -0.6 * pull - np.radians(number("roll")) * vary(14, 0.3) * wide * go * np.sin(middle + 0.6)
    roll = roll + np.radians(2) * style.asymmetry * (1 - 0.7 * course.down)
    pitch = np.radians(number("pitch")) * go * np.sin(2 * middle)
    lean = np.radians(number("lean")) * vary(15, 0.4) * go + 0.04 * (draw[:, 16:17] - 0.5)
    held = LEAN[0 if course.body.arms else 1] * style.lean * (1 - 0.7 * course.down)
    lean = lean + held + (0.5 if course.body.arms else 0.1) * np.arctan(paths.at(paths.surge, times) / GRAVITY)
    low = min(CROUCH * leg_length, ROOM * course.postures.room) * np.maximum(style.crouch, 0)
    low = low * (1 - course.down) * (1 - course.jumps.ready(times))  # legs stretch for a jump
    # An upright body that bends its knees keeps its balance: the pelvis goes back, the trunk leans forward.
    back = (BALANCE if course.body.arms else 0.0) * low
    lean = lean + 1.5 * back / leg_length
    upright = 0.4 * lean if course.body.arms else held
    nose_up = 0.12 * min(1, 2 * course.body.length / leg_length)
    pitch = pitch + course.of_seat("pitch") - nose_up * (course.thrust - course.landing)

    shift = sway + inward
    ahead = 0.03 * leg_length * course.idle * course.drift(34, 4.5) - course.of_seat("back") - back
    x, z, yaw = course.ground.rear
    height = float(course.rig.rest_global[0][0, 1]) - low - course.of_seat("drop") + course.height
    s, c = np.sin(yaw), np.cos(yaw)
    root = np.stack([x + c * shift + s * ahead, height + bob + breath, z - s * shift + c * ahead], -1)
    turn = quat.mul(quat.from_yaw(yaw - twist), turn_about(x=upright + pitch, z=roll))
    return Pose(course.rig, root, turn), Tilt(twist, roll, pitch, lean, upright)


def _heave(course: Course) -> np.ndarray:
    """Return the height (N, T) in metres, without its mean, of bodies that follow gravity while no foot stands.

    Each foot carries its share of the weight along half a sine over its stance, as a spring would. The acceleration is
    a Fourier series in the gait cycle, and so is the height.
    """
    downs = np.array([[cell.gait.touchdowns[leg.role] for leg in course.body.legs] for cell in course.cells])
    right = np.array([leg.role.startswith("right") for leg in course.body.legs])
    middles = downs + LATE * course.style.asymmetry * right + course.duty / 2
    pace = np.sqrt(0.6 + 0.4 * (course.speed / course.reference) ** 2)
    cycle = course.stride / course.reference / pace
    height = np.zeros(course.phase.shape, complex)
    for k in range(1, HARMONICS + 1):
        weight = np.pi / 2 * (np.sinc(k * course.duty - 0.5) + np.sinc(k * course.duty + 0.5))
        turned = np.exp(-2j * np.pi * k * middles).mean(1, keepdims=True)
        height = height - weight * turned / (2 * np.pi * k) ** 2 * np.exp(2j * np.pi * k * course.phase)
    lifted: np.ndarray = GRAVITY * cycle**2 * course.go * height.real
    return lifted
