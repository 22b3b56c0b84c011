"""Text that others wrote, made harmless for where it stands. Jinja2's autoescape does the same for HTML.

An entry's card may hold anything. Here it stays text: no markup of Markdown or HTML, no formula of a spreadsheet, no
address but one of the web.
"""

from __future__ import annotations

import html
import re

from rae_bench.leaderboard.entries.finding import Refused, one_line
from rae_bench.leaderboard.entries.text import check_link

MARKS = re.compile(r"([\\`*_{}\[\]#!|~$^@])")
CUT = re.compile(r"(?<=@)|(?<=#)(?=\d)|(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)
"""Where a space of no width keeps renderers from making a link: of an address, of e-mail, of a person, of an issue."""
FORMULA = ("=", "+", "-", "@")
LONGEST_CELL = 200
"""Characters of a text in a table."""


def markdown(text: object) -> str:
    """Escape text for a line or a table cell of Markdown, not at a line's start: marks, HTML, and links by themselves.

    A backslash alone does not keep a renderer from linking e-mail: it looks for it when the backslashes are gone.
    """
    line = html.escape(MARKS.sub(r"\\\1", one_line(text, LONGEST_CELL)), quote=False)
    return CUT.sub("&#8203;", line)


def csv_cell(text: object) -> str:
    """Escape text for a cell of CSV: what a spreadsheet would take for a formula gets an apostrophe.

    Spreadsheets of half of the world part cells at semicolons, and a formula could begin after one within the text.
    """
    line = one_line(text, LONGEST_CELL).replace(";", ",")
    return f"'{line}" if line.startswith(FORMULA) else line


def web_address(text: object) -> str:
    """Return the text where it is an https address, else "": no `javascript:`, no `data:`, nothing without a host."""
    try:
        return check_link(str(text), "address")
    except Refused:
        return ""
