"""Runs: a model on a task, or what is missing of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rae_bench.plugins import portable_spec
from rae_bench.protocol.cell import environment
from rae_bench.protocol.domains import Side
from rae_bench.protocol.plan import Observer, Plan, Planned, jobs_for, prepare
from rae_bench.protocol.pool import Pool
from rae_bench.protocol.task import Task
from rae_bench.protocol.work import work_off
from rae_bench.results import SCHEMA, read_result, write_json
from rae_bench.storage import sweep


@dataclass(frozen=True)
class Outcome:
    """What a run left: the task, its sides, and every planned cell in the order of the plan."""

    task: Task
    sources: tuple[Side, ...]
    target: Side
    cells: list[Planned]
    failed: Mapping[str, str]

    @property
    def results(self) -> list[dict[str, Any]]:
        """Cell results that are on disk."""
        return [result for _, result in self.found()]

    def found(self) -> Iterator[tuple[Planned, dict[str, Any]]]:
        """The cells whose results are on disk, and these."""
        return ((p, r) for p in self.cells if (r := read_result(p.path)) is not None)


def default_workers() -> int:
    """Two single-thread workers where two cores are there."""
    return 2 if (os.cpu_count() or 1) >= 2 else 1


def run(model: str, task: str | None = None, **arguments: Any) -> list[dict[str, Any]]:
    """`run_cells`, as the list of cell results in the order of the plan; see there for the arguments."""
    return run_cells(model, task, **arguments).results


def run_cells(
    model: str,
    task: str | None = None,
    *,
    workers: int | None = None,
    observe: Observer = lambda event: None,
    **arguments: Any,
) -> Outcome:
    """Run a model on a task, or what is missing of it.

    Args:
        model: name of an entry, `package.module:Class` or `path/to/file.py:Class`.
        task: name or path of a task; or `source` and `target`, names of two domains.
        regimes: any of cold, frozen, finetune, cold-long, zero-shot, full.
        fractions: of the target's training frames, 0 < f <= 1.
        seeds: how many, or which.
        out: folder of results.
        options: keyword arguments of the model.
        preset: file with more of them, as `tune` writes it.
        data_root: folder that holds the recordings a task names.
        controls: whether the rows that learn nothing are made too.
        force: whether finished cells are run again.
        keep: whether adapted models are kept, each in `<cell>-model/` beside its result.
        accelerator: cpu, or gpu for models that can use one.
        workers: worker processes, one thread each.
        observe: called with events as work goes on.

    Raises:
        UserError: bad names, fractions, data or output folder.
    """
    plan = prepare(model, task, observe=observe, **arguments)
    jobs = jobs_for(plan, arguments.get("data_root"))
    observe({"kind": "plan", "jobs": jobs, "cells": plan.cells})
    try:
        with Pool(workers or default_workers()) as pool:
            failed = work_off(jobs, pool, recording([plan], observe))
    finally:
        tidy([plan])
    return outcome_of(plan, failed)


def outcome_of(plan: Plan, failed: Mapping[str, str]) -> Outcome:
    """What is left when a plan's jobs have been worked off; `failed` is {job name: reason}."""
    return Outcome(plan.task, plan.sources, plan.target, plan.cells, failed)


def recording(plans: Sequence[Plan], observe: Observer) -> Observer:
    """An observer that also writes down which cells failed, and why, as soon as it is told."""
    cells = {str(p.path): (p, plan.task) for plan in plans for p in plan.cells}

    def watch(event: Mapping[str, Any]) -> None:
        if event["kind"] == "failed" and event["job"].name in cells:
            _write_failure(*cells[event["job"].name], event["reason"])
        observe(event)

    return watch


def tidy(plans: Sequence[Plan]) -> None:
    """Remove what killed processes left half written beside the results."""
    for folder in {p.path.parent for plan in plans for p in plan.cells}:
        sweep(folder)


def _write_failure(planned: Planned, task: Task, reason: str) -> None:
    cell = planned.cell
    write_json(
        planned.path,
        {
            "schema": SCHEMA,
            "status": "failed",
            "model": portable_spec(cell.model),
            "task": task.name,
            "regime": cell.regime,
            "fraction": cell.fraction,
            "seed": cell.seed,
            "identity": dict(planned.identity),
            "metrics": {},
            "cost": {},
            "environment": environment(),
            "reason": reason,
        },
    )
