"""Is an entry what it says? All checks that do not run the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np

from rae_bench.errors import UserError
from rae_bench.harness.identity import NOT_RECOMPUTED
from rae_bench.leaderboard.entries.entry import Entry, EntryCell, load_entry
from rae_bench.leaderboard.entries.entry_files import ENTRY, LEVEL
from rae_bench.leaderboard.entries.finding import Finding, Refused, one_line
from rae_bench.leaderboard.entries.level import (
    CLAIMED,
    LEVELS,
    REPRODUCED,
    RESCORED,
    SCHEMA,
    Record,
    TaskLevel,
    write_record,
)
from rae_bench.leaderboard.entries.packing import Pack, member, open_pack
from rae_bench.leaderboard.entries.text import check_line
from rae_bench.leaderboard.verify.copies import copied_clips, enough
from rae_bench.leaderboard.verify.grading import (
    HASHES,
    Graded,
    Grader,
    Unavailable,
    tolerance,
    within_tolerance,
)
from rae_bench.leaderboard.verify.plausibility import (
    check_copies_within,
    check_cost,
    check_identity,
    check_numbers,
    check_required,
    check_twins,
)
from rae_bench.leaderboard.verify.sampled import check_sample
from rae_bench.metrics.conv_critic import THESIS_ERROR
from rae_bench.model.regimes import NO_REGIME
from rae_bench.objectives.tracks import TRACKS
from rae_bench.results.rows import ERROR
from rae_bench.task.cells import HOLD, TRUTH
from rae_bench.task.sides import HeldOutClips
from rae_bench.task.task import Task, builtin_tasks, load_task

CLIP_SLACK = 10.0
"""Single clips have this many times the tolerance: a foot that crosses a threshold counts for more in one clip."""
MEND_HASHES = {
    "task": "run the cell with the task of this version",
    "data": "run the cell with the data of this version",
    "split": "run the cell with the splits of this version",
}
MEND_EDITED = "do not edit results; run the cell again and submit all together"

Say = Callable[[str], None]
"""say(text) says what is being done."""


@dataclass
class Report:
    """What `verify` found.

    Attributes:
        entry: the entry; None where it could not be read.
        findings: the faults.
        levels: task -> `claimed` or `rescored`, as far as it was verified here.
        clips: task -> how many clips were measured here, and how many its finished cells have.
        notes: what was not verified, and why; these are no faults.
    """

    entry: Entry | None = None
    findings: list[Finding] = field(default_factory=list)
    levels: dict[str, str] = field(default_factory=dict)
    clips: dict[str, tuple[int, int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def grouped(self) -> list[tuple[Finding, int]]:
        """Return findings that say the same of many cells once, with their number."""
        count: dict[tuple[str, str], list[Finding]] = {}
        for finding in self.findings:
            count.setdefault((finding.what, finding.mend), []).append(finding)
        return [(same[0], len(same)) for same in count.values()]


def verify(
    folder: str | Path,
    trajectories: Path | None = None,
    *,
    others: Path | None = None,
    tasks: Sequence[str | Path] = (),
    data_root: Path | None = None,
    progress: Say = lambda text: None,
) -> Report:
    """Check an entry. Every check is made, as far as earlier faults allow it.

    Args:
        folder: the entry's folder.
        trajectories: the packed file. Without it the entry stays `claimed`.
        others: the folder of the other entries, to compare with; the parent of `folder` unless given.
        tasks: files of tasks that are not in the package.
        data_root: the folder that holds the recordings that a task names.
        progress: is called with what is being done.

    Raises:
        UserError: no such entry or file, a folder of others that cannot be read, or an entry of another version of the
            benchmark.
    """
    folder = Path(folder)
    if not folder.is_dir() and not folder.is_symlink():
        raise UserError(f"{folder}: no such entry; name a folder of leaderboard/entries")
    report = Report()
    try:
        entry = report.entry = load_entry(folder)
    except Refused as refused:
        report.findings.append(refused.finding)
        return report
    known = known_tasks(tasks)
    report.findings += check_identity(entry)
    copies, notes = check_copies_within(entry)
    report.findings += copies
    report.notes += notes
    report.findings += check_twins(entry, list(_others(others or folder.parent, entry, report)))
    for task in entry.tasks:
        report.levels[task] = CLAIMED
        if task not in known:
            report.findings.append(Finding(task, "is no task of this version", "name its file with --task"))
            continue
        report.findings += check_required(entry, known[task])
        for cell in entry.of(task):
            report.findings += [*check_numbers(cell), *check_cost(cell, known[task]), *_check_table(cell)]
    for task in entry.edited:
        report.findings.append(
            Finding(f"{LEVEL}: {task}", "something was edited after it had been verified",
                    f"undo the edit, or remove {LEVEL} and verify again with --record")
        )  # fmt: skip
    try:
        with _opened(entry, trajectories, report) as pack:
            if pack is not None or entry.card.model == TRUTH:
                _score(entry, pack, {t: known[t] for t in entry.tasks if t in known}, data_root, report, progress)
    except Refused as refused:
        report.findings.append(refused.finding)
    _score_sample(entry, known, data_root, report, progress)
    if report.findings:
        report.levels = dict.fromkeys(report.levels, CLAIMED)
    for task, level in report.levels.items():
        if LEVELS.index(entry.level(task)) > LEVELS.index(level):
            report.notes.append(
                f"{LEVEL} says that {task} is {entry.level(task)}, which is the word of whoever wrote it; "
                f"by the trajectories at hand it is {level}"
            )
    return report


def record(report: Report, rerun: Mapping[str, Sequence[str]]) -> None:
    """Write the levels of a report without findings beside the entry; `claimed` is not recorded.

    A level that was reached before stays where nothing that it vouches for has changed.

    Args:
        report: the report of `verify`.
        rerun: task -> names of the cells that were trained again.
    """
    entry = report.entry
    assert entry is not None
    levels: dict[str, TaskLevel] = {}
    for task, level in report.levels.items():
        again = sorted(rerun.get(task, ()))
        known = entry.record.tasks.get(task) if entry.record else None
        if known and not again and LEVELS.index(entry.level(task)) > LEVELS.index(level):
            levels[task] = known
        elif level != CLAIMED:
            levels[task] = TaskLevel(
                REPRODUCED if level == REPRODUCED else RESCORED, entry.hash_of(task), version("rae-bench"), again
            )
    if levels:
        write_record(entry.folder, Record(SCHEMA, levels))


def known_tasks(paths: Sequence[str | Path]) -> Mapping[str, Task]:
    """Return the tasks of the package and those of the given files, by name."""
    given = [load_task(path) for path in paths]
    ours = [load_task(name).in_track(track) for name in builtin_tasks() for track in TRACKS]
    return {task.name: task for task in (*ours, *given)}


def _others(folder: Path, entry: Entry, report: Report) -> Iterator[Entry]:
    for path in sorted(p for p in folder.iterdir() if (p / ENTRY).is_file()):
        if path.resolve() == entry.folder.resolve() or path.name == entry.name:
            continue
        try:
            yield load_entry(path)
        except UserError as refused:
            report.notes.append(f"not compared with {one_line(path.name)}: {refused}")


def _opened(entry: Entry, path: Path | None, report: Report) -> Pack | nullcontext[None]:
    if entry.trajectories is None:
        return nullcontext()
    if path is None:
        how = "(--trajectories FILE or --fetch)"
        report.notes.append(f"no trajectories at hand {how}: clips outside a sample were not recomputed")
        return nullcontext()
    return open_pack(entry, path)


def _score(
    entry: Entry,
    pack: Pack | None,
    tasks: Mapping[str, Task],
    data_root: Path | None,
    report: Report,
    progress: Say,
) -> None:
    for name, task in tasks.items():
        progress(f"{name}: data")
        try:
            grader = Grader.of(task, data_root)
        except Unavailable as missing:
            report.notes.append(f"{name} stays {CLAIMED}: {missing}")
            continue
        cells = [cell for cell in entry.of(name) if cell.status == "ok"]
        places = {(cell.seed, cell.fraction) for cell in cells}
        hashes = {place: grader.hashes(*place) for place in places}
        for number, cell in enumerate(cells):
            progress(f"{name}: {cell.name}, {number + 1} of {len(cells)}")
            try:
                report.findings += _score_cell(grader, cell, pack, hashes[cell.seed, cell.fraction])
            except Refused as refused:
                report.findings.append(refused.finding)
        report.levels[name] = RESCORED


def _score_sample(
    entry: Entry, tasks: Mapping[str, Task], data_root: Path | None, report: Report, progress: Say
) -> None:
    """Measure the clips that the entry carries, which is less than its whole trajectories are."""
    sampled = check_sample(entry, tasks, data_root, progress)
    report.findings += sampled.findings
    report.notes += sampled.notes
    for task, (clips, total) in sampled.clips.items():
        if report.levels.get(task) == RESCORED:
            report.clips[task] = total, total
        elif clips:
            report.clips[task] = clips, total
            report.levels[task] = RESCORED


def _score_cell(grader: Grader, cell: EntryCell, pack: Pack | None, hashes: Mapping[str, str]) -> Iterator[Finding]:
    yield from check_hashes(cell, hashes)
    if cell.regime != NO_REGIME or cell.result["model"] != TRUTH:
        yield from _check_fraction(grader, cell)
    fold = grader.on(cell.seed)
    trajectory = fold.truth if pack is None else pack.read(member(cell), fold.exam.truth)
    graded = fold.grade(trajectory, cell.seed)
    yield from _compare(cell, graded)
    yield from _compare_clips(fold.exam, cell, graded)
    if cell.result["model"] == HOLD and not fold.is_held(trajectory):
        yield Finding(f"{cell.task} {cell.name}", "does not hold the last pose, as this control must",
                      "submit what run wrote of the control")
    if pack is not None:
        near, noisy = copied_clips(fold, trajectory)
        for clips, what in ((near, "the truth, shifted or mixed or not"), (noisy, "the truth with noise on it")):
            if enough(clips):
                names = ", ".join(fold.exam.ids[i] for i in np.flatnonzero(clips)[:3])
                yield Finding(
                    f"{cell.task} {cell.name}", f"{clips.sum()} of {len(clips)} clips are {what} ({names} ...)",
                    "submit what the model generated from the history alone",
                )  # fmt: skip


def check_hashes(cell: EntryCell, hashes: Mapping[str, str]) -> Iterator[Finding]:
    """Check that a cell is of this task, these data and this split; `hashes` are those of `Grader.hashes`."""
    for part in HASHES:
        if cell.identity.get(part) != hashes[part]:
            yield Finding(cell.where, f"its {part} hash is not that of task {cell.task}", MEND_HASHES[part])


def _check_fraction(grader: Grader, cell: EntryCell) -> Iterator[Finding]:
    part = grader.target.fraction(cell.seed, cell.fraction)
    wanted = {"target_segments": len(part), "target_frames": grader.target.motion[part].frames}
    found = {name: cell.result["cost"].get(name) for name in wanted}
    if found != wanted:
        yield Finding(f"{cell.where}: cost", f"says {found}; the fraction has {wanted}", "run the cell again")


def _compare(cell: EntryCell, graded: Graded) -> Iterator[Finding]:
    """Compare a cell's metrics with those that its trajectory gives."""
    for name, value in graded.values.items():
        if name not in cell.metrics:
            yield Finding(f"{cell.where}: {name}", "is missing", "run the cell again")
        elif not within_tolerance(name, cell.metrics[name], value):
            yield Finding(
                f"{cell.where}: {name}", f"says {cell.metrics[name]:.6g}; the trajectories give {value:.6g} "
                f"(± {tolerance(name, value):.2g})", MEND_EDITED,
            )  # fmt: skip
    extra = sorted(cell.metrics.keys() - graded.values.keys() - {*NOT_RECOMPUTED, THESIS_ERROR})
    if extra:
        yield Finding(f"{cell.where}: {extra[0]}", "is not what its trajectories give", "run the cell again")


def _check_table(cell: EntryCell) -> Iterator[Finding]:
    """Check the form of a cell's table of clips. The board reads it, so this needs no trajectories."""
    if cell.status != "ok":
        return
    try:
        for name in {*cell.clips.clips, *cell.clips.groups, *cell.clips.actions}:
            check_line(name, cell.table, 200)
    except Refused as refused:
        yield refused.finding
        return
    if ERROR not in cell.clips.values:
        yield Finding(cell.table, f"has no column {ERROR}", "put the file there as run wrote it")


def _compare_clips(exam: HeldOutClips, cell: EntryCell, graded: Graded) -> Iterator[Finding]:
    """Compare a cell's table of clips with what its trajectory gives."""
    where, table = cell.table, cell.clips
    if (table.clips, table.groups, table.actions) != (tuple(exam.ids), tuple(exam.groups), tuple(exam.actions)):
        yield Finding(where, "its clips are not the task's test clips", "run the cell again")
        return
    for name, values in graded.clips.items():
        if name not in table.values:
            yield Finding(f"{where}: {name}", "is missing", "run the cell again")
            continue
        pairs = zip(exam.ids, table.values[name].tolist(), values.tolist(), strict=True)
        bad = next((p for p in pairs if not within_tolerance(name, p[1], p[2], CLIP_SLACK)), None)
        if bad is not None:
            yield Finding(
                f"{where}: {name}", f"clip {bad[0]} says {bad[1]:.6g}; the trajectories give {bad[2]:.6g}",
                MEND_EDITED,
            )  # fmt: skip
    extra = sorted(table.values.keys() - graded.clips.keys() - set(NOT_RECOMPUTED))
    if extra:
        yield Finding(f"{where}: {extra[0][:60]}", "is no metric of single clips", "run the cell again")
