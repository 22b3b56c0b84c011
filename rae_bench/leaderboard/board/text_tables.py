"""The board's tables as text: Markdown for `leaderboard/README.md`, and columns for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rae_bench.leaderboard.board import formatting
from rae_bench.leaderboard.board.escape import markdown
from rae_bench.leaderboard.board.figures import FOLDER
from rae_bench.leaderboard.entries.finding import one_line
from rae_bench.model.regimes import COLD, percent
from rae_bench.objectives.tracks import KEYFRAMES
from rae_bench.results.columns import COLUMNS, narrow_heading, primary_columns
from rae_bench.results.text_table import Cells, TextColumn, short_number
from rae_bench.statistics.gains import GAINS

README_HEAD = """<!-- Made by `rae-bench leaderboard build` from entries/. Do not edit: `leaderboard check` notices. -->
# rae-bench leaderboard

**Benchmark version {version}**, {entries}. [How to read it](../docs/concepts/leaderboard.md).
The same numbers: [CSV](board.csv), [JSON](board.json). Boards of other versions: [version 1](v1/README.md).

A model was trained on one rig. How well does it move another of which it has seen {fractions} of the data?

- **score**: 0 is the truth, 1/2 is an error of 3 % of the rig's height; lower is better
- in brackets: 95 % intervals over folds: other training, other held-out motion
- a **rank** is an interval; entries with a letter in common in **tied** do not differ by more than chance explains
- \\*: provisional, by fewer than five seeds
- **level**: `claimed` by its authors, `rescored` from its trajectories on so many clips, `reproduced` by training
  again: how many of the cells that rank the entry, by how much the worst was off, when, and on what machine
- (budget undeclared): nobody says what some training used; (over budget): more than the task allows
- controls learn nothing and have no rank
"""
FIRST_ENTRY = (
    "rae-bench run --model fe --task biped2quad-control --budget full --seeds 3 --fractions 1%,5%",
    "rae-bench submit results --name my-entry",
    "rae-bench leaderboard build",
)
"""Commands that make an entry, for a board that has none."""
YOUR_ENTRY = (
    FIRST_ENTRY[0].replace("--model fe", "--model ./my_model.py:MyModel"),
    "rae-bench submit results --model MyModel --name my-model",
    "rae-bench verify leaderboard/entries/my-model --trajectories my-model-trajectories.zip",
    FIRST_ENTRY[2],
)
"""Commands that make an entry of somebody's own model."""
NO_ENTRIES = """## No entries yet

An entry is a model's finished cells with its card; [submitting](../docs/guides/submitting.md) says what it needs. These
commands make one:

```
{commands}
```
"""
SCORE = COLUMNS["score"]
OVER_COLD, OVER_REFERENCE = COLUMNS[GAINS[COLD]], COLUMNS[GAINS["reference"]]
SHARE_OF_FULL, SAVED, ADAPT = COLUMNS["quality_of_full"], COLUMNS["data_saved"], COLUMNS["core_seconds"]

Units = Mapping[str, str] | None
"""The units of the categories on a task; None over tasks, where categories are on the score's scale."""


def category_digits(category: str, units: Units) -> int:
    """Return the digits of a category's numbers: of its metric on a task, of the score over tasks."""
    return primary_columns()[category].digits if units else SCORE.digits


def entry_count(data: Mapping[str, Any]) -> str:
    """Return how many entries of a board learn, in words."""
    number = sum(1 for facts in data["entries"].values() if facts["learns"])
    return f"{number} entr{'y' if number == 1 else 'ies'}"


def board_markdown(data: Mapping[str, Any], figures: Container[str] = ()) -> str:
    """Return all of the board's tables as Markdown.

    Args:
        data: the board.
        figures: the names of the figures that lie beside the tables.
    """
    fractions = sorted({f for task in data["tasks"].values() for f in task["fractions"]})
    seen = " and ".join(map(percent, fractions)) or "a part"
    lines = [README_HEAD.format(version=markdown(data["benchmark"]), entries=entry_count(data), fractions=seen)]
    overall = data["overall"]
    if not data["entries"]:
        lines += [NO_ENTRIES.format(commands="\n".join(FIRST_ENTRY))]
    if overall["tasks"]:
        tasks = _list(overall["tasks"])
        lines += [f"## Overall\n\nThe interquartile mean over {tasks}; categories on the score's scale.\n"]
        if overall["lacking_tasks"]:
            lines += [f"Of this version, but without an entry yet: {_list(overall['lacking_tasks'])}.\n"]
        lines += markdown_table(overall, None)
        lines += _incomplete(overall, "Not complete on all of these tasks, so without an overall score:")
    for name, task in data["tasks"].items():
        lines += [f"## {markdown(name)}\n", f"{markdown(task['title'])}. {markdown(task['description'])}\n"]
        lines += markdown_table(task, task["units"])
        if task["reference_cold"]:
            best = ", ".join(f"{markdown(entry)} at {fraction}" for fraction, entry in task["reference_cold"].items())
            lines.append(f"Reference cold: {best}.\n")
        lines += _incomplete(task, "Incomplete, so neither ranked nor averaged:")
        if (figure := f"{FOLDER}/{name}.svg") in figures:
            lines.append(f"![Errors of the first entries over the share of the target's data]({figure})\n")
    if data["left_out"]:
        lines += ["## Left out\n", "These entries cannot stand in a table with the others:\n"]
        lines += [f"- {markdown(row['entry'])}: {markdown(row['why'])}" for row in data["left_out"]]
    return "\n".join(lines).rstrip() + "\n"


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(markdown, names))


def markdown_table(part: Mapping[str, Any], units: Units) -> list[str]:
    """Return the lines of a table: entries in order of their scores, controls where theirs lie, the truth on top."""
    columns = primary_columns(part.get("track", KEYFRAMES))
    titles = [column.title if units else column.label for column in columns.values()]
    words = ["rank", "tied", "entry", "regime"]
    numbers = [SCORE.label, *titles, OVER_COLD.title, OVER_REFERENCE.title, SHARE_OF_FULL.title]
    numbers += [*([SAVED.title] if units else []), ADAPT.title]
    align = ["---"] * len(words) + ["---:"] * len(numbers) + ["---"]

    def entry(row: Mapping[str, Any]) -> list[str]:
        title = f" ({markdown(row['title'])})" if row["title"] != row["entry"] else ""
        division = (" (open)" if row["division"] == "open" else "") + formatting.budget_note(row)
        behind = f", behind {_list(row['behind'])}" if row["behind"] else ""
        write, found = formatting.with_ends, row["categories"]
        return [
            formatting.rank(row).replace("*", "\\*"), row["ties"], markdown(row["entry"]) + title + division + behind,
            markdown(row["regime"]), write(row["score"], SCORE.digits),
            *(write(found[category], category_digits(category, units)) for category in columns),
            write(row["gain"][COLD], OVER_COLD.digits), write(row["gain"]["reference"], OVER_REFERENCE.digits),
            write(row["quality_of_full"], SHARE_OF_FULL.digits), *([formatting.data_saved(row)] if units else []),
            formatting.count(row["cost"]["adapt_core_seconds"]),
            row["level"] + (f": {markdown(row['evidence'])}" if row["evidence"] else ""),
        ]  # fmt: skip

    def control(row: Mapping[str, Any]) -> list[str]:
        score = formatting.number(row["score"], SCORE.digits)
        blanks = [""] * (len(numbers) - len(titles))
        return ["", "", f"*{markdown(row['control'])}*", "", score, *_category_values(row, units), *blanks]

    body = formatting.in_order(part, entry, control)
    return [f"| {' | '.join(cells)} |" for cells in ([*words, *numbers, "level"], align, *body)] + [""]


def _category_values(
    row: Mapping[str, Any], units: Units, write: Callable[[float | None, int], str] = formatting.number
) -> list[str]:
    """Write the categories of a row without their intervals."""
    found = {c: v["value"] if isinstance(v, Mapping) else v for c, v in row["categories"].items()}
    return [write(found[c], category_digits(c, units)) for c in primary_columns()]


def _incomplete(part: Mapping[str, Any], title: str) -> list[str]:
    """Return what has no place in the table, and what it lacks."""
    lines = [f"- {markdown(row['entry'])}: lacks {formatting.lacking(row, markdown)}" for row in part["incomplete"]]
    return [title, "", *lines, ""] if lines else []


def terminal_table(part: Mapping[str, Any]) -> tuple[list[TextColumn], list[Cells], list[str]]:
    """Return columns, rows and notes of a table for a terminal.

    In a narrow one the level leaves first, then the interval of the gain, the categories from the right, the letters
    and the regime. Rank, entry, score with its interval and gain stay.

    Args:
        part: the table of the board's data.
    """
    units = part.get("units")
    categories = list(primary_columns(part.get("track", KEYFRAMES)).values())
    if units is None:
        categories = [replace(column, unit="") for column in categories]
    most = len(categories) + 4
    columns = [
        TextColumn("rank", right=False),
        TextColumn("tied", leaves=2),
        TextColumn("entry", right=False),
        TextColumn("regime", right=False, leaves=1),
        TextColumn(SCORE.label),
        TextColumn("95 % of the score", "95 %", right=False),
        *(
            TextColumn(column.label, narrow_heading(column), leaves=3 + number)
            for number, column in enumerate(categories)
        ),
        TextColumn(OVER_COLD.label, narrow_heading(OVER_COLD)),
        TextColumn("95 % of the gain", "95 %", right=False, leaves=most - 1),
        TextColumn("level", right=False, leaves=most),
    ]

    def ends(found: Mapping[str, Any] | None, digits: int) -> str:
        if found is None or found.get("low") is None or found.get("high") is None:
            return formatting.NONE
        return f"{short_number(found['low'], digits)} to {short_number(found['high'], digits)}"

    def number(value: float | None, digits: int) -> str:
        return formatting.NONE if value is None else short_number(value, digits)

    def values(row: Mapping[str, Any]) -> list[str]:
        return _category_values(row, units, number)

    def entry(row: Mapping[str, Any]) -> list[str]:
        score, gain = row["score"], row["gain"][COLD]
        return [
            formatting.rank(row), row["ties"], one_line(row["entry"]) + formatting.budget_note(row), row["regime"],
            number(score and score["value"], SCORE.digits), ends(score, SCORE.digits), *values(row),
            number(gain and gain["value"], OVER_COLD.digits), ends(gain, OVER_COLD.digits), formatting.level(row),
        ]  # fmt: skip

    def control(row: Mapping[str, Any]) -> list[str]:
        return ["", "", row["control"], "", number(row["score"], SCORE.digits), "", *values(row), "", "", ""]

    notes = [
        "score: 0 is the truth, lower is better. A rank is an interval; *: provisional, fewer than five seeds.",
        "tied: entries with a letter in common do not differ by more than chance explains.",
        "level, who has checked the numbers: claimed (its authors), rescored (computed again from its trajectories), "
        "reproduced (trained again).",
    ]
    if units is None:
        notes.insert(1, "Categories are on the score's scale too.")
    for row in part["incomplete"]:
        notes.append(f"incomplete: {one_line(row['entry'])} lacks {formatting.lacking(row, one_line)}")
    return columns, formatting.in_order(part, entry, control), notes
