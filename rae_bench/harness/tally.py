"""How far a run is, in cells and in updates, for every display of progress."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from rae_bench.harness.events import Answered, Begun, Event, Planned, PutBack
from rae_bench.harness.jobs import AnyJob, CellJob, Done, Failed, Progress

OVERHEAD = 20
"""Updates that a cell's data, generation and critic take, about."""


@dataclass
class Tally:
    """Counts what the events of a run tell: give `observe` each of them.

    Attributes:
        cells, finished: cells of the plan, and those of them that are done, by now or before.
        before: cells that were done before.
        updates, made: of all jobs, with `OVERHEAD` for each.
        running: worker -> the jobs that it does.
    """

    cells: int = 0
    finished: int = 0
    before: int = 0
    updates: int = 0
    made: int = 0
    running: dict[int, dict[str, AnyJob]] = field(default_factory=lambda: defaultdict(dict))
    _credited: dict[str, int] = field(default_factory=dict)

    def observe(self, event: Event) -> None:
        """Take one event of a run."""
        match event:
            case Planned():
                cells = {p.path: p for plan in event.plans for p in plan.cells}
                self.cells = len(cells)
                self.finished = self.before = sum(p.state == "done" for p in cells.values())
                self.updates = sum(job.updates + OVERHEAD for job in event.jobs)
            case Begun(job, worker):
                self.running[worker][job.name] = job
            case PutBack(job, worker):
                self.running[worker].pop(job.name, None)
            case Answered(_, worker, Progress() as answer) if answer.updates > 1:
                for job in self.running[worker].values():
                    self._credit(job, min(answer.update, job.updates))
            case Answered(job, worker, (Done() | Failed()) as answer):
                self.running[worker].pop(job.name, None)
                self.finished += isinstance(job, CellJob) and isinstance(answer, Done)
                self._credit(job, job.updates + OVERHEAD)

    def _credit(self, job: AnyJob, updates: int) -> None:
        """A job has made so many updates: a stage that counts from 0 again takes nothing back."""
        known = self._credited.get(job.name, 0)
        self.made += max(updates - known, 0)
        self._credited[job.name] = max(updates, known)
