"""Downloads of recordings: https only, of the listed size, with the listed sha256, whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rae_bench.data.importing.file_list import RecordingFile, download_addresses, is_https, is_intact, read_file_list
from rae_bench.errors import UserError, unknown
from rae_bench.storage import whole_file
from rae_bench.task.named import builtin_tasks, load_task
from rae_bench.task.task import Task

CHUNK = 1 << 16
"""Bytes that are read at a time."""
PATIENCE = 30.0
"""Seconds without an answer before a download is given up."""


class Opener(Protocol):
    """What `urllib.request.build_opener` gives."""

    def open(self, fullurl: str, *, timeout: float) -> Any:
        """Return a response to read from."""


@dataclass(frozen=True)
class RecordingFolder:
    """What can be had of one folder of recordings.

    Attributes:
        folder: its name.
        licence: for people.
        citation: for people.
        origin: for people.
        files: name -> what a task lists of it; none where users bring their own copy.
        urls: name -> address, of the files that have one.
    """

    folder: str
    licence: str
    citation: str
    origin: str
    files: Mapping[str, RecordingFile]
    urls: Mapping[str, str]


def recordings_of(name: str) -> list[RecordingFolder]:
    """Return the folders of recordings of a task, by name or file, or one folder as the built-in tasks list it.

    Raises:
        UserError: There is no such task or folder, or the task is not of recordings.
    """
    tasks = builtin_tasks()
    if name.endswith(".toml") or name in tasks:
        found = _recordings([load_task(name)])
        if not found:
            raise UserError(f"task '{name}' has no recordings; there is nothing to get")
        return list(found.values())
    found = _recordings(load_task(task) for task in tasks)
    if name not in found:
        raise unknown("task or recordings", name, [*(t for t in tasks if _recordings([load_task(t)])), *found])
    return [found[name]]


def _recordings(tasks: Iterable[Task]) -> dict[str, RecordingFolder]:
    """Return folder -> all that the tasks list of it, which is nothing of those that users bring themselves."""
    found: dict[str, RecordingFolder] = {}
    for task in tasks:
        for side, table in (*(("source", table) for table in task.sources), ("target", task.target)):
            if table["kind"] != "recordings":
                continue
            where = f"{task.name}: [{side}]"
            folder = table["folder"]
            if folder in (".", "..", "") or "/" in folder or "\\" in folder:
                raise UserError(f"{where}: folder '{folder}' needs to be a name")
            files, urls = read_file_list(table.get("files", {}), where), download_addresses(table, where)
            licence, citation, origin = (str(table.get(key, "")) for key in ("licence", "citation", "origin"))
            if folder in found:
                old = found[folder]
                files, urls = {**old.files, **files}, {**old.urls, **urls}
                licence = old.licence if licence in old.licence else f"{old.licence}; {licence}"
            found[folder] = RecordingFolder(folder, licence, citation, origin, files, urls)
    return found


class _Faithful(urllib.request.HTTPRedirectHandler):
    """Follows redirects from https to https and to nothing else."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not is_https(newurl):
            raise UserError(f"{req.full_url}: sends on to {newurl[:80]!r}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def https_opener(context: Any = None) -> Opener:
    """Return an opener that speaks https alone, with certificates checked.

    Args:
        context: an ssl.SSLContext, None for the default one.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPSHandler(context=context),
        _Faithful(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def missing_files(recordings: RecordingFolder, folder: Path) -> list[str]:
    """Return the listed files that are not in `folder` as they are listed."""
    return [name for name, file in recordings.files.items() if not is_intact(folder / name, file)]


def download_missing(
    recordings: RecordingFolder, folder: Path, opener: Opener, progress: Callable[[str], None] = lambda _: None
) -> int:
    """Download what a folder lacks of the recordings, and return how many files that were.

    A file appears under its name only when its size and sha256 are those that are listed. Files that are there are not
    fetched again, so that the same call goes on after an interruption.

    Args:
        recordings: what there is to get.
        folder: where the files lie.
        opener: opens addresses.
        progress: is called with the name of each file before it is fetched.

    Raises:
        UserError: A file has no address, a server does not give it, or gives other bytes than were listed.
    """
    lacking = missing_files(recordings, folder)
    homeless = [name for name in lacking if name not in recordings.urls]
    if homeless:
        raise UserError(
            f"recordings '{recordings.folder}': {', '.join(homeless[:3])} cannot be downloaded as listed; they come "
            f"from {recordings.origin or 'a source that the task does not name'}; put them into a folder "
            f"{recordings.folder}/ and give the folder that holds it with --data DIR"
        )
    for name in lacking:
        progress(name)
        _fetch(recordings.urls[name], recordings.files[name], folder / name, opener)
    return len(lacking)


def _fetch(url: str, file: RecordingFile, path: Path, opener: Opener) -> None:
    """Download one file, which appears under its name only when it is the listed one."""
    again = "nothing was kept of it; try again later"
    if not is_https(url):
        raise UserError(f"{url[:80]!r}: not an https address")
    digest, size = hashlib.sha256(), 0
    try:
        with whole_file(path) as scratch, scratch.open("wb") as out:
            with opener.open(url, timeout=PATIENCE) as answer:
                while chunk := answer.read(CHUNK):
                    size += len(chunk)
                    if size > file.size:
                        raise UserError(f"{url}: more than the {file.size:,} bytes that the task lists; not kept")
                    digest.update(chunk)
                    out.write(chunk)
            if size < file.size:
                raise UserError(f"{url}: {size:,} of {file.size:,} bytes came; {again}")
            if digest.hexdigest() != file.sha256:
                raise UserError(f"{url}: another file than the task lists (sha256 {digest.hexdigest()}); not kept")
    except (OSError, ValueError, http.client.HTTPException) as error:  # ValueError: of what a server sends
        reason = " ".join(str(getattr(error, "reason", None) or error).split()) or type(error).__name__
        raise UserError(f"{url}: could not be downloaded ({reason[:200]}); {again}") from None
