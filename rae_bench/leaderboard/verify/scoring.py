"""Checks of cells against the task's data: hashes, fractions, tables of clips, and metrics recomputed from motion."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from rae_bench.harness.identity import NOT_RECOMPUTED
from rae_bench.leaderboard.entries.cells import EntryCell
from rae_bench.leaderboard.entries.finding import Finding, Refused
from rae_bench.leaderboard.entries.packing import Pack, member
from rae_bench.leaderboard.verify.clip_tables import check_means
from rae_bench.leaderboard.verify.copies import copied_clips
from rae_bench.leaderboard.verify.grading import HASHES, FoldGrader, Graded, Grader, tolerance, within_tolerance
from rae_bench.metrics.conv_critic import THESIS_ERROR
from rae_bench.model.api import Budget, Context, Trajectory
from rae_bench.model.regimes import NO_REGIME
from rae_bench.model.registry import CONTROLS, make_model
from rae_bench.results.files import reported_number
from rae_bench.task.cells import TRUTH
from rae_bench.task.held_out import HeldOutClips

CLIP_SLACK = 10.0
"""Single clips have this many times the tolerance: a foot that crosses a threshold counts for more in one clip."""
CONTROL_SLACK = 10.0
"""A control that is made again has this many times the tolerance: its inverse kinematics adds another machine's
rounding."""
MEND_HASHES = {
    "task": "run the cell with the task of this version",
    "data": "run the cell with the data of this version",
    "split": "run the cell with the splits of this version",
}
MEND_EDITED = "do not edit results; run the cell again and submit all together"
MADE_HERE = "what this control makes here gives"
PACKED = "the trajectories give"

Say = Callable[[str], None]
"""say(text) says what is being done."""


def score_cells(grader: Grader, cells: list[EntryCell], pack: Pack | None, progress: Say) -> Iterator[Finding]:
    """Check the cells of a task, with their motion where there is any: packed, or of the truth or a control."""
    places = {(cell.regime, cell.fraction, cell.seed) for cell in cells}
    hashes = {place: grader.hashes(*place) for place in places}
    for number, cell in enumerate(cells):
        progress(f"{cell.task}: {cell.name}, {number + 1} of {len(cells)}")
        try:
            yield from check_hashes(cell, hashes[cell.regime, cell.fraction, cell.seed])
            if cell.status == "ok":
                yield from _check_cell(grader, cell, pack)
        except Refused as refused:
            yield refused.finding


def _check_cell(grader: Grader, cell: EntryCell, pack: Pack | None) -> Iterator[Finding]:
    yield from _check_rig(grader, cell)
    if cell.result["model"] != TRUTH:
        yield from _check_fraction(grader, cell)
    fold = grader.on(cell.seed)
    if not _same_clips(fold.exam, cell):
        yield Finding(cell.table, "its clips are not the task's test clips", "run the cell again")
        return
    yield from check_means(cell, fold.weights)
    if cell.result["model"] in (TRUTH, *CONTROLS):
        yield from _compare(cell, fold.grade(_made_here(grader, fold, cell), cell.seed), MADE_HERE, CONTROL_SLACK)
    if pack is None:
        return
    trajectory = pack.read(member(cell), fold.exam.truth)
    yield from _compare(cell, fold.grade(trajectory, cell.seed), PACKED)
    if cell.result["model"] in CONTROLS:
        return
    for clips, what in copied_clips(fold, trajectory).found():
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


def _check_rig(grader: Grader, cell: EntryCell) -> Iterator[Finding]:
    """Check what the score's yardsticks are made of."""
    protocol, again = grader.target.protocol, "run the cell again"
    for name, wanted in (("rig_height", grader.target.corpus.motion.rig.height), ("fps", protocol.fps)):
        said = reported_number(cell.result.get(name))
        if said is None or abs(said - wanted) > 1e-6 * wanted:
            yield Finding(f"{cell.where}: {name}", f"is {cell.result.get(name)}; the task has {wanted:.6g}", again)
    if cell.result.get("track") != protocol.track:
        yield Finding(f"{cell.where}: track", f"is {cell.result.get('track')}; the task has {protocol.track}", again)


def _check_fraction(grader: Grader, cell: EntryCell) -> Iterator[Finding]:
    part = grader.target.fraction(cell.seed, cell.fraction)
    wanted = {"target_segments": len(part), "target_frames": grader.target.motion[part].frames}
    found = {name: cell.result["cost"].get(name) for name in wanted}
    if found != wanted:
        yield Finding(f"{cell.where}: cost", f"says {found}; the fraction has {wanted}", "run the cell again")


def _made_here(grader: Grader, fold: FoldGrader, cell: EntryCell) -> Trajectory:
    """The truth, or what a control makes of the test clips: the package's own code, without any training."""
    if cell.result["model"] == TRUTH:
        return fold.truth
    control = make_model(cell.result["model"], {})
    ctx = Context(NO_REGIME, cell.fraction, Budget(0, 0), cell.seed)
    control.adapt(grader.target.domain(grader.target.fraction(cell.seed, cell.fraction)), ctx)
    made: Trajectory = control.generate(fold.exam.prompt, Context.to_generate(NO_REGIME, cell.seed))
    return made


def _compare(cell: EntryCell, graded: Graded, whence: str, slack: float = 1.0) -> Iterator[Finding]:
    """Compare a cell's metrics and its table of clips with those that motion gives."""
    for name, value in graded.values.items():
        if name not in cell.metrics:
            yield Finding(f"{cell.where}: {name}", "is missing", "run the cell again")
        elif not within_tolerance(name, cell.metrics[name], value, slack):
            yield Finding(
                f"{cell.where}: {name}", f"says {cell.metrics[name]:.6g}; {whence} {value:.6g} "
                f"(± {slack * tolerance(name, value):.2g})", MEND_EDITED,
            )  # fmt: skip
    extra = sorted(cell.metrics.keys() - graded.values.keys() - {*NOT_RECOMPUTED, THESIS_ERROR})
    if extra:
        yield Finding(f"{cell.where}: {extra[0]}", "is not what its trajectories give", "run the cell again")
    yield from _compare_clips(cell, graded, whence, CLIP_SLACK * slack)


def _same_clips(exam: HeldOutClips, cell: EntryCell) -> bool:
    table = cell.clips
    return (table.clips, table.groups, table.actions) == (tuple(exam.ids), tuple(exam.groups), tuple(exam.actions))


def _compare_clips(cell: EntryCell, graded: Graded, whence: str, slack: float) -> Iterator[Finding]:
    where, table = cell.table, cell.clips
    for name, values in graded.clips.items():
        if name not in table.values:
            yield Finding(f"{where}: {name}", "is missing", "run the cell again")
            continue
        pairs = zip(table.clips, table.values[name].tolist(), values.tolist(), strict=True)
        bad = next((p for p in pairs if not within_tolerance(name, p[1], p[2], slack)), None)
        if bad is not None:
            yield Finding(
                f"{where}: {name}", f"clip {bad[0]} says {bad[1]:.6g}; {whence} {bad[2]:.6g}", MEND_EDITED,
            )  # fmt: skip
    extra = sorted(table.values.keys() - graded.clips.keys() - set(NOT_RECOMPUTED))
    if extra:
        yield Finding(f"{where}: {extra[0][:60]}", "is no metric of single clips", "run the cell again")
