from itertools import pairwise

import numpy as np
import pytest
from helpers.walking import as_trajectory, noisy, walk

from rae_bench.kinematics import quat
from rae_bench.metrics import evaluate
from rae_bench.metrics.skate import SHARE_SPEED, WEIGHT_HEIGHT
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.keyframes import keyframe_objectives


def _values(generated: Motion, truth: Motion) -> tuple[float, float]:
    values = evaluate(as_trajectory(generated), truth, keyframe_objectives(truth))
    return values["skate"], values["skating_share"]


def _standing(frames: int = 30, fps: float = 30.0) -> Motion:
    rig = walk(1, 1).rig
    still = np.broadcast_to(quat.IDENTITY, (2, frames, len(rig), 4))
    root = np.broadcast_to(np.array([0, 0.9, 0]), (2, frames, 3))
    return make_motion(rig, fps, root, still, contacts=np.ones((2, frames, 2), bool))


def _gliding(truth: Motion, speed: float, height: float = 0.0) -> Motion:
    time = np.arange(truth.root_positions.shape[1])[:, None] / truth.fps
    path = truth.root_positions + speed * time * np.array([0.6, 0, 0.8]) + np.array([0, height, 0])
    return make_motion(truth.rig, truth.fps, path, truth.rotations)


@pytest.mark.parametrize(("share", "weight"), [(0.0, 1.0), (0.5, 2 - np.sqrt(2)), (1.0, 0.0), (3.0, 0.0), (-1.0, 1.0)])
def test_weight_by_height(share: float, weight: float) -> None:
    truth = _standing()
    generated = _gliding(truth, 0.1, share * WEIGHT_HEIGHT * truth.rig.height)
    assert _values(generated, truth)[0] == pytest.approx(10 * weight, abs=0.02)


def test_share_of_frames() -> None:
    truth = _standing()
    fast = SHARE_SPEED * truth.rig.height
    assert _values(_gliding(truth, 1.1 * fast), truth)[1] == 100
    assert _values(_gliding(truth, 0.9 * fast), truth)[1] == 0
    assert _values(_gliding(truth, 1.1 * fast, 0.04 * truth.rig.height), truth)[1] == 0
    path = _gliding(truth, 1.1 * fast).root_positions.copy()
    path[:, 20:] = path[:, 19:20]
    stops = _values(make_motion(truth.rig, 30, path, truth.rotations), truth)[1]
    # 19 of 29 steps are fast; around the last three of them the average over seven steps falls below the limit.
    assert stops == pytest.approx(100 * 16 / 29)


def test_who_stands() -> None:
    truth = _standing()

    def share(made: Motion) -> float:
        return evaluate(as_trajectory(made), truth, keyframe_objectives(truth))["stance_share"]

    slow = 0.15 * truth.rig.height
    assert share(truth) == 100
    assert share(_gliding(truth, 0.9 * slow)) == 100
    assert share(_gliding(truth, 1.1 * slow)) == 0
    assert share(_gliding(truth, 0, 0.04 * truth.rig.height)) == 0
    steps = walk(4, 120)
    stood = evaluate(as_trajectory(steps), steps, keyframe_objectives(steps))["stance_share"]
    assert stood == pytest.approx(100 * steps.contacts.mean(), abs=8)


def test_against_loops() -> None:
    whole = walk(3, 40)
    truth = make_motion(
        whole.rig, 30, whole.root_positions, whole.rotations, lengths=np.array([40, 25, 2]), contacts=whole.contacts
    )
    generated = noisy(truth, 6)
    tall, weighted, counted = truth.rig.height, [], []
    for n in range(3):
        ground = []
        for c, joint in enumerate(truth.rig.contact_joints):
            stood = [float(truth.positions[n, t, joint, 1]) for t in range(truth.lengths[n]) if truth.contacts[n, t, c]]
            ground.append(sorted(stood)[round(0.05 * (len(stood) - 1))] if stood else None)
        speeds, highs = [], []
        for joint, y in zip(truth.rig.contact_joints, ground, strict=True):
            p = generated.positions[n, : truth.lengths[n], joint].astype(float)
            speeds.append([30 * np.hypot(*(b - a)[[0, 2]]) for a, b in pairwise(p)])
            highs.append(None if y is None else p[:, 1] - y)
        for t in range(truth.lengths[n] - 1):
            skates = False
            for speed, high in zip(speeds, highs, strict=True):
                if high is None:
                    continue
                weighted.append(100 * speed[t] * (2 - 2 ** np.clip(high[t + 1] / (0.015 * tall), 0, 1)))
                mean = np.mean(speed[max(t - 3, 0) : t + 4])
                low = max(high[t], high[t + 1]) < 0.03 * tall
                skates |= bool(low and speed[t] > 0.3 * tall and mean > 0.3 * tall)
            if any(high is not None for high in highs):
                counted.append(100 * skates)
    assert 0 < np.mean(counted) < 100
    assert _values(generated, truth) == pytest.approx((np.mean(weighted), np.mean(counted)), rel=1e-3)
