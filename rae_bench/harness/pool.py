"""Jobs on worker processes of this machine."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from rae_bench.harness.jobs import Answer, AnyJob, Done, Failed
from rae_bench.harness.machine import ending

GRACE = 5.0
"""Seconds in which a worker whose stdin is closed should have ended."""


def core_count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker:
    """A worker process; what it answers goes to `inbox` as (worker, answer), at last None: it is gone."""

    def __init__(self, inbox: queue.Queue[tuple[_Worker, Answer | None]], threads: int) -> None:
        count = str(threads)
        environment = os.environ | {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count}
        # -P: the installed package, not a source folder of the same name where the command happens to be called.
        command = [sys.executable, "-P", "-m", "rae_bench.harness.worker"]
        self.inbox = inbox
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        answers = msgspec.json.Decoder(Answer)
        with self.process.stdout as lines, suppress(msgspec.DecodeError):  # a line cut short by the process' death
            for line in lines:
                self.inbox.put((self, answers.decode(line)))
        self.inbox.put((self, None))

    def give(self, job: AnyJob) -> None:
        """Hand over a job. Where the process is dead, its end is on its way."""
        assert self.process.stdin is not None
        with suppress(OSError):  # BrokenPipeError; EINVAL on Windows
            self.process.stdin.write(msgspec.json.encode(job) + b"\n")
            self.process.stdin.flush()

    def close(self) -> None:
        """Tell it to end: it ends its model processes, and itself, in the middle of a job too."""
        assert self.process.stdin is not None
        with suppress(OSError):  # what a dead process did not read
            self.process.stdin.close()

    def end(self) -> str:
        """Kill it where it does not end by itself, and say how it ended."""
        self.close()
        try:
            code = self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        return ending(code)


class Pool:
    """A pool of `count` worker processes of `threads` threads each, which die with the block.

    Args:
        tries: how often a job is begun before the death of its worker or model process counts as the job's failure.
    """

    def __init__(self, count: int, threads: int = 1, tries: int = 1) -> None:
        self._threads, self._tries = threads, tries
        self._begun: Counter[str] = Counter()
        self._inbox: queue.Queue[tuple[_Worker, Answer | None]] = queue.Queue()
        self._workers: list[_Worker | None] = [None] * count
        self._busy: dict[int, AnyJob] = {}

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        there = [worker for worker in self._workers if worker is not None]
        for worker in there:
            worker.close()
        for worker in there:
            worker.end()

    @property
    def slots(self) -> int:
        """Jobs that fit at a time."""
        return len(self._workers)

    def room(self) -> bool:
        """Whether a worker is idle."""
        return len(self._busy) < len(self._workers)

    def begin(self, job: AnyJob) -> int:
        """Hand a job to the first idle worker, which is started where there is none."""
        self._begun[job.name] += 1
        number = next(n for n in range(len(self._workers)) if n not in self._busy)
        worker = self._workers[number] or _Worker(self._inbox, self._threads)
        self._workers[number] = worker
        self._busy[number] = job
        worker.give(job)
        return number

    def news(self) -> Iterator[tuple[AnyJob, int, Answer]]:
        """Wait for the next answer of a worker."""
        sender, answer = self._inbox.get()
        number = self._workers.index(sender)
        end = ""
        if answer is None:
            end = f"the worker process {sender.end()}"
            self._workers[number] = None
        if number not in self._busy:
            return
        job = self._busy[number]
        answer = answer or Failed(end, died=True)
        if isinstance(answer, Failed) and answer.died and self._begun[job.name] < self._tries:
            del self._busy[number]
            self.begin(job)
            return
        if isinstance(answer, (Done, Failed)):
            del self._busy[number]
        yield job, number, answer
