"""What a command says on stderr while it works: a first line at once, what it is at, how far an interrupted one came.

Nothing here imports more than click; rich is imported where a terminal shows a changing line.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.status import Status

EVERY = 10.0
"""Seconds between two lines of what is being done, where stderr is no terminal."""


def begin(text: str, *, brief: bool = False) -> None:
    """Say what a command is about to do, before it imports anything that takes long.

    Args:
        brief: whether the command takes seconds only, so that nobody but a person at a terminal wants to know.
    """
    if not brief or sys.stderr.isatty():
        click.echo(f"{text}: loading", err=True)


class StatusLine:
    """What is being done, as a line on stderr: called with the words.

    Args:
        status: rich's changing line; None where there is no terminal.
    """

    def __init__(self, status: Status | None = None) -> None:
        self._status, self._last = status, time.monotonic()

    def __call__(self, text: str) -> None:
        """Say it: at a terminal in the place of what was said before, elsewhere once in `EVERY` seconds at most."""
        if self._status is not None:
            from rich.text import Text

            self._status.update(Text(text, overflow="ellipsis", no_wrap=True))
        elif time.monotonic() - self._last >= EVERY:
            self._last = time.monotonic()
            click.echo(text, err=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the line away while the block prints: what is printed would stand behind it otherwise."""
        if self._status is None:
            yield
            return
        self._status.stop()
        try:
            yield
        finally:
            self._status.start()


@contextmanager
def status_line() -> Iterator[StatusLine]:
    """Give a function that says on stderr what is being done.

    At a terminal it is one line that changes. Elsewhere it is a line each, but no more than one in `EVERY` seconds.
    """
    if not sys.stderr.isatty():
        yield StatusLine()
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield StatusLine(status)


@contextmanager
def truthful(how_far: Callable[[], str]) -> Iterator[None]:
    """Let an interruption of the block say how far it came, in the words of `how_far`."""
    try:
        yield
    except KeyboardInterrupt as error:
        error.args = (how_far(),)
        raise


def interruption(error: BaseException | None) -> KeyboardInterrupt | None:
    """Return the Ctrl-C that an error is, or came from, or came up after; None where there was none."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, KeyboardInterrupt):
            return error
        error = error.__cause__ or error.__context__
    return None


def finished_words(finished: int, wanted: int, what: str = "cells") -> str:
    """Say how many of what was wanted are finished, and what the same command would do."""
    if not finished:
        return f"0 of {wanted} {what} finished"
    kept = "which is kept" if finished == 1 else "which are kept"
    return f"{finished} of {wanted} {what} finished, {kept}; the same command does the rest"
