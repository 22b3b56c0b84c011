"""Live table of a sweep on stderr: what is done, running, failed and left of each model and task, and the time left.

Below it a bar counts updates.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rae_bench.cli.cells import cell_label, duration, job_label
from rae_bench.cli.progress import SignOfLife, say, say_end
from rae_bench.cli.status import finished_words
from rae_bench.harness.events import Answered, Begun, DataWanted, Elsewhere, Ended, Event, Lost, Planned, PutBack
from rae_bench.harness.jobs import AnyJob, CellJob, Done, Failed, Progress
from rae_bench.harness.tally import OVERHEAD

WORDS = 70
"""Characters beside the bar."""
STATES = ("done", "running", "failed", "to do")


class SweepProgress:
    """Observer of a sweep: give `observe` to `sweep`. Off a terminal it writes a line for each finished job."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self.clock = Clock()
        self.traced: set[str] = set()
        self.life = SignOfLife(console)
        self.ended = 0
        self.cells, self.finished = 0, 0
        self.updates: dict[str, int] = {}
        self.made: dict[str, int] = {}
        self.live = Live(console=console, get_renderable=self.table, refresh_per_second=2, transient=True)

    def __enter__(self) -> SweepProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live.is_started:
            self.live.stop()
        if isinstance(error, KeyboardInterrupt):
            error.args = (self.how_far(),)

    def how_far(self) -> str:
        """How many cells are finished, in words."""
        return finished_words(self.finished, self.cells) if self.cells else "no cell had begun"

    def observe(self, event: Event) -> None:
        """Take one event of a sweep."""
        match event:
            case DataWanted(tasks):
                say(self.console, f"making or finding the data of {', '.join(tasks)}")
            case Planned():
                self._plan(event)
            case Begun(job, worker):
                self.clock.begin(job.name, worker)
                self._move(job, "to do", "running")
            case Elsewhere(job):
                say(self.console, f"waiting {job.task}  {job_label(job)}: another run is at it")
            case PutBack(job):
                self.clock.put_back(job.name)
                self._move(job, "running", "to do")
            case Answered(_, worker, Progress() as answer):
                for name in self.clock.on(worker):
                    self.made[name] = min(max(answer.update, self.made.get(name, 0)), self.updates.get(name, 0))
                self.life.give(self._words)
            case Answered(job, _, (Done() | Failed()) as answer):
                self.finished += isinstance(job, CellJob) and isinstance(answer, Done)
                self.made[job.name] = self.updates.get(job.name, 0)
                after = "done" if isinstance(answer, Done) else "failed"
                self._move(job, "running" if self.clock.end(job.name) else "to do", after)
                self.ended += 1
                place = f"{self.ended}/{self.clock.jobs} " if not self.console.is_terminal else ""
                say_end(self.console, answer, f"{place}{job.task}  {job_label(job)}", self.traced)
            case Lost(reason):
                say(self.console, reason)
            case Ended(core_hours, True):
                text = f"--max-core-hours: stopped after {core_hours:.2g}; the same command goes on from here"
                say(self.console, text)

    def _plan(self, event: Planned) -> None:
        cells = {p.path: p for plan in event.plans for p in plan.cells}
        done = sum(p.state == "done" for p in cells.values())
        self.cells, self.finished = len(cells), done
        self.updates = {job.name: job.updates for job in event.jobs}
        text = f"{len(cells)} cell{'s' * (len(cells) != 1)}, {done} done before"
        workers = min(event.pool.slots, len(event.jobs)) if event.pool else 0
        if done == len(cells):
            text += "; nothing that they depend on has changed"
        elif workers:
            text += f"; up to {workers} at a time"
        say(self.console, text)
        for p in cells.values():
            if p.state == "stale" or p.why:
                say(self.console, f"again   {p.path.parent.name}  {cell_label(p.cell)} ({p.why})")
        for path, p in cells.items():
            if p.state == "done":
                self.counts[path.parent.name, _row(p.cell.model)]["done"] += 1
        for job in event.jobs:
            self.counts[_key(job)]["to do"] += 1
        if event.jobs:
            self.clock = Clock(event.jobs, event.expected, event.pool)
            if self.console.is_terminal:
                self.live.start()

    def _move(self, job: AnyJob, before: str, after: str) -> None:
        self.counts[_key(job)][before] -= 1
        self.counts[_key(job)][after] += 1

    def table(self) -> Group:
        """The table and the bar as they are now."""
        total: Counter[str] = sum(self.counts.values(), Counter())
        table = Table(box=box.SIMPLE_HEAD, show_footer=True)
        table.add_column("task", footer="all", no_wrap=True, overflow="ellipsis")
        table.add_column("model", no_wrap=True, overflow="ellipsis")
        for state, colour in zip(STATES, ("green", "", "red", "dim"), strict=True):
            table.add_column(state, justify="right", footer=str(total[state]), style=colour, no_wrap=True)
        for (task, model), counts in self.counts.items():
            table.add_row(Text(task), Text(model), *(str(counts[state] or "") for state in STATES))
        return Group(table, self._bar())

    def _words(self) -> str:
        """How far the sweep is, in a plain line."""
        made, updates = sum(self.made.values()), sum(self.updates.values())
        return f"{self.finished}/{self.cells} cells, {made:,}/{updates:,} updates, {self.clock.words()}"

    def _bar(self) -> Table:
        updates, made = sum(self.updates.values()), sum(self.made.values())
        line = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(updates, 1), completed=made, width=max(self.console.width - WORDS, 8))
        line.add_row(bar, f"{made:,}/{updates:,} updates,", Text(self.clock.words()))
        return line


def _key(job: AnyJob) -> tuple[str, str]:
    return job.task, _row(job.model)


def _row(model: str) -> str:
    from rae_bench.model.registry import CONTROLS
    from rae_bench.task.cells import TRUTH

    return "controls" if model in (TRUTH, *CONTROLS) else model.rpartition(":")[2]


class Clock:
    """How long the rest takes: from the pace of the jobs that have ended, before that from earlier cells.

    A job weighs its expected core-seconds where those of all are known, else its updates and a share for the rest.
    """

    def __init__(self, jobs: Any = (), expected: Mapping[str, float] | None = None, pool: Any = None) -> None:
        expected = expected or {}
        self.jobs, self.pool = len(jobs), pool
        known = all(job.name in expected for job in jobs)
        self.left = {job.name: expected[job.name] if known else float(job.updates + OVERHEAD) for job in jobs}
        self.pace = 1.0 if known and jobs else 0.0
        self.workers: dict[str, int] = {}
        self.since: dict[int, float] = {}
        self.weight, self.seconds, self.start = 0.0, 0.0, time.monotonic()

    def begin(self, name: str, worker: int = 0) -> None:
        """A job begins on a worker, by itself or with others."""
        if worker not in self.workers.values():
            self.since[worker] = time.monotonic()
        self.workers[name] = worker

    def on(self, worker: int) -> list[str]:
        """The jobs that a worker does now."""
        return [name for name, place in self.workers.items() if place == worker]

    def put_back(self, name: str) -> None:
        """A job is to begin again."""
        self.workers.pop(name, None)

    def end(self, name: str) -> bool:
        """A job ends. False where it had not begun. A worker's time counts once for the jobs that it does together."""
        weight, worker = self.left.pop(name, 0.0), self.workers.pop(name, None)
        if worker is not None:
            now = time.monotonic()
            self.weight += weight
            self.seconds += now - self.since[worker]
            self.since[worker] = now
            self.pace = self.weight / max(self.seconds, 1e-6)
        return worker is not None

    def remaining(self) -> float | None:
        """Seconds left, or None where nothing is known yet."""
        if not self.left:
            return 0.0
        if not self.pace or self.pool is None:
            return None
        now = time.monotonic()
        # Copies: the display's thread looks while the main one takes events.
        left, workers, since = dict(self.left), dict(self.workers), dict(self.since)
        running: dict[int, float] = {}
        for name, worker in workers.items():
            running[worker] = running.get(worker, 0.0) + left.pop(name, 0.0)
        weight = float(sum(left.values()))
        weight += sum(max(w - self.pace * (now - since[worker]), 0.0) for worker, w in running.items())
        return weight / self.pace / max(self.pool.slots, 1)

    def words(self) -> str:
        """Time spent and left."""
        left = self.remaining()
        spent = f"{duration(time.monotonic() - self.start)} so far"
        return f"{spent}, about {duration(left)} left" if left is not None else f"{spent}, no estimate yet"
