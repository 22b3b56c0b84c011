"""What commands say while they work: a first line before heavy imports, progress, how far an interrupted one came."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from helpers.running import cell_job, plan_cells
from rich.console import Console

from rae_bench.cli import main, status
from rae_bench.cli import progress as progress_module
from rae_bench.cli.progress import RunProgress
from rae_bench.cli.status import begin, finished_words, interruption, status_line, truthful
from rae_bench.cli.sweep_progress import SweepProgress
from rae_bench.data.formats.bvh_write import write_bvh
from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.harness.events import Answered, Begun, Planned
from rae_bench.harness.jobs import AnyJob, CellJob, Done, Failed, Progress
from rae_bench.harness.plan import jobs_of
from rae_bench.rigs.file import load_rig

Call = Callable[[list[str]], tuple[int, str, str]]
HEAVY = ("torch", "pandas", "pytorch_lightning", "matplotlib", "scipy", "rich", "ray", "sklearn")
WATCHED = f"""
import sys, time
begun = time.perf_counter()
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in {HEAVY!r}:
            print("HEAVY", name, file=sys.stderr)
sys.meta_path.insert(0, Watch())
from rae_bench.cli import main
main(sys.argv[1:])
"""
"""Runs a command, and says on stderr when it imports what is heavy."""
COMMANDS = {
    "run": (["run", "--model", "fe", "--task", "biped2quad", "--dry-run"], "fe on biped2quad: loading"),
    "sweep": (["sweep", "--model", "fe,mann", "--task", "biped2quad", "--dry-run"], "2 models on biped2quad: loading"),
    "tune": (["tune", "--model", "hold", "--task", "biped2quad"], "tune hold on biped2quad: loading"),
    "verify": (["verify", "nowhere/mine"], "verify mine: loading"),
    "rescore": (["rescore", "nowhere/mine"], "rescore mine: loading"),
    "generate": (["generate", "kept", "--objectives", "x", "--history", "rest", "-o", "a.bvh"], "generate with kept"),
    "study": (["study", "thesis", "--models", "nosuch"], "study thesis: loading"),
    "check model": (["check", "model", "hold"], "check model hold: loading"),
    "check task": (["check", "task", "nosuch", "--budgets"], "check task nosuch: loading"),
    "check metrics": (["check", "metrics", "--task", "nosuch"], "check metrics on nosuch: loading"),
}


@pytest.mark.parametrize(("arguments", "line"), COMMANDS.values(), ids=COMMANDS.keys())
def test_the_first_line_comes_before_heavy_imports(arguments: list[str], line: str, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WATCHED, *arguments], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        cwd=tmp_path,
    )  # fmt: skip
    begun = time.perf_counter()
    assert process.stderr is not None
    first = process.stderr.readline()
    print(f"{arguments[0]}: {time.perf_counter() - begun:.2f} s")  # shown with -s; not asserted, machines differ
    assert first.startswith(line)
    process.kill()
    process.wait()
    process.stderr.close()


class FakePool:
    """A pool that only has a size."""

    slots = 2


def finish(progress: RunProgress | SweepProgress, jobs: list[AnyJob], count: int) -> None:
    """Tell an observer that so many cells ended well, and that another one failed."""
    cells = [job for job in jobs if isinstance(job, CellJob)]
    for number, job in enumerate(cells[: count + 1]):
        progress.observe(Begun(job, 0))
        progress.observe(Answered(job, 0, Progress("cold", 5, 10, None)))
        progress.observe(Answered(job, 0, Done() if number < count else Failed("no")))


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("observer", ["run", "sweep"])
def test_an_interruption_tells_how_many_cells_are_finished(
    observer: str, count: int, tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    plan = plan_cells("fe", str(tiny_task), out=tmp_path)
    jobs = list(jobs_of(plan))

    def interrupted(*_: object) -> None:
        console = Console(stderr=True)
        with RunProgress(console, "fe on tiny") if observer == "run" else SweepProgress(console) as progress:
            progress.observe(Planned([plan], jobs, {}, FakePool()))  # type: ignore[arg-type]
            finish(progress, jobs, count)
            raise KeyboardInterrupt

    monkeypatch.setattr(click.Group, "invoke", interrupted)
    with pytest.raises(SystemExit) as ended:
        main(["list"])
    assert ended.value.code == 130
    told = {
        0: "0 of 8 cells finished",
        1: "1 of 8 cells finished, which is kept; the same command does the rest",
        3: "3 of 8 cells finished, which are kept; the same command does the rest",
    }[count]
    title = "fe on tiny: " if observer == "run" else ""
    assert capsys.readouterr().err.splitlines()[-1] == f"rae-bench: interrupted: {title}{told}"


def test_nothing_is_said_of_cells_where_there_are_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(click.Group, "invoke", interrupted)
    with pytest.raises(SystemExit):
        main(["list"])
    assert capsys.readouterr().err.splitlines()[-1] == "rae-bench: interrupted"
    with pytest.raises(KeyboardInterrupt, match="no trial had begun"), truthful(lambda: "no trial had begun"):
        interrupted()
    assert finished_words(0, 8, "trials") == "0 of 8 trials finished"


def test_an_interruption_is_found_behind_what_came_after() -> None:
    wanted = KeyboardInterrupt("so far")
    later = RuntimeError("closed")
    later.__context__ = wanted
    assert interruption(later) is wanted
    assert interruption(RuntimeError()) is None
    assert interruption(None) is None


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_lines_of_a_run_fit_and_count_updates(width: int, tiny_task: Path, tmp_path: Path) -> None:
    console = Console(width=width, record=True, force_terminal=True, file=(tmp_path / "out").open("w"))
    plan = plan_cells("fe", str(tiny_task), out=tmp_path)
    jobs = list(jobs_of(plan))
    progress = RunProgress(console, "fe on tiny")
    progress.observe(Planned([plan], jobs, {}, FakePool()))  # type: ignore[arg-type]
    long = cell_job("j", model="a-model-whose-name-is-rather-long")
    for job in (*jobs[:3], long):
        progress.observe(Begun(job, 0))
    assert "starting the worker" in shown(progress, console)
    progress.observe(Answered(jobs[0], 0, Progress("pretrain", 1_234, 12_345, 0.1)))
    text = shown(progress, console)
    assert "pretrain 1,234/12,345" in text
    assert "0/8 cells" in text
    assert max(map(len, text.splitlines())) <= width
    for job in (*jobs[:3], long):
        progress.observe(Answered(job, 0, Done()))
    assert "pretrain" not in shown(progress, console)  # a worker without a job has no line
    with SweepProgress(console) as sweep:
        sweep.observe(Planned([plan], jobs, {}, FakePool()))  # type: ignore[arg-type]
        finish(sweep, jobs, 3)
    console.export_text()
    console.print(sweep.table())
    text = console.export_text()
    assert f"/{sum(job.updates for job in jobs)} updates" in text
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("observer", ["run", "sweep"])
def test_a_log_does_not_fall_silent(
    observer: str, tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: clock[0])
    plan = plan_cells("fe", str(tiny_task), out=tmp_path)
    jobs = list(jobs_of(plan))
    log = io.StringIO()
    console = Console(file=log)
    progress = RunProgress(console, "fe on tiny") if observer == "run" else SweepProgress(console)
    progress.observe(Planned([plan], jobs, {}, FakePool()))  # type: ignore[arg-type]
    job = next(job for job in jobs if isinstance(job, CellJob) and job.updates)
    progress.observe(Begun(job, 0))
    before = log.getvalue()
    for second in range(61):
        clock[0] = float(second)
        progress.observe(Answered(job, 0, Progress("adapt", second, 100, None)))
    lines = log.getvalue().removeprefix(before).splitlines()
    assert [line[:18] for line in lines] == ["at      0/8 cells,", "at      0/8 cells,"]
    assert observer == "sweep" or [line.rpartition(" ")[2] for line in lines] == ["30/100", "60/100"]


def shown(progress: RunProgress, console: Console) -> str:
    """What a run's lines look like now."""
    console.export_text()
    console.print(progress.live.get_renderable())
    return console.export_text()


def test_a_status_is_told_now_and_then_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr(status.time, "monotonic", lambda: clock[0])
    begin("verify mine")
    with status_line() as say:
        for second in range(25):
            clock[0] = float(second)
            say(f"cell {second}")
    assert capsys.readouterr().err.splitlines() == ["verify mine: loading", "cell 10", "cell 20"]


def test_results_are_printed_while_the_line_is_away() -> None:
    """Else a result would stand behind the words of the line."""
    done: list[str] = []

    class Line:
        def stop(self) -> None:
            done.append("away")

        def start(self) -> None:
            done.append("back")

    with status.StatusLine(Line()).paused():  # type: ignore[arg-type]
        done.append("result")
    assert done == ["away", "result", "back"]


def test_an_import_tells_which_file_it_reads(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    motion = generate_locomotion(load_rig("r4"), clips=6, seconds=3.0, fps=30).motion
    for clip in range(6):
        write_bvh(tmp_path / f"clip{clip}.bvh", motion, clip)
    monkeypatch.setattr(status, "EVERY", 0.0)
    code, _, err = call(["data", "import", str(tmp_path), "--name", "told"])
    assert code == 0
    lines = err.splitlines()
    assert lines[:6] == [f"reading {n + 1} of 6: clip{n}.bvh" for n in range(6)]
    assert lines[-1] == "writing the domain"


def test_check_model_tells_each_check_as_it_ends(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from rae_bench.testing import CHECKS

    monkeypatch.setattr(status, "EVERY", 0.0)
    code, out, err = call(["check", "model", "hold"])
    assert code == 0
    assert len(out.splitlines()) == len(CHECKS)
    first, *told = err.splitlines()
    assert first == "check model hold: loading"
    assert [line.split(":")[0] for line in told] == [f"check {n} of {len(CHECKS)}" for n in range(1, len(CHECKS) + 1)]
