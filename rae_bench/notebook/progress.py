"""How far a run from Python is: on stderr as on the command line, in a notebook below the cell that runs it."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rae_bench.harness.events import Answered, DataWanted, Event, Observer, Planned, ignore
from rae_bench.harness.jobs import Failed, Progress
from rae_bench.harness.tally import Tally

EVERY = 0.5
"""Seconds between two pictures of a notebook's line."""
KNOWN = 0.02
"""The share of the updates from which on the time left is told."""
SHOWN_FAILURES = 5
"""Reasons of failures that are shown; their number is told anyway."""


@contextmanager
def shown_progress(title: str, *, shown: bool = True) -> Iterator[Observer]:
    """Give an observer that shows how far a run is, where its progress is to be shown."""
    if not shown:
        yield ignore
    elif in_notebook():
        with NotebookProgress(title) as line:
            yield line.observe
    else:
        from rich.console import Console

        from rae_bench.cli.progress import RunProgress

        with RunProgress(Console(stderr=True), title) as progress:
            yield progress.observe


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook, which shows what `IPython.display` gives it."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


class NotebookProgress:
    """An observer whose picture is one line below a notebook's cell: a bar, and what is going on.

    It needs no widgets: the line is replaced. When all is done it says how it went.
    """

    def __init__(self, title: str) -> None:
        self.title, self.state = title, "loading"
        self.tally, self.failures = Tally(), list[str]()
        self.begun = time.monotonic()
        self.last, self.ended = -EVERY, False
        self._handle: Any = None

    def __enter__(self) -> NotebookProgress:
        from IPython.display import display

        self._handle = display(self, display_id=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.state = "interrupted" if kind is KeyboardInterrupt else "ended by an error"
        self.ended = True
        self._show()

    def observe(self, event: Event) -> None:
        """Take one event of a run."""
        self.tally.observe(event)
        match event:
            case DataWanted():
                self.state = "making or finding the data"
            case Planned(jobs=jobs):
                self.state = "starting the workers" if jobs else "nothing that the cells depend on has changed"
            case Answered(_, _, Progress() as answer):
                of = f" {answer.update:,}/{answer.updates:,}" if answer.updates > 1 else ""
                self.state = f"{answer.stage}{of}"
            case Answered(job, _, Failed(reason)):
                from rae_bench.cli.cells import job_label

                self.failures.append(f"{job_label(job)}: {reason}")
        if time.monotonic() - self.last >= EVERY:
            self._show()

    def _show(self) -> None:
        self.last = time.monotonic()
        if self._handle is not None:
            self._handle.update(self)

    def words(self) -> str:
        """How far it is, in a line of text."""
        from rae_bench.cli.cells import duration

        tally, spent = self.tally, time.monotonic() - self.begun
        cells = f"{tally.finished} of {tally.cells} cells finished" if tally.cells else ""
        if tally.before:
            cells += f" ({tally.before} before)"
        share = tally.made / max(tally.updates, 1)
        left = f", about {duration(spent * (1 - share) / share)} left" if KNOWN < share < 1 and not self.ended else ""
        failed = f"{len(self.failures)} failed" if self.failures else ""
        state = "" if self.ended and tally.finished + len(self.failures) >= tally.cells > 0 else self.state
        parts = [part for part in (cells, failed, state) if part]
        return f"{self.title}: {', '.join(parts)}; {duration(spent)}{left}"

    def __repr__(self) -> str:
        return self.words()

    def _repr_html_(self) -> str:
        tally = self.tally
        bar = "" if self.ended else f"<progress value='{tally.made}' max='{max(tally.updates, 1)}'></progress> "
        lines = [f"{bar}<span>{html.escape(self.words())}</span>"]
        lines += [f"failed: {html.escape(reason)}" for reason in self.failures[:SHOWN_FAILURES]]
        return "<br>".join(lines)
