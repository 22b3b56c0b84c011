"""The sample of an entry: made by `submit`, and measured by `verify` on any machine without a network.

A clip's metrics are those of its own motion, so a few clips are enough to compare them with the table of clips.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rae_bench.errors import UserError
from rae_bench.leaderboard.entries.entry import Entry
from rae_bench.leaderboard.entries.entry_files import SAMPLE
from rae_bench.leaderboard.entries.finding import Finding, Refused
from rae_bench.leaderboard.entries.packing import FARTHEST, Pack, member
from rae_bench.leaderboard.entries.quantised import GRIDS, OnGrid, off_grid, on_grid
from rae_bench.leaderboard.entries.sample import (
    ENOUGH,
    Chosen,
    choose_clips,
    fit,
    least_clips,
    read_sample,
    write_sample,
)
from rae_bench.leaderboard.verify.clip_tables import check_means
from rae_bench.leaderboard.verify.grading import FoldGrader, Grader, is_builtin, tolerance
from rae_bench.metrics import METRICS, measure
from rae_bench.metrics.base import Sums
from rae_bench.model.api import Trajectory
from rae_bench.results.clips import ClipTable
from rae_bench.statistics.intervals import half_width
from rae_bench.task.cells import fold_of
from rae_bench.task.held_out import HeldOutClips
from rae_bench.task.sides import Side, load_side
from rae_bench.task.task import Task

SHARE = 0.1
"""What the grid may change in a clip's metric, as a share of the half width of that metric's interval in the cell."""
SLACK = 10.0
"""Single clips have this many times the tolerance of a whole cell."""
AGAIN = "make the entry again with rae-bench submit"
Say = Callable[[str], None]
ClipValues = dict[str, np.ndarray]


@dataclass
class Sampled:
    """What became of an entry's sample.

    Attributes:
        clips: task -> how many clips agree, and how many all finished cells of the task have.
        several: tasks whose clips all have several continuations, so that none was compared.
    """

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    clips: dict[str, tuple[int, int]] = field(default_factory=dict)
    several: set[str] = field(default_factory=set)


@dataclass(frozen=True, eq=False)
class Exams:
    """The test clips of a task's target, by fold. The sources are not needed."""

    target: Side
    known: dict[int, FoldGrader] = field(default_factory=dict)

    @classmethod
    def of(cls, task: Task, data_root: Path | None) -> Exams:
        """Make or find the motion of a task's target. Raise `UserError` where recordings are missing."""
        return cls(Side(load_side(task.target, task.protocol, data_root), task.protocol))

    def grader(self, seed: int) -> FoldGrader:
        """Return what measures motion of a seed's test clips."""
        fold = fold_of(seed)
        if fold not in self.known:
            exam = self.target.held_out_clips(self.target.split(seed).test)
            self.known[fold] = FoldGrader(self.target, exam)
        return self.known[fold]

    def of_truth(self, seed: int) -> dict[str, Sums]:
        """Return what `measure` says of the truth of a seed's test clips."""
        return self.grader(seed).of_truth

    def on(self, seed: int) -> HeldOutClips:
        """Return the test clips of a seed."""
        return self.grader(seed).exam


def measured(exam: HeldOutClips, clips: Sequence[int], made: Sequence[tuple[np.ndarray, np.ndarray]]) -> ClipValues:
    """Return metric -> value of each generated test clip, (M,); NaN where it has nothing to measure.

    Args:
        clips: M indices of test clips; one may stand there more than once.
        made: roots (T, 3) in metres and unit rotations (T, J, 4) of each, of its own number of frames T.
    """
    frames = exam.truth.lengths[list(clips)].astype(int)
    truth = exam.truth[list(clips)].cut(0, int(frames.max()))
    roots, rotations = (np.stack([_held(one[k], int(frames.max())) for one in made])[None] for k in (0, 1))
    objectives = exam.objectives[list(clips)].cut(0, int(frames.max()))
    found = measure(Trajectory(roots, rotations), truth, objectives)
    return {name: sums.per_clip() for name, sums in found.items()}


def _held(values: np.ndarray, frames: int) -> np.ndarray:
    """Repeat the last of T frames, which no metric reads, up to a number of frames."""
    return np.concatenate([values, np.repeat(values[-1:], frames - len(values), 0)])


def measured_alone(exam: HeldOutClips, clip: int, roots: np.ndarray, rotations: np.ndarray) -> dict[str, float]:
    """Return the metrics of one generated test clip, as `measured` does of several."""
    return {name: float(values[0]) for name, values in measured(exam, [clip], [(roots, rotations)]).items()}


def allowances(table: ClipTable) -> dict[str, float]:
    """Return what the grid may change in a clip's metrics: `SHARE` of the half width of each one's 95 % interval.

    The interval is that of the mean over the groups of the cell's clips.
    """
    groups = np.unique(np.asarray(table.groups), return_inverse=True)[1]
    found = {}
    for name, values in table.values.items():
        known = np.isfinite(values)
        count = np.bincount(groups[known])
        means = (np.bincount(groups[known], values[known]) / np.maximum(count, 1))[count > 0]
        error = means.std(ddof=1) / np.sqrt(len(means)) if len(means) > 1 else 0.0
        found[name] = SHARE * float(error) * half_width(max(len(means) - 1, 1))
    return found


def has_several_samples(table: ClipTable) -> bool:
    """Return whether a cell's clips were generated more than once, so that its table holds means over samples."""
    return any(name in METRICS and METRICS[name].spread is not None for name in table.values)


def coarsest(exam: HeldOutClips, clip: int, trajectory: Trajectory, allowed: Mapping[str, float]) -> OnGrid:
    """Return a clip on the coarsest grid that changes no metric by more than is allowed, else on the finest."""
    frames = int(exam.truth.lengths[clip])
    roots, rotations = trajectory.root_positions[0, clip, :frames], trajectory.rotations[0, clip, :frames]
    exact = measured_alone(exam, clip, roots, rotations)

    def does(made: OnGrid) -> bool:
        values = measured_alone(exam, clip, *off_grid(made))
        return all(
            abs(values[name] - value) <= allowed.get(name, 0.0)
            for name, value in exact.items()
            if np.isfinite(value)
        )

    grids = [on_grid(roots, rotations, bits) for bits in GRIDS]
    return next((made for made in grids[:-1] if does(made)), grids[-1])


def make_sample(
    entry: Entry, pack: Pack, tasks: Mapping[str, Task], room: int, data_root: Path | None, progress: Say
) -> int:
    """Write the sample of an entry in its folder; return how many clips it holds.

    Args:
        pack: the entry's packed trajectories.
        tasks: name -> task.
        room: the most bytes.

    Raises:
        Refused: the trajectories are not as they must be.
        UserError: recordings of a ranked task are missing, or not even one clip of each ranked cell fits.
    """
    order = choose_clips(entry, tasks)
    if not order:
        return 0
    exams: dict[str, Exams] = {}
    read: dict[str, tuple[HeldOutClips, Trajectory, dict[str, float]]] = {}

    def clips() -> Iterator[OnGrid]:
        for number, chosen in enumerate(order):
            cell = chosen.cell
            progress(f"sample: clip {number + 1}")
            if cell.task not in exams:
                exams[cell.task] = Exams.of(tasks[cell.task], data_root)
            if cell.where not in read:
                exam = exams[cell.task].on(cell.seed)
                read[cell.where] = exam, pack.read(member(cell), exam.truth), allowances(cell.clips)
            exam, trajectory, allowed = read[cell.where]
            yield coarsest(exam, chosen.clip, trajectory, allowed)

    made = fit(clips(), room)
    least = least_clips(order)
    if len(made) < least and room < ENOUGH:
        raise UserError(f"{SAMPLE}: {room} bytes hold {len(made)} clips; one of every ranked cell needs {least}")
    write_sample(entry.folder, made)
    return len(made)


def check_sample(
    entry: Entry, tasks: Mapping[str, Task], graders: Mapping[str, Grader], data_root: Path | None, progress: Say
) -> Sampled:
    """Measure the sample of an entry and compare it with the tables of clips.

    Args:
        entry: the entry.
        tasks: name -> task.
        graders: name -> data of a task, where they are loaded; there tables were compared with results already.
        data_root: the folder that holds the recordings that a task names.
        progress: is called with what is being done.
    """
    done = Sampled()
    try:
        order = choose_clips(entry, tasks)
        there = (entry.folder / SAMPLE).exists()
        if not order:
            if there:
                done.findings.append(Finding(SAMPLE, "is there, and no cell of the entry ranks", "remove it"))
            return done
        if not there:
            done.findings.append(Finding(SAMPLE, "is missing", AGAIN))
            return done
        clips = read_sample(entry.folder)
    except Refused as refused:
        done.findings.append(refused.finding)
        return done
    least = least_clips(order)
    if len(clips) > len(order) or (len(clips) < least and (entry.folder / SAMPLE).stat().st_size < ENOUGH):
        what = f"holds {len(clips)} clips; one of every ranked cell needs {least}, and there are {len(order)}"
        done.findings.append(Finding(SAMPLE, what, AGAIN))
        return done
    by_task: dict[str, list[tuple[Chosen, OnGrid]]] = defaultdict(list)
    for chosen, clip in zip(order, clips, strict=False):
        by_task[chosen.cell.task].append((chosen, clip))
    for name, those in sorted(by_task.items()):
        progress(f"{name}: sample")
        try:
            known = graders.get(name)
            exams = Exams.of(tasks[name], data_root) if known is None else Exams(known.target, known.folds)
        except UserError as missing:
            if is_builtin(tasks[name]):
                raise
            done.notes.append(f"{name}: the sample was not measured: {missing}")
            continue
        _check_task(entry, name, exams, those, done)
        if known is None:
            for cell in {chosen.cell.where: chosen.cell for chosen, _ in those}.values():
                fold = exams.grader(cell.seed)
                if cell.clips.clips == tuple(fold.exam.ids):
                    done.findings += check_means(cell, fold.weights)
    return done


def _check_task(
    entry: Entry, name: str, exams: Exams, those: Sequence[tuple[Chosen, OnGrid]], done: Sampled
) -> None:
    total = sum(len(cell.clips.clips) for cell in entry.of(name) if cell.status == "ok")
    several = sum(has_several_samples(chosen.cell.clips) for chosen, _ in those)
    by_seed: dict[int, list[tuple[Chosen, OnGrid]]] = defaultdict(list)
    for chosen, clip in those:
        by_seed[chosen.cell.seed].append((chosen, clip))
    good = 0
    for seed, some in by_seed.items():
        found, agree = _check_clips(exams.on(seed), some)
        done.findings += found
        good += agree
    done.clips[name] = good, total
    if several == len(those):
        done.several.add(name)
    if several:
        done.notes.append(
            f"{name}: {several} clips of the sample have several continuations each, and tables hold means over all of "
            "them, which one cannot give; --trajectories or --fetch checks them"
        )


def _check_clips(exam: HeldOutClips, some: Sequence[tuple[Chosen, OnGrid]]) -> tuple[list[Finding], int]:
    """Compare clips of the sample, all of one seed, with their rows of the tables. Return how many agree, too."""
    findings: list[Finding] = []
    kept: list[tuple[Chosen, tuple[np.ndarray, np.ndarray]]] = []
    for chosen, clip in some:
        fault, motion = _form(exam, chosen, clip)
        if fault is not None:
            findings.append(fault)
        elif not has_several_samples(chosen.cell.clips):
            kept.append((chosen, motion))
    if not kept:
        return findings, 0
    values = measured(exam, [chosen.clip for chosen, _ in kept], [motion for _, motion in kept])
    allowed = {chosen.cell.where: allowances(chosen.cell.clips) for chosen, _ in kept}
    faults = [
        _compare(chosen, {name: float(found[row]) for name, found in values.items()}, allowed[chosen.cell.where])
        for row, (chosen, _) in enumerate(kept)
    ]
    found = [fault for fault in faults if fault is not None]
    return findings + found, len(kept) - len(found)


def _where(chosen: Chosen) -> str:
    return f"{SAMPLE}: {chosen.cell.task} {chosen.cell.name}, {chosen.cell.clips.clips[chosen.clip][:60]}"


def _form(
    exam: HeldOutClips, chosen: Chosen, clip: OnGrid
) -> tuple[Finding | None, tuple[np.ndarray, np.ndarray]]:
    """Return what is wrong with the form of a clip of the sample, if anything is, and its motion."""
    cell, table, motion = chosen.cell, chosen.cell.clips, off_grid(clip)
    if (table.clips, table.groups, table.actions) != (tuple(exam.ids), tuple(exam.groups), tuple(exam.actions)):
        return Finding(cell.table, "its clips are not the task's test clips", "run the cell again"), motion
    if clip.largest.shape != (int(exam.truth.lengths[chosen.clip]), len(exam.truth.rig)):
        text = f"has {len(clip.largest)} frames of {clip.largest.shape[1]} joints, not its clip's"
        return Finding(_where(chosen), text, AGAIN), motion
    if not np.abs(motion[0]).max() <= FARTHEST:
        return Finding(_where(chosen), f"is more than {FARTHEST:g} m away", AGAIN), motion
    return None, motion


def _compare(chosen: Chosen, values: Mapping[str, float], allowed: Mapping[str, float]) -> Finding | None:
    """Return where a clip's row of the table is not what its motion gives."""
    table = chosen.cell.clips
    for name, value in values.items():
        claimed = float(table.values[name][chosen.clip]) if name in table.values else np.nan
        off = abs(claimed - value) - allowed.get(name, 0.0)
        if not off <= SLACK * tolerance(name, value) and not (np.isnan(claimed) and np.isnan(value)):
            text = f"the table says {claimed:.6g}; the motion gives {value:.6g}"
            return Finding(f"{_where(chosen)}: {name}", text, AGAIN)
    return None
