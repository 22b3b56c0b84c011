"""Working jobs off in the order of what they need, whoever does them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from rae_bench.harness.plan import Job, Observer


class Crew(Protocol):
    """Who does jobs: processes of this machine, or Ray."""

    def room(self) -> bool:
        """Whether another job can begin now."""

    def begin(self, job: Job) -> int:
        """Begin a job. Returns the number of the worker that does it, for the display."""

    def news(self) -> Iterable[tuple[Job, int, dict[str, Any]]]:
        """Wait for events of running jobs: (job, worker, event); `kind` is progress, done or failed."""


def work_off(
    jobs: Sequence[Job], crew: Crew, observe: Observer, affordable: Callable[[Job], bool] = lambda job: True
) -> dict[str, str]:
    """Do all jobs. Returns {job name: reason} of those that failed.

    Each event that `observe` is given has `kind` (begin, progress, done, failed), `job` and `worker`.

    Args:
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
            observe({"kind": "failed", "job": job, "worker": -1, "reason": failed[job.name]})
        while (ready := next((j for j in waiting if j.needs <= finished), None)) is not None and crew.room():
            if not affordable(ready):
                waiting.clear()
                break
            waiting.remove(ready)
            running.add(ready.name)
            number = crew.begin(ready)
            observe({"kind": "begin", "job": ready, "worker": number})
        if not running:
            continue
        for job, number, event in crew.news():
            if event["kind"] == "done":
                running.remove(job.name)
                finished.add(job.name)
            elif event["kind"] == "failed":
                running.remove(job.name)
                failed[job.name] = event["reason"]
            observe({**event, "job": job, "worker": number})
    return failed
