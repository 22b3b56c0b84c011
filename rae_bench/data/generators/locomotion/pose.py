"""A pose filled from the root down, and legs solved in closed form from the hip to the planted foot.

Rotations are kept as turns in world axes away from the rest pose, so that rigs with and without rest rotations are one
case.
"""

from __future__ import annotations

import numpy as np

from rae_bench.data.generators.locomotion.body import UP, Leg
from rae_bench.kinematics import quat
from rae_bench.kinematics.forward import global_to_local
from rae_bench.kinematics.inverse import limit_turn
from rae_bench.rigs.rig import Rig

MIN_BEND = np.radians([20, 32])
"""Radians: a leg stays bent by at least the first value, one that rests well bent by up to the second. Nearer to
straight, the knee would have to snap."""


def turn_about(x: np.ndarray | float = 0.0, y: np.ndarray | float = 0.0, z: np.ndarray | float = 0.0) -> np.ndarray:
    """Return the turns (..., 4) about x, then the new z, then the new y, in radians: the order of a rig's limits."""
    return limit_turn(np.stack(np.broadcast_arrays(x, y, z), -1))


class Pose:
    """Turns of all joints away from the rest pose, in world axes, filled from the root down.

    Attributes:
        rig: the skeleton.
        rest: (J, 3) metres, the rest pose in the world.
        root: (N, T, 3) metres, world.
        turns: for each joint (N, T, 4), or None where it follows its parent.
    """

    def __init__(self, rig: Rig, root: np.ndarray, turn: np.ndarray) -> None:
        self.rig = rig
        self.rest = rig.rest_global[0].astype(np.float64)
        self.root = root
        self.turns: list[np.ndarray | None] = [None] * len(rig)
        self.turns[0] = turn

    def turn(self, joint: int) -> np.ndarray:
        """Return the turn (N, T, 4) of a joint; one that nothing has turned follows its parent."""
        turn = self.turns[joint]
        return self.turn(int(self.rig.parents[joint])) if turn is None else turn

    def bend(self, joint: int, local: np.ndarray) -> None:
        """Turn a joint by `local` (N, T, 4) relative to its parent."""
        self.turns[joint] = quat.mul(self.turn(int(self.rig.parents[joint])), local)

    def position(self, joint: int) -> np.ndarray:
        """Return where a joint is, (N, T, 3) in metres, world."""
        if joint == 0:
            return self.root
        parent = int(self.rig.parents[joint])
        return self.position(parent) + fast_rotate(self.turn(parent), self.rest[joint] - self.rest[parent])

    def rotations(self) -> np.ndarray:
        """Return the local rotations (N, T, J, 4)."""
        turns = np.stack([self.turn(j) for j in range(len(self.rig))], -2)
        return global_to_local(quat.mul(turns, self.rig.rest_global[1].astype(np.float64)), self.rig.parents)


def fast_rotate(q: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return vectors (..., 3), turned by unit quaternions (..., 4).

    `quat.rotate` does the same with np.cross, whose overhead would dominate here. It sums in another order: to use one
    of them for both would move the last bits of all built-in motion.
    """
    w, x, y, z = np.moveaxis(q, -1, 0)
    a, b, c = np.moveaxis(np.asarray(v), -1, 0)
    i, j, k = 2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)
    return np.stack([a + w * i + y * k - z * j, b + w * j + z * i - x * k, c + w * k + x * j - y * i], -1)


def unit(v: np.ndarray) -> np.ndarray:
    """Return vectors (..., 3) scaled to length 1."""
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def _two_bones(leg: Leg, hip: np.ndarray, end: np.ndarray, pole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the turns (N, T, 4) of thigh and shank that bring the lower leg's end to `end`.

    Args:
        leg: the leg.
        hip: (N, T, 3) metres, world.
        end: (N, T, 3) metres, world.
        pole: (N, T, 3) direction to which the knee's axis comes as near as it can.
    """
    reach = end - hip
    distance = (reach * reach).sum(-1)
    along = (leg.upper @ leg.hinge) * (leg.lower @ leg.hinge)
    across = np.linalg.norm(np.cross(leg.hinge, leg.upper)) * np.linalg.norm(np.cross(leg.hinge, leg.lower))
    cosine = (distance - leg.upper @ leg.upper - leg.lower @ leg.lower - 2 * along) / (2 * across)
    knee = quat.from_axis_angle(leg.hinge, np.arccos(np.clip(cosine, -1, 1)) - leg.bend)
    a = unit(leg.upper + fast_rotate(knee, leg.lower))
    b = unit(leg.hinge - (a @ leg.hinge)[..., None] * a)
    to_a = unit(reach)
    to_b = unit(pole - (pole * to_a).sum(-1, keepdims=True) * to_a)
    first = quat.between(a, to_a)
    # What is left after the shortest turn is a twist about the line from hip to end.
    turned = fast_rotate(first, b)
    sine = (np.cross(turned, to_b) * to_a).sum(-1)
    twist = quat.from_axis_angle(to_a, np.arctan2(sine, (turned * to_b).sum(-1)))
    thigh = quat.mul(twist, first)
    return thigh, quat.mul(thigh, knee)


def solve_leg(
    pose: Pose, leg: Leg, place: np.ndarray, foot: np.ndarray, foot_yaw: np.ndarray, body_yaw: np.ndarray
) -> None:
    """Set the joints of a leg so that its contact joint stands exactly at `place`.

    Args:
        pose: all joints above the leg are set.
        leg: the leg.
        place: (N, T, 3) metres, world.
        foot: (N, T, 4) turn of the foot.
        foot_yaw: (N, T) radians, heading of the foot.
        body_yaw: (N, T) radians, heading of the girdle.
    """
    attach = pose.turn(int(pose.rig.parents[leg.coxa if leg.coxa >= 0 else leg.hip]))
    if leg.coxa >= 0:
        base = pose.position(leg.coxa)
        seen = fast_rotate(quat.inverse(attach), place - base)
        rest = pose.rest[leg.contact] - pose.rest[leg.coxa]
        angle = quat.wrapped(np.arctan2(seen[..., 0], seen[..., 2]) - np.arctan2(rest[0], rest[2]))
        pose.bend(leg.coxa, quat.from_axis_angle(UP, angle))
        pole, end = fast_rotate(pose.turn(leg.coxa), leg.hinge), place
    else:
        pole = fast_rotate(quat.from_yaw((foot_yaw + body_yaw) / 2), leg.hinge)
        end = place if leg.ankle < 0 else place - fast_rotate(foot, leg.foot)
    pose.turns[leg.hip], pose.turns[leg.knee] = _two_bones(leg, pose.position(leg.hip), end, pole)
    if leg.ankle >= 0:
        pose.turns[leg.ankle] = foot


def shortfall(pose: Pose, leg: Leg, place: np.ndarray, foot: np.ndarray) -> np.ndarray:
    """Return the metres (N, T) by which the body must sink for a leg to reach its foot.

    The knee stays bent by `MIN_BEND`.

    Args:
        pose: all joints above the leg are set.
        leg: the leg.
        place: (N, T, 3) metres, world, where its contact joint stands.
        foot: (N, T, 4) turn of the foot.
    """
    end = place if leg.ankle < 0 else place - fast_rotate(foot, leg.foot)
    if leg.coxa >= 0:
        # The coxa turns towards the foot: only its length and height count.
        base = pose.position(leg.coxa)
        link = pose.rest[leg.hip] - pose.rest[leg.coxa]
        flat = np.hypot(end[..., 0] - base[..., 0], end[..., 2] - base[..., 2]) - np.hypot(link[0], link[2])
        hip_y = base[..., 1] + link[1]
    else:
        hip = pose.position(leg.hip)
        flat = np.hypot(end[..., 0] - hip[..., 0], end[..., 2] - hip[..., 2])
        hip_y = hip[..., 1]
    longest = leg.length(float(np.clip(0.8 * leg.bend, *MIN_BEND)))
    return hip_y - end[..., 1] - np.sqrt(np.maximum(longest**2 - flat**2, (0.3 * longest) ** 2))
