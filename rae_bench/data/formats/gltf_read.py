"""Reading glTF 2.0: the skeleton of a file and a take for each of its animations (docs/reference/formats.md)."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rae_bench.data.formats.gltf_file import GltfFile
from rae_bench.data.formats.gltf_skeleton import (
    Scene,
    Skeleton,
    find_joints,
    node_sizes,
    read_scene,
    unique_names,
    with_chains,
)
from rae_bench.data.formats.gltf_tracks import Sampled, frame_rate, read_tracks, too_long
from rae_bench.data.formats.take import Note, Take
from rae_bench.data.formats.units import Up, metres_per_unit, turn_axes, upright
from rae_bench.data.wording import first_few
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.motion.motion import make_motion
from rae_bench.rigs.rig import make_rig
from rae_bench.rigs.tree import joint_list

CHUNK = 1024
"""Frames that are computed at a time in double precision."""
MAX_VALUES = 1 << 26
"""Joints times frames of a file that is read."""
STRETCH = 2e-3
"""A joint that strays from its place by less than this share of the longest bone does not move: rounding does that."""
TRAVELS = 1.0
"""A joint that strays by more than this many longest bones is no part of a body, unless it carries it."""
_PELVIS = re.compile("hip|pelvis|bip|body|cog", re.IGNORECASE)


def read_gltf(
    path: str | Path,
    *,
    unit: str | float = "m",
    up: Up = "y",
    fps: float | None = None,
    root: str | None = None,
    loose: Sequence[str] = (),
) -> list[Take]:
    """Read the animations of a .glb or .gltf file as takes on one rig, without roles, contact joints and rest pose.

    Joints are those of the skins, else the nodes with keys and what hangs on them. What lies above the root, its turns
    and scales, is folded into it. Where a joint below the root carries the path and most of the body, it becomes the
    root.

    Args:
        path: the file.
        unit: unit of the file, as `metres_per_unit` takes it; glTF's own is the metre.
        up: vertical axis of the file, as `upright` takes it; glTF's own is y.
        fps: frames per second at which to sample animations; None takes the rate on which their keys lie.
        root: name of the node to make the root; None finds it.
        loose: globs on joints that may leave their parents, as they will be dropped, with all that hangs on them.

    Returns:
        A take for each animation that moves a joint; each has a name where there are more than one.

    Raises:
        UserError: One line names the file, the node or the animation, the fault and what to do.
    """
    scale, turn = metres_per_unit(unit), upright(up)
    file = GltfFile(Path(path))
    document, fault = file.document, file.source.fault
    notes = _left_out(file)
    labels = _take_names([each.name for each in document.animations])
    tracks = {
        label: found
        for label, animation in zip(labels, document.animations, strict=True)
        if (found := read_tracks(file, animation, label))
    }
    if not tracks:
        raise fault("holds no animation; export it again with its animations, or leave it out with --exclude")
    scene = read_scene(file)
    joints, more = find_joints(file, scene, tracks.values(), root)
    skeleton = with_chains(joints, scene)
    sizes, told = node_sizes(skeleton, scene, tracks, fault)
    notes += [*more, *told]

    nodes = sorted({node for chain in skeleton.chains for node in chain})
    columns = {node: k for k, node in enumerate(nodes)}
    clips, budget = {}, MAX_VALUES
    for label, keys in tracks.items():
        keys = {of: track for of, track in keys.items() if of[0] in columns and of[1] != "scale"}
        if not keys:
            notes.append(Note("idle", f"animation '{label}' moves no joint of the skeleton: left out"))
            continue
        rate, even = (fps, True) if fps is not None else frame_rate(keys)
        if not even:
            notes.append(Note("uneven", f"keys of animation '{label}' lie on no even rate: sampled at {rate:g} fps"))
        sampled = Sampled(keys, rate, columns)
        budget -= sampled.frames * len(joints)
        if too_long(sampled, keys) or budget < 0:
            seconds = sampled.frames / rate
            raise fault(f"animation '{label}' lasts {seconds:.4g} s, far more than its keys account for; cut it")
        clips[label] = _Clip(rate, *_joint_motion(sampled, nodes, skeleton, scene, scale * sizes))
    if not clips:
        raise fault("no animation moves a joint of its skeleton; export it again with its animations")
    names = [scene.names[j] for j in skeleton.joints]
    body = _Body(names, skeleton.parents, *_usual_places(list(clips.values())))
    notes += _settle_root(body, clips, root, loose, fault)
    return _takes(file, body, clips, turn, notes)


def _left_out(file: GltfFile) -> list[Note]:
    """Return a note on what the reader passes over."""
    document = file.document
    paths = [channel.target.path for each in document.animations for channel in each.channels]
    morphs, pointers = paths.count("weights"), paths.count("pointer")
    parts = [
        text
        for count, text in (
            (len(document.meshes), "the body's surface"),
            (morphs, f"{morphs} tracks of morph targets"),
            (pointers, f"{pointers} tracks of other properties"),
        )
        if count
    ]
    return [Note("left out", f"only the skeleton's motion is read, not {' and '.join(parts)}")] if parts else []


def _take_names(names: Sequence[str]) -> list[str]:
    """Return unique names without what would be read as a part of a path or a segment's number.

    A first part up to "|" that all share is dropped: Blender writes "Armature|Walk".
    """
    heads = {name.partition("|")[0] for name in names if "|" in name}
    if len(heads) == 1 and all("|" in name for name in names):
        names = [name.partition("|")[2] for name in names]
    plain = [re.sub(r"[\x00-\x1f/\\#]+", "_", name).strip() or f"animation {k}" for k, name in enumerate(names)]
    return unique_names(plain)


@dataclass(eq=False)
class _Clip:
    """One animation: frames per second, local rotations (T, J, 4), and places (T, J, 3) in the parent in metres.

    The root's are those in the world.
    """

    fps: float
    rotations: np.ndarray
    places: np.ndarray


@dataclass(eq=False)
class _Body:
    """The rig: J names, parents (J,), places (J, 3) in the parent in metres, and how far joints stray from them."""

    names: list[str]
    parents: np.ndarray
    offsets: np.ndarray
    stray: np.ndarray

    @property
    def longest(self) -> float:
        """Metres of the longest bone."""
        return float(np.linalg.norm(self.offsets[1:], axis=-1).max(initial=1e-9))


def _joint_motion(
    sampled: Sampled, nodes: Sequence[int], skeleton: Skeleton, scene: Scene, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return local rotations (T, J, 4) and places in the parent joint (T, J, 3) in metres; in the world, of the root.

    Args:
        sampled: an animation.
        nodes: of its columns.
        skeleton: which nodes are joints.
        scene: where nodes are that the animation does not move.
        sizes: (N,) metres in one unit of each node's place.
    """
    column = {node: k for k, node in enumerate(nodes)}
    lone = [j for j, chain in enumerate(skeleton.chains) if len(chain) == 1]
    columns_of_lone = [column[skeleton.joints[j]] for j in lone]
    rotations = np.empty((sampled.frames, len(skeleton.joints), 4), np.float32)
    places = np.empty((sampled.frames, len(skeleton.joints), 3), np.float32)
    for start in range(0, sampled.frames, CHUNK):
        frames = range(start, min(start + CHUNK, sampled.frames))
        turns = np.tile(scene.rotations[nodes], (len(frames), 1, 1))
        shifts = np.tile(scene.translations[nodes], (len(frames), 1, 1))
        sampled.fill(frames, "rotation", turns)
        sampled.fill(frames, "translation", shifts)
        shifts *= sizes[nodes][:, None]
        part = slice(frames.start, frames.stop)
        rotations[part, lone], places[part, lone] = turns[:, columns_of_lone], shifts[:, columns_of_lone]
        for j, chain in enumerate(skeleton.chains):
            if len(chain) > 1:
                turn, place = turns[:, column[chain[0]]], shifts[:, column[chain[0]]]
                for node in chain[1:]:
                    place = place + quat.rotate(turn, shifts[:, column[node]])
                    turn = quat.mul(turn, turns[:, column[node]])
                rotations[part, j], places[part, j] = turn, place
    return rotations, places


def _usual_places(clips: Sequence[_Clip]) -> tuple[np.ndarray, np.ndarray]:
    """Return the median place of each joint over all clips, (J, 3) metres, and the most it strays from that, (J,)."""
    low = np.min([clip.places.min(0) for clip in clips], axis=0)
    high = np.max([clip.places.max(0) for clip in clips], axis=0)
    offsets = low.astype(np.float64)
    moves = np.flatnonzero((high > low).any(-1))
    if len(moves):
        offsets[moves] = np.median(np.concatenate([clip.places[:, moves] for clip in clips]), axis=0)
    return offsets, np.maximum(high - offsets, offsets - low).max(-1)


def _settle_root(
    body: _Body,
    clips: Mapping[str, _Clip],
    root: str | None,
    loose: Sequence[str],
    fault: Callable[[str], UserError],
) -> list[Note]:
    """Fold what lies above the joint that carries path and body into it; give all bones one length.

    Args:
        body: as it was found; it is changed.
        clips: name -> its motion, which is changed.
        root: the root that was asked for; None finds it.
        loose: globs on joints that may leave their parents.
        fault: makes an error of a text.

    Raises:
        UserError: A joint leaves its parent farther than any bone is long.
    """
    notes: list[Note] = []
    if root is None and (top := _carrier(body)):
        above = [top]
        while (parent := int(body.parents[above[-1]])) >= 0:
            above.append(parent)
        inside = np.zeros(len(body.names), bool)
        for j, parent in enumerate(body.parents):
            inside[j] = j == top or (parent >= 0 and inside[parent])
        keep = np.flatnonzero(inside)
        lost = [name for j, name in enumerate(body.names) if not inside[j] and j not in above]
        if lost:
            text = f"'{body.names[top]}' carries the body; left out beside it: {first_few(lost, 4)}"
            notes.append(Note("beside", text))
        for clip in clips.values():
            turn, place = clip.rotations[:, above[-1]], clip.places[:, above[-1]]
            for j in above[-2::-1]:
                place = place + quat.rotate(turn, clip.places[:, j])
                turn = quat.mul(turn, clip.rotations[:, j])
            clip.rotations, clip.places = clip.rotations[:, keep], clip.places[:, keep]
            clip.rotations[:, 0], clip.places[:, 0] = turn, place
        new = np.cumsum(inside) - 1
        body.parents = np.array([-1, *new[body.parents[keep[1:]]]])
        body.names = [body.names[j] for j in keep]
        body.offsets, body.stray = body.offsets[keep], body.stray[keep]
    body.offsets[0], body.stray[0] = 0, 0
    free = np.zeros(len(body.names), bool)
    for j, parent in enumerate(body.parents):
        free[j] = (parent >= 0 and free[parent]) or any(fnmatch.fnmatchcase(body.names[j], each) for each in loose)
    away = np.where(free, 0, body.stray)
    worst = int(away.argmax())
    if away[worst] > TRAVELS * body.longest:
        raise fault(
            f"joint '{body.names[worst]}' moves by up to {away[worst]:.3g} m in its parent "
            f"'{body.names[body.parents[worst]]}', so it is no part of one body; leave it out with --drop-joints, or "
            "name the joint that carries the body with --root"
        )
    sliding = np.flatnonzero(away > STRETCH * body.longest)
    if len(sliding):
        text = f"{len(sliding)} joints slide in their parents, by up to {100 * away[worst]:.2g} cm"
        text = f"{text} ('{body.names[worst]}'): each stays at its median place"
        notes.append(Note("slides", text, float(away[worst] / body.longest)))
    return notes


def _carrier(body: _Body) -> int:
    """Return the joint that carries the path and most of the body, 0 where that is the root.

    It moves in its parent and has most joints at or below itself. It is the deepest such joint that has no joint beside
    itself or its ancestors. Failing that, it is one that is called the pelvis: handles of inverse kinematics may stand
    beside it.
    """
    count = len(body.names)
    below = np.ones(count, int)
    depth = np.zeros(count, int)
    for j in range(count - 1, 0, -1):
        below[body.parents[j]] += below[j]
    for j in range(1, count):
        depth[j] = depth[body.parents[j]] + 1
    moving = body.stray > STRETCH * body.longest
    moving[0] = False
    moving &= 2 * below > count
    whole = np.flatnonzero(moving & (below + depth == count))
    if len(whole):
        return int(whole[-1])
    named = [j for j in np.flatnonzero(moving) if _PELVIS.search(body.names[j])]
    return int(named[0]) if named else 0


def _takes(
    file: GltfFile, body: _Body, clips: Mapping[str, _Clip], turn: np.ndarray | None, notes: Sequence[Note]
) -> list[Take]:
    """Return the takes; notes on the file stand with the first."""
    path = file.source.path
    spread = {}
    takes: list[Take] = []
    lengths = np.linalg.norm(body.offsets, axis=-1)
    for j in np.flatnonzero(body.stray > STRETCH * body.longest):
        strays = np.concatenate([np.linalg.norm(clip.places[:, j], axis=-1) for clip in clips.values()])
        spread[body.names[j]] = float(strays.std() / max(lengths[j], 1e-9))
    rig = None
    for name, clip in clips.items():
        offsets, root, rotations = turn_axes(turn, body.offsets, clip.places[:, 0], clip.rotations)
        if rig is None:
            rig = make_rig(path.stem, joint_list(body.names, body.parents, offsets), {}, where=str(path))
        motion = make_motion(rig, clip.fps, root[None], rotations[None])
        takes.append(Take(motion, () if takes else tuple(notes), spread, name if len(clips) > 1 else ""))
    return takes
