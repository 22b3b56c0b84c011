"""The committed board: that of its entries, which are complete and rescored; pages and the README agree with it."""

import json
import re
import shlex
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from helpers.places import ROOT

from rae_bench.cli import main
from rae_bench.leaderboard.board import formatting
from rae_bench.leaderboard.board.build import read_board, stale_files
from rae_bench.leaderboard.board.make import Board
from rae_bench.leaderboard.site.write import site_pages
from rae_bench.model.registry import CONTROLS

FOLDER = ROOT / "leaderboard"
TASKS = ("biped2quad", "reach-biped2monster")
MODELS = ("fe", "fc", "fs", "mann", "nsm", "lmp-moe", "mvae", "rtn", "omg-lstm", "anyrig")
CELLS = {(regime, f) for regime in ("cold", "frozen", "finetune") for f in (0.05, 0.2, 1.0)}


@pytest.fixture(scope="module")
def board() -> Board:
    return read_board(FOLDER)


@pytest.fixture(scope="module")
def pages(board: Board) -> dict[str, str]:
    return site_pages(board)


def test_its_files_are_those_that_its_entries_give(board: Board) -> None:
    assert stale_files(board, FOLDER) == {}


def test_reference_entries_have_every_cell_of_the_first_board(board: Board) -> None:
    assert set(board.entries) >= {*MODELS, *CONTROLS, "truth"}
    for model in MODELS:
        for task in TASKS:
            cells = {(c.regime, c.fraction, c.seed) for c in board.entries[model].of(task) if c.status == "ok"}
            assert cells >= {(*cell, seed) for cell in CELLS for seed in (0, 1, 2)}, f"{model} on {task}"


@pytest.mark.parametrize("name", [*MODELS, *CONTROLS])
def test_the_command_on_an_entrys_page_makes_its_cells(
    name: str, board: Board, pages: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = board.entries[name]
    found = re.findall(r"<code>(rae-bench run .*?)</code>", pages[f"entries/{name}.html"])
    commands = [shlex.split(unescape(command)) for command in found]
    assert len(commands) == len(TASKS)
    for _, *command in commands:
        with pytest.raises(SystemExit, match=r"^0$"):
            main([*command, "--dry-run", "--json", "--out", str(tmp_path)])
        cells = json.loads(capsys.readouterr().out)
        planned = {(c["regime"], c["fraction"], c["seed"]) for c in cells if c["model"] == entry.card.model}
        cells_of_entry = {(c.regime, c.fraction, c.seed) for c in entry.of(command[command.index("--task") + 1])}
        assert planned == cells_of_entry if name in MODELS else planned > cells_of_entry


def test_every_number_was_recomputed(board: Board) -> None:
    levels = {(name, task): board.entries[name].level(task) for name in MODELS for task in TASKS}
    assert set(levels.values()) <= {"rescored", "reproduced"}, levels


def quoted(board: dict[str, Any]) -> Iterator[str]:
    """Rows of the README's table: over all tasks, then reconstruction and gain over cold on each."""
    rows = [*board["overall"]["rows"], *(c for c in board["overall"]["controls"] if c["control"] != "truth")]
    for row in rows:
        name = row.get("entry") or row["control"]
        if "entry" in row:
            cells = [formatting.rank(row), name, formatting.with_ends(row["score"], 3)]
        else:
            cells = ["", f"*{name}*", formatting.number(row["score"], 3)]
        for task in TASKS:
            part = board["tasks"][task]
            (found,) = [r for r in (*part["rows"], *part["controls"]) if name in (r.get("entry"), r.get("control"))]
            error = found["categories"]["reconstruction"]
            cells += [formatting.number(error["value"] if isinstance(error, dict) else error, 2)]
            cells += [formatting.with_ends(found["gain"]["cold"], 2) if "gain" in found else ""]
        yield "| " + " | ".join(cells) + " |"


def test_the_readme_quotes_it(board: Board) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    expected = list(quoted(board.data))
    start = readme.index(expected[0])
    assert readme[start : start + len(expected)] == expected
