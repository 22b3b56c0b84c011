"""Sweeps: many models on many tasks, worked off by Ray."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from rae_bench.errors import RayLost, UserError
from rae_bench.plugins import portable_spec
from rae_bench.protocol.cluster import Resources, cluster, require_answer
from rae_bench.protocol.domains import Side, load_sides
from rae_bench.protocol.estimate import estimate
from rae_bench.protocol.plan import Job, Observer, Plan, Request, jobs_of, plan, request
from rae_bench.protocol.remote import RayCrew, warm_up
from rae_bench.protocol.run import Outcome, outcome_of, recording, tidy
from rae_bench.protocol.task import Task
from rae_bench.protocol.work import work_off

SEEDS = 3


def requests(models: Sequence[str], tasks: Sequence[str | Task | None], **arguments: Any) -> list[Request]:
    """One request for each task and model, checked."""
    arguments = {"seeds": SEEDS, **arguments, "fractions": arguments.get("fractions") or "all"}
    asked = [request(model, task, **arguments) for task in tasks for model in models]
    known: dict[str, str] = {}
    plugins: dict[str, str] = {}
    for r in asked:
        if plugins.setdefault(portable_spec(r.model), r.model) != r.model:
            raise UserError(
                f"two plug-ins are named '{portable_spec(r.model)}' and their results would lie in one place; "
                "rename the folder or the file of one, or sweep them into two folders (--out)"
            )
        if known.setdefault(r.task.name, r.task.content_hash) != r.task.content_hash:
            raise UserError(f"two tasks are named '{r.task.name}' and their results would lie in one place; rename one")
    return asked


def plans_of(asked: Sequence[Request]) -> list[Plan]:
    """Plan all requests; each task's data is made or found once."""
    sides: dict[str, tuple[tuple[Side, ...], Side]] = {}
    plans = []
    for r in asked:
        if r.task.name not in sides:
            sides[r.task.name] = load_sides(r.task, r.data_root)
        plans.append(plan(r, *sides[r.task.name]))
    return plans


class Purse:
    """Core-hours that may be spent. A job begins only where what has been spent, what is running and it fit.

    Args:
        limit: core-hours; None for any number.
        cores: of each job.
        expected: {job name: core-seconds}; what is not in there is taken for the mean of the jobs done so far.
    """

    def __init__(self, limit: float | None, cores: int, expected: Mapping[str, float]) -> None:
        self.limit, self.cores, self.expected = limit, cores, expected
        self.spent = 0.0
        self.refused = False
        self._ended = 0
        self._began: dict[str, float] = {}

    def affordable(self, job: Job) -> bool:
        """Whether a job may begin."""
        if self.limit is None:
            return True
        now = time.monotonic()
        running = sum(max(self._expect(name), self.cores * (now - t)) for name, t in self._began.items())
        self.refused = self.spent + running + self._expect(job.name) > 3600 * self.limit
        return not self.refused

    def _expect(self, name: str) -> float:
        return self.expected.get(name, self.spent / self._ended if self._ended else 0.0)

    def observe(self, event: Mapping[str, Any]) -> None:
        """Take an event of `work_off`."""
        if event["kind"] == "begin":
            self._began[event["job"].name] = time.monotonic()
        elif event["kind"] in ("done", "failed") and event["job"].name in self._began:
            self.spent += self.cores * (time.monotonic() - self._began.pop(event["job"].name))
            self._ended += 1


def sweep(
    model: str | Sequence[str], task: str | Sequence[str | None] | None = None, **arguments: Any
) -> list[dict[str, Any]]:
    """`sweep_cells` of one or more models and tasks, as the list of cell results, each once; see there."""
    return results_of(sweep_cells(_listed(model), _listed(task), **arguments))


def results_of(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Cell results that are on disk, each once: models share their controls."""
    return list({str(p.path): r for outcome in outcomes for p, r in outcome.found()}.values())


def _listed(names: Any) -> list[Any]:
    return [names] if names is None or isinstance(names, str) else list(names)


def sweep_cells(
    models: Sequence[str],
    tasks: Sequence[str | Task | None] = (None,),
    *,
    workers: int | None = None,
    ray_address: str | None = None,
    cpus_per_cell: int = 1,
    gpus_per_cell: float = 0.0,
    max_core_hours: float | None = None,
    observe: Observer = lambda event: None,
    **arguments: Any,
) -> list[Outcome]:
    """Run models on tasks with Ray, or what is missing of it: one outcome for each task and model.

    A cell's result is the same as `run`'s, in the same place.

    Args:
        models, tasks: names or paths, as for `run`, or tasks themselves; no task where `source` and `target` name two
            domains.
        workers: cells at a time on this machine; as many as it has cores for by default.
        ray_address: of an existing cluster to use instead (`auto`, host:port or ray://host:port).
        cpus_per_cell, gpus_per_cell: what a cell is given; it computes on so many threads, and with
            `accelerator="gpu"` on a GPU, a whole one unless told otherwise.
        max_core_hours: no cell begins that would spend more than that in this call.
        observe: called with events as work goes on.
        arguments: as of `run_cells`; 3 seeds and all fractions of each task by default.

    Raises:
        UserError: bad names, fractions, data or output folder; no cluster at the address; no node with these resources.
        RayLost: a part of Ray on this machine was killed.
    """
    if cpus_per_cell < 1 or gpus_per_cell < 0:
        raise UserError("a cell needs at least one CPU and no negative number of GPUs")
    asked = requests(models, tasks, **arguments)
    if arguments.get("accelerator") == "gpu" and not gpus_per_cell:
        gpus_per_cell = 1.0
    require_answer(ray_address)
    observe({"kind": "data", "requests": asked})
    resources = Resources(cpus_per_cell, gpus_per_cell)
    room = workers or resources.fit()
    with ExitStack() as stack, ThreadPoolExecutor(1) as thread:
        # Ray takes seconds to start, and so does the data.
        planning = thread.submit(plans_of, asked)
        if any(not r.path(cell).exists() for r in asked for cell in r.cells()):
            stack.enter_context(cluster(ray_address, room, resources))
            if ray_address is None:
                warm_up(room, resources)
        plans = planning.result()
        jobs = jobs_of(plans)
        expected = estimate(jobs)
        purse = Purse(max_core_hours, cpus_per_cell, expected)
        failed: dict[str, str] = {}
        if jobs:
            stack.enter_context(cluster(ray_address, room, resources))
            crew = RayCrew(jobs, plans, resources)
            observe({"kind": "plan", "jobs": jobs, "plans": plans, "expected": expected, "crew": crew})

            def watch(event: Mapping[str, Any]) -> None:
                purse.observe(event)
                observe(event)

            stack.callback(tidy, plans)
            stack.callback(crew.cancel)
            try:
                failed = work_off(jobs, crew, recording(plans, watch), purse.affordable)
            except RayLost as error:
                observe({"kind": "lost", "reason": str(error)})  # at once: Ray may end this process
                raise
        else:
            observe({"kind": "plan", "jobs": jobs, "plans": plans, "expected": expected, "crew": None})
    observe({"kind": "end", "refused": purse.refused, "core_hours": purse.spent / 3600})
    return [outcome_of(p, failed) for p in plans]
