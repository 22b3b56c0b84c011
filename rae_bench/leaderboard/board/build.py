"""Writing the board's files, and telling whether those that are there are of the entries that are there."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from rae_bench.errors import UserError
from rae_bench.leaderboard.board.badge import badge_svg
from rae_bench.leaderboard.board.benchmark import BENCHMARK
from rae_bench.leaderboard.board.board import SCHEMA, Board, make_board
from rae_bench.leaderboard.board.markdown import board_markdown
from rae_bench.leaderboard.board.sheet import board_csv
from rae_bench.leaderboard.entries.entry import load_entries
from rae_bench.leaderboard.entries.finding import plain
from rae_bench.storage import whole_file

JSON, CSV, MARKDOWN, BADGE = "board.json", "board.csv", "README.md", "badge.svg"
ENTRIES, SITE = "entries", "site"
"""Folders beside the files; the site is made anew wherever it is wanted, and not committed."""
MOST_BYTES = 1 << 28


def read_board(folder: Path) -> Board:
    """The board of the entries in `folder`/entries."""
    entries = folder / ENTRIES
    if not entries.is_dir():
        raise UserError(f"{entries}: no such folder; --folder names it, or make an entry by rae-bench submit")
    return make_board(load_entries(entries))


def board_files(data: Mapping[str, Any]) -> dict[str, str]:
    """Name -> text of every file that is committed."""
    return {
        MARKDOWN: board_markdown(data),
        CSV: board_csv(data),
        JSON: json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n",
        BADGE: badge_svg(data),
    }


def write_board(board: Board, folder: Path) -> list[Path]:
    """Write what changed; give the paths of all."""
    paths = []
    for name, text in board_files(board.data).items():
        path = folder / name
        if _text_of(path) != text:
            with whole_file(path) as scratch:
                scratch.write_bytes(text.encode("utf-8"))
        paths.append(path)
    return paths


def stale_files(board: Board, folder: Path) -> dict[str, str]:
    """Name -> the first line that differs, of each file that is not what the entries give."""
    out = {}
    for name, text in board_files(board.data).items():
        old = _text_of(folder / name)
        if old is None:
            out[name] = "is missing"
        elif old != text:
            changed = difflib.unified_diff(old.splitlines(), text.splitlines(), "old", "new", n=0, lineterm="")
            line = next((line for line in changed if line[:1] in "+-" and line[:3] not in ("+++", "---")), "line ends")
            out[name] = f"differs, first in: {plain(line, 120)}"
    return out


def _text_of(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def load_board(path: Path) -> dict[str, Any]:
    """A board that was written before: its JSON, or a folder that holds it.

    Raises:
        UserError: no board, or one of another benchmark version.
    """
    file = path / JSON if path.is_dir() else path
    try:
        if file.stat().st_size > MOST_BYTES:
            raise UserError(f"{file}: larger than any board")
        data = msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{file}: not a board ({plain(error)}); rae-bench leaderboard build makes it") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise UserError(f"{file}: not a board; rae-bench leaderboard build makes it")
    if data.get("benchmark") != BENCHMARK:
        raise UserError(
            f"{file}: of benchmark version {plain(data.get('benchmark'))}, and this is {BENCHMARK}: their numbers do "
            "not compare; see docs/leaderboard.md"
        )
    return data
