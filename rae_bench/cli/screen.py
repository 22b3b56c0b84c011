"""What is printed for people to read: tables and notes within the width of the terminal, and what to do next.

A terminal has a width, and so has a pipe where the variable COLUMNS is set. A pipe has none otherwise: tables have all
of their columns there, and every note is one line.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from rae_bench.results.text_table import Cells, TextColumn, hidden_note, text_table

NO_BREAK = "\u00a0"
LEAST_TEXT = 16
"""Characters beside a heading below which text is not wrapped."""
LEAST_WIDTH = 40
"""Characters of a line that notes have even in a narrower terminal."""


def screen_width() -> int | None:
    """Return how many characters a line on stdout may have; None where there is no limit."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal():
        return max(shutil.get_terminal_size().columns, LEAST_WIDTH)
    return None


def wide_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option that shows all columns of a table, whatever the width of the terminal."""
    return click.option("--wide", is_flag=True, help="All columns of tables, however narrow the terminal.")(function)


def print_table(
    columns: Sequence[TextColumn], rows: Sequence[Cells | None], title: str = "", *, wide: bool = False,
    end: str | None = "\n",
) -> None:
    """Print a table with the columns that fit, then `end`, and say which do not fit."""
    lines, hidden = text_table(columns, rows, None if wide else screen_width())
    if title:
        print_notes([title], bold=True)
        click.echo()
    for line in lines:
        click.echo(line)
    click.echo(end, nl=False)
    if hidden:
        print_notes([hidden_note(hidden)])


def print_notes(notes: Iterable[str], **style: Any) -> None:
    """Print each note, wrapped between words; words that are longer than a line stay whole."""
    width = screen_width()
    for note in notes:
        for line in [note] if width is None else wrapped(note, width, "  "):
            click.secho(line, **style)


def print_facts(facts: Iterable[tuple[str, str]], indent: int = 12) -> None:
    """Print each (heading, text) with the text `indent` characters from the left, wrapped between words."""
    width = screen_width()
    for head, text in facts:
        line = f"{head:<{indent}}{text}".rstrip() if len(head) < indent else f"{head} {text}".rstrip()
        if width is None or len(line) <= width:
            click.echo(line)
            continue
        lead = line[: len(line) - len(text)]
        first, *rest = wrapped(text, width - len(lead)) if width - len(lead) > LEAST_TEXT else [text]
        click.echo(lead + first)
        for part in wrapped(" ".join(rest), width - indent) if rest else ():
            click.echo(" " * indent + part)


def wrapped(note: str, width: int, indent: str = "") -> list[str]:
    """Return a note in lines of at most `width` characters; all but the first begin with `indent`."""
    joined = re.sub(r"(?<=\d) (?=(%|cm|s|m|MB|Hz)\b|%)", NO_BREAK, note)  # a number stays with its unit
    lines = textwrap.wrap(joined, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return [line.replace(NO_BREAK, " ") for line in lines] or [""]


def next_steps(*commands: str) -> None:
    """Say at a terminal which command comes next; on stderr, for stdout carries the result."""
    if sys.stderr.isatty():
        for number, command in enumerate(commands):
            click.secho(f"{'     ' if number else 'next:'} {command}", err=True, dim=True)
