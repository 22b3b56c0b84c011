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
from typing import TYPE_CHECKING, Any

from rae_bench.errors import UserError
from rae_bench.plugins import ship_plugin
from rae_bench.protocol import node
from rae_bench.protocol.cell import Cell
from rae_bench.protocol.cluster import Resources, check_alive
from rae_bench.protocol.plan import Job, Plan
from rae_bench.storage import pack, unpack, whole_file, whole_folder

if TYPE_CHECKING:
    import ray

TRIES = 3
"""How often a job is begun before its worker's or node's death counts as the job's failure."""
PATIENCE = 1.0
"""Seconds between looks at the cluster."""


class RayCrew:
    """A crew of as many workers as the cluster has room for; jobs of dead workers and nodes are begun again."""

    def __init__(self, jobs: Sequence[Job], plans: Sequence[Plan], resources: Resources) -> None:
        import ray

        self._resources = resources
        tasks = {
            plan.task.name: (plan.task, tuple(side.bare() for side in plan.sources), plan.target.bare())
            for plan in plans
        }
        self._corpora = {name: ray.put(content) for name, content in tasks.items()}
        self._plugins = {model: ship_plugin(model) for model in {_model(job) for job in jobs}}
        self._users = Counter(job.payload["pretrained"] for job in jobs if _starts_pretrained(job))
        self._pretrained: dict[str, ray.ObjectRef] = {}
        self._running: dict[ray.ObjectRef, tuple[Job, int]] = {}
        self._tries: Counter[str] = Counter()
        self._slots, self._looked = 0, -math.inf
        self._remote = ray.remote(node.shipped(node.__name__, "answer"))
        if not self._look():
            raise UserError(
                f"no node of the Ray cluster has {resources.cpus} CPU(s) and {resources.gpus:g} GPU(s) for a cell; "
                "ask for less with --cpus-per-cell and --gpus-per-cell"
            )

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

    def begin(self, job: Job) -> int:
        """Send a job out."""
        import ray

        self._tries[job.name] += 1
        taken = {number for _, number in self._running.values()}
        number = next(n for n in range(len(taken) + 1) if n not in taken)
        pretrained = None
        if _starts_pretrained(job):
            folder = job.payload["pretrained"]
            if folder not in self._pretrained:
                self._pretrained[folder] = ray.put(pack(Path(folder)))
            pretrained = [self._pretrained[folder]]  # in a list: the worker fetches it, not the scheduler
        payload = job.payload | {"threads": self._resources.cpus}
        name = payload["task"]["name"]
        ref = self._remote.options(
            num_cpus=self._resources.cpus, num_gpus=self._resources.gpus, max_retries=0, name=Path(job.name).name
        ).remote(payload, [self._corpora[name]], self._plugins.get(_model(job)), pretrained)
        self._running[ref] = (job, number)
        return number

    def news(self) -> list[tuple[Job, int, dict[str, Any]]]:
        """Wait for a job to end; what it leaves is on this machine's disk then."""
        import ray

        ended, _ = ray.wait(list(self._running), timeout=PATIENCE)
        check_alive()
        events = []
        for ref in ended:
            job, number = self._running.pop(ref)
            event = self._answer(ref)
            if event["kind"] == "lost" and self._tries[job.name] < TRIES:
                self.begin(job)
                continue
            if event["kind"] == "lost":
                event["kind"] = "failed"
            if event["kind"] == "done":
                _deliver(job, event.pop("files"))
            if _starts_pretrained(job):
                self._users[job.payload["pretrained"]] -= 1
                if not self._users[job.payload["pretrained"]]:
                    self._pretrained.pop(job.payload["pretrained"], None)
            events.append((job, number, event))
        return events

    def _answer(self, ref: ray.ObjectRef) -> dict[str, Any]:
        import ray

        try:
            return dict(ray.get(ref))
        except ray.exceptions.RayTaskError as error:  # not the model's: that one is caught where it is raised
            cause = error.cause or error
            if isinstance(cause, ray.exceptions.RayError):
                return {"kind": "lost", "reason": f"what it needs was lost with its node ({type(cause).__name__})"}
            return {"kind": "failed", "reason": f"{type(cause).__name__}: {str(cause).strip().splitlines()[-1]}"}
        except ray.exceptions.OutOfMemoryError:
            return {"kind": "lost", "reason": "the node had no memory left and Ray ended the worker process"}
        except ray.exceptions.RayError as error:
            return {"kind": "lost", "reason": f"the worker process or its node died ({type(error).__name__})"}

    def cancel(self) -> None:
        """End what is running, on nodes that live on after us."""
        import ray

        for ref in self._running:
            ray.cancel(ref, force=True)


def _model(job: Job) -> str:
    return str(job.payload["model"] if job.payload["do"] == "pretrain" else job.payload["cell"]["model"])


def _starts_pretrained(job: Job) -> bool:
    return job.payload["do"] == "cell" and Cell(**job.payload["cell"]).needs_pretraining


def _deliver(job: Job, files: Mapping[str, bytes]) -> None:
    """Write what a job left to where it belongs; the result last, as it says that all is there."""
    if job.payload["do"] == "pretrain":
        with whole_folder(Path(job.payload["folder"])) as part:
            unpack(files, part)
        return
    path = Path(job.payload["path"])
    folders = {name.partition("/")[0] for name in files if "/" in name}
    for folder in folders:
        inside = {name.partition("/")[2]: data for name, data in files.items() if name.startswith(f"{folder}/")}
        with whole_folder(path.parent / folder) as part:
            unpack(inside, part)
    for name in sorted((name for name in files if "/" not in name), key=lambda name: name == path.name):
        with whole_file(path.parent / name) as part:
            part.write_bytes(files[name])


def warm_up(workers: int, resources: Resources) -> None:
    """Have this machine's workers import what cells need while the cells are planned. Returns at once."""
    import ray

    job = ray.remote(node.shipped(node.__name__, "imports")).options(num_cpus=resources.cpus, max_retries=0)
    for _ in range(workers):
        job.remote()
