"""The parts of glTF 2.0 files that hold motion: the document, and arrays of its buffers. Nothing in a file is trusted.

Section numbers are those of the specification, https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
import struct
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

import msgspec
import numpy as np

from rae_bench.data.formats.source import Source, decode_json
from rae_bench.rigs.rig import LARGEST

MAX_NODES = 20_000
"""Nodes of a file that is read; a scene of many characters has hundreds."""
MAX_ENTRIES = 200_000
"""Accessors, views, and channels over all animations of a file that is read."""
DENSE, LARGE = 16, 1 << 28
"""Accessors may share bytes. Those that are read may hold `LARGE` bytes, or `DENSE` times those of the buffers."""
BLANK = 1 << 20
"""Elements of an accessor without a buffer view, which is nothing but zeros."""
UNREADABLE = {"EXT_meshopt_compression", "KHR_meshopt_compression"}
"""Extensions that pack the numbers of an animation."""
UNPACK = "unpack it: npx @gltf-transform/cli copy IN.glb OUT.glb"
_MAGIC, _JSON, _BIN = b"glTF", b"JSON", b"BIN\0"
_KINDS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}

Kind = TypeVar("Kind")


class Asset(msgspec.Struct):
    """What wrote the file, and the version of the format."""
    version: str
    minVersion: str = ""
    generator: str = ""


class Node(msgspec.Struct):
    """A node (5.25): its children, and its place in its parent as a matrix, column by column, or as three parts."""
    name: str = ""
    children: list[int] = []
    translation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    matrix: list[float] | None = None
    mesh: int | None = None
    camera: int | None = None


class Skin(msgspec.Struct):
    """A skin (5.28)."""
    joints: list[int]
    name: str = ""


class Target(msgspec.Struct):
    """What a channel moves (5.7); without a node an extension says it."""
    path: str
    node: int | None = None


class Channel(msgspec.Struct):
    """A channel of an animation (5.6)."""
    sampler: int
    target: Target


class Sampler(msgspec.Struct):
    """Key times and values (5.8)."""
    input: int
    output: int
    interpolation: str = "LINEAR"


class Animation(msgspec.Struct):
    """An animation (5.5)."""
    channels: list[Channel]
    samplers: list[Sampler]
    name: str = ""


class SparseIndices(msgspec.Struct):
    """Which elements a sparse accessor replaces (5.3)."""
    bufferView: int
    componentType: int
    byteOffset: int = 0


class SparseValues(msgspec.Struct):
    """What a sparse accessor puts there (5.4)."""
    bufferView: int
    byteOffset: int = 0


class Sparse(msgspec.Struct):
    """The elements of an accessor that differ (5.2)."""
    count: int
    indices: SparseIndices
    values: SparseValues


class Accessor(msgspec.Struct):
    """How a view's bytes are numbers (5.1)."""
    componentType: int
    count: int
    type: str
    bufferView: int | None = None
    byteOffset: int = 0
    normalized: bool = False
    sparse: Sparse | None = None


class View(msgspec.Struct):
    """A part of a buffer (5.11)."""
    buffer: int
    byteLength: int
    byteOffset: int = 0
    byteStride: int | None = None
    extensions: dict[str, msgspec.Raw] = {}


class Buffer(msgspec.Struct):
    """Bytes in this file or in one beside it (5.10)."""
    byteLength: int
    uri: str | None = None


class Document(msgspec.Struct):
    """The JSON part of a file, without what is about meshes, materials and cameras."""
    asset: Asset
    nodes: list[Node] = []
    skins: list[Skin] = []
    animations: list[Animation] = []
    accessors: list[Accessor] = []
    bufferViews: list[View] = []
    buffers: list[Buffer] = []
    meshes: list[msgspec.Raw] = []
    extensionsRequired: list[str] = []


class GltfFile:
    """A glTF file: its checked document, and one array of its buffers at a time.

    Attributes:
        source: the file.
        document: its JSON part.

    Raises:
        UserError: The file is no glTF 2.0, is damaged, or names a buffer that may not be read.
    """

    def __init__(self, path: Path) -> None:
        self.source = Source(path)
        text, self._body = _split(self.source)
        self.document = decode_json(self.source, Document, text)
        self._check_document()
        self._buffers: dict[int, memoryview] = {}
        self._arrays: dict[int, np.ndarray] = {}
        self._given = 0

    def _check_document(self) -> None:
        document, fault = self.document, self.source.fault
        wanted = document.asset.minVersion or document.asset.version
        if wanted.split(".")[0] != "2":
            raise fault(f"glTF {wanted[:20]}; version 2 is read: export it again")
        packed = UNREADABLE & set(document.extensionsRequired)
        if packed:
            raise fault(f"packed by {min(packed)}; {UNPACK}")
        count = len(document.nodes)
        if count > MAX_NODES:
            raise fault(f"{count} nodes; at most {MAX_NODES} are read")
        channels = sum(len(each.channels) + len(each.samplers) for each in document.animations)
        entries = max(len(document.accessors), len(document.bufferViews), len(document.buffers), channels)
        if entries > MAX_ENTRIES or sum(len(skin.joints) for skin in document.skins) > MAX_ENTRIES:
            raise fault(f"more than {MAX_ENTRIES} accessors, views, channels or joints of skins; this is no character")

    def array(self, index: int) -> np.ndarray:
        """Return the numbers of an accessor, (count, width) float32; whole numbers that are `normalized` become shares.

        Raises:
            UserError: The accessor reaches beyond its bytes, is too large, or holds numbers beyond `LARGEST`.
        """
        if index not in self._arrays:
            self._arrays[index] = self._decoded(index)
        return self._arrays[index]

    def _decoded(self, index: int) -> np.ndarray:
        """Read an accessor (3.6.2)."""
        where = f"accessor {index}"
        accessor = self._entry(self.document.accessors, index, "accessor")
        if accessor.componentType not in _KINDS or accessor.type not in _WIDTHS:
            raise self.source.fault(f"{where}: {accessor.type[:20]} of {accessor.componentType} is no kind of glTF")
        kind, width = np.dtype(_KINDS[accessor.componentType]), _WIDTHS[accessor.type]
        if accessor.count < 1:
            raise self.source.fault(f"{where}: {accessor.count} elements; the file is damaged, export it again")
        self._given += 4 * accessor.count * width
        if self._given > max(LARGE, DENSE * sum(buffer.byteLength for buffer in self.document.buffers)):
            raise self.source.fault(f"{where}: the animations hold many times the bytes of the file; this is no motion")
        if accessor.bufferView is None:
            if accessor.count > BLANK:
                raise self.source.fault(f"{where}: {accessor.count} elements without bytes; this is no motion")
            values = np.zeros((accessor.count, width), kind)
        else:
            values = self._elements(accessor.bufferView, accessor.byteOffset, kind, accessor.count, width, where)
        if accessor.sparse is not None:
            values = self._replaced(values, accessor.sparse, where)
        numbers = values.astype(np.float32)
        if accessor.normalized and kind.kind in "iu":
            numbers = np.maximum(numbers / np.float32(np.iinfo(kind).max), np.float32(-1))  # 3.11 has the formulas
        if not (np.abs(numbers) < LARGEST).all():
            row = int(np.argwhere(~(np.abs(numbers) < LARGEST))[0, 0])
            raise self.source.fault(f"{where}, element {row}: {numbers[row].tolist()} is no place and no turn")
        numbers.setflags(write=False)
        return numbers

    def _replaced(self, values: np.ndarray, sparse: Sparse, where: str) -> np.ndarray:
        """Return the elements with those that are stored apart put in their places."""
        of_indices = _KINDS.get(sparse.indices.componentType, "")
        if not 0 < sparse.count <= len(values) or of_indices not in ("<u1", "<u2", "<u4"):
            raise self.source.fault(f"{where}: its sparse part is damaged; export it again")
        count, width = sparse.count, values.shape[1]
        place = sparse.indices
        at = self._elements(place.bufferView, place.byteOffset, np.dtype(of_indices), count, 1, where)[:, 0]
        new = self._elements(sparse.values.bufferView, sparse.values.byteOffset, values.dtype, count, width, where)
        if at.max() >= len(values):
            raise self.source.fault(f"{where}: its sparse part names element {at.max()} of {len(values)}")
        values = values.copy()
        values[at] = new
        return values

    def _elements(self, view: int, offset: int, kind: np.dtype, count: int, width: int, where: str) -> np.ndarray:
        """Return (count, width) numbers that lie in a view, one element every `byteStride` bytes where it has one."""
        part = self._entry(self.document.bufferViews, view, f"{where}: buffer view")
        if UNREADABLE & set(part.extensions):
            raise self.source.fault(f"{where}: packed by meshopt; {UNPACK}")
        size = kind.itemsize * width
        stride = part.byteStride or size
        end = offset + stride * (count - 1) + size
        if offset < 0 or stride < size or part.byteOffset < 0 or end > part.byteLength:
            text = f"{count} elements reach beyond the {part.byteLength} bytes of their view"
            raise self.source.fault(f"{where}: {text}; the file is damaged, export it again")
        data = self._buffer(part.buffer)
        start = part.byteOffset + offset
        if part.byteOffset + end > len(data):
            text = f"reaches to byte {part.byteOffset + end} of a buffer that has {len(data)}"
            raise self.source.fault(f"{where}: {text}; the file is cut short")
        return np.ndarray((count, width), kind, data, start, (stride, kind.itemsize))

    def _buffer(self, index: int) -> memoryview:
        """Return the bytes of a buffer."""
        if index not in self._buffers:
            buffer = self._entry(self.document.buffers, index, "buffer")
            data = self._body if buffer.uri is None else _linked(buffer.uri, self.source)
            if not 0 < buffer.byteLength <= len(data):
                text = f"buffer {index} has {len(data)} bytes, the document says {buffer.byteLength}"
                raise self.source.fault(f"{text}; the file is cut short")
            self._buffers[index] = memoryview(data)[: buffer.byteLength]
        return self._buffers[index]

    def _entry(self, entries: list[Kind], index: int, what: str) -> Kind:
        """Return an entry of a list of the document."""
        if not 0 <= index < len(entries):
            raise self.source.fault(f"{what} {index} of {len(entries)}; the file is damaged, export it again")
        return entries[index]


def _split(source: Source) -> tuple[bytes, bytes]:
    """Return the JSON of a file and the bytes behind it, which a .gltf has not (4.4)."""
    data = source.read()
    if data[:4] != _MAGIC:
        return data.removeprefix(b"\xef\xbb\xbf"), b""
    if len(data) < 20:
        raise source.fault("cut short; get the file again")
    _, version, total = struct.unpack_from("<4sII", data)
    if version != 2:
        raise source.fault(f"binary glTF {version}; version 2 is read: export it again")
    if total > len(data):
        raise source.fault(f"cut short: {len(data)} of {total} bytes; get the file again")
    chunks: dict[bytes, bytes] = {}
    at = 12
    for _ in range(2):
        if at + 8 > total:
            break
        size, kind = struct.unpack_from("<I4s", data, at)
        if at + 8 + size > total:
            raise source.fault(f"cut short: a part of {size} bytes at byte {at}; get the file again")
        chunks.setdefault(kind, data[at + 8 : at + 8 + size])
        at += 8 + size
    if _JSON not in chunks:
        raise source.fault("holds no JSON; get the file again")
    return chunks[_JSON], chunks.get(_BIN, b"")


def _linked(uri: str, source: Source) -> bytes:
    """Return the bytes of a data URI, or of a file in the folder of the document."""
    if uri.startswith("data:"):
        head, _, text = uri.partition(",")
        if not head.endswith(";base64"):
            raise source.fault("a buffer within the file is not base64; export it again")
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise source.fault("a buffer within the file is damaged base64; export it again") from None
    return Source(_beside(uri, source)).read()


def _beside(uri: str, source: Source) -> Path:
    """Return the file in the document's folder that a buffer names; nothing else is opened."""
    name = unquote(uri)
    shown = name[:60].encode("unicode_escape").decode()
    folder = source.path.parent.resolve()
    try:
        inside = not os.path.isabs(name) and ":" not in name and "\\" not in name
        path = folder / name
        inside = inside and path.resolve().is_relative_to(folder)
        regular = inside and stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        raise source.fault(f"its buffer '{shown}' is not there; put the file beside it, or export .glb") from None
    except (OSError, ValueError, RuntimeError):
        inside = regular = False
    if not inside or not regular:
        raise source.fault(f"its buffer '{shown}' is no file of this folder; export .glb, which is one file")
    return path


def linked_files(path: Path) -> list[Path]:
    """Return the files beside a glTF file that hold its buffers.

    Raises:
        UserError: as `GltfFile` does.
    """
    source = Source(path)
    document = decode_json(source, Document, _split(source)[0])
    return [_beside(b.uri, source) for b in document.buffers if b.uri is not None and not b.uri.startswith("data:")]
