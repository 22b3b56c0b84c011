"""An entry that lacks cells is told which command makes them."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from rae_bench.cli import main
from rae_bench.errors import UserError
from rae_bench.harness.spec import make_spec
from rae_bench.leaderboard.completing import model_word, run_command
from rae_bench.leaderboard.entries.rules import CellKey
from rae_bench.leaderboard.submission import gather_cells


def test_a_command_asks_for_the_cells_and_no_more() -> None:
    keys = [CellKey("cold", 1.0, 0), CellKey("frozen", 0.05, 0), CellKey("frozen", 0.2, 2)]
    options = {"preset": "paper", "rate": 0.01, "deep": True}
    assert run_command("fe", options, "biped2quad", keys, Path("my results")) == (
        "rae-bench run --model fe --task biped2quad --budget full --regimes frozen,full --fractions 5%,20% --seeds 0,2 "
        "--set deep=true --set preset=paper --set rate=0.01 --out 'my results'"
    )
    assert run_command("fe", {}, "biped2quad", keys[:1], Path("results")) == (
        "rae-bench run --model fe --task biped2quad --budget full --regimes full --seeds 0-0"
    )


def test_a_plug_in_is_found_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.py").touch()
    for here, word in (("mine", "./model.py:M"), (".", "./mine/model.py:M"), ("/", "PATH/TO/mine/model.py:M")):
        monkeypatch.chdir(tmp_path / here)
        assert model_word("mine/model.py:M") == word
    assert model_word("fe+mann") == "fe+mann"


def test_submit_names_the_command_for_what_is_missing(
    sway_results: Path, tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(sway_results.parent)
    results = Path(shutil.copytree(sway_results, tmp_path / "results"))
    for path in results.glob("*/tiny/cold-f0.2-s1.*"):
        path.unlink()
    words = ["submit", str(results), "--name", "x", "--task", str(tiny_task), "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 1
    told = capsys.readouterr().err.splitlines()
    command = told[told.index("what is missing:") + 1].strip()
    assert command == (
        f"rae-bench run --model ./sway.py:Sway --task {tiny_task} --budget full --regimes cold --fractions 20% "
        f"--seeds 1-1 --out {results}"
    )
    # The command is understood, and makes the cell in its place.
    asked = dict(zip(shlex.split(command)[2::2], shlex.split(command)[3::2], strict=True))
    spec = make_spec(
        asked["--model"], asked["--task"], regimes=asked["--regimes"], fractions=asked["--fractions"], seeds=[1],
        budget=asked["--budget"], out=asked["--out"], controls=False,
    )  # fmt: skip
    assert [spec.path(cell).name for cell in spec.cells()] == ["cold-f0.2-s1.json"]
    assert spec.folder().is_dir()


def test_quick_results_name_the_command_of_the_full_budget(
    sway_results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = Path(shutil.copytree(sway_results, tmp_path / "results"))
    monkeypatch.chdir(results)
    for path in results.rglob("*.json"):
        facts = json.loads(path.read_text())
        path.write_text(json.dumps(facts | {"budget": "quick", "task": "biped2quad"}))
    (one,) = results.glob("*/tiny/cold-f1-s0.json")
    other = json.loads(one.read_text())
    other["model"] = "fe"
    (results / "other.json").write_text(json.dumps(other))  # of which model, is not said then
    with pytest.raises(UserError, match=r"run it with --budget full$"):
        gather_cells(results)
    with pytest.raises(UserError, match="quick budget alone") as told:
        gather_cells(results, "Sway")
    assert str(told.value).endswith(
        f": rae-bench run --model PATH/TO/{sway_results.parent.name}/sway.py:Sway --task biped2quad --budget full "
        f"--regimes cold,full --fractions 5%,20% --seeds 0,1,2 --out {results}"
    )
