"""What moved between two boards, and whether by more than the folds explain."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rae_bench.leaderboard.board.escape import markdown
from rae_bench.leaderboard.board.estimates import interval_over_tasks, seed_effects
from rae_bench.leaderboard.board.formatting import rank, with_ends
from rae_bench.leaderboard.entries.finding import one_line
from rae_bench.results.columns import COLUMNS
from rae_bench.results.text_table import Cells, TextColumn
from rae_bench.statistics.folds import FULL_OVERLAP
from rae_bench.statistics.significance import SIGNIFICANT

NO_CHANGE = 1e-9
"""Scores that differ by less than this are the same."""
VERDICT, ENTRY_NAME = 22, 20
"""Characters of a line of a verdict, and of an entry's name."""
COLUMNS_OF_CHANGES = ("table", "entry", "kind", "before", "after", "verdict")


def compare_boards(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the changes from one board to another, table by table.

    Returns:
        For each change its `table`, `entry`, `kind` (new, gone, score, rank, level, control), `before`, `after`, and
        `verdict`.
        The verdict on a score is better, worse or undecided, by the seeds that both boards have. The verdict on a new
        entry says from how many others it is apart.
    """
    changes: list[dict[str, Any]] = []
    for name in ("overall", *sorted({*old["tasks"], *new["tasks"]})):
        sides = [board["overall"] if name == "overall" else board["tasks"].get(name) for board in (old, new)]
        before, after = ({row["entry"]: row for row in (side or {"rows": []})["rows"]} for side in sides)
        for entry in sorted({*before, *after}):
            changes += [{"table": name, "entry": entry, **c} for c in _changes(before, after, entry)]
        changes += [{"table": name, **change} for change in _control_changes(*sides)]
    return changes


def _control_changes(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the changes of the controls and of the truth, by which all entries are measured."""
    before, after = ({row["control"]: row for row in (side or {}).get("controls", [])} for side in (old, new))
    out = []
    for name in sorted({*before, *after}):
        one, two = (_control_words(side[name]) if name in side else "" for side in (before, after))
        if one != two:
            kind = "control" if one and two else "new" if two else "gone"
            out.append({"entry": name, "kind": kind, "before": one, "after": two, "verdict": "a yardstick moved"})
    return out


def _control_words(row: Mapping[str, Any]) -> str:
    """Write a control's score and its categories."""
    values = [v["value"] if isinstance(v, Mapping) else v for v in row["categories"].values()]
    return " ".join("none" if value is None else f"{value:.4g}" for value in (row["score"], *values))


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], entry: str) -> list[dict[str, Any]]:
    """Return the changes of an entry between two tables, given as rows by entry."""
    if entry not in after:
        return [{"kind": "gone", "before": _score(before[entry]), "after": "", "verdict": ""}]
    if entry not in before:
        row = after[entry]
        return [{"kind": "new", "before": "", "after": _score(row), "verdict": _apart_from(row, after)}]
    one, two = before[entry], after[entry]
    out = []
    verdict = _verdict(one["seed_scores"], two["seed_scores"])
    if verdict:
        out.append({"kind": "score", "before": _score(one), "after": _score(two), "verdict": verdict})
    for kind, show in (("rank", rank), ("level", lambda row: row["level"])):
        if show(one) != show(two):
            out.append({"kind": kind, "before": show(one), "after": show(two), "verdict": ""})
    return out


def _score(row: Mapping[str, Any]) -> str:
    return with_ends(row["score"], COLUMNS["score"].digits)


def _apart_from(row: Mapping[str, Any], rows: Mapping[str, Any]) -> str:
    """Say from how many others a row is apart on either side: the ends of its rank count them, tie letters do not."""
    if row["rank"] is None:
        return "no score"
    low, high = row["rank"]
    ranked = sum(other["rank"] is not None for other in rows.values())
    return f"better than {ranked - high}, tied with {high - low}, worse than {low - 1}"


def _verdict(before: Any, after: Any) -> str:
    """Return whether a score moved by more than the folds explain; "" where nothing changed.

    Args:
        before, after: scores of seeds on a task, or task -> scores of seeds.
    """
    one, two = (side if isinstance(side, dict) else {"": side} for side in (before, after))
    shared = sorted(set(one) & set(two))
    count = min((min(len(one[t]), len(two[t])) for t in shared), default=0)
    differences = [np.subtract(one[task][:count], two[task][:count]) for task in shared]  # lower is better
    if all(np.abs(d).max(initial=0) < NO_CHANGE for d in differences) and set(one) == set(two):
        return "" if all(len(one[t]) == len(two[t]) for t in shared) else "undecided (other seeds)"
    if count < 2:
        return "undecided (fewer than two seeds in common)"
    found = interval_over_tasks([seed_effects(d) for d in differences], FULL_OVERLAP)
    if found is None or math.isnan(found.p) or found.p >= SIGNIFICANT:
        return "undecided"
    return "better" if found.estimate > 0 else "worse"


def difference_markdown(changes: Sequence[Mapping[str, Any]]) -> str:
    """Return the changes as a table of Markdown."""
    if not changes:
        return "Nothing moved.\n"
    lines = ["| table | entry | what | before | after | verdict |", "|---|---|---|---|---|---|"]
    lines += [f"| {' | '.join(markdown(change[name]) for name in COLUMNS_OF_CHANGES)} |" for change in changes]
    return "\n".join(lines) + "\n"


def difference_tables(changes: Sequence[Mapping[str, Any]]) -> dict[str, tuple[list[TextColumn], list[Cells | None]]]:
    """Return the changes as columns and rows of text, a table for each table of the board; they fit 80 characters."""
    columns = [TextColumn(name, right=False) for name in ("entry", "what", "before and after", "verdict")]
    tables: dict[str, tuple[list[TextColumn], list[Cells | None]]] = {}
    for change in changes:
        sides = [one_line(change[side], 30) for side in ("before", "after")]
        moved = "\n".join(f"{sign}{side}" for sign, side in zip(("", "> "), sides, strict=True) if side)
        verdict = "\n".join(textwrap.wrap(one_line(change["verdict"]), VERDICT))
        row = [one_line(change["entry"], ENTRY_NAME), one_line(change["kind"], 10), moved, verdict]
        tables.setdefault(one_line(change["table"]), (columns, []))[1].append(row)
    return tables
