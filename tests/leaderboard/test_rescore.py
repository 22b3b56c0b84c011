"""`rescore`: stale metrics become what the kept trajectories give, and nothing else is touched."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.forger import Forger
from helpers.running import do_here, plan_cells

from rae_bench.cli import main
from rae_bench.errors import UserError
from rae_bench.leaderboard.entries.entry import load_entry
from rae_bench.leaderboard.rescore import rescore
from rae_bench.leaderboard.verify.verifier import record, verify
from rae_bench.model import TRAINING_VERSION


def _make_stale(result: dict[str, Any], *names: str) -> None:
    """As if another version of some metrics had measured the cell, and two times too much."""
    for name in names:
        result["identity"]["metrics"][name] = 0
        if name in result["metrics"]:
            result["metrics"][name]["value"] *= 2


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def results(sway_results: Path, tmp_path: Path) -> Path:
    """A copy of a folder that `run` left."""
    return Path(shutil.copytree(sway_results, tmp_path / "results"))


def test_a_stale_entry_becomes_what_it_was(forged: Forger) -> None:
    before = json.loads(forged.cell.read_text())
    forged.edit(lambda result: _make_stale(result, "reconstruction_error", "adversarial_score"))
    assert "metric reconstruction_error 0 -> 1" in forged.findings()
    done = rescore(forged.folder, forged.packed, tasks=[forged.task])
    assert done.changed == [forged.cell]
    assert not done.left
    after = json.loads(forged.cell.read_text())
    assert after["identity"] == before["identity"]
    for name in before["metrics"]:
        assert after["metrics"][name]["value"] == pytest.approx(before["metrics"][name]["value"], rel=1e-3)
    assert forged.verify().findings == []


def test_a_stale_column_of_the_table_too(forged: Forger) -> None:
    table = forged.cell.with_suffix(".csv")
    head, *lines = table.read_text().splitlines()
    column = head.split(",").index("foot_sliding")
    rows = [line.split(",") for line in lines]
    before = [row[column] for row in rows]
    for row in rows:
        row[column] = "77"
    table.write_text("\n".join([head, *map(",".join, rows)]) + "\n")
    forged.edit(lambda result: _make_stale(result, "foot_sliding"))
    rescore(forged.folder, forged.packed, tasks=[forged.task])
    after = [line.split(",")[column] for line in table.read_text().splitlines()[1:]]
    assert [float(value) for value in after] == pytest.approx([float(value) for value in before], abs=1e-3)
    assert table.read_text().splitlines()[0] == head


def test_an_edited_number_of_the_same_version_too(forged: Forger) -> None:
    forged.edit(lambda result: result["metrics"]["objective_error"].update(value=0.0))
    assert rescore(forged.folder, forged.packed, tasks=[forged.task]).changed == [forged.cell]
    assert forged.verify().findings == []


def test_current_cells_are_not_touched(forged: Forger, results: Path) -> None:
    for folder, packed in ((forged.folder, forged.packed), (results, None)):
        before = _contents(folder)
        done = rescore(folder, packed, tasks=[forged.task])
        assert done.current > 0
        assert not done.changed
        assert not done.left
        assert _contents(folder) == before


def test_a_recorded_level_is_lost_with_the_numbers(forged: Forger) -> None:
    record(forged.verify(), {})
    assert load_entry(forged.folder).level("tiny") == "rescored"
    forged.edit(lambda result: _make_stale(result, "npss"))
    rescore(forged.folder, forged.packed, tasks=[forged.task])
    report = verify(forged.folder, tasks=[forged.task])
    assert report.findings == []
    assert report.levels == {"tiny": "claimed"}
    assert load_entry(forged.folder).level("tiny") == "claimed"


def test_a_folder_of_results(results: Path, honest: Forger) -> None:
    cells = [path for path in sorted(results.rglob("*.json")) if "metrics" in json.loads(path.read_text())]
    before = json.loads(cells[0].read_text())
    stale = json.loads(cells[0].read_text())
    _make_stale(stale, "reconstruction_error")
    cells[0].write_text(json.dumps(stale))
    done = rescore(results, tasks=[honest.task])
    assert done.changed == [cells[0]]
    assert done.current == len(cells) - 1
    after = json.loads(cells[0].read_text())["metrics"]["reconstruction_error"]["value"]
    assert after == pytest.approx(before["metrics"]["reconstruction_error"]["value"], rel=1e-6)


def test_quick_results_are_rescored_by_their_own_budget(sway_results: Path, honest: Forger, tmp_path: Path) -> None:
    """Their task has another hash than that of the full ones beside them."""
    out = Path(shutil.copytree(sway_results, tmp_path / "results"))
    spec = f"{sway_results.parent}/sway.py:Sway"
    plan = plan_cells(spec, str(honest.task), regimes=["cold"], fractions=[0.05], out=out, controls=False)
    do_here(plan)
    (quick,) = (p.path for p in plan.cells)
    assert quick.parent.name == "tiny-quick"
    stale = json.loads(quick.read_text())
    _make_stale(stale, "reconstruction_error")
    quick.write_text(json.dumps(stale))
    done = rescore(out, tasks=[honest.task])
    assert (done.changed, done.left) == ([quick], {})


def test_what_needs_the_model_is_left_and_told(forged: Forger) -> None:
    forged.edit(lambda result: _make_stale(result, "one_step_error", "npss"))
    done = rescore(forged.folder, forged.packed, tasks=[forged.task])
    assert "metric one_step_error 0 -> 1: needs the model" in done.left[forged.cell]
    made = json.loads(forged.cell.read_text())["identity"]["metrics"]
    assert made["npss"] == 1
    assert made["one_step_error"] == 0
    finding = next(finding for finding in forged.verify().findings if "metric one_step_error 0 -> 1" in finding.what)
    assert finding.mend == "run it again"


def test_a_missing_trajectory_is_told(results: Path, honest: Forger) -> None:
    kept = next(results.rglob("*.npz"))
    kept.unlink()
    done = rescore(results, tasks=[honest.task])
    assert done.left == {kept.with_suffix(".json"): f"{kept.name} is missing beside it; run it again"}


def test_cells_of_other_data_are_left(forged: Forger) -> None:
    forged.edit(lambda result: result["identity"].update(data="0" * 64))
    before = forged.cell.read_bytes()
    done = rescore(forged.folder, forged.packed, tasks=[forged.task])
    assert list(done.left) == [forged.cell]
    assert "its data is not that of tiny" in done.left[forged.cell]
    assert forged.cell.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["ENTRY"], "name the file that submit packed with --trajectories"),
        (["RESULTS", "--trajectories", "PACKED"], "leave --trajectories out"),
        (["EMPTY"], "holds no finished results"),
        (["ENTRY", "--trajectories", "PACKED", "--fetch"], "leave it out"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    message: str,
    forged: Forger,
    results: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"ENTRY": forged.folder, "RESULTS": results, "PACKED": forged.packed, "EMPTY": tmp_path / "empty"}
    with pytest.raises(SystemExit) as ended:
        main(["rescore", *(str(places.get(word, word)) for word in arguments)])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert len([line for line in error.splitlines() if not line.endswith(": loading")]) == 1


def test_another_pack_is_refused(forged: Forger) -> None:
    forged.packed.write_bytes(forged.packed.read_bytes() + b"x")
    with pytest.raises(UserError, match="is not the entry's file"):
        rescore(forged.folder, forged.packed, tasks=[forged.task])


def test_the_command_says_what_it_did(forged: Forger, capsys: pytest.CaptureFixture[str]) -> None:
    forged.edit(lambda result: _make_stale(result, "npss"))
    words = ["rescore", str(forged.folder), "--trajectories", str(forged.packed), "--task", str(forged.task)]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert not ended.value.code
    assert "1 rescored" in capsys.readouterr().out


def test_rescoring_imports_no_torch(forged: Forger) -> None:
    code = (
        "import sys; from pathlib import Path; from rae_bench.leaderboard.rescore import rescore;"
        f"rescore({str(forged.folder)!r}, Path({str(forged.packed)!r}), tasks=[{str(forged.task)!r}]);"
        "assert not {'torch', 'lightning', 'pytorch_lightning', 'ray'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_skipped_cells_become_current_too(forged: Forger) -> None:
    """Otherwise an entry with one could never pass again."""
    forged.edit(_skip)
    forged.cell.with_suffix(".csv").unlink()
    kept = {name: data for name, data in forged.members().items() if not name.endswith(f"{forged.cell.stem}.npz")}
    forged.repack(kept)
    assert rescore(forged.folder, forged.packed, tasks=[forged.task]).changed == [forged.cell]
    assert json.loads(forged.cell.read_text())["identity"]["metrics"]["npss"] == 1
    assert rescore(forged.folder, forged.packed, tasks=[forged.task]).changed == []


def _skip(result: dict[str, Any]) -> None:
    result |= {"status": "skipped", "reason": "the model does not support it", "metrics": {}}
    result["identity"]["metrics"]["npss"] = 0


def test_cells_of_another_engine_are_left(forged: Forger) -> None:
    forged.edit(lambda result: result["identity"]["engine"].update(training=0))
    forged.edit(lambda result: _make_stale(result, "npss"))
    before = forged.cell.read_bytes()
    done = rescore(forged.folder, forged.packed, tasks=[forged.task])
    assert done.left == {forged.cell: f"was made by another engine (training 0 -> {TRAINING_VERSION}); run it again"}
    assert forged.cell.read_bytes() == before


def test_groups_of_clips_count_as_well(forged: Forger) -> None:
    table = forged.cell.with_suffix(".csv")
    head, line, *lines = table.read_text().splitlines()
    clip, _, *rest = line.split(",")
    table.write_text("\n".join([head, ",".join([clip, "elsewhere", *rest]), *lines]) + "\n")
    assert (
        "not of the task's test clips" in rescore(forged.folder, forged.packed, tasks=[forged.task]).left[forged.cell]
    )


def test_what_a_killed_call_left_is_no_obstacle(forged: Forger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the first result was written, with a scratch file beside it: the same command does the rest."""
    record(forged.verify(), {})
    forged.edit(lambda result: _make_stale(result, "npss"))
    record_before = load_entry(forged.folder).record
    code = (
        "import os, signal, sys; from pathlib import Path; from rae_bench.leaderboard import rescore as module\n"
        "from rae_bench.storage import whole_file\n"
        "def write(path, value):\n"
        "    with whole_file(path) as scratch:\n"
        "        scratch.write_text('half')\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "module.write_json = write\n"
        f"module.rescore({str(forged.folder)!r}, Path({str(forged.packed)!r}), tasks=[{str(forged.task)!r}])"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    assert list(forged.cell.parent.glob(".*"))
    assert record_before is not None
    assert rescore(forged.folder, forged.packed, tasks=[forged.task]).changed == [forged.cell]
    assert forged.verify().findings == []


def test_the_folder_may_be_called_by_a_dot(forged: Forger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(forged.folder)
    assert rescore(".", forged.packed, tasks=[forged.task]).current > 0


def test_a_result_that_cannot_be_is_none(results: Path, honest: Forger) -> None:
    cell = next(path for path in sorted(results.rglob("*.json")) if "metrics" in json.loads(path.read_text()))
    good = json.loads(cell.read_text())
    for edit in (
        {"seed": -1},
        {"metrics": {"npss": {}}},
        {"metrics": {"npss": {**good["metrics"]["npss"], "value": "x"}}},
    ):
        cell.write_text(json.dumps({**good, **edit}))
        done = rescore(results, tasks=[honest.task])
        assert cell not in done.changed
        assert not done.left
