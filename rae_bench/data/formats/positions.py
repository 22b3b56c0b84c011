"""Recordings that hold positions only (npz): a skeleton of constant bones and rotations are fitted to the points.

Bone lengths are medians over all frames. Rotations follow from the root down: a joint with several children turns so
that its children's rest offsets fit the measured bones best (Kabsch), one with a single child by the shortest turn from
the bone's mean direction in the parent's frame. Twist about a lone bone is thus the parent's: points do not tell it.
An end joint does not turn. The pose of identity rotations is the mean pose.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rae_bench.data.formats.archive import Archive
from rae_bench.data.formats.skeleton import Skeleton, depth_first, joint_list, make_skeleton
from rae_bench.data.formats.source import LARGEST, Note, Source, Take, Up, metres_per_unit, upright
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.motion.motion import make_motion
from rae_bench.rigs.rig import make_rig

SAME_LENGTH = 0.02
"""Files whose median bone lengths differ by less than this share of the longest bone are of one skeleton."""
TWIST_PRIOR = 1e-6
"""Weight of "no turn" in the fit: it decides only what the points leave open, such as the twist about a line."""
FIXED, CHILDREN = "fixed", "children"
WEARY = 0.15
"""Bones that vary by more than this share of their length are no bones: said, though not refused."""


@dataclass(frozen=True, eq=False)
class Points:
    """Measured points of one file, with the virtual root where it needs one, parents first.

    Attributes:
        positions: (T, J, 3) metres, world, y up.
        parents: (J,) int, -1 at the root alone.
    """

    path: Path
    names: tuple[str, ...]
    parents: np.ndarray
    fps: float
    positions: np.ndarray
    notes: tuple[Note, ...] = ()

    @property
    def bones(self) -> np.ndarray:
        """(T, J, 3) from each joint's parent to it; zero at the root."""
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
    skeletons: Sequence[Skeleton] = (),
    root_path: str | None = None,
) -> Points:
    """The points of one npz file.

    Args:
        path: a file with an array of positions (T, J, 3), names (J), and, unless a skeleton names them, parents (J).
        unit, up: of the file.
        fps: frames per second; needed where the file has no `fps`.
        points: the array of positions, where there are several.
        skeletons: names and parents, in place of the file's.
        root_path: of several trees that no joint joins: "fixed" or "children", as `virtual_root_path` says, or the name
            of an array (T, 3) with the root's path.

    Raises:
        UserError: one line with file, array, frame where there is one, and what to give.
    """
    source = Source(Path(path))
    scale, turn = metres_per_unit(unit), upright(up)
    archive = Archive(source)
    key = _points_key(archive, points)
    (frames, count, _), _ = archive.shapes[key]
    if not frames or not count:
        raise source.fault(f"array '{key}' has no frames or no points")
    skeleton, rows, notes = _skeleton(archive, key, count, skeletons)
    rate = _rate(archive, fps)
    positions = _finite(archive, key, skeleton.names, rows)
    names, parents = list(skeleton.names), skeleton.parents
    if skeleton.virtual_root:
        given = _path_array(archive, root_path, frames) if root_path not in (None, FIXED, CHILDREN) else None
        path_of_root, _ = virtual_root_path(positions, skeleton, root_path, source.fault, given)
        positions = np.concatenate([path_of_root[:, None], positions], 1)
        names, parents = [skeleton.virtual_root, *names], np.concatenate([[-1], parents + 1])
    elif root_path:
        raise source.fault(f"root_path is not needed: '{names[int(parents.argmin())]}' carries the path")
    order = depth_first(parents)
    place = np.argsort(order)
    parents = np.array([-1 if parents[j] < 0 else place[parents[j]] for j in order])
    positions = positions[:, order] * scale
    if turn is not None:
        positions = quat.rotate(turn, positions)
    return Points(source.path, tuple(names[j] for j in order), parents, rate, positions, tuple(notes))


def _points_key(archive: Archive, wanted: str | None) -> str:
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
    """The (count,) array with `word` in its name that belongs to the positions `key`, by the longest common prefix."""
    fits = [k for k, (shape, kind) in archive.shapes.items() if word in k and shape == (count,) and kind in kinds]
    return max(fits, key=lambda k: len(os.path.commonprefix([k, key])), default=None)  # noqa: RUF071 - words, not paths


def _skeleton(
    archive: Archive, key: str, count: int, skeletons: Sequence[Skeleton]
) -> tuple[Skeleton, np.ndarray, list[Note]]:
    """The skeleton, the rows of its joints in the array, and what was left out."""
    names_key = _beside(archive, key, "name", "US", count)
    names = archive.text(names_key) if names_key else None
    for skeleton in skeletons:
        if names is None and len(skeleton.names) == count:
            return skeleton, np.arange(count), []
        if names is not None and set(skeleton.names) <= set(names):
            left = [name for name in names if name not in skeleton.names]
            text = f"{len(left)} points that the skeleton file does not name were left out: {', '.join(left[:4])}"
            rows = np.array([names.index(name) for name in skeleton.names])
            return skeleton, rows, [Note("left out", text)] if left else []
    if skeletons:
        has = f"names {', '.join(names[:6])} ..." if names else f"{count} points"
        raise archive.fault(f"no skeleton file fits array '{key}' ({has})")
    if names is None:
        raise archive.fault(f"no names for the {count} points of '{key}'; give names and parents with --skeleton")
    parents_key = _beside(archive, key, "parent", "iu", count)
    if parents_key is None:
        raise archive.fault(f"no parents for the {count} points of '{key}'; give names and parents with --skeleton")
    parents = [int(p) for p in archive[parents_key]]
    return make_skeleton(names, parents, None, archive.fault), np.arange(count), []


def _rate(archive: Archive, given: float | None) -> float:
    if given is not None:
        return given
    shape, kind = archive.shapes.get("fps", (None, ""))
    if shape not in ((), (1,)) or kind not in "fiu":
        raise archive.fault("no frame rate in the file; give it with --recorded-fps")
    rate = float(archive["fps"].reshape(()))
    if not 0 < rate <= 1e5:
        raise archive.fault(f"fps {rate} is not a frame rate; give it with --recorded-fps")
    return rate


def _finite(archive: Archive, key: str, names: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """(T, J, 3) float64 of the chosen rows; a hole is refused by frame and point."""
    positions = archive[key][:, rows].astype(np.float64)
    holes = ~(np.abs(positions) < LARGEST).all(-1)  # beyond that squares overflow float32; NaN is not below it either
    if holes.any():
        frame, joint = np.argwhere(holes)[0]
        text = f"point '{names[joint]}' is {positions[frame, joint].tolist()}, not a place"
        more = f" ({int(holes.max(1).sum())} of {positions.shape[0]} frames have such points)"
        raise archive.fault(f"array '{key}', frame {frame}: {text}{more}; fill or cut them")
    return positions


def _path_array(archive: Archive, key: str, frames: int) -> np.ndarray:
    shape, kind = archive.shapes.get(key, (None, ""))
    if shape != (frames, 3) or kind != "f":
        raise archive.fault(f"root_path '{key}' is none of fixed, children, an array ({frames}, 3); it holds {archive}")
    values = archive[key].astype(np.float64)
    if not (np.abs(values) < LARGEST).all():
        raise archive.fault(f"array '{key}', frame {int(np.argwhere(~(np.abs(values) < LARGEST))[0, 0])}: not a place")
    return values


def virtual_root_path(
    positions: np.ndarray,
    skeleton: Skeleton,
    root_path: str | None,
    fault: Callable[[str], UserError],
    given: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Where a root that was not recorded is, (T, 3), and how it is turned, (T, 3, 3).

    Args:
        positions: (T, J, 3) of the joints that were recorded.
        root_path: "fixed": at the files' origin, unturned, in every frame. "children": at the origin in the first frame
            and from then on carried by the joints that hang on it, as by a rigid body. None is refused: nothing tells.
        given: the path itself.
    """
    tops = np.flatnonzero(skeleton.parents < 0)
    children = positions[:, tops]
    unturned = np.tile(np.eye(3), (len(positions), 1, 1))
    if given is not None:
        return given, unturned
    if root_path is None:
        names = ", ".join(skeleton.names[j] for j in tops[:3])
        raise fault(
            f"no root: {len(tops)} joints hang on none that was recorded ({names}); say --root-path fixed where the "
            "body's frame stands still, --root-path children where these carry the body, or name the array of its path"
        )
    if root_path == CHILDREN:
        middle = children.mean(1)
        turns = _kabsch(children[0] - middle[0], children - middle[:, None])
        return middle - np.einsum("fij,j->fi", turns, middle[0]), turns
    if root_path != FIXED:
        raise fault(f"root_path '{root_path}' is none of fixed, children, an array of an npz file")
    bones = (positions - positions[:, skeleton.parents])[:, skeleton.parents >= 0]
    longest = float(np.median(np.linalg.norm(bones, axis=-1), axis=0).max(initial=1e-12))
    travel = float(np.ptp(children.mean(1), axis=0).max())
    if travel > longest:
        raise fault(
            f"the body travels {travel:.3g} in the file's axes, so its root is not fixed; say --root-path children"
        )
    return np.zeros((len(positions), 3)), unturned


def fit_points(recordings: Sequence[Points]) -> list[Take]:
    """A motion for each recording; those of one skeleton share its bones and its rest pose.

    Returns:
        Takes in the order given, each with notes on how much its bones varied and how well the fit meets the points.
    """
    takes: list[Take | None] = [None] * len(recordings)
    for group in _same_skeleton(recordings):
        parts = [recordings[i] for i in group]
        names, parents = parts[0].names, parts[0].parents
        offsets, rotations = fit(np.concatenate([part.positions for part in parts]), parents)
        rig = make_rig(parts[0].path.stem, joint_list(names, parents, offsets), {}, where=str(parts[0].path))
        start = 0
        for i, part in zip(group, parts, strict=True):
            frames = len(part.positions)
            here = rotations[start : start + frames]
            start += frames
            nobody = np.zeros((1, frames, 0), bool)
            motion = make_motion(rig, part.fps, part.positions[None, :, 0], here[None], contacts=nobody)
            notes, spread = _noise(part, motion.positions[0])
            takes[i] = Take(motion, (*part.notes, *notes), spread)
    return [take for take in takes if take is not None]


def _same_skeleton(recordings: Sequence[Points]) -> list[list[int]]:
    """Indices of recordings with the same names, parents and, but for noise, bone lengths."""
    groups: list[list[int]] = []
    lengths = [np.median(np.linalg.norm(points.bones, axis=-1), axis=0) for points in recordings]
    for i, points in enumerate(recordings):
        for group in groups:
            first = recordings[group[0]]
            if points.names != first.names or (points.parents != first.parents).any():
                continue
            if np.abs(lengths[i] - lengths[group[0]]).max() <= SAME_LENGTH * lengths[group[0]].max():
                group.append(i)
                break
        else:
            groups.append([i])
    return groups


def _noise(points: Points, fitted: np.ndarray) -> tuple[list[Note], dict[str, float]]:
    """How much the bones varied, and how far the fit lies from the points; and the first by joint."""
    lengths = np.linalg.norm(points.bones[:, 1:], axis=-1)
    middle = np.median(lengths, axis=0)
    real = middle > 1e-3 * middle.max(initial=1e-12)
    if not real.any():
        return [], {}
    spread = np.where(real, lengths.std(0) / np.where(real, middle, 1), 0)
    worst = int(spread.argmax())
    apart = np.linalg.norm(fitted - points.positions, axis=-1)[:, 1:] / middle[real].mean()
    typical, most = np.percentile(apart, [50, 95])
    text = (
        f"bone lengths vary by {100 * np.median(spread[real]):.2g} % ({points.names[worst + 1]} "
        f"{100 * spread[worst]:.2g} %); the fit lies {100 * typical:.2g} % of a mean bone from the points "
        f"(95 % within {100 * most:.2g} %)"
    )
    if np.median(spread[real]) > WEARY:
        text += "; these are hardly rigid bones"
    by_joint = dict(zip(points.names[1:], spread.tolist(), strict=True))
    return [Note("noise", text, float(typical))], by_joint


def fit(positions: np.ndarray, parents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rest offsets (J, 3) and local rotations (F, J, 4) whose forward kinematics meet points (F, J, 3) best.

    Args:
        positions: metres, world; joint 0 is the root and carries the path.
        parents: (J,) parents first.
    """
    frames, count = positions.shape[:2]
    offsets = np.zeros((count, 3))
    world = np.zeros((frames, count, 4))
    unturned = np.tile(np.array([1.0, 0, 0, 0]), (frames, 1))
    local = np.repeat(unturned[:, None], count, 1)
    for j in range(count):
        above = world[:, parents[j]] if parents[j] >= 0 else unturned
        children = np.flatnonzero(parents == j)
        if len(children):
            bones = quat.rotate(quat.inverse(above)[:, None], positions[:, children] - positions[:, [j]])
            lengths = np.median(np.linalg.norm(bones, axis=-1), axis=0)
            if len(children) == 1:
                rest = _mean_direction(bones[:, 0])[None]
                local[:, j] = quat.between(np.broadcast_to(rest, bones[:, 0].shape), bones[:, 0])
            else:
                rest, local[:, j] = _procrustes(bones)
            size = np.linalg.norm(rest, axis=-1)
            offsets[children] = rest * (lengths / np.where(size > 0, size, 1))[:, None]
        world[:, j] = quat.mul(above, local[:, j])
    return offsets, local


def _mean_direction(vectors: np.ndarray) -> np.ndarray:
    """(3,) of vectors (F, 3); where they cancel out, the first that is not zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    units = vectors / np.where(length > 0, length, 1)
    mean = units.mean(0)
    if np.linalg.norm(mean) < 0.05:
        mean = units[int((length[:, 0] > 0).argmax())]
    size = np.linalg.norm(mean)
    return mean / size if size > 0 else np.array([0.0, 1.0, 0.0])


def _procrustes(bones: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean shape (C, 3) of bundles of bones (F, C, 3), in their mean attitude, and the turns (F, 4) from it to them."""
    gaps = np.linalg.norm(bones[:, :, None] - bones[:, None], axis=-1)
    usual = np.abs(gaps - np.median(gaps, axis=0)).sum((1, 2))
    rest = bones[int(usual.argmin())]
    for _ in range(3):
        rotations = _kabsch(rest, bones)
        rest = np.einsum("fji,fcj->ci", rotations, bones) / len(bones)
    rest = rest @ _nearest_rotation(_kabsch(rest, bones).mean(0)[None])[0].T
    return rest, quat.from_matrix(_kabsch(rest, bones))


def _kabsch(rest: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """(F, 3, 3) turns that take `rest` (C, 3) to `bones` (F, C, 3) best; the least turn where they leave it open."""
    spread = np.einsum("fci,cj->fij", bones, rest)
    scale = np.linalg.norm(spread, axis=(1, 2), keepdims=True)
    return _nearest_rotation(spread / np.where(scale > 0, scale, 1) + TWIST_PRIOR * np.eye(3))


def _nearest_rotation(matrices: np.ndarray) -> np.ndarray:
    """(F, 3, 3) rotations nearest to matrices (F, 3, 3)."""
    u, _, vt = np.linalg.svd(matrices)
    sign = np.ones((len(matrices), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    return (u * sign[:, None]) @ vt
