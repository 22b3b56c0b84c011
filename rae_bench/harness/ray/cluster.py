"""A Ray cluster: started on this machine, or an existing one."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rae_bench.errors import RayLost, UserError
from rae_bench.storage import alive, remove_leftovers, scratch_folder

LOCAL = "local"
"""The address of a Ray that is started on this machine."""


@dataclass(frozen=True)
class Resources:
    """What a cell is given: cores, one thread each, and GPUs."""

    cpus: int = 1
    gpus: float = 0.0


def require_ray() -> None:
    """Raise `UserError` where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise UserError("Ray is not installed: pip install 'rae-bench[sweep]' (sweep --workers N needs none)")


class Cluster:
    """A Ray cluster, started when it is wanted and left when the block ends.

    Args:
        address: of an existing one; `local` starts one on this machine with room for `cells` cells.
    """

    def __init__(self, address: str, cells: int, resources: Resources) -> None:
        self.address, self.cells, self.resources = address, cells, resources
        self._stack = ExitStack()
        self._started = False

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self) -> None:
        """Start or join it, unless that has been done. Takes seconds."""
        if self._started:
            return
        self._started = True
        local = self.address == LOCAL
        self._stack.enter_context(cluster(None if local else self.address, self.cells, self.resources))
        if local:
            _warm_up(self.cells, self.resources)


def _warm_up(workers: int, resources: Resources) -> None:
    """Have this machine's workers start model processes while the cells are planned. Returns at once."""
    import ray

    from rae_bench.harness.ray import node

    job = ray.remote(node.shipped(node.__name__, "warm_up")).options(num_cpus=resources.cpus, max_retries=0)
    for _ in range(workers):
        job.remote(resources.cpus)


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
    remove_leftovers(parent)
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
    if address in (None, "auto", LOCAL):
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
