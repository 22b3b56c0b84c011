"""What written objectives ask, frame by frame: objectives and paths as models read them."""

from __future__ import annotations

import math

import numpy as np
from scipy.interpolate import PchipInterpolator

from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.motion.course import frames_ahead, smooth
from rae_bench.motion.motion import Motion
from rae_bench.motion.root import RootSpace
from rae_bench.objectives.objectives import NONE, Objectives
from rae_bench.objectives.path import RootPath, path_of
from rae_bench.objectives.written import WrittenObjectives
from rae_bench.rigs.rig import ROLES, Rig


def to_path(written: WrittenObjectives, fps: float, past: Motion) -> RootPath:
    """Return the path of one clip over history and generated frames, in the world.

    It leads through the root of the history and the points of the file, and is low-passed as the paths are that models
    learn from. After the last point it stays. Where no point says where to face, it faces where it goes.

    Args:
        written: what a file asks for, with a path.
        fps: frames per second.
        past: one clip, the history.

    Returns:
        A path of shape (1, history + generated, ...).
    """
    frames, ahead = past.root_positions.shape[1], frames_ahead(fps)
    root = RootSpace(past.root.origin[0, -1], past.root.yaw[0, -1])
    points = np.array([[point.x, 0.0, point.z] for point in written.path])
    places = root.points_out(points)[:, [0, 2]]
    times = np.array([0.0, *(point.time for point in written.path)])
    knots = np.concatenate([root.origin[None, [0, 2]], places])
    total = frames_to_generate(written, fps) + ahead
    t = np.minimum(np.arange(1, total + 1) / fps, times[-1])
    way = PchipInterpolator(times, knots)(t)

    along = np.diff(knots, axis=0)
    going = np.linalg.norm(along, axis=1) > 1e-3
    faced = [float(root.yaw)]
    for point, step, moves in zip(written.path, along, going, strict=True):
        turn = float(root.yaw) + point.heading if point.heading is not None else faced[-1]
        faced.append(math.atan2(*step) if point.heading is None and moves else turn)
    facing = np.interp(t, times, np.unwrap(faced))
    before = np.concatenate([past.root.origin[0][:, [0, 2]], np.unwrap(past.root.yaw[0])[:, None]], 1)
    facing += before[-1, 2] - float(root.yaw)
    whole = np.concatenate([before, np.concatenate([way, facing[:, None]], 1)])
    reach = frames
    wide = np.pad(whole, ((reach, 0), (0, 0)), "reflect", reflect_type="odd")
    return path_of(smooth(wide[None], fps)[:, reach:].astype(np.float32), fps, past.rig.height)


def frames_to_generate(written: WrittenObjectives, fps: float) -> int:
    """Return how many frames the file asks for at a frame rate; at least one."""
    return max(1, round(written.seconds * fps))


def to_objectives(
    written: WrittenObjectives, rig: Rig, fps: float, root: RootSpace, history: int, where: str
) -> Objectives:
    """Return the `Objectives` of one clip over history and generated frames, in the world.

    As in the protocol, row t holds each role's next objective, the first that arrives after t.

    Args:
        written: what a file asks for.
        rig: the skeleton.
        fps: frames per second.
        root: root space of the last history frame, with arrays of shape () and (3,).
        history: frames before the first generated one.
        where: name of the file, for messages.

    Returns:
        Objectives of shape (1, history + generated, 8, ...).

    Raises:
        UserError: The rig lacks a role, or a role has two objectives at one frame.
    """
    total = history + frames_to_generate(written, fps)
    frame = np.arange(total)
    shape = (1, total, len(ROLES))
    positions = np.zeros((*shape, 3), np.float32)
    rotations = np.tile(quat.IDENTITY, (*shape, 1))
    arrivals = np.broadcast_to(frame[None, :, None], shape).astype(np.int32)
    kinds = np.full(shape, NONE, np.int8)
    before = np.full(len(ROLES), -1)
    for asked in sorted(written.objectives, key=lambda each: each.time):
        role = ROLES[asked.slot]
        if role not in rig.roles:
            raise UserError(f"{where}: rig '{rig.name}' has no {role}; its roles are {', '.join(rig.roles)}")
        arrival = min(history - 1 + max(1, round(asked.time * fps)), total - 1)
        if arrival == before[asked.slot]:
            raise UserError(f"{where}: two objectives of the {role} at {asked.time:g} s; a role has one at a time")
        rows = (slice(0, 1), slice(max(before[asked.slot], 0), arrival), asked.slot)
        positions[rows] = root.points_out(asked.position[None])[0]
        rotations[rows] = quat.mul(root.rotation, asked.rotation)
        arrivals[rows] = arrival
        kinds[rows] = asked.kind
        before[asked.slot] = arrival
    return Objectives(positions, rotations, arrivals, kinds)
