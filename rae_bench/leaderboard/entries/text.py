"""What words, links and numbers of an entry may look like. Pages and tables that show them escape them as well."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from rae_bench.leaderboard.entries.finding import Refused

UNSEEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")
"""Unicode categories of characters that are not seen: controls, writing directions, private use, line separators."""
INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters and marks that show nothing although they count as printable: fillers and variation selectors."""
MARKS_IN_A_ROW = 2
"""The most marks on one letter. Vietnamese needs two where they are not one character; more is a heap of them."""
ALPHABETS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")
"""Scripts with letters that look like those of another one. A word that mixes them deceives."""
MAX_TEXT = 2000
MAX_DEPTH = 8
SMALLEST, LARGEST = 1e-30, 1e15
"""What a number of an entry may be, apart from 0 and its sign: numbers beyond are no measurement of ours."""
_ADDRESS = re.compile(r"[A-Za-z0-9._~:/?#@!$&()*+,;=%-]+")


def check_line(value: str, where: str, longest: int) -> str:
    """Return a line of text.

    Raise `Refused` on unseen characters, letters under heaps of marks, white space at its ends, and too great a length.
    """
    if len(value) > longest:
        raise Refused(where, f"has {len(value)} characters", f"shorten it to {longest}")
    if value != value.strip():
        raise Refused(where, "begins or ends with white space", "remove it")
    if value.isascii() and value.isprintable():
        return value
    bad = next((c for c in value if unicodedata.category(c) in UNSEEN or INVISIBLE.match(c)), None)
    if bad is not None:
        raise Refused(where, f"holds the unseen character U+{ord(bad):04X}", "write one line of plain text")
    row = 0
    for letter in unicodedata.normalize("NFC", value):
        row = row + 1 if unicodedata.category(letter) in ("Mn", "Me") else 0
        if row > MARKS_IN_A_ROW:
            raise Refused(where, f"has more than {MARKS_IN_A_ROW} marks on one letter", "write one line of plain text")
    return value


def check_name(value: str, where: str) -> str:
    """Return a text that people tell entries by. Raise `Refused` where a word mixes alphabets that look alike."""
    for word in re.findall(r"\w+", value):
        found = {script for letter in word if (script := _script(letter))}
        if len(found) > 1:
            mixed = " and ".join(sorted(script.capitalize() for script in found))
            raise Refused(where, f"mixes {mixed} letters in the word '{word}'", "write each word in one alphabet")
    return value


def _script(letter: str) -> str | None:
    name = unicodedata.name(letter, "") if letter.isalpha() and not letter.isascii() else "LATIN"
    script = name.partition(" ")[0]
    return script if letter.isalpha() and script in ALPHABETS else None


_ALIKE = {
    "a": "\u0430\u03b1@", "b": "\u0432", "c": "\u0441", "d": "\u0501", "e": "\u0435\u03b5", "h": "\u043d\u04bb",
    "i": "l1|!\u0456\u03b9\u04cf", "j": "\u0458", "k": "\u043a\u03ba", "m": "\u043c", "n": "\u03b7\u0578",
    "o": "0\u043e\u03bf\u0585", "p": "\u0440\u03c1", "q": "\u051b", "s": "\u0455", "t": "\u0442\u03c4",
    "u": "\u03c5\u057d", "v": "\u03bd", "w": "\u051d\u0461", "x": "\u0445\u03c7", "y": "\u0443",
}  # fmt: skip
LOOKALIKES = str.maketrans({odd: letter for letter, those in _ALIKE.items() for odd in those})
"""Cyrillic, Greek and Armenian letters and digits that are read as a Latin letter."""


def skeleton(value: str) -> str:
    """Return what a reader takes a name for: without marks, case, width and spaces, and lookalikes as one letter."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", value).casefold())
    kept = "".join(c for c in plain if c.isalnum() or c in "|!@")
    return kept.translate(LOOKALIKES).replace("rn", "m").replace("vv", "w")


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


def decode_json(data: bytes) -> Any:
    """Return what strict JSON says. Raise `ValueError` or `RecursionError`; a key that stands twice is an error too."""
    return json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_number)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key '{next(key for key in keys if keys.count(key) > 1)}' stands twice")
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def check_number(value: float, where: str) -> None:
    """Raise `Refused` on a number that no measurement gives: huge, next to nothing, infinite, or a zero with a sign."""
    if value == 0 and math.copysign(1, value) < 0:
        raise Refused(where, "is a zero with a sign", "put the file there as run wrote it")
    if value and not SMALLEST <= abs(value) <= LARGEST:
        size = "too large" if abs(value) > 1 else "too small"
        raise Refused(where, f"is {size} a number", "put the file there as run wrote it")


def check_words(value: Any, where: str, depth: int = 0) -> None:
    """Check all text and numbers of a result, and that it is not nested deep. Raise `Refused` at the first fault."""
    if depth > MAX_DEPTH:
        raise Refused(where, "is nested too deep", "run the cell again")
    if isinstance(value, str):
        check_line(value, where, MAX_TEXT)
    elif isinstance(value, int) and not isinstance(value, bool):  # of any length in JSON, and too large for a float
        check_number(value if abs(value) <= LARGEST else LARGEST * 2, where)
    elif isinstance(value, float):
        check_number(value, where)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            check_line(key, where, 100)
            check_words(item, f"{where}: {key}", depth + 1)
    elif isinstance(value, list):
        for item in value:
            check_words(item, where, depth + 1)
