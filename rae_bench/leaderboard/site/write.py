"""Writing the pages: templates filled with the board, beside the bundled scripts, style and charting library."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from rae_bench.errors import UserError
from rae_bench.leaderboard.board import formatting
from rae_bench.leaderboard.board.build import CSV, JSON, board_json
from rae_bench.leaderboard.board.charts import entry_chart, entry_colours, number_rows, rig_svg, scale_of, task_chart
from rae_bench.leaderboard.board.escape import LONGEST_CELL, web_address
from rae_bench.leaderboard.board.make import Board
from rae_bench.leaderboard.board.sheet import board_csv
from rae_bench.leaderboard.board.svg import above, cost_svg, curves_svg
from rae_bench.leaderboard.board.text_tables import FIRST_ENTRY, YOUR_ENTRY, category_digits
from rae_bench.leaderboard.entries.cells import EntryCell
from rae_bench.leaderboard.entries.entry import Entry
from rae_bench.leaderboard.entries.finding import one_line
from rae_bench.leaderboard.site.findings import found
from rae_bench.leaderboard.site.motion import Motion, write_motion
from rae_bench.metrics.base import Column
from rae_bench.model.regimes import COLD, FULL, NO_REGIME, percent
from rae_bench.objectives.tracks import LIMBS
from rae_bench.results.columns import COLUMNS, primary_columns
from rae_bench.results.files import part_hash, reported_number
from rae_bench.results.rows import track_of
from rae_bench.rigs.file import load_rig
from rae_bench.statistics.gains import source_target_matrix
from rae_bench.storage import whole_folder
from rae_bench.task.task import FULL_BUDGET, Task

ASSETS = ("board.js", "page.js", "style.css", "theme.js")
MARKER = "rae-bench-board"
"""A file of this name marks a folder whose pages may be overwritten."""
DOCS = "docs"
"""The folder of the documentation beside the pages of the board."""


@dataclass(frozen=True)
class Views:
    """The pages of moving skeletons.

    Attributes:
        tasks: task -> the page of the sample clips of its entries.
        results: (entry, task) -> address of the page of its own results.
    """

    tasks: Mapping[str, Motion] = field(default_factory=dict)
    results: Mapping[tuple[str, str], str] = field(default_factory=dict)


NO_VIEWS = Views()


def write_site(
    board: Board, folder: Path, results: Path | None = None, *, repository: str = "",
    documentation: Path | None = None, motion: bool = True, data_root: Path | None = None,
) -> Path:  # fmt: skip
    """Write all pages in place of those that were there; return the path of the first one.

    Args:
        board: the board.
        folder: the folder of the pages.
        results: a folder of results and trajectories as `run` writes it. Entries whose model is there get a viewer.
        repository: https address of the repository, to which the pages link; "" for no links.
        documentation: the pages that MkDocs built. They are copied to `docs`, and the pages link to them.
        motion: whether the pages show the sample clips of the entries.
        data_root: the folder of the recordings that tasks name.

    Raises:
        UserError: the folder holds something else.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise UserError(f"{folder}: holds other files; name a new folder with --site")
    with whole_folder(folder) as part:
        part.mkdir(parents=True)
        views = Views(write_motion(board, part, data_root) if motion else {}, _write_viewers(board, part, results))
        if documentation is not None:
            shutil.copytree(documentation, part / DOCS)
        for name, text in site_pages(board, views, repository, documentation is not None).items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).write_text(text, encoding="utf-8")
        (part / MARKER).write_text("made by rae-bench leaderboard build\n", encoding="utf-8")
        assets = resources.files(__package__) / "assets"
        (part / "assets").mkdir()
        for name in ASSETS:
            (part / "assets" / name).write_bytes((assets / name).read_bytes())
    return folder / "index.html"


def _write_viewers(board: Board, part: Path, results: Path | None) -> dict[tuple[str, str], str]:
    """Write a page of moving skeletons for each entry and task with trajectories; return (entry, task) -> address."""
    views: dict[tuple[str, str], str] = {}
    if results is not None:
        from rae_bench.viewer.choice import Choice
        from rae_bench.viewer.gather import open_result, result_scene
        from rae_bench.viewer.page import write_page

        for entry in board.entries.values():
            for task in entry.tasks:
                folder = results / f"{entry.card.model}-{entry.card.config}" / task
                if entry.card.learns and any(folder.glob("*.npz")):
                    name = f"view/{entry.name}-{task}.html"
                    least = min(board.tasks[task].fractions)  # the least that counts; an entry may have less
                    choice = Choice(fraction=least if any(c.fraction == least for c in entry.of(task)) else None)
                    write_page(result_scene(open_result(folder, choice=choice), choice), part / name)
                    views[entry.name, task] = name
    return views


def site_pages(
    board: Board, views: Views = NO_VIEWS, repository: str = "", documented: bool = False
) -> dict[str, str]:
    """Return file name -> text of every page. The same board gives the same bytes.

    Args:
        board: the board.
        views: the pages of motion.
        repository: https address to which the pages link, or "".
        documented: whether the documentation lies in `docs` beside the pages.
    """
    motion, colours = views.tasks, entry_colours(board)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rae_bench.leaderboard.site"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "address": web_address, "count": formatting.count, "line": one_line, "percent": percent,
    }  # fmt: skip
    environment.globals |= {
        "write": formatting, "columns": COLUMNS, "categories": _categories, "category_digits": category_digits,
        "data": board.data, "tables": [CSV, JSON], "commands": FIRST_ENTRY,
        "submitting": "\n".join(YOUR_ENTRY), "found": found, "lines": _lines, "curves_svg": curves_svg,
        "cost_svg": partial(cost_svg, colours=colours), "above": above, "number_rows": number_rows,
        "citation": _citation(board, repository), "repository": web_address(repository).rstrip("/"), "motion": motion,
        "document": partial(_document, web_address(repository).rstrip("/"), documented),
    }  # fmt: skip
    pages = {
        "index.html": environment.get_template("index.html.j2").render(
            root="",
            here="index",
            part=board.data["overall"],
            most=scale_of(board.data["overall"]),
            matrix=_matrix(board),
        ),
        CSV: board_csv(board.data),
        JSON: board_json(board.data),
    }
    for name, cells in board.tasks.items():
        table = board.data["tasks"][name]
        pages[f"tasks/{name}.html"] = environment.get_template("task.html.j2").render(
            root="../", here=name, name=name, part=table, most=scale_of(table), task=cells.task,
            sides=_sides(cells.task),
            fractions=",".join(f"{100 * fraction:g}%" for fraction in table["fractions"]),
            chart=task_chart(cells, [row["entry"] for row in table["rows"]], colours),
        )  # fmt: skip
    for entry in board.entries.values():
        pages[f"entries/{entry.name}.html"] = environment.get_template("entry.html.j2").render(
            root="../", here="", name=entry.name, facts=board.data["entries"][entry.name],
            parts=[_part(board, entry, task, views) for task in board.tasks if task in entry.tasks],
            overall=next((r for r in board.data["overall"]["rows"] if r["entry"] == entry.name), None),
            matrix=_matrix(board, entry.name),
        )  # fmt: skip
    return pages


def _lines(part: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the rows of a table in the order of scores, each with what it is."""
    return formatting.in_order(part, lambda row: ("entry", row), lambda row: ("control", row))


def _document(repository: str, documented: bool, root: str, page: str, anchor: str = "") -> str:
    """Return the address of a page of the documentation; "" where nobody knows where it lies.

    Args:
        root: the way from the page that links to the first page of the board.
        page: the file in the folder `docs`, such as "guides/submitting".
        anchor: a place on it.
    """
    place = f"#{anchor}" if anchor else ""
    if documented:
        return f"{root}{DOCS}/{page}.html{place}"
    return f"{repository}/blob/HEAD/docs/{page}.md{place}" if repository else ""


def _citation(board: Board, repository: str) -> str:
    """Return the board as BibTeX."""
    which = f"benchmark version {board.data['benchmark']}, entries {board.data['entries_sha256'][:12]}"
    facts = {
        "title": "{rae-bench}: a benchmark of transfer learning of motion synthesis across character rigs",
        "author": "{The rae-bench authors}",
        "note": f"Leaderboard of {which}",
    }
    facts |= {"url": web_address(repository)} if repository else {}
    lines = ",\n".join(f"  {key} = {{{value}}}" for key, value in facts.items())
    return f"@misc{{rae-bench,\n{lines}\n}}"


def _categories(track: str | None) -> dict[str, Column]:
    """Return category -> column of its primary metric in a track; where several are averaged, of the standard one."""
    return primary_columns(track or LIMBS)


def _sides(task: Task) -> list[dict[str, Any]]:
    """Return source and target in words, with a drawing where the rig is a built-in one."""
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
    """Name a side of a task in a word or two."""
    if side["kind"] == "builtin":
        swept = " swept" if side.get("sweep") else ""
        return f"{side['rig']} {side.get('motion', 'locomotion')}{swept}"
    return str(side.get("name") or side.get("folder"))


def _matrix(board: Board, entry: str | None = None) -> dict[str, Any] | None:
    """Return the gain over cold, sources down and targets across, of one entry or the median of all.

    Each value has its task, and whether its interval leaves out 1; a median has no interval. It is None for fewer than
    two tasks, and where two tasks have the same source and target.
    """
    rows, sure = [], set()
    for task, table in board.data["tasks"].items():
        gains = [r["gain"][COLD] for r in table["rows"] if r["gain"][COLD] and entry in (None, r["entry"])]
        if gains:
            rows.append((task, float(pd.Series([gain["value"] for gain in gains]).median())))
        if entry and gains and gains[0]["low"] is not None and not gains[0]["low"] <= 1 <= gains[0]["high"]:
            sure.add(task)
    if len(rows) < 2:
        return None
    sides = {task: (domain_name(c.task.source), domain_name(c.task.target)) for task, c in board.tasks.items()}
    if len({sides[task] for task, _ in rows}) < len(rows):
        return None
    found = source_target_matrix(pd.DataFrame(rows, columns=["task", "gain"]), sides, "gain")
    task_of = {sides[task]: task for task, _ in rows}
    lines = []
    for source, line in found.iterrows():
        places = [(v, task_of.get((str(source), str(target)))) for target, v in line.items()]
        lines.append((str(source), [(None if pd.isna(v) else float(v), task, task in sure) for v, task in places]))
    return {"targets": [str(t) for t in found.columns], "lines": lines}


def _part(board: Board, entry: Entry, task: str, views: Views) -> dict[str, Any]:
    """Return what an entry's page says of one task."""
    cells, table = board.tasks[task], board.data["tasks"][task]
    contestant = next((c for c in cells.complete if c.name == entry.name), None)
    missing = next((row for row in table["incomplete"] if row["entry"] == entry.name), None)
    entry_cells, sample = entry.of(task), views.tasks.get(task)
    url = entry.trajectories and entry.trajectories.url
    return {
        "task": task,
        "level": entry.level(task),
        "row": next((row for row in table["rows"] if row["entry"] == entry.name), None),
        "units": table["units"],
        "track": table["track"],
        "missing": missing,
        "chart": entry_chart(contestant, cells) if contestant else None,
        "cells": [_cell(cell) for cell in entry_cells],
        "environments": sorted({_environment(cell.result["environment"]) for cell in entry_cells}),
        "identity": sorted(
            {f"{k} {part_hash(v)[:8]}" for cell in entry_cells for k, v in cell.identity.items() if k != "split"}
        ),
        "command": _command(entry, task),
        "doubt": f"rae-bench verify leaderboard/entries/{entry.name}" + (" --fetch" if url else ""),
        "view": views.results.get((entry.name, task)) or (sample.entries.get(entry.name) if sample else None),
        "sampled": (entry.name, task) not in views.results,
    }


def _cell(cell: EntryCell) -> dict[str, Any]:
    cost = cell.result["cost"]
    return {
        "regime": cell.regime,
        "fraction": cell.fraction,
        "seed": cell.seed,
        "status": cell.status if cell.status == "ok" else f"{cell.status}: {one_line(cell.reason, 80)}",
        "values": [cell.metrics.get(column.name) for column in primary_columns(track_of([cell.result])).values()],
        "seconds": reported_number(cost.get("core_seconds")),
        "ms": reported_number(cost.get("ms_per_frame")),
    }


def _environment(found: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key} {one_line(value, 40)}" for key, value in sorted(found.items()) if not isinstance(value, dict)
    )


def _command(entry: Entry, task: str) -> str:
    """Return the command that makes the cells again: model, options, task, regimes, fractions, seeds."""
    import shlex

    options = dict(entry.cells[0].result.get("options") or {})
    parts = ["rae-bench", "run", "--model", entry.card.model, "--task", task]
    for key, value in sorted(options.items()):
        parts += ["--set", f"{one_line(key, LONGEST_CELL)}={one_line(json.dumps(value), LONGEST_CELL)}"]
    cells = entry.of(task)
    alone = not any(cell.fraction == 1 and cell.regime != COLD for cell in cells)  # then cold on all data is `full`
    regimes = [FULL if alone and cell.regime == COLD and cell.fraction == 1 else cell.regime for cell in cells]
    fractions = {cell.fraction for cell, regime in zip(cells, regimes, strict=True) if regime != FULL} - {0}
    learnt = [regime for regime in dict.fromkeys(regimes) if regime != NO_REGIME]
    parts += ["--regimes", ",".join(learnt or [FULL])]  # a control runs beside any cell
    if fractions:
        parts += ["--fractions", ",".join(f"{100 * fraction:g}%" for fraction in sorted(fractions))]
    parts += ["--budget", FULL_BUDGET, "--seeds", str(len({cell.seed for cell in cells}))]
    return shlex.join(one_line(part, LONGEST_CELL) for part in parts)
