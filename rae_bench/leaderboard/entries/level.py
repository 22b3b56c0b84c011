"""How far an entry was checked, bound to the hashes of what was: a number edited later is noticed.

The record is a plain file, which anybody could write: it is worth what the one who merges it did. Whoever doubts it
runs `verify` again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from rae_bench.leaderboard.entries import files
from rae_bench.leaderboard.entries.finding import Refused
from rae_bench.storage import whole_file

SCHEMA: Final = "rae-bench.level/1"
CLAIMED: Final = "claimed"
RESCORED: Final = "rescored"
REPRODUCED: Final = "reproduced"
LEVELS = (CLAIMED, RESCORED, REPRODUCED)
"""Nobody but the author has checked it; metrics recomputed from the trajectories; and trained again besides."""

Text = Annotated[str, Meta(max_length=100)]


class TaskLevel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The level of a task's cells.

    Attributes:
        sha256: `Entry.hash_of` when it was verified.
        package: version of rae-bench that did.
        rerun: names of the cells that were trained again.
    """

    level: Literal["rescored", "reproduced"]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    package: Text
    rerun: Annotated[list[Text], Meta(max_length=100)] = []


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a verifier found, by task."""

    schema: Literal["rae-bench.level/1"]
    tasks: Annotated[dict[Text, TaskLevel], Meta(max_length=200)]


def read_record(data: bytes) -> Record:
    """The content of `level.json`. Raises `Refused`."""
    try:
        return msgspec.json.decode(data, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(files.LEVEL, f"not as expected ({error})", "remove it; verify --record makes it") from None


def write_record(folder: Path, record: Record) -> None:
    """Write `level.json` of an entry, atomically."""
    with whole_file(folder / files.LEVEL) as scratch:
        text = json.dumps(msgspec.to_builtins(record), indent=1, sort_keys=True, allow_nan=False)
        scratch.write_text(text + "\n", encoding="utf-8")
