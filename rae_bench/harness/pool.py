"""Jobs on worker processes of this machine."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from rae_bench.errors import UserError
from rae_bench.harness.jobs import Answer, AnyJob, Done, Failed, Group, Said
from rae_bench.harness.machine import ending

GRACE = 5.0
"""Seconds in which a worker whose stdin is closed should have ended."""


def core_count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker:
    """A worker process; what it answers goes to `inbox` as (worker, answer), at last None: it is gone."""

    def __init__(self, inbox: queue.Queue[tuple[_Worker, Said | None]], threads: int, gpu: str | None) -> None:
        count = str(threads)
        environment = os.environ | {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count}
        if gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = gpu
        # -P: the installed package, not a source folder of the same name where the command happens to be called.
        command = [sys.executable, "-P", "-m", "rae_bench.harness.worker"]
        self.inbox = inbox
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        answers = msgspec.json.Decoder(Said)
        with self.process.stdout as lines, suppress(msgspec.DecodeError):  # a line cut short by the process' death
            for line in lines:
                self.inbox.put((self, answers.decode(line)))
        self.inbox.put((self, None))

    def give(self, jobs: Sequence[AnyJob]) -> None:
        """Hand over a group of jobs. Where the process is dead, its end is on its way."""
        assert self.process.stdin is not None
        with suppress(OSError):  # BrokenPipeError; EINVAL on Windows
            self.process.stdin.write(msgspec.json.encode(Group(tuple(jobs))) + b"\n")
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


def gpu_names(count: int) -> list[str]:
    """The first GPUs of this machine, as `CUDA_VISIBLE_DEVICES` names them; of those in there, where it is set.

    Raises:
        UserError: it names fewer.
    """
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(number) for number in range(count)] if seen is None else [name for name in seen.split(",") if name]
    if len(names) < count:
        raise UserError(f"--gpus {count}: CUDA_VISIBLE_DEVICES names {len(names)}; give fewer, or change the variable")
    return names[:count]


class Pool:
    """A pool of `count` worker processes of `threads` threads each, which die with the block.

    Args:
        tries: how often a job is begun before the death of its worker or model process counts as the job's failure.
        gpus: of this machine, by their names for CUDA, which the workers share in turn; none leaves CUDA to choose.
    """

    def __init__(self, count: int, threads: int = 1, tries: int = 1, gpus: Sequence[str] = ()) -> None:
        self._threads, self._tries, self._gpus = threads, tries, gpus
        self._begun: Counter[str] = Counter()
        self._inbox: queue.Queue[tuple[_Worker, Said | None]] = queue.Queue()
        self._workers: list[_Worker | None] = [None] * count
        self._busy: dict[int, dict[str, AnyJob]] = {}
        self._together: dict[int, bool] = {}

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
        """Groups that fit at a time."""
        return len(self._workers)

    def room(self) -> bool:
        """Whether a worker is idle."""
        return len(self._busy) < len(self._workers)

    def begin(self, jobs: Sequence[AnyJob]) -> int:
        """Hand jobs to the first idle worker, which is started where there is none."""
        if len(jobs) == 1:  # what becomes of a group says nothing of its jobs by themselves
            self._begun[jobs[0].name] += 1
        number = next(n for n in range(len(self._workers)) if n not in self._busy)
        gpu = self._gpus[number % len(self._gpus)] if self._gpus else None
        worker = self._workers[number] or _Worker(self._inbox, self._threads, gpu)
        self._workers[number] = worker
        self._busy[number] = {job.name: job for job in jobs}
        self._together[number] = len(jobs) > 1
        worker.give(jobs)
        return number

    def news(self) -> Iterator[tuple[AnyJob, int, Answer]]:
        """Wait for the next answer of a worker; its end is an answer to all jobs that it has."""
        sender, said = self._inbox.get()
        number = self._workers.index(sender)
        jobs, together = self._busy.get(number, {}), self._together.get(number, False)
        answers: list[tuple[AnyJob, Answer]] = []
        if said is None:
            end = Failed(f"the worker process {sender.end()}", died=True, together=together)
            self._workers[number] = None
            answers = [(job, end) for job in jobs.values()]
        elif said.name in jobs:
            answers = [(jobs[said.name], said.answer)]
        for job, answer in answers:
            if isinstance(answer, (Done, Failed)):
                del jobs[job.name]
                if not jobs:
                    del self._busy[number]
            alone = isinstance(answer, Failed) and answer.died and not answer.together
            if alone and self._begun[job.name] < self._tries:
                self.begin([job])
                continue
            yield job, number, answer
