"""The format `npz`: recordings that hold positions of points. docs/reference/formats.md describes the files.

`read_points` reads the points of a file, to which `fit_points.py` fits a skeleton. `write_npz` writes a file, with
rotations.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rae_bench.data.formats.archive import Archive, recorded_rate
from rae_bench.data.formats.joint_tree import JointTree, make_joint_tree
from rae_bench.data.formats.source import Source
from rae_bench.data.formats.take import Note
from rae_bench.data.formats.units import Up, metres_per_unit, upright
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.kinematics.fit import kabsch
from rae_bench.kinematics.forward import forward_kinematics
from rae_bench.motion.motion import Motion, clip_arrays
from rae_bench.rigs.rig import LARGEST
from rae_bench.storage import whole_file

FIXED, CHILDREN = "fixed", "children"
"""Words for the path of a root that was not recorded: see `virtual_root_path`."""
SAME_PLACE = 1e-4
"""Share of the body's size by which a file's rotations and offsets may miss its positions and be taken for theirs."""


@dataclass(frozen=True, eq=False)
class Points:
    """Measured points of one file, with the virtual root where it needs one, parents first.

    Attributes:
        path: the file.
        names: J names.
        parents: (J,) int, -1 at the root alone.
        fps: frames per second.
        positions: (T, J, 3) metres, world, y up.
        notes: what is odd about the file.
        rotations: (T, J, 4) local, and
        offsets: (J, 3) metres, which give these positions; None where the file has none that do.
    """

    path: Path
    names: tuple[str, ...]
    parents: np.ndarray
    fps: float
    positions: np.ndarray
    notes: tuple[Note, ...] = ()
    rotations: np.ndarray | None = None
    offsets: np.ndarray | None = None

    @property
    def bones(self) -> np.ndarray:
        """(T, J, 3) metres from each joint's parent to it, in world axes; zero at the root."""
        bones = self.positions - self.positions[:, self.parents]
        bones[:, 0] = 0
        return bones


def read_points(
    path: str | Path,
    *,
    unit: str | float = "m",
    up: Up = "y",
    fps: float | None = None,
    points: str | None = None,
    trees: Sequence[JointTree] = (),
    root_path: str | None = None,
) -> Points:
    """Read the points of one npz file.

    Args:
        path: a file with an array of positions (T, J, 3), names (J,), and, unless a tree names them, parents (J,).
        unit: unit of the file, as `metres_per_unit` takes it.
        up: vertical axis of the file, as `upright` takes it.
        fps: frames per second; needed where the file has no array `fps`.
        points: name of the array of positions; needed where the file has more than one.
        trees: names and parents, in place of the file's; the first that fits is taken.
        root_path: of trees that no recorded joint joins: "fixed" or "children", as `virtual_root_path` says, or the
            name of an array (T, 3) with the root's path.

    Raises:
        UserError: One line names the file, the array, the frame where there is one, and what to give.
    """
    source = Source(Path(path))
    scale, turn = metres_per_unit(unit), upright(up)
    archive = Archive(source)
    key = _points_key(archive, points)
    (frames, count, _), _ = archive.shapes[key]
    if not frames or not count:
        raise source.fault(f"array '{key}' has no frames or no points")
    tree, rows, notes = _joint_tree(archive, key, count, trees)
    rate = recorded_rate(archive, fps, ("fps",))
    positions = _finite(archive, key, tree.names, rows)
    if tree.virtual_root:
        given = _path_array(archive, root_path, frames) if root_path not in (None, FIXED, CHILDREN) else None
        path_of_root, _ = virtual_root_path(positions, tree, root_path, source.fault, given)
        positions = np.concatenate([path_of_root[:, None], positions], 1)
    elif root_path:
        raise source.fault(f"root_path is not needed: '{tree.names[int(tree.parents.argmin())]}' carries the path")
    names, parents, order = tree.with_root()
    positions = positions[:, order]
    rotations, offsets = None, None
    if not trees and tree.virtual_root is None:
        rotations, offsets = _recorded_turns(archive, positions, parents, order)
    positions = positions * scale
    if turn is not None:
        positions = quat.rotate(turn, positions)
    if rotations is not None and offsets is not None:
        offsets = offsets * scale
        if turn is not None:
            rotations[:, 0] = quat.mul(turn, rotations[:, 0])
    return Points(source.path, tuple(names), parents, rate, positions, tuple(notes), rotations, offsets)


def _recorded_turns(
    archive: Archive, positions: np.ndarray, parents: np.ndarray, order: Sequence[int]
) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """Return the arrays `rotations` (T, J, 4) and `offsets` (J, 3) where they give the positions, as ours do.

    Files of others have rotations of other kinds under that name.
    """
    frames, count = positions.shape[:2]
    wanted = {"rotations": (frames, count, 4), "offsets": (count, 3)}
    if any(archive.shapes.get(name) != (shape, "f") for name, shape in wanted.items()):
        return None, None
    rotations, offsets = (archive[name][..., order, :].astype(np.float64) for name in wanted)
    if not ((np.abs(rotations) < 2).all() and (np.abs(offsets) < LARGEST).all()):
        return None, None
    rotations = quat.normalize(rotations)
    offsets[0] = 0
    placed, _ = forward_kinematics(rotations, positions[:, 0], parents, offsets)
    size = float(np.ptp(positions, axis=1).max())
    return (rotations, offsets) if np.abs(placed - positions).max() <= SAME_PLACE * size else (None, None)


def _points_key(archive: Archive, wanted: str | None) -> str:
    """Return the name of the array of positions."""
    known = [k for k, (shape, kind) in archive.shapes.items() if len(shape) == 3 and shape[2] == 3 and kind == "f"]
    if wanted is not None:
        if wanted not in known:
            raise archive.fault(f"no array '{wanted}' of positions (frames, points, 3); it holds {archive}")
        return wanted
    if len(known) != 1:
        found = f"several arrays of positions ({', '.join(known[:6])})" if known else "no array of positions (T, J, 3)"
        advice = "choose with --points" if known else f"it holds {archive}"
        raise archive.fault(f"{found}; {advice}")
    return known[0]


def _beside(archive: Archive, key: str, word: str, kinds: str, count: int) -> str | None:
    """Return the (count,) array with `word` in its name that shares the longest prefix with the positions' name."""
    fits = [k for k, (shape, kind) in archive.shapes.items() if word in k and shape == (count,) and kind in kinds]
    return max(fits, key=lambda k: len(os.path.commonprefix([k, key])), default=None)  # noqa: RUF071 - words, not paths


def _joint_tree(
    archive: Archive, key: str, count: int, trees: Sequence[JointTree]
) -> tuple[JointTree, np.ndarray, list[Note]]:
    """Return the tree of the points, the rows of its joints in the array, and notes on what was left out."""
    names_key = _beside(archive, key, "name", "US", count)
    names = archive.text(names_key) if names_key else None
    for tree in trees:
        if names is None and len(tree.names) == count:
            return tree, np.arange(count), []
        if names is not None and set(tree.names) <= set(names):
            left = [name for name in names if name not in tree.names]
            text = f"{len(left)} points that the skeleton file does not name were left out: {', '.join(left[:4])}"
            rows = np.array([names.index(name) for name in tree.names])
            return tree, rows, [Note("left out", text)] if left else []
    if trees:
        has = f"names {', '.join(names[:6])} ..." if names else f"{count} points"
        raise archive.fault(f"no skeleton file fits array '{key}' ({has})")
    if names is None:
        raise archive.fault(f"no names for the {count} points of '{key}'; give names and parents with --skeleton")
    parents_key = _beside(archive, key, "parent", "iu", count)
    if parents_key is None:
        raise archive.fault(f"no parents for the {count} points of '{key}'; give names and parents with --skeleton")
    parents = [int(p) for p in archive[parents_key]]
    return make_joint_tree(names, parents, None, archive.fault), np.arange(count), []


def _finite(archive: Archive, key: str, names: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """Return the chosen rows (T, J, 3) as float64; a hole is refused by frame and point."""
    positions = archive[key][:, rows].astype(np.float64)
    holes = ~(np.abs(positions) < LARGEST).all(-1)  # beyond that squares overflow float32; NaN is not below it either
    if holes.any():
        frame, joint = np.argwhere(holes)[0]
        text = f"point '{names[joint]}' is {positions[frame, joint].tolist()}, not a place"
        more = f" ({int(holes.max(1).sum())} of {positions.shape[0]} frames have such points)"
        raise archive.fault(f"array '{key}', frame {frame}: {text}{more}; fill or cut them")
    return positions


def _path_array(archive: Archive, key: str, frames: int) -> np.ndarray:
    """Return the array (T, 3) that holds the root's path."""
    shape, kind = archive.shapes.get(key, (None, ""))
    if shape != (frames, 3) or kind != "f":
        raise archive.fault(f"root_path '{key}' is none of fixed, children, an array ({frames}, 3); it holds {archive}")
    values = archive[key].astype(np.float64)
    if not (np.abs(values) < LARGEST).all():
        raise archive.fault(f"array '{key}', frame {int(np.argwhere(~(np.abs(values) < LARGEST))[0, 0])}: not a place")
    return values


def virtual_root_path(
    positions: np.ndarray,
    tree: JointTree,
    root_path: str | None,
    fault: Callable[[str], UserError],
    given: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return where a root that was not recorded is, (T, 3), and the matrices (T, 3, 3) by which it is turned.

    Args:
        positions: (T, J, 3) of the joints that were recorded, in the file's unit and axes.
        tree: their names and parents.
        root_path: "fixed": at the files' origin, unturned, in every frame. "children": at the origin in the first frame
            and from then on carried by the joints that hang on it, as by a rigid body.
        fault: makes an error of a text.
        given: (T, 3) the path itself, in place of a rule.

    Raises:
        UserError: `root_path` is None, as nothing tells where the root is, or is "fixed" for a body that travels.
    """
    tops = np.flatnonzero(tree.parents < 0)
    children = positions[:, tops]
    unturned = np.tile(np.eye(3), (len(positions), 1, 1))
    if given is not None:
        return given, unturned
    if root_path is None:
        names = ", ".join(tree.names[j] for j in tops[:3])
        raise fault(
            f"no root: {len(tops)} joints hang on none that was recorded ({names}); say --root-path fixed where the "
            "body's frame stands still, --root-path children where these carry the body, or name the array of its path"
        )
    if root_path == CHILDREN:
        middle = children.mean(1)
        turns = kabsch(children[0] - middle[0], children - middle[:, None])
        return middle - np.einsum("fij,j->fi", turns, middle[0]), turns
    if root_path != FIXED:
        raise fault(f"root_path '{root_path}' is none of fixed, children, an array of an npz file")
    bones = (positions - positions[:, tree.parents])[:, tree.parents >= 0]
    longest = float(np.median(np.linalg.norm(bones, axis=-1), axis=0).max(initial=1e-12))
    travel = float(np.ptp(children.mean(1), axis=0).max())
    if travel > longest:
        raise fault(
            f"the body travels {travel:.3g} in the file's axes, so its root is not fixed; say --root-path children"
        )
    return np.zeros((len(positions), 3)), unturned


def write_npz(path: str | Path, motion: Motion, clip: int = 0) -> None:
    """Write one clip as an npz file, which appears whole or not at all; `read_points` and `fit_points` give it back.

    It holds float32 arrays `positions` (T, J, 3), world, `rotations` (T, J, 4), local, w first, and `offsets` (J, 3),
    in metres with y up, and `names` (J,), `parents` (J,), -1 at the root, and `fps`.

    Args:
        path: the file; missing folders above it are made.
        motion: positions in metres, y up.
        clip: which of its clips, counted from 0.

    Raises:
        UserError: There is no such clip, or it has no frame or numbers that are not finite.
    """
    root, rotations = clip_arrays(motion, clip)
    rig = motion.rig
    rotations = quat.normalize(rotations)
    positions, _ = rig.forward_kinematics(rotations, root)
    with whole_file(Path(path)) as scratch, scratch.open("wb") as file:
        np.savez_compressed(
            file,
            positions=positions.astype(np.float32),
            rotations=rotations.astype(np.float32),
            offsets=rig.offsets,
            names=np.array(rig.joint_names),
            parents=rig.parents.astype(np.int32),
            fps=np.array(motion.fps),
        )
