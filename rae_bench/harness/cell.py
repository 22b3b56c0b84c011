"""Cells: train as the regime says, together where they can, generate the test clips, measure, write the results."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.benchmark import BENCHMARK_VERSION
from rae_bench.errors import UserError
from rae_bench.files import read_text
from rae_bench.harness.beside import Beside
from rae_bench.harness.generating import Made, generate_clips
from rae_bench.harness.isolation.messages import Circumstances
from rae_bench.harness.isolation.models import Models
from rae_bench.harness.isolation.process import ModelFailed
from rae_bench.harness.isolation.remote import RemoteModel
from rae_bench.harness.jobs import AnyJob, CellJob, PretrainJob
from rae_bench.harness.kept import keep_model
from rae_bench.harness.machine import environment, peak_memory, reset_peak_memory
from rae_bench.metrics import measure
from rae_bench.metrics.evaluation import beside_real
from rae_bench.metrics.one_step import one_step_error
from rae_bench.model.api import Trajectory
from rae_bench.model.plugins.plugin import portable_spec
from rae_bench.model.regimes import is_pretrained, percent
from rae_bench.results.clips import write_clips
from rae_bench.results.files import SCHEMA, write_json
from rae_bench.results.rows import as_metrics
from rae_bench.results.trajectories import save_trajectory
from rae_bench.storage import whole_folder
from rae_bench.task.cells import TRUTH, Cell, budget_of, fold_of, skip_reason
from rae_bench.task.held_out import HeldOutClips, SingleSteps
from rae_bench.task.sides import Side
from rae_bench.task.task import Task

ReportProgress = Callable[[str, int, int, float], None]
"""report(stage, update, updates, loss), as a job goes on"""

COST_FILE = "pretrained.json"
"""In the folder of a pre-trained model: what it depends on, and what it cost."""


def pretrain(
    jobs: Sequence[PretrainJob], task: Task, sources: Sequence[Side], report: ReportProgress, models: Models
) -> None:
    """Pre-train a fresh instance for each job, alike but for the seed, and keep it in the job's folder.

    A folder appears whole or not at all.
    """
    protocol = sources[0].protocol
    frames = protocol.pretrain_updates * protocol.frames_per_update
    ctxs = [
        Circumstances("pretrain", job.seed, 1.0, protocol.pretrain_updates, frames, job.device, job.threads)
        for job in jobs
    ]
    model = _make(jobs, task, jobs[0].seed, models)
    costs = model.pretrain(sources, ctxs, lambda u, n, loss: report("pretrain", u, n, loss))
    for which, (job, cost) in enumerate(zip(jobs, costs, strict=True)):
        with whole_folder(Path(job.folder)) as part:
            cost["core_seconds"] += model.save(part, which)
            cost["generated_clips"] = model.process.generated_clips()
            write_json(part / COST_FILE, {"identity": job.identity, "cost": cost})


def _make(jobs: Sequence[AnyJob], task: Task, seed: int, models: Models) -> RemoteModel:
    """Fresh instances for jobs; a plug-in shares its process with jobs of the same task and fold alone."""
    first, company = jobs[0], (task.name, task.content_hash, fold_of(seed))
    return models.make(first.model, first.options, company=company, threads=first.threads, count=len(jobs))


def result_head(cell: Cell, task: Task, identity: dict[str, Any], status: str, reason: str = "") -> dict[str, Any]:
    """What every result file says, whatever became of its cell."""
    return {
        "schema": SCHEMA,
        "benchmark": BENCHMARK_VERSION,
        "status": status,
        "model": portable_spec(cell.model),
        "task": task.name,
        "track": task.protocol.track,
        "budget": task.budget,
        "regime": cell.regime,
        "fraction": cell.fraction,
        "seed": cell.seed,
        "options": dict(cell.options),
        "identity": identity,
        "metrics": {},
        "cost": {},
        "environment": environment(),
        "reason": reason,
    }


def run_cells(
    jobs: Sequence[CellJob],
    task: Task,
    sources: Sequence[Side],
    target: Side,
    report: ReportProgress,
    models: Models,
    ended: Callable[[CellJob, Exception | None], None],
) -> None:
    """Run cells of one model and regime; write the result (JSON), the per-clip metrics (.csv) and the motion of each.

    The model runs in a process of its own. All cells adapt, as one training where the model can, before the process is
    shown the first prompt. Then each generates and is scored. A cell that fails there leaves the others alone. The
    published protocol tests single frames alone, so there nothing is generated. A model that is to be kept is written
    before the result: a result says that all is there.

    Args:
        models: processes for the model.
        ended: is told of each cell when its result is there, or why there is none.

    Raises:
        ModelFailed: a training failed, or the model process died; nothing is known of the cells that have not ended.
    """
    reset_peak_memory()
    began = time.process_time()
    if jobs[0].cell.model == TRUTH:
        for job in jobs:
            began = time.process_time()
            exam, steps = _exam(job, target)
            whole = None if target.protocol.published else Trajectory.of(exam.truth)
            made = Made(whole, Trajectory.of(steps.following))
            result = _head(job, task, target)
            report("measure", 0, 1, float("nan"))
            result |= score(job.cell, made, Beside(target, exam), steps, Path(job.path))
            result["cost"] |= {"peak_memory_mb": peak_memory(), "total_core_seconds": time.process_time() - began}
            write_json(Path(job.path), result)
            ended(job, None)
        return

    model = _make(jobs, task, jobs[0].cell.seed, models)
    heads = [_head(job, task, target) | {"card": {**model.card, "trials": job.cell.trials}} for job in jobs]
    reason = skip_reason(jobs[0].cell, model.card["capabilities"], len(sources))
    if reason:
        for job, head in zip(jobs, heads, strict=True):
            write_json(Path(job.path), head | {"status": "skipped", "reason": reason})
            ended(job, None)
        return
    costs = _adapt(model, jobs, sources, target, report)
    spent = [(time.process_time() - began + model.spent()) / len(jobs)] * len(jobs)
    alone = [[which] for which in range(len(jobs))]
    for company in _with_the_same_exam(jobs, target) if model.generates_together else alone:
        before = time.process_time(), model.spent()
        mine = [jobs[which] for which in company]
        report("generate", 0, 1, float("nan"))
        exam, steps = _exam(mine[0], target)
        beside = Beside(target, exam)
        every = generate_clips(model, company, mine, exam, steps, target.protocol.published)
        share = (time.process_time() - before[0] + model.spent() - before[1]) / len(company)
        for which, job, outcome in zip(company, mine, every, strict=True):
            before = time.process_time(), model.spent()
            try:
                if isinstance(outcome, Exception):
                    raise outcome
                made, cost = outcome
                result = heads[which]
                result["cost"] |= costs[which] | cost
                if job.keep:
                    path = Path(job.path)
                    keep_model(partial(model.save, which=which), job.cell, task, target, path, job.identity)
                report("measure", 0, 1, float("nan"))
                result |= score(job.cell, made, beside, steps, Path(job.path))
            except ModelFailed as failed:
                if failed.died:
                    raise
                ended(job, failed)
                continue
            except UserError as error:
                ended(job, error)
                continue
            spent[which] += share + time.process_time() - before[0] + model.spent() - before[1]
            figures = {"peak_memory_mb": model.process.peak_memory(), "total_core_seconds": spent[which]}
            result["cost"] |= figures | {"generated_clips": model.process.generated_clips()}
            write_json(Path(job.path), result)
            ended(job, None)


def _with_the_same_exam(jobs: Sequence[CellJob], target: Side) -> list[list[int]]:
    """Places of the jobs, those that are tested on the same clips together."""
    found: dict[bytes, list[int]] = {}
    for which, job in enumerate(jobs):
        clips = target.held_out(job.cell.seed, job.cell.fraction)
        found.setdefault(np.asarray(clips).tobytes(), []).append(which)
    return list(found.values())


def _head(job: CellJob, task: Task, target: Side) -> dict[str, Any]:
    result = result_head(job.cell, task, job.identity, "ok") | {"fps": target.protocol.fps}
    result["rig_height"] = target.corpus.motion.rig.height
    result["environment"] |= {"threads": job.threads, "device": job.device}
    return result


def _exam(job: CellJob, target: Side) -> tuple[HeldOutClips, SingleSteps]:
    """What a cell is tested on."""
    exam = target.held_out_clips(target.held_out(job.cell.seed, job.cell.fraction))
    return exam, exam.single_steps(everywhere=target.protocol.published)


def score(
    cell: Cell, made: Made, beside: Beside, steps: SingleSteps, path: Path
) -> dict[str, Any]:
    """Measure what was made, and write the table of clips and the trajectory beside the result `path`.

    Returns:
        `metrics` of the result, and `other_actions`: the actions that no training clip has, beside whose clips the
        critic saw real clips of another action.
    """
    trajectory, exam = made.trajectory, beside.exam
    measured = measure(trajectory, exam.truth, exam.objectives) if trajectory else {}
    single = one_step_error(made.step, steps.following, steps.clips, len(exam.truth))
    if single.measured:  # a history of one frame has no shorter one within it
        measured["one_step_error"] = single
    values = {name: sums.value() for name, sums in measured.items()}
    found: dict[str, Any] = {}
    if trajectory:
        others, real = beside.at(cell.seed)
        if others.strangers:
            found["other_actions"] = list(others.strangers)
        values |= beside_real(trajectory, real)
    clips = {name: sums.per_clip() for name, sums in measured.items()}
    write_clips(path.with_suffix(".csv"), exam.ids, exam.groups, exam.actions, clips)
    if trajectory and cell.model != TRUTH:
        truth = exam.truth
        save_trajectory(path.with_suffix(".npz"), trajectory, truth.rig, truth.fps, truth.lengths)
    return found | {"metrics": as_metrics(values)}


def _adapt(
    model: RemoteModel, jobs: Sequence[CellJob], sources: Sequence[Side], target: Side, report: ReportProgress
) -> list[dict[str, Any]]:
    """Adapt every instance to its cell's target, from what the source taught where the regime wants that.

    Returns:
        what each cost.
    """
    costs: list[dict[str, Any]] = []
    domains, ctxs = [], []
    loading = []
    for which, job in enumerate(jobs):
        cell = job.cell
        domain = target.domain(target.fraction(cell.seed, cell.fraction))
        cost: dict[str, Any] = {"target_segments": len(domain), "target_frames": domain.motion.frames}
        loading.append(0.0)
        if cell.needs_pretraining:
            pretrained = Path(job.pretrained)
            loading[-1] = model.load(pretrained, without=[COST_FILE], which=which)
            before = json.loads(read_text(pretrained / COST_FILE))["cost"]
            names = ("core_seconds", "budget_status", "over_budget", "generated_clips")
            cost |= {f"pretrain_{name}": before[name] for name in names if name in before}
        budget = budget_of(cell.regime, cell.fraction, target.protocol)
        domains.append(domain)
        ctxs.append(Circumstances(
            cell.regime, cell.seed, cell.fraction, budget.updates, budget.frames, job.device, job.threads
        ))  # fmt: skip
        costs.append(cost)
    first = jobs[0].cell
    stage = first.regime if len(jobs) > 1 else f"{first.regime} {percent(first.fraction)}"
    known = sources if is_pretrained(first.regime) else ()  # what starts cold sees the fraction of the target alone
    spent = model.adapt(domains, known, ctxs, lambda u, n, loss: report(stage, u, n, loss))
    return [
        cost | {**one, "core_seconds": one["core_seconds"] + before}
        for cost, one, before in zip(costs, spent, loading, strict=True)
    ]
