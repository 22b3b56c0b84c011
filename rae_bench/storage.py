"""Where the user's own data lies, and files and folders that appear whole or not at all."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import tempfile
import tomllib
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rae_bench.errors import UserError

PREFIX = ".tmp"
LARGEST_TEXT = 1 << 26
"""Bytes of a TOML or JSON file that is read."""
DEEPEST = 30
"""Tables within tables: a file that is nested deeper breaks whoever prints what is wrong with it."""
_DOTTED = re.compile(r"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){100}""")
"""A key of a hundred dots and more, which takes `tomllib` time that grows with their square."""


def home() -> Path:
    """Where domains and caches live: `$RAE_BENCH_HOME`, else the user's cache folder."""
    named = os.environ.get("RAE_BENCH_HOME")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_cache_dir("rae-bench"))


def list_domains() -> list[str]:
    """Names of the imported domains."""
    return sorted(path.parent.name for path in (home() / "domains").glob("[!.]*/corpus.json"))


def read_toml(path: Path, missing: str) -> dict[str, Any]:
    """The table of a TOML file.

    Raises:
        UserError: `missing` where there is no such file; one that is huge, no TOML, or nested deeper than any of ours.
    """
    table: dict[str, Any] = _parsed(path, missing, "TOML", _toml)
    return table


def _toml(text: str) -> dict[str, Any]:
    if _DOTTED.search(text):
        raise RecursionError
    return tomllib.loads(text)


def read_json(path: Path, missing: str) -> Any:
    """What a JSON file holds; raises as `read_toml` does."""
    return _parsed(path, missing, "JSON", json.loads)


def _parsed(path: Path, missing: str, kind: str, parse: Callable[[str], Any]) -> Any:
    try:
        size = path.stat().st_size
        if size > LARGEST_TEXT:
            raise UserError(f"{path}: {size / 2**20:.0f} MiB, more than the {LARGEST_TEXT >> 20} MiB that are read")
        found = parse(path.read_text(encoding="utf-8"))
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
    """A temporary name beside `path` to write to; it takes the real name only when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix())
    os.close(handle)
    scratch = Path(name)
    try:
        yield scratch
        os.chmod(scratch, 0o666 & ~_umask())
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A path, not there yet, to make a folder at; it takes the place of `folder` only when the block ends well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=_prefix()))
    try:
        part = scratch / "part"
        yield part
        with suppress(FileNotFoundError):
            folder.rename(scratch / "old")
        try:
            part.rename(folder)
        except OSError:
            # Another process finished the same folder first: its copy is as good as ours.
            if not (part.is_dir() and folder.is_dir()):
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def pack(folder: Path) -> dict[str, bytes]:
    """{name within the folder: content} of all files under `folder`, to travel where no disk is shared."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def unpack(files: Mapping[str, bytes], folder: Path) -> None:
    """Write what `pack` read to a folder that is not there yet."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def sweep(folder: Path) -> None:
    """Remove what killed processes of this machine left half written in `folder`."""
    for path in folder.glob(f"{PREFIX}-*"):
        _, machine, pid, *_ = [*path.name.split("-"), "", ""]
        if machine != _machine() or not pid.isdecimal() or alive(int(pid)):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def scratch_folder(parent: Path) -> Path:
    """A new folder under `parent` that `sweep` removes once this process has died."""
    return Path(tempfile.mkdtemp(dir=parent, prefix=_prefix()))


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder of this machine, gone after the block; what killed processes left there goes too."""
    parent = Path(tempfile.gettempdir())
    sweep(parent)
    folder = scratch_folder(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prefix() -> str:
    return f"{PREFIX}-{_machine()}-{os.getpid()}-"


def _machine() -> str:
    """Process ids mean nothing to the other machines that share a folder."""
    return f"{zlib.crc32(platform.node().encode()):08x}"


def alive(pid: int) -> bool:
    """Whether a process of this machine runs."""
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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
