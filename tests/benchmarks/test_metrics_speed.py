"""How long the metrics take, beside the same formulas frame by frame.

    python -m pytest -m slow -s tests/benchmarks
"""

import time
from typing import Any

import numpy as np
import pytest

from rae_bench import load_rig
from rae_bench.kinematics import quat
from rae_bench.metrics import evaluate
from rae_bench.model.api import Trajectory
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.keyframes import keyframe_objectives

LOOPED = ("reconstruction_error", "world_position_error", "rotation_error", "foot_sliding", "l2q", "l2p")


def _motion(clips: int, seed: int, frames: int = 240) -> Motion:
    """Joints of r1 (31) that turn smoothly about nothing in particular, on a wandering root."""
    rig, rng = load_rig("r1"), np.random.default_rng(seed)
    time_axis = np.arange(frames)[:, None, None] / 30
    rate, phase = rng.uniform(0.2, 1, (2, clips, 1, len(rig), 3))
    turn = 0.4 * np.sin(2 * np.pi * rate * time_axis + 6 * phase)
    rotations = quat.normalize(np.concatenate([np.ones((*turn.shape[:3], 1)), turn], -1)).astype(np.float32)
    root = np.cumsum(0.005 * rng.standard_normal((clips, frames, 3)), axis=1) + np.array([0, 0.9, 0])
    contacts = np.sin(2 * np.pi * time_axis[:, 0] + np.arange(len(rig.contact_joints))) > 0
    return make_motion(rig, 30, root, rotations, contacts=np.broadcast_to(contacts, (clips, *contacts.shape)))


def _frame_by_frame(generated: Motion, truth: Motion) -> dict[str, float]:
    found: dict[str, list[float]] = {name: [] for name in LOOPED}
    feet, tall = truth.rig.contact_joints, truth.rig.height
    for n in range(len(truth)):
        for t in range(truth.lengths[n]):
            p, r = generated.positions[n, t], truth.positions[n, t]
            a, b = generated.global_rotations[n, t], truth.global_rotations[n, t]
            yaw = generated.root.yaw[n, t], truth.root.yaw[n, t]
            origin = generated.root.origin[n, t], truth.root.origin[n, t]
            local = [quat.rotate(quat.from_yaw(-y), x - o) for y, x, o in zip(yaw, (p, r), origin, strict=True)]
            found["reconstruction_error"].append(100 * np.linalg.norm(local[0] - local[1], axis=-1).mean())
            found["world_position_error"].append(100 * np.linalg.norm(p - r, axis=-1).mean())
            turned = [quat.mul(quat.from_yaw(-y)[None], q) for y, q in zip(yaw, (a, b), strict=True)]
            cosine = np.clip(np.abs((turned[0] * turned[1]).sum(-1)), 0, 1)
            found["rotation_error"].append(np.degrees(2 * np.arccos(cosine)).mean())
            found["l2q"].append(np.sqrt(np.minimum(((a - b) ** 2).sum(-1), ((a + b) ** 2).sum(-1)).sum()))
            found["l2p"].append(np.linalg.norm(p - r) / tall)
            if t:
                still = truth.contacts[n, t] & truth.contacts[n, t - 1]
                step = (p - generated.positions[n, t - 1])[feet][still][:, [0, 2]]
                found["foot_sliding"] += list(100 * 30 * np.linalg.norm(step, axis=-1))
    return {name: float(np.mean(values)) for name, values in found.items()}


@pytest.mark.slow
def test_all_metrics_of_256_clips(benchmark: Any) -> None:
    truth, generated = _motion(256, 0), _motion(256, 1)
    objectives = keyframe_objectives(truth)
    trajectory = Trajectory.of(generated)
    values = benchmark.pedantic(evaluate, (trajectory, truth, objectives), rounds=3, warmup_rounds=1)
    started = time.process_time()
    evaluate(trajectory, truth, objectives)
    fast = time.process_time() - started
    part, few = generated[:4], truth[:4]
    started = time.process_time()
    slow = _frame_by_frame(part, few)
    looped = (time.process_time() - started) * len(truth) / len(few)
    print(f"\n256 x 240 x 31, seconds of one core: {len(values)} metrics {fast:.2f}")
    print(f"{len(LOOPED)} of them frame by frame {looped:.1f}: {looped / fast:.0f} times as long")
    quick = evaluate(Trajectory.of(part), few, objectives[:4])
    assert {name: quick[name] for name in LOOPED} == pytest.approx(slow, rel=1e-3)
