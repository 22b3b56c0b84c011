"""Sweeps: many models on many tasks, on this machine or on a Ray cluster."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from rae_bench.errors import RayLost, UserError
from rae_bench.harness.estimate import estimate
from rae_bench.harness.events import (
    Answered,
    Begun,
    DataWanted,
    Ended,
    Event,
    Lost,
    Observer,
    Planned,
    PutBack,
    ignore,
)
from rae_bench.harness.groups import grouped
from rae_bench.harness.jobs import AnyJob, Done, Failed, WorkerPool
from rae_bench.harness.plan import Plan, jobs_of_all, make_plans
from rae_bench.harness.pool import Pool, core_count, gpu_names
from rae_bench.harness.run import Outcome, work
from rae_bench.harness.spec import Fractions, RunSpec, Seeds, make_spec
from rae_bench.task.task import Task

SEEDS = 3
PRETRAINING = 2
"""Cells that a pre-training counts as, when shares are dealt: it has twice the updates of one."""
TRIES = 3
"""How often a job is begun before the death of its worker or node counts as the job's failure."""


def make_specs(
    models: Sequence[str], tasks: Sequence[str | Path | Task | None], *, seeds: Seeds = SEEDS,
    fractions: Fractions | None = None, **others: Any,
) -> list[RunSpec]:
    """A spec for each task and model; `others` are arguments of `make_spec`.

    Raises:
        UserError: as of `make_spec`; and two different tasks or plug-ins of one name, whose results would
            lie in one place.
    """
    specs = [
        make_spec(model, task, seeds=seeds, fractions=fractions or "all", **others)
        for task in tasks
        for model in models
    ]
    known: dict[str, str] = {}
    plugins: dict[str, str] = {}
    for spec in specs:
        if plugins.setdefault(spec.model.portable, spec.model.spec) != spec.model.spec:
            raise UserError(
                f"two plug-ins are named '{spec.model.portable}' and their results would lie in one place; "
                "rename the folder or the file of one, or sweep them into two folders (--out)"
            )
        if known.setdefault(spec.task.name, spec.task.content_hash) != spec.task.content_hash:
            raise UserError(
                f"two tasks are named '{spec.task.name}' and their results would lie in one place; rename one"
            )
    return specs


class CoreHourLimit:
    """Core-hours that may be spent.

    Jobs begin only if the core-hours spent, those of the running jobs and their own together stay within the limit.

    Args:
        limit: core-hours; None for any number.
        cores: of each worker.
        expected: {job name: core-seconds}; what is not in there is taken for the mean of the jobs done so far.
    """

    def __init__(self, limit: float | None, cores: int, expected: Mapping[str, float]) -> None:
        self.limit, self.cores, self.expected = limit, cores, expected
        self.spent = 0.0
        self.refused = False
        self._ended = 0
        self._running: dict[int, set[str]] = {}
        self._since: dict[int, float] = {}

    def affordable(self, jobs: Sequence[AnyJob]) -> bool:
        """Whether jobs may begin."""
        if self.limit is None:
            return True
        now = time.monotonic()
        running = sum(
            max(sum(map(self._expect, names)), self.cores * (now - self._since[worker]))
            for worker, names in self._running.items()
        )
        self.refused = self.spent + running + sum(self._expect(job.name) for job in jobs) > 3600 * self.limit
        return not self.refused

    def _expect(self, name: str) -> float:
        return self.expected.get(name, self.spent / self._ended if self._ended else 0.0)

    def observe(self, event: Event) -> None:
        """Take an event of `work_off`. The time of a worker counts once, however many jobs it does together."""
        match event:
            case Begun(job, worker):
                self._since.setdefault(worker, time.monotonic())
                self._running.setdefault(worker, set()).add(job.name)
            case PutBack(job, worker) | Answered(job, worker, Done() | Failed()):
                self._end(job.name, worker)

    def _end(self, name: str, worker: int) -> None:
        running = self._running.get(worker, set())
        if name not in running:  # it could not begin
            return
        now = time.monotonic()
        self.spent += self.cores * (now - self._since[worker])
        self._since[worker] = now
        self._ended += 1
        running.discard(name)
        if not running:
            del self._running[worker], self._since[worker]


def shard_specs(specs: Sequence[RunSpec], number: int, count: int) -> list[RunSpec]:
    """Return one of `count` shares of the cells of some specs: the shares have every cell once, whatever is done.

    Cells that share a pre-trained model stay together, so that no two shares pre-train the same. The parts are dealt,
    the largest first, to the share that has the fewest cells so far. A share may be empty where there are few parts.

    Args:
        number: of the share, from 1.
    """
    parts: dict[tuple[Any, ...], tuple[int, RunSpec]] = {}
    for place, spec in enumerate(specs):
        for seed in spec.seeds:
            for regime in spec.regimes:
                cells = list(replace(spec, seeds=(seed,), regimes=(regime,), controls=False).cells())
                if not cells:
                    continue
                first = cells[0]  # full is cold on all data, so it may be a cell of cold too: they stay together
                key: tuple[Any, ...] = (place, seed, first.pretrained_name if first.needs_pretraining else first.regime)
                empty = replace(spec, seeds=(seed,), regimes=(), controls=False)
                known, part = parts.get(key, (PRETRAINING if first.needs_pretraining else 0, empty))
                parts[key] = known + len(cells), replace(part, regimes=(*part.regimes, regime))
            if spec.controls:
                part = replace(spec, seeds=(seed,), regimes=())
                key = (str(spec.out), spec.task.folder, seed)  # the same for all models
                parts.setdefault(key, (len(list(part.cells())), part))
    shares: list[list[RunSpec]] = [[] for _ in range(count)]
    loads = [0] * count
    for size, part in sorted(parts.values(), key=lambda found: -found[0]):
        lightest = loads.index(min(loads))
        loads[lightest] += size
        shares[lightest].append(part)
    return shares[number - 1]


def results_of(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Cell results that are on disk, each once: models share their controls."""
    return list({str(p.path): r for outcome in outcomes for p, r in outcome.found()}.values())


def sweep_workers(cpus_per_cell: int = 1) -> int:
    """Cells at a time on this machine: as many as it has cores for."""
    return max(core_count() // cpus_per_cell, 1)


def sweep_specs(
    specs: Sequence[RunSpec],
    *,
    workers: int | None = None,
    cpus_per_cell: int = 1,
    ray_address: str | None = None,
    gpus_per_cell: float = 0.0,
    gpus: int | None = None,
    max_core_hours: float | None = None,
    observe: Observer = ignore,
) -> list[Outcome]:
    """Run what specs ask for, or what is missing of it: one outcome for each.

    Args:
        workers: cells at a time on this machine; as many as it has cores for unless told otherwise.
        cpus_per_cell: cores of a cell, one thread each.
        ray_address: of a Ray cluster to use instead: `auto`, host:port, ray://host:port, or `local` for one of this
            machine's own. Needs `rae-bench[sweep]`.
        gpus_per_cell: GPUs of a cell on Ray, such as 0.25; a whole one with `accelerator="gpu"` unless told otherwise.
        gpus: how many of this machine's GPUs the workers share; any number is for `accelerator="gpu"`, too. Without
            it they share one.
        max_core_hours: no cell begins that would spend more than that in this call.
        observe: is called with events (`rae_bench.harness.events`) as work goes on.

    Raises:
        UserError: no cluster at the address; no node with these resources; Ray is wanted and not installed.
        RayLost: a part of Ray on this machine was killed.
    """
    if cpus_per_cell < 1 or gpus_per_cell < 0:
        raise UserError("a cell needs at least one CPU and no negative number of GPUs")
    if max_core_hours is not None and not max_core_hours > 0:
        raise UserError(f"the limit of {max_core_hours:g} core-hours is not above 0")
    if gpus_per_cell and ray_address is None:
        raise UserError("--gpus-per-cell is for Ray: add --ray-address local (or a cluster's address), or take --gpus")
    on_gpu = any(spec.accelerator == "gpu" for spec in specs)
    if gpus is not None:
        if gpus < 1:
            raise UserError("--gpus takes a number above 0")
        if ray_address is not None:
            raise UserError("--gpus is for this machine; with --ray-address take --gpus-per-cell")
    if ray_address is not None:
        from rae_bench.harness.ray.cluster import Cluster, Resources, require_answer, require_ray
        from rae_bench.harness.ray.crew import RayCrew

        require_ray()
        require_answer(ray_address)
    observe(DataWanted(tuple(dict.fromkeys(spec.task.name for spec in specs))))
    count = workers or sweep_workers(cpus_per_cell)
    with ExitStack() as stack:
        if ray_address is None:
            names = gpu_names(gpus) if gpus is not None else []
            plans = make_plans(specs)
            jobs = jobs_of_all(plans, cpus_per_cell)
            pool: WorkerPool | None = stack.enter_context(Pool(count, cpus_per_cell, TRIES, names)) if jobs else None
        else:
            if on_gpu:
                gpus_per_cell = gpus_per_cell or 1.0
            ray = stack.enter_context(Cluster(ray_address, count, Resources(cpus_per_cell, gpus_per_cell)))
            with ThreadPoolExecutor(1) as thread:  # Ray takes seconds to start, and so does the data
                planning = thread.submit(make_plans, specs)
                if any(not spec.path(cell).exists() for spec in specs for cell in spec.cells()):
                    ray.start()
                plans = planning.result()
            jobs = jobs_of_all(plans, cpus_per_cell)
            if jobs:
                ray.start()
            pool = stack.enter_context(RayCrew(jobs, plans, ray.resources, TRIES)) if jobs else None
        groups = grouped(jobs, pool.slots, gpus or (1 if ray_address is None else pool.slots)) if pool else []
        return _work(groups, plans, pool, cpus_per_cell, max_core_hours, observe)


def _work(
    groups: Sequence[Sequence[AnyJob]], plans: Sequence[Plan], pool: WorkerPool | None, cores: int,
    max_core_hours: float | None, observe: Observer,
) -> list[Outcome]:
    jobs = [job for group in groups for job in group]
    expected = estimate(jobs)
    limit = CoreHourLimit(max_core_hours, cores, expected)
    failed: dict[str, str] = {}

    def watch(event: Event) -> None:
        limit.observe(event)
        observe(event)

    observe(Planned(plans, jobs, expected, pool))
    if pool is not None:
        try:
            failed = work(groups, plans, pool, watch, affordable=limit.affordable)
        except RayLost as error:
            observe(Lost(str(error)))  # at once: Ray may end this process
            raise
    observe(Ended(limit.spent / 3600, limit.refused))
    return [Outcome(plan, failed) for plan in plans]
