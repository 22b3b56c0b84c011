"""Sweeps: the same results as a run's, from workers that share no disk, whatever dies on the way."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers.places import TESTS
from helpers.plugins import write_plugins
from helpers.running import cell_job, plan_cells, plan_sweep, pretrain_job, run_cells, sweep_cells
from helpers.sweeps import LOGIC, MODELS, scrubbed
from rich.console import Console

from rae_bench.cli import main
from rae_bench.cli.sweep_progress import SweepProgress
from rae_bench.errors import UserError
from rae_bench.harness.estimate import estimate
from rae_bench.harness.events import Answered, Begun, DataWanted, Ended, Event, Planned, PutBack, ignore, work_off
from rae_bench.harness.groups import grouped
from rae_bench.harness.jobs import Answer, AnyJob, Done, Failed
from rae_bench.harness.plan import jobs_of_all
from rae_bench.harness.pool import Pool, gpu_names
from rae_bench.harness.ray.cluster import Resources, cluster
from rae_bench.harness.run import Outcome
from rae_bench.harness.sweep import CoreHourLimit, make_specs, results_of, shard_specs
from rae_bench.results.files import read_result
from rae_bench.task.cells import Cell


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plugins(tmp_path_factory, MODELS)


@pytest.fixture(scope="module")
def one_ray() -> Iterator[None]:
    """One Ray for the sweeps of this module; they use what is running."""
    with cluster(None, 2, Resources()):
        yield




@pytest.mark.parametrize("model", ["Base", pytest.param("fe", marks=pytest.mark.slow)])
def test_results_are_those_of_a_run(
    model: str, one_ray: None, models: Path, tiny_task: Path, tmp_path: Path
) -> None:
    spec = model if model == "fe" else f"{models}:{model}"
    there, here = tmp_path / "run", tmp_path / "sweep"
    run_cells(spec, str(tiny_task), out=there, keep=True, workers=1)
    asked: dict[str, Any] = {"seeds": 1, "fractions": [0.05], "keep": True, "ray_address": "local"}
    (outcome,) = sweep_cells([spec], [str(tiny_task)], out=here, **asked)
    assert not outcome.failed

    def files(folder: Path) -> set[Path]:
        drawn = (".png", ".html")
        return {p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and p.suffix not in drawn}

    assert files(here) == files(there)
    assert len(files(there)) > 30
    for name in files(there):
        if (result := read_result(there / name)) is not None:
            assert {**scrubbed(here / name), "cost": 0} == {**result, "cost": 0}, name
        elif name.name != "pretrained.json":  # says how long it took
            assert (here / name).read_bytes() == (there / name).read_bytes(), name

    # Either command takes the other's results for its own.
    assert {p.state for p in plan_cells(spec, str(tiny_task), out=here, keep=True).cells} == {"done"}
    events: list[Event] = []
    (again,) = sweep_cells([spec], [str(tiny_task)], out=there, observe=events.append, **asked)
    assert [type(event) for event in events] == [DataWanted, Planned, Ended]
    assert {p.state for p in again.cells} == {"done"}


@pytest.mark.parametrize("address", [None, "local"])
def test_bad_models_cost_their_cells_only_and_shared_work_is_done_once(
    address: str | None, one_ray: None, models: Path, tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(models.parent)  # the file is named by a path that means nothing elsewhere
    log = tmp_path / "log"
    names = [f"models.py:{name}" for name in ("Base", "Raises", "Quits")]
    asked: dict[str, Any] = {
        "regimes": (*LOGIC, "finetune"), "fractions": [0.05, 0.3], "seeds": 1, "out": tmp_path / "out",
        "options": {"log": str(log)},
    }  # fmt: skip
    events: list[Event] = []
    outcomes = sweep_cells(names, [str(tiny_task)], observe=events.append, ray_address=address, **asked)
    base, raises, quits = ({(r["regime"], r["fraction"]): r for r in o.results} for o in outcomes)
    assert {r["status"] for r in base.values()} == {"ok"}
    for fraction in (0.05, 0.3):
        assert (raises["frozen", fraction]["status"], raises["frozen", fraction]["reason"]) == (
            "failed", "ValueError: no luck",
        )  # fmt: skip
        assert raises["cold", fraction]["status"] == raises["finetune", fraction]["status"] == "ok"
        assert quits["cold", fraction]["reason"] == "the model process ended with exit code 3"
    failures = [e.answer for e in events if isinstance(e, Answered) and isinstance(e.answer, Failed)]
    assert {"no luck" in f.trace for f in failures if f.reason == "ValueError: no luck"} == {True}

    notes = log.read_text(encoding="utf-8").splitlines()
    assert notes.count("pretrain 0") == 3  # one a model
    begun = [e.job.name for e in events if isinstance(e, Begun)]
    assert len(begun) == len(set(begun)) == 3 * (1 + 6) + 5  # the controls once for all models

    states = [p.state for o in plan_sweep(names, [str(tiny_task)], **asked) for p in o.cells]
    assert states.count("to do") == 2 + 6


@pytest.mark.parametrize("address", [None, "local"])
def test_a_dead_model_process_is_replaced_and_a_deadly_cell_given_up(
    address: str | None, one_ray: None, models: Path, tiny_task: Path, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"regimes": ["cold"], "fractions": [0.05], "seeds": 1, "controls": False}
    for name, tries, status in (("KilledOnce", 2, "ok"), ("Killed", 3, "failed")):
        log = tmp_path / name
        (outcome,) = sweep_cells(
            [f"{models}:{name}"], [str(tiny_task)], out=tmp_path, options={"log": str(log)},
            ray_address=address, **asked,
        )  # fmt: skip
        (result,) = outcome.results
        assert result["status"] == status
        assert log.read_text(encoding="utf-8").count("adapt") == tries
    assert "killed by signal 9" in result["reason"]


def test_a_plugin_of_another_machine_travels(
    one_ray: None, tiny_task: Path, tmp_path: Path, home_folder: Path
) -> None:
    """A model process that does not find a plug-in's files takes the copy that it was given, to a home of its own."""
    folder, away, log = tmp_path / "there", tmp_path / "away", tmp_path / "log"
    folder.mkdir()
    (folder / "base.py").write_text(MODELS, encoding="utf-8")
    (folder / "model.py").write_text("from base import Base\n\nclass Mine(Base):\n    pass\n", encoding="utf-8")

    def observe(event: Event) -> None:
        if isinstance(event, Planned):
            folder.rename(away)

    (outcome,) = sweep_cells(
        [f"{folder}/model.py:Mine"], [str(tiny_task)], regimes=["cold"], fractions=[0.05], seeds=1, controls=False,
        out=tmp_path / "out", options={"log": str(log)}, observe=observe, ray_address="local",
    )  # fmt: skip
    (result,) = outcome.results
    assert (result["status"], result["model"]) == ("ok", "there/model.py:Mine")
    ran = Path(log.read_text(encoding="utf-8").split()[-1])
    assert ran.name == "base.py"
    assert "plugins" in ran.parts
    assert not ran.is_relative_to(home_folder)


def test_more_cores_a_cell_are_threads_and_too_many_are_told(
    one_ray: None, models: Path, tiny_task: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    asked: dict[str, Any] = {
        "regimes": ["cold"], "fractions": [0.05], "seeds": 1, "controls": False, "options": {"log": str(log)},
        "out": tmp_path,
    }  # fmt: skip
    for address in (None, "local"):
        (outcome,) = sweep_cells(
            [f"{models}:Base"], [str(tiny_task)], cpus_per_cell=2, force=True, ray_address=address, **asked
        )
        assert outcome.results[0]["environment"]["threads"] == 2
        assert log.read_text(encoding="utf-8").splitlines()[-1].split()[4] == "2"
    with pytest.raises(UserError, match="no node of the Ray cluster has 3 CPU"):
        sweep_cells([f"{models}:Base"], [str(tiny_task)], cpus_per_cell=3, force=True, ray_address="local", **asked)


def test_core_hours_are_kept(models: Path, tiny_task: Path, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"regimes": ["cold"], "fractions": [0.05], "seeds": 3, "controls": False}
    seen = []
    for hours in (1e-9, 1e-9, 1.0):
        events: list[Event] = []
        (outcome,) = sweep_cells(
            [f"{models}:Base"], [str(tiny_task)], out=tmp_path, max_core_hours=hours, workers=1,
            observe=events.append, **asked,
        )  # fmt: skip
        assert not outcome.failed
        end = events[-1]
        assert isinstance(end, Ended)
        seen.append((end.refused, len(outcome.results)))
    # Of the first cell's cost nothing is known, so it begins.
    assert seen == [(True, 1), (True, 1), (False, 3)]


def test_the_core_hour_limit_counts_what_runs() -> None:
    limit = CoreHourLimit(1.0, cores=2, expected={"a": 2000, "b": 2000, "c": 1000})
    jobs = {name: cell_job(name) for name in "abc"}
    assert limit.affordable([jobs["a"]])
    assert not limit.affordable([jobs["a"], jobs["b"]])
    limit.observe(Begun(jobs["a"], 0))
    assert not limit.affordable([jobs["b"]])  # 2000 running and 2000 more are above 3600 core-seconds
    assert limit.refused
    assert limit.affordable([jobs["c"]])
    limit.observe(Answered(jobs["a"], 0, Done()))  # took no time in truth
    assert limit.affordable([jobs["b"]])
    assert CoreHourLimit(None, 1, {}).affordable([jobs["a"]])


def test_time_of_a_group_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    limit, clock = CoreHourLimit(1.0, cores=1, expected={}), iter([0.0, 60.0, 100.0, 100.0])
    monkeypatch.setattr("rae_bench.harness.sweep.time.monotonic", lambda: next(clock))
    jobs = [cell_job(name) for name in "ab"]
    for job in jobs:
        limit.observe(Begun(job, 3))
    for job in jobs:
        limit.observe(Answered(job, 3, Done()))
    assert limit.spent == 100.0


class FakePool:
    """Does one job at a time, at once."""

    def __init__(self, fail: str = "") -> None:
        self.fail, self.slots = fail, 1
        self.now: list[AnyJob] = []
        self.order: list[str] = []

    def room(self) -> bool:
        return not self.now

    def begin(self, jobs: Sequence[AnyJob]) -> int:
        self.now += jobs
        self.order.append("+".join(job.name for job in jobs))
        return 0

    def news(self) -> list[tuple[AnyJob, int, Answer]]:
        jobs, self.now = self.now, []
        fails = self.fail in {job.name for job in jobs}
        bad = Failed("why", together=len(jobs) > 1)
        return [(job, 0, bad if fails else Done()) for job in jobs]


def test_jobs_wait_for_what_they_need() -> None:
    jobs = [cell_job("late", ["early"]), cell_job("free"), cell_job("early")]
    pool = FakePool()
    alone = [[job] for job in jobs]
    assert work_off(alone, pool, ignore) == {}
    assert pool.order == ["free", "early", "late"]

    pool = FakePool(fail="early")
    assert work_off(alone, pool, ignore) == {"early": "why", "late": "pre-training failed: why"}
    assert pool.order == ["free", "early"]

    pool = FakePool()
    assert work_off(alone, pool, ignore, affordable=lambda group: group[0].name == "free") == {}
    assert pool.order == ["free"]


def test_what_fails_in_company_is_done_again_alone() -> None:
    jobs = [cell_job("a"), cell_job("b"), cell_job("c", ["a"]), cell_job("d", ["b"])]
    pool, events = FakePool(fail="b"), list[Event]()
    assert work_off([jobs[:2], jobs[2:]], pool, events.append) == {"b": "why", "d": "pre-training failed: why"}
    assert pool.order == ["a+b", "b", "a", "c"]
    assert [e.job.name for e in events if isinstance(e, PutBack)] == ["a", "b"]
    ended = {e.job.name: type(e.answer) for e in events if isinstance(e, Answered)}
    assert ended == {"a": Done, "b": Failed, "c": Done, "d": Failed}


def test_which_jobs_are_done_together() -> None:
    def cell(regime: str, fraction: float, seed: int, **facts: Any) -> AnyJob:
        return cell_job(
            f"{facts.get('model', 'fe')}-{regime}-{fraction}-{seed}", facts.pop("needs", ()), groups=True, updates=10,
            cell=Cell(facts.get("model", "fe"), {}, regime, fraction, seed), **facts,
        )  # fmt: skip

    cold = [cell("cold", fraction, seed) for seed in range(5) for fraction in (0.05, 0.2, 1.0, 0.5)]
    tuned = [cell("finetune", 0.05, seed, needs=["p"]) for seed in range(4)]
    single = cell_job("hold")
    sizes = [[job.name for job in group] for group in grouped([*cold, single, *tuned], 1)]
    assert [len(group) for group in sizes] == [15, 5, 1, 4]
    assert sizes[3] == [job.name for job in tuned]
    assert [len(group) for group in grouped([*cold[:4], *tuned], 2)] == [2, 2, 2, 2]
    assert [len(group) for group in grouped([*cold, *tuned], 4)] == [4, 4, 7, 5, 1, 1, 1, 1]
    plugin = f"{TESTS / 'my_model.py'}:MyModel"
    foreign = [cell("cold", 0.05, seed, model=plugin) for seed in range(6)]
    assert [len(group) for group in grouped(foreign, 1)] == [2, 1, 1, 1, 1]  # seeds 0 and 5 are of one fold
    there = [cell("cold", 0.05, seed, device="cuda") for seed in range(250)]
    assert [len(group) for group in grouped([*there[:40], *cold[:4]], 4)] == [40, 1, 1, 1, 1]
    assert [len(group) for group in grouped(there, 4, gpus=3)] == [120, 120, 10]


def test_workers_share_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpu_names(2) == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6,7")
    assert gpu_names(2) == ["4", "6"]
    with pytest.raises(UserError, match="CUDA_VISIBLE_DEVICES names 3"):
        gpu_names(4)
    seen: list[str | None] = []

    class Worker:
        def __init__(self, inbox: Any, threads: int, gpu: str | None) -> None:
            seen.append(gpu)

        def give(self, jobs: Any) -> None: ...
        def close(self) -> None: ...
        def end(self) -> None: ...

    monkeypatch.setattr("rae_bench.harness.pool._Worker", Worker)
    for gpus in (("4", "6"), ()):
        with Pool(3, gpus=gpus) as pool:
            for name in "abc":
                pool.begin([cell_job(name)])
    assert seen == ["4", "6", "4", None, None, None]


def test_estimates_come_from_earlier_cells(tmp_path: Path) -> None:
    """10 s for 100 updates are 0.1 s each; 3 s come on top."""
    folder = tmp_path / "m-00000000" / "t"
    folder.mkdir(parents=True)
    cost = {"core_seconds": 10.0, "total_core_seconds": 13.0, "budget": {"updates": 100}}
    named = {"model": "m", "task": "t", "regime": "cold", "fraction": 0.05, "seed": 0, "reason": ""}
    known = {"identity": {"config": "0"}, "options": {}, "metrics": {}, "cost": cost}
    result = {"schema": "rae-bench.result/2", "status": "ok", **named, **known}
    (folder / "cold-f0.05-s0.json").write_text(json.dumps(result))
    there, other = folder / "cold-f0.05-s1.json", tmp_path / "m-00000000" / "u" / "cold-f1-s0.json"
    jobs = [
        cell_job(there, updates=50),
        cell_job(other, updates=200),
        pretrain_job(folder / "pretrained-s1", updates=30),
        cell_job(tmp_path / "n" / "t" / "cold.json", updates=50),  # another model
    ]
    expected = {jobs[0].name: 8.0, jobs[1].name: 23.0, jobs[2].name: 3.0}
    assert estimate(jobs) == pytest.approx(expected)


def test_dry_run_lists_and_estimates(
    tiny_run: Outcome, tiny_task: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tiny_run.cells[0].path.parents[2]
    command = ["sweep", "--model", "f[e]", "--task", str(tiny_task), "--fractions", "5%", "--out", str(out)]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--dry-run", "--seeds", "2"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("done") for line in lines) == 8
    assert sum(line.startswith("to do") for line in lines) == 8
    assert lines[-1].startswith("about ")
    assert "of CPU time, by what earlier cells took" in lines[-1]
    with pytest.raises(SystemExit):
        main([*command, "--dry-run", "--seeds", "1", "--json"])
    assert {entry["state"] for entry in json.loads(capsys.readouterr().out)} == {"done"}


def test_dry_run_says_why_cells_train_one_by_one(
    tiny_task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.py"
    text = (TESTS / "my_model.py").read_text(encoding="utf-8")
    file.write_text(
        f"{text}\n\nclass Looks(MyModel):\n    def network(self, sizes):\n        made = MyNetwork(sizes)\n"
        "        made.core.append(nn.Dropout(0.1))\n        return made\n\n\n"
        "class Own(MyModel):\n    def adapt(self, target, ctx):\n        super().adapt(target, ctx)\n"
    )
    models = [f"{file}:{name}" for name in ("MyModel", "Looks", "Own")]
    with pytest.raises(SystemExit) as ended:
        main(["sweep", *(w for m in [*models, "fe", "feedforward"] for w in ("--model", m)), "--task", str(tiny_task),
              "--seeds", "1", "--fractions", "5%", "--dry-run", "--out", str(tmp_path / "r")])  # fmt: skip
    assert ended.value.code == 0
    why = [line for line in capsys.readouterr().out.splitlines() if "one by one" in line]
    assert [line.partition(":")[0] for line in why] == ["Looks", "Own", "feedforward"]
    assert "random operation" in why[0]
    assert why[1].endswith("it has its own adapt")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--workers", "0"], "--workers takes a number above 0"),
        (["--cpus-per-cell", "0"], "--cpus-per-cell takes a number above 0"),
        (["--gpus-per-cell", "-1"], "no negative number of GPUs"),
        (["--gpus-per-cell", "1"], "--gpus-per-cell is for Ray"),
        (["--gpus", "0"], "--gpus takes a number above 0"),
        (["--gpus", "1", "--ray-address", "local"], "--gpus is for this machine"),
        (["--workers", "2", "--ray-address", "auto"], "--workers is for this machine"),
        (["--regimes", "frozn"], "did you mean frozen"),
        (["--ray-address", "127.0.0.1:9"], "--ray-address 127.0.0.1:9: no Ray cluster there"),
        (["--ray-address", "nonsense"], "--ray-address nonsense: no Ray cluster there"),
    ],
)
def test_bad_input_is_told_in_one_line(
    more: list[str], reason: str, tiny_task: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sweep", "--model", "fe", "--task", str(tiny_task), *more])
    assert ended.value.code == 2
    err = [line for line in capsys.readouterr().err.splitlines() if line != "fe on tiny: loading"]
    assert len(err) == 1
    assert reason in err[0]


def test_two_tasks_of_one_name_are_refused(tiny_task: Path, tmp_path: Path) -> None:
    other = tmp_path / tiny_task.name
    text = tiny_task.read_text(encoding="utf-8")
    other.write_text(text.replace("quick_updates = 10", "quick_updates = 11"), encoding="utf-8")
    with pytest.raises(UserError, match="two tasks are named 'tiny'"):
        make_specs(["fe"], [str(tiny_task), str(other)])


def test_the_table_counts(tiny_task: Path, models: Path, tmp_path: Path) -> None:
    plans = plan_sweep([f"{models}:Base"], [str(tiny_task)], regimes=LOGIC, fractions=[0.05], out=tmp_path)
    jobs = sorted(jobs_of_all(plans), key=lambda job: not job.model.endswith("Base"))

    pool = FakePool()
    pool.slots = 2

    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    progress = SweepProgress(console)
    progress.observe(Planned(plans, jobs, {}, pool))
    for job in jobs[:3]:
        progress.observe(Begun(job, 0))
    assert "no estimate yet" in progress.clock.words()
    progress.observe(Answered(jobs[0], 0, Done()))
    progress.observe(Answered(jobs[1], 0, Failed("[why]")))
    assert "left" in progress.clock.words()
    console.print(progress.table())
    rows = [line.split() for line in console.export_text().splitlines()]
    assert ["tiny", "Base", "1", "1", "1", "6"] in rows
    assert ["tiny", "controls", "12"] in rows
    assert ["all", "1", "1", "1", "18"] in rows


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
def test_shares_have_every_cell_exactly_once(count: int, tiny_task: Path, tmp_path: Path) -> None:
    specs = make_specs(
        ["fe", "mann", "hold"], [str(tiny_task), "biped2quad"], seeds=[0, 1, 4], out=tmp_path, fractions=["5%", "100%"],
        regimes=["cold", "frozen", "finetune", "cold-long", "retarget", "full"],
    )  # fmt: skip
    shares = [shard_specs(specs, number, count) for number in range(1, count + 1)]
    found = [{spec.path(cell) for spec in share for cell in spec.cells()} for share in shares]
    wanted = {spec.path(cell) for spec in specs for cell in spec.cells()}
    assert sum(map(len, found)) == len(wanted)
    assert set.union(*found) == wanted
    # No two shares pre-train the same model.
    trained = [
        {(spec.folder(cell), cell.pretrained_name) for spec in share for cell in spec.cells() if cell.needs_pretraining}
        for share in shares
    ]
    assert sum(map(len, trained)) == len(set.union(*trained))
    loads = [len(cells) + 2 * len(names) for cells, names in zip(found, trained, strict=True)]
    assert max(loads) - min(loads) <= 6  # frozen and finetune at two fractions and their pre-training: the largest part
    assert shares[0] == shard_specs(specs, 1, count)


def test_results_are_listed_once(tiny_run: Outcome) -> None:
    results = results_of([tiny_run, tiny_run])
    assert len(results) == len(tiny_run.cells)
