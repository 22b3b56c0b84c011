"""What options name: comma-separated lists, globs, key=value, files to write."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rae_bench.errors import UserError, unknown


def split(values: Iterable[str]) -> list[str]:
    """Repeatable, comma-separated words, in order, once each."""
    words = [word.strip() for value in values for word in value.split(",")]
    return list(dict.fromkeys(word for word in words if word))


def expand(kind: str, words: Sequence[str], known: Iterable[str]) -> list[str]:
    """Words with globs replaced by the known names that they match."""
    out: list[str] = []
    names = list(known)
    for word in words:
        if any(c in word for c in "*?[") and ":" not in word and not word.endswith(".toml"):
            matches = fnmatch.filter(names, word)
            if not matches:
                raise unknown(kind, word, names)
            out.extend(matches)
        else:
            out.append(word)
    return list(dict.fromkeys(out))


def numbers(option: str, words: Sequence[str]) -> list[float]:
    """Words as numbers; "5%" is 0.05."""
    out = []
    for word in words:
        try:
            out.append(float(word[:-1]) / 100 if word.endswith("%") else float(word))
        except ValueError:
            raise UserError(f"{option} {word}: not a number") from None
    return out


def assignments(option: str, words: Iterable[str]) -> dict[str, Any]:
    """key=value words; values are JSON where they can be, else text."""
    out: dict[str, Any] = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or not key:
            raise UserError(f"{option} {word}: write key=value")
        try:
            out[key] = json.loads(value)
        except ValueError:
            out[key] = value
    return out


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A block that writes `path`: raises `UserError` where that cannot be."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None


def length_unit(text: str) -> str | float:
    """A unit's name, or the metres in one unit as a number."""
    try:
        return float(text)
    except ValueError:
        return text
