"""Running what a spec asks for, or what is missing of it, on workers of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rae_bench.harness.cell import result_head
from rae_bench.harness.claims import Claims, remove_claims
from rae_bench.harness.events import Answered, DataWanted, Event, Observer, Planned, ignore, work_off
from rae_bench.harness.groups import grouped
from rae_bench.harness.jobs import AnyJob, Done, Failed, PretrainJob, WorkerPool
from rae_bench.harness.plan import Plan, PlannedCell, is_done, jobs_of_all, make_plan, pretrained_is_current
from rae_bench.harness.pool import Pool, core_count
from rae_bench.harness.spec import RunSpec
from rae_bench.results.files import read_result, write_json
from rae_bench.storage import remove_leftovers
from rae_bench.task.sides import Side
from rae_bench.task.task import Task


@dataclass(frozen=True)
class Outcome:
    """What a run left: its plan, and {name of a job: reason} of the jobs that failed."""

    plan: Plan
    failed: Mapping[str, str]

    @property
    def task(self) -> Task:
        """The task of all cells."""
        return self.plan.task

    @property
    def target(self) -> Side:
        """The target of the task."""
        return self.plan.target

    @property
    def cells(self) -> tuple[PlannedCell, ...]:
        """Every planned cell, in the order of the plan."""
        return self.plan.cells

    @property
    def results(self) -> list[dict[str, Any]]:
        """Cell results that are on disk."""
        return [result for _, result in self.found()]

    def found(self) -> Iterator[tuple[PlannedCell, dict[str, Any]]]:
        """The cells whose results are on disk, and these."""
        return ((p, r) for p in self.cells if (r := read_result(p.path)) is not None)


def run_workers() -> int:
    """Two single-thread workers where two cores are there."""
    return min(core_count(), 2)


def run_spec(spec: RunSpec, *, workers: int | None = None, observe: Observer = ignore) -> Outcome:
    """Run what a spec asks for, or what is missing of it.

    Args:
        workers: worker processes, one thread each; `run_workers` unless told otherwise.
        observe: is called with events (`rae_bench.harness.events`) as work goes on.
    """
    observe(DataWanted((spec.task.name,)))
    plan = make_plan(spec)
    jobs = jobs_of_all([plan])
    with Pool(workers or run_workers()) as pool:
        observe(Planned([plan], jobs, {}, pool))
        failed = work(grouped(jobs, pool.slots), [plan], pool, observe)
    return Outcome(plan, failed)


def work(
    groups: Sequence[Sequence[AnyJob]], plans: Sequence[Plan], pool: WorkerPool, observe: Observer, **limits: Any
) -> dict[str, str]:
    """Work the jobs of plans off; write down which cells fail, as soon as they do; leave no half-written file.

    What another run on the same folder is doing is not done twice: this one waits for it (`rae_bench.harness.claims`).

    Args:
        limits: `affordable` of `work_off`.
    """
    cells = {str(p.path): (p, plan) for plan in plans for p in plan.cells}
    folders = {p.path.parent for p, _ in cells.values()}
    before = {name: _written(name) for name in cells}

    def done(job: AnyJob) -> bool:
        """Whether another run has done a job since it was planned."""
        if isinstance(job, PretrainJob):
            return pretrained_is_current(Path(job.folder), job.identity)
        planned, plan = cells[job.name]
        return _written(job.name) != before[job.name] and is_done(planned, plan)

    with Claims() as claims:

        def claim(job: AnyJob) -> Literal["ours", "done", "elsewhere"]:
            if not claims.take(job):
                return "elsewhere"
            if not done(job):
                return "ours"
            claims.give_up(job.name)
            return "done"

        def watch(event: Event) -> None:
            if isinstance(event, Answered) and isinstance(event.answer, Failed) and event.job.name in cells:
                planned, plan = cells[event.job.name]
                head = result_head(planned.cell, plan.task, dict(planned.identity), "failed", event.answer.reason)
                with suppress(OSError):  # a full disk: the caller is told of the failure, and the others go on
                    write_json(planned.path, head)
            if isinstance(event, Answered) and isinstance(event.answer, (Done, Failed)):
                claims.give_up(event.job.name)
            observe(event)

        try:
            return work_off(groups, pool, watch, claim=claim, **limits)
        finally:
            for folder in folders:
                remove_leftovers(folder)
            remove_claims(folders)


def _written(name: str) -> tuple[int, int] | None:
    """What tells a file from another one that was put in its place."""
    try:
        facts = Path(name).stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns
