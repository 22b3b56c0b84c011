"""Tables of plain text that fit a width. Columns are left out in a stated order, and no number is wrapped or cut."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

GUTTER = "  "
SECTION = None
"""Stands for an empty line between two rows."""
Cells = Sequence[str]

MOST = 1e5
"""From here on a number stands in short form."""
NO_DECIMALS = 1e3
"""From here on a number has no decimals: they would say less than its spread does."""


@dataclass(frozen=True)
class TextColumn:
    """A column of a table.

    Attributes:
        name: what the reader calls it, for the note on hidden columns.
        heading: its heading, in one line or more.
        right: whether its cells are aligned to the right, as numbers are.
        leaves: the order in which columns are left out if there is too little room. The column with the greatest number
            is left out first. A column with 0 is never left out.
    """

    name: str
    heading: str = ""
    right: bool = True
    leaves: int = 0


def text_table(
    columns: Sequence[TextColumn], rows: Sequence[Cells | None], width: int | None = None, *, rule: bool = True
) -> tuple[list[str], list[str]]:
    """Lay a table out in lines of at most `width` characters.

    Columns are left out until the table fits. The column with the greatest `leaves` is the first. Columns with 0 stay,
    even if they are wider than `width`.

    Args:
        rows: the cells of each row, in one line or more; `SECTION` is an empty line.
        width: characters of a line; None for no limit.
        rule: whether a line is drawn below the headings.

    Returns:
        the lines, and the names of the columns that were left out, in the order of the table.
    """
    shown = list(range(len(columns)))
    heads = [(column.heading or column.name).split("\n") for column in columns]
    body = [None if row is None else [cell.split("\n") for cell in row] for row in rows]
    blocks = [heads, *(row for row in body if row is not None)]
    widths = [max(len(line) for block in blocks for line in block[k]) for k in range(len(columns))]

    def total() -> int:
        return sum(widths[k] for k in shown) + len(GUTTER) * (len(shown) - 1)

    while width is not None and total() > width:
        leaving = max(shown, key=lambda k: columns[k].leaves)
        if not columns[leaving].leaves:
            break
        shown.remove(leaving)

    def block_lines(block: Sequence[Sequence[str]], *, bottom: bool = False) -> list[str]:
        height = max(len(block[k]) for k in shown)
        lines = []
        for number in range(height):
            words = []
            for k in shown:
                at = number - (height - len(block[k]) if bottom else 0)
                word = block[k][at] if 0 <= at < len(block[k]) else ""
                words.append(word.rjust(widths[k]) if columns[k].right else word.ljust(widths[k]))
            lines.append(GUTTER.join(words).rstrip())
        return lines

    lines = block_lines(heads, bottom=True)
    if rule:
        lines.append("─" * total())
    for row in body:
        lines += [""] if row is None else block_lines(row)
    return lines, [column.name for k, column in enumerate(columns) if k not in shown]


def short_number(value: float, digits: int) -> str:
    """Write a number of any size in few characters: 3.14, 1,005, 1.4e+08. NaN becomes an empty text.

    Args:
        digits: decimals of a number below a thousand.
    """
    if math.isnan(value):
        return ""
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if abs(value) < NO_DECIMALS:
        return f"{value:z.{digits}f}"
    return f"{value:,.0f}" if round(abs(value)) < MOST else f"{value:.1e}"


def short_range(low: float, high: float, digits: int) -> str:
    """Write the ends of an interval in few characters, as in 0.9-1.2 or 0.0-1e+06."""

    def end(value: float) -> str:
        return re.sub(r"\.\d+e", "e", short_number(value, digits))

    return f"{end(low)}-{end(high)}"


def hidden_note(names: Sequence[str]) -> str:
    """Say which columns are hidden, and what shows them. The text is empty if no column is hidden."""
    if not names:
        return ""
    return f"{len(names)} column{'s' if len(names) > 1 else ''} hidden ({', '.join(names)}): --wide shows all."
