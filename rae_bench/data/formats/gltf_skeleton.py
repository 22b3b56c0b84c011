"""The skeleton of a glTF 2.0 file: which of its nodes are joints, and how they hang together."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rae_bench.data.formats.gltf_file import GltfFile
from rae_bench.data.formats.gltf_tracks import Track
from rae_bench.data.formats.take import Note
from rae_bench.data.wording import first_few
from rae_bench.errors import UserError, unknown
from rae_bench.kinematics import quat
from rae_bench.rigs.rig import LARGEST, MAX_JOINTS
from rae_bench.rigs.tree import children_of, depth_first, find_cycle

UNEVEN_SCALE = 1e-2
"""Shares by which the three parts of a scale may differ."""
_PIVOT = "_$AssimpFbx$_"
"""Nodes into which assimp takes the parts of an FBX joint's transform apart; they are one joint again."""
_ENDS = {"end", "nub", "tip"}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@dataclass(frozen=True, eq=False)
class Scene:
    """The nodes of a file: N of them, each with its own place where no animation moves it.

    Attributes:
        names: unique names.
        parents: (N,) int, -1 at roots.
        order: indices, parents first.
        translations: (N, 3).
        rotations: (N, 4), w first.
        scales: (N, 3).
    """

    names: list[str]
    parents: np.ndarray
    order: list[int]
    translations: np.ndarray
    rotations: np.ndarray
    scales: np.ndarray


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Which nodes are joints.

    Attributes:
        joints: J nodes, parents first.
        parents: (J,) int, -1 at the root alone.
        chains: for each joint the nodes from below its parent joint, or from the scene, down to itself.
    """

    joints: list[int]
    parents: np.ndarray
    chains: list[list[int]]


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names with a number after each that stood before."""
    counts: dict[str, int] = {}
    unique = []
    for name in names:
        free = name
        while free in counts:
            counts[name] += 1
            free = f"{name}_{counts[name]}"
        counts[free] = 1
        unique.append(free)
    return unique


def read_scene(file: GltfFile) -> Scene:
    """Return the nodes of a file.

    Raises:
        UserError: They are no forest, or a node's own place is none.
    """
    nodes, fault = file.document.nodes, file.source.fault
    parents = np.full(len(nodes), -1)
    for number, node in enumerate(nodes):
        for child in node.children:
            if not 0 <= child < len(nodes):
                raise fault(f"node {number}: its child {child} is not there; the file is damaged")
            if parents[child] >= 0:
                raise fault(f"node {child} hangs on two others, {parents[child]} and {number}; the file is damaged")
            parents[child] = number
    cycle = find_cycle(parents)
    if cycle:
        raise fault(f"node {cycle[0]} hangs on itself; the file is damaged")
    names = unique_names([node.name or f"node_{number}" for number, node in enumerate(nodes)])
    translations = np.array([node.translation for node in nodes])
    rotations = np.roll(np.array([node.rotation for node in nodes]), 1, -1)
    scales = np.array([node.scale for node in nodes])
    for number, node in enumerate(nodes):
        if node.matrix is None:
            continue
        matrix = np.array(node.matrix)
        if matrix.shape != (16,) or not (np.abs(matrix) < LARGEST).all():
            raise fault(f"node '{names[number]}': its matrix is none; the file is damaged")
        matrix = matrix.reshape(4, 4).T
        axes = matrix[:3, :3]
        scales[number] = np.linalg.norm(axes, axis=0)
        axes = axes / np.where(scales[number] > 0, scales[number], 1)
        if np.abs(axes.T @ axes - np.eye(3)).max() > UNEVEN_SCALE:
            raise fault(f"node '{names[number]}': its matrix shears or flattens; export it without")
        if np.linalg.det(axes) < 0:
            scales[number] *= -1
            axes = -axes
        translations[number] = matrix[:3, 3]
        rotations[number] = quat.from_matrix(axes[None])[0]
    for values, what in ((translations, "translation"), (rotations, "rotation"), (scales, "scale")):
        wrong = ~(np.abs(values) < LARGEST).all(-1)
        if wrong.any():
            raise fault(f"node '{names[int(wrong.argmax())]}': its {what} is no number that can be")
    lengths = np.linalg.norm(rotations, axis=-1)
    if (lengths < 1e-3).any():
        raise fault(f"node '{names[int(lengths.argmin())]}': its rotation is a quaternion of 0, which is no turn")
    return Scene(names, parents, depth_first(parents), translations, quat.normalize(rotations), scales)


def find_joints(
    file: GltfFile, scene: Scene, animations: Collection[Mapping[tuple[int, str], Track]], root: str | None
) -> tuple[list[int], list[Note]]:
    """Return the nodes that are joints, parents first, and notes on what was left out.

    Args:
        file: the file.
        scene: its nodes.
        animations: keys of its animations.
        root: name of the node to make the root.
    """
    keyed = {node for tracks in animations for node, path in tracks if path != "scale"}
    moving = {
        node
        for tracks in animations
        for (node, path), track in tracks.items()
        if path != "scale" and np.ptp(track.keys, axis=0).max(initial=0) > 1e-6
    }
    fault, nodes = file.source.fault, file.document.nodes
    if root is not None and root not in scene.names:
        raise fault(str(unknown("joint", root, scene.names)))
    skinned = {joint for skin in file.document.skins for joint in skin.joints}
    if not all(0 <= joint < len(nodes) for joint in skinned):
        raise fault("a skin names a joint that is not there; the file is damaged")
    above = _ancestors_moving(scene, moving)
    # Keys that hold a node still count: a joint that waits in this file may move in the next of a folder.
    wanted = skinned if any(above[joint] for joint in skinned) else _keyed_bodies(file, scene, keyed)
    if root is not None:
        wanted = wanted | {scene.names.index(root)}
    if not wanted or not moving:
        raise fault("no animation moves anything; export it again, or leave it out with --exclude")

    # Nodes between joints are joints where they may turn: bones would not keep their lengths otherwise.
    below = _joints_below(scene, wanted)
    turning = {n for tracks in animations for n, path in tracks if path == "rotation" and _PIVOT not in scene.names[n]}
    tops = _uppermost(scene, wanted)
    notes: list[Note] = []
    if root is not None:
        top = scene.names.index(root)
    elif len(tops) == 1:
        top = tops[0]
    else:
        shared = [j for j in scene.order if below[j] == len(wanted)]  # one below the other
        common = shared[-1] if shared else None
        largest = max(tops, key=lambda j: below[j])
        if common is not None and common in moving:
            top = common  # a skin names only joints that carry vertices, and hips may carry none
            wanted = wanted | {top}
        elif 2 * below[largest] > len(wanted):
            top = largest
        else:
            names = ", ".join(f"'{scene.names[j]}' ({below[j]} joints)" for j in tops[:4])
            raise fault(f"holds {len(tops)} skeletons, {names}; choose one with --root NAME")
    inside = _inside(scene, top)
    lost = [scene.names[j] for j in tops if j not in inside and j not in _above(scene, top)]
    if lost:
        text = f"joints outside the skeleton of '{scene.names[top]}' are left out: {first_few(lost, 4)}"
        notes.append(Note("beside", text))
    joints = [j for j in scene.order if j in inside and (j in wanted or (j in turning and below[j]))]
    children = children_of(scene.parents)
    chosen = set(joints)
    ends = {
        child
        for j in joints
        for child in children[j]
        if child not in chosen and not children[child] and _is_end(scene.names[child]) and nodes[child].mesh is None
    }
    joints = [j for j in scene.order if j in chosen or j in ends]
    if len(joints) > MAX_JOINTS:
        raise fault(f"{len(joints)} joints; at most {MAX_JOINTS} are read: this is no character's skeleton")
    if len(joints) < 2:
        raise fault(f"'{scene.names[top]}' is a skeleton of one joint; a body needs more")
    return joints, notes


def _is_end(name: str) -> bool:
    """Return whether a name is that of the end of a bone."""
    words = _WORDS.findall(name)
    return bool(words) and words[-1].lower() in _ENDS


def _keyed_bodies(file: GltfFile, scene: Scene, keyed: set[int]) -> set[int]:
    """Return the nodes that have keys and what hangs on them, without cameras and without surfaces that have none."""
    nodes = file.document.nodes
    found: set[int] = set()
    for j in scene.order:
        carried = int(scene.parents[j]) in found and nodes[j].mesh is None
        if nodes[j].camera is None and (j in keyed or carried):
            found.add(j)
    return {j for j in found if _PIVOT not in scene.names[j]}


def _ancestors_moving(scene: Scene, moving: set[int]) -> np.ndarray:
    """Return whether each node or one above it moves, (N,) bool."""
    moves = np.zeros(len(scene.names), bool)
    for j in scene.order:
        moves[j] = j in moving or (scene.parents[j] >= 0 and moves[scene.parents[j]])
    return moves


def _joints_below(scene: Scene, wanted: set[int]) -> np.ndarray:
    """Return how many wanted nodes are at or below each node, (N,) int."""
    below = np.zeros(len(scene.names), int)
    for j in reversed(scene.order):
        below[j] += j in wanted
        if scene.parents[j] >= 0:
            below[scene.parents[j]] += below[j]
    return below


def _above(scene: Scene, node: int) -> list[int]:
    """Return the nodes above one, the nearest first."""
    found = []
    while (node := int(scene.parents[node])) >= 0:
        found.append(node)
    return found


def _uppermost(scene: Scene, wanted: set[int]) -> list[int]:
    """Return the wanted nodes that have no wanted node above them."""
    covered = np.zeros(len(scene.names), bool)
    tops = []
    for j in scene.order:
        parent = int(scene.parents[j])
        covered[j] = parent >= 0 and (covered[parent] or parent in wanted)
        if j in wanted and not covered[j]:
            tops.append(j)
    return tops


def _inside(scene: Scene, top: int) -> set[int]:
    """Return a node and all below it."""
    found = {top}
    for j in scene.order:
        if int(scene.parents[j]) in found:
            found.add(j)
    return found


def with_chains(joints: list[int], scene: Scene) -> Skeleton:
    """Return the joints with their parents and the nodes between."""
    place = {node: k for k, node in enumerate(joints)}
    parents, chains = [], []
    for node in joints:
        chain = [node]
        above = int(scene.parents[node])
        while above >= 0 and above not in place:
            chain.append(above)
            above = int(scene.parents[above])
        parents.append(place.get(above, -1))
        chains.append(chain[::-1])
    return Skeleton(joints, np.array(parents), chains)


def node_sizes(
    skeleton: Skeleton,
    scene: Scene,
    animations: Mapping[str, Mapping[tuple[int, str], Track]],
    fault: Callable[[str], UserError],
) -> tuple[np.ndarray, list[Note]]:
    """Return the file's units in one unit of each node's place, (N,), and a note where a scale changes over time.

    Raises:
        UserError: A node above a joint scales its axes differently, mirrors, or shrinks to nothing.
    """
    keys: dict[int, list[np.ndarray]] = {}
    for tracks in animations.values():
        for (node, path), track in tracks.items():
            if path == "scale":
                keys.setdefault(node, []).append(track.keys)
    scales = np.ones(len(scene.names))
    notes: list[Note] = []
    joints_above = {skeleton.joints[k] for k in skeleton.parents if k >= 0}
    between = {node for chain in skeleton.chains for node in chain[:-1]}
    for node in sorted(joints_above | between):
        parts = scene.scales[node]
        if node in keys:
            all_keys = np.concatenate(keys[node])
            parts = np.median(all_keys, axis=0)
            change = float(np.ptp(all_keys, axis=0).max() / max(np.abs(parts).max(), 1e-9))
            if change > UNEVEN_SCALE:
                text = f"the scale of '{scene.names[node]}' changes by {100 * change:.3g} %: the median is used"
                notes.append(Note("scale", text, change))
        if parts.min() < 1e-9 or np.ptp(parts) > UNEVEN_SCALE * parts.max():
            shown = ", ".join(f"{part:.3g}" for part in parts)
            what = "mirrors or flattens" if parts.min() < 1e-9 else "shears"
            raise fault(
                f"node '{scene.names[node]}' is scaled by ({shown}), which {what} what hangs on it; apply the scale in "
                "the program that made the file (Blender: Ctrl+A, Scale) and export it again"
            )
        scales[node] = parts.mean()
    sizes = np.ones(len(scene.names))
    for chain, parent in zip(skeleton.chains, skeleton.parents, strict=True):
        above = skeleton.joints[parent] if parent >= 0 else None
        for node in chain:
            if above is not None:
                sizes[node] = sizes[above] * scales[above]
            above = node
    return sizes, notes
