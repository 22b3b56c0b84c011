import itertools

import numpy as np
import pytest
from helpers.walking import as_trajectory, noisy, walk

from rae_bench.metrics import evaluate, evaluate_clips
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
                steps.append((before[1] + after[1], 3000 * float(np.hypot(*(after - before)[[0, 2]]))))
            low = sorted(range(len(steps)), key=lambda k: steps[k])[:count]
            near = [k for a, b in itertools.pairwise(sorted(low)) if b - a <= 4 for k in range(a + 1, b)]
            if count:
                speeds.append(float(np.mean([steps[k][1] for k in (*low, *near)])))
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
