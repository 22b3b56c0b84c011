"""The board as CSV: a row for each entry and control, overall and on each task."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from rae_bench.leaderboard.board.escape import csv_cell
from rae_bench.leaderboard.board.estimates import COSTS
from rae_bench.leaderboard.board.score_gains import MOTION, STARTS
from rae_bench.metrics.headline import HEADLINE_CATEGORIES
from rae_bench.statistics.gains import GAINS

ESTIMATES = (
    "score",
    *HEADLINE_CATEGORIES,
    *(f"{category}_normalised" for category in HEADLINE_CATEGORIES),
    *(f"gain_{name}" for name in GAINS),
    *(f"score_gain_{name}" for name in (*STARTS, MOTION)),
    "quality_of_full",
)
FACTS = ("benchmark", "table", "kind", "entry", "title", "authors", "regime", "access", "division", "budget", "level",
         "evidence", "seeds",
         "rank_low", "rank_high", "ties", "provisional")  # fmt: skip


def board_csv(data: Mapping[str, Any]) -> str:
    """Return the board as CSV. No text begins a formula; numbers are written as in JSON; a missing number is empty."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    columns = [*FACTS, *(f"{name}{end}" for name in ESTIMATES for end in ("", "_low", "_high")), *COSTS, "missing"]
    writer.writerow(columns)
    for name, part in (("overall", data["overall"]), *data["tasks"].items()):
        scaled = name == "overall"
        lines = [{"kind": "entry", **_entry(row, scaled)} for row in part["rows"]]
        lines += [{"kind": "control", **_control(row, scaled)} for row in part["controls"]]
        lines += [{"kind": "incomplete", **_incomplete(row)} for row in part["incomplete"]]
        for line in lines:
            values = {"benchmark": data["benchmark"], "table": name, **line}
            writer.writerow([_cell(values.get(column)) for column in columns])
    return file.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return csv_cell(value) if isinstance(value, str) else value


def _entry(row: Mapping[str, Any], scaled: bool) -> dict[str, Any]:
    low, high = row["rank"] or (None, None)
    facts = {name: row[name] for name in FACTS if name in row}
    facts |= {"rank_low": low, "rank_high": high, "provisional": str(row["provisional"]).lower()}
    estimates = {"score": row["score"], "quality_of_full": row["quality_of_full"]}
    for category, value in row["categories"].items():
        estimates |= {f"{category}_normalised": value if scaled else value["normalised"]}
        estimates |= {} if scaled else {category: value}
    estimates |= {f"gain_{name}": value for name, value in row["gain"].items()}
    estimates |= {f"score_gain_{name}": value for name, value in row["score_gain"].items()}
    return {**facts, **_ends(estimates), **row["cost"]}


def _ends(estimates: Mapping[str, Any]) -> dict[str, Any]:
    """Spread estimates over columns of their values and ends."""
    out: dict[str, Any] = {}
    for name, found in estimates.items():
        if found is not None:
            out |= {name: found["value"], f"{name}_low": found["low"], f"{name}_high": found["high"]}
    return out


def _control(row: Mapping[str, Any], scaled: bool) -> dict[str, Any]:
    out: dict[str, Any] = {"entry": row["control"], "score": row["score"]}
    for category, value in row["categories"].items():
        out |= {f"{category}_normalised": value if scaled else value["normalised"]}
        out |= {} if scaled else {category: value["value"]}
    return out


def _incomplete(row: Mapping[str, Any]) -> dict[str, Any]:
    missing = row["missing"] if isinstance(row["missing"], int) else " ".join(row["missing"])
    return {"entry": row["entry"], "missing": missing}
