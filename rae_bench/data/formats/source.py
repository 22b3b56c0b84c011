"""A file to be read: its bytes, and errors that name its place."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TypeVar

import msgspec

from rae_bench.errors import UserError
from rae_bench.files import read_bytes

MAX_BYTES = 2**31
"""Largest file, and largest array unpacked from one, that is read."""

OTHER_THINGS = {
    b"version https://git-lfs": "a Git LFS pointer, not the file that it stands for; get it with: git lfs pull",
    b"<!doctype html": "a web page, not a recording; the download went wrong",
    b"<html": "a web page, not a recording; the download went wrong",
    b"\x1f\x8b": "packed with gzip; unpack it first",
    b"kaydara fbx": "an FBX file; data import --convert reads it by way of glTF",
}
"""What files begin with, in lower case, that are no recordings of any format that is read."""

Kind = TypeVar("Kind")


class Source:
    """A path whose errors name the file and, where there is one, the line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fault(self, text: str, line: int | None = None) -> UserError:
        """Return the error that says what is wrong with this file, and where."""
        return UserError(f"{self.path}:{line}: {text}" if line else f"{self.path}: {text}")

    def read(self) -> bytes:
        """Return the file's bytes.

        Raises:
            UserError: The file is missing, empty, unreadable, or larger than `MAX_BYTES`.
        """
        try:
            data = read_bytes(self.path, MAX_BYTES)
        except FileNotFoundError:
            raise self.fault("no such file") from None
        except OSError as error:
            if error.errno == errno.EFBIG:
                raise self.fault(f"more than the {MAX_BYTES / 2**30:.0f} GiB that are read; split it") from None
            raise self.fault(f"cannot be read ({error.strerror})") from None
        if not data[:4096].strip() and not data.strip():
            raise self.fault("the file is empty; export or download it again")
        start = data[:256].lstrip().lower()
        for mark, text in OTHER_THINGS.items():
            if start.startswith(mark):
                raise self.fault(text)
        return data


def decode_json(source: Source, kind: type[Kind], data: bytes | None = None) -> Kind:
    """Return the file's JSON, or `data` where JSON is only a part of the file, as a msgspec type.

    Raises:
        UserError: The file is no whole JSON, or does not fit the type; the place that does not fit is named.
    """
    if data is None:
        data = source.read()
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise source.fault(f"not as expected: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise source.fault(f"not whole JSON ({error}); get the file again") from None
    except RecursionError:
        raise source.fault("JSON nested too deep; this is no recording") from None
