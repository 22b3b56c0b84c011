"""Live progress of a run on stderr: one line a worker, one for the whole, and a plain line for each finished cell."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from rae_bench.cli.cells import cell_label, job_label
from rae_bench.harness.events import Answered, Begun, DataWanted, Event, Planned, PutBack
from rae_bench.harness.jobs import AnyJob, Done, Failed, Progress

OVERHEAD = 20
"""Updates that a cell's data, generation and critic take, about."""


class RunProgress:
    """Observer of a run: give `observe` to `rae_bench.run`."""

    def __init__(self, console: Console, title: str) -> None:
        self.console, self.title = console, title
        self.live = Bars(
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            speed_estimate_period=30,
        )
        self.bars: dict[int, Any] = {}
        self.total: Any = None
        self.running: dict[int, dict[str, AnyJob]] = {}
        self.credited: dict[str, int] = {}
        self.traced: set[str] = set()

    def __enter__(self) -> RunProgress:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:  # stopping what was not started prints an empty line
            self.live.stop()

    def _say(self, text: str, word: str = "", colour: str = "") -> None:
        say(self.console, text, word, colour)

    def observe(self, event: Event) -> None:
        """Take one event of a run."""
        match event:
            case DataWanted():
                self._say(f"{self.title}: making or finding the data")
            case Planned():
                self._plan(event)
            case Begun(job, worker):
                self._begin(job, worker)
            case Answered(_, worker, Progress() as answer):
                self._progress(worker, answer)
            case PutBack(job, worker):
                self.running.get(worker, {}).pop(job.name, None)
            case Answered(job, worker, (Done() | Failed()) as answer):
                self.running.get(worker, {}).pop(job.name, None)
                self._credit(job.updates + OVERHEAD - self.credited.pop(job.name, 0))
                say_end(self.console, answer, job_label(job), self.traced)

    def _begin(self, job: AnyJob, worker: int) -> None:
        """A job begins, by itself or with those that the worker has begun just now."""
        mine = self.running.setdefault(worker, {})
        mine[job.name] = job
        if worker not in self.bars:
            self.bars[worker] = self.live.add_task("", total=1, loss="")
        label = job_label(next(iter(mine.values()))) + (f" and {len(mine) - 1} more" if len(mine) > 1 else "")
        self.live.reset(self.bars[worker], total=max(job.updates, 1), description=label, loss="")

    def _plan(self, event: Planned) -> None:
        cells = [p for plan in event.plans for p in plan.cells]
        done = sum(p.state == "done" for p in cells)
        text = f"{self.title}: {len(cells)} cells, {done} done before"
        self._say(text + ("; nothing that they depend on has changed" if done == len(cells) else ""))
        for p in cells:
            if p.state == "stale" or p.why:
                self._say(f"again   {cell_label(p.cell)} ({p.why})")
        self.total = self.live.add_task("all", total=sum(j.updates + OVERHEAD for j in event.jobs), loss="")

    def _progress(self, worker: int, answer: Progress) -> None:
        bar = self.bars[worker]
        if answer.updates > 1:
            text = "" if answer.loss is None else f"loss {answer.loss:.3f}"
            self.live.update(bar, total=answer.updates, completed=answer.update, loss=text)
            for name in self.running.get(worker, {}):
                self._credit(answer.update - self.credited.get(name, 0))
                self.credited[name] = max(answer.update, self.credited.get(name, 0))
        else:
            self.live.update(bar, loss=answer.stage)

    def _credit(self, updates: int) -> None:
        if updates > 0 and self.total is not None:
            self.live.advance(self.total, updates)


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
