"""What moved between two boards, and whether by more than the seeds explain."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rae_bench.leaderboard.board.columns import DRAWS, seed_effects
from rae_bench.leaderboard.board.escape import markdown as text
from rae_bench.leaderboard.board.words import rank, with_ends
from rae_bench.statistics.intervals import hierarchical_interval
from rae_bench.statistics.significance import SIGNIFICANT

SAME = 1e-9


def compare_boards(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Changes, table by table: `table`, `entry`, `kind` (new, gone, score, rank, level), `before`, `after`, `verdict`.

    A score's `verdict` is better, worse or undecided, by the seeds that both have. A new entry's says which others it
    is apart from.
    """
    changes: list[dict[str, Any]] = []
    for name in ("overall", *sorted({*old["tasks"], *new["tasks"]})):
        sides = [board["overall"] if name == "overall" else board["tasks"].get(name) for board in (old, new)]
        before, after = ({row["entry"]: row for row in (side or {"rows": []})["rows"]} for side in sides)
        for entry in sorted({*before, *after}):
            changes += [{"table": name, "entry": entry, **c} for c in _of(before, after, entry)]
    return changes


def _of(before: Mapping[str, Any], after: Mapping[str, Any], entry: str) -> list[dict[str, Any]]:
    if entry not in after:
        return [{"kind": "gone", "before": with_ends(before[entry]["score"], 3), "after": "", "verdict": ""}]
    if entry not in before:
        row = after[entry]
        return [{"kind": "new", "before": "", "after": with_ends(row["score"], 3), "verdict": _beside(row, after)}]
    one, two = before[entry], after[entry]
    out = []
    verdict = _moved(one["seed_scores"], two["seed_scores"])
    if verdict:
        shown = (with_ends(side["score"], 3) for side in (one, two))
        out.append({"kind": "score", **dict(zip(("before", "after"), shown, strict=True)), "verdict": verdict})
    for kind, show in (("rank", rank), ("level", lambda row: row["level"])):
        if show(one) != show(two):
            out.append({"kind": kind, "before": show(one), "after": show(two), "verdict": ""})
    return out


def _beside(row: Mapping[str, Any], rows: Mapping[str, Any]) -> str:
    """How many others a row is apart from, on either side: what the ends of its rank count (letters of ties do not)."""
    if row["rank"] is None:
        return "no score"
    low, high = row["rank"]
    ranked = sum(other["rank"] is not None for other in rows.values())
    return f"better than {ranked - high}, tied with {high - low}, worse than {low - 1}"


def _moved(before: Any, after: Any) -> str:
    """ "" where nothing changed."""
    one, two = (side if isinstance(side, dict) else {"": side} for side in (before, after))
    shared = sorted(set(one) & set(two))
    count = min((min(len(one[t]), len(two[t])) for t in shared), default=0)
    differences = [np.subtract(one[task][:count], two[task][:count]) for task in shared]  # lower is better
    if all(np.abs(d).max(initial=0) < SAME for d in differences) and set(one) == set(two):
        return "" if all(len(one[t]) == len(two[t]) for t in shared) else "undecided (other seeds)"
    if count < 2:
        return "undecided (fewer than two seeds in common)"
    found = hierarchical_interval([seed_effects(d) for d in differences], np.random.default_rng(0), DRAWS)
    if math.isnan(found.p) or found.p >= SIGNIFICANT:
        return "undecided"
    return "better" if found.estimate > 0 else "worse"


def difference_markdown(changes: Sequence[Mapping[str, Any]]) -> str:
    """As a table for people."""
    if not changes:
        return "Nothing moved.\n"
    lines = ["| table | entry | what | before | after | verdict |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {' | '.join(text(change[key]) for key in ('table', 'entry', 'kind', 'before', 'after', 'verdict'))} |"
        for change in changes
    ]
    return "\n".join(lines) + "\n"
