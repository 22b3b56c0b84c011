"""What words and links of an entry may look like. Pages and tables that show them escape them as well."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from rae_bench.leaderboard.entries.finding import Refused

UNSEEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")
"""Unicode categories of characters that are not seen: controls, writing directions, private use, line separators."""
MAX_TEXT = 2000
MAX_DEPTH = 8
MAX_INTEGER = 1 << 63
_ADDRESS = re.compile(r"[A-Za-z0-9._~:/?#@!$&()*+,;=%-]+")


def check_line(value: str, where: str, longest: int) -> str:
    """Return a line of text. Raise `Refused` on unseen characters, white space at its ends, and too great a length."""
    if len(value) > longest:
        raise Refused(where, f"has {len(value)} characters", f"shorten it to {longest}")
    bad = next((c for c in value if unicodedata.category(c) in UNSEEN), None) if not value.isprintable() else None
    if bad is not None:
        raise Refused(where, f"holds the unseen character U+{ord(bad):04X}", "write one line of plain text")
    if value != value.strip():
        raise Refused(where, "begins or ends with white space", "remove it")
    return value


def check_link(value: str, where: str) -> str:
    """Return an https address, or an empty text. Raise `Refused` on anything else."""
    if not value:
        return value
    check_line(value, where, 500)
    mend = "give an address that begins with https://, or none"
    if not value.startswith("https://") or not _ADDRESS.fullmatch(value):
        raise Refused(where, f"'{value}' is no https address", mend)
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise Refused(where, f"'{value}' is no https address", mend) from None
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise Refused(where, f"'{value}' has no host, or names a user", mend)
    return value


def check_words(value: Any, where: str, depth: int = 0) -> None:
    """Check all text of a result. Raise `Refused` on long or unseen text, deep nesting, and huge integers."""
    if depth > MAX_DEPTH:
        raise Refused(where, "is nested too deep", "run the cell again")
    if isinstance(value, str):
        check_line(value, where, MAX_TEXT)
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:  # of any length in JSON, and too large for a float
        raise Refused(where, "is too large a number", "run the cell again")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            check_line(key, where, 100)
            check_words(item, f"{where}: {key}", depth + 1)
    elif isinstance(value, list):
        for item in value:
            check_words(item, where, depth + 1)
