"""Reading an entry's folder, which others wrote: no links, no unknown names, nothing larger than it may be."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from rae_bench import files
from rae_bench.leaderboard.entries.finding import Refused

SLUG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,62}")
"""Names of entries and tasks, which become file names and addresses."""
WINDOWS_DEVICE = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]", re.IGNORECASE)
CELL_FILE = re.compile(r"[a-z-]{1,20}-f[0-9.e-]{1,20}-s[0-9]{1,9}\.(?:json|csv)")
ENTRY, LEVEL, SAMPLE = "entry.toml", "level.json", "sample.npz"
CELLS, RERUNS = "cells", "reruns"
"""The folders of results: the author's, and those of cells that a verifier trained again."""
MAX_SAMPLE = 1_500_000
"""The most bytes of the sample of an entry's motion."""
LIMITS = {".toml": 1 << 16, ".json": 1 << 18, ".csv": 1 << 22, ".npz": MAX_SAMPLE}
"""The most bytes of a file, by its ending. A level's record grows with tasks, not with cells."""
MAX_RERUNS = 4_000_000
"""The most bytes of all files of `reruns` together."""
MAX_FILES = 20_000
MAX_BYTES = 1 << 30
"""The most bytes of all files of an entry together."""


def is_slug(name: str) -> bool:
    """Return whether a name can be an entry's or a task's. Windows has no files with the names of its devices."""
    is_device = WINDOWS_DEVICE.fullmatch(name.split(".")[0]) is not None
    return SLUG.fullmatch(name) is not None and not name.endswith(".") and not is_device


def list_files(folder: Path) -> dict[str, int]:
    """Return {name within the folder: bytes} of all files of an entry, sorted by name.

    Raises:
        Refused: links, devices, hidden or unknown names, too many or too large files.
    """
    sizes: dict[str, int] = {}
    _walk(folder, "", sizes)
    if sum(sizes.values()) > MAX_BYTES:
        raise Refused(folder.name, f"{sum(sizes.values())} bytes of files", f"at most {MAX_BYTES} are read")
    again = sum(size for name, size in sizes.items() if name.startswith(f"{RERUNS}/"))
    if again > MAX_RERUNS:
        raise Refused(RERUNS, f"{again} bytes of files", f"at most {MAX_RERUNS} are read; remove some cells")
    return dict(sorted(sizes.items()))


def _walk(folder: Path, within: str, sizes: dict[str, int]) -> None:
    with os.scandir(folder) as found:
        for item in found:
            name = within + item.name
            if item.is_symlink():
                raise Refused(name, "is a symbolic link", "put the file itself there")
            if item.is_dir(follow_symlinks=False):
                depth = within.count("/")
                known = item.name in (CELLS, RERUNS) if depth == 0 else depth == 1 and is_slug(item.name)
                if not known:
                    mend = f"remove it; results lie in {CELLS}/<task>/ and {RERUNS}/<task>/"
                    raise Refused(name, "is no folder of an entry", mend)
                _walk(Path(item.path), name + "/", sizes)
                continue
            facts = item.stat(follow_symlinks=False)
            if not stat.S_ISREG(facts.st_mode):
                raise Refused(name, "is no regular file", "remove it")
            _check_name(name)
            limit = LIMITS[Path(name).suffix]
            if facts.st_size > limit:
                raise Refused(name, f"has {facts.st_size} bytes", f"at most {limit} are read")
            sizes[name] = facts.st_size
            if len(sizes) > MAX_FILES:
                raise Refused(folder, f"more than {MAX_FILES} files", "submit one model's cells")


def _check_name(name: str) -> None:
    parts = name.split("/")
    if not (name in (ENTRY, LEVEL, SAMPLE) or (len(parts) == 3 and CELL_FILE.fullmatch(parts[2]))):
        known = f"{ENTRY}, {LEVEL}, {SAMPLE}, {CELLS}/<task>/ and {RERUNS}/<task>/"
        raise Refused(name, "is no file of an entry", f"remove it; there are {known}")


def read_bytes(path: Path, where: str) -> bytes:
    """Return the content of a regular file of an entry. Raise `Refused` on links and on files that are too long."""
    limit = LIMITS[path.suffix]
    try:
        return files.read_bytes(path, limit, follow=False)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise Refused(where, f"has more than {limit} bytes", "shorten it") from None
        raise Refused(where, f"cannot be read ({error.strerror})", "put the file itself there") from None
