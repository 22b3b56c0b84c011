"""A committed `reproduced`: results of cells that a verifier trained again bear it out, or it is a finding."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers.forger import Forger
from helpers.made_entries import make_entry, write_entry, write_reproduced, write_rerun

from rae_bench.cli import main
from rae_bench.errors import UserError
from rae_bench.leaderboard.board.build import read_board
from rae_bench.leaderboard.entries import entry_files
from rae_bench.leaderboard.entries.entry import load_entry
from rae_bench.leaderboard.entries.level import Again
from rae_bench.leaderboard.rescore import rescore
from rae_bench.leaderboard.verify.recorded import Trained, machine_of
from rae_bench.leaderboard.verify.tolerances import largest_share
from rae_bench.leaderboard.verify.verifier import Report, check_levels, known_tasks, record, verify
from rae_bench.task.named import load_task

CELL = "cold-f0.05-s0"
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def clips(honest: Forger) -> tuple[int, int]:
    total = sum(len(cell.clips.clips) for cell in load_entry(honest.folder).cells)
    return total, total


@pytest.fixture
def again(forged: Forger, clips: tuple[int, int]) -> Again:
    """A copy of the entry whose record says that a cell was trained again, with the result beside it."""
    found = write_rerun(forged.folder, "tiny", CELL)
    write_reproduced(forged.folder, "tiny", [found], clips)
    return found


def _result(forger: Forger) -> Path:
    return forger.folder / "reruns" / "tiny" / f"{CELL}.json"


def _edit(forger: Forger, change: Change) -> None:
    """Change the result of the training."""
    forger.edit(change, _result(forger))


def _seal(forger: Forger, clips: tuple[int, int], **said: Any) -> None:
    """Make the record say what the result is now, but for `said`."""
    (cell,) = load_entry(forger.folder).reruns
    (own,) = (c for c in load_entry(forger.folder).cells if c.name == CELL)
    facts: dict[str, Any] = {
        "off": largest_share(own, cell.metrics), "date": "2026-01-01", "machine": machine_of(cell.result),
        "sha256": cell.sha256,
    }  # fmt: skip
    write_reproduced(forger.folder, "tiny", [Again(CELL, **facts | said)], clips)


def test_results_of_a_training_bear_a_level_out(
    forged: Forger, again: Again, capsys: pytest.CaptureFixture[str]
) -> None:
    report = forged.verify()
    assert report.findings == []
    assert report.levels == {"tiny": "reproduced"}
    assert report.evidence["tiny"][:3] == (1, 6, 0.0)
    assert any("no cell was trained here" in note for note in report.notes)
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["verify", str(forged.folder), "--trajectories", str(forged.packed), "--task", str(forged.task)])
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith(f"sway: tiny reproduced: 1 of 6 ranked cells, off by 0 %, 2026-01-01, {again.machine}; resc")


def _worse(result: dict[str, Any]) -> None:
    for name in ("reconstruction_error", "reconstruction_error_height"):
        result["metrics"][name]["value"] *= 1.5


def _own_times(forger: Forger) -> Change:
    own = json.loads(forger.cell.with_name(f"{CELL}.json").read_text())["cost"]
    return lambda result: result.update(cost=own)


FORGED: dict[str, tuple[Change, dict[str, Any], str]] = {
    "difference": (lambda r: None, {"off": 0.004}, "says that it was off by 0.4 %; its result is off by 0 %"),
    "machine": (lambda r: None, {"machine": "a supercomputer"}, "names another machine than its result"),
    "day": (lambda r: None, {"date": "2099-01-01"}, "was trained again on 2099-01-01, a day to come"),
    "hash": (lambda r: None, {"sha256": "0" * 64}, "says that it was trained again, and reruns has no such result"),
    "tolerance": (_worse, {}, "reruns/tiny/cold-f0.05-s0.json: reconstruction_error: is"),
    "code": (lambda r: r["identity"].update(model="0" * 64), {}, "has another model than the entry's cell"),
    "data": (lambda r: r["identity"].update(data="0" * 64), {}, "has another data than the entry's cell"),
    "budget": (lambda r: r["cost"].update(over_budget=True), {}, f"reruns/tiny/{CELL}.json: cost.over_budget: is True"),
    "motion": (lambda r: r["cost"].update(generated_clips=9), {}, "process made built-in motion"),
    "height": (lambda r: r.update(rig_height=9.0), {}, f"reruns/tiny/{CELL}.json: rig_height: is 9.0"),
}


@pytest.mark.parametrize("attack", FORGED)
def test_results_that_bear_nothing_out(
    forged: Forger, again: Again, clips: tuple[int, int], attack: str
) -> None:
    change, said, what = FORGED[attack]
    _edit(forged, change)
    if change is _worse:
        path = _result(forged).with_suffix(".csv")
        table = pd.read_csv(path)
        names = ["reconstruction_error", "reconstruction_error_height"]
        table.assign(**{name: 1.5 * table[name] for name in names}).to_csv(path, index=False)
    _seal(forged, clips, **said)
    report = forged.verify()
    assert what in "\n".join(map(str, report.findings))
    assert report.levels == {"tiny": "claimed"}


def test_a_copy_of_the_entrys_own_result(forged: Forger, again: Again, clips: tuple[int, int]) -> None:
    """On one machine a training has the same numbers again, but never the same times."""
    _edit(forged, _own_times(forged))
    _seal(forged, clips)
    assert "has the times of the entry's own result to the last digit" in forged.findings()


def test_a_table_that_its_result_is_no_mean_of(forged: Forger, again: Again, clips: tuple[int, int]) -> None:
    """Nobody kept the motion, but the weights of the clips are the truth's."""
    path = _result(forged).with_suffix(".csv")
    table = pd.read_csv(path)
    table.assign(foot_sliding=0.97 * table["foot_sliding"]).to_csv(path, index=False)
    _seal(forged, clips)
    assert f"reruns/tiny/{CELL}.json: foot_sliding: says" in forged.findings()


def test_a_result_that_no_record_names(forged: Forger, again: Again) -> None:
    (forged.folder / "level.json").unlink()
    assert f"reruns/tiny/{CELL}.json: is no cell that level.json names" in forged.form_findings()
    assert load_entry(forged.folder).level("tiny") == "claimed"


def test_a_result_of_another_task(forged: Forger, again: Again) -> None:
    """The entry has no cell of that task, so no check of a task would look at it."""
    other = forged.folder / "reruns" / "other" / f"{CELL}.json"
    other.parent.mkdir()
    result = json.loads(_result(forged).read_text()) | {"task": "other"}
    other.write_text(json.dumps(result))
    other.with_suffix(".csv").write_bytes(_result(forged).with_suffix(".csv").read_bytes())
    assert f"reruns/other/{CELL}.json: is no cell that level.json names" in forged.form_findings()


@pytest.mark.parametrize("kind", ["pipe", "link", "no table", "number", "deep", "name"])
def test_hostile_results_are_refused(forged: Forger, again: Again, kind: str) -> None:
    """They are read like the entry's own: regular files of known names, no larger than they may be."""
    path = _result(forged)
    if kind == "pipe":
        path.unlink()
        os.mkfifo(path)
    elif kind == "link":
        path.unlink()
        path.symlink_to("/dev/zero")
    elif kind == "no table":
        path.with_suffix(".csv").unlink()
    elif kind == "number":
        path.write_text(path.read_text().replace('"core_seconds": 31.25', '"core_seconds": 1e308'))
    elif kind == "deep":
        (path.parent / "more").mkdir()
    else:
        (forged.folder / "reruns" / "notes.txt").write_text("x")
    with pytest.raises(UserError, match=r"reruns/.*: (is|has|.* is|cost)"):
        load_entry(forged.folder)


def test_results_keep_to_their_room(
    forged: Forger, again: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry_files, "MAX_RERUNS", 1000)
    with pytest.raises(UserError, match=r"reruns: [0-9]+ bytes of files; at most 1000 are read"):
        load_entry(forged.folder)


def test_more_clips_than_are_at_hand(forged: Forger, again: Again, clips: tuple[int, int]) -> None:
    here, more = clips[0], clips[0] + 1
    write_reproduced(forged.folder, "tiny", [again], (more, more))
    assert f"says that {more} of {more} clips were rescored; here {here} of {here} were" in forged.findings()


def test_more_clips_than_the_sample_where_the_rest_is_hosted(tmp_path: Path) -> None:
    """Anybody may fetch them, so this is a note; where nobody can, it is a finding."""
    folder = make_entry(tmp_path, "mine", tasks=["biped2quad"])
    found = write_rerun(folder, "biped2quad", "finetune-f0.05-s0")
    tasks = {"biped2quad": load_task("biped2quad")}

    def reported() -> Report:
        write_reproduced(folder, "biped2quad", [found], (1057, 1057))
        report = Report(load_entry(folder), levels={"biped2quad": "rescored"}, clips={"biped2quad": (35, 1057)})
        check_levels(report, tasks)
        return report

    assert "says that 1,057 of 1,057 clips were rescored; here 35 of 1,057" in str(reported().findings[0])
    path = folder / "entry.toml"
    path.write_text(path.read_text().replace('url = ""', 'url = "https://example.org/x.zip"'))
    assert reported().findings == []
    assert "--fetch measures all" in reported().notes[-1]


@pytest.mark.parametrize("trained", [True, False])
def test_recordings_that_are_not_here(tmp_path: Path, trained: bool) -> None:
    """Who lacks them sees the results of a training alone; a level without them is nobody's but its writer's."""
    key = ("human2dog", "finetune", 0.05, 0)
    numbers = {"reconstruction_error": 3.0, "foot_sliding": 5.0, "objective_error": 4.0, "adversarial_score": 0.2}
    folder = write_entry(tmp_path, "mine", {key: numbers})
    found = [write_rerun(folder, "human2dog", "finetune-f0.05-s0")] if trained else []
    write_reproduced(folder, "human2dog", found)
    report = verify(folder, data_root=tmp_path)
    of_level = [str(finding) for finding in report.findings if "level.json" in str(finding)]
    assert of_level, "an entry with other findings has no level"
    alone = Report(load_entry(folder), levels={"human2dog": "claimed"}, unmeasured={"human2dog"})
    check_levels(alone, known_tasks([]))
    assert alone.levels == {"human2dog": "claimed"}
    assert bool(alone.findings) != trained
    assert bool(alone.notes) == trained


def test_the_board_leaves_out_whose_results_contradict_the_record(tmp_path: Path) -> None:
    for name in ("truth", "hold", "fe", "mann"):
        make_entry(tmp_path / "entries", name, tasks=["biped2quad"])
    folder = tmp_path / "entries" / "mann"
    found = write_rerun(folder, "biped2quad", "finetune-f0.05-s0", 1.004)
    write_reproduced(folder, "biped2quad", [found])
    data = read_board(tmp_path).data
    assert data["left_out"] == []
    assert data["entries"]["mann"]["tasks"] == {"biped2quad": "reproduced"}
    found = write_rerun(folder, "biped2quad", "finetune-f0.05-s0", 2.0)
    write_reproduced(folder, "biped2quad", [found])
    assert [row["entry"] for row in read_board(tmp_path).data["left_out"]] == ["mann"]


def test_a_record_keeps_results_of_before_and_drops_them_with_the_level(forged: Forger, again: Again) -> None:
    """Whoever trains another cell adds its result; whoever edits a number loses both."""
    report = forged.verify()
    (other,) = (cell for cell in load_entry(forged.folder).cells if cell.name == "cold-f0.2-s1")
    result = json.loads(other.path.read_text())
    for name in ("core_seconds", "total_core_seconds"):
        result["cost"][name] += 0.25
    result["model"] = "somebody/private/sway.py:Sway"
    table = other.path.with_suffix(".csv").read_bytes()
    record(report, {"tiny": [Trained(other, result, table, "2026-03-01")]})
    entry = load_entry(forged.folder)
    assert {found.cell for found, _ in entry.again("tiny")} == {CELL, "cold-f0.2-s1"}
    assert "private" not in (forged.folder / "reruns" / "tiny" / "cold-f0.2-s1.json").read_text()
    report = forged.verify()
    assert report.findings == []
    assert report.evidence["tiny"][:2] == (2, 6)
    assert report.evidence["tiny"].date == "2026-03-01"
    forged.edit(lambda r: r["metrics"]["jerk_ratio"].update(value=99.0))
    rescore(forged.folder, forged.packed, tasks=[forged.task])
    assert not (forged.folder / "reruns").exists()
    assert not (forged.folder / "level.json").exists()
    assert forged.findings() == ""
