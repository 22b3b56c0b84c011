"""One cell: train as the regime says, generate the test clips, measure, write the result."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.harness.jobs import CellJob, PretrainJob
from rae_bench.harness.kept import keep_model
from rae_bench.harness.machine import environment, peak_memory, reset_peak_memory
from rae_bench.metrics import adversarial, measure
from rae_bench.metrics.one_step import one_step_error
from rae_bench.model.api import Budget, Context, Domain, Prompt, Trajectory
from rae_bench.model.plugins.plugin import portable_spec
from rae_bench.model.regimes import percent
from rae_bench.model.registry import make_model
from rae_bench.model.trajectory import UNIT_TOLERANCE
from rae_bench.motion.motion import Motion
from rae_bench.results.clips import write_clips
from rae_bench.results.files import SCHEMA, write_json
from rae_bench.results.rows import as_metrics
from rae_bench.results.trajectories import save_trajectory
from rae_bench.storage import whole_folder
from rae_bench.task.cells import TRUTH, Cell, budget_of, skip_reason
from rae_bench.task.others import other_real_clips
from rae_bench.task.sides import HeldOutClips, Side
from rae_bench.task.task import Task

ReportProgress = Callable[[str, int, int, float], None]
"""report(stage, update, updates, loss), as a job goes on"""

LATENCY_FRAMES = 30
COST_FILE = "pretrained.json"
"""In the folder of a pre-trained model: what it depends on, and what it cost."""


def pretrain(job: PretrainJob, sources: Sequence[Side], report: ReportProgress) -> None:
    """Pre-train a fresh instance and keep it in the job's folder, which appears whole or not at all."""
    instance = make_model(job.model, job.options)
    protocol = sources[0].protocol
    budget = Budget(protocol.pretrain_updates, protocol.pretrain_updates * protocol.frames_per_update)
    domains = training_domains(sources)
    ctx = Context(
        "pretrain", 1.0, budget, job.seed, job.device, job.threads,
        lambda u, n, loss: report("pretrain", u, n, loss), sources=domains,
    )  # fmt: skip
    started = time.process_time()
    instance.pretrain(domains[0], ctx)
    with whole_folder(Path(job.folder)) as part:
        instance.save(part)
        cost = {**ctx.cost(), "core_seconds": time.process_time() - started}
        write_json(part / COST_FILE, {"identity": job.identity, "cost": cost})


def training_domains(sources: Sequence[Side]) -> tuple[Domain, ...]:
    """What a model may see of the sources."""
    return tuple(source.domain(source.split.train) for source in sources)


def result_head(cell: Cell, task: Task, identity: dict[str, Any], status: str, reason: str = "") -> dict[str, Any]:
    """What every result file says, whatever became of its cell."""
    return {
        "schema": SCHEMA,
        "status": status,
        "model": portable_spec(cell.model),
        "task": task.name,
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


def run_cell(job: CellJob, task: Task, sources: Sequence[Side], target: Side, report: ReportProgress) -> dict[str, Any]:
    """Run a cell and write its result (JSON), its per-clip metrics (.csv) and what was generated (.npz).

    The published protocol tests single frames alone, so there it generates nothing. A model that is to be kept is
    written before the result: a result says that all is there.
    """
    reset_peak_memory()
    began = time.process_time()
    cell, path = job.cell, Path(job.path)
    exam = target.held_out_clips(target.held_out(cell.fraction))
    result = result_head(cell, task, job.identity, "ok") | {"fps": target.protocol.fps}
    result["rig_height"] = target.corpus.motion.rig.height
    result["environment"] |= {"threads": job.threads, "device": job.device}
    rolls_out = not target.protocol.published
    steps, following, step_clips = exam.single_steps()
    trajectory: Trajectory | None = None
    if cell.model == TRUTH:
        trajectory = _as_trajectory(exam.truth) if rolls_out else None
        step = _as_trajectory(following)
    else:
        instance = make_model(cell.model, cell.options)
        card = instance.card
        result["card"] = {**asdict(card), "capabilities": sorted(card.capabilities), "trials": cell.trials}
        reason = skip_reason(cell, card.capabilities, len(sources))
        if reason:
            result |= {"status": "skipped", "reason": reason}
            write_json(path, result)
            return result
        ctx = _context(job, sources, target, report)
        _adapt(instance, job, ctx, target, result["cost"])
        report("generate", 0, 1, float("nan"))
        if rolls_out:
            trajectory = _roll_out(instance, ctx, exam.prompt, result["cost"])
            check_trajectory(trajectory, exam.truth, cell.model)
        step = instance.generate(steps, ctx)
        check_trajectory(step, following, cell.model)
        if job.keep:
            keep_model(instance, cell, task, target, path, job.identity)

    report("measure", 0, 1, float("nan"))
    measured = measure(trajectory, exam.truth, exam.objectives) if trajectory else {}
    measured["one_step_error"] = one_step_error(step, following, step_clips, len(exam.truth))
    values = {name: sums.value() for name, sums in measured.items()}
    if trajectory:
        others = other_real_clips(target, exam, cell.seed)
        if others.strangers:
            result["other_actions"] = list(others.strangers)
        values |= adversarial(
            trajectory, exam.truth, others.motion, groups=exam.groups, other_groups=others.groups, seed=cell.seed
        )
    result["metrics"] = as_metrics(values)
    clips = {name: sums.per_clip() for name, sums in measured.items()}
    write_clips(path.with_suffix(".csv"), exam.ids, exam.groups, exam.actions, clips)
    if trajectory and cell.model != TRUTH:
        _save(trajectory, exam, path)
    result["cost"] |= {"peak_memory_mb": peak_memory(), "total_core_seconds": time.process_time() - began}
    write_json(path, result)
    return result


def _as_trajectory(motion: Motion) -> Trajectory:
    return Trajectory(motion.root_positions[None], motion.rotations[None])


def _save(trajectory: Trajectory, exam: HeldOutClips, path: Path) -> None:
    truth = exam.truth
    save_trajectory(path.with_suffix(".npz"), trajectory, truth.rig, truth.fps, truth.lengths)


def _context(job: CellJob, sources: Sequence[Side], target: Side, report: ReportProgress) -> Context:
    cell, domains = job.cell, training_domains(sources)
    return Context(
        cell.regime,
        cell.fraction,
        budget_of(cell.regime, cell.fraction, target.protocol),
        cell.seed,
        job.device,
        job.threads,
        lambda u, n, loss: report(f"{cell.regime} {percent(cell.fraction)}", u, n, loss),
        source=domains[0],
        sources=domains,
    )


def _adapt(instance: Any, job: CellJob, ctx: Context, target: Side, cost: dict[str, Any]) -> None:
    """Adapt to the target, from what the source taught where the regime wants that."""
    domain = target.domain(target.fraction(job.cell.fraction))
    cost |= {"target_segments": len(domain), "target_frames": domain.motion.frames}
    started = time.process_time()
    if job.cell.needs_pretraining:
        pretrained = Path(job.pretrained)
        instance.load(pretrained)
        before = json.loads((pretrained / COST_FILE).read_text(encoding="utf-8"))["cost"]
        names = ("core_seconds", "budget_status", "over_budget")
        cost |= {f"pretrain_{name}": before[name] for name in names if name in before}
    instance.adapt(domain, ctx)
    cost |= {**ctx.cost(), "core_seconds": time.process_time() - started}


def _roll_out(instance: Any, ctx: Context, whole: Prompt, cost: dict[str, Any]) -> Trajectory:
    """Continuations of the test clips, timed; and the time that a single clip takes a frame."""
    started = time.process_time()
    trajectory: Trajectory = instance.generate(whole, ctx)
    cost["generate_seconds"] = time.process_time() - started
    one = whole[np.array([0])]
    frames = min(LATENCY_FRAMES, int(one.frames[0]))
    history = one.history.root_positions.shape[1]
    one = replace(one, frames=np.array([frames]), objectives=one.objectives.cut(0, history + frames))
    started = time.perf_counter()
    instance.generate(one, ctx)
    cost["ms_per_frame"] = 1000 * (time.perf_counter() - started) / frames
    return trajectory


def check_trajectory(trajectory: Trajectory, truth: Motion, model: str) -> None:
    """Raise `UserError` where a model gave another shape than asked for, or numbers that are not finite."""
    clips, frames = truth.root_positions.shape[:2]
    Trajectory.checked(
        trajectory, f"model '{model}': generate gave", clips=clips, frames=frames, joints=len(truth.rig),
        lengths=truth.lengths, single_precision=False, unit_tolerance=UNIT_TOLERANCE,
    )  # fmt: skip
