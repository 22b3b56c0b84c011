"""Writing glTF 2.0 as one binary file (.glb). docs/reference/formats.md says what it holds."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.motion.motion import Motion, clip_arrays
from rae_bench.rigs.rig import Rig
from rae_bench.rigs.tree import children_of
from rae_bench.storage import whole_file

THICK = 0.1
"""Half the width of a bone, as a share of its length; never less than a thousandth of the rig's reach."""
WAIST = 0.18
"""Where along it a bone is widest."""
KNOB = 0.008
"""Half the width of a joint's knob, as a share of the rig's reach."""
MAX_BYTES = 2**32 - 1
"""Largest file that is written: a glb's header counts its bytes in 32 bits."""

_FLOAT, _USHORT = 5126, 5123
_KINDS = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
_VERTICES = 34962


def write_glb(path: str | Path, motion: Motion, clips: Sequence[int] = (0,), *, names: Sequence[str] = ()) -> None:
    """Write clips as the animations of one .glb file, which appears whole or not at all.

    Args:
        path: the file; missing folders above it are made.
        motion: positions in metres, y up.
        clips: which of its clips.
        names: names of the animations, one for each clip; without them the clips' numbers.

    Raises:
        UserError: There is no such clip, a clip without frames, or numbers that are not finite.
    """
    if not clips:
        raise UserError(f"no clip to write to {path}")
    gathered = [_with_unit_turns(*clip_arrays(motion, clip)) for clip in clips]
    document, body = _document(motion.rig, motion.fps, gathered, [str(name) for name in names or clips])
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + len(body)
    if total > MAX_BYTES:
        raise UserError(f"{path}: {total / 2**30:.1f} GiB, a glb file holds 4; write fewer clips")
    with whole_file(Path(path)) as scratch, scratch.open("wb") as file:
        file.write(struct.pack("<4sII", b"glTF", 2, total))
        file.write(struct.pack("<I4s", len(text), b"JSON") + text)
        file.write(struct.pack("<I4s", len(body), b"BIN\0") + body)


def _with_unit_turns(root: np.ndarray, rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a clip with rotations of unit length."""
    return root, quat.normalize(rotations)


class _Buffer:
    """Arrays laid one after the other, and the entries that say where they lie."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, values: np.ndarray, *, target: int | None = None, bounds: bool = False) -> int:
        """Add an array (count, width) and return its accessor's index; unsigned integers take 16 bits, all else 32."""
        whole = values.dtype.kind == "u"
        data = np.ascontiguousarray(values, "<u2" if whole else "<f4")
        raw = data.tobytes()
        view: dict[str, Any] = {"buffer": 0, "byteOffset": self.size, "byteLength": len(raw)}
        if target:
            view["target"] = target
        accessor: dict[str, Any] = {
            "bufferView": len(self.views),
            "componentType": _USHORT if whole else _FLOAT,
            "count": len(data),
            "type": _KINDS[data[0].size],
        }
        if bounds:
            accessor |= {key: np.atleast_1d(row).tolist() for key, row in (("min", data.min(0)), ("max", data.max(0)))}
        self.views.append(view)
        self.accessors.append(accessor)
        raw += bytes(-len(raw) % 4)
        self.parts.append(raw)
        self.size += len(raw)
        return len(self.accessors) - 1


def _document(
    rig: Rig, fps: float, clips: Sequence[tuple[np.ndarray, np.ndarray]], names: Sequence[str]
) -> tuple[dict[str, Any], bytes]:
    """Return the JSON part and the binary part."""
    buffer = _Buffer()
    places, turns = rig.rest_global
    points, normals, owners = body_mesh(rig)
    shape = {
        "POSITION": buffer.add(points, target=_VERTICES, bounds=True),
        "NORMAL": buffer.add(normals, target=_VERTICES),
        "JOINTS_0": buffer.add(np.pad(owners[:, None], ((0, 0), (0, 3))).astype(np.uint16), target=_VERTICES),
        "WEIGHTS_0": buffer.add(np.tile(np.array([1.0, 0, 0, 0]), (len(owners), 1)), target=_VERTICES),
    }
    skin = {"name": rig.name, "skeleton": 0, "joints": list(range(len(rig)))}
    skin["inverseBindMatrices"] = buffer.add(_inverse_bind(places, turns))
    nodes = _joint_nodes(rig, places)
    nodes.append({"name": f"{rig.name} body", "mesh": 0, "skin": 0})

    animations, clocks = [], {}
    for name, (root, rotations) in zip(names, clips, strict=True):
        frames = len(root)
        if frames not in clocks:
            clocks[frames] = buffer.add(np.arange(frames) / fps, bounds=True)
        tracks = [(0, "translation", root), *((j, "rotation", _xyzw(rotations[:, j])) for j in range(len(rig)))]
        samplers = [{"input": clocks[frames], "output": buffer.add(track)} for _, _, track in tracks]
        channels = [{"sampler": k, "target": {"node": j, "path": way}} for k, (j, way, _) in enumerate(tracks)]
        animations.append({"name": name, "channels": channels, "samplers": samplers})

    document = {
        "asset": {"version": "2.0", "generator": f"rae-bench {_version()}", "extras": {"rig": rig.name, "fps": fps}},
        "scene": 0,
        "scenes": [{"nodes": [0, len(rig)]}],
        "nodes": nodes,
        "skins": [skin],
        "meshes": [{"name": f"{rig.name} body", "primitives": [{"attributes": shape, "material": 0}]}],
        "materials": [
            {
                "name": "bone",
                "pbrMetallicRoughness": {
                    "baseColorFactor": [0.35, 0.5, 0.75, 1],
                    "metallicFactor": 0,
                    "roughnessFactor": 0.7,
                },
            }
        ],
        "animations": animations,
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": buffer.size}],
    }
    return document, b"".join(buffer.parts)


def _version() -> str:
    """Return the version of the package."""
    try:
        return version("rae-bench")
    except PackageNotFoundError:
        return "from source"


def _xyzw(rotations: np.ndarray) -> np.ndarray:
    """Return quaternions (..., 4) with the real part last, as glTF has them."""
    return np.roll(rotations, -1, axis=-1)


def _joint_nodes(rig: Rig, places: np.ndarray) -> list[dict[str, Any]]:
    """Return a node for each joint in its standing rest pose; the root's lowest joint touches the ground."""
    nodes: list[dict[str, Any]] = []
    rest = _xyzw(quat.normalize(rig.rest.astype(np.float64)))
    children = children_of(rig.parents)
    for j, name in enumerate(rig.joint_names):
        offset = places[j] if rig.parents[j] < 0 else rig.offsets[j]
        node = {"name": name, "translation": [float(v) for v in offset], "rotation": rest[j].tolist()}
        nodes.append(node | ({"children": children[j]} if children[j] else {}))
    return nodes


def _inverse_bind(places: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Return the matrices (J, 16), column by column, that take a vertex of the rest pose to its joint's axes."""
    back = quat.to_matrix(quat.inverse(quat.normalize(turns.astype(np.float64))))
    matrices = np.tile(np.eye(4), (len(places), 1, 1))
    matrices[:, :3, :3] = back
    matrices[:, :3, 3] = -np.einsum("jab,jb->ja", back, places)
    return matrices.transpose(0, 2, 1).reshape(-1, 16)


def body_mesh(rig: Rig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the triangles of the rest pose: points, flat normals, and the joint that carries each point.

    There is a bone from every joint to each of its children, carried by the joint, and a knob on every joint.

    Returns:
        (V, 3) metres, (V, 3), and (V,) int.
    """
    places = rig.rest_global[0].astype(np.float64)
    reach = max(float(np.ptp(places, axis=0).max()), 1e-6)
    children = np.flatnonzero(rig.parents >= 0)
    bones = places[children] - places[rig.parents[children]]
    length = np.linalg.norm(bones, axis=-1)
    children, bones, length = (each[length > 1e-3 * reach] for each in (children, bones, length))
    width = np.maximum(THICK * length, 1e-3 * reach)
    turn = quat.between(np.broadcast_to(np.array([0.0, 1, 0]), bones.shape), bones)
    shape = _octahedron(WAIST) * np.stack([width, length, width], -1)[:, None]
    limbs = quat.rotate(turn[:, None], shape) + places[rig.parents[children]][:, None]
    knobs = (_octahedron(0.5) - np.array([0, 0.5, 0])) * np.array([1, 2, 1]) * KNOB * reach + places[:, None]
    triangles = np.concatenate([limbs, knobs]).reshape(-1, 3, 3)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    owners = np.concatenate([rig.parents[children], np.arange(len(rig))])
    return triangles.reshape(-1, 3), np.repeat(normals, 3, axis=0), np.repeat(owners, 24)


def _octahedron(waist: float) -> np.ndarray:
    """Return (24, 3): the triangles, seen from outside, of two pyramids from y = 0 and y = 1 that meet at `waist`."""
    ring = [np.array([np.cos(a), waist, np.sin(a)]) for a in np.pi / 4 + np.pi / 2 * np.arange(4)]
    low, high = np.zeros(3), np.array([0.0, 1, 0])
    sides = [(ring[k], ring[(k + 1) % 4]) for k in range(4)]
    return np.array([p for a, b in sides for p in (low, a, b, high, b, a)])
