import numpy as np
import pytest
from helpers.walking import as_trajectory, noisy, walk

from rae_bench.metrics import evaluate
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.keyframes import keyframe_objectives


def _values(generated: Motion, truth: Motion) -> tuple[float, float]:
    values = evaluate(as_trajectory(generated), truth, keyframe_objectives(truth))
    return values["l2q"], values["l2p"]


def test_against_loops() -> None:
    truth = walk(3, 20)
    truth = make_motion(truth.rig, 30, truth.root_positions, truth.rotations, lengths=np.array([20, 7, 1]))
    generated = noisy(truth, 10)
    turns, places = [], []
    for n in range(3):
        for t in range(truth.lengths[n]):
            squares = 0.0
            for j in range(len(truth.rig)):
                a, b = (m.global_rotations[n, t, j].astype(float) for m in (generated, truth))
                squares += min(((a - b) ** 2).sum(), ((a + b) ** 2).sum())
            turns.append(np.sqrt(squares))
            gap = generated.positions[n, t].astype(float) - truth.positions[n, t]
            places.append(np.sqrt((gap**2).sum()) / truth.rig.height)
    assert _values(generated, truth) == pytest.approx((np.mean(turns), np.mean(places)), rel=1e-3)


def test_a_shift_by_the_height() -> None:
    truth = walk(2, 10)
    moved = make_motion(truth.rig, 30, truth.root_positions + np.array([0, 0, truth.rig.height]), truth.rotations)
    assert _values(moved, truth) == pytest.approx((0, np.sqrt(len(truth.rig))), abs=1e-4)


def test_signs_do_not_count() -> None:
    truth = walk(2, 10)
    flipped = Motion(truth.rig, 30, truth.lengths, truth.root_positions, -truth.rotations, truth.contacts)
    assert _values(flipped, truth) == pytest.approx((0, 0), abs=1e-5)
