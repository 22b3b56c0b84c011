"""Reading files that anybody may have put there: regular ones only, and no more of them than expected.

A size that `stat` tells is no limit: a pipe blocks whoever opens it, a device such as /dev/zero has size 0 and no end,
and a file may grow while it is read. What goes wrong is an `OSError`, as of any file that cannot be read.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

CHUNK = 1 << 20
"""Bytes that are read at a time."""
LARGEST_TEXT = 1 << 26
"""Bytes of a TOML, JSON or CSV file that is read."""
LARGEST = 1 << 31
"""Bytes of any file of ours, such as arrays or weights, that is read."""


def _no_file(path: Path) -> OSError:
    return OSError(errno.EINVAL, "no regular file", os.fspath(path))


def too_large(path: Path, limit: int) -> OSError:
    """Return the error about a file of more than `limit` bytes."""
    size = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit} bytes"
    return OSError(errno.EFBIG, f"more than the {size} that are read", os.fspath(path))


@contextmanager
def regular(path: Path, *, follow: bool = True) -> Iterator[BinaryIO]:
    """Open a regular file for reading. Nothing else is opened for longer than it takes to see what it is.

    Args:
        follow: whether a symbolic link to a regular file will do.

    Raises:
        OSError: no such file, or a pipe, device, socket, folder or link.
    """
    try:
        # First without opening: a device may do something when it is opened.
        kind = os.stat(path, follow_symlinks=follow).st_mode
        if not stat.S_ISREG(kind):
            raise _no_file(path)
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        handle = os.open(path, flags | (0 if follow else getattr(os, "O_NOFOLLOW", 0)))
    except ValueError as error:  # a name with a NUL
        raise OSError(errno.EINVAL, f"no file name: {error}", os.fspath(path)) from None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise _no_file(path)
        yield file


def read_bytes(path: Path, limit: int, *, follow: bool = True) -> bytes:
    """Return the content of a regular file. Raise `OSError` as `regular` does, and beyond `limit` bytes."""
    with regular(path, follow=follow) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise too_large(path, limit)
        data = file.read(size)  # no more: a buffer of the limit's size would be made
        while more := file.read(CHUNK):  # it has grown, or is one of those in /proc, which say that they are empty
            data += more
            if len(data) > limit:
                raise too_large(path, limit)
    return data


def read_text(path: Path, limit: int = LARGEST_TEXT) -> str:
    """Return the content of a regular file of UTF-8. Raise `OSError` as `read_bytes`, `UnicodeDecodeError` else."""
    return read_bytes(path, limit).decode("utf-8")


def digest(path: Path, limit: int = LARGEST) -> tuple[str, int]:
    """Return sha256 and size of a regular file, read piece by piece. Raise `OSError` as `read_bytes` does."""
    found, size = hashlib.sha256(), 0
    with regular(path) as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
            size += len(chunk)
            if size > limit:
                raise too_large(path, limit)
    return found.hexdigest(), size


def copy(path: str | os.PathLike[str], to: str | os.PathLike[str], limit: int = LARGEST) -> None:
    """Copy the content of a regular file to a new name. Raise `OSError` as `read_bytes` does."""
    path, size = Path(path), 0
    with regular(path) as file, Path(to).open("xb") as copied:
        while chunk := file.read(CHUNK):
            size += len(chunk)
            if size > limit:
                raise too_large(path, limit)
            copied.write(chunk)


def copy_folder(folder: Path, to: Path, without: Collection[str] = ()) -> None:
    """Copy what is under a folder to one that is not there yet; links to folders are none of it, and are refused.

    Args:
        without: names of files that stay behind.

    Raises:
        OSError: as `copy` does, at the first file.
    """
    to.mkdir(parents=True)
    for path in sorted(folder.rglob("*")):
        place = to / path.relative_to(folder)
        if path.is_dir() and not path.is_symlink():
            place.mkdir(exist_ok=True)
        elif path.name not in without:
            copy(path, place)
