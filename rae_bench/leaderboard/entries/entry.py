"""Entries: a model's cells on the leaderboard with its card, read without trusting them, and written.

`leaderboard/entries/<name>/` holds `entry.toml` (card, division, where the trajectories are), `cells/<task>/` (results
and their tables of clips as `run` writes them) and, once verified, `level.json` (see `level.py`).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import numpy as np
from msgspec import Meta

from rae_bench.benchmark import BENCHMARK_VERSION, other_version, version_of
from rae_bench.errors import UserError
from rae_bench.leaderboard.entries import entry_files
from rae_bench.leaderboard.entries.card import Card, Trajectories, check_facts
from rae_bench.leaderboard.entries.finding import Refused
from rae_bench.leaderboard.entries.level import CLAIMED, REPRODUCED, RESCORED, Record, TaskLevel, read_record
from rae_bench.leaderboard.entries.text import LARGEST, SMALLEST, check_link, check_number, check_words, decode_json
from rae_bench.model.regimes import NO_REGIME, REGIMES
from rae_bench.objectives.tracks import KEYFRAMES, TRACKS
from rae_bench.results.clips import ClipTable, parse_clips
from rae_bench.results.files import SCHEMA as RESULT
from rae_bench.storage import parse_toml, whole_file
from rae_bench.task.cells import TRUTH, cell_name
from rae_bench.task.task import FULL_BUDGET

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


class _Metric(msgspec.Struct):
    value: float | None
    unit: str
    direction: Literal["lower", "higher", "none"]


class _ResultFile(msgspec.Struct):
    schema: str
    status: Literal["ok", "skipped"]
    model: str
    task: str
    regime: str
    fraction: Annotated[float, Meta(ge=0, le=1)]
    seed: Annotated[int, Meta(ge=0, lt=10**9)]
    identity: dict[str, str | int | dict[str, int]]
    metrics: Annotated[dict[str, _Metric], Meta(max_length=500)]
    cost: dict[str, Any]
    environment: dict[str, Any]
    reason: str
    benchmark: int
    budget: Literal["quick", "full"]
    options: dict[str, Any] = {}
    track: str = KEYFRAMES
    rig_height: Annotated[float, Meta(gt=0)] | None = None
    fps: Annotated[float, Meta(gt=0)] | None = None


@dataclass(frozen=True, eq=False)
class EntryCell:
    """One cell of an entry.

    Attributes:
        path: the JSON file. Unless the cell was skipped, its table of clips lies beside it and ends in .csv.
        status: `ok`, or `skipped` for the `reason`.
        metrics: name -> value; NaN for null.
        result: all of the JSON.
        sha256: the hash of the JSON and the table of clips.
    """

    path: Path
    task: str
    regime: str
    fraction: float
    seed: int
    status: str
    reason: str
    identity: Mapping[str, Any]
    metrics: Mapping[str, float]
    result: Mapping[str, Any] = field(repr=False)
    sha256: str = field(repr=False)

    @property
    def name(self) -> str:
        """The file name without its ending, such as `finetune-f0.05-s0`."""
        return cell_name(self.regime, self.fraction, self.seed)

    @property
    def where(self) -> str:
        """The name of the JSON file within the entry."""
        return f"{entry_files.CELLS}/{self.task}/{self.name}.json"

    @property
    def table(self) -> str:
        """The name of the table of clips within the entry."""
        return f"{entry_files.CELLS}/{self.task}/{self.name}.csv"

    @cached_property
    def clips(self) -> ClipTable:
        """The table of clips of a finished cell. Raises `Refused` where the file is none."""
        data = entry_files.read_bytes(self.path.with_suffix(".csv"), self.table)
        try:
            table = parse_clips(data)
        except UserError as error:
            raise Refused(self.table, error, "put the file there as run wrote it") from None
        for name, values in table.values.items():
            odd = (np.abs(values) > LARGEST) | ((np.abs(values) < SMALLEST) & (np.signbit(values) | (values != 0)))
            for clip in np.flatnonzero(odd)[:1].tolist():
                check_number(float(values[clip]), f"{self.table}: {name[:60]} of clip {clip}")
        return table


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

    def level(self, task: str) -> str:
        """Return `claimed`, `rescored` or `reproduced`, as recorded.

        An entry is reproduced where cells that rank it were trained again: those of the regime that it declares.
        """
        known = self.recorded(task)
        if known is None:
            return CLAIMED
        own = {cell.name for cell in self.of(task) if cell.regime == self.regime and cell.status == "ok"}
        ranked = any(again.cell in own for again in known.rerun)
        return RESCORED if known.level == REPRODUCED and not ranked else known.level

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
    cells = [_cell(folder, name, names, facts) for name in names if name.startswith(entry_files.CELLS + "/")]
    found = tuple(sorted((c for c in cells if c), key=lambda c: (c.task, c.regime, c.fraction, c.seed)))
    if not found:
        raise Refused(entry_files.CELLS, "holds no result", "make the entry with rae-bench submit")
    level = entry_files.LEVEL
    record = read_record(entry_files.read_bytes(folder / level, level)) if level in names else None
    return Entry(
        facts.name, folder, facts.division, tuple(facts.external), facts.regime, facts.card, facts.trajectories, found,
        record,
    )  # fmt: skip


def load_entries(folder: str | Path) -> list[Entry]:
    """Return all entries of `leaderboard/entries`, sorted by name. Raise `Refused` as `load_entry` does."""
    return [load_entry(path) for path in sorted(Path(folder).iterdir()) if path.is_dir() and path.name[0] != "."]


def _entry_file(folder: Path, names: Mapping[str, int]) -> _EntryFile:
    if entry_files.ENTRY not in names:
        raise Refused(entry_files.ENTRY, "is missing", "make the entry with rae-bench submit")
    try:
        table = parse_toml(entry_files.read_bytes(folder / entry_files.ENTRY, entry_files.ENTRY).decode("utf-8"))
    except (ValueError, RecursionError) as error:  # of text, of TOML, and of numbers with thousands of digits
        raise Refused(entry_files.ENTRY, f"not TOML: {error}", "see docs/submitting.md") from None
    _check_version(table, folder / entry_files.ENTRY, "this entry")
    facts = _convert(table, _EntryFile, entry_files.ENTRY)
    if not entry_files.is_slug(facts.name) or facts.name != folder.name:
        mend = "use letters, digits, - and _ in both"
        raise Refused(entry_files.ENTRY, f"name '{facts.name}' is not the folder's", mend)
    check_facts(facts.card, facts.division, facts.external, facts.regime)
    if facts.trajectories is not None:
        check_link(facts.trajectories.url, f"{entry_files.ENTRY}: trajectories.url")
    elif facts.card.model != TRUTH:
        raise Refused(entry_files.ENTRY, "has no [trajectories]", "make the entry with rae-bench submit")
    return facts


def _check_version(table: Mapping[str, Any], path: Path, what: str) -> None:
    """Raise `UserError` where a file of an entry is of another version of the benchmark; that is no fault of it."""
    wrong = other_version(version_of(table), what)
    if wrong:
        raise UserError(f"{path}: {wrong}")


def _cell(folder: Path, name: str, names: Mapping[str, int], facts: _EntryFile) -> EntryCell | None:
    path = folder / name
    if path.suffix == ".csv":
        if name.removesuffix(".csv") + ".json" not in names:
            raise Refused(name, "has no result beside it", "remove it, or put the JSON there")
        return None
    data = entry_files.read_bytes(path, name)
    try:
        result = decode_json(data)
    except (ValueError, RecursionError) as error:
        raise Refused(name, f"not strict JSON ({error})", "put the file there as run wrote it") from None
    if isinstance(result, dict):
        _check_version(result, path, "this result")
    read = _convert(result, _ResultFile, name)
    if read.budget != FULL_BUDGET:
        raise Refused(name, "is of the quick budget, which is not for the board", "run it with --budget full")
    if read.schema != RESULT:
        raise Refused(name, f"has the schema {read.schema}, not {RESULT}", "run the cell again with this version")
    if read.regime not in (*REGIMES, NO_REGIME):
        raise Refused(name, f"has the unknown regime {read.regime}", "put the file there as run wrote it")
    if read.track not in TRACKS:
        raise Refused(name, f"has the unknown track {read.track}", "put the file there as run wrote it")
    check_words(result, name)
    wanted = f"{entry_files.CELLS}/{read.task}/{cell_name(read.regime, read.fraction, read.seed)}.json"
    if name != wanted:
        raise Refused(name, f"holds the result of {wanted}", "put it there under that name")
    if (read.model, read.identity.get("config")) != (facts.card.model, facts.card.config):
        raise Refused(
            name, f"is of model {read.model}, config {read.identity.get('config')}",
            f"an entry is one model with one set of options, here {facts.card.model} {facts.card.config}",
        )  # fmt: skip
    if read.regime == NO_REGIME and facts.regime != NO_REGIME:
        raise Refused(name, "has the regime of controls, and the entry is none", "remove it")
    digest = hashlib.sha256(hashlib.sha256(data).digest())
    clips = name.removesuffix(".json") + ".csv"
    if (clips in names) != (read.status == "ok"):
        fault = "is missing" if read.status == "ok" else "is there, but the cell was skipped"
        raise Refused(clips, fault, "a finished cell has a table of its clips, a skipped one has none")
    if read.status == "ok":
        digest.update(hashlib.sha256(entry_files.read_bytes(folder / clips, clips)).digest())
    metrics = {key: math.nan if m.value is None else m.value for key, m in read.metrics.items()}
    return EntryCell(
        path, read.task, read.regime, read.fraction, read.seed, read.status, read.reason, read.identity, metrics,
        result, digest.hexdigest(),
    )  # fmt: skip


def _convert(value: Any, kind: type[Struct], where: str) -> Struct:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Refused(where, f"not as expected: {error}", "see docs/submitting.md for the format") from None


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
