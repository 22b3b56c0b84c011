"""Running and planning cells from keyword arguments, as the tests name them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rae_bench.harness.events import Observer, ignore
from rae_bench.harness.isolation.models import Models
from rae_bench.harness.jobs import AnyJob, CellJob, PretrainJob
from rae_bench.harness.plan import Plan, jobs_of, make_plan, make_plans
from rae_bench.harness.run import Outcome, run_spec
from rae_bench.harness.spec import make_spec
from rae_bench.harness.sweep import make_specs, sweep_specs
from rae_bench.harness.worker import perform
from rae_bench.task.cells import Cell
from rae_bench.task.task import Task


def run_cells(
    model: str, task: str | Task | None = None, *, workers: int | None = None, observe: Observer = ignore, **asked: Any
) -> Outcome:
    """`rae_bench.run`, with its plan; `asked` are arguments of `make_spec`."""
    return run_spec(make_spec(model, task, **asked), workers=workers, observe=observe)


def plan_cells(model: str, task: str | Path | Task | None = None, **asked: Any) -> Plan:
    """The plan of a run; `asked` are arguments of `make_spec`."""
    return make_plan(make_spec(model, task, **asked))


RESOURCES = ("workers", "cpus_per_cell", "ray_address", "gpus_per_cell", "gpus", "max_core_hours", "observe")


def sweep_cells(models: Sequence[str], tasks: Sequence[str | Task | None] = (None,), **asked: Any) -> list[Outcome]:
    """`rae_bench.sweep`, with its plans; `asked` are arguments of `make_specs` and of `sweep_specs`."""
    resources = {name: asked.pop(name) for name in RESOURCES if name in asked}
    return sweep_specs(make_specs(models, tasks, **asked), **resources)


def plan_sweep(models: Sequence[str], tasks: Sequence[str | Task | None], **asked: Any) -> list[Plan]:
    """The plans of a sweep; `asked` are arguments of `make_specs`."""
    return make_plans(make_specs(models, tasks, **asked))


BARE: dict[str, Any] = {"task": "t", "task_table": {}, "model": "fe", "options": {}, "identity": {}}


def cell_job(path: str | Path, needs: Sequence[str] = (), **facts: Any) -> CellJob:
    """A job that nobody does, of a cell whose result would be `path`."""
    cell = facts.pop("cell", Cell(facts.get("model", "fe"), {}, "cold", 0.05, 0))
    return CellJob(**BARE | facts, cell=cell, path=str(path), pretrained="", needs=frozenset(needs))


def pretrain_job(folder: str | Path, **facts: Any) -> PretrainJob:
    """A job that nobody does, of a pre-training in `folder`."""
    return PretrainJob(**BARE | facts, seed=0, folder=str(folder))


def do_here(plan: Plan, wanted: Callable[[AnyJob], bool] = lambda job: True) -> None:
    """Do the jobs of a plan in this process, models in one of their own."""
    with Models() as models:
        for job in jobs_of(plan):
            if wanted(job):
                perform([job], plan.task, plan.sources, plan.target, lambda *_: None, models, _raised)


def _raised(job: AnyJob, error: Exception | None) -> None:
    if error is not None:
        raise error
