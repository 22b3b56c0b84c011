"""How far a run from Python is: told on stderr and in a notebook, and not at all where nobody wants to know."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.running import cell_job, plan_cells

import rae_bench as rb
from rae_bench.harness.events import Answered, Begun, DataWanted, Planned, PutBack
from rae_bench.harness.jobs import AnyJob, CellJob, Done, Failed, Progress
from rae_bench.harness.plan import Plan, jobs_of
from rae_bench.harness.tally import OVERHEAD, Tally
from rae_bench.notebook import progress as shown
from rae_bench.notebook.progress import NotebookProgress


class FakePool:
    slots = 2


@pytest.fixture
def plan(tiny_task: Path, tmp_path: Path) -> Plan:
    return plan_cells("fe", str(tiny_task), out=tmp_path)


@pytest.fixture
def jobs(plan: Plan) -> list[AnyJob]:
    return list(jobs_of(plan))


def test_a_tally_counts_each_update_once(plan: Plan, jobs: list[AnyJob]) -> None:
    tally = Tally()
    tally.observe(Planned([plan], jobs, {}, FakePool()))  # type: ignore[arg-type]
    assert (tally.cells, tally.finished, tally.made) == (8, 0, 0)
    assert tally.updates == sum(job.updates + OVERHEAD for job in jobs)
    first, second = [job for job in jobs if isinstance(job, CellJob) and job.updates][:2]
    for job in (first, second):
        tally.observe(Begun(job, 0))
    tally.observe(Answered(first, 0, Progress("adapt", 4, 10, None)))
    assert tally.made == 8  # both are trained together
    tally.observe(Answered(first, 0, Progress("critic", 1, 10, None)))  # counts from 0 again
    assert tally.made == 8
    tally.observe(Answered(first, 0, Done()))
    assert (tally.finished, tally.made) == (1, first.updates + OVERHEAD + 4)
    tally.observe(PutBack(second, 0))
    tally.observe(Begun(second, 1))
    tally.observe(Answered(second, 1, Failed("no")))
    assert (tally.finished, tally.made) == (1, first.updates + second.updates + 2 * OVERHEAD)
    assert not any(tally.running.values())


def test_a_notebook_is_told_how_far_it_is(plan: Plan, jobs: list[AnyJob], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(shown.time, "monotonic", lambda: clock[0])
    line = NotebookProgress("fe on tiny")
    assert repr(line) == "fe on tiny: loading; 1 s"
    line.observe(DataWanted(("tiny",)))
    assert repr(line) == "fe on tiny: making or finding the data; 1 s"
    line.observe(Planned([plan], jobs, {}, FakePool()))  # type: ignore[arg-type]
    assert repr(line) == "fe on tiny: 0 of 8 cells finished, starting the workers; 1 s"
    clock[0] = 10.0
    for number, job in enumerate(jobs):
        line.observe(Begun(job, 0))
        line.observe(Answered(job, 0, Progress("adapt", 5, 10, None)))
        if number == 4:
            assert ", adapt 5/10; 10 s, about " in repr(line)
            assert "<progress value=" in line._repr_html_()
        line.observe(Answered(job, 0, Done() if number else Failed("no <data>")))
    line.__exit__(None)
    cells = sum(isinstance(job, CellJob) for job in jobs[1:])
    assert repr(line) == f"fe on tiny: {cells} of 8 cells finished, 1 failed; 10 s"
    assert "<progress" not in line._repr_html_()
    assert "no &lt;data&gt;" in line._repr_html_()


def test_a_notebook_is_told_of_an_interruption() -> None:
    line = NotebookProgress("fe on tiny")
    line.observe(Answered(cell_job("j"), 0, Progress("adapt", 5, 10, None)))
    line.__exit__(KeyboardInterrupt)
    assert repr(line).startswith("fe on tiny: interrupted; ")


def test_a_run_tells_its_progress_and_can_be_quiet(
    tiny_task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"regimes": "cold", "fractions": 0.05, "controls": False, "workers": 1, "out": tmp_path}
    seen: list[str] = []
    rb.run("hold", tiny_task, observe=lambda event: seen.append(type(event).__name__), **asked)
    told = capsys.readouterr().err.splitlines()
    assert "hold on tiny: 1 cell, 0 done before; starting 1 worker" in told
    assert told[-1] == "done    hold cold 5 % seed 0"
    assert seen[:2] == ["DataWanted", "Planned"]
    rb.run("hold", tiny_task, progress=False, **asked)
    rb.sweep("hold", tiny_task, progress=False, seeds=1, **asked)
    assert capsys.readouterr().err == ""
    rb.sweep(["hold", "hold"], tiny_task, seeds=1, **asked)
    assert "2 models on tiny: 1 cell, 1 done before" in capsys.readouterr().err
