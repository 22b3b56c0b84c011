"""One cell: train as the regime says, generate the test clips, measure, write the result."""

from __future__ import annotations

import json
import platform
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.errors import UserError
from rae_bench.harness.kept import keep_model
from rae_bench.metrics import METRICS, adversarial, measure, null_interval
from rae_bench.metrics.one_step import one_step_error
from rae_bench.model.api import Budget, Context, Domain, Prompt, Trajectory
from rae_bench.model.registry import make_model
from rae_bench.motion.motion import Motion
from rae_bench.results.clips import write_clips
from rae_bench.results.files import SCHEMA, write_json
from rae_bench.results.trajectories import save_trajectory
from rae_bench.storage import whole_folder
from rae_bench.task.cells import Cell, budget_of, excuse
from rae_bench.task.sides import Side
from rae_bench.task.task import Task

Progress = Callable[[str, int, int, float], None]
"""progress(stage, update, updates, loss)"""

TRUTH = "truth"
LATENCY_FRAMES = 30
UNIT_TOLERANCE = 0.01
"""How far from 1 the length of a generated quaternion may be."""
COST_FILE = "pretrained.json"
"""In the folder of a pre-trained model: what it depends on, and what it cost."""






def pretrain(
    model: str, options: Mapping[str, Any], seed: int, sources: Sequence[Side], folder: Path,
    identity: Mapping[str, str], progress: Progress, *, threads: int = 1, device: str = "cpu",
) -> None:
    """Pre-train a fresh instance and keep it in `folder`, which appears whole or not at all."""
    instance = make_model(model, options)
    protocol = sources[0].protocol
    budget = Budget(protocol.pretrain_updates, protocol.pretrain_updates * protocol.frames_per_update)
    domains = training_domains(sources)
    ctx = Context(
        "pretrain", 1.0, budget, seed, device, threads, lambda u, n, loss: progress("pretrain", u, n, loss),
        sources=domains,
    )  # fmt: skip
    started = time.process_time()
    instance.pretrain(domains[0], ctx)
    with whole_folder(folder) as part:
        instance.save(part)
        cost = {"core_seconds": time.process_time() - started, **ctx.spent}
        write_json(part / COST_FILE, {"identity": dict(identity), "cost": cost})


def training_domains(sources: Sequence[Side]) -> tuple[Domain, ...]:
    """What a model may see of the sources."""
    return tuple(source.domain(source.split.train) for source in sources)




def run_cell(
    cell: Cell, task: Task, sources: Sequence[Side], target: Side, pretrained: Path, path: Path,
    identity: Mapping[str, str], progress: Progress, *, keep: bool = False, threads: int = 1, device: str = "cpu",
) -> dict[str, Any]:
    """Run a cell and write `path` (JSON), its trajectory (.npz; none in the mode `paper`) and per-clip metrics (.csv).

    `keep` leaves the adapted model there too, written before the result: a result says that all is there.
    """
    reset_peak_memory()
    began = time.process_time()
    exam = target.examination(target.held_out(cell.fraction))
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "status": "ok",
        "model": cell.model,
        "task": task.name,
        "regime": cell.regime,
        "fraction": cell.fraction,
        "seed": cell.seed,
        "fps": target.protocol.fps,
        "options": dict(cell.options),
        "identity": dict(identity),
        "metrics": {},
        "cost": {},
        "environment": {**environment(), "threads": threads, "device": device},
        "reason": "",
    }
    # The thesis looks at single frames alone, of some two hundred clips.
    closed = target.protocol.mode != "paper"
    steps, following, step_clips = exam.single_steps()
    trajectory: Trajectory | None = None
    if cell.model == TRUTH:
        truth = exam.truth
        trajectory = Trajectory(truth.root_positions[None], truth.rotations[None]) if closed else None
        step = Trajectory(following.root_positions[None], following.rotations[None])
    else:
        instance = make_model(cell.model, cell.options)
        card = instance.card
        result["card"] = {**asdict(card), "capabilities": sorted(card.capabilities), "trials": cell.trials}
        reason = excuse(cell, card.capabilities, len(sources))
        if reason:
            result |= {"status": "skipped", "reason": reason}
            write_json(path, result)
            return result
        domains = training_domains(sources)
        ctx = Context(
            cell.regime,
            cell.fraction,
            budget_of(cell.regime, cell.fraction, target.protocol),
            cell.seed,
            device,
            threads,
            lambda u, n, loss: progress(f"{cell.regime} {100 * cell.fraction:g} %", u, n, loss),
            source=domains[0],
            sources=domains,
        )
        _train(instance, cell, ctx, target, pretrained, result["cost"])
        progress("generate", 0, 1, float("nan"))
        if closed:
            trajectory = _roll_out(instance, ctx, exam.prompt, result["cost"])
            check_trajectory(trajectory, exam.truth, cell.model)
        step = instance.generate(steps, ctx)
        check_trajectory(step, following, cell.model)
        if keep:
            keep_model(instance, cell, task, target, path, identity)

    progress("measure", 0, 1, float("nan"))
    measured = measure(trajectory, exam.truth, exam.objectives) if trajectory else {}
    measured["one_step_error"] = one_step_error(step, following, step_clips, len(exam.truth))
    values = {name: sums.value() for name, sums in measured.items()}
    if trajectory:
        values |= adversarial(trajectory, exam.truth, seed=cell.seed)
    result["metrics"] = {
        name: {"value": value, "unit": METRICS[name].unit, "direction": METRICS[name].direction}
        for name, value in values.items()
    }
    if cell.model == TRUTH:
        low, high = null_interval(exam.truth, seed=cell.seed)
        result["null_interval"] = {"adversarial_score": [low, high]}
    clips = {name: sums.per_clip() for name, sums in measured.items()}
    write_clips(path.with_suffix(".csv"), exam.ids, exam.groups, exam.actions, clips)
    if trajectory and cell.model != TRUTH:
        save_trajectory(
            path.with_suffix(".npz"), trajectory, exam.truth.rig, exam.truth.fps, exam.truth.lengths
        )
    result["cost"] |= {"peak_memory_mb": peak_memory(), "total_core_seconds": time.process_time() - began}
    write_json(path, result)
    return result


def _train(instance: Any, cell: Cell, ctx: Context, target: Side, pretrained: Path, cost: dict[str, Any]) -> None:
    """Adapt to the target, from what the source taught where the regime wants that."""
    domain = target.domain(target.fraction(cell.fraction))
    cost |= {"target_segments": len(domain), "target_frames": domain.motion.frames}
    started = time.process_time()
    if cell.needs_pretraining:
        instance.load(pretrained)
        before = json.loads((pretrained / COST_FILE).read_text(encoding="utf-8"))["cost"]
        cost |= {"pretrain_core_seconds": before["core_seconds"]}
    instance.adapt(domain, ctx)
    cost |= {"core_seconds": time.process_time() - started, "budget": asdict(ctx.budget), **ctx.spent}
    cost.setdefault("enforced", False)


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
    joints = len(truth.rig)
    for name, array, tail in (
        ("root_positions", trajectory.root_positions, (3,)),
        ("rotations", trajectory.rotations, (joints, 4)),
    ):
        shape = np.shape(array)
        if len(shape) != 3 + len(tail) or shape[1:] != (clips, frames, *tail):
            wanted = ", ".join(map(str, ("S", clips, frames, *tail)))
            raise UserError(f"model '{model}': generate gave {name} of shape {shape}; ({wanted}) is needed")
        if not np.isfinite(array[:, truth.valid]).all():
            raise UserError(f"model '{model}': generate gave {name} that are not finite")
    norms = np.linalg.norm(trajectory.rotations[:, truth.valid], axis=-1)
    if np.abs(norms - 1).max(initial=0) > UNIT_TOLERANCE:
        raise UserError(f"model '{model}': generate gave rotations that are not unit quaternions (w, x, y, z)")


def environment() -> dict[str, Any]:
    """What the numbers were made with."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "numpy": np.__version__,
        "torch": version("torch"),
    }


def reset_peak_memory() -> None:
    """Start counting `peak_memory` anew, where the system can (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory() -> float:
    """MB that this process has used at most since `reset_peak_memory`, or since it began where that does nothing."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
