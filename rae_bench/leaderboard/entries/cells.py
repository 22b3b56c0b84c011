"""Cells of an entry: results and tables of clips as `run` wrote them, read without trusting them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import numpy as np
from msgspec import Meta

from rae_bench.benchmark import other_version, version_of
from rae_bench.errors import UserError
from rae_bench.leaderboard.entries import entry_files
from rae_bench.leaderboard.entries.card import Card
from rae_bench.leaderboard.entries.finding import Refused
from rae_bench.leaderboard.entries.text import LARGEST, SMALLEST, check_number, check_words, decode_json
from rae_bench.model.regimes import NO_REGIME, REGIMES
from rae_bench.objectives.tracks import KEYFRAMES, TRACKS
from rae_bench.results.clips import ClipTable, parse_clips
from rae_bench.results.files import SCHEMA as RESULT
from rae_bench.task.cells import cell_name
from rae_bench.task.task import FULL_BUDGET

Struct = TypeVar("Struct")


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
        place: `cells`, or `reruns` where a verifier trained the cell again.
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
    place: str = entry_files.CELLS

    @property
    def name(self) -> str:
        """The file name without its ending, such as `finetune-f0.05-s0`."""
        return cell_name(self.regime, self.fraction, self.seed)

    @property
    def where(self) -> str:
        """The name of the JSON file within the entry."""
        return f"{self.place}/{self.task}/{self.name}.json"

    @property
    def table(self) -> str:
        """The name of the table of clips within the entry."""
        return f"{self.place}/{self.task}/{self.name}.csv"

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


def read_cell(
    folder: Path, name: str, names: Mapping[str, int], card: Card, regime: str
) -> EntryCell | None:
    """Read a result of an entry and the hash of its table of clips.

    Args:
        folder: the entry's.
        name: a file of `cells` or of `reruns` within it; None is returned for a table of clips.
        names: all files of the entry.
        card, regime: the entry's.

    Raises:
        Refused: the first thing that is not as it must be.
        UserError: a result of another version of the benchmark.
    """
    path, place = folder / name, name.split("/")[0]
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
        check_version(result, path, "this result")
    read = convert(result, _ResultFile, name)
    if read.budget != FULL_BUDGET:
        raise Refused(name, "is of the quick budget, which is not for the board", "run it with --budget full")
    if read.schema != RESULT:
        raise Refused(name, f"has the schema {read.schema}, not {RESULT}", "run the cell again with this version")
    if read.regime not in (*REGIMES, NO_REGIME):
        raise Refused(name, f"has the unknown regime {read.regime}", "put the file there as run wrote it")
    if read.track not in TRACKS:
        raise Refused(name, f"has the unknown track {read.track}", "put the file there as run wrote it")
    check_words(result, name)
    wanted = f"{place}/{read.task}/{cell_name(read.regime, read.fraction, read.seed)}.json"
    if name != wanted:
        raise Refused(name, f"holds the result of {wanted}", "put it there under that name")
    if (read.model, read.identity.get("config")) != (card.model, card.config):
        raise Refused(
            name, f"is of model {read.model}, config {read.identity.get('config')}",
            f"an entry is one model with one set of options, here {card.model} {card.config}",
        )  # fmt: skip
    if read.regime == NO_REGIME and regime != NO_REGIME:
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
        result, digest.hexdigest(), place,
    )  # fmt: skip


def check_version(table: Mapping[str, Any], path: Path, what: str) -> None:
    """Raise `UserError` where a file of an entry is of another version of the benchmark; that is no fault of it."""
    wrong = other_version(version_of(table), what)
    if wrong:
        raise UserError(f"{path}: {wrong}")


def convert(value: Any, kind: type[Struct], where: str) -> Struct:
    """Return a value as a structure. Raise `Refused` where it is none."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Refused(where, f"not as expected: {error}", "see docs/guides/submitting.md for the format") from None
