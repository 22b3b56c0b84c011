"""Reading single arrays of an npz file without trusting it: shapes are checked before anything is allocated."""

from __future__ import annotations

import io
import math
import threading
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rae_bench.data.formats.source import MAX_BYTES, Source
from rae_bench.errors import UserError
from rae_bench.rigs.rig import LARGEST

MAX_ARRAYS = 1000
"""Arrays that a file may hold."""
MAX_HEADER = 1 << 16
"""Bytes of an array's header, of which numpy itself takes 10,000."""
DENSE, LARGE = 100, 1 << 28
"""An array of more than `LARGE` bytes that unpacks to more than `DENSE` times its size in the file is refused:
recordings shrink to a tenth, nothing but zeros to a thousandth."""
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
    EOFError,
    IndexError,
    KeyError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What zipfile and numpy raise on damaged input; RecursionError and NotImplementedError are RuntimeErrors."""

UNPICKLE = (
    "which can run code and is not read. If you trust the file: python -c \"import numpy as np; "
    "d = np.load('IN.npz', allow_pickle=True); "
    "np.savez('OUT.npz', **{k: np.array(d[k].tolist()) for k in d.files})\""
)
"""What to do about an array of Python objects, as a part of a sentence."""
_PARSING = threading.Lock()
"""numpy parses a header as Python, and Python 3.11 counts the depth of all threads' parsers in one place: two at once
can end in a SystemError (python/cpython#106905)."""


@dataclass(frozen=True)
class _Header:
    """What an array's header says; `start` is where its numbers begin, in bytes."""
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    start: int


class Archive:
    """The arrays of an npz file: which there are, and one at a time.

    Args:
        source: the file.
        pass_pickles: whether arrays of Python objects count as not there, unless one is missed; else they are refused.

    Raises:
        UserError: The file is no npz file, is damaged, or holds an array that is refused.
    """

    def __init__(self, source: Source, *, pass_pickles: bool = False) -> None:
        self.source = source
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(source.read()))
            members = [info for info in self._zip.infolist() if info.filename.endswith(".npy")]
        except _BROKEN as error:
            raise source.fault(f"not a readable npz file ({_words(error)}); get the file again") from None
        if len(members) > MAX_ARRAYS:
            raise source.fault(f"{len(members)} arrays; at most {MAX_ARRAYS} are read")
        self._members = {info.filename.removesuffix(".npy"): info for info in members}
        self._headers = {name: self._header(name) for name in self._members}
        self._pickled = [name for name, header in self._headers.items() if header.dtype.hasobject]
        if self._pickled and not pass_pickles:
            raise self._pickle_fault(self._pickled[0])
        for name in self._pickled:
            del self._members[name], self._headers[name]

    def __contains__(self, name: str) -> bool:
        return name in self._members

    @property
    def shapes(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Name -> shape and kind of numpy dtype ("f", "i", "U", ...)."""
        return {name: (header.shape, header.dtype.kind) for name, header in self._headers.items()}

    def dtype(self, name: str) -> np.dtype:
        """Return the type of an array's numbers."""
        return self._headers[name].dtype

    def __str__(self) -> str:
        return ", ".join(f"{name} {list(shape)}" for name, (shape, _) in list(self.shapes.items())[:12])

    def _header(self, name: str) -> _Header:
        """Read and check the header of an array."""
        info = self._members[name]
        try:
            with self._zip.open(info) as packed:
                # numpy reads as much as a header says it is long, four gigabytes of zeros if need be, before it looks.
                file = io.BytesIO(packed.read(MAX_HEADER))
                version = np.lib.format.read_magic(file)
                read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
                if version not in read:
                    raise self.source.fault(f"array '{name[:40]}': npy format {version} is not read")
                with _PARSING:
                    shape, fortran, dtype = read[version](file)
                start = file.tell()
        except _BROKEN as error:
            raise self.source.fault(f"array '{name[:40]}' is damaged ({_words(error)}); get the file again") from None
        if dtype.hasobject:
            return _Header(shape, dtype, fortran, start)
        size = math.prod(shape) * dtype.itemsize
        if size != info.file_size - start or any(n < 0 for n in shape):
            text = f"its header says {list(shape)} but the file holds {info.file_size - start} bytes of it"
            raise self.source.fault(f"array '{name[:40]}' is damaged: {text}")
        if size > MAX_BYTES:
            raise self.source.fault(f"array '{name[:40]}' has {size / 2**30:.1f} GiB; split the recording")
        if size > max(LARGE, DENSE * info.compress_size):
            text = f"{info.compress_size / 2**20:.1f} MiB of it unpack to {size / 2**20:.0f} MiB"
            raise self.source.fault(f"array '{name[:40]}' is empty of content: {text}; this is no recording")
        return _Header(shape, dtype, fortran, start)

    def __getitem__(self, name: str) -> np.ndarray:
        """Return an array, read-only; raise `UserError` where it is damaged."""
        header = self._headers[name]
        size = math.prod(header.shape) * header.dtype.itemsize
        try:
            with self._zip.open(self._members[name]) as file:
                file.read(header.start)
                data = file.read(size)
                if len(data) == size:
                    file.read(1)  # the end is where the checksum is compared
            flat = np.frombuffer(data, header.dtype)
            return flat.reshape(header.shape, order="F" if header.fortran else "C")
        except _BROKEN as error:
            raise self.source.fault(f"array '{name[:40]}' is damaged ({_words(error)}); get the file again") from None

    def checked(self, name: str, shape: tuple[int | None, ...], kinds: str) -> np.ndarray:
        """Return a copy of an array that has to have a shape, one of some kinds, and finite values.

        Args:
            name: name of the array.
            shape: its shape; None stands for any length.
            kinds: kinds of numpy dtypes, such as "iu".

        Raises:
            UserError: The array is missing, damaged, of another shape or kind, or holds numbers beyond `LARGEST`.
        """
        if name not in self:
            if self._pickled:
                raise self._pickle_fault(self._pickled[0])
            raise self.fault(f"no array '{name}'; it holds {self}")
        found, kind = self.shapes[name]
        fits = len(found) == len(shape) and all(want in (None, n) for n, want in zip(found, shape, strict=True))
        if not fits or kind not in kinds:
            wanted = ", ".join("any" if n is None else str(n) for n in shape)
            raise self.fault(f"array '{name}' has shape {list(found)} and kind {kind}, not ({wanted}) and {kinds}")
        array = np.array(self[name])
        if kind == "f" and not (np.abs(array) < np.float64(LARGEST)).all():
            raise self.fault(f"array '{name}' holds a number that is no place and no turn")
        return array

    def text(self, name: str) -> list[str]:
        """Return a one-dimensional array of words."""
        try:
            return [word.decode("utf-8") if isinstance(word, bytes) else str(word) for word in self[name].tolist()]
        except UnicodeDecodeError:
            raise self.source.fault(f"array '{name[:40]}' holds words that are not UTF-8") from None

    def _pickle_fault(self, name: str) -> UserError:
        """Return the error about an array of Python objects."""
        return self.source.fault(f"array '{name[:40]}' holds Python objects (a pickle), {UNPICKLE}")

    def fault(self, text: str) -> UserError:
        """Return an error about this file."""
        return self.source.fault(text)


def recorded_rate(archive: Archive, given: float | None, names: Sequence[str]) -> float:
    """Return the given frame rate, else the file's, under the first of some names that it has.

    Raises:
        UserError: There is none, or it is no frame rate.
    """
    if given is not None:
        return given
    name = next((name for name in names if name in archive), names[0])
    shape, kind = archive.shapes.get(name, (None, ""))
    if shape not in ((), (1,)) or kind not in "fiu":
        raise archive.fault("no frame rate in the file; give it with --recorded-fps")
    rate = float(archive[name].reshape(()))
    if not 0 < rate <= 1e5:
        raise archive.fault(f"{name} {rate} is not a frame rate; give it with --recorded-fps")
    return rate


def _words(error: BaseException) -> str:
    """Return an error of a library as a few words."""
    return " ".join(str(error).split())[:80] or type(error).__name__
