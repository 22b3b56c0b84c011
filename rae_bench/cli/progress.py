"""Live progress of a run on stderr: one line a worker, one for the whole, and a plain line for each finished cell."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from rae_bench.results.rows import row_label

OVERHEAD = 20
"""Updates that a cell's data, generation and critic take, about."""


class RunProgress:
    """Observer of a run: give `observe` to `rae_bench.run`."""

    def __init__(self, console: Console, title: str) -> None:
        self.console, self.title = console, title
        self.live = Progress(
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
        self.credited: dict[int, int] = {}
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

    def observe(self, event: Mapping[str, Any]) -> None:
        """Take one event of `rae_bench.harness.run`."""
        kind = event["kind"]
        if kind == "data":
            self._say(f"{self.title}: making or finding the data")
        elif kind == "plan":
            self._plan(event)
        elif kind == "begin":
            number = event["worker"]
            self.credited[number] = 0
            if number not in self.bars:
                self.bars[number] = self.live.add_task("", total=1, loss="")
            total = max(event["job"].updates, 1)
            self.live.reset(self.bars[number], total=total, description=label(event["job"]), loss="")
        elif kind == "progress":
            self._progress(event)
        elif kind in ("done", "failed"):
            job = event["job"]
            self._credit(event["worker"], job.updates + OVERHEAD)
            say_end(self.console, event, label(job), self.traced)

    def _plan(self, event: Mapping[str, Any]) -> None:
        planned, jobs = event["cells"], event["jobs"]
        done = sum(p.state == "done" for p in planned)
        text = f"{self.title}: {len(planned)} cells, {done} done before"
        self._say(text + ("; nothing that they depend on has changed" if done == len(planned) else ""))
        for p in planned:
            if p.state == "stale" or p.why:
                self._say(f"again   {cell_label(p.cell)} ({p.why})")
        self.total = self.live.add_task("all", total=sum(j.updates + OVERHEAD for j in jobs), loss="")

    def _progress(self, event: Mapping[str, Any]) -> None:
        bar = self.bars[event["worker"]]
        loss = event.get("loss")
        if event["updates"] > 1:
            text = "" if loss is None else f"loss {loss:.3f}"
            self.live.update(bar, total=event["updates"], completed=event["update"], loss=text)
            self._credit(event["worker"], event["update"])
        else:
            self.live.update(bar, loss=event["stage"])

    def _credit(self, worker: int, updates: int) -> None:
        before = self.credited.get(worker, 0)
        if updates > before and self.total is not None:
            self.live.advance(self.total, updates - before)
            self.credited[worker] = updates


def say(console: Console, text: str, word: str = "", colour: str = "") -> None:
    """A line as it is: reasons and paths may hold what rich takes for markup."""
    console.print(Text.assemble((word, colour), text), soft_wrap=True)


def say_end(console: Console, event: Mapping[str, Any], name: str, traced: set[str]) -> None:
    """A line for a job that is done or failed, with the trace where its reason is not in `traced` yet."""
    if event["kind"] == "done":
        say(console, f"    {name}", "done", "green")
        return
    say(console, f"  {name}: {event['reason']}", "failed", "red")
    if event.get("trace") and event["reason"] not in traced:
        say(console, event["trace"])
        traced.add(event["reason"])


def duration(seconds: float) -> str:
    """A length of time in words, to the precision that people plan with."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def cell_label(cell: Any) -> str:
    """A cell in words."""
    text = row_label(cell.model, cell.regime, cell.fraction)
    if cell.regime == "none":
        return text + (f" {100 * cell.fraction:g} %" if cell.model == "nearest" else "")
    return f"{cell.model.rpartition(':')[2]} {text} seed {cell.seed}"


def label(job: Any) -> str:
    """A job in words."""
    from rae_bench.task.cells import Cell

    payload = job.payload
    if payload["do"] == "pretrain":
        return f"{payload['model'].rpartition(':')[2]} pre-training seed {payload['seed']}"
    return cell_label(Cell(**payload["cell"]))
