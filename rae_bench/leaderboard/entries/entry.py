"""Entries: a model's cells on the leaderboard with its card, read without trusting them, and written.

`leaderboard/entries/<name>/` holds `entry.toml` (card, division, where the trajectories are), `cells/<task>/` (results
and their tables of clips as `run` writes them) and, once verified, `level.json` (see `level.py`), with `reruns/<task>/`
where cells were trained again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from rae_bench.benchmark import BENCHMARK_VERSION
from rae_bench.leaderboard.entries import entry_files
from rae_bench.leaderboard.entries.card import Card, Trajectories, check_facts
from rae_bench.leaderboard.entries.cells import EntryCell, check_version, convert, read_cell
from rae_bench.leaderboard.entries.finding import Refused
from rae_bench.leaderboard.entries.level import (
    CLAIMED,
    REPRODUCED,
    RESCORED,
    Again,
    Level,
    Record,
    TaskLevel,
    read_record,
)
from rae_bench.leaderboard.entries.text import check_link
from rae_bench.storage import parse_toml, whole_file
from rae_bench.task.cells import TRUTH

SCHEMA = "rae-bench.entry/1"
Struct = TypeVar("Struct")


class _EntryFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal["rae-bench.entry/1"]
    benchmark: int
    name: str
    division: Literal["closed", "open"]
    regime: str
    card: Card
    external: list[str] = []
    trajectories: Trajectories | None = None


@dataclass(frozen=True, eq=False)
class Entry:
    """A model's cells on the leaderboard.

    Attributes:
        name: the name of the folder.
        division: `closed` or `open`; `external` declares the other data or pre-training of an open entry.
        regime: the transfer regime whose score ranks the entry; `none` for controls and the truth.
        trajectories: the packed trajectories; None for the truth.
        cells: in the order of task, regime, fraction, seed.
        record: what a verifier has written; None where nobody has verified the entry.
        reruns: what a verifier's training of some cells gave.
    """

    name: str
    folder: Path
    division: str
    external: tuple[str, ...]
    regime: str
    card: Card
    trajectories: Trajectories | None
    cells: tuple[EntryCell, ...]
    record: Record | None = None
    reruns: tuple[EntryCell, ...] = ()

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the tasks that it has cells of, sorted."""
        return tuple(sorted({cell.task for cell in self.cells}))

    def of(self, task: str) -> tuple[EntryCell, ...]:
        """Return the cells of a task."""
        return tuple(cell for cell in self.cells if cell.task == task)

    def hash_of(self, task: str) -> str:
        """Return the sha256 of all that a level of a task vouches for: cells, trajectories, division and regime."""
        packed = self.trajectories.sha256 if self.trajectories else ""
        facts = [SCHEMA, self.division, *self.external, self.regime, self.card.model, self.card.config, packed]
        facts += [f"{cell.where} {cell.sha256}" for cell in self.of(task)]
        return hashlib.sha256("\0".join(facts).encode()).hexdigest()

    def recorded(self, task: str) -> TaskLevel | None:
        """Return what a verifier wrote of a task, unless something was edited since."""
        known = self.record.tasks.get(task) if self.record else None
        return known if known and known.sha256 == self.hash_of(task) else None

    def level(self, task: str) -> Level:
        """Return `claimed`, `rescored` or `reproduced`, as recorded.

        An entry is reproduced where cells that rank it were trained again: those of the regime that it declares. Their
        results have to be there.
        """
        known = self.recorded(task)
        if known is None:
            return CLAIMED
        own = {cell.name for cell in self.of(task) if cell.regime == self.regime and cell.status == "ok"}
        ranked = any(again.cell in own for again, _ in self.again(task))
        return RESCORED if known.level == REPRODUCED and not ranked else known.level

    def again(self, task: str) -> list[tuple[Again, EntryCell]]:
        """Return the recorded cells of a task that were trained again and whose results are there, as recorded."""
        known = self.recorded(task)
        there = {(cell.task, cell.name, cell.sha256): cell for cell in self.reruns}
        keys = {(task, one.cell, one.sha256): one for one in (known.rerun if known else ())}
        return [(one, there[key]) for key, one in keys.items() if key in there]

    @property
    def edited(self) -> tuple[str, ...]:
        """The tasks whose recorded level is lost, since something was edited after the check."""
        known = self.record.tasks if self.record else {}
        return tuple(t for t in sorted(known) if t not in self.tasks or known[t].sha256 != self.hash_of(t))


def load_entry(folder: str | Path) -> Entry:
    """Read an entry and check its form; `verify` checks what its numbers are worth.

    Raises:
        Refused: the first thing that is not as it must be.
        UserError: an entry or a cell of another version of the benchmark.
    """
    folder = Path(os.path.abspath(folder))  # "." has no name
    if folder.is_symlink():
        raise Refused(folder.name, "is a symbolic link", "put the folder itself there")
    if not folder.is_dir():
        raise Refused(folder, "no such entry", "name a folder of leaderboard/entries")
    names = entry_files.list_files(folder)
    facts = _entry_file(folder, names)
    found, reruns = (_cells(folder, place, names, facts) for place in (entry_files.CELLS, entry_files.RERUNS))
    if not found:
        raise Refused(entry_files.CELLS, "holds no result", "make the entry with rae-bench submit")
    level = entry_files.LEVEL
    record = read_record(entry_files.read_bytes(folder / level, level)) if level in names else None
    return Entry(
        facts.name, folder, facts.division, tuple(facts.external), facts.regime, facts.card, facts.trajectories, found,
        record, reruns,
    )  # fmt: skip


def _cells(folder: Path, place: str, names: Mapping[str, int], facts: _EntryFile) -> tuple[EntryCell, ...]:
    """Read the results of a folder of an entry, in the order of task, regime, fraction, seed."""
    read = [read_cell(folder, name, names, facts.card, facts.regime) for name in names if name.startswith(f"{place}/")]
    return tuple(sorted((c for c in read if c), key=lambda c: (c.task, c.regime, c.fraction, c.seed)))


def load_entries(folder: str | Path) -> list[Entry]:
    """Return all entries of `leaderboard/entries`, sorted by name. Raise `Refused` as `load_entry` does."""
    return [load_entry(path) for path in sorted(Path(folder).iterdir()) if path.is_dir() and path.name[0] != "."]


def _entry_file(folder: Path, names: Mapping[str, int]) -> _EntryFile:
    if entry_files.ENTRY not in names:
        raise Refused(entry_files.ENTRY, "is missing", "make the entry with rae-bench submit")
    try:
        table = parse_toml(entry_files.read_bytes(folder / entry_files.ENTRY, entry_files.ENTRY).decode("utf-8"))
    except (ValueError, RecursionError) as error:  # of text, of TOML, and of numbers with thousands of digits
        raise Refused(entry_files.ENTRY, f"not TOML: {error}", "see docs/guides/submitting.md") from None
    check_version(table, folder / entry_files.ENTRY, "this entry")
    facts = convert(table, _EntryFile, entry_files.ENTRY)
    if not entry_files.is_slug(facts.name) or facts.name != folder.name:
        mend = "use letters, digits, - and _ in both"
        raise Refused(entry_files.ENTRY, f"name '{facts.name}' is not the folder's", mend)
    check_facts(facts.card, facts.division, facts.external, facts.regime)
    if facts.trajectories is not None:
        check_link(facts.trajectories.url, f"{entry_files.ENTRY}: trajectories.url")
    elif facts.card.model != TRUTH:
        raise Refused(entry_files.ENTRY, "has no [trajectories]", "make the entry with rae-bench submit")
    return facts


def write_entry_file(
    folder: Path, card: Card, division: str, external: list[str], regime: str, trajectories: Trajectories | None
) -> None:
    """Write `entry.toml` in an entry's folder. The entry has the folder's name."""
    head = {"schema": SCHEMA, "benchmark": BENCHMARK_VERSION, "name": folder.name}
    head |= {"division": division, "regime": regime, "external": external}
    lines = [f"{key} = {_toml(value)}" for key, value in head.items()]
    for title, table in {"card": card, "trajectories": trajectories}.items():
        if table is not None:
            lines += ["", f"[{title}]"]
            lines += [f"{key} = {_toml(value)}" for key, value in msgspec.to_builtins(table).items()]
    with whole_file(folder / entry_files.ENTRY) as scratch:
        scratch.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value: Any) -> str:
    """Return a value of a card as TOML. JSON's texts and lists are TOML's, but for DEL, which checks refuse."""
    return json.dumps(value, ensure_ascii=False)
