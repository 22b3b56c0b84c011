"""Training some cells of an entry again: the only check that finds made-up trajectories. It runs the model's code.

Each cell is trained on the task's own data, and one of each task also on built-in motion that nobody has seen, which
shows what a model knows of the public test clips.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rae_bench.errors import unknown
from rae_bench.harness.events import Answered, Event, work_off
from rae_bench.harness.isolation.models import isolated
from rae_bench.harness.jobs import Progress
from rae_bench.harness.plan import jobs_of, make_plan
from rae_bench.harness.pool import Pool
from rae_bench.harness.spec import RunSpec
from rae_bench.leaderboard.entries.cells import EntryCell
from rae_bench.leaderboard.entries.entry import Entry
from rae_bench.leaderboard.entries.finding import Finding
from rae_bench.leaderboard.entries.level import CLAIMED, REPRODUCED
from rae_bench.leaderboard.entries.rules import evidence, ranked_cells
from rae_bench.leaderboard.verify.grading import Grader, Unavailable, is_builtin
from rae_bench.leaderboard.verify.recorded import Trained
from rae_bench.leaderboard.verify.scoring import Say, check_hashes
from rae_bench.leaderboard.verify.tolerances import USUAL, differences, reference_spread
from rae_bench.leaderboard.verify.unseen import compare_unseen
from rae_bench.leaderboard.verify.verifier import Report, check_levels, known_tasks
from rae_bench.model.registry import CONTROLS, resolve_model
from rae_bench.results.clips import read_clips
from rae_bench.results.files import read_result
from rae_bench.results.rows import ERROR, metric_values
from rae_bench.storage import scratch
from rae_bench.task.cells import TRUTH
from rae_bench.task.task import Task


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
    names: Sequence[str] = (),
    data_seed: int | None = None,
    model: str | None = None,
    tasks: Sequence[str | Path] = (),
    data_root: Path | None = None,
    progress: Say = lambda text: None,
) -> dict[str, list[Trained]]:
    """Train cells of an entry again, and add what does not agree to the report.

    This needs the model's code and no trajectories. A task that was not rescored stays `claimed`.

    Args:
        report: the report of `verify`, whose recorded levels have not been checked yet.
        cells: the number of cells of each task that are drawn at random: ranked ones first.
        names: names of cells to train instead, such as `finetune-f0.05-s0`, of every task that has them.
        data_seed: the generator seed of the motion that nobody has seen; a secret one unless given.
        model: where the model is; the name on the card unless given.
        tasks, data_root, progress: as for `verify`.

    Returns:
        {task: the cells that were trained again and agree} of the tasks that were rescored. Where one of them is ranked
        their level becomes `reproduced`.

    Raises:
        UserError: no such model or cell.
    """
    entry = report.entry
    assert entry is not None
    spec = model or entry.card.model
    agreed: dict[str, list[Trained]] = {}
    known = known_tasks(tasks)
    if entry.card.model in (TRUTH, *CONTROLS):
        report.notes.append("controls and the truth are not trained; every check makes their motion again")
        check_levels(report, known)
        return agreed
    picked = {name: pick_cells(entry, known[name], cells, names) for name in entry.tasks}
    if names and not any(picked.values()):
        raise unknown(f"finished cell of {entry.name}", names[0], sorted({c.name for c in entry.cells}))
    code = resolve_model(spec).identity
    if any(cell.identity.get("model") != code for cell in entry.cells):
        report.notes.append(f"the code of {spec} is not that of the entry (another identity)")
    seed = secrets.randbelow(2**31) if data_seed is None else data_seed
    with scratch() as place:
        retraining = Retraining(spec, place, data_root, progress)
        for name in entry.tasks:
            try:
                grader = Grader.of(known[name], data_root)
            except Unavailable as missing:
                report.notes.append(f"{name} is not trained again: {missing}")
                continue
            found, done = _task(entry, grader, picked[name], retraining, report)
            if not is_builtin(known[name]):
                report.notes.append(f"{name} is on recordings: there are no others that nobody has seen")
            elif done and entry.card.learns:
                found += _unseen(entry, picked[name][0], grader, _secret(known[name], seed), retraining, report)
            report.findings += found
            if found:
                report.levels[name] = CLAIMED
            elif report.levels[name] == CLAIMED:
                report.notes.append(
                    f"{name}: what was trained again agrees; it stays {CLAIMED}, as metrics were not recomputed"
                )
            elif done:
                agreed[name] = done
                before = [again for again, _ in entry.again(name)]
                rests = evidence([*before, *(one.again() for one in done)], entry, known[name])
                if rests is not None:
                    report.levels[name], report.evidence[name] = REPRODUCED, rests
                else:
                    report.notes.append(f"{name}: no cell that ranks the entry was trained again; the level stays")
    check_levels(report, known)
    return agreed


def pick_cells(entry: Entry, task: Task, count: int, names: Sequence[str] = ()) -> list[EntryCell]:
    """Return the cells of a task that are trained again: those of these names, else drawn, ranked ones first."""
    done = [cell for cell in entry.of(task.name) if cell.status == "ok"]
    if names:
        return [cell for cell in done if cell.name in names]
    chance = random.SystemRandom()
    ranked = ranked_cells(entry, task)
    rest = [cell for cell in done if cell not in ranked]
    return [*chance.sample(ranked, len(ranked)), *chance.sample(rest, len(rest))][:count]


def _secret(task: Task, seed: int) -> Task:
    """Return a task on built-in motion of another seed."""
    *sources, target = ({**side, "seed": seed} for side in (*task.sources, task.target))
    return replace(task, name=f"{task.name}-unseen", sources=tuple(sources), target=target)


def _task(
    entry: Entry, grader: Grader, cells: Sequence[EntryCell], retraining: Retraining, report: Report
) -> tuple[list[Finding], list[Trained]]:
    """Train cells again on the task's own data. Return what does not agree, and the cells that do."""
    findings: list[Finding] = []
    agreed: list[Trained] = []
    for cell in cells:
        found = list(check_hashes(cell, grader.hashes(cell.regime, cell.fraction, cell.seed)))
        if not found:
            where = f"{cell.task} {cell.name}, trained again"
            result, path, reason = retraining.train(cell, grader)
            if result is None or result["status"] != "ok":
                mend = "make the model run from the entry's options alone"
                found = [Finding(where, f"failed: {reason or 'no result'}", mend)]
            else:
                found = [*_same_data(entry, cell, result, grader.task, where, report), *_made(result, where)]
                if not found:
                    agreed.append(Trained.read(cell, result, path))
        findings += found
    return findings, agreed


def _made(result: Mapping[str, Any], where: str) -> list[Finding]:
    """Find whether the model's process made motion with the package's generators."""
    cost = result["cost"]
    clips = sum(int(cost.get(name, 0)) for name in ("generated_clips", "pretrain_generated_clips"))
    text = f"its process made {clips} clips of built-in motion, which no fraction counts"
    return [Finding(where, text, "learn from what pretrain and adapt are given alone")] if clips else []


def _same_data(
    entry: Entry, cell: EntryCell, result: Mapping[str, Any], task: Task, where: str, report: Report
) -> Iterator[Finding]:
    """Compare the primary metrics."""
    for one in differences(cell, metric_values(result), task, report.others, entry.name):
        said = f"{one.value:.4g}, the entry says {one.claimed:.4g}"
        report.notes.append(f"{where}: {one.name} {said} (± {one.limit:.2g})")
        if not abs(one.value - one.claimed) <= one.limit:
            text = f"is {one.value:.4g}; the entry says {one.claimed:.4g}, ± {one.limit:.2g} passes"
            yield Finding(f"{where}: {one.name}", text, "submit cells that the published code makes")


def _unseen(
    entry: Entry, cell: EntryCell, grader: Grader, secret: Task, retraining: Retraining, report: Report
) -> list[Finding]:
    """Train a cell on motion that nobody has seen, and compare it with the public one kind by kind."""
    unseen = Grader.of(secret, retraining.data_root)
    result, path, reason = retraining.train(cell, unseen)
    where = f"{cell.task} {cell.name}, trained on unseen motion"
    if result is None or result["status"] != "ok":
        return [Finding(where, f"failed: {reason or 'no result'}", "make the model run on any motion of the task")]
    spread, _ = reference_spread(ERROR, grader.task, report.others, entry.name)
    scatter = USUAL["reconstruction"] if spread is None else spread
    note, found = compare_unseen(entry, cell, grader, unseen, read_clips(path.with_suffix(".csv")), scatter)
    report.notes.append(note)
    return [*_made(result, where), *found]
