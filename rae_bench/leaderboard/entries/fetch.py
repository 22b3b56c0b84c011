"""Downloading an entry's trajectories: https only, never larger than the entry says, checked before use."""

from __future__ import annotations

import http.client
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rae_bench.errors import UserError
from rae_bench.files import CHUNK
from rae_bench.leaderboard.entries.card import Trajectories
from rae_bench.leaderboard.entries.entry import load_entry
from rae_bench.leaderboard.entries.finding import Refused
from rae_bench.leaderboard.entries.packing import digest
from rae_bench.leaderboard.entries.text import check_link
from rae_bench.storage import scratch

TIMEOUT = 60
MAX_REDIRECTS = 5
Open = Callable[[str], Any]
"""open(address) returns a response to read from, with `headers`."""


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follow a few redirects, to https addresses only."""

    max_redirections = MAX_REDIRECTS

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        check_link(newurl, "redirect")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_https(address: str) -> Any:
    """Open an https address. There is no handler of any other kind: neither file nor ftp nor plain http."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(), urllib.request.HTTPSHandler(), urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(), _HttpsOnly(),
    ):  # fmt: skip
        opener.add_handler(handler)
    response = opener.open(urllib.request.Request(address, headers={"User-Agent": "rae-bench"}), timeout=TIMEOUT)
    if response is None:
        raise UserError(f"{address}: only https is fetched")
    return response


def download(trajectories: Trajectories, path: Path, open_address: Open = open_https) -> None:
    """Download the trajectories to `path`. Raise `UserError` unless size and sha256 are those that the entry says."""
    address = trajectories.url
    if not address:
        raise UserError("entry.toml: trajectories.url is empty; upload the file and write its address there")
    check_link(address, "entry.toml: trajectories.url")
    try:
        with open_address(address) as response, path.open("wb") as file:
            length = response.headers.get("Content-Length")
            if length is not None and length.isdecimal() and int(length) != trajectories.size:
                raise UserError(f"{address}: has {length} bytes; the entry says {trajectories.size}")
            left = trajectories.size
            while chunk := response.read(min(CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise UserError(f"{address}: has more than the {trajectories.size} bytes that the entry says")
                file.write(chunk)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UserError(f"{address}: cannot be fetched ({error}); is it the address of the file itself?") from None
    sha256, size = digest(path)
    if (sha256, size) != (trajectories.sha256, trajectories.size):
        raise UserError(
            f"{address}: {size} bytes with sha256 {sha256[:12]}…; the entry says {trajectories.size} bytes, "
            f"{trajectories.sha256[:12]}…; is it the address of the file itself, not of a page?"
        )


@contextmanager
def fetched(
    folder: Path, wanted: bool, progress: Callable[[str], None], open_address: Open = open_https
) -> Iterator[Path | None]:
    """Give the block a temporary file of the entry's trajectories, or None if they are not wanted or not there."""
    trajectories = None
    if wanted:
        with suppress(Refused):  # verify reports it
            trajectories = load_entry(folder).trajectories
    if trajectories is None:
        yield None
        return
    with scratch() as place:
        progress(f"fetching {trajectories.size / 2**20:.0f} MiB")
        download(trajectories, place / "trajectories.zip", open_address)
        yield place / "trajectories.zip"
