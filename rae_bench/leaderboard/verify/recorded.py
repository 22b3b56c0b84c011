"""Cells that a verifier trained again: their results, kept beside the entry, must bear out the recorded level.

A result of a training is text like the entry's own, and passes the same checks. It is the verifier's word that the
training took place: nobody can see that in a file. Training a cell again (`verify --rerun`) is the answer to a doubt.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rae_bench.files import LARGEST_TEXT, read_bytes
from rae_bench.leaderboard.entries.cells import EntryCell, read_cell
from rae_bench.leaderboard.entries.entry import Entry
from rae_bench.leaderboard.entries.entry_files import LEVEL, RERUNS, list_files
from rae_bench.leaderboard.entries.finding import Finding, one_line
from rae_bench.leaderboard.entries.level import LEVELS, REPRODUCED, Again, RecordedLevel, TaskLevel
from rae_bench.leaderboard.verify.clip_tables import check_table
from rae_bench.leaderboard.verify.plausibility import check_numbers
from rae_bench.leaderboard.verify.tolerances import differences, largest_share
from rae_bench.results.files import write_json
from rae_bench.results.rows import metric_values
from rae_bench.storage import whole_file
from rae_bench.task.task import Task

TIMED = ("core_seconds", "total_core_seconds", "generate_seconds", "ms_per_frame")
"""Costs that no two trainings have alike to the last digit, all of them at once."""
OFF_BY = 1e-6
"""How far a recorded difference may be from that of the results: rounding of its last digit."""
REMOVE = f"remove it from {RERUNS}"
TRAIN = f"train the cell again (verify --rerun --record), or remove {LEVEL} and {RERUNS}"


@dataclass(frozen=True)
class Trained:
    """A cell that was trained again and agrees.

    Attributes:
        cell: the entry's own.
        result: what `run` wrote of the training.
        table: its table of clips, CSV.
        date: the day.
    """

    cell: EntryCell
    result: Mapping[str, Any]
    table: bytes
    date: str

    @classmethod
    def read(cls, cell: EntryCell, result: Mapping[str, Any], path: Path) -> Trained:
        """Take over what lies beside the result at `path`, which goes away."""
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        return cls(cell, result, read_bytes(path.with_suffix(".csv"), LARGEST_TEXT), today)

    def again(self, sha256: str = "") -> Again:
        """Say it in the words of a record."""
        off = largest_share(self.cell, metric_values(self.result))
        return Again(self.cell.name, off, self.date, machine_of(self.result), sha256)


def machine_of(result: Mapping[str, Any]) -> str:
    """Return system and libraries of a result, such as `Linux x86_64, torch 2.13.0`."""
    facts = result["environment"]
    words = (facts.get(name, "unknown") for name in ("system", "machine", "torch"))
    return one_line("{} {}, torch {}".format(*words), 100)


def check_reruns(entry: Entry, task: Task, others: Sequence[Entry]) -> Iterator[Finding]:
    """Check the results of cells that were trained again, as far as that needs no data.

    Each must be there as it was recorded, be of this cell, of the same code, task, data, split and options, have sound
    numbers and clips, lie within the tolerance of a rerun, and be no copy of the entry's own result.

    Args:
        entry: the entry.
        task: the task whose cells are checked.
        others: the entries beside it, of which tolerances are taken.
    """
    record = entry.record.tasks.get(task.name) if entry.record else None
    if record is None or entry.recorded(task.name) is None:
        return
    there = {again.cell: found for again, found in entry.again(task.name)}
    own = {cell.name: cell for cell in entry.of(task.name) if cell.status == "ok"}
    tomorrow = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)).date().isoformat()
    for again in record.rerun:
        where = f"{LEVEL}: {task.name} {one_line(again.cell, 60)}"
        if again.cell not in own:
            yield Finding(where, "is no finished cell of the entry", TRAIN)
        elif again.cell not in there:
            yield Finding(where, f"says that it was trained again, and {RERUNS} has no such result of it", TRAIN)
        elif again.date > tomorrow:
            yield Finding(where, f"was trained again on {again.date}, a day to come", TRAIN)
        else:
            yield from _compare(entry, own[again.cell], there[again.cell], again, task, others)


def check_strays(entry: Entry) -> Iterator[Finding]:
    """Check that a record names each result of a cell that was trained again."""
    levels = entry.record.tasks if entry.record else {}
    named = {(task, again.cell) for task, level in levels.items() for again in level.rerun}
    for cell in entry.reruns:
        if (cell.task, cell.name) not in named:
            yield Finding(cell.where, f"is no cell that {LEVEL} names", REMOVE)


def _compare(
    entry: Entry, cell: EntryCell, found: EntryCell, again: Again, task: Task, others: Sequence[Entry]
) -> Iterator[Finding]:
    if found.status != "ok":
        yield Finding(found.where, f"is {found.status}", REMOVE)
        return
    sound = [*check_numbers(found), *check_table(found)]
    yield from sound
    if sound:
        return
    for part in sorted({*cell.identity, *found.identity}):
        if cell.identity.get(part) != found.identity.get(part):
            yield Finding(found.where, f"has another {one_line(part, 40)} than the entry's cell", TRAIN)
    costs = [[c.result["cost"].get(name) for name in TIMED] for c in (cell, found)]
    if costs[0] == costs[1]:
        text = "has the times of the entry's own result to the last digit: it is a copy of it"
        yield Finding(found.where, text, TRAIN)
    for one in differences(cell, found.metrics, task, others, entry.name):
        if not abs(one.value - one.claimed) <= one.limit:
            text = f"is {one.value:.4g}; the entry says {one.claimed:.4g}, ± {one.limit:.2g} passes"
            yield Finding(f"{found.where}: {one.name}", text, TRAIN)
    off = largest_share(cell, found.metrics)
    if abs(off - again.off) > OFF_BY:
        text = f"says that it was off by {100 * again.off:.3g} %; its result is off by {100 * off:.3g} %"
        yield Finding(f"{LEVEL}: {task.name} {again.cell}", text, TRAIN)
    if machine_of(found.result) != again.machine:
        yield Finding(f"{LEVEL}: {task.name} {again.cell}", "names another machine than its result", TRAIN)


def record_task(
    entry: Entry, task: str, level: RecordedLevel, clips: tuple[int, int], trained: Sequence[Trained]
) -> TaskLevel:
    """Write the results of cells that were trained again beside the entry; return what its record says of the task.

    A level that was reached before stays where nothing that it vouches for has changed, and so do its cells.

    Args:
        level: what was reached now.
        clips: how many clips were measured now, and how many there are.
        trained: cells that agree.
    """
    known = entry.recorded(task)
    cells = {again.cell: again for again, _ in entry.again(task)}
    for one in trained:
        cells[one.cell.name] = one.again(_write(entry, one))
    if known:
        level, clips = max(level, known.level, key=LEVELS.index), max(clips, known.clips)
    rerun = [cells[name] for name in sorted(cells)] if level == REPRODUCED else []
    return TaskLevel(level, entry.hash_of(task), version("rae-bench"), clips, rerun)


def _write(entry: Entry, one: Trained) -> str:
    """Write a result and its table of clips under `reruns`; return the hash of both."""
    name = f"{RERUNS}/{one.cell.task}/{one.cell.name}.json"
    path = entry.folder / name
    # The path of a plug-in's code is private.
    write_json(path, {**one.result, "model": entry.card.model})
    with whole_file(path.with_suffix(".csv")) as part:
        part.write_bytes(one.table)
    read = read_cell(entry.folder, name, list_files(entry.folder), entry.card, entry.regime)
    assert read is not None
    return read.sha256


def remove_strays(folder: Path, kept: Mapping[str, TaskLevel]) -> None:
    """Remove results of cells that no record names any more.

    Args:
        folder: the entry's.
        kept: task -> what its record says.
    """
    names = {(task, again.cell) for task, level in kept.items() for again in level.rerun}
    for path in sorted(folder.glob(f"{RERUNS}/*/*")):
        if (path.parent.name, path.stem) not in names:
            path.unlink()
    for place in (*sorted(folder.glob(f"{RERUNS}/*")), folder / RERUNS):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()
