"""Running what a spec asks for, or what is missing of it, on workers of this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rae_bench.harness.cell import result_head
from rae_bench.harness.events import Answered, DataWanted, Event, Observer, Planned, ignore, work_off
from rae_bench.harness.groups import grouped
from rae_bench.harness.jobs import AnyJob, Failed, WorkerPool
from rae_bench.harness.plan import Plan, PlannedCell, jobs_of_all, make_plan
from rae_bench.harness.pool import Pool, core_count
from rae_bench.harness.spec import Fractions, RunSpec, Seeds, make_spec
from rae_bench.results.files import read_result, write_json
from rae_bench.storage import remove_leftovers
from rae_bench.task.sides import Side
from rae_bench.task.task import QUICK_BUDGET, Task


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


def run(
    model: str,
    task: str | Path | Task | None = None,
    *,
    source: str | None = None,
    target: str | None = None,
    regimes: str | Sequence[str] | None = None,
    fractions: Fractions | None = None,
    budget: str = QUICK_BUDGET,
    seeds: Seeds = 1,
    out: str | Path = "results",
    options: Mapping[str, Any] | None = None,
    preset: str | Path | None = None,
    data_root: str | Path | None = None,
    controls: bool = True,
    force: bool = False,
    keep: bool = False,
    accelerator: str = "cpu",
    workers: int | None = None,
    observe: Observer = ignore,
) -> list[dict[str, Any]]:
    """Run a model on a task, or what is missing of it. Returns the cell results in the order of the plan.

    Args:
        model: name of an entry, `package.module:Class` or `path/to/file.py:Class`.
        task: name or path of a task, or a task itself; or `source` and `target`, names of two domains.
        regimes: one or more of cold, cold-long, frozen, finetune, retarget, zero-shot, full.
        fractions: one or more shares of the target's training frames, 0 < f <= 1 or such as "5%"; "all": the task's.
        budget: `full` for numbers of the board, or `quick`, about a tenth of the updates; results lie apart.
        seeds: how many, or which.
        out: folder of results.
        options: keyword arguments of the model.
        preset: file with more of them, as `tune` writes it.
        data_root: folder that holds the recordings a task names; `$RAE_BENCH_DATA` otherwise.
        controls: whether the rows that learn nothing are made too.
        force: whether finished cells are run again.
        keep: whether adapted models are kept, each in `<cell>-model/` beside its result.
        accelerator: cpu, or gpu for models that can use one.
        workers: worker processes, one thread each; two where two cores are there.
        observe: called with events (`rae_bench.harness.events`) as work goes on.

    Raises:
        UserError: a bad name, number, task, domain or folder.
    """
    spec = make_spec(
        model, task, source=source, target=target, regimes=regimes, fractions=fractions, budget=budget, seeds=seeds,
        out=out, options=options, preset=preset, data_root=data_root, controls=controls, force=force, keep=keep,
        accelerator=accelerator,
    )  # fmt: skip
    return run_spec(spec, workers=workers, observe=observe).results


def run_spec(spec: RunSpec, *, workers: int | None = None, observe: Observer = ignore) -> Outcome:
    """Run what a spec asks for, or what is missing of it; the arguments are those of `run`."""
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
