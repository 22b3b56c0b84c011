import numpy as np
import pytest
from helpers.walking import as_trajectory, noisy, walk

from rae_bench.metrics import evaluate, evaluate_clips
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.keyframes import keyframe_objectives


def _values(generated: Motion, truth: Motion) -> tuple[float, float]:
    values = evaluate(as_trajectory(generated), truth, keyframe_objectives(truth))
    return values["penetration"], values["floating"]


def _raised(motion: Motion, metres: float) -> Motion:
    return make_motion(motion.rig, 30, motion.root_positions + np.array([0, metres, 0]), motion.rotations)


def test_up_and_down() -> None:
    truth = walk(4, 60)
    assert _values(truth, truth) == pytest.approx((0, 0), abs=1e-3)
    assert _values(_raised(truth, 0.03), truth) == pytest.approx((0, 3), abs=1e-2)
    sunk = _values(_raised(truth, -0.03), truth)
    assert sunk[1] == pytest.approx(0, abs=1e-3)
    assert 1.5 < sunk[0] < 3  # feet in swing do not reach the ground even so


def test_the_level_of_the_ground_does_not_matter() -> None:
    truth = walk(3, 40)
    hill = make_motion(
        truth.rig, 30, truth.root_positions + np.array([0, 2, 0]), truth.rotations, contacts=truth.contacts
    )
    assert _values(_raised(hill, 0.03), hill) == pytest.approx((0, 3), abs=1e-2)


def test_against_loops() -> None:
    whole = walk(3, 40)
    contacts = whole.contacts.copy()
    contacts[1, :, 0] = False
    truth = make_motion(
        whole.rig, 30, whole.root_positions, whole.rotations, lengths=np.array([40, 25, 2]), contacts=contacts
    )
    generated = noisy(truth, 6)
    depth: list[list[float]] = [[], [], []]
    hover: list[list[float]] = [[], [], []]
    for n in range(3):
        ground = {}
        for c, joint in enumerate(truth.rig.contact_joints):
            stood = [float(truth.positions[n, t, joint, 1]) for t in range(truth.lengths[n]) if truth.contacts[n, t, c]]
            if stood:
                ground[joint] = sorted(stood)[round(0.05 * (len(stood) - 1))]
        for t in range(truth.lengths[n]):
            above = [100 * (float(generated.positions[n, t, joint, 1]) - y) for joint, y in ground.items()]
            depth[n] += [max(-a, 0) for a in above]
            if truth.contacts[n, t].any():
                hover[n].append(max(min(above), 0))
    values = _values(generated, truth)
    assert values == pytest.approx((np.mean(np.concatenate(depth)), np.mean(np.concatenate(hover))), rel=1e-3)
    clips = evaluate_clips(as_trajectory(generated), truth, keyframe_objectives(truth))
    np.testing.assert_allclose(clips["penetration"], [np.mean(d) for d in depth], rtol=1e-3)
    np.testing.assert_allclose(clips["floating"], [np.mean(h) for h in hover], rtol=1e-3)


def test_without_stances() -> None:
    truth = walk(2, 20)
    flying = make_motion(truth.rig, 30, truth.root_positions, truth.rotations, contacts=truth.contacts & False)
    assert _values(_raised(flying, -1), flying) == (0, 0)
