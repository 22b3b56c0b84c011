"""The result of a check."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """The result of one check; `reason` says what is wrong, or why a check that passes was skipped."""

    name: str
    ok: bool
    reason: str = ""


class Skipped(Exception):
    """A check that does not apply raises this; the text says why."""
