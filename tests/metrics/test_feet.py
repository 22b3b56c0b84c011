import itertools

import numpy as np
import pytest
from helpers.walking import as_trajectory, noisy, walk
from scipy.optimize import brentq
from scipy.special import expit

from rae_bench.metrics import evaluate, evaluate_clips
from rae_bench.metrics.feet import low_weights
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.keyframes import keyframe_objectives


def _sliding(generated: Motion, truth: Motion) -> float:
    return evaluate(as_trajectory(generated), truth, keyframe_objectives(truth))["foot_sliding"]


def test_ten_centimetres_a_second_is_ten() -> None:
    truth = walk(4, 60)
    assert _sliding(truth, truth) == pytest.approx(0, abs=0.02)
    assert _sliding(walk(4, 60, slide=0.1), truth) == pytest.approx(10, rel=1e-3)
    drift = np.arange(60)[:, None] / 30 * np.array([0.06, 0.5, 0.08])  # the vertical part does not count
    gliding = make_motion(truth.rig, 30, truth.root_positions + drift, truth.rotations)
    assert _sliding(gliding, truth) == pytest.approx(10, rel=1e-3)


def test_against_loops() -> None:
    truth = walk(3, 40)
    lengths = np.array([40, 17, 1])
    truth = make_motion(truth.rig, 30, truth.root_positions, truth.rotations, lengths=lengths, contacts=truth.contacts)
    generated = noisy(truth, 4)
    sums: list[list[float]] = [[], [], []]
    everywhere = []
    for n in range(3):
        for t in range(1, int(lengths[n])):
            for c, joint in enumerate(truth.rig.contact_joints):
                step = generated.positions[n, t, joint] - generated.positions[n, t - 1, joint]
                if truth.contacts[n, t, c] and truth.contacts[n, t - 1, c]:
                    sums[n].append(100 * 30 * float(np.hypot(step[0], step[2])))
                step = truth.positions[n, t, joint] - truth.positions[n, t - 1, joint]
                everywhere.append(100 * 30 * float(np.hypot(step[0], step[2])))
    values = evaluate(as_trajectory(generated), truth, keyframe_objectives(truth))
    assert values["foot_sliding"] == pytest.approx(np.mean(sums[0] + sums[1]), rel=1e-4)
    assert values["truth_contact_speed"] == pytest.approx(np.mean(everywhere), rel=1e-4)
    clips = evaluate_clips(as_trajectory(generated), truth, keyframe_objectives(truth))["foot_sliding"]
    np.testing.assert_allclose(clips, [np.mean(sums[0]), np.mean(sums[1]), np.nan], rtol=1e-4)


def test_contacts_come_from_the_truth() -> None:
    truth = walk(2, 40)
    flying = make_motion(
        truth.rig,
        30,
        truth.root_positions + np.array([0, 5, 0]),
        noisy(truth, 5).rotations,
        contacts=truth.contacts & False,
    )
    assert _sliding(flying, truth) > 10


def _lowest(generated: Motion, truth: Motion) -> float:
    return evaluate(as_trajectory(generated), truth, keyframe_objectives(truth))["foot_sliding_lowest"]


def _softly_lowest(heights: np.ndarray, count: int, tolerance: float) -> np.ndarray:
    """The weights of one joint's steps by a root finder; all steps where all of them count."""
    if count == len(heights):
        return np.ones(count)
    ends = heights.min() - 50 * tolerance, heights.max() + 50 * tolerance
    threshold = brentq(lambda level: expit((level - heights) / tolerance).sum() - count, *ends, xtol=1e-15)
    return np.asarray(expit((threshold - heights) / tolerance))


def test_weights_of_low_steps() -> None:
    rng = np.random.default_rng(0)
    height = rng.uniform(0, 0.1, (3, 50, 2))
    height[0, 20:] = np.inf
    count = np.array([[5, 20], [0, 50], [17, 1]])
    low = low_weights(height, count, 1e-4)
    np.testing.assert_allclose(low.sum(1), count, atol=1e-9)
    assert (low[0, 20:] == 0).all()
    # Heights far apart are ranked.
    ranks = height.argsort(1).argsort(1) < count[:, None]
    assert np.mean(np.abs(low - ranks) > 0.01) < 0.05
    # Equal heights have equal weights.
    resting = low_weights(np.zeros((1, 40, 1)), np.array([[10]]), 1e-4)
    np.testing.assert_allclose(resting, 0.25)


def test_rounding_chooses_nothing_where_a_foot_rests() -> None:
    """A foot that rests for longer than the truth stands, and glides ever faster meanwhile."""
    truth = walk(4, 120)
    root = np.repeat(truth.root_positions[:, :1], 120, 1)
    root[..., 2] += np.linspace(0, 1, 120) ** 2
    turns = np.repeat(truth.rotations[:, :1], 120, 1)
    exact = _lowest(make_motion(truth.rig, 30, root, turns), truth)
    for seed in range(5):
        shaken = root + np.random.default_rng(seed).uniform(-1e-7, 1e-7, root.shape)
        assert _lowest(make_motion(truth.rig, 30, shaken, turns), truth) == pytest.approx(exact, rel=1e-3)


def test_lowest_frames_against_loops() -> None:
    truth = walk(3, 40)
    lengths = np.array([40, 17, 1])
    truth = make_motion(truth.rig, 30, truth.root_positions, truth.rotations, lengths=lengths, contacts=truth.contacts)
    generated = noisy(truth, 4)
    speeds: list[float] = []
    weights: list[int] = []
    for n in range(3):
        for c, joint in enumerate(truth.rig.contact_joints):
            count = sum(bool(truth.contacts[n, t - 1 : t + 1, c].all()) for t in range(1, int(lengths[n])))
            steps = []
            for t in range(1, int(lengths[n])):
                before, after = generated.positions[n, t - 1 : t + 1, joint].astype(float)
                steps.append(((before[1] + after[1]) / 2, 3000 * float(np.hypot(*(after - before)[[0, 2]]))))
            if count:
                heights = np.array([height for height, _ in steps])
                low = _softly_lowest(heights, count, 1e-4 * truth.rig.height)
                for a, b in itertools.combinations(range(len(steps)), 2):
                    if b - a <= 4:  # a step between two low ones is as low as the higher of them
                        low[a + 1 : b] = np.maximum(low[a + 1 : b], min(low[a], low[b]))
                speeds.append(float(np.average([speed for _, speed in steps], weights=low)))
                weights.append(count)
    assert _lowest(generated, truth) == pytest.approx(np.average(speeds, weights=weights), rel=1e-4)


def test_a_foot_that_is_lifted_for_a_frame_has_not_stepped() -> None:
    """A held pose that is put two decimetres ahead every half second, in the air for one frame or for five."""
    truth = walk(4, 120)
    turns = np.repeat(truth.rotations[:, :1], 120, 1)
    for frames, least, most in ((1, 20, 60), (5, 0, 5)):
        phase = np.arange(120) % 15
        ahead = 0.2 * (np.arange(120) // 15 + np.clip((phase - 14 + frames) / frames, 0, 1))
        root = np.repeat(truth.root_positions[:, :1], 120, 1)
        root[..., 2] += ahead
        root[..., 1] += np.where(phase > 14 - frames, 0.1, 0)
        made = make_motion(truth.rig, 30, root, turns)
        assert least <= _lowest(made, truth) <= most, frames


def test_a_gait_out_of_step_slides_nothing_and_gliding_does() -> None:
    truth = walk(4, 120)
    late = truth.cut(15).root_positions, truth.cut(15).rotations
    shorter = truth.cut(0, 105)
    out_of_step = make_motion(truth.rig, 30, *late, contacts=shorter.contacts)
    assert _sliding(out_of_step, shorter) > 30
    assert _lowest(out_of_step, shorter) < 5  # a few more steps than it stands
    assert _lowest(truth, truth) == pytest.approx(0, abs=0.02)
    assert _lowest(walk(4, 120, slide=0.1), truth) == pytest.approx(10, rel=0.05)
    raised = make_motion(truth.rig, 30, truth.root_positions + np.array([0, 0.3, 0]), walk(4, 120, slide=0.1).rotations)
    assert _lowest(raised, truth) > 9  # to hover does not help
    stiff = make_motion(truth.rig, 30, truth.root_positions, np.repeat(truth.rotations[:, :1], 120, 1))
    assert _lowest(stiff, truth) > 40
