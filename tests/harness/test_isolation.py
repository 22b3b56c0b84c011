"""Model processes: what a plug-in can find there, how long one lives, and what crosses its border."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.places import TESTS
from helpers.plugins import HOLDS, write_plugins
from helpers.running import plan_cells, run_cells
from helpers.seeker import rows_of

from rae_bench.errors import UserError
from rae_bench.harness.isolation import messages as m
from rae_bench.harness.isolation.arrays import read, read_trajectory, write, write_trajectory
from rae_bench.harness.isolation.models import Models, isolated
from rae_bench.harness.isolation.process import ModelFailed, environment
from rae_bench.harness.jobs import PretrainJob
from rae_bench.harness.machine import core_seconds_of
from rae_bench.harness.plan import jobs_of
from rae_bench.harness.run import Outcome
from rae_bench.model.api import Trajectory
from rae_bench.model.registry import resolve_model
from rae_bench.task.cells import fold_of
from rae_bench.task.named import load_task
from rae_bench.task.sides import Side, load_sides

SEEKER = f"{TESTS / 'helpers' / 'seeker.py'}:Seeker"
METHODS = {"__init__", "pretrain", "adapt", "generate", "save", "load"}

MODELS = HOLDS + '''
class Base(Holds):
    def save(self, folder):
        pass

    def load(self, folder):
        assert folder.is_dir()


class KilledOnce(Base):
    def adapt(self, target, ctx):
        with open(self.log, "a") as file:
            file.write("x")
        if Path(self.log).stat().st_size == 1:
            os.kill(os.getpid(), signal.SIGKILL)


class Sleeper(Base):
    def adapt(self, target, ctx):
        Path(self.log + ".part").write_text(f"{os.getpid()} {os.getppid()} {Path.home().parent}")
        os.rename(self.log + ".part", self.log)
        time.sleep(120)


class Talks(Base):
    def adapt(self, target, ctx):
        print("a word on stdout", flush=True)
        os.write(1, b"another one\\n")
        assert sys.stdin.read() == ""


class Busy(Base):
    """Computes for some tenths of a second, and lies about it."""

    def adapt(self, target, ctx):
        until = time.process_time() + 0.3
        while time.process_time() < until:
            pass
        time.process_time = time.perf_counter = lambda: 0.0
        ctx.declare(updates=1, frames=2, parameters=3, trained=3)


class Edits(Base):
    """Makes its own file useless."""

    def adapt(self, target, ctx):
        Path(self.log).write_text("raise ValueError('another file')")


class Forges(Base):
    """Gives Python objects for numbers."""

    def generate(self, prompt, ctx):
        made = super().generate(prompt, ctx)
        return Trajectory(made.root_positions.astype(object), made.rotations)
'''


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plugins(tmp_path_factory, MODELS)


@pytest.fixture(scope="module")
def sides(tiny_task: Path) -> tuple[tuple[Side, ...], Side]:
    return load_sides(load_task(tiny_task))


@pytest.fixture(scope="module")
def needles(sides: tuple[tuple[Side, ...], Side], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hashes of the true root positions after the history, all but those that are objectives: they are told."""
    _, target = sides
    exam = target.held_out_clips(target.split(0).test)
    told = rows_of(exam.prompt.objectives.positions)
    train = target.corpus.motion[target.split(0).train]
    wanted = np.setdiff1d(rows_of(exam.truth.root_positions), np.concatenate([told, rows_of(train.root_positions)]))
    assert len(wanted) > 200
    path = tmp_path_factory.mktemp("needles") / "needles.npy"
    np.save(path, wanted)
    return path


@pytest.fixture(scope="module")
def sought(
    needles: Path, tiny_task: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Outcome, list[dict[str, Any]]]:
    """What the seeker finds in cells of the seeds 0, 1 and 5, of which 0 and 5 are of one fold."""
    folder = tmp_path_factory.mktemp("sought")
    log = folder / "log"
    outcome = run_cells(
        SEEKER, str(tiny_task), out=folder / "out", regimes=["frozen"], seeds=[0, 1, 5], controls=False, workers=1,
        options={"needles": str(needles), "log": str(log)},
    )  # fmt: skip
    assert not outcome.failed
    return outcome, notes_of(log)


def notes_of(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def test_a_model_finds_no_test_frame_in_any_of_its_methods(sought: tuple[Outcome, list[dict[str, Any]]]) -> None:
    notes = sought[1]
    assert {note["call"] for note in notes} == METHODS
    for note in notes:
        assert (note["objects"], note["files"]) == (0, 0), note["call"]
        assert not note["memory"], note["call"]


def test_the_same_search_finds_them_in_a_process_that_holds_them(
    needles: Path, tiny_task: Path, tmp_path: Path
) -> None:
    """What version 1 did: the model ran in the process that had loaded the sides."""
    program = f"""
import sys
from dataclasses import replace
from pathlib import Path
import numpy as np
sys.path.insert(0, {str(TESTS)!r})
from helpers.seeker import Search
from rae_bench.task.sides import load_sides
from rae_bench.task.named import load_task
_, target = load_sides(load_task({str(tiny_task)!r}))
search = Search(np.load({str(needles)!r}))
np.savez("file.npz", a=target.corpus.motion.root_positions)
print(search.in_objects(), search.in_memory(), search.in_files(Path.cwd()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True)
    objects, memory, files = done.stdout.split()
    wanted = len(np.load(needles))
    assert int(objects) >= wanted
    assert int(files) == wanted
    assert memory == "None" or int(memory) >= wanted


def test_a_model_is_told_of_no_place_of_ours(
    sought: tuple[Outcome, list[dict[str, Any]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    outcome, notes = sought
    results = outcome.cells[0].path.parents[2].resolve()
    for note in notes:
        assert "RAE_BENCH_DATA" not in note["environment"]
        assert not [word for word in note["environment"] if str(results) in word or str(Path.home()) == word]
        assert not [place for place in note["places"] if str(results).startswith(place)], note["places"]
        assert str(results) not in note.get("folder", "")
    assert [note["files_there"] for note in notes if note["call"] == "load"] == [["state.json"]] * 3


def test_generate_is_told_regime_and_seed_alone(sought: tuple[Outcome, list[dict[str, Any]]]) -> None:
    assert {note["context"] for note in sought[1] if note["call"] == "generate"} == {True}


def test_what_the_documentation_says_stays_possible_does(
    needles: Path, tiny_task: Path, tmp_path: Path
) -> None:
    """Built-in motion can be made again, and where the system lets a process read its parent, it holds the truth.

    It has a run of its own: memory that held what was made again may not be overwritten when the next search comes.
    """
    outcome = run_cells(
        SEEKER, str(tiny_task), out=tmp_path / "out", regimes=["cold"], controls=False, workers=1,
        options={"needles": str(needles), "log": str(tmp_path / "log"), "far": True},
    )  # fmt: skip
    assert not outcome.failed
    (far,) = [note for note in notes_of(tmp_path / "log") if note["call"] == "far"]
    assert far["generated"] == len(np.load(needles))
    assert far["parent"] is None or far["parent"] > 0


def test_folds_of_a_plug_in_do_not_share_a_process(sought: tuple[Outcome, list[dict[str, Any]]]) -> None:
    by_seed: dict[int, set[int]] = {}
    for note in sought[1]:
        if "seed" in note:
            by_seed.setdefault(note["seed"], set()).add(note["pid"])
    assert set(by_seed) == {0, 1, 5}
    assert all(len(pids) == 1 for pids in by_seed.values())
    assert by_seed[0] == by_seed[5]
    assert by_seed[0] != by_seed[1]
    assert fold_of(0) == fold_of(5) != fold_of(1)
    # No code of a plug-in runs in the process that plans, or in one that it has for a parent.
    assert os.getpid() not in {note["pid"] for note in sought[1]}


def test_a_model_process_leaves_nothing(sought: tuple[Outcome, list[dict[str, Any]]]) -> None:
    homes = {place for note in sought[1] for place in note["places"]}
    assert homes
    assert not [place for place in homes if Path(place).exists()]


def test_jobs_of_a_plug_in_come_fold_by_fold(plugin: Path, tiny_task: Path, tmp_path: Path) -> None:
    def folds(model: str) -> list[int]:
        plan = plan_cells(model, str(tiny_task), out=tmp_path, seeds=7, regimes=["cold", "frozen"], controls=False)
        seeds = [job.seed if isinstance(job, PretrainJob) else job.cell.seed for job in jobs_of(plan)]
        assert sorted({fold_of(seed) for seed in seeds}) == [0, 1, 2, 3, 4]
        return [fold_of(seed) for seed in seeds]

    assert folds(f"{plugin}:Base") == sorted(folds(f"{plugin}:Base"))
    assert folds("fe") != sorted(folds("fe"))


def test_models_of_the_package_share_a_process_and_plug_ins_do_by_their_company(plugin: Path) -> None:
    spec = f"{plugin}:Base"
    with Models() as models:
        ours = [models.make(name, {}, company=n).process.pid for n, name in enumerate(("hold", "nearest", "hold"))]
        assert len(set(ours)) == 1
        theirs = [models.make(spec, {}, company=company).process.pid for company in (0, 0, 1, 0)]
        assert theirs[0] == theirs[1]
        assert len({*theirs, *ours}) == 4
        assert models.make("hold", {}, company=9).process.pid == ours[0]
        assert models.make("hold", {}, company=9, threads=2).process.pid != ours[0]
    assert not any(_runs(pid) for pid in (*ours, *theirs))


def test_a_killed_model_process_costs_its_cell_or_is_begun_again(
    plugin: Path, tiny_task: Path, tmp_path: Path
) -> None:
    from rae_bench.harness.sweep import make_specs, sweep_specs

    spec = f"{plugin}:KilledOnce"
    asked: dict[str, Any] = {"regimes": ["cold"], "controls": False, "seeds": 1, "fractions": [0.05]}
    one, two = ({"out": tmp_path / name, "options": {"log": str(tmp_path / name[0])}} for name in ("a-run", "b-sweep"))
    (failed,) = run_cells(spec, str(tiny_task), workers=1, **one, **asked).results
    assert failed["reason"] == "the model process was killed by signal 9 (out of memory?)"
    specs = make_specs([spec], [str(tiny_task)], **two, **asked)
    (outcome,) = sweep_specs(specs, workers=1)
    assert [result["status"] for result in outcome.results] == ["ok"]
    assert (tmp_path / "b").read_text(encoding="utf-8") == "xx"


@pytest.mark.parametrize("victim", ["driver", "run"])
def test_a_model_process_dies_with_its_driver_and_leaves_nothing(
    victim: str, plugin: Path, tiny_task: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    program = "from rae_bench.cli import main; main()"
    words = [
        "run", "--model", f"{plugin}:Sleeper", "--task", str(tiny_task), "--out", str(tmp_path / "out"),
        "--regimes", "cold", "--workers", "1", "--set", f"log={log}",
    ]  # fmt: skip
    run = subprocess.Popen(
        [sys.executable, "-P", "-c", program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _wait_for(log.exists)
    process, driver, scratch = log.read_text(encoding="utf-8").split()
    assert Path(scratch, "files").is_dir()
    assert int(driver) != run.pid
    os.kill(int(driver) if victim == "driver" else run.pid, signal.SIGKILL)
    _wait_for(lambda: not _runs(int(process)))
    _wait_for(lambda: not Path(scratch).exists())
    run.kill()
    run.wait()


def test_what_a_model_prints_goes_to_stderr(
    plugin: Path, tiny_task: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = run_cells(
        f"{plugin}:Talks", str(tiny_task), out=tmp_path, regimes=["cold"], controls=False, workers=1
    )
    assert not outcome.failed
    out, err = capfd.readouterr()
    assert out == ""
    assert "a word on stdout" in err
    assert "another one" in err


@pytest.mark.skipif(core_seconds_of(os.getpid()) is None, reason="the system lets nobody look at another's CPU time")
def test_a_model_cannot_report_less_than_it_computed(plugin: Path, tiny_task: Path, tmp_path: Path) -> None:
    outcome = run_cells(f"{plugin}:Busy", str(tiny_task), out=tmp_path, regimes=["cold"], controls=False, workers=1)
    (cost,) = [result["cost"] for result in outcome.results]
    assert cost["core_seconds"] >= 0.29
    assert cost["total_core_seconds"] > cost["core_seconds"]
    assert cost["ms_per_frame"] > 0
    assert (cost["budget_status"], cost["updates"], cost["trained"]) == ("declared", 1, 3)


def test_later_folds_run_the_code_that_the_run_began_with(tiny_task: Path, tmp_path: Path) -> None:
    path = tmp_path / "models.py"
    path.write_text(MODELS, encoding="utf-8")
    outcome = run_cells(
        f"{path}:Edits", str(tiny_task), out=tmp_path / "out", regimes=["cold"], seeds=2, controls=False, workers=1,
        options={"log": str(path)},
    )  # fmt: skip
    assert path.read_text(encoding="utf-8").startswith("raise")
    assert [result["status"] for result in outcome.results] == ["ok", "ok"]


def test_objects_in_a_trajectory_fail_the_cell(plugin: Path, tiny_task: Path, tmp_path: Path) -> None:
    outcome = run_cells(f"{plugin}:Forges", str(tiny_task), out=tmp_path, regimes=["cold"], controls=False, workers=1)
    (result,) = outcome.results
    assert result["status"] == "failed"
    assert result["reason"].startswith("TypeError")


def test_a_model_that_saves_nothing_loads_an_empty_folder(plugin: Path, tiny_task: Path, tmp_path: Path) -> None:
    outcome = run_cells(f"{plugin}:Base", str(tiny_task), out=tmp_path, regimes=["frozen"], controls=False, workers=1)
    assert [result["status"] for result in outcome.results] == ["ok"]
    assert [path.name for path in tmp_path.rglob("pretrained-s0/*")] == ["pretrained.json"]


def test_what_a_plug_in_says_of_itself_is_asked_in_a_process_of_its_own(plugin: Path) -> None:
    ref = isolated(resolve_model(f"{plugin}:Base"), {"log": "a"})
    assert ref.capabilities == {"frozen", "finetune", "cold-long", "retarget"}
    assert ref.resolved({"log": "b"}) == {"log": "b"}
    assert ref.resolved({}) == {"log": ""}
    assert not [name for name in sys.modules if "rae_bench_plugin" in name and name.endswith(".models")]
    with pytest.raises(UserError, match="unexpected keyword argument 'lag'; see --set"):
        isolated(ref, {"lag": 1})
    with pytest.raises(UserError, match="option log is a object"):
        isolated(ref, {"log": object()})


def test_a_killed_or_babbling_process_is_told_and_another_one_is_made(plugin: Path) -> None:
    with Models() as models:
        model = models.make("hold", {}, company=None)
        os.kill(model.process.pid, signal.SIGKILL)
        with pytest.raises(ModelFailed, match="the model process was killed by signal 9") as failed:
            model.process.ask(m.Describe())
        assert failed.value.died
        assert models.make("hold", {}, company=None).process.pid != model.process.pid


def test_the_environment_hides_where_ours_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (
        *("RAE_BENCH_DATA", "RAE_BENCH_HOME", "XDG_CACHE_HOME", "HOME", "PWD", "OLDPWD", "RAY_AUTH_TOKEN"),
        *("TORCH_HOME", "HF_HOME"),
    ):
        monkeypatch.setenv(name, "/secret")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["src", "/lib"]))
    monkeypatch.setenv("MY_WEIGHTS", "/mine")
    made = environment(Path("/h"), Path("/t"), 3)
    assert "/secret" not in made.values()
    assert made["HOME"] == "/h"
    assert made["RAE_BENCH_HOME"].startswith(made["XDG_CACHE_HOME"])
    assert made["OMP_NUM_THREADS"] == "3"
    assert made["MY_WEIGHTS"] == "/mine"
    assert made["PYTHONPATH"] == os.pathsep.join([str(tmp_path / "src"), "/lib"])


def test_domains_and_prompts_cross_bit_by_bit(sides: tuple[tuple[Side, ...], Side], tmp_path: Path) -> None:
    _, target = sides
    for name, value in (
        ("domain", target.domain(target.fraction(0, 0.3))),
        ("empty", target.domain(target.fraction(0, 0))),
        ("path", Side(target.corpus, replace(target.protocol, track="control")).domain(target.fraction(0, 0.3))),
        ("prompt", target.held_out_clips(target.split(0).test).prompt),
    ):
        write(tmp_path / name, value)
        got = read(tmp_path / name)
        assert type(got) is type(value)
        _assert_same(got, value)
        motion = got.motion if hasattr(got, "motion") else got.history
        assert got.rig is motion.rig  # one object there as here
        motion.rotations[...] = 0  # a model may write into what it is given


def _assert_same(got: Any, value: Any) -> None:
    from dataclasses import fields, is_dataclass

    if isinstance(value, np.ndarray):
        assert (got.dtype, got.shape) == (value.dtype, value.shape)
        assert got.tobytes() == value.tobytes()
    elif is_dataclass(value):
        for field in fields(value):
            _assert_same(getattr(got, field.name), getattr(value, field.name))
    else:
        assert got == value
        assert type(got) is type(value) or isinstance(value, dict)


def test_nothing_else_crosses(tmp_path: Path, sides: tuple[tuple[Side, ...], Side]) -> None:
    with pytest.raises(TypeError, match="a Side may not cross"):
        write(tmp_path / "side", sides[1])


def test_trajectories_keep_their_precision_and_others_are_refused(tmp_path: Path) -> None:
    roots, rotations = np.random.default_rng(0).normal(size=(1, 2, 3, 3)), np.ones((1, 2, 3, 4, 4), np.float32)
    write_trajectory(tmp_path / "a", Trajectory(roots, rotations))
    got = read_trajectory(tmp_path / "a")
    assert got.root_positions.dtype == np.float64
    assert got.root_positions.tobytes() == roots.tobytes()
    with pytest.raises(ValueError, match="Python objects"):
        write_trajectory(tmp_path / "e", Trajectory(roots.astype(object), rotations))
    np.savez(tmp_path / "b.npz", root_positions=np.array(["a"]), rotations=rotations)
    np.savez(tmp_path / "c.npz", rotations=rotations)
    (tmp_path / "d.npz").write_bytes(b"no archive")
    for name, reason in (("b", "no array of numbers"), ("c", "no array of numbers"), ("d", "not a readable npz file")):
        with pytest.raises(UserError, match=reason):
            read_trajectory(tmp_path / f"{name}.npz")


def test_a_driver_imports_no_torch() -> None:
    program = "import sys, rae_bench.harness.worker, rae_bench.harness.cell; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def _wait_for(ready: Callable[[], Any], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    from rae_bench import storage

    return storage.alive(pid)
