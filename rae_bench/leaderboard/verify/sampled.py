"""The sample of an entry: made by `submit`, and measured by `verify` on any machine without a network.

A clip's metrics are those of its own motion, so a few clips are enough to compare them with the table of clips.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import stats

from rae_bench.errors import UserError
from rae_bench.leaderboard.entries.cells import EntryCell
from rae_bench.leaderboard.entries.entry import Entry
from rae_bench.leaderboard.entries.entry_files import SAMPLE
from rae_bench.leaderboard.entries.finding import Finding, Refused
from rae_bench.leaderboard.entries.packing import FARTHEST, Pack, member
from rae_bench.leaderboard.entries.quantised import GRIDS, OnGrid, off_grid, on_grid
from rae_bench.leaderboard.entries.sample import ENOUGH, Chosen, choose_clips, fit, read_sample, write_sample
from rae_bench.leaderboard.verify.grading import is_builtin, tolerance, within_tolerance
from rae_bench.metrics import METRICS, measure
from rae_bench.metrics.base import Sums
from rae_bench.metrics.evaluation import samples
from rae_bench.model.api import Trajectory
from rae_bench.results.clips import ClipTable
from rae_bench.task.cells import fold_of
from rae_bench.task.sides import HeldOutClips, Side, load_side
from rae_bench.task.task import Task

SHARE = 0.1
"""What the grid may change in a clip's metric, as a share of the half width of that metric's interval in the cell."""
SLACK = 10.0
"""Single clips have this many times the tolerance of a whole cell."""
AGAIN = "make the entry again with rae-bench submit"
Say = Callable[[str], None]


@dataclass
class Sampled:
    """What became of an entry's sample.

    Attributes:
        clips: task -> how many clips agree, and how many all finished cells of the task have.
    """

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    clips: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Exams:
    """The test clips of a task's target, by fold. The sources are not needed."""

    target: Side
    known: dict[int, HeldOutClips] = field(default_factory=dict)

    @classmethod
    def of(cls, task: Task, data_root: Path | None) -> Exams:
        """Make or find the motion of a task's target. Raise `UserError` where recordings are missing."""
        return cls(Side(load_side(task.target, task.protocol, data_root), task.protocol))

    def on(self, seed: int) -> HeldOutClips:
        """Return the test clips of a seed."""
        fold = fold_of(seed)
        if fold not in self.known:
            self.known[fold] = self.target.held_out_clips(self.target.split(seed).test)
        return self.known[fold]


def measured_alone(exam: HeldOutClips, clip: int, roots: np.ndarray, rotations: np.ndarray) -> dict[str, float]:
    """Return the metrics of one generated test clip; NaN where it has nothing to measure.

    Args:
        clip: which one.
        roots: (T, 3) metres.
        rotations: (T, J, 4), unit quaternions.
    """
    frames = int(exam.truth.lengths[clip])
    truth = exam.truth[[clip]].cut(0, frames)
    trajectory = Trajectory(roots[None, None], rotations[None, None])
    found = measure(trajectory, truth, exam.objectives[[clip]].cut(0, frames))
    return {name: float(sums.per_clip()[0]) for name, sums in found.items()}


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
        found[name] = SHARE * float(error * stats.t.ppf(0.975, max(len(means) - 1, 1)))
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
    least = len({chosen.cell.where for chosen in order})
    if len(made) < least and room < ENOUGH:
        raise UserError(f"{SAMPLE}: {room} bytes hold {len(made)} clips, and there are {least} ranked cells")
    write_sample(entry.folder, made)
    return len(made)


def check_sample(entry: Entry, tasks: Mapping[str, Task], data_root: Path | None, progress: Say) -> Sampled:
    """Measure the sample of an entry and compare it with the tables of clips, and these with the results."""
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
    cells = len({chosen.cell.where for chosen in order})
    if len(clips) > len(order) or (len(clips) < cells and (entry.folder / SAMPLE).stat().st_size < ENOUGH):
        what = f"holds {len(clips)} clips; {cells} ranked cells have {len(order)}"
        done.findings.append(Finding(SAMPLE, what, AGAIN))
        return done
    by_task: dict[str, list[tuple[Chosen, OnGrid]]] = defaultdict(list)
    for chosen, clip in zip(order, clips, strict=False):
        by_task[chosen.cell.task].append((chosen, clip))
    for name, those in sorted(by_task.items()):
        progress(f"{name}: sample")
        try:
            exams = Exams.of(tasks[name], data_root)
        except UserError as missing:
            if is_builtin(tasks[name]):
                raise
            done.notes.append(f"{name}: the sample was not measured: {missing}")
            continue
        _check_task(entry, name, exams, those, done)
    return done


def _check_task(
    entry: Entry, name: str, exams: Exams, those: Sequence[tuple[Chosen, OnGrid]], done: Sampled
) -> None:
    total = sum(len(cell.clips.clips) for cell in entry.of(name) if cell.status == "ok")
    good, several = 0, 0
    for chosen, clip in those:
        exam = exams.on(chosen.cell.seed)
        found = list(_check_clip(exam, chosen, clip))
        done.findings += found
        if has_several_samples(chosen.cell.clips):
            several += 1
        elif not found:
            good += 1
    done.clips[name] = good, total
    if several:
        done.notes.append(
            f"{name}: {several} clips of the sample have several continuations each, and tables hold means over all of "
            "them, which one cannot give; --trajectories or --fetch checks them"
        )
    for cell in {chosen.cell.where: chosen.cell for chosen, _ in those}.values():
        done.findings += _check_means(exams.on(cell.seed), cell)


def _check_clip(exam: HeldOutClips, chosen: Chosen, clip: OnGrid) -> Iterator[Finding]:
    """Compare a clip of the sample with its row of the table."""
    cell, table = chosen.cell, chosen.cell.clips
    where = f"{SAMPLE}: {cell.task} {cell.name}, {table.clips[chosen.clip][:60]}"
    if (table.clips, table.groups, table.actions) != (tuple(exam.ids), tuple(exam.groups), tuple(exam.actions)):
        yield Finding(cell.table, "its clips are not the task's test clips", "run the cell again")
        return
    if clip.largest.shape != (int(exam.truth.lengths[chosen.clip]), len(exam.truth.rig)):
        yield Finding(where, f"has {len(clip.largest)} frames of {clip.largest.shape[1]} joints, not its clip's", AGAIN)
        return
    roots, rotations = off_grid(clip)
    if not np.abs(roots).max() <= FARTHEST:
        yield Finding(where, f"is more than {FARTHEST:g} m away", AGAIN)
        return
    if has_several_samples(table):
        return
    allowed = allowances(table)
    for name, value in measured_alone(exam, chosen.clip, roots, rotations).items():
        claimed = float(table.values[name][chosen.clip]) if name in table.values else np.nan
        off = abs(claimed - value) - allowed.get(name, 0.0)
        if not off <= SLACK * tolerance(name, value) and not (np.isnan(claimed) and np.isnan(value)):
            yield Finding(f"{where}: {name}", f"the table says {claimed:.6g}; the motion gives {value:.6g}", AGAIN)
            return


def _check_means(exam: HeldOutClips, cell: EntryCell) -> Iterator[Finding]:
    """Compare a result with the mean of its table, where the weights of clips are known: one for each clip."""
    for name, sums in _weights(exam).items():
        if name not in cell.clips.values or name not in cell.metrics or sums.weights.shape[1] != 1:
            continue
        values, weights = cell.clips.values[name], sums.weights[:, 0]
        known = weights > 0
        if len(values) != len(weights) or not known.any():
            continue
        mean = float(np.sum(values[known] * weights[known]) / weights[known].sum())
        if not within_tolerance(name, cell.metrics[name], mean, SLACK):
            yield Finding(
                f"{cell.where}: {name}", f"says {cell.metrics[name]:.6g}; the mean over its table is {mean:.6g}",
                "put both files there as run wrote them",
            )  # fmt: skip


def _weights(exam: HeldOutClips) -> dict[str, Sums]:
    """Return the primary metrics of the truth by itself: what is averaged depends on the truth alone."""
    (motion,) = samples(Trajectory.of(exam.truth), exam.truth)
    infos = [info for info in METRICS.values() if info.primary and info.measure is not None]
    return {info.name: info.measure(motion, exam.truth, exam.objectives) for info in infos if info.measure}
