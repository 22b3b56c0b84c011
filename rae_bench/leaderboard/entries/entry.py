"""Entries: a model's cells on the leaderboard with its card, read without trusting them.

`leaderboard/entries/<name>/` holds `entry.toml` (card, division, where the trajectories are), `cells/<task>/` (results
and their tables of clips as `run` writes them) and, once verified, `level.json` (see `level.py`).
"""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from rae_bench.leaderboard.entries import files
from rae_bench.leaderboard.entries.card import TRUTH, Card, Trajectories, check_facts
from rae_bench.leaderboard.entries.finding import Refused
from rae_bench.leaderboard.entries.level import CLAIMED, Record, read_record
from rae_bench.leaderboard.entries.text import check_link, check_words
from rae_bench.results.files import SCHEMA as RESULT
from rae_bench.task.cells import cell_name

SCHEMA = "rae-bench.entry/1"
Kind = TypeVar("Kind")


class _EntryFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal["rae-bench.entry/1"]
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
    schema: Literal["rae-bench.result/2"]
    status: Literal["ok", "skipped"]
    model: str
    task: str
    regime: Literal["cold", "frozen", "finetune", "cold-long", "zero-shot", "none"]
    fraction: Annotated[float, Meta(ge=0, le=1)]
    seed: Annotated[int, Meta(ge=0, lt=10**9)]
    identity: dict[str, str | dict[str, int]]
    metrics: Annotated[dict[str, _Metric], Meta(max_length=500)]
    cost: dict[str, Any]
    environment: dict[str, Any]
    reason: str
    options: dict[str, Any] = {}


@dataclass(frozen=True, eq=False)
class EntryCell:
    """One cell of an entry.

    Attributes:
        path: of the JSON; the table of its clips lies beside it, ending in .csv, unless it was skipped.
        status: `ok` or `skipped`, `reason` says why.
        metrics: name -> value; NaN for null.
        result: all of the JSON.
        sha256: of the JSON and the table of clips.
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
        """File name without its ending, such as `finetune-f0.05-s0`."""
        return cell_name(self.regime, self.fraction, self.seed)

    @property
    def where(self) -> str:
        """The JSON file within the entry."""
        return f"{files.CELLS}/{self.task}/{self.name}.json"


@dataclass(frozen=True, eq=False)
class Entry:
    """A model's cells on the leaderboard.

    Attributes:
        name: of the folder.
        division: `closed` or `open`; `external` declares the other data or pre-training of an open one.
        regime: the transfer regime whose score ranks it; `none` for controls and the truth.
        trajectories: None for the truth alone.
        cells: by task, regime, fraction, seed.
        record: what a verifier has written, bound to what was verified; None where nobody has.
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
        """Names of the tasks it has cells of, sorted."""
        return tuple(sorted({cell.task for cell in self.cells}))

    def of(self, task: str) -> tuple[EntryCell, ...]:
        """The cells of a task."""
        return tuple(cell for cell in self.cells if cell.task == task)

    def hash_of(self, task: str) -> str:
        """sha256 of all that a level of a task vouches for: its cells, the trajectories, division and regime."""
        packed = self.trajectories.sha256 if self.trajectories else ""
        facts = [SCHEMA, self.division, *self.external, self.regime, self.card.model, self.card.config, packed]
        facts += [f"{cell.where} {cell.sha256}" for cell in self.of(task)]
        return hashlib.sha256("\0".join(facts).encode()).hexdigest()

    def level(self, task: str) -> str:
        """`claimed`, `rescored` or `reproduced`: as recorded, unless anything was edited since."""
        known = self.record.tasks.get(task) if self.record else None
        return known.level if known and known.sha256 == self.hash_of(task) else CLAIMED

    @property
    def edited(self) -> tuple[str, ...]:
        """Tasks whose recorded level is lost, as something was edited after it had been verified."""
        known = self.record.tasks if self.record else {}
        return tuple(t for t in sorted(known) if t not in self.tasks or known[t].sha256 != self.hash_of(t))


def load_entry(folder: str | Path) -> Entry:
    """Read an entry and check its form; what its numbers are worth is `verify`'s affair.

    Raises:
        UserError: (`Refused`, with the finding) the first thing that is not as it must be.
    """
    folder = Path(folder)
    if folder.is_symlink():
        raise Refused(folder.name, "is a symbolic link", "put the folder itself there")
    if not folder.is_dir():
        raise Refused(folder, "no such entry", "name a folder of leaderboard/entries")
    names = files.list_files(folder)
    facts = _entry_file(folder, names)
    cells = [_cell(folder, name, names, facts) for name in names if name.startswith(files.CELLS + "/")]
    found = tuple(sorted((c for c in cells if c), key=lambda c: (c.task, c.regime, c.fraction, c.seed)))
    if not found:
        raise Refused(files.CELLS, "holds no result", "make the entry with rae-bench submit")
    record = read_record(files.read_bytes(folder / files.LEVEL, files.LEVEL)) if files.LEVEL in names else None
    return Entry(
        facts.name, folder, facts.division, tuple(facts.external), facts.regime, facts.card, facts.trajectories, found,
        record,
    )  # fmt: skip


def load_entries(folder: str | Path) -> list[Entry]:
    """All entries of `leaderboard/entries`, by name. Raises as `load_entry` does."""
    return [load_entry(path) for path in sorted(Path(folder).iterdir()) if path.is_dir() and path.name[0] != "."]


def _entry_file(folder: Path, names: Mapping[str, int]) -> _EntryFile:
    if files.ENTRY not in names:
        raise Refused(files.ENTRY, "is missing", "make the entry with rae-bench submit")
    try:
        table = tomllib.loads(files.read_bytes(folder / files.ENTRY, files.ENTRY).decode("utf-8"))
    except (ValueError, RecursionError) as error:  # of text, of TOML, and of numbers with thousands of digits
        raise Refused(files.ENTRY, f"not TOML: {error}", "see docs/submitting.md") from None
    facts = _convert(table, _EntryFile, files.ENTRY)
    if not files.is_slug(facts.name) or facts.name != folder.name:
        raise Refused(files.ENTRY, f"name '{facts.name}' is not the folder's", "use letters, digits, - and _ in both")
    check_facts(facts.card, facts.division, facts.external, facts.regime)
    if facts.trajectories is not None:
        check_link(facts.trajectories.url, f"{files.ENTRY}: trajectories.url")
    elif facts.card.model != TRUTH:
        raise Refused(files.ENTRY, "has no [trajectories]", "make the entry with rae-bench submit")
    return facts


def _cell(folder: Path, name: str, names: Mapping[str, int], facts: _EntryFile) -> EntryCell | None:
    path = folder / name
    if path.suffix == ".csv":
        if name.removesuffix(".csv") + ".json" not in names:
            raise Refused(name, "has no result beside it", "remove it, or put the JSON there")
        return None
    data = files.read_bytes(path, name)
    try:
        result = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(name, f"not strict JSON ({error})", "put the file there as run wrote it") from None
    read = _convert(result, _ResultFile, name)
    check_words(result, name)
    wanted = f"{files.CELLS}/{read.task}/{cell_name(read.regime, read.fraction, read.seed)}.json"
    if name != wanted:
        raise Refused(name, f"holds the result of {wanted}", "put it there under that name")
    if (read.model, read.identity.get("config")) != (facts.card.model, facts.card.config):
        raise Refused(
            name, f"is of model {read.model}, config {read.identity.get('config')}",
            f"an entry is one model with one set of options, here {facts.card.model} {facts.card.config}",
        )  # fmt: skip
    if read.regime == "none" and facts.regime != "none":
        raise Refused(name, "has the regime of controls, and the entry is none", "remove it")
    digest = hashlib.sha256(hashlib.sha256(data).digest())
    clips = name.removesuffix(".json") + ".csv"
    if (clips in names) != (read.status == "ok"):
        there = "is missing" if read.status == "ok" else "is there, but the cell was skipped"
        raise Refused(clips, there, "a finished cell has a table of its clips, a skipped one has none")
    if read.status == "ok":
        digest.update(hashlib.sha256(files.read_bytes(folder / clips, clips)).digest())
    metrics = {key: math.nan if m.value is None else m.value for key, m in read.metrics.items()}
    return EntryCell(
        path, read.task, read.regime, read.fraction, read.seed, read.status, read.reason, read.identity, metrics,
        result, digest.hexdigest(),
    )  # fmt: skip


def _convert(value: Any, kind: type[Kind], where: str) -> Kind:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Refused(where, f"not as expected: {error}", "see docs/submitting.md for the format") from None


assert RESULT == "rae-bench.result/2", "the literal in _ResultFile"
