"""DeepMimic clips and character files (Peng et al. 2018, doi:10.1145/3197517.3201311).

docs/reference/formats.md describes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from rae_bench.data.formats.joint_tree import make_joint_tree
from rae_bench.data.formats.source import Source, decode_json
from rae_bench.data.formats.take import Note, Take
from rae_bench.data.formats.units import Up, rounded_rate, turn_axes, upright
from rae_bench.kinematics import quat
from rae_bench.motion.motion import make_motion
from rae_bench.rigs.rig import LARGEST, make_rig
from rae_bench.rigs.tree import joint_list

NUMBERS = {"none": 0, "fixed": 0, "revolute": 1, "spherical": 4}
"""Numbers of a row that a joint of each type takes; the root's seven come first."""
ROOT_NUMBERS = 8
"""Duration, root place, root quaternion."""
UNEVEN = 1e-3
"""Frame durations that differ by less than this share are one rate."""
OFF_UNIT = 1e-3
"""Quaternions whose length is off by less are rounded, not wrong."""
MAX_UNEVEN_FRAMES = 1_000_000
"""Frames to which a clip of uneven durations may be resampled."""


class _Joint(msgspec.Struct):
    ID: int
    Name: str
    Type: str
    Parent: int
    AttachX: float
    AttachY: float
    AttachZ: float
    AttachThetaX: float = 0.0
    AttachThetaY: float = 0.0
    AttachThetaZ: float = 0.0


class _Joints(msgspec.Struct):
    Joints: list[_Joint]


class _CharacterFile(msgspec.Struct):
    Skeleton: _Joints


class _Clip(msgspec.Struct):
    Frames: list[list[float]]
    Loop: str = "none"


@dataclass(frozen=True, eq=False)
class DeepMimicCharacter:
    """A DeepMimic character file, joints depth first.

    Attributes:
        path: the file.
        names: J names.
        parents: (J,) int, -1 at the root.
        kinds: J keys of `NUMBERS`.
        columns: (J,) first column of each joint in a row; the root's is its quaternion's.
        width: numbers in a row.
        offsets: (J, 3) metres.
    """

    path: Path
    names: tuple[str, ...]
    parents: np.ndarray
    kinds: tuple[str, ...]
    columns: np.ndarray
    width: int
    offsets: np.ndarray


def read_character(path: str | Path) -> DeepMimicCharacter:
    """Read a character file.

    Raises:
        UserError: One line names the file, the joint and the fault.
    """
    source = Source(Path(path))
    joints = decode_json(source, _CharacterFile).Skeleton.Joints
    for number, joint in enumerate(joints):
        where = f"joint '{joint.Name[:40]}'"
        if number != joint.ID:
            raise source.fault(f"{where}: ID {joint.ID}, but it stands at place {number}")
        if joint.Type not in NUMBERS or (joint.Type == "none") != (number == 0):
            text = f"type '{joint.Type[:20]}'; the root's is none, others are {', '.join([*NUMBERS][1:])}"
            raise source.fault(f"{where}: {text}")
        if joint.AttachThetaX or joint.AttachThetaY or joint.AttachThetaZ:
            raise source.fault(f"{where}: AttachTheta is not 0; turned attachments are not read")
        if not abs(joint.AttachX) + abs(joint.AttachY) + abs(joint.AttachZ) < LARGEST:
            raise source.fault(f"{where}: its Attach is no place")
    names = [joint.Name for joint in joints]
    tree = make_joint_tree(names, [joint.Parent for joint in joints], None, source.fault)
    if tree.virtual_root or joints[0].Parent != -1:
        raise source.fault("a character has one root, its first joint")
    starts = ROOT_NUMBERS + np.cumsum([0, *(NUMBERS[joint.Type] for joint in joints)])
    columns = starts[:-1].copy()
    columns[0] = 4
    offsets = np.array([[joint.AttachX, joint.AttachY, joint.AttachZ] for joint in joints])
    offsets[0] = 0  # the rows say where the root is
    names, parents, order = tree.with_root()
    return DeepMimicCharacter(
        source.path,
        tuple(names),
        parents,
        tuple(joints[j].Type for j in order),
        columns[order],
        int(starts[-1]),
        offsets[order],
    )


def read_deepmimic(
    path: str | Path,
    characters: Sequence[DeepMimicCharacter],
    *,
    up: Up = "y",
    fps: float | None = None,
    loop_seconds: float | None = None,
) -> Take:
    """Read one clip, at the rate of its frame durations, on the character that its rows fit.

    Quaternions are made unit length. Frames of uneven duration are resampled to the median one's rate.

    Args:
        path: the file.
        characters: known characters; the one whose rows are as wide is taken.
        up: the file's vertical axis, as `upright` takes it.
        fps: frames per second, in place of what the file says; None takes the file's durations.
        loop_seconds: clips that wrap are played on until they last so long, each cycle from where and whither the last
            one ended; None plays them once.

    Raises:
        UserError: One line names the file, the frame and what is wrong with it.
    """
    source = Source(Path(path))
    durations, rows, character, wraps = _read_rows(source, characters)
    if fps is not None:
        durations = np.full(len(rows), 1 / fps)
    notes: list[Note] = []
    rotations, worst = _rotations(rows, character, source)
    if worst[0] > OFF_UNIT:
        text = f"quaternions were not of unit length, by up to {worst[0]:.2g} ({worst[1]}, frame {worst[2]})"
        notes.append(Note("unit length", f"{text}: normalised", worst[0]))
    root = rows[:, 1:4]
    fps, at = _times(durations, source)
    if at is not None:
        rotations, root = _at_times(rotations, root, durations, at)
        text = f"frames last {durations[:-1].min():.4g} to {durations[:-1].max():.4g} s: resampled to {fps:.4g} fps"
        notes.append(Note("frame times", text, float(np.ptp(durations[:-1]))))
    if loop_seconds is not None and wraps and 1 < len(root) < round(loop_seconds * fps):
        text = f"{(len(root) - 1) / fps:.2f} s that wrap are played on to {loop_seconds:g} s"
        notes.append(Note("wraps", text, fps * loop_seconds / len(root)))
        root, rotations = _played_on(root, rotations, round(loop_seconds * fps))
    offsets, root, rotations = turn_axes(upright(up), character.offsets, root, rotations)
    joints = joint_list(character.names, character.parents, offsets)
    rig = make_rig(source.path.stem, joints, {}, where=str(character.path))
    return Take(make_motion(rig, fps, root[None], rotations[None]), tuple(notes))


def _read_rows(
    source: Source, characters: Sequence[DeepMimicCharacter]
) -> tuple[np.ndarray, np.ndarray, DeepMimicCharacter, bool]:
    """Return durations (T,), rows (T, width), the character whose rows are as wide, and whether the clip is a cycle."""
    clip = decode_json(source, _Clip)
    frames = clip.Frames
    if not frames:
        raise source.fault("Frames is empty; the file holds no motion")
    width = len(frames[0])
    for number, row in enumerate(frames):
        if len(row) != width:
            raise source.fault(f"frame {number}: {len(row)} numbers, the first frame has {width}")
    fits = [character for character in characters if character.width == width]
    if len(fits) != 1:
        known = ", ".join(f"{character.path.name} ({character.width})" for character in characters) or "none"
        found = "several character files fit" if fits else "no character file fits"
        raise source.fault(f"{found} rows of {width} numbers (known: {known}); name the right one with --skeleton")
    rows = np.array(frames)
    wrong = ~(np.abs(rows) < LARGEST)
    if wrong.any():
        frame, column = np.argwhere(wrong)[0]
        raise source.fault(f"frame {frame}: number {column} is {rows[frame, column]:g}, which is no place or turn")
    return rows[:, 0], rows, fits[0], clip.Loop == "wrap"


def _rotations(
    rows: np.ndarray, character: DeepMimicCharacter, source: Source
) -> tuple[np.ndarray, tuple[float, str, int]]:
    """Return local rotations (T, J, 4), and the worst quaternion: how far from length 1, its joint and its frame."""
    rotations = np.tile(np.array([1.0, 0, 0, 0]), (len(rows), len(character.names), 1))
    kinds = np.array(character.kinds)
    hinges = np.flatnonzero(kinds == "revolute")
    rotations[:, hinges] = quat.from_axis_angle(np.array([0.0, 0, 1]), rows[:, character.columns[hinges]])
    balls = np.flatnonzero((kinds == "spherical") | (kinds == "none"))
    rotations[:, balls] = rows[:, character.columns[balls][:, None] + np.arange(4)]
    length = np.linalg.norm(rotations, axis=-1)
    if length.min() < 1e-3:
        frame, joint = np.argwhere(length < 1e-3)[0]
        raise source.fault(f"frame {frame}: the quaternion of '{character.names[joint]}' is 0, which is no turn")
    frame, joint = np.unravel_index(np.abs(length - 1).argmax(), length.shape)
    worst = (float(abs(length[frame, joint] - 1)), character.names[joint], int(frame))
    return rotations / length[..., None], worst


def _played_on(root: np.ndarray, rotations: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a cycle that begins anew where its last frame stands.

    Args:
        root: (T, 3) places of the root.
        rotations: (T, J, 4) local.
        frames: how many frames to play.

    Returns:
        Root places (frames, 3) and rotations (frames, J, 4).
    """
    size = len(root) - 1  # the last frame is the first of the next cycle
    turn = quat.mul(rotations[-1, 0], quat.inverse(rotations[0, 0]))
    yaw, step = 2 * np.arctan2(turn[2], turn[0]), (root[-1] - root[0]) * [1, 0, 1]
    place, places, turns = root[0], [], []
    for cycle in range(-(-frames // size)):
        heading = quat.from_yaw(np.array(cycle * yaw))
        places.append(place + quat.rotate(heading, root[:-1] - root[0]))
        turns.append(quat.mul(heading, rotations[:-1, 0]))
        place = place + quat.rotate(heading, step)
    again = np.resize(rotations[:-1], (frames, *rotations.shape[1:]))
    again[:, 0] = np.concatenate(turns)[:frames]
    return np.concatenate(places)[:frames], again


def _times(durations: np.ndarray, source: Source) -> tuple[float, np.ndarray | None]:
    """Return frames per second, and the times in seconds to resample at where frames do not last equally long."""
    lasting = durations[:-1] if len(durations) > 1 else durations  # the last frame's is 0
    if not (lasting > 1e-6).all() or lasting.max() > 1000:
        frame = int(np.argwhere(~((lasting > 1e-6) & (lasting <= 1000)))[0, 0])
        raise source.fault(f"frame {frame}: lasts {lasting[frame]:g} s; a duration between 1e-6 and 1000 s is needed")
    middle = float(np.median(lasting))
    fps = rounded_rate(middle)
    if np.ptp(lasting) <= UNEVEN * middle:
        return fps, None
    count = int(lasting.sum() * fps + 0.01) + 1  # durations are rounded
    if count > MAX_UNEVEN_FRAMES:
        raise source.fault(f"frames last between {lasting.min():g} and {lasting.max():g} s; no even rate fits them")
    return fps, np.arange(count) / fps


def _at_times(
    rotations: np.ndarray, root: np.ndarray, durations: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return rotations and root positions at times `at`, in seconds.

    Args:
        rotations: (T, J, 4) local.
        root: (T, 3).
        durations: (T,) seconds; a frame starts after the durations of those before it.
        at: (T',) seconds.
    """
    starts = np.concatenate([[0.0], np.cumsum(durations[:-1])])
    before = np.clip(np.searchsorted(starts, at, side="right") - 1, 0, len(starts) - 2)
    part = np.clip((at - starts[before]) / (starts[before + 1] - starts[before]), 0, 1)
    between = quat.slerp(rotations[before], rotations[before + 1], part[:, None])
    return between, root[before] + (root[before + 1] - root[before]) * part[:, None]
