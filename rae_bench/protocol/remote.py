"""Jobs on Ray: on this machine, or on the nodes of a cluster that share no disk.

What a job needs travels with it: the task's corpora, the file of a plug-in model, the pre-trained model. What it leaves
travels back as files, and the process that called the sweep writes them: a node needs Ray and this package, nothing
else. The objects are arrays, JSON and bytes; how they cross the network is Ray's affair.
"""

from __future__ import annotations

import hashlib
import math
import os
import secrets
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rae_bench.errors import RayLost, UserError
from rae_bench.protocol.domains import Side
from rae_bench.protocol.identity import installation, stale_parts
from rae_bench.protocol.plan import Job, Plan
from rae_bench.protocol.task import Task
from rae_bench.protocol.worker import failure, perform
from rae_bench.registry import plugin_file, source_hash, use_copy
from rae_bench.storage import alive, home, pack, scratch, scratch_folder, sweep, unpack, whole_file, whole_folder

if TYPE_CHECKING:
    import ray

TRIES = 3
"""How often a job is begun before its worker's or node's death counts as the job's failure."""
PATIENCE = 1.0
"""Seconds between looks at the cluster."""


@dataclass(frozen=True)
class Resources:
    """What a cell is given: cores, one thread each, and GPUs."""

    cpus: int = 1
    gpus: float = 0.0

    def fit(self) -> int:
        """Cells at a time on this machine: as many as it has cores for."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(cores // self.cpus, 1)


@contextmanager
def cluster(address: str | None, cells: int, resources: Resources) -> Iterator[None]:
    """A Ray of this machine's own with room for so many cells, or the existing one at `address`.

    Where this process has Ray running already, that is used and left running.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address is None:
        # Where a part of a Ray of our own is killed, nobody brings it back: do not wait a minute for it.
        os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "5")
    if address is None and "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ:
        # Read on import. Ray would put a token into the user's home folder otherwise.
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    import ray

    if ray.is_initialized():
        yield
        return
    quiet = redirect_stdout(_WithoutRay(sys.stdout))
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "CRITICAL"}
    threads = {name: str(resources.cpus) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    if address is not None:
        try:
            ray.init(address=address, runtime_env={"env_vars": threads}, **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]
            raise UserError(f"--ray-address {address}: no Ray cluster there ({reason}); see ray start --help") from None
        try:
            with quiet:
                yield
        finally:
            ray.shutdown()
        return

    os.environ |= threads
    # Sockets lie in Ray's folder, and their paths must be short.
    parent = Path("/tmp") if os.name == "posix" else Path(tempfile.gettempdir())
    sweep(parent)
    folder = scratch_folder(parent)
    try:
        ray.init(
            address="local",
            num_cpus=cells * resources.cpus,
            include_dashboard=False,
            _temp_dir=str(folder),
            **options,
        )
        _remember_vital()
        with quiet:
            yield
    finally:
        _VITAL.clear()
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def require_answer(address: str | None) -> None:
    """Raise `UserError` where nobody listens at a cluster's address: Ray would try for minutes."""
    if address in (None, "auto"):
        return
    host, _, port = str(address).removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(f"--ray-address {address}: no Ray cluster there ({error}); see ray start --help") from None


_VITAL: dict[int, str] = {}
"""Processes of a Ray that this process started, without which it cannot go on: {process id: name}."""


def _remember_vital() -> None:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError, ValueError):
            name, _, rest = (folder / "stat").read_text(encoding="utf-8").partition("(")[2].rpartition(")")
            if name in ("gcs_server", "raylet") and int(rest.split()[1]) == os.getpid():
                _VITAL[int(folder.name)] = name


def check_alive() -> None:
    """Raise `RayLost` where a part of this machine's own Ray was killed (Linux)."""
    for pid, name in _VITAL.items():
        if not alive(pid):
            raise RayLost(f"Ray's {name} was killed; finished cells are kept, the same command does the rest")


class _WithoutRay:
    """A stdout without what Ray's listening threads print there; our own events say which cell died."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, unless it is Ray that does."""
        return len(text) if threading.current_thread().name.startswith("ray_") else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


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
        self._plugins = {model: ship_plugin(model) for job in jobs if (model := _model(job))}
        self._users = Counter(job.payload["pretrained"] for job in jobs if _starts_pretrained(job))
        self._pretrained: dict[str, ray.ObjectRef] = {}
        self._running: dict[ray.ObjectRef, tuple[Job, int]] = {}
        self._again: list[Job] = []
        self._tries: Counter[str] = Counter()
        self._slots, self._looked = 0, -math.inf
        self._remote = ray.remote(shipped(__name__, "answer"))
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
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            fit = [min(int(node.get(k, 0) / n) for k, n in wanted.items() if n) for node in nodes]
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


def ship_plugin(spec: str) -> tuple[str, bytes] | None:
    """Path and content of a plug-in's file; None for models that are installed."""
    file = plugin_file(spec)
    return None if file is None else (str(file.resolve()), file.read_bytes())


def _starts_pretrained(job: Job) -> bool:
    return job.payload["do"] == "cell" and job.payload["cell"]["regime"] in ("frozen", "finetune", "zero-shot")


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

    job = ray.remote(shipped(__name__, "imports")).options(num_cpus=resources.cpus, max_retries=0)
    for _ in range(workers):
        job.remote()


def imports() -> None:
    """Import what takes long."""
    import torch

    import rae_bench.lightning_model

    assert torch
    assert rae_bench.lightning_model


def shipped(module: str, name: str) -> Any:
    """A function of this package as Ray calls it on a worker.

    It travels by value, as it is a local one: Ray puts the folder where the sweep was called on the workers' path, and
    a source tree of this package there must not be taken for the installed one.
    """
    folder = os.getcwd()
    known = folder in sys.path

    def call(*arguments: Any, **named: Any) -> Any:
        import importlib
        import sys

        if not known:
            sys.path[:] = [place for place in sys.path if place not in (folder, "")]
        return getattr(importlib.import_module(module), name)(*arguments, **named)

    return call


_SIDES: dict[str, tuple[Task, tuple[Side, ...], Side]] = {}


def answer(
    payload: dict[str, Any], corpora: Sequence[ray.ObjectRef], plugin: tuple[str, bytes] | None,
    pretrained: Sequence[ray.ObjectRef] | None,
) -> dict[str, Any]:
    """Do a job on a worker: {kind: done, files} or {kind: failed, reason, trace}."""
    import ray

    spec = payload["model"] if payload["do"] == "pretrain" else payload["cell"]["model"]
    key = corpora[0].hex()
    if key not in _SIDES:
        _SIDES.clear()  # a worker goes from task to task and needs one at a time
        _SIDES[key] = ray.get(corpora[0])
    try:
        take_plugin(spec, plugin)
        check_installation(payload["identity"], spec)
        with scratch() as folder:
            before, after = folder / "pretrained", folder / "out"
            if pretrained is not None:
                unpack(ray.get(pretrained[0]), before)
            if payload["do"] == "pretrain":
                moved = {"folder": str(after)}
            else:
                moved = {"path": str(after / Path(payload["path"]).name), "pretrained": str(before)}
            perform(payload | moved, *_SIDES[key], progress=lambda *_: None)
            return {"kind": "done", "files": pack(after)}
    except ray.exceptions.RayError:
        raise
    except SystemExit as error:
        return {"kind": "failed", "reason": f"the worker process ended with exit code {error.code}", "trace": ""}
    except Exception as error:
        return {"kind": "failed", **failure(error)}


def take_plugin(spec: str, plugin: tuple[str, bytes] | None) -> None:
    """Have this machine load the model from what `ship_plugin` gave."""
    if plugin is not None:
        use_copy(spec, _here(*plugin))


def _here(path: str, content: bytes) -> Path:
    """A plug-in's file: the original where this machine has it, else a copy of it in the cache."""
    original = Path(path)
    try:
        if original.read_bytes() == content:
            return original
    except OSError:
        pass
    copy = home() / "plugins" / hashlib.sha256(content).hexdigest()[:16] / original.name
    if not copy.is_file():
        with whole_file(copy) as part:
            part.write_bytes(content)
    return copy


def check_installation(wanted: Mapping[str, str], spec: str) -> None:
    """Raise `UserError` where this node's package is not the one that planned: results must not claim to be its."""
    found = installation()
    if spec != "truth":
        found |= {"model": source_hash(spec)}
    other = stale_parts(wanted, found)
    if other:
        raise UserError(
            f"node {os.uname().nodename} has another rae-bench than the one that planned this cell "
            f"(different: {', '.join(other)}); install the same version there"
        )
