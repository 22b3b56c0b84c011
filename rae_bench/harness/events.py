"""What happens while jobs are done, for whoever watches; and working jobs off in the order of what they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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


Event = DataWanted | Planned | Begun | Answered | Lost | Ended


Observer = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The observer of those who want to know nothing."""


def work_off(
    jobs: Sequence[AnyJob], pool: WorkerPool, observe: Observer, affordable: Callable[[AnyJob], bool] = lambda job: True
) -> dict[str, str]:
    """Do all jobs, in the order of what they need. Returns {name of a job: reason} of those that failed.

    Args:
        observe: is given `Begun` and `Answered`.
        affordable: whether a job may still begin; after the first that may not, none does.
    """
    waiting = list(jobs)
    failed: dict[str, str] = {}
    finished: set[str] = set()
    running: set[str] = set()
    while waiting or running:
        for job in [j for j in waiting if j.needs & failed.keys()]:
            waiting.remove(job)
            failed[job.name] = f"pre-training failed: {failed[next(iter(job.needs & failed.keys()))]}"
            observe(Answered(job, -1, Failed(failed[job.name])))
        while (ready := next((j for j in waiting if j.needs <= finished), None)) is not None and pool.room():
            if not affordable(ready):
                waiting.clear()
                break
            waiting.remove(ready)
            running.add(ready.name)
            number = pool.begin(ready)
            observe(Begun(ready, number))
        if not running:
            continue
        for job, number, answer in pool.news():
            if isinstance(answer, Done):
                running.remove(job.name)
                finished.add(job.name)
            elif isinstance(answer, Failed):
                running.remove(job.name)
                failed[job.name] = answer.reason
            observe(Answered(job, number, answer))
    return failed
