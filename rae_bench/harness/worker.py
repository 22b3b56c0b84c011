"""A worker process: reads jobs as JSON lines on stdin, writes what becomes of them as JSON lines on stdout.

It ends when stdin closes, in the middle of a job too, so it never outlives the run that started it. JSON, not pickled
objects, crosses the border.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rae_bench.errors import UserError
from rae_bench.harness.jobs import Answer, AnyJob, Done, Failed, PretrainJob, Progress

if TYPE_CHECKING:
    from rae_bench.harness.cell import ReportProgress
    from rae_bench.task.sides import Side
    from rae_bench.task.task import Task


def serve() -> None:
    """Do jobs until stdin closes."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what models print goes to stderr, not between our lines
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle: it closes stdin
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
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
            _do(job, sides, report)
            send(Done())
        except Exception as error:
            send(failure(error))


def _read(lines: queue.Queue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


def _do(job: AnyJob, sides: dict[str, tuple[tuple[Side, ...], Side]], report: ReportProgress) -> None:
    from rae_bench.task.sides import load_sides

    task = job.load_task()
    if task.folder not in sides:
        sides[task.folder] = load_sides(task, Path(job.data_root) if job.data_root else None)
    perform(job, task, *sides[task.folder], report)


def perform(job: AnyJob, task: Task, sources: Sequence[Side], target: Side, report: ReportProgress) -> None:
    """Do a job; what it leaves lies at the paths that it names."""
    from rae_bench.harness.cell import pretrain, run_cell
    from rae_bench.model.plugins.plugin import is_path, pin_plugin

    if is_path(job.model):
        pin_plugin(job.model, job.identity["model"])
    if isinstance(job, PretrainJob):
        pretrain(job, sources, report)
    else:
        run_cell(job, task, sources, target, report)


def failure(error: Exception) -> Failed:
    """What a job raised, as an answer: a model is foreign code, whatever it raises is the cell's reason."""
    if isinstance(error, UserError):
        return Failed(str(error))
    trace = "".join(traceback.format_exception(error))
    return Failed(f"{type(error).__name__}: {error}", trace)


if __name__ == "__main__":
    serve()
