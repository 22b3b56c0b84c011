import numpy as np
import pytest
from walking import as_trajectory, noisy, walk

from rae_bench.kinematics import quat
from rae_bench.metrics import evaluate, evaluate_clips
from rae_bench.motion import make_motion
from rae_bench.objectives import CONTACT, NONE, TARGET, Objectives, key_transforms, keyframe_objectives


def _none(clips: int, frames: int) -> Objectives:
    rotations = np.zeros((clips, frames, 8, 4), np.float32)
    rotations[..., 0] = 1
    arrivals = np.broadcast_to(np.arange(frames)[:, None], (clips, frames, 8)).astype(np.int32)
    kinds = np.full((clips, frames, 8), NONE, np.int8)
    return Objectives(np.zeros((clips, frames, 8, 3), np.float32), rotations, arrivals.copy(), kinds)


def test_offsets_are_the_error() -> None:
    truth = walk(3, 40)
    objectives = keyframe_objectives(truth)
    assert evaluate(as_trajectory(truth), truth, objectives)["objective_error"] == pytest.approx(0, abs=1e-3)
    moved = make_motion(truth.rig, 30, truth.root_positions + np.array([0.03, 0, 0.04]), truth.rotations)
    values = evaluate(as_trajectory(moved), truth, objectives)
    assert values["objective_error"] == pytest.approx(5, rel=1e-3)
    assert values["objective_rotation_error"] == pytest.approx(0, abs=0.1)
    assert values["objective_reached"] == 100
    far = make_motion(truth.rig, 30, truth.root_positions + np.array([0, 0.051 * truth.rig.height, 0]), truth.rotations)
    assert evaluate(as_trajectory(far), truth, objectives)["objective_reached"] == 0


def test_once_each_then_over_roles() -> None:
    truth = walk(1, 20)
    at, turns = key_transforms(truth.positions, truth.global_rotations, truth.rig)
    o = _none(1, 20)
    # The pelvis has one objective, 30 cm off, seen over 10 rows; the head has two, 0 and 20 cm off.
    for rows, slot, arrival, off in (((0, 10), 0, 10, 0.3), ((0, 4), 1, 4, 0.0), ((4, 7), 1, 7, 0.2)):
        part = slice(*rows)
        o.positions[0, part, slot] = at[0, arrival, slot] + [0, 0, off]
        o.rotations[0, part, slot] = quat.mul(quat.from_yaw(np.array(off)), turns[0, arrival, slot])
        o.arrivals[0, part, slot] = arrival
        o.kinds[0, part, slot] = TARGET
    values = evaluate(as_trajectory(truth), truth, o)
    assert values["objective_error"] == pytest.approx((30 + (0 + 20) / 2) / 2, rel=1e-4)
    assert values["objective_rotation_error"] == pytest.approx(np.degrees(0.3 + 0.1) / 2, rel=1e-3)
    assert values["objective_reached"] == pytest.approx((0 + 50) / 2)


def test_what_lies_outside_the_clip_does_not_count() -> None:
    truth = walk(2, 20)
    truth = make_motion(truth.rig, 30, truth.root_positions, truth.rotations, lengths=np.array([20, 8]))
    o = _none(2, 20)
    o.positions[:, :, 0] = 9
    o.kinds[:, :, 0] = CONTACT
    o.arrivals[:, :, 0] = 8
    clips = evaluate_clips(as_trajectory(truth), truth, o)["objective_error"]
    assert clips[0] > 100
    assert np.isnan(clips[1])


def test_against_loops() -> None:
    truth = walk(3, 45)
    lengths = np.array([45, 20, 33])
    truth = make_motion(truth.rig, 30, truth.root_positions, truth.rotations, lengths=lengths, contacts=truth.contacts)
    o, generated = keyframe_objectives(truth), noisy(truth, 5)
    by_role: dict[int, list[float]] = {}
    for n in range(3):
        seen = set()
        for t in range(45):
            for k in range(8):
                arrival = int(o.arrivals[n, t, k])
                if o.kinds[n, t, k] != NONE and (k, arrival) not in seen:
                    seen.add((k, arrival))
                    joint = truth.rig.key_joints[k]
                    gap = generated.positions[n, arrival, joint] - o.positions[n, t, k]
                    by_role.setdefault(k, []).append(100 * float(np.linalg.norm(gap)))
    value = evaluate(as_trajectory(generated), truth, o)["objective_error"]
    assert len(by_role) == 6
    assert value == pytest.approx(np.mean([np.mean(v) for v in by_role.values()]), rel=1e-4)
