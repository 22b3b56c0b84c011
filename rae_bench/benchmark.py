"""The version of the benchmark's rules, and what is said of numbers that another version made.

It is raised where numbers stop to compare although no code of a cell is at fault: other rules of the protocol, of the
score or of the board. docs/concepts/leaderboard.md has the policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BENCHMARK_VERSION = 2
FIRST_VERSION = 1
"""The version of files that name none: version 1 did not write it into results and entries."""
OLD_BOARDS = {1: "leaderboard/v1"}
"""Version -> where its board, its entries and its documents stay readable."""


def version_of(table: Mapping[str, Any]) -> Any:
    """Return what a result, an entry or a board says of the benchmark's version; `FIRST_VERSION` where it says nothing.

    Version 1 wrote its own number as text, so whole numbers in text count as numbers. Other content stays as it is.
    """
    found = table.get("benchmark", FIRST_VERSION)
    return int(found) if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 5 else found


def other_version(found: Any, what: str) -> str:
    """Return what is wrong with numbers of benchmark version `found`; "" where it is this version.

    Args:
        found: what `version_of` gives.
        what: the words say what has these numbers, such as "this entry".
    """
    if type(found) is int and found == BENCHMARK_VERSION:
        return ""
    known = type(found) is int and found in OLD_BOARDS
    where = f"; the board of version {found} stays readable in {OLD_BOARDS[found]}" if known else ""
    words = repr(found)[:20]  # of files that others wrote: no control characters
    return (
        f"{what} is of benchmark version {words}, whose numbers do not compare with those of version "
        f"{BENCHMARK_VERSION}{where}"
    )
