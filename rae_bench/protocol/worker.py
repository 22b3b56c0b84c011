"""A worker process: reads jobs as JSON lines on stdin, writes progress and outcomes as JSON lines on stdout.

It ends when stdin closes, in the middle of a job too, so it never outlives the run that started it. JSON, not pickled
objects, crosses the border.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rae_bench.errors import UserError

if TYPE_CHECKING:
    from rae_bench.protocol.domains import Side
    from rae_bench.protocol.task import Task


def serve() -> None:
    """Answer jobs until stdin closes."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what models print goes to stderr, not between our lines
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle: it closes stdin
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    sides: dict[str, Any] = {}
    while True:
        job = json.loads(lines.get())

        def send(kind: str, **values: Any) -> None:
            out.write(json.dumps({"kind": kind, **values}) + "\n")

        def progress(stage: str, update: int, updates: int, loss: float, send: Any = send) -> None:
            send("progress", stage=stage, update=update, updates=updates, loss=loss if loss == loss else None)

        try:
            _do(job, sides, progress)
            send("done")
        except Exception as error:
            send("failed", **failure(error))


def _read(lines: queue.Queue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


def _do(job: dict[str, Any], sides: dict[str, Any], progress: Any) -> None:
    from rae_bench.protocol.domains import load_sides
    from rae_bench.protocol.task import task_from_table

    task = task_from_table(job["task"]["name"], job["task"]["table"], job["task"]["name"])
    root = Path(job["data_root"]) if job.get("data_root") else None
    if task.name not in sides:
        sides[task.name] = load_sides(task, root)
    sources, target = sides[task.name]
    perform(job, task, sources, target, progress)


def perform(job: Mapping[str, Any], task: Task, sources: Sequence[Side], target: Side, progress: Any) -> None:
    """Do a job; what it leaves lies at the paths that it names."""
    from rae_bench.plugins import keep_to
    from rae_bench.protocol import cell as cells

    keep_to(job["model"] if job["do"] == "pretrain" else job["cell"]["model"], job["identity"]["model"])
    resources = {key: job[key] for key in ("threads", "device") if key in job}
    if job["do"] == "pretrain":
        cells.pretrain(
            job["model"], job["options"], job["seed"], sources, Path(job["folder"]), job["identity"], progress,
            **resources,
        )  # fmt: skip
    else:
        cell = cells.Cell(**job["cell"])
        cells.run_cell(
            cell, task, sources, target, Path(job["pretrained"]), Path(job["path"]), job["identity"], progress,
            keep=job.get("keep", False), **resources,
        )  # fmt: skip


def failure(error: Exception) -> dict[str, str]:
    """`reason` and `trace` of what a job raised: a model is foreign code, whatever it raises is the cell's reason."""
    if isinstance(error, UserError):
        return {"reason": str(error), "trace": ""}
    trace = "".join(traceback.format_exception(error))
    return {"reason": f"{type(error).__name__}: {error}", "trace": trace}


if __name__ == "__main__":
    serve()
