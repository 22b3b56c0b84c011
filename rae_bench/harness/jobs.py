"""Jobs for workers, what workers answer, and who does jobs.

A job names all that it needs: a worker process reads it as one line of JSON, a node of a cluster is sent it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec

from rae_bench.model.regimes import is_retargeted
from rae_bench.task.cells import Cell
from rae_bench.task.reading import task_from_table
from rae_bench.task.task import FULL_BUDGET, Task


class Job(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A piece of work.

    Attributes:
        task, task_table: name of the task, and what `task_from_table` makes it of.
        budget: with which of the task's budgets.
        model, options: what `make_model` takes.
        identity: what its numbers depend on, see `rae_bench.harness.identity`.
        data_root: folder that holds the recordings a task names.
        device: as torch calls it.
        threads: of the process that does it.
        updates: how long it is, in optimiser updates, for the display of progress.
        needs: names of the jobs that must end well before it begins.
        groups: whether it may be done as one with others that are alike (`rae_bench.harness.groups`).
    """

    task: str
    task_table: dict[str, Any]
    model: str
    options: dict[str, Any]
    identity: dict[str, Any]
    budget: str = FULL_BUDGET
    data_root: str | None = None
    device: str = "cpu"
    threads: int = 1
    updates: int = 0
    needs: frozenset[str] = frozenset()
    groups: bool = False

    def load_task(self) -> Task:
        """The task."""
        return task_from_table(self.task, self.task_table, self.task).at(self.budget)


class PretrainJob(Job, frozen=True, kw_only=True, tag="pretrain"):
    """Pre-train on the sources, and keep the model in `folder`.

    Attributes:
        retargeted: whether on the sources' motion on the target's rig.
    """

    seed: int
    folder: str
    retargeted: bool = False

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

    @property
    def retargeted(self) -> bool:
        """Whether its sources are those on the target's rig."""
        return is_retargeted(self.cell.regime)


AnyJob = PretrainJob | CellJob


class Group(msgspec.Struct, frozen=True):
    """Jobs that a worker does together, one or more."""

    jobs: tuple[AnyJob, ...]



class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """How far a job is: `update` of `updates` in a stage such as `pretrain` or `generate`."""

    stage: str
    update: int
    updates: int
    loss: float | None


class Done(msgspec.Struct, frozen=True, tag="done"):
    """A job ended well."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A job failed: the reason in a line, and the trace of what is no user's error.

    Attributes:
        died: whether its model process ended: it may be begun again, as one whose worker ended.
        together: whether it was done with others, and may end well by itself.
    """

    reason: str
    trace: str = ""
    died: bool = False
    together: bool = False


Answer = Progress | Done | Failed
"""What a worker says of a job."""


class Said(msgspec.Struct, frozen=True):
    """Which of its jobs a worker says something of."""

    name: str
    answer: Answer


class WorkerPool(Protocol):
    """Who does jobs: processes of this machine, or Ray."""

    @property
    def slots(self) -> int:
        """Groups that fit at a time."""

    def room(self) -> bool:
        """Whether another group can begin now."""

    def begin(self, jobs: Sequence[AnyJob]) -> int:
        """Begin a group of jobs. Returns the number of the worker that does it, for the display."""

    def news(self) -> Iterable[tuple[AnyJob, int, Answer]]:
        """Wait for answers of running jobs: (job, worker, answer)."""


