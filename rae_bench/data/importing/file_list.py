"""The files that a task's side lists: sha256 and labels, where they come from, and where they lie on this machine.

docs/reference/formats.md describes the tables.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from rae_bench.errors import UserError, check_keys
from rae_bench.files import digest
from rae_bench.storage import home

DATA_ROOT = "RAE_BENCH_DATA"
"""Environment variable with the folder that holds the recordings."""
LABELS = ("session", "action", "style")
"""What a list may say of a file besides its content."""
ORIGIN_KEYS = ("origin", "download")
"""Keys of a side that say where files come from; they decide nothing of what is in them."""
_KEYS = {"bytes", "sha256", *LABELS}


@dataclass(frozen=True)
class RecordingFile:
    """A file that a task lists.

    Attributes:
        name: relative to the folder, with forward slashes.
        size: bytes.
        sha256: of its content, in hexadecimal digits.
        labels: any of session, action and style.
    """

    name: str
    size: int
    sha256: str
    labels: Mapping[str, str]


def read_file_list(table: Any, where: str) -> dict[str, RecordingFile]:
    """Return the files of a `files` table, checked.

    Raises:
        UserError: One line names the file that is listed wrongly.
    """
    if not isinstance(table, Mapping):
        raise UserError(f"{where}: files is a table of file = {{ bytes, sha256 }}")
    files = {}
    for name, facts in table.items():
        place = f"{where}: files: {name[:80]!r}"
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts or {"\\", ":"} & {*name} or not name.isprintable():
            raise UserError(f"{place} is no file within the folder")
        if not isinstance(facts, Mapping):
            raise UserError(f"{place} needs {{ bytes = ..., sha256 = ... }}")
        check_keys(facts, _KEYS, place)
        size, digest = facts.get("bytes"), facts.get("sha256")
        if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
            raise UserError(f"{place}: bytes = {size!r} needs to be a whole number above 0")
        if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
            raise UserError(f"{place}: sha256 needs to be 64 hexadecimal digits")
        labels = {key: facts[key] for key in LABELS if key in facts}
        if not all(isinstance(word, str) for word in labels.values()):
            raise UserError(f"{place}: {', '.join(LABELS)} need to be texts")
        files[name] = RecordingFile(name, size, digest, labels)
    return files


def download_addresses(side: Mapping[str, Any], where: str) -> dict[str, str]:
    """Return file -> https address, for every listed file of a side that has one.

    Raises:
        UserError: `download` is no table, or an address is not https.
    """
    table = side.get("download", {})
    if not isinstance(table, Mapping) or not all(isinstance(text, str) for text in table.values()):
        raise UserError(f"{where}: download is a table of glob = address")
    for text in table.values():
        if not is_https(text):
            raise UserError(f"{where}: download: {text[:80]!r} is not an https address")
    found = {}
    for name in read_file_list(side.get("files", {}), where):
        text = next((text for glob, text in table.items() if fnmatch.fnmatchcase(name, glob)), None)
        if text is not None:
            path = PurePosixPath(name)
            found[name] = text.replace("{name}", quote(path.name)).replace("{stem}", quote(path.stem))
    return found


def is_https(text: str) -> bool:
    """Return whether a text is an https address with a host name that can be."""
    try:
        parts = urlsplit(text)
        _ = parts.port
        host = (parts.hostname or "").encode("idna")  # at most 63 letters between two dots
    except ValueError:
        return False
    named = bool(host) and len(host) <= 253 and "@" not in parts.netloc  # a user before the host deceives readers
    return parts.scheme == "https" and named and text.isprintable() and " " not in text


def check_files(folder: Path, files: Mapping[str, RecordingFile]) -> None:
    """Compare the files of a folder with a list.

    Raises:
        UserError: Files are missing, or are not those that the list names; the message says how to get them.
    """
    remedy = f"get them: rae-bench data get {folder.name}"
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"{folder}: {len(missing)} of {len(files)} files that the task lists are not there: "
            f"{', '.join(missing[:3])}; {remedy}"
        )
    wrong = [name for name, file in files.items() if not is_intact(folder / name, file)]
    if wrong:
        raise UserError(
            f"{folder}: {len(wrong)} of {len(files)} files are not those that the task lists (another sha256): "
            f"{', '.join(wrong[:3])}; {remedy}"
        )


def is_intact(path: Path, file: RecordingFile) -> bool:
    """Return whether a file is there with the listed size and sha256."""
    try:
        return path.stat().st_size == file.size and digest(path, file.size)[0] == file.sha256
    except OSError:
        return False


def downloads_folder() -> Path:
    """Return the folder that `data get` fills, with a folder for each set of recordings."""
    return home() / "downloads"


def find_recordings(side: Mapping[str, Any], data_root: Path | None) -> Path:
    """Return the folder of a side's recordings: under `data_root`, else `$RAE_BENCH_DATA`, else among the downloads.

    Raises:
        UserError: The recordings are not there; the message says how to get them, or how to say where they are.
    """
    name = side["folder"]
    root = data_root or (Path(os.environ[DATA_ROOT]) if os.environ.get(DATA_ROOT) else None)
    for place in (root, downloads_folder()):
        if place is not None and (place / name).is_dir():
            return place / name
    get = f", or download it: rae-bench data get {name}" if side.get("download") else ""
    origin = f"; it comes from {side['origin']}" if side.get("origin") else ""
    raise UserError(
        f"recordings '{name}' not found{f' under {root}' if root else ''}; give the folder that holds {name}/ with "
        f"--data DIR or {DATA_ROOT}=DIR{get} (licence: {side.get('licence', 'see the task')}){origin}"
    )
