"""Where the user's own data lies, and files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import itertools
import json
import os
import platform
import re
import secrets
import shutil
import stat
import sys
import tempfile
import time
import tomllib
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rae_bench.errors import UserError
from rae_bench.files import LARGEST, read_bytes, read_text

PREFIX = ".tmp"
ABANDONED = 7 * 24 * 3600
"""Seconds without a change after which the scratch files of processes that we cannot ask about are removed."""
DEEPEST = 30
"""Tables within tables: a file that is nested deeper breaks whoever prints what is wrong with it."""
_DOTTED = re.compile(r"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){100}""")
"""A key of a hundred dots and more, which takes `tomllib` time that grows with their square."""
_SCRATCH = re.compile(re.escape(PREFIX) + r"-(?P<where>[0-9a-z]+)-(?P<pid>[0-9]{1,9})-")
_UNKNOWN = "unknown"
_NEW, _OLD, _RUBBISH = "part", "replaced", "rubbish"
"""In the scratch folder of `whole_folder`: the new version, the folder that the old one is moved to, what may go."""
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)
"""What renaming a folder fails with where its new name is in use."""


def home() -> Path:
    """Where domains and caches live: `$RAE_BENCH_HOME`, else the user's cache folder."""
    named = os.environ.get("RAE_BENCH_HOME")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_cache_dir("rae-bench"))


def list_domains() -> list[str]:
    """Names of the imported domains."""
    folder = home() / "domains"
    remove_leftovers(folder)  # an import that was killed may have one of them moved aside
    return sorted(path.parent.name for path in folder.glob("[!.]*/corpus.json"))


def read_toml(path: Path, missing: str) -> dict[str, Any]:
    """The table of a TOML file.

    Raises:
        UserError: `missing` where there is no such file; one that is huge, no TOML, or nested deeper than any of ours.
    """
    table: dict[str, Any] = _parsed(path, missing, "TOML", parse_toml)
    return table


def parse_toml(text: str) -> dict[str, Any]:
    """Return what TOML says. Raise `ValueError` where it is none, and `RecursionError` where a key is nested deep."""
    if _DOTTED.search(text):
        raise RecursionError("nested too deep")
    return tomllib.loads(text)


def read_json(path: Path, missing: str) -> Any:
    """What a JSON file holds; raises as `read_toml` does."""
    return _parsed(path, missing, "JSON", json.loads)


def _parsed(path: Path, missing: str, kind: str, parse: Callable[[str], Any]) -> Any:
    try:
        found = parse(read_text(path))
    except FileNotFoundError:
        raise UserError(f"{path}: {missing}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except RecursionError:
        raise UserError(f"{path}: not a {kind} file of ours: nested too deep") from None
    except ValueError as error:  # what both parsers raise, and what Python says of numbers with thousands of digits
        raise UserError(f"{path}: not a {kind} file: {error}") from None
    level = [found] if isinstance(found, (dict, list)) else []
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)
                 if isinstance(inner, (dict, list))]  # fmt: skip
        if not level:
            return found
    raise UserError(f"{path}: not a {kind} file of ours: nested too deep")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to; it takes the real name only when the block ends well.

    Raises:
        OSError: `path` cannot be written, or is a device or a pipe, whose place a file would take.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        if not stat.S_ISREG(kind := os.stat(path).st_mode) and not stat.S_ISDIR(kind):
            raise OSError(errno.EINVAL, "no regular file", os.fspath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.parent / _fresh_name()
    scratch.touch(exist_ok=False)
    try:
        yield scratch
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A path, not there yet, to make a folder at; it takes the place of `folder` only when the block ends well.

    No system renames one folder over another that holds something, so an old version has to leave before the new one
    comes. No kill in between may lose both. The steps, with S a scratch folder beside `folder`:

    1. The block makes the new version, S/part.
    2. S/part is renamed to `folder`. Where nothing was there, that is all.
    3. Else `folder` is renamed to S/replaced/NAME, and step 2 is done again, until it succeeds: another process may
       have put something there meanwhile. The last one wins.
    4. S is removed.

    Between the steps 3 and 2 nothing is at `folder`, and both versions are in S. Whoever comes next (this function in
    the same parent, `remove_leftovers`) renames S/replaced/NAME back where S/part is still there and `folder` is not.
    That is right while the maker of S lives, too: its step 3 moves the old version aside once more. Before S is
    removed, S/part gets another name, so that a removal which is itself cut short brings nothing half removed back.

    This holds for processes that are killed or interrupted at any point. It does not hold for a power cut, as nothing
    is flushed to the disk.

    Raises:
        OSError: `folder` cannot be replaced (on Windows: while a file in it is open). The old version stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder.parent)
    scratch = folder.parent / _fresh_name()
    scratch.mkdir()
    try:
        part = scratch / _NEW
        yield part
        _put(part, folder, scratch)
    finally:
        if _restored(scratch):
            _remove(scratch)


def _put(part: Path, folder: Path, scratch: Path) -> None:
    """The steps 2 and 3 of `whole_folder`."""
    old = scratch / _OLD
    for attempt in itertools.count():
        try:
            part.rename(folder)
            return
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
        if attempt:  # what we moved aside before has been put back or replaced: it is needed no more
            old.rename(scratch / f"{_RUBBISH}-{attempt}")
        old.mkdir()
        with suppress(FileNotFoundError):  # another process has just moved it aside to put its own there
            folder.rename(old / folder.name)


def _restored(scratch: Path) -> bool:
    """Rename back what was moved aside to a scratch folder, where neither the new version nor another took its place.

    Returns:
        Whether nothing would be lost with `scratch`, but by the process that made it.
    """
    try:
        moved = os.listdir(scratch / _OLD)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # another user's
        return False
    if not os.path.isdir(scratch / _NEW):
        return True
    for name in moved:
        place = scratch.parent / name
        if not os.path.lexists(place):
            with suppress(OSError):  # another process was first, or we may not: the next line tells
                (scratch / _OLD / name).rename(place)
        if not os.path.lexists(place):
            return False
    return True


def _remove(path: Path) -> None:
    """Remove a scratch file or folder, which `_restored` has been asked about."""
    with suppress(OSError):  # another user's, in use (Windows), or on a disk that is read only: it stays
        if not path.is_dir():
            path.unlink(missing_ok=True)
            return
        with suppress(FileNotFoundError):
            (path / _NEW).rename(path / _RUBBISH)
        shutil.rmtree(path, ignore_errors=True)


def pack_folder(folder: Path) -> dict[str, bytes]:
    """{name within the folder: content} of all files under `folder`, to travel where no disk is shared."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): read_bytes(path, LARGEST) for path in files}


def unpack(files: Mapping[str, bytes], folder: Path) -> None:
    """Write what `pack_folder` read to a folder that is not there yet."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def remove_leftovers(folder: Path) -> None:
    """Put right what killed processes left half written in `folder`.

    A folder that one of them had moved aside to replace it goes back to its place (see `whole_folder`), whoever that
    process was. Its scratch files and folders are removed where it is known to be dead: a process of this machine, of
    the same boot and the same pid namespace. Those of all others are removed after a week without a change.
    """
    found = [path for path in folder.glob(f"{PREFIX}-*") if _SCRATCH.match(path.name)]
    # Where several hold a version of one folder, what was moved aside last is the newest.
    for path in sorted(found, key=lambda path: _changed(path / _OLD), reverse=True):
        if _restored(path) and _is_over(path):
            _remove(path)


def scratch_folder(parent: Path) -> Path:
    """A new folder under `parent` that `remove_leftovers` removes once this process has died."""
    return Path(tempfile.mkdtemp(dir=parent, prefix=_prefix()))


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder of this machine, gone after the block; what killed processes left there goes too."""
    parent = Path(tempfile.gettempdir())
    remove_leftovers(parent)
    folder = scratch_folder(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fresh_name() -> str:
    """A name for a scratch file or folder; what is made by it has the permissions that any new one has."""
    return f"{_prefix()}{secrets.token_hex(4)}"


def _prefix() -> str:
    return f"{PREFIX}-{_where()}-{os.getpid()}-"


def _where() -> str:
    """Names the processes among which a process id means the same one; `_UNKNOWN` where nothing can tell them.

    A host's name does not: containers that share a folder may have the same one, and each counts its processes by
    itself. On Linux the boot and the pid namespace say it. A lock that dies with its process would need a second file
    for each that is written, and file systems that containers or nodes share often do not pass locks on: then a living
    process would look dead. This errs to the other side: what it cannot judge waits until it is a week old.
    (Copies of a virtual machine that were started from one snapshot have the same boot, so they should not share a
    folder of results.)
    """
    if sys.platform == "win32":
        return _UNKNOWN
    if sys.platform == "linux":
        try:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
            facts = f"{boot.strip()} {os.readlink('/proc/self/ns/pid')}"
        except OSError:
            return _UNKNOWN
    else:
        facts = f"{platform.node()} {uuid.getnode()}"
    return f"{zlib.crc32(facts.encode()):08x}"


def _is_over(path: Path) -> bool:
    """Whether the process that made a scratch file or folder is dead, as far as we can know."""
    made = _SCRATCH.match(path.name)
    assert made
    if made["where"] == _where() != _UNKNOWN:
        return not alive(int(made["pid"]))
    changes = [_changed(path)]
    for folder, folders, files in os.walk(path):
        changes += [_changed(Path(folder, name)) for name in (*folders, *files)]
    return time.time() - max(changes) > ABANDONED


def _changed(path: Path) -> float:
    """When a file or folder was last changed, in seconds since 1970; 0 where it is not there."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def alive(pid: int) -> bool:
    """Whether a process of this machine runs, as this process counts them. Always true on Windows, which is not asked.

    Signal 0 is Ctrl-C there, and all others end the process.
    """
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state != "Z"  # in containers without an init nobody collects orphans that were killed
