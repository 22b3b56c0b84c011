"""The board as CSV: a row for each entry and control, overall and on each task."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from rae_bench.leaderboard.board.columns import COSTS, GAINS
from rae_bench.leaderboard.board.escape import csv_cell
from rae_bench.leaderboard.board.words import CATEGORIES

ESTIMATES = (
    "score",
    *CATEGORIES,
    *(f"{c}_normalised" for c in CATEGORIES),
    *(f"gain_{g}" for g in GAINS),
    "quality_of_full",
)
FACTS = ("benchmark", "table", "kind", "entry", "title", "authors", "regime", "access", "division", "level", "seeds",
         "rank_low", "rank_high", "ties", "provisional")  # fmt: skip


def board_csv(data: Mapping[str, Any]) -> str:
    """Text begins no formula; numbers are written as JSON has them; empty where there is none."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    columns = [*FACTS, *(f"{name}{end}" for name in ESTIMATES for end in ("", "_low", "_high")), *COSTS, "missing"]
    writer.writerow(columns)
    for name, part in (("overall", data["overall"]), *data["tasks"].items()):
        scaled = name == "overall"
        head = {"benchmark": data["benchmark"], "table": name}
        for row in part["rows"]:
            writer.writerow(_line(columns, {**head, "kind": "entry", **_entry(row, scaled)}))
        for row in part["controls"]:
            writer.writerow(_line(columns, {**head, "kind": "control", **_control(row, scaled)}))
        for row in part["incomplete"]:
            lacks = row["missing"] if isinstance(row["missing"], int) else " ".join(row["missing"])
            writer.writerow(_line(columns, {**head, "kind": "incomplete", "entry": row["entry"], "missing": lacks}))
    return file.getvalue()


def _line(columns: list[str], values: Mapping[str, Any]) -> list[Any]:
    return ["" if (v := values.get(column)) is None else csv_cell(v) if isinstance(v, str) else v for column in columns]


def _entry(row: Mapping[str, Any], scaled: bool) -> dict[str, Any]:
    low, high = row["rank"] or (None, None)
    found = {"rank_low": low, "rank_high": high, "provisional": str(row["provisional"]).lower()}
    facts = {name: row[name] for name in FACTS if name in row} | found
    estimates = {"score": row["score"], "quality_of_full": row["quality_of_full"]}
    for category, value in row["categories"].items():
        estimates |= {f"{category}_normalised": value} if scaled else _both(category, value)
    estimates |= {f"gain_{name}": value for name, value in row["gain"].items()}
    return {**facts, **_ends(estimates), **row["cost"]}


def _both(category: str, value: Mapping[str, Any]) -> dict[str, Any]:
    return {category: value, f"{category}_normalised": value["normalised"]}


def _ends(estimates: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, found in estimates.items():
        if found is not None:
            out |= {name: found["value"], f"{name}_low": found["low"], f"{name}_high": found["high"]}
    return out


def _control(row: Mapping[str, Any], scaled: bool) -> dict[str, Any]:
    out: dict[str, Any] = {"entry": row["control"], "score": row["score"]}
    for category, value in row["categories"].items():
        if scaled:
            out[f"{category}_normalised"] = value
        else:
            out |= {category: value["value"], f"{category}_normalised": value["normalised"]}
    return out
