"""Training some cells of an entry again: the only check that finds made-up trajectories. It runs the model's code.

The same cell may differ as much as two seeds do, since on another machine rounding grows over the frames of a roll-out.
On motion that nobody has seen, absolute numbers do not compare, so errors are taken relative to a held pose's.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.harness.events import Answered, Event, work_off
from rae_bench.harness.isolation.models import isolated
from rae_bench.harness.jobs import Progress
from rae_bench.harness.plan import jobs_of, make_plan
from rae_bench.harness.pool import Pool
from rae_bench.harness.spec import RunSpec
from rae_bench.leaderboard.entries.entry import Entry, EntryCell
from rae_bench.leaderboard.entries.finding import Finding
from rae_bench.leaderboard.entries.level import CLAIMED, REPRODUCED
from rae_bench.leaderboard.verify.grading import Grader, Unavailable, is_builtin, tolerance
from rae_bench.leaderboard.verify.verifier import Report, Say, check_hashes, known_tasks
from rae_bench.metrics import primaries
from rae_bench.model.registry import resolve_model
from rae_bench.results.clips import ClipTable, read_clips
from rae_bench.results.files import read_result
from rae_bench.results.rows import ERROR, track_of
from rae_bench.statistics.intervals import half_width
from rae_bench.storage import scratch
from rae_bench.task.cells import TRUTH
from rae_bench.task.task import Task

LEAST = 0.02
"""The share of a value by which it may always differ, however alike the seeds are."""
UNSEEN_LEVEL = 0.99
"""One-sided level of the test whether a model does worse on motion that nobody has seen."""
WORSE = math.log(1.1)
"""By how much the logarithm of the error must be greater at least, so that a model counts as worse there."""


@dataclass(frozen=True)
class Retraining:
    """How cells are trained again; see `rerun`."""

    model: str
    out: Path
    data_root: Path | None
    progress: Say

    def train(self, cell: EntryCell, grader: Grader) -> tuple[dict[str, Any] | None, Path, str]:
        """Train a cell, alone in its processes. Return its result, its path, and why there is no result."""
        options = dict(cell.result.get("options", {}))
        spec = RunSpec(
            isolated(resolve_model(self.model), options), grader.task, options, (cell.regime,), (cell.fraction,),
            (cell.seed,), self.out, self.data_root, controls=False,
        )  # fmt: skip
        made = make_plan(spec, (grader.sources, grader.target))
        what = f"{grader.task.name}: training {cell.name} again"
        self.progress(what)

        def watch(event: Event) -> None:
            if isinstance(event, Answered) and isinstance(event.answer, Progress):
                said = event.answer
                count = f" {said.update:,}/{said.updates:,}" if said.updates > 1 else ""
                self.progress(f"{what}: {said.stage}{count}")

        with Pool(1) as pool:
            failed = work_off([[job] for job in jobs_of(made)], pool, watch)
        path = made.cells[0].path
        return (None if failed else read_result(path)), path, "; ".join(failed.values())


def rerun(
    report: Report,
    *,
    cells: int = 1,
    data_seed: int | None = None,
    model: str | None = None,
    tasks: Sequence[str | Path] = (),
    data_root: Path | None = None,
    progress: Say = lambda text: None,
) -> dict[str, list[str]]:
    """Train randomly chosen cells of an entry again, and add what does not agree to the report.

    This needs the model's code and no trajectories. A task that was not rescored stays `claimed`.

    Args:
        report: the report of `verify`.
        cells: the number of cells of each task.
        data_seed: the generator seed of built-in motion that takes the place of the task's.
        model: where the model is; the name on the card unless given.
        tasks, data_root, progress: as for `verify`.

    Returns:
        {task: names of the cells that were trained again and agree} of the tasks that were rescored. Their level
        becomes `reproduced`.

    Raises:
        UserError: no such model.
    """
    entry = report.entry
    assert entry is not None
    spec = model or entry.card.model
    agreed: dict[str, list[str]] = {}
    if entry.card.model == TRUTH:
        report.notes.append("the truth is not trained")
        return agreed
    code = resolve_model(spec).identity
    if any(cell.identity.get("model") != code for cell in entry.cells):
        report.notes.append(f"the code of {spec} is not that of the entry (another identity)")
    known = known_tasks(tasks)
    with scratch() as place:
        retraining = Retraining(spec, place, data_root, progress)
        for name in entry.tasks:
            try:
                grader = Grader.of(known[name], data_root)
            except Unavailable as missing:
                report.notes.append(f"{name} is not trained again: {missing}")
                continue
            unseen = None if data_seed is None else _unseen(known[name], data_seed, data_root, report)
            if data_seed is not None and unseen is None:
                continue
            done = [cell for cell in entry.of(name) if cell.status == "ok"]
            picked = random.SystemRandom().sample(done, min(cells, len(done)))
            found: list[Finding] = []
            for cell in picked:
                other = list(check_hashes(cell, grader.hashes(cell.seed, cell.fraction)))
                found += other or _check(entry, cell, grader, unseen, retraining, report)
            report.findings += found
            if found:
                report.levels[name] = CLAIMED
            elif report.levels[name] == CLAIMED:
                report.notes.append(
                    f"{name}: what was trained again agrees; it stays {CLAIMED}, as metrics were not recomputed"
                )
            else:
                report.levels[name] = REPRODUCED
                agreed[name] = [cell.name for cell in picked]
    return agreed


def _unseen(task: Task, seed: int, data_root: Path | None, report: Report) -> Grader | None:
    """Return the grader of a task on built-in motion of another seed; None for recordings."""
    if not is_builtin(task):
        report.notes.append(f"{task.name} is on recordings: there are no others that nobody has seen")
        return None
    *sources, target = ({**side, "seed": seed} for side in (*task.sources, task.target))
    return Grader.of(replace(task, name=f"{task.name}-unseen", sources=tuple(sources), target=target), data_root)


def _check(
    entry: Entry, cell: EntryCell, grader: Grader, unseen: Grader | None, retraining: Retraining, report: Report
) -> list[Finding]:
    result, path, reason = retraining.train(cell, unseen or grader)
    where = f"{cell.task} {cell.name}, trained again"
    if result is None or result["status"] != "ok":
        return [Finding(where, f"failed: {reason or 'no result'}", "make the model run from the entry's options alone")]
    values = {name: float(result["metrics"][name]["value"]) for name in primaries(track_of([result])).values()}
    if unseen is None:
        return list(_same_data(entry, cell, values, where, report))
    clips = read_clips(path.with_suffix(".csv"))
    return list(_other_data(entry, cell, grader, unseen, clips, where, report))


def allowed(claimed: float, own: Sequence[float], rows: Sequence[Sequence[float]], name: str) -> float:
    """Return how far the same cell, trained again, may be from what was claimed.

    Two draws from the distribution of seeds differ by less than t s sqrt(2) in 95 of 100 cases. The spread s, relative
    to the mean, is pooled over the rows of the entry, since three seeds alone say little about it. Where a row's own
    seeds differ by more, their spread counts: a score near 0 has none that is relative to its mean.

    Args:
        claimed: the claimed value.
        own: the values of the cell's row, one for each seed.
        rows: those of each regime and fraction.
        name: the metric.
    """
    least = max(LEAST * abs(claimed), tolerance(name, claimed))
    if len(own) > 2:
        least = max(least, half_width(len(own) - 1) * float(np.std(own, ddof=1)) * math.sqrt(2))
    known = [row for row in rows if len(row) > 1 and np.mean(row) > 0]
    degrees = sum(len(row) - 1 for row in known)
    if not degrees:
        return least
    spread = math.sqrt(sum((len(row) - 1) * np.var(row, ddof=1) / np.mean(row) ** 2 for row in known) / degrees)
    return max(least, half_width(degrees) * spread * abs(claimed) * math.sqrt(2))


def _same_data(entry: Entry, cell: EntryCell, values: Mapping[str, float], where: str, report: Report) -> list[Finding]:
    rows: dict[tuple[str, float], list[EntryCell]] = defaultdict(list)
    for c in entry.of(cell.task):
        if c.status == "ok":
            rows[c.regime, c.fraction].append(c)
    out = []
    for name, value in values.items():
        claimed = cell.metrics[name]
        values_of = {at: [c.metrics[name] for c in row] for at, row in rows.items()}
        limit = allowed(claimed, values_of[cell.regime, cell.fraction], list(values_of.values()), name)
        report.notes.append(f"{where}: {name} {value:.4g}, the entry says {claimed:.4g} (± {limit:.2g})")
        if abs(value - claimed) > limit:
            out.append(
                Finding(f"{where}: {name}", f"is {value:.4g}; the entry says {claimed:.4g}, ± {limit:.2g} by its seeds",
                        "submit cells that the published code makes")
            )  # fmt: skip
    return out


def _by_group(groups: Sequence[str], errors: np.ndarray, held: np.ndarray) -> dict[str, float]:
    """Return the mean logarithm over each group's clips of the error over a held pose's: {group: mean}."""
    found = defaultdict(list)
    for group, error, hold in zip(groups, errors.tolist(), held.tolist(), strict=True):
        if error > 0 and hold > 0:
            found[group].append(math.log(error / hold))
    return {group: float(np.mean(values)) for group, values in found.items()}


def _other_data(
    entry: Entry,
    cell: EntryCell,
    grader: Grader,
    unseen: Grader,
    clips: ClipTable,
    where: str,
    report: Report,
) -> list[Finding]:
    row = [c for c in entry.of(cell.task) if (c.regime, c.fraction, c.status) == (cell.regime, cell.fraction, "ok")]
    public = [_by_group(c.clips.groups, c.clips.values[ERROR], grader.on(c.seed).hold_error) for c in row]
    fresh = _by_group(clips.groups, clips.values[ERROR], unseen.on(cell.seed).hold_error)
    return _worse(public, fresh, where, report)


def _worse(
    public: Sequence[Mapping[str, float]], fresh: Mapping[str, float], where: str, report: Report
) -> list[Finding]:
    """Find whether the groups of `fresh` are above those of `public`, by a one-sided test.

    Args:
        public: of each seed, the groups of its fold. Seeds of one fold share groups; those of different folds do not.
        fresh: the groups of a seed's fold of motion that nobody has seen.
        where: the cell, for messages.
        report: takes a note of the comparison.
    """
    from scipy import stats

    over_seeds = defaultdict(list)
    for seed in public:
        for group, value in seed.items():
            over_seeds[group].append(value)
    mean, new = (np.array([np.mean(v) for v in side]) for side in (over_seeds.values(), fresh.values()))
    if min(len(new), len(mean)) < 2:
        report.notes.append(f"{where}: too few groups of clips to compare with motion that nobody has seen")
        return []
    of_seeds = [np.mean(list(seed.values())) for seed in public if seed]
    seeds = float(np.var(of_seeds, ddof=1)) if len(of_seeds) > 1 else 0.0
    gap = float(new.mean() - mean.mean())
    error = math.sqrt(new.var(ddof=1) / len(new) + mean.var(ddof=1) / len(mean) + seeds)
    limit = max(WORSE, error * float(stats.t.ppf(UNSEEN_LEVEL, min(len(new), len(mean)) - 1)))
    text = f"{math.exp(gap):.2f} times the public error, relative to a held pose's; up to {math.exp(limit):.2f} passes"
    report.notes.append(f"{where} on unseen motion: {text}")
    if gap <= limit:
        return []
    return [Finding(f"{where} on unseen motion", f"has {text}", "do not fit anything to the public test clips")]
