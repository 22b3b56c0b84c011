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
