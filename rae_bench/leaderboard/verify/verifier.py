"""Is an entry what it says? All checks that do not run the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from rae_bench.errors import UserError
from rae_bench.leaderboard.entries.entry import Entry, load_entry
from rae_bench.leaderboard.entries.entry_files import ENTRY, LEVEL, RERUNS
from rae_bench.leaderboard.entries.finding import Finding, Refused, one_line
from rae_bench.leaderboard.entries.level import (
    CLAIMED,
    LEVELS,
    REPRODUCED,
    RESCORED,
    SCHEMA,
    Level,
    Record,
    TaskLevel,
    write_record,
)
from rae_bench.leaderboard.entries.packing import Pack, open_pack
from rae_bench.leaderboard.entries.rules import Evidence, recorded_evidence
from rae_bench.leaderboard.verify.budgets import check_cost
from rae_bench.leaderboard.verify.clip_tables import check_table
from rae_bench.leaderboard.verify.grading import Grader, Unavailable
from rae_bench.leaderboard.verify.plausibility import (
    check_card,
    check_copies_within,
    check_identity,
    check_names,
    check_numbers,
    check_required,
    check_twins,
)
from rae_bench.leaderboard.verify.recorded import Trained, check_reruns, check_strays, record_task, remove_strays
from rae_bench.leaderboard.verify.sampled import check_sample
from rae_bench.leaderboard.verify.scoring import Say, score_cells
from rae_bench.model.registry import CONTROLS
from rae_bench.objectives.tracks import TRACKS
from rae_bench.task.cells import TRUTH
from rae_bench.task.named import builtin_tasks, load_task
from rae_bench.task.task import Task

TOGETHER = 2
"""Tasks whose motion is made or found at a time: what they hold in memory adds up."""


@dataclass
class Report:
    """What `verify` found.

    Attributes:
        entry: the entry; None where it could not be read.
        findings: the faults.
        levels: task -> `claimed`, `rescored` or `reproduced`, as far as it was verified here.
        clips: task -> how many clips were measured here, and how many its finished cells have.
        notes: what was not verified, and why; these are no faults.
        others: the entries beside it.
        evidence: task -> what `reproduced` rests on.
        unmeasured: tasks of which nothing here can measure a clip: recordings are missing, or each clip of the sample
            is one of several continuations.
    """

    entry: Entry | None = None
    findings: list[Finding] = field(default_factory=list)
    levels: dict[str, Level] = field(default_factory=dict)
    clips: dict[str, tuple[int, int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    others: list[Entry] = field(default_factory=list)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    unmeasured: set[str] = field(default_factory=set)

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
    levels: bool = True,
    progress: Say = lambda text: None,
) -> Report:
    """Check an entry. Every check is made, as far as earlier faults allow it.

    Args:
        folder: the entry's folder.
        trajectories: the packed file. Without it the entry stays `claimed`.
        others: the folder of the other entries, to compare with; the parent of `folder` unless given.
        tasks: files of tasks that are not in the package.
        data_root: the folder that holds the recordings that a task names.
        levels: whether to check the recorded levels, as `check_levels` does; who trains cells again does it afterwards.
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
    report.others = list(_others(others or folder.parent, entry, report))
    report.findings += [*check_identity(entry), *check_card(entry), *check_names(entry, report.others)]
    copies, notes = check_copies_within(entry)
    report.findings += copies
    report.notes += notes
    report.findings += [*check_twins(entry, report.others), *check_strays(entry)]
    for task in entry.tasks:
        report.levels[task] = CLAIMED
        if task not in known:
            report.findings.append(Finding(task, "is no task of this version", "name its file with --task"))
            continue
        report.findings += check_required(entry, known[task])
        for cell in entry.of(task):
            report.findings += [*check_numbers(cell), *check_cost(cell, known[task]), *check_table(cell)]
        report.findings += check_reruns(entry, known[task], report.others)
        for cell in (cell for cell in entry.reruns if cell.task == task):
            report.findings += check_cost(cell, known[task])
    for task in entry.edited:
        report.findings.append(
            Finding(f"{LEVEL}: {task}", "something was edited after it had been verified",
                    f"undo the edit, or remove {LEVEL} and verify again with --record")
        )  # fmt: skip
    graders: Mapping[str, Grader] = {}
    try:
        with _opened(entry, trajectories, report) as pack:
            graders = _graders(entry, known, data_root, report, progress)
            _score(entry, pack, graders, report, progress)
    except Refused as refused:
        report.findings.append(refused.finding)
    _score_sample(entry, known, graders, data_root, report, progress)
    if report.findings:
        report.levels = dict.fromkeys(report.levels, CLAIMED)
    if levels:
        check_levels(report, known)
    return report


def check_levels(report: Report, tasks: Mapping[str, Task]) -> None:
    """Add a finding for each recorded level that what is at hand here does not bear out.

    The record is a file that anybody could write, so its word is no evidence. The results of cells that were trained
    again are: a task that was rescored here and has them is `reproduced`, by the word of whoever trained them.

    Args:
        report: the report, whose findings are complete but for these.
        tasks: name -> task.
    """
    entry = report.entry
    if entry is None:
        return
    sound = not report.findings
    for task, level in list(report.levels.items()):
        said = entry.recorded(task)
        rests = recorded_evidence(entry, tasks[task]) if said and sound and task in tasks else None
        if rests and level == RESCORED:
            level = report.levels[task] = REPRODUCED
            report.evidence[task] = rests
            report.notes.append(f"{task}: results of cells trained again lie in {RERUNS}; no cell was trained here")
        elif rests and task in report.unmeasured:
            text = f"{task}: {LEVEL} says {REPRODUCED}, and results of cells trained again bear it out"
            report.notes.append(f"{text}, but no clip could be measured here: {rests.words()}")
            continue
        if said and LEVELS.index(said.level) > LEVELS.index(level):
            wanted = {RESCORED: "its trajectories", REPRODUCED: "its trajectories and --rerun"}
            needs = "--rerun" if level == RESCORED else wanted[said.level]
            report.findings.append(
                Finding(f"{LEVEL}: {task}", f"says {said.level}; by what is at hand here it is {level}",
                        f"verify with {needs}, or remove {LEVEL}")
            )  # fmt: skip
        elif said and sound:
            _check_clips(report, entry, task, said.clips)


def _check_clips(report: Report, entry: Entry, task: str, said: tuple[int, int]) -> None:
    """Check how many clips a record says were measured. Where nobody hosts the others, nobody can measure more."""
    here = report.clips.get(task, (0, 0))
    if said <= here and said[1] == here[1]:
        return
    text = "says that {:,} of {:,} clips were rescored; here {:,} of {:,} were".format(*said, *here)
    if said[1] == here[1] and entry.trajectories and entry.trajectories.url:
        report.notes.append(f"{LEVEL}: {task}: {text} (--fetch measures all)")
    else:
        mend = f"verify with --trajectories, or remove {LEVEL} and verify again with --record"
        report.findings.append(Finding(f"{LEVEL}: {task}", text, mend))


def record(report: Report, rerun: Mapping[str, Sequence[Trained]]) -> None:
    """Write the levels of a report without findings beside the entry; `claimed` is not recorded.

    A level that was reached before stays where nothing that it vouches for has changed. The results of cells that were
    trained again are written to `reruns`.

    Args:
        report: the report of `verify`.
        rerun: task -> the cells that were trained again and agree.
    """
    entry = report.entry
    assert entry is not None
    levels: dict[str, TaskLevel] = {}
    for task, level in report.levels.items():
        known = entry.recorded(task)
        if level != CLAIMED:
            levels[task] = record_task(entry, task, level, report.clips[task], rerun.get(task, ()))
        elif known:
            levels[task] = known
    if levels:
        write_record(entry.folder, Record(SCHEMA, levels))
        remove_strays(entry.folder, levels)


def known_tasks(paths: Sequence[str | Path]) -> Mapping[str, Task]:
    """Return the tasks of the package and those of the given files, by name."""
    given = [load_task(path) for path in paths]
    ours = [task.in_track(track) for task in map(load_task, builtin_tasks()) for track in TRACKS]
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
        missing = "clips outside a sample were not recomputed"
        report.notes.append(f"no trajectories at hand (--trajectories FILE or --fetch): {missing}")
        return nullcontext()
    return open_pack(entry, path)


def _graders(
    entry: Entry, tasks: Mapping[str, Task], data_root: Path | None, report: Report, progress: Say
) -> dict[str, Grader]:
    """Make or find the data of an entry's tasks, as far as they are here."""
    found = {}
    with ThreadPoolExecutor(TOGETHER) as pool:
        wanted = {name: pool.submit(Grader.of, tasks[name], data_root) for name in entry.tasks if name in tasks}
        for name, grader in wanted.items():
            progress(f"{name}: data")
            try:
                found[name] = grader.result()
            except Unavailable as missing:
                report.notes.append(f"{name} stays {CLAIMED}: {missing}")
                report.unmeasured.add(name)
    return found


def _score(entry: Entry, pack: Pack | None, graders: Mapping[str, Grader], report: Report, progress: Say) -> None:
    """Check everything that needs a task's data. What has its motion here, packed or made here, is rescored."""
    for name, grader in graders.items():
        report.findings += score_cells(grader, list(entry.of(name)), pack, progress)
        again = [cell for cell in entry.reruns if cell.task == name]
        report.findings += score_cells(grader, again, None, progress)  # nobody kept their motion
        if pack is not None or entry.card.model in (TRUTH, *CONTROLS):
            report.levels[name] = RESCORED
            total = sum(len(cell.clips.clips) for cell in entry.of(name) if cell.status == "ok")
            report.clips[name] = total, total


def _score_sample(
    entry: Entry, tasks: Mapping[str, Task], graders: Mapping[str, Grader], data_root: Path | None, report: Report,
    progress: Say,
) -> None:  # fmt: skip
    """Measure the clips that the entry carries, which is less than its whole trajectories are."""
    sampled = check_sample(entry, tasks, graders, data_root, progress)
    report.findings += sampled.findings
    report.notes += sampled.notes
    report.unmeasured |= {task for task in sampled.several if report.levels.get(task) != RESCORED}
    for task, (clips, total) in sampled.clips.items():
        if report.levels.get(task) != RESCORED and clips:
            report.clips[task] = clips, total
            report.levels[task] = RESCORED
