"""Values of options: comma-separated lists, globs, key=value, units, files to write."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from rae_bench.errors import UserError, unknown

MOST_SEEDS = 10_000
"""Seeds in one range of a list, at most."""


class SeedsType(click.ParamType):
    """How many seeds, as a number; or which, as a list with ranges: 0,3-4. One seed alone is a range: 3-3."""

    name = "seeds"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """What `--help` shows for the value."""
        return "COUNT|LIST"

    def convert(
        self, value: int | str | Sequence[int], param: click.Parameter | None, ctx: click.Context | None
    ) -> int | list[int]:
        """Return the number of seeds, or the seeds in the order of the list, each once."""
        if not isinstance(value, str):
            return value if isinstance(value, int) else list(value)
        if value.strip().lstrip("-").isdecimal():
            return int(value)
        seeds: dict[int, None] = {}
        for part in split([value]):
            found = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
            first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, -1)
            if last < first or last - first >= MOST_SEEDS:
                self.fail(f"{value!r} is neither a number of seeds nor a list such as 0,3-4", param, ctx)
            seeds |= dict.fromkeys(range(first, last + 1))
        return list(seeds)


class ShardType(click.ParamType):
    """Which share of so many: 3/10."""

    name = "shard"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """What `--help` shows for the value."""
        return "NUMBER/COUNT"

    def convert(
        self, value: str | tuple[int, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return number and count; the first share is 1."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(\d+)/(\d+)", value.strip())
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            self.fail(f"{value!r} is no share such as 3/10, from 1/10 to 10/10", param, ctx)
        return int(found[1]), int(found[2])


def split(values: Iterable[str]) -> list[str]:
    """Return the words of repeatable, comma-separated values, in order, once each."""
    words = [word.strip() for value in values for word in value.split(",")]
    return list(dict.fromkeys(word for word in words if word))


def expand(kind: str, words: Sequence[str], known: Iterable[str]) -> list[str]:
    """Return words with globs replaced by the known names that they match.

    Raises:
        UserError: A glob matches nothing.
    """
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
    """Return words as numbers; "5%" is 0.05.

    Raises:
        UserError: A word is no number; `option` names the option.
    """
    out = []
    for word in words:
        try:
            out.append(float(word[:-1]) / 100 if word.endswith("%") else float(word))
        except ValueError:
            raise UserError(f"{option} {word}: not a number") from None
    return out


def assignments(option: str, words: Iterable[str]) -> dict[str, Any]:
    """Return the keys and values of key=value words; values are JSON where they can be, else text.

    Raises:
        UserError: A word has no key or no "="; `option` names the option.
    """
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
    """Run a block that writes `path`, and raise `UserError` where it cannot be written."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None


def length_unit(text: str) -> str | float:
    """Return the name of a unit, or the metres in one unit as a number."""
    try:
        return float(text)
    except ValueError:
        return text
