"""One cell: train as the regime says, generate the test clips, measure, write the result."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rae_bench.benchmark import BENCHMARK_VERSION
from rae_bench.harness.isolation.messages import Circumstances
from rae_bench.harness.isolation.models import Models
from rae_bench.harness.isolation.remote import RemoteModel
from rae_bench.harness.jobs import AnyJob, CellJob, PretrainJob
from rae_bench.harness.kept import keep_model
from rae_bench.harness.machine import environment, peak_memory, reset_peak_memory
from rae_bench.metrics import adversarial, measure
from rae_bench.metrics.one_step import one_step_error
from rae_bench.model.api import SAMPLES, Prompt, Trajectory
from rae_bench.model.plugins.plugin import portable_spec
from rae_bench.model.regimes import is_pretrained, percent
from rae_bench.model.trajectory import UNIT_TOLERANCE
from rae_bench.motion.motion import Motion
from rae_bench.results.clips import write_clips
from rae_bench.results.files import SCHEMA, write_json
from rae_bench.results.rows import as_metrics
from rae_bench.results.trajectories import save_trajectory
from rae_bench.storage import whole_folder
from rae_bench.task.cells import TRUTH, Cell, budget_of, fold_of, skip_reason
from rae_bench.task.others import other_real_clips
from rae_bench.task.sides import HeldOutClips, Side, SingleSteps
from rae_bench.task.task import Task

ReportProgress = Callable[[str, int, int, float], None]
"""report(stage, update, updates, loss), as a job goes on"""

LATENCY_FRAMES = 30
SEVERAL = 10
"""Samples that are asked for in the track `control`."""
COST_FILE = "pretrained.json"
"""In the folder of a pre-trained model: what it depends on, and what it cost."""


def pretrain(
    job: PretrainJob, task: Task, sources: Sequence[Side], report: ReportProgress, models: Models
) -> None:
    """Pre-train a fresh instance and keep it in the job's folder, which appears whole or not at all."""
    protocol = sources[0].protocol
    frames = protocol.pretrain_updates * protocol.frames_per_update
    ctx = Circumstances("pretrain", job.seed, 1.0, protocol.pretrain_updates, frames, job.device, job.threads)
    model = _make(job, task, job.seed, models)
    cost = model.pretrain(sources, ctx, lambda u, n, loss: report("pretrain", u, n, loss))
    with whole_folder(Path(job.folder)) as part:
        cost["core_seconds"] += model.save(part)
        write_json(part / COST_FILE, {"identity": job.identity, "cost": cost})


def _make(job: AnyJob, task: Task, seed: int, models: Models) -> RemoteModel:
    """A fresh instance for a job; a plug-in shares its process with jobs of the same task and fold alone."""
    company = (task.name, task.content_hash, fold_of(seed))
    return models.make(job.model, job.options, company=company, threads=job.threads)


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


def run_cell(
    job: CellJob,
    task: Task,
    sources: Sequence[Side],
    target: Side,
    report: ReportProgress,
    models: Models,
) -> dict[str, Any]:
    """Run a cell and write its result (JSON), its per-clip metrics (.csv) and what was generated (.npz).

    The model runs in a process of its own, which is shown the prompts only when it has adapted. The published protocol
    tests single frames alone, so there it generates nothing. A model that is to be kept is written before the result: a
    result says that all is there.

    Args:
        models: processes for the model.
    """
    reset_peak_memory()
    began = time.process_time()
    cell, path, published = job.cell, Path(job.path), target.protocol.published
    exam = target.held_out_clips(target.held_out(cell.seed, cell.fraction))
    result = result_head(cell, task, job.identity, "ok") | {"fps": target.protocol.fps}
    result["rig_height"] = target.corpus.motion.rig.height
    result["environment"] |= {"threads": job.threads, "device": job.device}
    steps = exam.single_steps(everywhere=published)
    model: RemoteModel | None = None
    if cell.model == TRUTH:
        made = Made(None if published else Trajectory.of(exam.truth), Trajectory.of(steps.following))
    else:
        model = _make(job, task, cell.seed, models)
        result["card"] = {**model.card, "trials": cell.trials}
        reason = skip_reason(cell, model.card["capabilities"], len(sources))
        if reason:
            result |= {"status": "skipped", "reason": reason}
            write_json(path, result)
            return result
        _adapt(model, job, sources, target, report, result["cost"])
        report("generate", 0, 1, float("nan"))
        ctx = Circumstances(cell.regime, cell.seed, device=job.device, threads=job.threads)
        made = _generate(model, cell.model, ctx, exam, steps, published, result["cost"])
        if job.keep:
            keep_model(model.save, cell, task, target, path, job.identity)

    report("measure", 0, 1, float("nan"))
    result |= score(cell, made, target, exam, steps, path)
    spent = time.process_time() - began + (model.spent() if model else 0.0)
    peak = model.process.peak_memory() if model else peak_memory()
    result["cost"] |= {"peak_memory_mb": peak, "total_core_seconds": spent}
    write_json(path, result)
    return result


class Made(NamedTuple):
    """What is scored: the roll-out of the test clips, where the protocol has one, and the single frames."""

    trajectory: Trajectory | None
    step: Trajectory


def score(
    cell: Cell, made: Made, target: Side, exam: HeldOutClips, steps: SingleSteps, path: Path
) -> dict[str, Any]:
    """Measure what was made, and write the table of clips and the trajectory beside the result `path`.

    Returns:
        `metrics` of the result, and `other_actions`: the actions that no training clip has, beside whose clips the
        critic saw real clips of another action.
    """
    trajectory = made.trajectory
    measured = measure(trajectory, exam.truth, exam.objectives) if trajectory else {}
    single = one_step_error(made.step, steps.following, steps.clips, len(exam.truth))
    if single.measured:  # a history of one frame has no shorter one within it
        measured["one_step_error"] = single
    values = {name: sums.value() for name, sums in measured.items()}
    found: dict[str, Any] = {}
    if trajectory:
        others = other_real_clips(target, exam, cell.seed)
        if others.strangers:
            found["other_actions"] = list(others.strangers)
        groups, other_groups = others.held_out_groups, others.groups
        values |= adversarial(
            trajectory, exam.truth, others.motion, groups=groups, other_groups=other_groups, seed=cell.seed
        )
    clips = {name: sums.per_clip() for name, sums in measured.items()}
    write_clips(path.with_suffix(".csv"), exam.ids, exam.groups, exam.actions, clips)
    if trajectory and cell.model != TRUTH:
        truth = exam.truth
        save_trajectory(path.with_suffix(".npz"), trajectory, truth.rig, truth.fps, truth.lengths)
    return found | {"metrics": as_metrics(values)}


def _adapt(
    model: RemoteModel, job: CellJob, sources: Sequence[Side], target: Side, report: ReportProgress,
    cost: dict[str, Any],
) -> None:
    """Adapt to the target, from what the source taught where the regime wants that."""
    cell = job.cell
    domain = target.domain(target.fraction(cell.seed, cell.fraction))
    cost |= {"target_segments": len(domain), "target_frames": domain.motion.frames}
    loading = 0.0
    if cell.needs_pretraining:
        pretrained = Path(job.pretrained)
        loading = model.load(pretrained, without=[COST_FILE])
        before = json.loads((pretrained / COST_FILE).read_text(encoding="utf-8"))["cost"]
        names = ("core_seconds", "budget_status", "over_budget")
        cost |= {f"pretrain_{name}": before[name] for name in names if name in before}
    budget = budget_of(cell.regime, cell.fraction, target.protocol)
    ctx = Circumstances(
        cell.regime, cell.seed, cell.fraction, budget.updates, budget.frames, job.device, job.threads
    )
    stage = f"{cell.regime} {percent(cell.fraction)}"
    known = sources if is_pretrained(cell.regime) else ()  # what starts cold sees the fraction of the target alone
    spent = model.adapt(domain, known, ctx, lambda u, n, loss: report(stage, u, n, loss))
    cost |= {**spent, "core_seconds": spent["core_seconds"] + loading}


def _generate(
    model: RemoteModel, name: str, ctx: Circumstances, exam: HeldOutClips, steps: SingleSteps, published: bool,
    cost: dict[str, Any],
) -> Made:
    """Continuations of the test clips, timed, and the time that a single clip takes a frame; single frames."""
    trajectory: Trajectory | None = None
    if not published:
        # Where the path is all that is asked, many motions are right: who can, gives several (docs/design.md 6).
        several = exam.path is not None and SAMPLES in model.card["capabilities"]
        prompt = replace(exam.prompt, num_samples=SEVERAL if several else 1)
        made, cost["generate_seconds"] = _in_rounds(model, prompt, exam, ctx, name)
        trajectory = checked_trajectory(made, exam.truth, name)
        one = _first_frames(exam.prompt)
        cost["ms_per_frame"] = 1000 * model.generate(one, ctx).seconds / int(one.frames[0])
    if not len(steps.clips):
        return Made(trajectory, Trajectory.of(steps.following))
    return Made(trajectory, checked_trajectory(model.generate(steps.prompt, ctx).trajectory, steps.following, name))


def _in_rounds(
    model: RemoteModel, prompt: Prompt, exam: HeldOutClips, ctx: Circumstances, name: str
) -> tuple[Trajectory, float]:
    """Continuations of all clips, and the core-seconds that they took.

    The clips of a take are asked for in the order of time: what has been generated when the next one is shown cannot
    profit from it.
    """
    rounds = [np.flatnonzero(exam.rounds == number) for number in range(int(exam.rounds.max()) + 1)]
    if len(rounds) == 1:
        shown = model.generate(prompt, ctx)
        return shown.trajectory, shown.core_seconds
    whole: Trajectory | None = None
    seconds = 0.0
    for clips in rounds:
        frames = int(prompt.frames[clips].max())
        part = prompt[clips].cut(frames)
        shown = model.generate(part, ctx)
        made = checked_trajectory(shown.trajectory, exam.truth[clips].cut(0, frames), name)
        seconds += shown.core_seconds
        if whole is None:
            whole = made.spread(len(prompt.frames), int(prompt.frames.max()))
        whole.root_positions[:, clips, :frames] = made.root_positions
        whole.rotations[:, clips, :frames] = made.rotations
    assert whole is not None
    return whole, seconds


def _first_frames(whole: Prompt) -> Prompt:
    """The first clip of a prompt, for a second or so."""
    one = whole[np.array([0])]
    return one.cut(min(LATENCY_FRAMES, int(one.frames[0])))


def checked_trajectory(trajectory: Trajectory, truth: Motion, model: str) -> Trajectory:
    """What a model made. Raises `UserError` where its shape is not that asked for, or its numbers make no motion."""
    clips, frames = truth.root_positions.shape[:2]
    return Trajectory.checked(
        trajectory, f"model '{model}': generate gave", clips=clips, frames=frames, joints=len(truth.rig),
        lengths=truth.lengths, single_precision=False, unit_tolerance=UNIT_TOLERANCE,
    )  # fmt: skip
