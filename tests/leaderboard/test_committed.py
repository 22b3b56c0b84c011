"""The committed board is that of its entries, which are complete and rescored; and their pages' commands make them."""

import json
import re
import shlex
from html import unescape
from pathlib import Path

import pytest
from helpers.made_entries import make_entry
from helpers.places import ROOT

from rae_bench.cli import main
from rae_bench.leaderboard.board.build import read_board, stale_files
from rae_bench.leaderboard.entries.rules import REFERENCES, missing_cells
from rae_bench.leaderboard.site.write import site_pages
from rae_bench.task.named import load_task

FOLDER = ROOT / "leaderboard"
TASK = "biped2quad-control"


def test_its_files_are_those_that_its_entries_give() -> None:
    assert stale_files(read_board(FOLDER), FOLDER) == {}


def test_its_reference_entries_are_complete_and_every_number_was_recomputed() -> None:
    for name, entry in read_board(FOLDER).entries.items():
        for task in entry.tasks if name in REFERENCES else ():
            assert missing_cells(entry, load_task(task)) == [], f"{name} on {task}"
            assert entry.level(task) in ("rescored", "reproduced"), f"{name} on {task}"


@pytest.mark.parametrize("name", ["fe", "anyrig", "hold", "nearest"])
def test_the_command_on_an_entrys_page_makes_its_cells(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_entry(tmp_path / "entries", name, tasks=[TASK])
    board = read_board(tmp_path)
    (command,) = re.findall(r"<code>(rae-bench run .*?)</code>", site_pages(board)[f"entries/{name}.html"])
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*shlex.split(unescape(command))[1:], "--dry-run", "--json", "--out", str(tmp_path / "results")])
    cells = json.loads(capsys.readouterr().out)
    assert {c["budget"] for c in cells} == {"full"}
    planned = {(c["regime"], c["fraction"], c["seed"]) for c in cells if c["model"] == name}
    of_entry = {(c.regime, c.fraction, c.seed) for c in board.entries[name].of(TASK)}
    assert planned == of_entry if name in REFERENCES else planned >= of_entry
