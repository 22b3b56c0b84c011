import numpy as np
import pytest
from helpers.walking import as_trajectory, noisy, walk

from rae_bench.metrics import evaluate, evaluate_clips
from rae_bench.motion.motion import make_motion
from rae_bench.objectives.keyframes import keyframe_objectives


def test_mean_distance_of_pairs() -> None:
    truth = walk(2, 20)
    truth = make_motion(truth.rig, 30, truth.root_positions, truth.rotations, lengths=np.array([20, 9]))
    several = [noisy(truth, 5, seed=s) for s in range(3)]
    gaps: list[list[float]] = [[], []]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        for n in range(2):
            for t in range(truth.lengths[n]):
                p = [m.root.points_in(m.positions)[n, t].astype(float) for m in (several[a], several[b])]
                gaps[n].append(100 * float(np.linalg.norm(p[0] - p[1], axis=-1).mean()))
    objectives = keyframe_objectives(truth)
    value = evaluate(as_trajectory(*several), truth, objectives)["diversity"]
    assert value == pytest.approx(np.mean(np.concatenate(gaps)), rel=1e-3)
    clips = evaluate_clips(as_trajectory(*several), truth, objectives)["diversity"]
    np.testing.assert_allclose(clips, [np.mean(g) for g in gaps], rtol=1e-3)


def test_none_of_one_sample_and_zero_of_equal_ones() -> None:
    truth = walk(2, 20)
    objectives = keyframe_objectives(truth)
    assert "diversity" not in evaluate(as_trajectory(truth), truth, objectives)
    assert evaluate(as_trajectory(truth, truth), truth, objectives)["diversity"] == pytest.approx(0, abs=1e-6)
