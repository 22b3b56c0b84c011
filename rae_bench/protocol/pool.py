"""Jobs on worker processes of this machine."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from rae_bench.protocol.plan import Job


class _Worker:
    """A worker process; what it says goes to `inbox` as (worker, event), at last `gone`."""

    def __init__(self, inbox: queue.Queue[tuple[_Worker, dict[str, Any]]]) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        # -P: the installed package, not a source folder of the same name where the command happens to be called.
        command = [sys.executable, "-P", "-m", "rae_bench.protocol.worker"]
        self.inbox = inbox
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines, suppress(ValueError):  # a line cut short by the process' death
            for line in lines:
                self.inbox.put((self, json.loads(line)))
        self.inbox.put((self, {"kind": "gone"}))

    def give(self, job: Job) -> None:
        """Hand over a job. Where the process is dead, `gone` is on its way."""
        assert self.process.stdin is not None
        with suppress(OSError):  # BrokenPipeError; EINVAL on Windows
            self.process.stdin.write(json.dumps(job.payload) + "\n")
            self.process.stdin.flush()

    def end(self, grace: float = 0) -> str:
        """Kill it where it has not ended within `grace` seconds, and say how it ended."""
        try:
            code = self.process.wait(grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        assert self.process.stdin is not None
        with suppress(OSError):  # what a dead process did not read
            self.process.stdin.close()
        if code < 0:  # never on Windows, which has no signal 9 (SIGKILL) either
            return f"was killed by signal {-code}" + (" (out of memory?)" if code == -9 else "")
        return f"ended with exit code {code}"


class Pool:
    """A crew of `count` single-thread worker processes, which die with the block."""

    def __init__(self, count: int) -> None:
        self._inbox: queue.Queue[tuple[_Worker, dict[str, Any]]] = queue.Queue()
        self._workers: list[_Worker | None] = [None] * count
        self._busy: dict[int, Job] = {}

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            if worker is not None:
                worker.end()

    def room(self) -> bool:
        """Whether a worker is idle."""
        return len(self._busy) < len(self._workers)

    def begin(self, job: Job) -> int:
        """Hand a job to the first idle worker, which is started where there is none."""
        number = next(n for n in range(len(self._workers)) if n not in self._busy)
        worker = self._workers[number] or _Worker(self._inbox)
        self._workers[number] = worker
        self._busy[number] = job
        worker.give(job)
        return number

    def news(self) -> Iterator[tuple[Job, int, dict[str, Any]]]:
        """Wait for the next event of a worker."""
        sender, event = self._inbox.get()
        number = self._workers.index(sender)
        if event["kind"] == "gone":
            event = {"kind": "failed", "reason": f"the worker process {sender.end(grace=5)}"}
            self._workers[number] = None
        if number not in self._busy:
            return
        job = self._busy[number]
        if event["kind"] in ("done", "failed"):
            del self._busy[number]
        yield job, number, event
