"""Live progress of a run on stderr: one line a worker, one for the whole, and a plain line for each finished cell."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bars
from rich.table import Column
from rich.text import Text

from rae_bench.cli.cells import cell_label, duration, job_label
from rae_bench.cli.status import finished_words
from rae_bench.harness.events import Answered, Begun, DataWanted, Elsewhere, Event, Planned
from rae_bench.harness.jobs import AnyJob, Done, Failed, Progress
from rae_bench.harness.tally import Tally

EVERY = 30.0
"""Seconds between two signs of life, where there is no terminal and no job ends."""
LABEL, STATE, LEFT = 30, 22, 13
"""Characters of a line for what is done, its state and the time left; the bar takes the rest."""


class TimeLeft(ProgressColumn):
    """The time left, in words; nothing where it is not known."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        """The words for one line."""
        left = task.time_remaining
        return Text(f"{duration(left)} left" if left is not None and not task.finished else "", no_wrap=True)


def live_bars(console: Console) -> Bars:
    """Return lines with a label, a bar, a state and the time left, that fit the width of the console."""
    room = max(console.width - LABEL - STATE - LEFT - 3, 4)
    return Bars(
        TextColumn("{task.description}", table_column=Column(width=LABEL, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=min(room, 40)),
        TextColumn("{task.fields[state]}", table_column=Column(width=STATE, no_wrap=True, overflow="ellipsis")),
        TimeLeft(table_column=Column(width=LEFT, no_wrap=True)),
        console=console,
        transient=True,
        speed_estimate_period=30,
    )


class RunProgress:
    """Observer of a run: give `observe` to `rae_bench.run`."""

    def __init__(self, console: Console, title: str) -> None:
        self.console, self.title = console, title
        self.live = live_bars(console)
        self.bars: dict[int, Any] = {}
        self.total: Any = None
        self.tally = Tally()
        self.traced: set[str] = set()
        self.awake: set[int] = set()
        self.life = SignOfLife(console)

    def __enter__(self) -> RunProgress:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:  # stopping what was not started prints an empty line
            self.live.stop()
        if isinstance(error, KeyboardInterrupt):
            error.args = (f"{self.title}: {self.how_far()}",)

    def how_far(self) -> str:
        """How many cells are finished, in words."""
        tally = self.tally
        return finished_words(tally.finished, tally.cells) if tally.cells else "no cell had begun"

    def _say(self, text: str, word: str = "", colour: str = "") -> None:
        say(self.console, text, word, colour)

    def observe(self, event: Event) -> None:
        """Take one event of a run."""
        self.tally.observe(event)
        match event:
            case DataWanted():
                self._say(f"{self.title}: making or finding the data")
            case Planned():
                self._plan(event)
            case Begun(job, worker):
                self._begin(job, worker)
            case Answered(_, worker, Progress() as answer):
                self._progress(worker, answer)
            case Elsewhere(job):
                self._say(f"waiting {job_label(job)}: another run is at it")
            case Answered(job, worker, (Done() | Failed()) as answer):
                self._count()
                if worker in self.bars and not self.tally.running[worker]:
                    self.live.update(self.bars[worker], visible=False)
                say_end(self.console, answer, job_label(job), self.traced)

    def _begin(self, job: AnyJob, worker: int) -> None:
        """A job begins, by itself or with those that the worker has begun just now."""
        mine = self.tally.running[worker]
        if worker not in self.bars:
            self.bars[worker] = self.live.add_task("", total=1, state="")
        label = job_label(next(iter(mine.values()))) + (f" and {len(mine) - 1} more" if len(mine) > 1 else "")
        state = "beginning" if worker in self.awake else "starting the worker"
        self.live.reset(self.bars[worker], total=max(job.updates, 1), description=label, state=state, visible=True)

    def _plan(self, event: Planned) -> None:
        cells = [p for plan in event.plans for p in plan.cells]
        text = f"{self.title}: {self.tally.cells} cell{'s' * (self.tally.cells != 1)}, {self.tally.before} done before"
        workers = min(event.pool.slots, len(event.jobs)) if event.pool else 0
        if self.tally.before == self.tally.cells:
            text += "; nothing that they depend on has changed"
        elif workers:
            text += f"; starting {workers} worker{'s' if workers > 1 else ''}"
        self._say(text)
        for p in cells:
            if p.state == "stale" or p.why:
                self._say(f"again   {cell_label(p.cell)} ({p.why})")
        self.total = self.live.add_task("all", total=self.tally.updates, state="")
        self._count()

    def _progress(self, worker: int, answer: Progress) -> None:
        bar = self.bars[worker]
        self.awake.add(worker)
        self.life.give(lambda: self._words(worker, answer))
        if answer.updates > 1:
            text = f"{answer.stage} {answer.update:,}/{answer.updates:,}"
            self.live.update(bar, total=answer.updates, completed=answer.update, state=text)
            self._count()
        else:
            self.live.update(bar, state=answer.stage)

    def _words(self, worker: int, answer: Progress) -> str:
        """How far the run is, and what a worker is at, in a plain line."""
        label = next(map(job_label, self.tally.running[worker].values()), "")
        of = f" {answer.update:,}/{answer.updates:,}" if answer.updates > 1 else ""
        return f"{self.tally.finished}/{self.tally.cells} cells, {label}: {answer.stage}{of}"

    def _count(self) -> None:
        if self.total is not None:
            state = f"{self.tally.finished}/{self.tally.cells} cells"
            self.live.update(self.total, completed=self.tally.made, state=state)


class SignOfLife:
    """Says a line now and then where there is no terminal, so that a log does not fall silent."""

    def __init__(self, console: Console) -> None:
        self.console, self.last = console, time.monotonic()

    def give(self, words: Callable[[], str]) -> None:
        """Say the words unless there is a terminal or a line was said just now."""
        now = time.monotonic()
        if not self.console.is_terminal and now - self.last >= EVERY:
            self.last = now
            say(self.console, words(), "at      ")


def say(console: Console, text: str, word: str = "", colour: str = "") -> None:
    """A line as it is: reasons and paths may hold what rich takes for markup."""
    console.print(Text.assemble((word, colour), text), soft_wrap=True)


def say_end(console: Console, answer: Done | Failed, name: str, traced: set[str]) -> None:
    """A line for a job that is done or failed, with the trace where its reason is not in `traced` yet."""
    if isinstance(answer, Done):
        say(console, f"    {name}", "done", "green")
        return
    say(console, f"  {name}: {answer.reason}", "failed", "red")
    if answer.trace and answer.reason not in traced:
        say(console, answer.trace)
        traced.add(answer.reason)
