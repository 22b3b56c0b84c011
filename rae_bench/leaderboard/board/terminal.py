"""A table of the board in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rae_bench.leaderboard.board import words
from rae_bench.leaderboard.board.escape import one_line
from rae_bench.leaderboard.board.words import CATEGORIES, DIGITS


def table_lines(name: str, part: Mapping[str, Any], version: str) -> list[str]:
    """Entries in order of their scores, controls where theirs lie; then what is incomplete."""
    on_task = "units" in part
    head = ("rank", "ties", "entry", "regime", "score", "95 %", *CATEGORIES.values(), "gain x", "95 %", "level")
    rows: list[tuple[float, tuple[str, ...]]] = []
    for row in part["rows"]:
        values = [words.number(_value(row["categories"][c]), DIGITS[c] if on_task else 3) for c in CATEGORIES]
        gain = row["gain"]["cold"]
        rows.append((
            row["score"]["value"] if row["score"] else float("inf"),
            (
                words.rank(row), row["ties"], one_line(row["entry"]), row["regime"],
                words.number(_value(row["score"]), 3),
                words.ends(row["score"], 3), *values, words.number(_value(gain), 2), words.ends(gain, 2), row["level"],
            ),
        ))  # fmt: skip
    for row in part["controls"]:
        values = [words.number(_value(row["categories"][c]), DIGITS[c] if on_task else 3) for c in CATEGORIES]
        score = -1.0 if row["score"] is None else row["score"]
        rows.append((score, ("", "", row["control"], "", words.number(row["score"], 3), "", *values, "", "", "")))
    table = [head, *(cells for _, cells in sorted(rows, key=lambda row: row[0]))]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [f"{one_line(name)}, benchmark version {version}", ""]
    lines += ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in table]
    lines += [
        "",
        "score: 0 is the truth, lower is better. A rank is an interval; *: provisional, fewer than five seeds.",
    ]
    lines += [f"incomplete: {one_line(row['entry'])} lacks {_lacks(row['missing'])}" for row in part["incomplete"]]
    return lines


def _value(found: Any) -> float | None:
    return found["value"] if isinstance(found, Mapping) else found


def _lacks(missing: Any) -> str:
    return f"{missing} cells" if isinstance(missing, int) else ", ".join(map(one_line, missing))
