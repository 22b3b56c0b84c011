"""Transfer over the distance between rigs: the tasks of the series, and the command on a tiny one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rae_bench.cli import main
from rae_bench.rigs.correspondence import distance
from rae_bench.study import distance as study
from rae_bench.task.named import load_task
from rae_bench.task.sides import load_sides
from rae_bench.task.task import Task


def call(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def small(task: Task) -> Task:
    return replace(task, target={**task.target, "clips": 40}, sources=({**task.source, "clips": 40},))


def test_targets_are_ever_farther_from_the_source() -> None:
    tasks = study.distance_tasks()
    assert [str(task.target["rig"]) for task in tasks] == [
        "r1~r2@0", "r1~r2@0.25", "r1~r2@0.5", "r1~r2@1", "r2", "quad",
    ]  # fmt: skip
    # Cells of the ranked tasks are those of the board.
    assert [task.content_hash for task in tasks[-2:]] == [load_task(t).content_hash for t in (study.FIRST, study.LAST)]
    assert {task.protocol.adapt_updates for task in tasks} == {1600}
    assert {task.target["clips"] for task in tasks} == {1200}
    bones = []
    for task in map(small, tasks):
        sources, target = load_sides(task, None)
        source = sources[0].corpus.motion
        bones.append(distance(source.rig, target.corpus.motion.rig).bones)
        assert not (set(source.root_positions[:, 0, 0]) & set(target.corpus.motion.root_positions[:, 0, 0]))
    assert bones[0] == 0
    assert bones == sorted(bones)


def test_the_command_on_a_tiny_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def tiny(task: Task) -> Task:
        protocol = replace(
            task.protocol, full_updates=2, quick_updates=1, frames_per_update=64, fractions=(0.2,), default_fraction=0.2
        )
        return replace(small(task), name="tiny-distance", protocol=protocol)

    tasks = [tiny(study.distance_tasks()[1])]
    monkeypatch.setattr(study, "distance_tasks", lambda: tasks)
    out = tmp_path / "distance"
    words = ["study", "distance", "--models", "mann", "--seeds", 2, "--out", out, "--workers", 1]
    assert call(*words, "--report-only") == 2
    assert "no finished cells to compare" in capsys.readouterr().err
    assert call(*words, "--json") == 0
    printed = capsys.readouterr().out
    rows = json.loads(printed)
    assert {row["target"] for row in rows} == {"r1~r2@0.25"}
    assert [(row["regime"], row["baseline"]) for row in rows] == [
        (regime, baseline) for regime in ("finetune", "retarget") for baseline in ("cold", "cold-long")
    ]
    assert (out / "distance.png").stat().st_size > 1000
    # `compare` says the same of the same cells.
    (entry,) = out.glob("mann-*")
    sides = (f"{entry}:retarget", f"{entry}:cold-long")
    assert call("compare", *sides, "--fractions", "20%", "--metric", "score", "--json") == 0
    (known,) = json.loads(capsys.readouterr().out)["rows"]
    last = rows[-1]
    assert last["seeds"] == 2
    assert [last[k] for k in ("effect", "low", "high", "p")] == [
        pytest.approx(known[k]) for k in ("effect", "low", "high", "p")
    ]
    # The numbers can be shown again without the cells.
    evidence = tmp_path / "distance.json"
    evidence.write_text(printed)
    again = ["study", "distance", "--evidence", evidence, "--plot", tmp_path / "again.png"]
    assert call(*again) == 0
    table = capsys.readouterr().out
    assert "r1~r2@0.25" in table
    assert f"{last['effect']:+.3f}" in table
    assert (tmp_path / "again.png").stat().st_size > 1000
    evidence.write_text(json.dumps([{**row, "low": None, "high": None, "p": None} for row in rows]))  # one seed
    assert call(*again) == 0
    assert "+nan to +nan" in capsys.readouterr().out
    evidence.write_text("[1]")
    assert call(*again) == 2
    assert "this is not what study distance --json writes" in capsys.readouterr().err


def test_the_numbers_of_the_report_can_be_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evidence = Path(__file__).resolve().parents[2] / "docs" / "reports" / "distance.json"
    assert call("study", "distance", "--evidence", evidence, "--plot", tmp_path / "plot.png", "--wide") == 0
    shown = capsys.readouterr().out
    report = (evidence.parent / "ranked-tasks.md").read_text(encoding="utf-8")
    for row in json.loads(evidence.read_text(encoding="utf-8")):
        assert f"{row['effect']:+.3f}" in shown
        assert f"{row['effect']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" in report
