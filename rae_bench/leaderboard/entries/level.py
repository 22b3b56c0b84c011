"""How far an entry was checked, with the hashes of what was checked, so that a later edit shows.

The record is a plain file that anybody could write. So `verify` takes a level that it cannot bear out itself for a
finding, and anyone who doubts a level runs `verify` again. Results of cells that were trained again lie beside it.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from rae_bench.leaderboard.entries.entry_files import LEVEL
from rae_bench.leaderboard.entries.finding import Refused
from rae_bench.leaderboard.entries.text import check_words, decode_json
from rae_bench.storage import whole_file

SCHEMA: Final = "rae-bench.level/3"
RecordedLevel = Literal["rescored", "reproduced"]
Level = Literal["claimed", RecordedLevel]
"""Only the author has checked it; metrics were recomputed from the trajectories; cells were also trained again."""
CLAIMED: Final = "claimed"
RESCORED: Final = "rescored"
REPRODUCED: Final = "reproduced"
LEVELS: tuple[Level, ...] = (CLAIMED, RESCORED, REPRODUCED)
"""The lowest first."""

ShortText = Annotated[str, Meta(max_length=100)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Meta(ge=0, le=10**9)]


class Again(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cell that was trained again, and agreed.

    Attributes:
        cell: its name, such as `finetune-f0.05-s0`.
        off: the largest difference of a primary metric from what the entry says, as a share.
        date: the day.
        machine: system and libraries, such as `Linux x86_64, torch 2.13.0`.
        sha256: of its result and table of clips, which lie under `reruns`.
    """

    cell: ShortText
    off: Annotated[float, Meta(ge=0, le=10)]
    date: Annotated[str, Meta(pattern="^20[0-9]{2}-[0-9]{2}-[0-9]{2}$")]
    machine: ShortText
    sha256: Sha256


class TaskLevel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The level of a task's cells.

    Attributes:
        sha256: `Entry.hash_of` at the time of the check.
        package: the version of rae-bench that checked.
        clips: how many clips were measured again, and how many the finished cells have.
        rerun: the cells that were trained again.
    """

    level: RecordedLevel
    sha256: Sha256
    package: ShortText
    clips: tuple[Count, Count]
    rerun: Annotated[list[Again], Meta(max_length=1000)] = []


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a verifier found, by task."""

    schema: Literal["rae-bench.level/3"]
    tasks: Annotated[dict[ShortText, TaskLevel], Meta(max_length=200)]


def read_record(data: bytes) -> Record:
    """Return the record in the content of `level.json`. Raise `Refused` where it is none."""
    try:
        found = decode_json(data)
        check_words(found, LEVEL)
        record = msgspec.convert(found, Record)
        for again in (one for level in record.tasks.values() for one in level.rerun):
            date.fromisoformat(again.date)  # the pattern has a 99th of any month
        return record
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise Refused(LEVEL, f"not as expected ({error})", "remove it; verify --record makes it") from None


def write_record(folder: Path, record: Record) -> None:
    """Write `level.json` of an entry, whole or not at all."""
    with whole_file(folder / LEVEL) as scratch:
        text = json.dumps(msgspec.to_builtins(record), indent=1, sort_keys=True, allow_nan=False)
        scratch.write_text(text + "\n", encoding="utf-8")
