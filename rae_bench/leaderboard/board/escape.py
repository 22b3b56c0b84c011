"""Text that others wrote, made harmless for where it is to stand. HTML is escaped by Jinja2's autoescape.

An entry's card may hold anything. Here it stays text: no markup of Markdown or HTML, no formula of a spreadsheet, no
address but of the web.
"""

from __future__ import annotations

import html
import re
from urllib.parse import urlsplit

MARKS = re.compile(r"([\\`*_{}\[\]#!|~$^@])")
FORMULA = ("=", "+", "-", "@")
SCHEMES = ("https", "http")
LONGEST = 200


def one_line(text: object, longest: int = LONGEST) -> str:
    """Printable characters on one line, at most so many of them."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def markdown(text: object) -> str:
    """Text within a line or a table cell of Markdown, not at a line's start: marks and HTML are escaped.

    The colon of an address is cut from its slashes, so that no renderer makes a link of it by itself.
    """
    line = html.escape(MARKS.sub(r"\\\1", one_line(text)), quote=False)
    return line.replace("://", ":&#8203;//").replace("www.", "www&#8203;.")


def csv_cell(text: object) -> str:
    """Text as a cell of CSV: what a spreadsheet would take for a formula gets an apostrophe.

    A semicolon, which parts cells in half of the world's spreadsheets, would let one begin within the text.
    """
    line = one_line(text).replace(";", ",")
    return f"'{line}" if line.startswith(FORMULA) else line


def web_address(text: object) -> str:
    """The address where it is one of the web, else "": no `javascript:`, no `data:`, nothing without a host."""
    line = str(text).strip()
    if any(not c.isprintable() or c in " \"'<>\\`" for c in line):
        return ""
    try:
        parts = urlsplit(line)
        parts.port  # noqa: B018  raises where it is none
    except ValueError:
        return ""
    return line if parts.scheme.lower() in SCHEMES and parts.hostname and "@" not in parts.netloc else ""
