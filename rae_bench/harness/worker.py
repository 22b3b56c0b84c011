"""A worker process: reads jobs as JSON lines on stdin, writes what becomes of them as JSON lines on stdout.

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
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rae_bench.harness.isolation.messages import raised
from rae_bench.harness.isolation.models import Models
from rae_bench.harness.isolation.process import ModelFailed
from rae_bench.harness.jobs import Answer, AnyJob, Done, Failed, PretrainJob, Progress

if TYPE_CHECKING:
    from rae_bench.harness.cell import ReportProgress
    from rae_bench.task.sides import Side
    from rae_bench.task.task import Task


def serve() -> None:
    """Do jobs until stdin closes."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed goes to stderr, not between our lines
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle: it closes stdin
    lines: queue.Queue[str] = queue.Queue()
    models = Models()
    threading.Thread(target=_read, args=(lines, models), daemon=True).start()
    sides: dict[str, tuple[tuple[Side, ...], Side]] = {}
    jobs = msgspec.json.Decoder(AnyJob)

    def send(answer: Answer) -> None:
        out.write(msgspec.json.encode(answer) + b"\n")
        out.flush()

    def report(stage: str, update: int, updates: int, loss: float) -> None:
        send(Progress(stage, update, updates, loss if loss == loss else None))

    while True:
        job = jobs.decode(lines.get())
        try:
            _do(job, sides, report, models)
            send(Done())
        except Exception as error:
            send(failure(error))


def _read(lines: queue.Queue[str], models: Models) -> None:
    for line in sys.stdin:
        lines.put(line)
    models.close()
    os._exit(0)


def _do(
    job: AnyJob, sides: dict[str, tuple[tuple[Side, ...], Side]], report: ReportProgress, models: Models
) -> None:
    from rae_bench.task.sides import load_sides

    task = job.load_task()
    if task.folder not in sides:
        sides[task.folder] = load_sides(task, Path(job.data_root) if job.data_root else None)
    perform(job, task, *sides[task.folder], report, models)


def perform(
    job: AnyJob, task: Task, sources: Sequence[Side], target: Side, report: ReportProgress, models: Models
) -> None:
    """Do a job; what it leaves lies at the paths that it names. The model runs in one of `models`' processes."""
    from rae_bench.harness.cell import pretrain, run_cell
    from rae_bench.model.plugins.plugin import is_path, pin_plugin

    if is_path(job.model):  # its files are read, so that each model process runs the same; none is run here
        pin_plugin(job.model, job.identity["model"])
    if isinstance(job, PretrainJob):
        pretrain(job, task, sources, report, models)
    else:
        run_cell(job, task, sources, target, report, models)


def failure(error: Exception) -> Failed:
    """What a job raised, as an answer."""
    if isinstance(error, ModelFailed):
        return Failed(error.reason, error.trace, error.died)
    answer = raised(error)
    return Failed(answer.reason, answer.trace)


if __name__ == "__main__":
    serve()
