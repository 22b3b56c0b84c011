"""Writing the pages: templates filled with the board, beside the bundled script, style and charting library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from rae_bench.errors import UserError
from rae_bench.harness.identity import part_hash
from rae_bench.leaderboard.board import words
from rae_bench.leaderboard.board.board import Board
from rae_bench.leaderboard.board.build import CSV, JSON
from rae_bench.leaderboard.board.escape import one_line, web_address
from rae_bench.leaderboard.entries.entry import Entry
from rae_bench.leaderboard.site.charts import entry_chart, scale_of, task_chart
from rae_bench.leaderboard.site.drawing import rig_svg
from rae_bench.rigs.file import load_rig
from rae_bench.statistics.transfer import source_target_matrix
from rae_bench.storage import whole_folder
from rae_bench.task.task import Task
from rae_bench.viewer.page import ESCAPES

ASSETS = ("board.js", "charts.js", "style.css", "theme.js", "uplot.css", "uplot.js")
NOTE = "rae-bench-board"
"""A file of this name marks a folder that pages may be written over."""


def write_site(board: Board, folder: Path, results: Path | None = None) -> Path:
    """Write all pages, in place of those that were there; give the first one.

    Args:
        results: folder with results and trajectories, as `run` writes it; entries whose model is there get a viewer.

    Raises:
        UserError: the folder holds something else.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / NOTE).exists():
        raise UserError(f"{folder}: holds other files; name a new folder with --site")
    with whole_folder(folder) as part:
        for name, text in site_pages(board, _write_viewers(board, part, results)).items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).write_text(text, encoding="utf-8")
        (part / NOTE).write_text("made by rae-bench leaderboard build\n", encoding="utf-8")
        assets = resources.files(__package__) / "assets"
        (part / "assets").mkdir()
        for name in ASSETS:
            (part / "assets" / name).write_bytes((assets / name).read_bytes())
    return folder / "index.html"


def _write_viewers(board: Board, part: Path, results: Path | None) -> dict[tuple[str, str], str]:
    """(entry, task) -> address of a page of moving skeletons, for those whose trajectories are at hand."""
    part.mkdir(parents=True)
    views = {}
    if results is not None:
        from rae_bench.viewer.choice import Choice
        from rae_bench.viewer.gather import open_result, result_scene
        from rae_bench.viewer.page import write_page

        for entry in board.entries.values():
            for task in entry.tasks:
                folder = results / f"{entry.card.model}-{entry.card.config}" / task
                if entry.card.learns and any(folder.glob("*.npz")):
                    name = f"view/{entry.name}-{task}.html"
                    least = min(board.tasks[task].fractions)  # that counts; an entry may have less
                    choice = Choice(fraction=least if any(c.fraction == least for c in entry.of(task)) else None)
                    write_page(result_scene(open_result(folder, choice=choice), choice), part / name)
                    views[entry.name, task] = name
    return views


def site_pages(board: Board, views: Mapping[tuple[str, str], str] | None = None) -> dict[str, str]:
    """File name -> text of every page; the same bytes for the same board."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rae_bench.leaderboard.site"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "address": web_address, "count": words.count, "json": _json, "line": one_line, "percent": words.percent,
    }  # fmt: skip
    environment.globals |= {"words": words, "data": board.data, "tables": [CSV, JSON]}
    pages = {
        "index.html": environment.get_template("index.html.j2").render(
            root="",
            here="index",
            part=board.data["overall"],
            most=scale_of(board.data["overall"]),
            matrix=_matrix(board),
        ),
        CSV: _csv(board),
        JSON: json.dumps(board.data, indent=1, allow_nan=False, ensure_ascii=False) + "\n",
    }
    for name, cells in board.tasks.items():
        table = board.data["tasks"][name]
        pages[f"tasks/{name}.html"] = environment.get_template("task.html.j2").render(
            root="../", here=name, name=name, part=table, most=scale_of(table), task=cells.task,
            sides=_sides(cells.task),
            chart=task_chart(cells, [row["entry"] for row in table["rows"]]),
        )  # fmt: skip
    for entry in board.entries.values():
        pages[f"entries/{entry.name}.html"] = environment.get_template("entry.html.j2").render(
            root="../", here="", name=entry.name, facts=board.data["entries"][entry.name],
            parts=[_part(board, entry, task, views or {}) for task in board.tasks if task in entry.tasks],
            overall=next((r for r in board.data["overall"]["rows"] if r["entry"] == entry.name), None),
            matrix=_matrix(board, entry.name),
        )  # fmt: skip
    return pages


def _csv(board: Board) -> str:
    from rae_bench.leaderboard.board.sheet import board_csv

    return board_csv(board.data)


def _json(value: Any) -> Markup:
    """For a script element of JSON: no "<", so that no name can end it."""
    return Markup(json.dumps(value, allow_nan=False, separators=(",", ":")).translate(ESCAPES))


def _sides(task: Task) -> list[dict[str, Any]]:
    """Source and target in words, with a drawing where the rig is a built-in one."""
    out = []
    for title, side in (*(("source", side) for side in task.sources), ("target", task.target)):
        facts = {k: v for k, v in side.items() if isinstance(v, (str, int, float, bool)) and k != "kind"}
        rig = load_rig(str(side["rig"])) if side["kind"] == "builtin" else None
        out.append(
            {
                "title": title,
                "name": domain_name(side),
                "drawing": Markup(rig_svg(rig)) if rig else None,
                "about": rig.description if rig else "",
                "joints": len(rig) if rig else None,
                "height": rig.height if rig else None,
                "facts": facts,
            }
        )
    return out


def domain_name(side: Mapping[str, Any]) -> str:
    """A side of a task in a word or two."""
    if side["kind"] == "builtin":
        swept = " swept" if side.get("sweep") else ""
        return f"{side['rig']} {side.get('motion', 'locomotion')}{swept}"
    return str(side.get("name") or side.get("folder"))


def _matrix(board: Board, entry: str | None = None) -> dict[str, Any] | None:
    """Gain over cold, sources down and targets across: of one entry, or the median of all; None of less than two."""
    rows = []
    for task, table in board.data["tasks"].items():
        gains = [r["gain"]["cold"]["value"] for r in table["rows"] if r["gain"]["cold"] and entry in (None, r["entry"])]
        if gains:
            rows.append((task, float(pd.Series(gains).median())))
    if len(rows) < 2:
        return None
    sides = {task: (domain_name(c.task.source), domain_name(c.task.target)) for task, c in board.tasks.items()}
    if len({sides[task] for task, _ in rows}) < len(rows):
        return None  # two tasks of the same domains have no place of their own
    found = source_target_matrix(pd.DataFrame(rows, columns=["task", "gain"]), sides, "gain")
    task_of = {sides[task]: task for task, _ in rows}
    lines = [
        (str(source), [(None if pd.isna(v) else float(v), task_of.get((str(source), str(t)))) for t, v in line.items()])
        for source, line in found.iterrows()
    ]
    return {"targets": [str(t) for t in found.columns], "lines": lines}


def _part(board: Board, entry: Entry, task: str, views: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """What an entry's page says of one task."""
    cells, table = board.tasks[task], board.data["tasks"][task]
    contestant = next((c for c in cells.complete if c.name == entry.name), None)
    missing = next((row for row in table["incomplete"] if row["entry"] == entry.name), None)
    own = entry.of(task)
    return {
        "task": task,
        "level": entry.level(task),
        "row": next((row for row in table["rows"] if row["entry"] == entry.name), None),
        "units": table["units"],
        "missing": missing,
        "chart": entry_chart(contestant, cells) if contestant else None,
        "cells": [_cell(cell) for cell in own],
        "environments": sorted({_environment(cell.result["environment"]) for cell in own}),
        "identity": sorted({f"{k} {part_hash(v)[:8]}" for c in own for k, v in c.identity.items() if k != "split"}),
        "command": _command(entry, task),
        "view": views.get((entry.name, task)),
    }


def _cell(cell: Any) -> dict[str, Any]:
    cost = cell.result["cost"]
    return {
        "regime": cell.regime,
        "fraction": cell.fraction,
        "seed": cell.seed,
        "status": cell.status if cell.status == "ok" else f"{cell.status}: {one_line(cell.reason, 80)}",
        "values": [cell.metrics.get(name) for name in words.METRIC_NAMES],
        "seconds": _number(cost.get("core_seconds")),
        "ms": _number(cost.get("ms_per_frame")),
    }


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _environment(found: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key} {one_line(value, 40)}" for key, value in sorted(found.items()) if not isinstance(value, dict)
    )


def _command(entry: Entry, task: str) -> str:
    """What makes the cells again, as far as the results say it: model, options, task, regimes, fractions, seeds."""
    import shlex

    options = dict(entry.cells[0].result.get("options") or {})
    parts = ["rae-bench", "run", "--model", entry.card.model, "--task", task]
    for key, value in sorted(options.items()):
        parts += ["--set", f"{one_line(key)}={one_line(json.dumps(value))}"]
    cells = entry.of(task)
    alone = not any(cell.fraction == 1 and cell.regime != "cold" for cell in cells)  # on all data, so it is `full`
    regimes = ["full" if alone and cell.regime == "cold" and cell.fraction == 1 else cell.regime for cell in cells]
    fractions = {cell.fraction for cell, regime in zip(cells, regimes, strict=True) if regime != "full"} - {0}
    learnt = [regime for regime in dict.fromkeys(regimes) if regime != "none"]
    parts += ["--regimes", ",".join(learnt or ["full"])]  # a control runs beside any cell
    if fractions:
        parts += ["--fractions", ",".join(f"{100 * fraction:g}%" for fraction in sorted(fractions))]
    parts += ["--seeds", str(len({cell.seed for cell in cells}))]
    return shlex.join(one_line(part) for part in parts)
