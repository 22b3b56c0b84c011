"""glTF files that tests write, and where nodes are by matrices alone: chapters 3.5 and 3.11 of the specification."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import CubicHermiteSpline
from scipy.spatial.transform import Rotation, Slerp

COMPONENTS = {"<i1": 5120, "<u1": 5121, "<i2": 5122, "<u2": 5123, "<u4": 5125, "<f4": 5126}
KINDS = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
Key = tuple[int | str, str]
"""A node and what of it moves."""


class Scene:
    """A document under construction: nodes by name, animations of keys, and the buffer.

    Attributes:
        nodes: of the document.
        tracks: name of an animation -> (node, path) -> (times, values, interpolation), as they were given.
    """

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.tracks: dict[str, dict[Key, tuple[np.ndarray, np.ndarray, str]]] = {}
        self.document: dict[str, Any] = {"asset": {"version": "2.0"}, "accessors": [], "bufferViews": []}
        self.body = b""

    def node(self, name: str, parent: str | None = None, **parts: Any) -> int:
        """Add a node below another."""
        self.nodes.append({"name": name, **parts})
        if parent is not None:
            self.nodes[self.index(parent)].setdefault("children", []).append(len(self.nodes) - 1)
        return len(self.nodes) - 1

    def index(self, node: int | str) -> int:
        """The number of a node."""
        return node if isinstance(node, int) else next(k for k, each in enumerate(self.nodes) if each["name"] == node)

    def view(self, data: bytes, **more: Any) -> int:
        """Add bytes to the buffer."""
        self.body += bytes(-len(self.body) % 4)
        at = {"buffer": 0, "byteOffset": len(self.body), "byteLength": len(data)}
        self.document["bufferViews"].append(at | more)
        self.body += data
        return len(self.document["bufferViews"]) - 1

    def accessor(self, values: np.ndarray, dtype: str = "<f4", **more: Any) -> int:
        """Add numbers (count, width), or (count,)."""
        values = np.asarray(values)
        entry = {
            "bufferView": self.view(np.ascontiguousarray(values, dtype).tobytes()),
            "componentType": COMPONENTS[dtype],
            "count": len(values),
            "type": KINDS[values[0].size],
        }
        self.document["accessors"].append(entry | more)
        return len(self.document["accessors"]) - 1

    def animate(
        self, name: str, tracks: Mapping[Key, tuple[Sequence[float] | np.ndarray, Any] | tuple[Any, Any, str]]
    ) -> None:
        """Add an animation: (node, path) -> times, values (or what `accessor` gave), and its interpolation."""
        entry: dict[str, Any] = {"name": name, "channels": [], "samplers": []}
        self.tracks[name] = {}
        for (node, path), (times, values, *way) in tracks.items():
            sampler = {"input": self.accessor(np.asarray(times))}
            sampler["output"] = values if isinstance(values, int) else self.accessor(np.asarray(values))
            if way:
                sampler["interpolation"] = way[0]
            if not isinstance(values, int):
                self.tracks[name][node, path] = np.asarray(times), np.asarray(values), way[0] if way else "LINEAR"
            target = {"node": self.index(node), "path": path}
            entry["channels"].append({"sampler": len(entry["samplers"]), "target": target})
            entry["samplers"].append(sampler)
        self.document.setdefault("animations", []).append(entry)

    def skin(self, joints: Sequence[int | str]) -> None:
        """Add a skin, and a mesh that uses it."""
        self.document.setdefault("skins", []).append({"joints": [self.index(joint) for joint in joints]})
        self.document.setdefault("meshes", []).append({"primitives": [{"attributes": {}}]})
        self.node(f"mesh {len(self.nodes)}", mesh=0, skin=len(self.document["skins"]) - 1)

    def whole(self) -> dict[str, Any]:
        """The document."""
        children = {child for node in self.nodes for child in node.get("children", [])}
        roots = [n for n in range(len(self.nodes)) if n not in children]
        return {
            "scene": 0,
            "scenes": [{"nodes": roots}],
            "nodes": self.nodes,
            "buffers": [{"byteLength": len(self.body)}],
            **self.document,
        }

    def write(self, path: Path, **changes: Any) -> Path:
        """Write .glb, or .gltf with its buffer in the text; `changes` replace parts of the document."""
        document = self.whole() | changes
        if path.suffix == ".gltf":
            if "buffers" not in changes:
                text = base64.b64encode(self.body).decode()
                document["buffers"][0]["uri"] = f"data:application/octet-stream;base64,{text}"
            path.write_text(json.dumps(document))
        else:
            path.write_bytes(glb(document, self.body))
        return path

    def place(self, animation: str, node: int | str, time: float) -> np.ndarray:
        """(4, 4) of a node in the world at a time, matrix by matrix."""
        index = self.index(node)
        parts = dict(self.nodes[index])
        for (of, path), (times, values, way) in self.tracks[animation].items():
            if self.index(of) == index:
                parts[path] = value_at(path, times, values, way, time)
        local = np.eye(4)
        if "matrix" in parts:
            local = np.array(parts["matrix"]).reshape(4, 4).T
        else:
            turn = Rotation.from_quat(parts.get("rotation", [0, 0, 0, 1])).as_matrix()
            local[:3, :3] = turn * np.array(parts.get("scale", [1, 1, 1]))
            local[:3, 3] = parts.get("translation", [0, 0, 0])
        parent = next((k for k, each in enumerate(self.nodes) if index in each.get("children", [])), None)
        return local if parent is None else self.place(animation, parent, time) @ local

    def places(self, animation: str, nodes: Sequence[int | str], times: Sequence[float] | np.ndarray) -> np.ndarray:
        """(T, J, 3) of nodes in the world."""
        return np.array([[self.place(animation, node, time)[:3, 3] for node in nodes] for time in times])


def value_at(path: str, times: np.ndarray, values: np.ndarray, way: str, time: float) -> np.ndarray:
    """The value of keys at a time, by scipy's interpolation; cubic ones are (K, 3, W)."""
    values = np.asarray(values, float)
    time = min(max(time, times[0]), times[-1])
    if way == "CUBICSPLINE":
        values = values.reshape(len(times), 3, -1)
        spline = CubicHermiteSpline
        if len(times) == 1:
            return values[0, 1]
        piece = min(int(np.searchsorted(times, time, side="right")) - 1, len(times) - 2)
        ends = times[piece : piece + 2]
        return spline(ends, values[piece : piece + 2, 1], [values[piece, 2], values[piece + 1, 0]])(time)
    if way == "STEP" or len(times) == 1:
        return values[int(np.searchsorted(times, time + 1e-9, side="right")) - 1]
    if path == "rotation":
        return Slerp(times, Rotation.from_quat(values))(time).as_quat()
    return np.array([np.interp(time, times, column) for column in values.T])


def glb(document: Mapping[str, Any], body: bytes) -> bytes:
    """The binary file of a document and its buffer."""
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    body += bytes(-len(body) % 4)
    total = 12 + 8 + len(text) + 8 + len(body)
    head = struct.pack("<4sII", b"glTF", 2, total) + struct.pack("<I4s", len(text), b"JSON")
    return head + text + struct.pack("<I4s", len(body), b"BIN\0") + body


def turned(rng: np.random.Generator, count: int, size: float = 0.6) -> np.ndarray:
    """Random turns (count, 4), x, y, z, w."""
    return Rotation.from_rotvec(size * rng.normal(size=(count, 3))).as_quat()


def about(axis: str, degrees: float) -> list[float]:
    """One turn, x, y, z, w."""
    return Rotation.from_euler(axis, degrees, degrees=True).as_quat().tolist()
