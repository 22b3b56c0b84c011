"""The board as Markdown: `leaderboard/README.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rae_bench.leaderboard.board import words
from rae_bench.leaderboard.board.escape import markdown as text
from rae_bench.leaderboard.board.words import CATEGORIES, DIGITS

HEAD = """<!-- Made by `rae-bench leaderboard build` from entries/. Do not edit: `leaderboard check` notices. -->
# rae-bench leaderboard

**Benchmark version {version}**, {entries}. [How to read it](../docs/leaderboard.md).
The same numbers: [CSV](board.csv), [JSON](board.json).

A model was trained on one rig. How well does it move another of which it has seen {fractions} of the data?

- **score**: 0 is the truth, 1 is about standing still; lower is better
- in brackets: 95 % intervals over seeds and, of gains, over groups of held-out clips
- a **rank** is an interval; entries that share a letter in **ties** are not apart
- \\*: provisional, by fewer than five seeds
- **level**: `claimed` by its authors, `rescored` from its trajectories, `reproduced` by training again
- controls learn nothing and have no rank
"""


def board_markdown(data: Mapping[str, Any]) -> str:
    """All of the board's tables."""
    number = sum(1 for facts in data["entries"].values() if facts["learns"])
    fractions = sorted({f for task in data["tasks"].values() for f in task["fractions"]})
    lines = [
        HEAD.format(
            version=text(data["benchmark"]),
            entries=f"{number} entr{'y' if number == 1 else 'ies'}",
            fractions=" and ".join(words.percent(f) for f in fractions) or "a part",
        )
    ]
    overall = data["overall"]
    if overall["tasks"]:
        lines += [
            f"## Overall\n\nThe interquartile mean over {_list(overall['tasks'])}; categories on the score's scale.\n"
        ]
        lines += [_note(overall)] if overall["lacking_tasks"] else []
        lines += table(overall, None)
        lines += incomplete(overall, "Not complete on all of these tasks, so without an overall score:")
    for name, task in data["tasks"].items():
        lines += [f"## {text(name)}\n", f"{text(task['title'])}. {text(task['description'])}\n"]
        lines += table(task, task["units"])
        if task["reference_cold"]:
            best = ", ".join(f"{text(entry)} at {fraction}" for fraction, entry in task["reference_cold"].items())
            lines.append(f"Reference cold: {best}.\n")
        lines += incomplete(task, "Incomplete, so neither ranked nor averaged:")
    return "\n".join(lines).rstrip() + "\n"


def _note(overall: Mapping[str, Any]) -> str:
    return f"Of this version, but without an entry yet: {_list(overall['lacking_tasks'])}.\n"


def _list(names: Sequence[str]) -> str:
    return ", ".join(text(name) for name in names)


def table(part: Mapping[str, Any], units: Mapping[str, str] | None) -> list[str]:
    """Entries in order of their scores, the controls between them where theirs lie, the truth on top.

    Args:
        units: of the categories on a task; None for the table over tasks, where they are on the score's scale.
    """
    titles = [f"{title}{f', {units[c]}' if units and units[c] else ''}" for c, title in CATEGORIES.items()]
    head = [
        "rank",
        "ties",
        "entry",
        "regime",
        "score",
        *titles,
        "gain over cold, x",
        "over reference cold, x",
        "of full, %",
    ]
    head += [*(["data saved, x"] if units else []), "adapt, core-s", "level"]
    rows = [(row["score"]["value"] if row["score"] else float("inf"), 1, _entry(row, units)) for row in part["rows"]]
    rows += [(row["score"] if row["score"] is not None else -1.0, 0, _control(row, units)) for row in part["controls"]]
    right = ["---:"] * (len(titles) + 4)
    align = ["---", "---", "---", "---", *right, *(["---:"] if units else []), "---:", "---"]
    body = [cells for _, _, cells in sorted(rows, key=lambda row: (row[0], row[1]))]
    return [f"| {' | '.join(cells)} |" for cells in (head, align, *body)] + [""]


def _entry(row: Mapping[str, Any], units: Mapping[str, str] | None) -> list[str]:
    named = text(row["entry"]) + (f" ({text(row['title'])})" if row["title"] != row["entry"] else "")
    behind = f", behind {', '.join(text(name) for name in row['behind'])}" if row["behind"] else ""
    division = " (open)" if row["division"] == "open" else ""
    return [
        words.rank(row).replace("*", "\\*"), row["ties"], named + division + behind, text(row["regime"]),
        words.with_ends(row["score"], DIGITS["score"]),
        *(words.with_ends(row["categories"][c], DIGITS[c] if units else 3) for c in CATEGORIES),
        words.with_ends(row["gain"]["cold"], DIGITS["gain"]), words.with_ends(row["gain"]["reference"], DIGITS["gain"]),
        words.with_ends(row["quality_of_full"], DIGITS["quality"]),
        *([words.saved(row)] if units else []),
        words.count(row["cost"]["adapt_core_seconds"]), row["level"],
    ]  # fmt: skip


def _control(row: Mapping[str, Any], units: Mapping[str, str] | None) -> list[str]:
    found = row["categories"]
    values = [words.number(found[c]["value"], DIGITS[c]) if units else words.number(found[c], 3) for c in CATEGORIES]
    return ["", "", f"*{text(row['control'])}*", "", words.number(row["score"], 3), *values, *[""] * (5 + bool(units))]


def incomplete(part: Mapping[str, Any], title: str) -> list[str]:
    """What has no place in the table, and what it lacks."""
    if not part["incomplete"]:
        return []
    lines = [title, ""]
    for row in part["incomplete"]:
        if isinstance(row["missing"], int):
            lacks = f"lacks {row['missing']} cell{'s' if row['missing'] > 1 else ''}, the first {text(row['first'])}"
        else:
            lacks = f"lacks {_list(row['missing'])}"
        lines.append(f"- {text(row['entry'])}: {lacks}")
    return [*lines, ""]
