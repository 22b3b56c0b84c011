"""Runs from end to end: what they leave, what they repeat, and what becomes of bad models and of interruptions."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.plugins import HOLDS, write_plugins
from helpers.running import do_here, plan_cells, run_cells

from rae_bench.benchmark import BENCHMARK_VERSION
from rae_bench.errors import UserError
from rae_bench.harness.events import DataWanted, Event, Planned
from rae_bench.harness.jobs import PretrainJob
from rae_bench.harness.plan import jobs_of
from rae_bench.harness.run import Outcome
from rae_bench.results.files import load_results, read_result
from rae_bench.results.trajectories import load_trajectory
from rae_bench.task.cells import Cell

MODELS = HOLDS + '''
class Base(Holds):
    def save(self, folder):
        folder.mkdir(parents=True)
        (folder / "state.json").write_text("{}")

    def load(self, folder):
        json.loads((folder / "state.json").read_text())


class Spy(Base):
    """Writes down all that it is shown."""

    def note(self, call, ctx, **values):
        with open(self.log, "a") as file:
            file.write(json.dumps({"call": call, "regime": ctx.regime, "fraction": ctx.fraction, **values}) + "\\n")

    def pretrain(self, source, ctx):
        assert ctx.source is None
        self.note("pretrain", ctx, domain=source.name, ids=source.ids, joints=len(source.motion.rig))

    def adapt(self, target, ctx):
        clips = [len(x) for x in (target.motion, target.objectives.positions, target.phases, target.groups)]
        assert clips == [len(target.ids)] * 4
        whole = target.motion.root_positions.base  # a view would show what it was cut from
        assert whole is None or whole.size == target.motion.root_positions.size
        self.note("adapt", ctx, domain=target.name, ids=target.ids, source=ctx.source and ctx.source.ids,
                  updates=ctx.budget.updates)

    def generate(self, prompt, ctx):
        self.note("generate", ctx, clips=len(prompt.history), history=prompt.history.root_positions.shape[1])
        return super().generate(prompt, ctx)


class Raises(Base):
    def adapt(self, target, ctx):
        if ctx.regime == "frozen":
            raise ValueError("no luck")


class RaisesInPretraining(Base):
    def pretrain(self, source, ctx):
        raise ValueError("no luck at all")


class WrongShape(Base):
    def generate(self, prompt, ctx):
        made = super().generate(prompt, ctx)
        return Trajectory(made.root_positions, made.rotations[:, :, :, 1:])


class NotFinite(Base):
    def generate(self, prompt, ctx):
        made = super().generate(prompt, ctx)
        return Trajectory(made.root_positions * np.nan, made.rotations)


class ColdOnly(Base):
    card = ModelCard(name="cold-only", capabilities=frozenset())


class Killed(Base):
    def adapt(self, target, ctx):
        os.kill(os.getpid(), 9)


class Quits(Base):
    def adapt(self, target, ctx):
        sys.exit(3)


class Sleeper(Base):
    def adapt(self, target, ctx):
        Path(self.log).write_text(str(os.getpid()))
        time.sleep(120)
'''
LOGIC = ("cold", "frozen")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plugins(tmp_path_factory, MODELS)


def values(result: dict[str, Any]) -> dict[str, Any]:
    return {name: entry["value"] for name, entry in result["metrics"].items()}


def by_cell(outcome: Outcome) -> dict[tuple[str, str, float, int], dict[str, Any]]:
    return {(r["model"], r["regime"], r["fraction"], r["seed"]): r for r in outcome.results}


def strict_json(path: Path) -> Any:
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not strict JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_every_planned_cell_is_there_and_well_formed(tiny_run: Outcome) -> None:
    assert not tiny_run.failed
    assert {p.state for p in tiny_run.cells} == {"to do"}
    cells = [(p.cell.model, p.cell.regime, p.cell.fraction) for p in tiny_run.cells]
    assert cells == [
        ("fe", "cold", 0.05),
        ("fe", "frozen", 0.05),
        ("fe", "finetune", 0.05),
        ("fe", "cold", 1.0),
        ("truth", "none", 1.0),
        ("hold", "none", 1.0),
        ("interpolate", "none", 1.0),
        ("nearest", "none", 0.05),
    ]
    exam = tiny_run.target.held_out_clips(tiny_run.target.split(0).test)
    for planned in tiny_run.cells:
        result = strict_json(planned.path)
        cell = planned.cell
        assert set(result) >= {
            "schema", "benchmark", "budget", "status", "model", "task", "regime", "fraction", "seed",
            "identity", "metrics", "cost", "environment", "reason",
        }  # fmt: skip
        assert (result["schema"], result["status"], result["task"], result["reason"]) == (
            "rae-bench.result/2", "ok", "tiny", "",
        )  # fmt: skip
        assert planned.path.name == f"{cell.regime}-f{cell.fraction:g}-s{cell.seed}.json"
        assert (result["benchmark"], result["budget"]) == (BENCHMARK_VERSION, "quick")
        assert planned.path.parent.name == "tiny-quick"
        assert planned.path.parents[1].name.rpartition("-")[0] == cell.model
        assert set(result["identity"]) == {
            "benchmark", "engine", "model", "config", "options", "task", "data", "split", "metrics",
        }  # fmt: skip
        for name, entry in result["metrics"].items():
            assert set(entry) == {"value", "unit", "direction"}, name
            assert entry["value"] is None or math.isfinite(entry["value"])
        for name in ("reconstruction_error", "foot_sliding", "objective_error", "adversarial_score"):
            assert result["metrics"][name]["value"] is not None

        with planned.path.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        assert [line["clip"] for line in lines] == exam.ids
        assert [line["action"] for line in lines] == exam.actions
        assert [line["group"] for line in lines] == exam.groups
        if cell.model == "truth":
            continue
        trajectory = load_trajectory(planned.path.with_suffix(".npz"))  # allow_pickle=False
        assert trajectory.root_positions.shape[1:] == exam.truth.root_positions.shape
        assert trajectory.rotations.shape[1:] == exam.truth.rotations.shape
        with np.load(planned.path.with_suffix(".npz"), allow_pickle=False) as arrays:
            assert arrays["lengths"].tolist() == exam.truth.lengths.tolist()


def test_costs_say_what_was_trained(tiny_run: Outcome) -> None:
    cost = {key[1:3]: r["cost"] for key, r in by_cell(tiny_run).items() if key[0] == "fe"}
    assert {c["budget"]["updates"] for c in cost.values()} == {10}
    assert all(c["budget_status"] == "enforced" for c in cost.values())
    assert cost["frozen", 0.05]["trained"] < cost["finetune", 0.05]["trained"]
    assert cost["cold", 0.05]["target_frames"] < cost["cold", 1.0]["target_frames"]
    assert all(c["core_seconds"] > 0 and c["ms_per_frame"] > 0 and c["peak_memory_mb"] > 0 for c in cost.values())


def test_results_load_as_a_long_table(tiny_run: Outcome) -> None:
    table = load_results(tiny_run.cells[0].path.parents[2])
    assert len(table) == sum(len(r["metrics"]) for r in tiny_run.results)
    assert set(table["status"]) == {"ok"}


def test_nothing_temporary_stays(tiny_run: Outcome) -> None:
    out = tiny_run.cells[0].path.parents[2]
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


def test_a_second_run_begins_no_job(tiny_run: Outcome, tiny_task: Path) -> None:
    out = tiny_run.cells[0].path.parents[2]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    events: list[Event] = []
    again = run_cells("fe", str(tiny_task), out=out, observe=events.append)
    assert [type(event) for event in events] == [DataWanted, Planned]
    assert [p.state for p in again.cells] == ["done"] * len(tiny_run.cells)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_same_seed_same_numbers_and_another_seed_others(tiny_run: Outcome, tiny_task: Path, tmp_path: Path) -> None:
    again = by_cell(run_cells("fe", str(tiny_task), out=tmp_path, regimes=LOGIC, seeds=2, controls=False, workers=1))
    first = by_cell(tiny_run)
    for regime in LOGIC:
        same, other = again["fe", regime, 0.05, 0], again["fe", regime, 0.05, 1]
        assert values(same) == values(first["fe", regime, 0.05, 0])
        assert values(other) != values(same)


def test_changed_options_go_elsewhere_and_changed_tasks_make_cells_stale(
    tiny_run: Outcome, tiny_task: Path, models: Path, tmp_path: Path
) -> None:
    out = tiny_run.cells[0].path.parents[2]
    spec = f"{models}:Base"
    folders = []
    for options in ({}, {"log": "a"}, {"log": "b"}):
        planned = plan_cells(spec, str(tiny_task), out=out, options=options).cells
        assert {p.state for p in planned if p.cell.model == spec} == {"to do"}
        assert {p.state for p in planned if p.cell.model != spec} == {"done"}
        folders += {p.path.parents[1].name for p in planned if p.cell.model == spec}
    assert len(set(folders)) == len(folders) == 3
    assert all(name.startswith("Base-") for name in folders)

    changed = tmp_path / tiny_task.name
    text = tiny_task.read_text(encoding="utf-8")
    changed.write_text(text.replace("quick_updates = 10", "quick_updates = 11"), encoding="utf-8")
    planned = plan_cells("fe", str(changed), out=out).cells
    assert {(p.state, p.why) for p in planned} == {("stale", "changed: task")}

    changed.write_text(text.replace('rig = "quad"\n        clips = 24', 'rig = "quad"\n        clips = 25'), "utf-8")
    planned = plan_cells("fe", str(changed), out=out).cells
    assert {p.state for p in planned} == {"stale"}
    assert all("data" in p.why and "task" in p.why and "model" not in p.why for p in planned)

    planned = plan_cells("fe", str(tiny_task), out=out, force=True).cells
    assert {p.state for p in planned} == {"to do"}


def test_results_of_an_older_benchmark_are_stale_and_say_so(
    tiny_run: Outcome, tiny_task: Path, tmp_path: Path
) -> None:
    """Version 1 wrote no version; what was pre-trained and kept then is not taken over either."""
    out = Path(shutil.copytree(tiny_run.cells[0].path.parents[2], tmp_path / "out"))
    assert {read_result(path)["benchmark"] for path in out.rglob("*-s0.json")} == {BENCHMARK_VERSION}  # type: ignore[index]
    for path in out.rglob("*.json"):
        facts = json.loads(path.read_text(encoding="utf-8"))
        if "identity" in facts:
            facts.pop("benchmark", None)
            del facts["identity"]["benchmark"]
            path.write_text(json.dumps(facts), encoding="utf-8")
    plan = plan_cells("fe", str(tiny_task), out=out)
    assert {(p.state, p.why) for p in plan.cells} == {("stale", f"changed: benchmark 1 -> {BENCHMARK_VERSION}")}
    assert any(isinstance(job, PretrainJob) for job in jobs_of(plan))
    with pytest.raises(UserError, match="this result is of benchmark version 1, whose numbers do not compare"):
        load_results(out)


def test_quick_and_full_results_lie_apart(tiny_run: Outcome, tiny_task: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(tiny_run.cells[0].path.parents[2], tmp_path / "out"))
    assert {p.path.parent.name for p in tiny_run.cells} == {"tiny-quick"}
    full = run_cells("fe", str(tiny_task), out=out, regimes=["cold"], budget="full", workers=1)
    assert {p.path.parent.name for p in full.cells} == {"tiny"}
    quick = plan_cells("fe", str(tiny_task), out=out, regimes=["cold"])
    assert {p.state for p in quick.cells} == {"done"}
    assert not {p.path for p in quick.cells} & {p.path for p in full.cells}
    learned = {r["budget"]: r["cost"]["budget"] for r in (*tiny_run.results, *full.results) if r["regime"] == "cold"}
    assert {budget: cost["updates"] for budget, cost in learned.items()} == {"quick": 10, "full": 12}
    assert {r["task"] for r in (*tiny_run.results, *full.results)} == {"tiny"}
    tasks = {r["budget"]: r["identity"]["task"] for r in (*tiny_run.results, *full.results)}
    assert tasks["quick"] != tasks["full"]
    table = load_results(out)
    assert {str(b): set(t["path"].map(lambda p: Path(p).parent.name)) for b, t in table.groupby("budget")} == {
        "quick": {"tiny-quick"}, "full": {"tiny"},
    }  # fmt: skip


def test_another_title_changes_no_result(tiny_run: Outcome, tiny_task: Path, tmp_path: Path) -> None:
    renamed = tmp_path / tiny_task.name
    renamed.write_text(tiny_task.read_text(encoding="utf-8").replace('"Tiny"', '"Small"'), encoding="utf-8")
    planned = plan_cells("fe", str(renamed), out=tiny_run.cells[0].path.parents[2]).cells
    assert {p.state for p in planned} == {"done"}


def test_test_clips_never_reach_the_model(models: Path, tiny_task: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    regimes = ("cold", "frozen", "finetune", "retarget", "cold-long", "full")
    outcome = run_cells(
        f"{models}:Spy", str(tiny_task), out=tmp_path / "out", options={"log": str(log)}, regimes=regimes,
        fractions=(0.05, 0.3), controls=False, workers=1,
    )  # fmt: skip
    assert not outcome.failed
    notes = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    (source,), target = outcome.plan.sources, outcome.target

    def ids(side: Any, indices: np.ndarray) -> list[str]:
        return [side.corpus.ids[i] for i in indices]

    hidden = set(ids(target, target.split(0).test))
    split = target.split(0)
    groups = {name: {target.corpus.groups[i] for i in getattr(split, name)} for name in ("train", "test")}
    assert not groups["train"] & groups["test"]
    # A combination that the target is tested on is not learnt on the source either.
    assert not {source.corpus.groups[i] for i in source.split(0).train} & groups["test"]
    pretraining = [n for n in notes if n["call"] == "pretrain"]
    # Once, shared by frozen and finetune, and once on the target's rig.
    assert [n["domain"] for n in pretraining] == ["r4-locomotion", "r4-locomotion-on-quad"]
    assert [n["joints"] for n in pretraining] == [len(source.corpus.motion.rig), len(target.corpus.motion.rig)]
    assert pretraining[0]["ids"] == pretraining[1]["ids"] == ids(source, source.split(0).train)

    train = ids(target, target.split(0).train)
    lengths = target.corpus.motion.lengths[target.split(0).train]
    adaptations = [n for n in notes if n["call"] == "adapt"]
    assert len(adaptations) == 12
    assert [n["ids"] for n in adaptations if n["regime"] == "retarget" and n["fraction"] == 0] == [[]]
    for note in adaptations:
        assert not set(note["ids"]) & hidden
        assert note["ids"] == train[: len(note["ids"])]
        frames, need = lengths[: len(note["ids"])].sum(), note["fraction"] * lengths.sum()
        assert need <= frames < need + lengths[len(note["ids"]) - 1] or note["fraction"] == frames == 0
        transfer = note["regime"] in ("frozen", "finetune", "retarget")
        assert note["source"] == (pretraining[0]["ids"] if transfer else None)
        assert note["updates"] == {"cold-long": 30}.get(note["regime"], 10 if note["fraction"] else 0)
    sizes = {note["fraction"]: len(note["ids"]) for note in adaptations}
    assert sizes[0.05] < sizes[0.3] < sizes[1.0] == len(train)
    # The roll-out, one clip of it, and single frames from half of the history.
    assert [n["history"] for n in notes if n["call"] == "generate"] == [30, 30, 15] * 12


def test_a_failing_cell_says_why_and_the_others_go_on(models: Path, tiny_task: Path, tmp_path: Path) -> None:
    command = _command(f"{models}:Raises", tiny_task, tmp_path, "cold,frozen", "--json")
    # Called in a folder that holds a source tree of the same name, as README's first command is in a clone.
    here = tmp_path / "clone"
    (here / "rae_bench").mkdir(parents=True)
    (here / "rae_bench" / "__init__.py").write_text("raise ImportError('not the installed package')")
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=here)
    assert ended.returncode == 1, ended.stderr
    results = {(r["model"].rpartition(":")[2], r["regime"]): r for r in json.loads(ended.stdout)}
    bad = results.pop(("Raises", "frozen"))
    assert (bad["status"], bad["reason"], bad["metrics"]) == ("failed", "ValueError: no luck", {})
    assert {r["status"] for r in results.values()} == {"ok"}
    assert len(results) == 5
    assert "no luck" in ended.stderr

    planned = plan_cells(f"{models}:Raises", str(tiny_task), out=tmp_path, regimes=LOGIC).cells
    assert [(p.state, p.why) for p in planned if p.state != "done"] == [
        ("to do", "failed before: ValueError: no luck")
    ]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("WrongShape", "generate gave rotations of shape"),
        ("NotFinite", "generate gave root_positions that are not finite"),
    ],
)
def test_bad_trajectories_fail_with_what_is_wrong(
    model: str, reason: str, models: Path, tiny_task: Path, tmp_path: Path
) -> None:
    outcome = run_cells(f"{models}:{model}", str(tiny_task), out=tmp_path, regimes=("cold",), controls=False, workers=1)
    (result,) = outcome.results
    assert result["status"] == "failed"
    assert reason in result["reason"]
    assert "\n" not in result["reason"]
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".npz", ".csv")]


def test_failed_pre_training_fails_what_needs_it(models: Path, tiny_task: Path, tmp_path: Path) -> None:
    spec = f"{models}:RaisesInPretraining"
    outcome = run_cells(spec, str(tiny_task), out=tmp_path, regimes=LOGIC, controls=False, workers=1)
    cold, frozen = outcome.results
    assert (cold["status"], frozen["status"]) == ("ok", "failed")
    assert frozen["reason"] == "pre-training failed: ValueError: no luck at all"


def test_what_a_model_cannot_do_is_skipped(models: Path, tiny_task: Path, tmp_path: Path) -> None:
    spec = f"{models}:ColdOnly"
    outcome = run_cells(spec, str(tiny_task), out=tmp_path, regimes=(*LOGIC, "zero-shot"), controls=False, workers=1)
    assert not outcome.failed
    cold, frozen, zero = outcome.results
    assert (cold["status"], frozen["status"], zero["status"]) == ("ok", "skipped", "skipped")
    assert frozen["reason"] == "the model does not support the regime frozen"
    planned = plan_cells(spec, str(tiny_task), out=tmp_path, regimes=LOGIC, controls=False).cells
    assert {p.state for p in planned} == {"done"}


def test_a_model_process_that_dies_costs_its_cell_only(models: Path, tiny_task: Path, tmp_path: Path) -> None:
    outcome = run_cells(f"{models}:Killed", str(tiny_task), out=tmp_path, regimes=("cold",), workers=1)
    mine, *controls = outcome.results
    assert mine["status"] == "failed"
    assert mine["reason"] == "the model process was killed by signal 9 (out of memory?)"
    assert [r["status"] for r in controls] == ["ok"] * 4

    outcome = run_cells(f"{models}:Quits", str(tiny_task), out=tmp_path, regimes=("cold",), controls=False, workers=1)
    assert [r["reason"] for r in outcome.results] == ["the model process ended with exit code 3"]


def test_an_interrupt_ends_the_workers_and_leaves_nothing(models: Path, tiny_task: Path, tmp_path: Path) -> None:
    log = tmp_path / "pid"
    command = _command(f"{models}:Sleeper", tiny_task, tmp_path / "out", "cold", "--set", f"log={log}")
    cli = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that run in the background of a shell inherit an ignored SIGINT; a terminal's user does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    worker = int(_wait_for(lambda: log.exists() and log.read_text(encoding="utf-8")))
    cli.send_signal(signal.SIGINT)
    _, stderr = cli.communicate(timeout=30)
    assert cli.returncode == 130
    assert stderr.splitlines()[-1].startswith("rae-bench: interrupted")
    assert "Traceback" not in stderr
    _wait_for(lambda: not _runs(worker))


def test_workers_die_with_the_run_that_started_them(models: Path, tiny_task: Path, tmp_path: Path) -> None:
    log = tmp_path / "pid"
    command = _command(f"{models}:Sleeper", tiny_task, tmp_path / "out", "cold", "--set", f"log={log}")
    cli = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    worker = int(_wait_for(lambda: log.exists() and log.read_text(encoding="utf-8")))
    cli.kill()
    cli.wait()
    _wait_for(lambda: not _runs(worker))


def test_a_killed_run_is_taken_up_again(tiny_run: Outcome, tiny_task: Path, tmp_path: Path) -> None:
    command = _command("fe", tiny_task, tmp_path, "cold,frozen", "--json")
    cli = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    folder = Path(_wait_for(lambda: next(tmp_path.glob("fe-*/tiny-quick/pretrained-s0"), None)))
    time.sleep(0.2)  # into the first adaptation
    os.killpg(cli.pid, signal.SIGKILL)
    cli.wait()
    kept = (folder / "pretrained.json").stat().st_mtime_ns
    assert read_result(folder.parent / "frozen-f0.05-s0.json") is None
    # What the killed worker might have been writing.
    for name in ("", "pretrained"):
        shutil.copytree(folder, folder.parent / _temporary_name(cli.pid, name))

    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert (folder / "pretrained.json").stat().st_mtime_ns == kept
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
    undisturbed = by_cell(tiny_run)
    for planned in tiny_run.cells:
        result = read_result(tmp_path / planned.path.relative_to(tiny_run.cells[0].path.parents[2]))
        if planned.cell.regime in ("cold", "frozen") and planned.cell.fraction < 1:
            assert result is not None
            assert result["status"] == "ok"
            assert values(result) == values(undisturbed[_key(planned.cell)])


def _key(cell: Cell) -> tuple[str, str, float, int]:
    return cell.model, cell.regime, cell.fraction, cell.seed


def _temporary_name(pid: int, name: str) -> str:
    from rae_bench import storage

    return storage._prefix().replace(f"-{os.getpid()}-", f"-{pid}-") + name


def _command(model: str, task: Path, out: Path, regimes: str, *more: str) -> list[str]:
    start = [sys.executable, "-P", "-c", "from rae_bench.cli import main; main()"]
    what = ["run", "--model", model, "--task", str(task), "--out", str(out), "--regimes", regimes, "--workers", "1"]
    return [*start, *what, *more]


def _wait_for(ready: Callable[[], Any], seconds: float = 60) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = ready()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("waited in vain")


def _runs(pid: int) -> bool:
    from rae_bench import storage

    return storage.alive(pid)


def test_the_published_protocol_looks_at_single_frames_alone(tiny_task: Path, tmp_path: Path) -> None:
    """Nothing is rolled out, so a model that runs away has its single frames measured all the same."""
    from dataclasses import replace

    from rae_bench.task.named import load_task

    task = load_task(tiny_task)
    task = replace(task, protocol=replace(task.protocol, mode="paper"))
    asked: dict[str, Any] = {"options": {"mode": "paper"}, "regimes": ["cold"], "fractions": [0.2], "controls": False}
    plan = plan_cells("fe", task, out=tmp_path, **asked)
    do_here(plan)
    (result,) = Outcome(plan, {}).results
    assert list(result["metrics"]) == ["one_step_error"]
    assert result["metrics"]["one_step_error"]["value"] > 0
    folder = plan.cells[0].path.parent
    assert sorted(p.name for p in folder.iterdir()) == ["cold-f0.2-s0.csv", "cold-f0.2-s0.json"]
    assert [p.state for p in plan_cells("fe", task, out=tmp_path, **asked).cells] == ["done"]
    assert "generate_seconds" not in result["cost"]


@pytest.mark.parametrize("ending", [".npz", ".csv"])
def test_a_result_whose_files_are_gone_is_made_again(
    ending: str, tiny_run: Outcome, tiny_task: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run.cells[0].path.parents[2], tmp_path, dirs_exist_ok=True)
    victim = next(p.path for p in plan_cells("fe", str(tiny_task), out=tmp_path).cells if p.cell.regime == "frozen")
    victim.with_suffix(ending).unlink()
    states = {p.path: (p.state, p.why) for p in plan_cells("fe", str(tiny_task), out=tmp_path).cells}
    assert states.pop(victim) == ("to do", f"missing: {victim.stem}{ending}")
    assert set(states.values()) == {("done", "")}
