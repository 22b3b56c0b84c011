"""Running what a spec asks for, or what is missing of it, on workers of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rae_bench.harness.cell import result_head
from rae_bench.harness.events import Answered, DataWanted, Event, Observer, Planned, ignore, work_off
from rae_bench.harness.groups import grouped
from rae_bench.harness.jobs import AnyJob, Failed, WorkerPool
from rae_bench.harness.plan import Plan, PlannedCell, jobs_of_all, make_plan
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

    Args:
        limits: `affordable` of `work_off`.
    """
    cells = {str(p.path): (p, plan.task) for plan in plans for p in plan.cells}

    def watch(event: Event) -> None:
        if isinstance(event, Answered) and isinstance(event.answer, Failed) and event.job.name in cells:
            planned, task = cells[event.job.name]
            head = result_head(planned.cell, task, dict(planned.identity), "failed", event.answer.reason)
            write_json(planned.path, head)
        observe(event)

    try:
        return work_off(groups, pool, watch, **limits)
    finally:
        for folder in {p.path.parent for plan in plans for p in plan.cells}:
            remove_leftovers(folder)
