"""What happens while jobs are done, for whoever watches; and working jobs off in the order of what they need."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rae_bench.harness.jobs import Answer, AnyJob, Done, Failed, WorkerPool
from rae_bench.harness.plan import Plan


@dataclass(frozen=True)
class DataWanted:
    """The data of these tasks is being made or found."""

    tasks: tuple[str, ...]


@dataclass(frozen=True)
class Planned:
    """What is to be done.

    Attributes:
        expected: {name of a job: core-seconds}, as far as earlier cells tell.
        pool: who will do the jobs; None where there are none.
    """

    plans: Sequence[Plan]
    jobs: Sequence[AnyJob]
    expected: dict[str, float]
    pool: WorkerPool | None


@dataclass(frozen=True)
class Begun:
    """A job began on the worker of that number."""

    job: AnyJob
    worker: int


@dataclass(frozen=True)
class Answered:
    """A worker's answer. The number is -1 where the job could not begin."""

    job: AnyJob
    worker: int
    answer: Answer


@dataclass(frozen=True)
class PutBack:
    """A job failed together with others; it will begin again by itself."""

    job: AnyJob
    worker: int


@dataclass(frozen=True)
class Elsewhere:
    """Another run is doing a job; this one waits for it."""

    job: AnyJob


@dataclass(frozen=True)
class Lost:
    """What does the jobs was lost; finished cells are kept."""

    reason: str


@dataclass(frozen=True)
class Ended:
    """All is done that could be done.

    Attributes:
        core_hours: spent in this call.
        refused: whether a limit of core-hours kept jobs from beginning.
    """

    core_hours: float
    refused: bool


Event = DataWanted | Planned | Begun | Answered | PutBack | Elsewhere | Lost | Ended


Observer = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The observer of those who want to know nothing."""


Claim = Callable[[AnyJob], Literal["ours", "done", "elsewhere"]]
"""claim(job): whether we may do it, somebody has done it since, or somebody else is doing it."""
PATIENCE = 1.0
"""Seconds between looks at what others are doing."""


def work_off(
    groups: Sequence[Sequence[AnyJob]], pool: WorkerPool, observe: Observer,
    affordable: Callable[[Sequence[AnyJob]], bool] = lambda jobs: True, claim: Claim = lambda job: "ours",
) -> dict[str, str]:
    """Do all jobs, in the order of what they need. Returns {name of a job: reason} of those that failed.

    A job that failed in company is done again by itself, so that no job is lost to another one's fault.

    Args:
        groups: jobs that are done together.
        observe: is given `Begun` and `Answered`.
        affordable: whether jobs may still begin; after the first that may not, none do.
        claim: is asked before a job begins.
    """
    waiting = [list(group) for group in groups]
    elsewhere: dict[str, AnyJob] = {}
    failed: dict[str, str] = {}
    finished: set[str] = set()
    running: set[str] = set()
    while waiting or running or elsewhere:
        for group in waiting:
            for job in [j for j in group if j.needs & failed.keys()]:
                group.remove(job)
                failed[job.name] = f"pre-training failed: {failed[next(iter(job.needs & failed.keys()))]}"
                observe(Answered(job, -1, Failed(failed[job.name])))
        waiting = [group for group in waiting if group]
        waiting += [[job] for job in elsewhere.values()]
        looked = {*elsewhere}
        elsewhere.clear()
        while pool.room():
            ready = next((group for group in waiting if all(job.needs <= finished for job in group)), None)
            if ready is None:
                break
            if not affordable(ready):
                waiting.clear()
                break
            waiting.remove(ready)
            answers = {job.name: claim(job) for job in ready}
            for job in ready:
                if answers[job.name] == "done":
                    finished.add(job.name)
                    observe(Answered(job, -1, Done()))
                elif answers[job.name] == "elsewhere":
                    elsewhere[job.name] = job
                    if job.name not in looked:
                        observe(Elsewhere(job))
            ready = [job for job in ready if answers[job.name] == "ours"]
            if not ready:
                continue
            running |= {job.name for job in ready}
            number = pool.begin(ready)
            for job in ready:
                observe(Begun(job, number))
        if not running:
            time.sleep(PATIENCE if elsewhere else 0)
            continue
        for job, number, answer in pool.news():
            if isinstance(answer, (Done, Failed)):
                running.discard(job.name)
            if isinstance(answer, Failed) and answer.together:
                waiting.insert(0, [job])
                observe(PutBack(job, number))
                continue
            if isinstance(answer, Done):
                finished.add(job.name)
            elif isinstance(answer, Failed):
                failed[job.name] = answer.reason
            observe(Answered(job, number, answer))
    return failed
