"""Reading BVH files. docs/reference/formats.md says what is understood of the ways in which exporters disagree."""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rae_bench.data.formats.bvh_text import BvhJoint, parse_bvh
from rae_bench.data.formats.source import Source
from rae_bench.data.formats.take import Note, Take
from rae_bench.data.formats.units import Up, metres_per_unit, rate_doubt, turn_axes, upright
from rae_bench.data.wording import as_length, first_few
from rae_bench.errors import unknown
from rae_bench.kinematics import quat
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.motion.resample import resample
from rae_bench.rigs.rig import make_rig
from rae_bench.rigs.tree import joint_list

CHUNK = 1024
"""Frames whose angles are turned at a time: their working set stays in the second-level cache."""
STRETCH = 2e-3
"""A joint that strays from its place by less than this share of the longest bone does not move: rounding does that."""
SLIDE = 0.01
"""A joint that strays by less than this share of the body's size slides: it is held at its median place."""
DISPLACED = 0.1
"""Position channels are displacements from the OFFSET where all stay within this share of it."""
RADIANS_OF = 9
"""Files with more rotation channels than these are of bodies, some joint of which turns by more than a few degrees."""


def read_bvh(
    path: str | Path,
    *,
    unit: str | float = "cm",
    up: Up = "y",
    fps: float | None = None,
    root: str | None = None,
    recorded_fps: float | None = None,
    drop_joints: Sequence[str] = (),
    median_bones: bool = False,
) -> Motion:
    """Read one BVH file as a `Motion` of one clip, on a rig without roles, contact joints and rest pose.

    Where a joint below the root carries the path in its own position channels, the joints above it are folded into it
    and it becomes the root; world positions stay as they are. What is odd about the file, and how it was taken, is told
    as a `UserWarning` each.

    Args:
        path: the file.
        unit: "cm", "m", "mm", or metres per unit of the file (CMU: 0.056444).
        up: the file's vertical axis: "y", "z", "-y", "-z" or a direction; the motion is turned to y-up.
        fps: resample to this rate; None keeps the file's.
        root: fold everything above this joint into it and drop its siblings; None does so only where a file needs it.
        recorded_fps: the file's rate, where its Frame Time does not say it.
        drop_joints: globs on names of joints that are left out, with all that hangs on them.
        median_bones: hold joints that slide at their median places, however far they slide.

    Returns:
        Motion with root positions (1, T, 3) in metres and rotations (1, T, J, 4).

    Raises:
        UserError: One line names the file, the line where there is one, the fault and what to do.
    """
    take = read_bvh_take(
        path, unit=unit, up=up, root=root, recorded_fps=recorded_fps, drop_joints=drop_joints, median_bones=median_bones
    )
    for note in take.notes:
        warnings.warn(f"{path}: {note.text}", UserWarning, stacklevel=2)
    return take.motion if fps is None else resample(take.motion, fps)


def read_bvh_take(
    path: str | Path,
    *,
    unit: str | float = "cm",
    up: Up = "y",
    root: str | None = None,
    recorded_fps: float | None = None,
    drop_joints: Sequence[str] = (),
    median_bones: bool = False,
) -> Take:
    """Read one BVH file as `read_bvh` does, at its own rate, with notes on what is odd about it."""
    path = Path(path)
    source = Source(path)
    scale, turn = metres_per_unit(unit), upright(up)
    file = parse_bvh(source, recorded_fps)
    joints, dropped = _without(file.joints, drop_joints, source)
    rotations, positions = _local_transforms(joints, file.values)
    notes = [*file.notes, *_odd_channels(joints, file.values), *_displacements(joints, positions)]
    if doubt := rate_doubt(file.fps):
        notes.append(Note("rate", doubt))
    keep, root_rotation, root_position, slides, slid = _fold_root(
        joints, rotations, positions, root, median_bones, scale, source
    )
    joints, new_of = [joints[j] for j in keep], {old: new for new, old in enumerate(keep)}
    if len(keep) < rotations.shape[1]:
        rotations = rotations[:, keep]
    rotations[:, 0] = root_rotation
    offsets = np.stack([joint.offset for joint in joints]) * scale
    offsets[0] = 0
    root_position = root_position * scale
    offsets, root_position, rotations = turn_axes(turn, offsets, root_position, rotations)

    parents = np.array([-1, *(new_of[joint.parent] for joint in joints[1:])])
    rig = make_rig(path.stem, joint_list([joint.name for joint in joints], parents, offsets), {}, where=str(path))
    motion = make_motion(rig, file.fps, root_position[None], rotations[None])
    return Take(motion, (*notes, *slid), slides=slides, dropped=dropped)


def _without(
    joints: list[BvhJoint], patterns: Sequence[str], source: Source
) -> tuple[list[BvhJoint], tuple[str, ...]]:
    """Return the joints that match no pattern and hang on none that does, and the names of the others."""
    gone: set[int] = set()
    for j, joint in enumerate(joints):
        if joint.parent in gone or any(fnmatch.fnmatchcase(joint.name, pattern) for pattern in patterns):
            gone.add(j)
    roots = [j for j, joint in enumerate(joints) if joint.parent < 0 and j not in gone]
    if not roots:
        raise source.fault(f"drop_joints would drop the root '{joints[0].name}' and with it everything")
    if len(roots) > 1:
        text = f"a second ROOT '{joints[roots[1]].name}'; a rig has one: split the file, or leave out what is no body"
        raise source.fault(f"{text} (--drop-joints '{joints[roots[1]].name}')")
    keep = [j for j in range(len(joints)) if j not in gone]
    place = {old: new for new, old in enumerate(keep)}
    kept = [replace(joints[j], parent=place.get(joints[j].parent, -1)) for j in keep]
    return kept, tuple(joints[j].name for j in sorted(gone))


def _local_transforms(joints: list[BvhJoint], values: np.ndarray) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Return local rotations (T, J, 4), and joint -> positions (T, 3) in its parent.

    Only the root and joints with position channels have positions.
    """
    frames = len(values)
    rotations = np.empty((frames, len(joints), 4), np.float32)
    orders: dict[str, list[int]] = {}
    positions: dict[int, np.ndarray] = {}
    for j, joint in enumerate(joints):
        order = "".join(channel[0] for channel in joint.columns if channel.endswith("rotation"))
        orders.setdefault(order, []).append(j)
        moving = {"xyz".index(name[0]): column for name, column in joint.columns.items() if name.endswith("position")}
        if moving or joint.parent < 0:
            position = np.tile(joint.offset, (frames, 1))
            for axis, column in moving.items():
                position[:, axis] = values[:, column]
            positions[j] = position
    for order, members in orders.items():
        columns = [[joints[j].columns[axis + "rotation"] for j in members] for axis in order]
        for start in range(0, frames, CHUNK):
            part = slice(start, start + CHUNK)
            rotations[part, members] = quat.from_euler(order, [values[part, column] for column in columns])
    return rotations, positions


def _odd_channels(joints: Sequence[BvhJoint], values: np.ndarray) -> list[Note]:
    """Return notes on scales, which are passed over, and on angles that are hardly in degrees.

    Args:
        joints: as they were parsed.
        values: (T, channels).
    """
    notes = []
    scales = [column for joint in joints for name, column in joint.columns.items() if name.endswith("scale")]
    if scales and np.abs(values[:, scales] - 1).max() > 0.01:
        low, high = values[:, scales].min(), values[:, scales].max()
        notes.append(Note("scale", f"scale channels from {low:.3g} to {high:.3g} are passed over", high))
    turns = [column for joint in joints for name, column in joint.columns.items() if name.endswith("rotation")]
    some = values[:: max(1, len(values) // 100)]  # nearly every file is settled by these
    if len(turns) > RADIANS_OF and len(values) > 1 and np.abs(some[:, turns]).max() <= 3.2:
        most, moves = np.abs(values[:, turns]).max(), np.ptp(values[:, turns], axis=0).max()
        if moves > 0.4 and most <= 3.2:
            notes.append(Note("radians", f"no angle is beyond {most:.2g} degrees: are they radians? BVH has degrees"))
    return notes


def _displacements(joints: list[BvhJoint], positions: dict[int, np.ndarray]) -> list[Note]:
    """Add their OFFSETs to positions that say how far joints are displaced from them, and tell it.

    Position channels of a joint are its place in its parent. Some writers put in how far it is displaced from its
    OFFSET, usually zeros: taken as places, they would put the body in a heap. Zeros are taken for such, and small
    numbers where all joints have such.

    Args:
        joints: as they were parsed.
        positions: joint -> (T, 3) in its parent; changed in place.
    """
    longest = max((float(np.linalg.norm(joint.offset)) for joint in joints[1:]), default=0.0)
    away = {
        j: float(np.linalg.norm(joints[j].offset))
        for j in positions
        if j and np.linalg.norm(joints[j].offset) > STRETCH * longest
    }
    most = {j: float(np.abs(positions[j]).max()) for j in away}
    displaced = [j for j in away if most[j] <= 1e-6 * longest]
    apart = {j: float(np.linalg.norm(np.median(positions[j], axis=0) - joints[j].offset)) for j in away}
    if len(away) > 1 and all(
        most[j] <= DISPLACED * max(away[j], longest / 10) and apart[j] > away[j] / 2 for j in away
    ):
        displaced = list(away)
    for j in displaced:
        positions[j] += joints[j].offset
    if not displaced:
        return []
    names = first_few([joints[j].name for j in displaced], 3)
    kind = "are zero" if all(most[j] <= 1e-6 * longest for j in displaced) else "are near zero"
    return [
        Note("displaced", f"the position channels of {names} {kind}: taken as displacements from the OFFSETs")
    ]


def _fold_root(
    joints: list[BvhJoint],
    rotations: np.ndarray,
    positions: dict[int, np.ndarray],
    root: str | None,
    median_bones: bool,
    scale: float,
    source: Source,
) -> tuple[list[int], np.ndarray, np.ndarray, dict[str, float], list[Note]]:
    """Return which joints stay, the world rotation (T, 4) and position (T, 3) of the first of them, and what slid.

    What slid is joint -> metres, and a note.

    The offset of a joint is set where its position channels hold still at another place than its OFFSET, and to their
    median where they slide.

    Args:
        joints: as they were parsed.
        rotations: (T, J, 4) local.
        positions: joint -> (T, 3) in its parent, as `_local_transforms` returns them.
        root: name of the joint to make the root; None takes the one that carries the path.
        median_bones: whether joints that slide far are held at their median too.
        scale: metres in a unit of the file.
        source: the file.
    """
    longest = max((float(np.linalg.norm(joint.offset)) for joint in joints[1:]), default=0.0)
    if not longest:  # all OFFSETs are zero, and position channels hold the skeleton
        longest = max((float(np.linalg.norm(np.median(positions[j], axis=0))) for j in positions if j), default=0.0)
    stray: dict[int, float] = {}
    elsewhere: dict[int, float] = {}
    for j, position in positions.items():
        middle = np.median(position, axis=0)
        far = float(np.abs(position - middle).max())
        if far > STRETCH * longest:
            stray[j] = far
        elif j and np.abs(middle - joints[j].offset).max() > STRETCH * longest:
            if joints[j].offset.any():
                elsewhere[j] = float(np.linalg.norm(middle - joints[j].offset))
            joints[j].offset = middle
    above: list[list[int]] = []  # each joint's chain from the root down to itself
    for j, joint in enumerate(joints):
        above.append([*above[joint.parent], j] if joint.parent >= 0 else [j])
    size = _size(joints) or longest or 1.0
    moving = [j for j in stray if j]
    if root is not None:
        names = [joint.name for joint in joints]
        if root not in names:
            raise source.fault(str(unknown("joint", root, names)))
        top = names.index(root)
    else:
        # What hangs on a joint that slides, such as all of a tail, must not make it the root.
        carries = [j for j in moving if all(j in above[k] or k in above[j] for k in range(len(joints)))]
        roots = [j for j in carries if stray[j] > SLIDE * size or not any(k in stray for k in above[j][:-1])]
        top = max(roots, key=lambda j: len(above[j]), default=0)
    keep = [j for j in range(len(joints)) if top in above[j]]
    sliding = [j for j in moving if j not in above[top] and j in keep]
    worst = sorted(sliding, key=lambda j: -stray[j])
    if worst and stray[worst[0]] > SLIDE * size and not median_bones:
        most = stray[worst[0]]
        raise source.fault(
            f"bones change length: {_strays(joints, worst, stray, scale, 6)}, {100 * most / size:.2g} % of the body; "
            "--median-bones holds them at their median, --drop-joints leaves them out, --root NAME names the joint "
            "that travels"
        )
    notes = []
    other = sorted((j for j in elsewhere if j in keep and j != top and elsewhere[j] > SLIDE * size),
                   key=lambda j: -elsewhere[j])  # fmt: skip
    if other:
        text = f"position channels differ from OFFSETs ({_strays(joints, other, elsewhere, scale, 3)}): they are taken"
        notes.append(Note("elsewhere", text, elsewhere[other[0]] / size))
    if sliding:
        off = np.zeros((len(joints), len(rotations)), np.float32)
        for j, joint in enumerate(joints):
            off[j] = off[joint.parent] if joint.parent >= 0 else 0
            if j in sliding:
                joint.offset = np.median(positions[j], axis=0)
                off[j] += np.linalg.norm(positions[j] - joint.offset, axis=-1)
        error = float(off.max())
        notes.append(
            Note(
                "slide",
                f"position channels slide ({_strays(joints, worst, stray, scale, 3)}): held at their median, which "
                f"moves a joint by up to {as_length(error * scale)} ({100 * error / size:.2g} % of the body)",
                error / size,
            )
        )
    rotation, position = rotations[:, 0], positions[0]
    for j in above[top][1:]:
        local = positions.get(j, np.broadcast_to(joints[j].offset, position.shape))
        position = position + quat.rotate(rotation, local)
        rotation = quat.mul(rotation, rotations[:, j])
    return keep, rotation, position, {joints[j].name: stray[j] * scale for j in sliding}, notes


def _size(joints: Sequence[BvhJoint]) -> float:
    """Return the longest way from one joint to another along the bones, in the file's units: a measure of the body."""
    reach, longest = [0.0] * len(joints), 0.0
    for j in range(len(joints) - 1, 0, -1):
        parent, way = joints[j].parent, reach[j] + float(np.linalg.norm(joints[j].offset))
        longest = max(longest, reach[parent] + way)
        reach[parent] = max(reach[parent], way)
    return longest


def _strays(joints: Sequence[BvhJoint], worst: Sequence[int], stray: Mapping[int, float], scale: float, n: int) -> str:
    """Return in words how far joints stray, the worst first."""
    return first_few([f"{joints[j].name} by {as_length(stray[j] * scale)}" for j in worst], n)
