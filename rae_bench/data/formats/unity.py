"""Recordings of the thesis' Unity recorder, JSON of the type `AnimationSequence`. See docs/reference/formats.md."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from rae_bench.data.formats.joint_tree import JointTree
from rae_bench.data.formats.positions import virtual_root_path
from rae_bench.data.formats.source import Source, decode_json
from rae_bench.data.formats.take import Note, Take
from rae_bench.data.formats.units import Up, metres_per_unit, turn_axes, upright
from rae_bench.kinematics import quat
from rae_bench.motion.motion import make_motion
from rae_bench.rigs.rig import LARGEST, MAX_JOINTS, make_rig
from rae_bench.rigs.tree import joint_list

NOT_A_TURN = 0.01
"""Largest deviation of R^T R from the identity that passes for rounding."""
STRETCH = 0.02
"""Bones that stray by more than this share of the longest get a note: IK solvers stretch."""


# Columns right, up, forward make the matrix of axes x, y, z.
_NUMBERS = operator.attrgetter(
    *(f"{of}.{axis}" for of in ("position", "rotMat.c2", "rotMat.c1", "rotMat.c0") for axis in "xyz")
)


class _Vector(msgspec.Struct, gc=False):
    x: float
    y: float
    z: float


class _Matrix(msgspec.Struct, gc=False):
    c0: _Vector
    c1: _Vector
    c2: _Vector


class _Joint(msgspec.Struct, gc=False):
    position: _Vector
    rotMat: _Matrix


class _Frame(msgspec.Struct, gc=False):
    joints: list[_Joint]


class _AnimationSequence(msgspec.Struct):
    frames: list[_Frame]


def read_unity(
    path: str | Path,
    trees: Sequence[JointTree],
    *,
    fps: float | None,
    root_path: str | None,
    unit: str | float = "m",
    up: Up = "y",
) -> Take:
    """Read one recording on the joint tree that has as many joints.

    Args:
        path: the file.
        trees: known names and parents.
        fps: frames per second; the file does not say it.
        root_path: "fixed" or "children", as `virtual_root_path` says: the recorder drops the root.
        unit: unit of the file, as `metres_per_unit` takes it.
        up: vertical axis of the file, as `upright` takes it.

    Raises:
        UserError: One line names the file, the frame and what to give.
    """
    source = Source(Path(path))
    scale, turn = metres_per_unit(unit), upright(up)
    if fps is None:
        raise source.fault("no frame rate in the file (its timestamps count frames); give it with --recorded-fps")
    positions, matrices = _decode(source)
    count = positions.shape[1]
    fits = [tree for tree in trees if len(tree.names) == count]
    if len(fits) != 1:
        found = "several skeleton files have" if fits else "no skeleton file has"
        raise source.fault(f"{found} {count} joints; name their joints and parents in one given with --skeleton")
    if fits[0].virtual_root:
        path_of_root, turns = virtual_root_path(positions, fits[0], root_path, source.fault)
        positions = np.concatenate([path_of_root[:, None], positions], 1)
        matrices = np.concatenate([turns[:, None], matrices], 1)
    names, parents, order = fits[0].with_root()
    positions = positions[:, order] * scale
    world = _quaternions(matrices[:, order])

    above = world[:, parents]
    local = quat.mul(quat.inverse(above), world)
    local[:, 0] = world[:, 0]
    bones = quat.rotate(quat.inverse(above), positions - positions[:, parents])
    bones[:, 0] = 0
    offsets = np.median(bones, axis=0)
    stray = np.abs(bones - offsets).max((0, 2)) / max(float(np.linalg.norm(offsets, axis=-1).max()), 1e-12)
    notes = []
    if stray.max() > STRETCH:
        joint = int(stray.argmax())
        text = f"bones stray by up to {100 * stray[joint]:.2g} % of the longest ({names[joint]}): the median is used"
        notes.append(Note("stretch", text, float(stray[joint])))
    offsets, root, local = turn_axes(turn, offsets, positions[:, 0], local)
    rig = make_rig(source.path.stem, joint_list(names, parents, offsets), {}, where=str(path))
    return Take(make_motion(rig, fps, root[None], local[None]), tuple(notes))


def _decode(source: Source) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (T, J, 3) and rotation matrices (T, J, 3, 3), right-handed, in the file's unit."""
    frames = [frame.joints for frame in decode_json(source, _AnimationSequence).frames]
    if not frames:
        raise source.fault("frames is empty; the file holds no motion")
    count = len(frames[0])
    if not 0 < count <= MAX_JOINTS:
        raise source.fault(f"{count} joints in the first frame; between 1 and {MAX_JOINTS} are read")
    for number, joints in enumerate(frames):
        if len(joints) != count:
            raise source.fault(f"frame {number}: {len(joints)} joints, the first frame has {count}")
    numbers = itertools.chain.from_iterable(map(_NUMBERS, itertools.chain.from_iterable(frames)))
    values = np.fromiter(numbers, float, 12 * len(frames) * count).reshape(len(frames), count, 4, 3)
    wrong = ~(np.abs(values) < LARGEST).all((2, 3))
    if wrong.any():
        frame, joint = np.argwhere(wrong)[0]
        raise source.fault(f"frame {frame}, joint {joint}: its position or rotation is no number that can be")
    mirror = np.array([-1.0, 1, 1])
    positions = values[:, :, 0] * mirror
    matrices = np.swapaxes(values[:, :, 1:], 2, 3) * mirror[:, None] * mirror
    crooked = np.abs(np.swapaxes(matrices, 2, 3) @ matrices - np.eye(3)).max((2, 3)) > NOT_A_TURN
    crooked |= np.linalg.det(matrices) < 0
    if crooked.any():
        frame, joint = np.argwhere(crooked)[0]
        raise source.fault(f"frame {frame}, joint {joint}: rotMat is no rotation")
    return positions, matrices


def _quaternions(m: np.ndarray) -> np.ndarray:
    """Return the quaternions (..., 4) of checked rotation matrices (..., 3, 3).

    scipy's way takes as long as reading the whole file.
    """
    x, y, z = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    wx, wy, wz = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, xz, yz = m[..., 1, 0] + m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 2, 1] + m[..., 1, 2]
    # Four times the products of the quaternion's parts: each row is the quaternion, the longest the most exact.
    rows = np.stack(
        [1 + x + y + z, wx, wy, wz, wx, 1 + x - y - z, xy, xz, wy, xy, 1 - x + y - z, yz, wz, xz, yz, 1 - x - y + z], -1
    )
    rows = rows.reshape((*m.shape[:-2], 4, 4))
    best = np.diagonal(rows, axis1=-2, axis2=-1).argmax(-1)
    return quat.normalize(np.take_along_axis(rows, best[..., None, None], -2)[..., 0, :])
