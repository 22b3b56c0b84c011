"""A worker process: reads groups of jobs as JSON lines on stdin, writes what becomes of them as JSON lines on stdout.

It holds the data of the tasks and scores what models make. Models themselves run in model processes, which it drives
(`rae_bench.harness.isolation`). It ends when stdin closes, in the middle of a job too, so it never outlives the run
that started it. JSON, not pickled objects, crosses the border.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rae_bench.harness.isolation.messages import raised
from rae_bench.harness.isolation.models import Models
from rae_bench.harness.isolation.process import ModelFailed
from rae_bench.harness.jobs import Answer, AnyJob, CellJob, Done, Failed, Group, PretrainJob, Progress, Said

if TYPE_CHECKING:
    from rae_bench.harness.cell import ReportProgress
    from rae_bench.task.sides import Side
    from rae_bench.task.task import Task

Ended = Callable[[Any, Exception | None], None]
"""ended(job, why it failed or None)"""


def serve() -> None:
    """Do jobs until stdin closes."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed goes to stderr, not between our lines
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle: it closes stdin
    lines: queue.Queue[str] = queue.Queue()
    models = Models()
    threading.Thread(target=_read, args=(lines, models), daemon=True).start()
    sides: dict[str, tuple[tuple[Side, ...], Side]] = {}
    groups = msgspec.json.Decoder(Group)

    def send(job: AnyJob, answer: Answer) -> None:
        out.write(msgspec.json.encode(Said(job.name, answer)) + b"\n")
        out.flush()

    while True:
        jobs = groups.decode(lines.get()).jobs
        waiting = {job.name: job for job in jobs}

        def report(stage: str, update: int, updates: int, loss: float, waiting: Any = waiting) -> None:
            job = next(iter(waiting.values()), None)
            if job is not None:
                send(job, Progress(stage, update, updates, loss if loss == loss else None))

        def ended(job: AnyJob, error: Exception | None, waiting: Any = waiting) -> None:
            del waiting[job.name]
            send(job, Done() if error is None else failure(error))

        try:
            _do(jobs, sides, report, models, ended)
        except Exception as error:
            for job in list(waiting.values()):
                send(job, msgspec.structs.replace(failure(error), together=len(jobs) > 1))


def _read(lines: queue.Queue[str], models: Models) -> None:
    for line in sys.stdin:
        lines.put(line)
    models.close()
    os._exit(0)


def _do(
    jobs: Sequence[AnyJob], sides: dict[str, tuple[tuple[Side, ...], Side]], report: ReportProgress, models: Models,
    ended: Ended,
) -> None:
    from rae_bench.task.sides import load_sides

    first = jobs[0]
    task = first.load_task()
    if task.folder not in sides:
        sides[task.folder] = load_sides(task, Path(first.data_root) if first.data_root else None)
    perform(jobs, task, *sides[task.folder], report, models, ended)


def perform(
    jobs: Sequence[AnyJob], task: Task, sources: Sequence[Side], target: Side, report: ReportProgress, models: Models,
    ended: Ended,
) -> None:
    """Do jobs that are alike; what they leave lies at the paths that they name.

    Args:
        models: in whose processes the model runs.
        ended: is told of each job that has ended, and why it failed.

    Raises:
        Exception: whatever made all jobs fail that have not ended.
    """
    from rae_bench.harness.cell import pretrain, run_cells
    from rae_bench.model.plugins.plugin import is_path, pin_plugin

    first = jobs[0]
    if is_path(first.model):  # its files are read, so that each model process runs the same; none is run here
        pin_plugin(first.model, first.identity["model"])
    if first.retargeted:
        sources = [source.on(target.corpus.motion.rig) for source in sources]
    pretraining = [job for job in jobs if isinstance(job, PretrainJob)]
    if pretraining:
        pretrain(pretraining, task, sources, report, models)
        for job in pretraining:
            ended(job, None)
        return
    run_cells([job for job in jobs if isinstance(job, CellJob)], task, sources, target, report, models, ended)


def failure(error: Exception) -> Failed:
    """What a job raised, as an answer."""
    if isinstance(error, ModelFailed):
        return Failed(error.reason, error.trace, error.died)
    answer = raised(error)
    return Failed(answer.reason, answer.trace)


if __name__ == "__main__":
    serve()
