"""Jobs for workers, what workers answer, and working jobs off in the order of what they need.

A job names all that it needs: a worker process reads it as one line of JSON, a node of a cluster is sent it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from rae_bench.task.cells import Cell
from rae_bench.task.task import Task, task_from_table

if TYPE_CHECKING:
    from rae_bench.harness.plan import Plan


class Job(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A piece of work.

    Attributes:
        task, task_table: name of the task, and what `task_from_table` makes it of.
        model, options: what `make_model` takes.
        identity: what its numbers depend on, see `rae_bench.harness.identity`.
        data_root: folder that holds the recordings a task names.
        device: as torch calls it.
        threads: of the process that does it.
        updates: how long it is, in optimiser updates, for the display of progress.
        needs: names of the jobs that must end well before it begins.
    """

    task: str
    task_table: dict[str, Any]
    model: str
    options: dict[str, Any]
    identity: dict[str, Any]
    data_root: str | None = None
    device: str = "cpu"
    threads: int = 1
    updates: int = 0
    needs: frozenset[str] = frozenset()

    def load_task(self) -> Task:
        """The task."""
        return task_from_table(self.task, self.task_table, self.task)


class PretrainJob(Job, frozen=True, kw_only=True, tag="pretrain"):
    """Pre-train on the sources, and keep the model in `folder`."""

    seed: int
    folder: str

    @property
    def name(self) -> str:
        """Unique among jobs."""
        return f"pretrain {self.folder}"


class CellJob(Job, frozen=True, kw_only=True, tag="cell"):
    """Run a cell, and write its result to `path`.

    Attributes:
        pretrained: folder of the pre-trained model, for cells that need one.
        keep: whether the adapted model is kept beside the result.
    """

    cell: Cell
    path: str
    pretrained: str
    keep: bool = False

    @property
    def name(self) -> str:
        """Unique among jobs."""
        return self.path


AnyJob = PretrainJob | CellJob


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """How far a job is: `update` of `updates` in a stage such as `pretrain` or `generate`."""

    stage: str
    update: int
    updates: int
    loss: float | None


class Done(msgspec.Struct, frozen=True, tag="done"):
    """A job ended well."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A job failed: the reason in a line, and the trace of what is no user's error."""

    reason: str
    trace: str = ""


Answer = Progress | Done | Failed
"""What a worker says of its job."""


@dataclass(frozen=True)
class DataWanted:
    """The data of these tasks is being made or found."""

    tasks: tuple[str, ...]


@dataclass(frozen=True)
class Planned:
    """What is to be done.

    Attributes:
        expected: {name of a job: core-seconds}, as far as earlier cells tell.
        crew: who will do the jobs; None where there are none.
    """

    plans: Sequence[Plan]
    jobs: Sequence[AnyJob]
    expected: dict[str, float]
    crew: Crew | None


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


class Crew(Protocol):
    """Who does jobs: processes of this machine, or Ray."""

    @property
    def slots(self) -> int:
        """Jobs that fit at a time."""

    def room(self) -> bool:
        """Whether another job can begin now."""

    def begin(self, job: AnyJob) -> int:
        """Begin a job. Returns the number of the worker that does it, for the display."""

    def news(self) -> Iterable[tuple[AnyJob, int, Answer]]:
        """Wait for answers of running jobs: (job, worker, answer)."""


def work_off(
    jobs: Sequence[AnyJob], crew: Crew, observe: Observer, affordable: Callable[[AnyJob], bool] = lambda job: True
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
        while (ready := next((j for j in waiting if j.needs <= finished), None)) is not None and crew.room():
            if not affordable(ready):
                waiting.clear()
                break
            waiting.remove(ready)
            running.add(ready.name)
            number = crew.begin(ready)
            observe(Begun(ready, number))
        if not running:
            continue
        for job, number, answer in crew.news():
            if isinstance(answer, Done):
                running.remove(job.name)
                finished.add(job.name)
            elif isinstance(answer, Failed):
                running.remove(job.name)
                failed[job.name] = answer.reason
            observe(Answered(job, number, answer))
    return failed
