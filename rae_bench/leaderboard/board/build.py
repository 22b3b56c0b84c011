"""Writing the board's files, and telling whether the files that are there belong to the entries that are there."""

from __future__ import annotations

import difflib
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from rae_bench.benchmark import other_version, version_of
from rae_bench.errors import UserError
from rae_bench.files import read_bytes, read_text
from rae_bench.leaderboard.board.figures import FOLDER, figure_files
from rae_bench.leaderboard.board.make import FAMILY, SCHEMA, Board, make_board
from rae_bench.leaderboard.board.sheet import board_csv
from rae_bench.leaderboard.board.sound import read_entries
from rae_bench.leaderboard.board.text_tables import board_markdown, entry_count
from rae_bench.leaderboard.entries.finding import one_line
from rae_bench.storage import whole_file

JSON, CSV, MARKDOWN, BADGE = "board.json", "board.csv", "README.md", "badge.svg"
ENTRIES, SITE = "entries", "site"
"""Folders beside the files. The site is not committed; it is made wherever it is wanted."""
LARGEST_BOARD = 1 << 28
"""Bytes of a board's JSON that are read."""


def read_board(folder: Path) -> Board:
    """Make the board of the entries in `folder`/entries. Raise `UserError` where there is no such folder."""
    entries = folder / ENTRIES
    if not entries.is_dir():
        raise UserError(f"{entries}: no such folder; --folder names it, or make an entry by rae-bench submit")
    found, left = read_entries(entries)
    return make_board(found, left)


def board_json(data: Mapping[str, Any]) -> str:
    """Return the board as JSON."""
    return json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def board_files(board: Board) -> dict[str, str]:
    """Return name -> text of every file that is committed."""
    data, figures = board.data, figure_files(board)
    tables = {MARKDOWN: board_markdown(data, figures), CSV: board_csv(data), JSON: board_json(data)}
    return {**tables, BADGE: badge_svg(data), **figures}


def write_board(board: Board, folder: Path) -> list[Path]:
    """Write the files that changed, and remove figures of tasks that are gone; return the paths of all files."""
    paths = []
    files = board_files(board)
    for path in _other_figures(files, folder):
        path.unlink()
    for name, text in files.items():
        path = folder / name
        if _text_of(path) != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as scratch:
                scratch.write_bytes(text.encode("utf-8"))
        paths.append(path)
    return paths


def stale_files(board: Board, folder: Path) -> dict[str, str]:
    """Return name -> the first line that differs, of each file that is not what the entries give."""
    files = board_files(board)
    out = {str(path.relative_to(folder)): "is of no task here" for path in _other_figures(files, folder)}
    for name, text in files.items():
        old = _text_of(folder / name)
        if old is None:
            out[name] = "is missing"
        elif old != text:
            changed = difflib.unified_diff(old.splitlines(), text.splitlines(), "old", "new", n=0, lineterm="")
            line = next((line for line in changed if line[:1] in "+-" and line[:3] not in ("+++", "---")), "line ends")
            out[name] = f"differs, first in: {one_line(line, 120)}"
    return out


def _other_figures(files: Mapping[str, str], folder: Path) -> list[Path]:
    """Return the figures in a folder of the board that are none of these files."""
    return [path for path in sorted((folder / FOLDER).glob("*.svg")) if f"{FOLDER}/{path.name}" not in files]


def _text_of(path: Path) -> str | None:
    try:
        return read_text(path, LARGEST_BOARD)
    except (OSError, UnicodeDecodeError):
        return None


def load_board(path: Path) -> dict[str, Any]:
    """Read a board that was written before.

    Args:
        path: its JSON, or a folder that holds it.

    Raises:
        UserError: no board, or one of another benchmark version.
    """
    file = path / JSON if path.is_dir() else path
    try:
        data = msgspec.json.decode(read_bytes(file, LARGEST_BOARD))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{file}: not a board ({one_line(error)}); rae-bench leaderboard build makes it") from None
    known = isinstance(data, dict) and str(data.get("schema", "")).startswith(FAMILY)
    if known and (wrong := other_version(version_of(data), "this board")):
        raise UserError(f"{file}: {wrong}")
    if not known or data["schema"] != SCHEMA:
        raise UserError(f"{file}: not a board; rae-bench leaderboard build makes it")
    return data


BADGE_LABEL = "rae-bench"
LETTER_WIDTH, BADGE_MARGIN, BADGE_HEIGHT = 6.6, 8, 20
"""Pixels. Widths are estimates for an 11 pixel sans-serif, so that no font is needed to make a badge."""


def badge_svg(data: Mapping[str, Any]) -> str:
    """Return a badge for other READMEs as SVG: the number of entries and the benchmark's version."""
    message = f"v{data['benchmark']} · {entry_count(data)}"
    left, right = (round(len(words) * LETTER_WIDTH + 2 * BADGE_MARGIN) for words in (BADGE_LABEL, message))
    title = html.escape(f"{BADGE_LABEL} leaderboard: {message}", quote=True)
    size = f'width="{left + right}" height="{BADGE_HEIGHT}"'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{title}">
<title>{title}</title>
<clipPath id="r"><rect {size} rx="4"/></clipPath>
<g clip-path="url(#r)">
<rect width="{left}" height="{BADGE_HEIGHT}" fill="#2f3742"/>
<rect x="{left}" width="{right}" height="{BADGE_HEIGHT}" fill="#1f5fc4"/>
</g>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">
<text x="{left / 2:g}" y="14" textLength="{left - 2 * BADGE_MARGIN}">{html.escape(BADGE_LABEL)}</text>
<text x="{left + right / 2:g}" y="14" textLength="{right - 2 * BADGE_MARGIN}">{html.escape(message)}</text>
</g>
</svg>
"""
