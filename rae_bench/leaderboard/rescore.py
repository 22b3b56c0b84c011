"""Metrics of finished cells, computed again from the trajectories that were kept. No model's code is needed.

When a metric's version is raised, older cells are stale. Their motion is still what the model generated, so measuring
it again makes them current without training.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.errors import UserError
from rae_bench.files import regular
from rae_bench.harness.identity import NOT_RECOMPUTED, identity_changes
from rae_bench.harness.versions import cell_metric_versions, engine_versions
from rae_bench.leaderboard.entries.entry import load_entry
from rae_bench.leaderboard.entries.entry_files import CELLS, ENTRY, LEVEL, SAMPLE
from rae_bench.leaderboard.entries.level import SCHEMA, Record, write_record
from rae_bench.leaderboard.entries.packing import open_pack
from rae_bench.leaderboard.entries.sample import room_for
from rae_bench.leaderboard.verify.grading import Graded, Grader, within_tolerance
from rae_bench.leaderboard.verify.recorded import remove_strays
from rae_bench.leaderboard.verify.sampled import make_sample
from rae_bench.leaderboard.verify.scoring import CLIP_SLACK
from rae_bench.leaderboard.verify.verifier import known_tasks
from rae_bench.model.trajectory import UNIT_TOLERANCE, Trajectory
from rae_bench.results.clips import ClipTable, read_clips, write_clips
from rae_bench.results.files import budget_of_result, check_result_version, read_result, strict, write_json
from rae_bench.results.rows import as_metrics, metric_values
from rae_bench.results.trajectories import load_trajectory
from rae_bench.storage import remove_leftovers
from rae_bench.task.cells import TRUTH
from rae_bench.task.task import Task

Read = Callable[[Mapping[str, Any], Path, Grader], Trajectory]
"""read(result, path of the result, task's data) gives the kept motion of a cell."""
FINISHED = ("ok", "skipped")
Begin = Callable[[str], None]
"""begin(task) is called before the first result of a task is written."""


@dataclass
class Rescored:
    """What became of the finished cells.

    Attributes:
        changed: paths of the results that were written.
        current: how many cells said already what their trajectories give.
        left: path of a result -> why it is still stale.
    """

    changed: list[Path] = field(default_factory=list)
    current: int = 0
    left: dict[Path, str] = field(default_factory=dict)


def rescore(
    folder: str | Path,
    trajectories: Path | None = None,
    *,
    tasks: Sequence[str | Path] = (),
    data_root: Path | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Rescored:
    """Measure the kept motion of all finished cells under `folder` again, and write what differs.

    A value that passes for the one of its version stays as it is, so rescoring twice writes nothing the second time.
    `one_step_error` is of motion that is not kept: it stays, and where its version was raised the cell is left stale.
    So is a cell of another engine, task, data or split. A skipped cell has no metrics; only their versions are renewed.
    An entry's recorded level of a task is dropped before the first of its cells is written, as any edit loses it. The
    sample of its motion is made anew for the new numbers.

    Args:
        folder: an entry of the leaderboard, or a folder that `run` or `sweep` left.
        trajectories: the file that `submit` packed; only for an entry, which has its motion there.
        tasks: files of tasks that are not in the package.
        data_root: the folder that holds the recordings that a task names.
        progress: is called with what is being done.

    Raises:
        UserError: no such folder, no results in it, an entry without its trajectories, results with them, or results of
            another version of the benchmark.
        Refused: the entry or its trajectories are not as they must be.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name an entry, or the folder that `run` or `sweep` left (--out)")
    known = known_tasks(tasks)
    done = Rescored()
    if (folder / ENTRY).is_file():
        _rescore_entry(folder, trajectories, known, data_root, progress, done)
        return done
    if trajectories is not None:
        raise UserError(f"{folder}: is no entry; its trajectories lie beside the results, so leave --trajectories out")
    files = sorted(_json_files(folder))
    for place in sorted({path.parent for path in files}):
        remove_leftovers(place)
    found = {path: read_result(path) for path in files}
    cells = {path: result for path, result in found.items() if result is not None and result["status"] in FINISHED}
    for path, result in cells.items():
        check_result_version(result, path)
    if not cells:
        raise UserError(f"{folder}: holds no finished results of this version's schema; run a model first")
    _rescore_cells(cells, known, _read_beside, data_root, progress, done, lambda task: None)
    return done


def _json_files(folder: Path) -> Iterator[Path]:
    """All JSON files under a folder. Raise `OSError` where a folder or a file cannot be read."""
    for place, _, names in os.walk(folder, onerror=_raise):
        for name in names:
            if name.endswith(".json"):
                path = Path(place) / name
                with regular(path):
                    pass
                yield path


def _raise(error: OSError) -> None:
    raise error


def _rescore_entry(
    folder: Path,
    trajectories: Path | None,
    known: Mapping[str, Task],
    data_root: Path | None,
    progress: Callable[[str], None],
    done: Rescored,
) -> None:
    for place in (folder, *folder.glob(f"{CELLS}/*")):
        remove_leftovers(place)
    entry = load_entry(folder)
    cells = {cell.path: cell.result for cell in entry.cells}
    kept = dict(entry.record.tasks) if entry.record else {}

    def drop_level(task: str) -> None:
        if kept.pop(task, None) is None:
            return
        if kept:
            write_record(folder, Record(SCHEMA, dict(kept)))
        else:
            (folder / LEVEL).unlink()
        remove_strays(folder, kept)

    if entry.trajectories is not None and trajectories is None:
        raise UserError(f"{folder}: name the file that submit packed with --trajectories, or download it with --fetch")
    with open_pack(entry, trajectories) if entry.trajectories and trajectories else nullcontext() as pack:

        def read(result: Mapping[str, Any], path: Path, grader: Grader) -> Trajectory:
            assert pack is not None
            return pack.read(f"{result['task']}/{path.stem}.npz", grader.on(result["seed"]).exam.truth)

        _rescore_cells(cells, known, read, data_root, progress, done, drop_level)
        if pack is not None:
            try:
                # Which clips it holds depends on the numbers.
                entry = load_entry(folder)
                make_sample(entry, pack, known, room_for(entry.name, folder.parent), data_root, progress)
            except UserError as missing:
                done.left[folder / SAMPLE] = str(missing)


def _rescore_cells(
    cells: Mapping[Path, Mapping[str, Any]],
    known: Mapping[str, Task],
    read: Read,
    data_root: Path | None,
    progress: Callable[[str], None],
    done: Rescored,
    begin: Begin,
) -> None:
    for name, budget in sorted({(result["task"], budget_of_result(result)) for result in cells.values()}):
        here = {p: r for p, r in cells.items() if (r["task"], budget_of_result(r)) == (name, budget)}
        if name not in known:
            done.left |= dict.fromkeys(here, f"{name} is no task of this version; name its file with --task")
            continue
        progress(f"{name}: data")
        try:
            grader = Grader.of(known[name].at(budget), data_root)
        except UserError as missing:
            done.left |= dict.fromkeys(here, str(missing))
            continue
        for number, (path, result) in enumerate(here.items()):
            progress(f"{name}: {path.stem}, {number + 1} of {len(here)}")
            try:
                wrote, stale = _rescore_cell(path, result, grader, read, begin)
            except OSError as error:
                done.left[path] = f"cannot be written ({error.filename}: {error.strerror})"
                continue
            except UserError as error:
                done.left[path] = str(error)
                continue
            if wrote:
                done.changed.append(path)
            if stale:
                done.left[path] = f"{', '.join(stale)}: needs the model; run it again"
            elif not wrote:
                done.current += 1


def _rescore_cell(
    path: Path, result: Mapping[str, Any], grader: Grader, read: Read, begin: Begin
) -> tuple[bool, list[str]]:
    """Measure a cell again.

    Returns:
        whether its files were written, and what of its metrics remains stale.

    Raises:
        UserError: it is of another engine or of other data than here, or its motion is missing or damaged.
        OSError: a file cannot be written.
    """
    hashes = grader.hashes(result["regime"], result["fraction"], result["seed"])
    other = [part for part in hashes if result["identity"].get(part) != hashes[part]]
    if other:
        raise UserError(f"its {other[0]} is not that of {result['task']} in this version; run it again")
    engine = identity_changes(result["identity"], {"engine": engine_versions()})
    if engine:
        raise UserError(f"was made by another engine ({', '.join(engine)}); run it again")
    versions = cell_metric_versions()
    if result["status"] == "skipped":
        renewed = {**result, "identity": {**result["identity"], "metrics": versions}}
        if renewed != result:
            begin(result["task"])
            write_json(path, renewed)
        return renewed != result, []
    old = result["identity"].get("metrics")
    made = dict(old) if isinstance(old, Mapping) else {}
    stale = [name for name in NOT_RECOMPUTED if made.get(name) != versions[name]]
    fresh = {name: made.get(name) == version for name, version in versions.items()}
    before, table = metric_values(result), read_clips(path.with_suffix(".csv"))
    missing = [name for name in NOT_RECOMPUTED if name not in before or name not in table.values]
    if missing:
        raise UserError(f"{missing[0]} is missing, and needs the model; delete the file and run it again")
    # Under the published protocol nothing is rolled out, so there is only the metric of single frames.
    graded = Graded({}, {}) if grader.task.protocol.published else _grade(path, result, grader, read)
    if graded.clips and not _same_clips(table, grader, result["seed"]):
        raise UserError("its table of clips is not of the task's test clips; run it again")
    values = _merged(before, graded.values, fresh, within_tolerance)
    clips = _merged(table.values, graded.clips, fresh, _alike_clips)
    identity = {**result["identity"], "metrics": {n: made.get(n, 0) if n in stale else v for n, v in versions.items()}}
    new = {**result, "metrics": as_metrics(values), "identity": identity}
    moved = [name for name in {**clips, **table.values} if clips.get(name) is not table.values.get(name)]
    wrote = strict(new) != result
    if moved or wrote:
        begin(result["task"])
    if moved:
        # The table comes first: where the result is not written, it is stale still, and rescoring goes on from here.
        write_clips(path.with_suffix(".csv"), table.clips, table.groups, table.actions, clips)
    if wrote:
        write_json(path, new)
    return wrote or bool(moved), [f"metric {name} {made.get(name, 'none')} -> {versions[name]}" for name in stale]


def _same_clips(table: ClipTable, grader: Grader, seed: int) -> bool:
    exam = grader.on(seed).exam
    return (table.clips, table.groups, table.actions) == (tuple(exam.ids), tuple(exam.groups), tuple(exam.actions))


def _grade(path: Path, result: Mapping[str, Any], grader: Grader, read: Read) -> Graded:
    fold = grader.on(result["seed"])
    trajectory = fold.truth if result["model"] == TRUTH else read(result, path, grader)
    return fold.grade(trajectory, result["seed"])


def _merged(
    before: Mapping[str, Any], now: Mapping[str, Any], fresh: Mapping[str, bool], same: Callable[[str, Any, Any], bool]
) -> dict[str, Any]:
    """The values of a cell in their old order: recomputed, but the old value where that passes or cannot be made."""
    merged = {}
    for name in {**before, **now}:
        if name not in now:
            if name in NOT_RECOMPUTED:
                merged[name] = before[name]
        elif name in before and fresh[name] and same(name, before[name], now[name]):
            merged[name] = before[name]
        else:
            merged[name] = now[name]
    return merged


def _alike_clips(name: str, claimed: np.ndarray, recomputed: np.ndarray) -> bool:
    pairs = zip(claimed.tolist(), recomputed.tolist(), strict=True)
    return all(within_tolerance(name, a, b, CLIP_SLACK) for a, b in pairs)


def _read_beside(result: Mapping[str, Any], path: Path, grader: Grader) -> Trajectory:
    """The motion that `run` wrote beside a result."""
    truth = grader.on(result["seed"]).exam.truth
    clips, frames = truth.root_positions.shape[:2]
    kept = path.with_suffix(".npz")
    if not kept.is_file():
        raise UserError(f"{kept.name} is missing beside it; run it again")
    return Trajectory.checked(
        load_trajectory(kept), f"{kept.name}:", clips=clips, frames=frames, joints=len(truth.rig),
        lengths=truth.lengths, single_precision=False, unit_tolerance=UNIT_TOLERANCE,
    )  # fmt: skip
