"""Jobs on Ray: on this machine, or on the nodes of a cluster that share no disk.

What a job needs travels with it: the task's corpora, the files of a plug-in model, the pre-trained model. What it
leaves travels back as files, and the process that called the sweep writes them: a node needs Ray and this package,
nothing else. The objects are arrays, JSON and bytes; how they cross the network is Ray's affair.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import msgspec

from rae_bench.errors import UserError
from rae_bench.harness.jobs import Answer, AnyJob, CellJob, Done, Failed, Group, PretrainJob
from rae_bench.harness.plan import Plan
from rae_bench.harness.ray import node
from rae_bench.harness.ray.cluster import Resources, check_alive
from rae_bench.model.plugins.plugin import ship_plugin
from rae_bench.storage import pack_folder, unpack, whole_file, whole_folder

if TYPE_CHECKING:
    import ray

PATIENCE = 1.0
"""Seconds between looks at the cluster."""


class _Lost(Exception):
    """A model process, its worker or their node died, so that the job may be begun again elsewhere."""


class RayCrew:
    """A pool of as many workers as the cluster has room for; jobs of dead workers and nodes are begun again.

    Args:
        tries: how often a job is begun before the death of its worker or node counts as the job's failure.
    """

    def __init__(self, jobs: Sequence[AnyJob], plans: Sequence[Plan], resources: Resources, tries: int) -> None:
        import ray

        self._resources, self._limit = resources, tries
        tasks = {
            plan.task.name: (plan.task, tuple(side.bare() for side in plan.sources), plan.target.bare())
            for plan in plans
        }
        self._corpora = {name: ray.put(content) for name, content in tasks.items()}
        self._plugins = {model: ship_plugin(model) for model in {job.model for job in jobs}}
        self._users = Counter(job.pretrained for job in jobs if _starts_pretrained(job))
        self._pretrained: dict[str, ray.ObjectRef] = {}
        self._running: dict[ray.ObjectRef, tuple[Sequence[AnyJob], int]] = {}
        self._tries: Counter[str] = Counter()
        self._slots, self._looked = 0, -math.inf
        self._remote = ray.remote(node.shipped(node.__name__, "answer"))
        if not self._look():
            raise UserError(
                f"no node of the Ray cluster has {resources.cpus} CPU(s) and {resources.gpus:g} GPU(s) for a cell; "
                "ask for less with --cpus-per-cell and --gpus-per-cell"
            )

    def __enter__(self) -> RayCrew:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    @property
    def slots(self) -> int:
        """Cells that fit on the living nodes at a time."""
        return self._look()

    def _look(self) -> int:
        import ray

        if time.monotonic() > self._looked + PATIENCE:
            check_alive()  # asking a dead Ray takes long, and ends this process
            wanted = {"CPU": self._resources.cpus, "GPU": self._resources.gpus}
            there = [one["Resources"] for one in ray.nodes() if one["Alive"]]
            fit = [min(int(one.get(k, 0) / n) for k, n in wanted.items() if n) for one in there]
            self._slots, self._looked = sum(fit), time.monotonic()
        return self._slots

    def room(self) -> bool:
        """Whether a living node has room; with nothing running, Ray may wait for a node to come."""
        return len(self._running) < max(self._look(), 1)

    def begin(self, jobs: Sequence[AnyJob]) -> int:
        """Send a group of jobs out."""
        import ray

        first = jobs[0]
        if len(jobs) == 1:  # what becomes of a group says nothing of its jobs by themselves
            self._tries[first.name] += 1
        taken = {number for _, number in self._running.values()}
        number = next(n for n in range(len(taken) + 1) if n not in taken)
        for job in jobs:
            if _starts_pretrained(job) and job.pretrained not in self._pretrained:
                self._pretrained[job.pretrained] = ray.put(pack_folder(Path(job.pretrained)))
        # In lists: the worker fetches them, not the scheduler.
        pretrained = [[self._pretrained[job.pretrained]] if _starts_pretrained(job) else [] for job in jobs]
        ref = self._remote.options(
            num_cpus=self._resources.cpus, num_gpus=self._resources.gpus, max_retries=0, name=Path(first.name).name
        ).remote(
            msgspec.json.encode(Group(tuple(jobs))), [self._corpora[first.task]], self._plugins[first.model], pretrained
        )
        self._running[ref] = (jobs, number)
        return number

    def news(self) -> list[tuple[AnyJob, int, Answer]]:
        """Wait for a group to end; what it leaves is on this machine's disk then."""
        import ray

        ended, _ = ray.wait(list(self._running), timeout=PATIENCE)
        check_alive()
        answers: list[tuple[AnyJob, int, Answer]] = []
        for ref in ended:
            jobs, number = self._running.pop(ref)
            try:
                outcomes = self._outcomes(ref, len(jobs))
            except _Lost as lost:
                outcomes = [Failed(str(lost), died=True, together=len(jobs) > 1)] * len(jobs)
            for job, outcome in zip(jobs, outcomes, strict=True):
                alone = isinstance(outcome, Failed) and outcome.died and not outcome.together
                if alone and self._tries[job.name] < self._limit:
                    self.begin([job])
                    continue
                if not isinstance(outcome, Failed):
                    _deliver(job, outcome)
                if _starts_pretrained(job) and not (isinstance(outcome, Failed) and outcome.together):
                    self._users[job.pretrained] -= 1
                    if not self._users[job.pretrained]:
                        self._pretrained.pop(job.pretrained, None)
                answers.append((job, number, outcome if isinstance(outcome, Failed) else Done()))
        return answers

    def _outcomes(self, ref: ray.ObjectRef, count: int) -> list[Mapping[str, bytes] | Failed]:
        """The files that each job left, or why it failed. Raises `_Lost` where their worker or node died."""
        import ray

        try:
            return [Failed(*failed) if failed else files for files, failed in ray.get(ref)]
        except ray.exceptions.RayTaskError as error:  # not the model's: that one is caught where it is raised
            cause = error.cause or error
            if isinstance(cause, ray.exceptions.RayError):
                raise _Lost(f"what it needs was lost with its node ({type(cause).__name__})") from None
            reason = f"{type(cause).__name__}: {str(cause).strip().splitlines()[-1]}"
            return [Failed(reason, together=count > 1)] * count
        except ray.exceptions.OutOfMemoryError:
            raise _Lost("the node had no memory left and Ray ended the worker process") from None
        except ray.exceptions.RayError as error:
            raise _Lost(f"the worker process or its node died ({type(error).__name__})") from None

    def cancel(self) -> None:
        """End what is running, on nodes that live on after us."""
        import ray

        for ref in self._running:
            ray.cancel(ref, force=True)


def _starts_pretrained(job: AnyJob) -> TypeGuard[CellJob]:
    return isinstance(job, CellJob) and job.cell.needs_pretraining


def _deliver(job: AnyJob, files: Mapping[str, bytes]) -> None:
    """Write what a job left to where it belongs; the result last, as it says that all is there."""
    if isinstance(job, PretrainJob):
        with whole_folder(Path(job.folder)) as part:
            unpack(files, part)
        return
    path = Path(job.path)
    folders = {name.partition("/")[0] for name in files if "/" in name}
    for folder in folders:
        inside = {name.partition("/")[2]: data for name, data in files.items() if name.startswith(f"{folder}/")}
        with whole_folder(path.parent / folder) as part:
            unpack(inside, part)
    for name in sorted((name for name in files if "/" not in name), key=lambda name: name == path.name):
        with whole_file(path.parent / name) as part:
            part.write_bytes(files[name])
