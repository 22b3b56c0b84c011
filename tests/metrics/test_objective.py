import numpy as np
import pytest
from helpers.walking import as_trajectory, noisy, walk

from rae_bench.kinematics import quat
from rae_bench.metrics import evaluate, evaluate_clips
from rae_bench.motion.motion import make_motion
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.objectives.objectives import CONTACT, KEYFRAME, NONE, TARGET, Objectives, key_transforms


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


def test_reach_curve() -> None:
    truth = walk(2, 40)
    objectives, tall = keyframe_objectives(truth), truth.rig.height
    for metres, hits in ((0.005 * tall, "1 2 5 10 0.1m"), (0.03 * tall, "5 10 0.1m"), (0.099, "10 0.1m"), (0.5, "")):
        moved = make_motion(truth.rig, 30, truth.root_positions + np.array([0, 0, metres]), truth.rotations)
        values = evaluate(as_trajectory(moved), truth, objectives)
        curve = {"5": values["objective_reached"], "0.1m": values["objective_reached@0.1m"]}
        curve |= {r: values[f"objective_reached@{r}%"] for r in ("1", "2", "10")}
        assert curve == {r: 100.0 if r in hits.split() else 0.0 for r in curve}
        radii = np.linspace(0, 0.2 * tall, 2001)
        assert values["objective_reach_area"] == pytest.approx(100 * np.mean(metres <= radii), abs=0.1)


def test_hold_error_while_the_truth_holds() -> None:
    truth = walk(2, 60)
    objectives = keyframe_objectives(truth)
    assert evaluate(as_trajectory(truth), truth, objectives)["hold_error"] < 5
    # One contact of the left foot, met at touch-down and then left at 3 cm a frame.
    still = make_motion(
        truth.rig, 30, np.repeat(truth.root_positions[:, :1], 60, 1), np.repeat(truth.rotations[:, :1], 60, 1)
    )
    foot = truth.rig.key_joints[4]
    o = _none(2, 60)
    o.positions[:, 20:30, 4] = still.positions[:, 30:31, foot]
    o.arrivals[:, 20:30, 4], o.kinds[:, 20:30, 4] = 30, CONTACT
    path = still.root_positions.copy()
    path[:, 31:, 2] += 0.03 * np.arange(1, 30)
    slipping = make_motion(truth.rig, 30, path, still.rotations)
    held = evaluate(as_trajectory(still), still, o), evaluate(as_trajectory(slipping), still, o)
    assert held[0]["hold_error"] == pytest.approx(0, abs=1e-3)
    assert held[1]["objective_error"] == pytest.approx(0, abs=1e-3)
    # Half a second on either side is followed: 16 frames with no error, then 3, 6, ... 45 cm.
    assert held[1]["hold_error"] == pytest.approx(3 * sum(range(16)) / 31, rel=1e-3)
    # The truth leaves by itself: nothing to hold beyond 5 % of the height.
    left = evaluate(as_trajectory(still), slipping, o)["hold_error"]
    assert left == pytest.approx(0, abs=1e-3)
    o.kinds[:, 20:30, 4] = KEYFRAME
    assert evaluate(as_trajectory(slipping), still, o)["hold_error"] == 0


def test_holds_against_loops() -> None:
    truth = walk(3, 45)
    truth = make_motion(
        truth.rig, 30, truth.root_positions, truth.rotations, lengths=np.array([45, 20, 33]), contacts=truth.contacts
    )
    o, generated = keyframe_objectives(truth), noisy(truth, 5)
    by_role: dict[int, list[float]] = {}
    for n in range(3):
        for k in range(8):
            for arrival in sorted({int(a) for a in o.arrivals[n, :, k][o.kinds[n, :, k] == CONTACT]}):
                joint = truth.rig.key_joints[k]
                goal = o.positions[n, arrival - 1, k].astype(float)
                frames = {arrival}
                for way in (-1, 1):
                    t = arrival
                    while 0 <= t < truth.lengths[n] and abs(t - arrival) <= 15:
                        if np.linalg.norm(truth.positions[n, t, joint] - goal) > 0.05 * truth.rig.height:
                            break
                        frames.add(t)
                        t += way
                gaps = [100 * float(np.linalg.norm(generated.positions[n, t, joint] - goal)) for t in frames]
                by_role.setdefault(k, []).extend(gaps)
    value = evaluate(as_trajectory(generated), truth, o)["hold_error"]
    assert value == pytest.approx(np.mean([np.mean(v) for v in by_role.values()]), rel=1e-4)


def test_cost_ratio_against_loops() -> None:
    truth = walk(3, 45)
    truth = make_motion(
        truth.rig, 30, truth.root_positions, truth.rotations, lengths=np.array([45, 20, 33]), contacts=truth.contacts
    )
    o, generated = keyframe_objectives(truth), noisy(truth, 8)
    ratios = []
    for k in range(8):
        costs = [0.0, 0.0]
        for n in range(3):
            for t in range(truth.lengths[n]):
                if o.kinds[n, t, k] != NONE:
                    for i, motion in enumerate((generated, truth)):
                        gap = motion.positions[n, t, truth.rig.key_joints[k]] - o.positions[n, t, k]
                        costs[i] += float(np.linalg.norm(gap)) + 1e-3 * truth.rig.height
        if costs[1]:
            ratios.append(costs[0] / costs[1])
    values = evaluate(as_trajectory(generated), truth, o)
    assert len(ratios) == 6
    assert values["objective_cost_ratio"] == pytest.approx(np.mean(ratios), rel=1e-4)
    assert evaluate(as_trajectory(truth), truth, o)["objective_cost_ratio"] == pytest.approx(1)


def test_roles_weigh_alike_whatever_their_counts() -> None:
    """Pooled over clips within a role, then over roles: a role with one objective counts as much as one with nine."""
    truth = walk(2, 20)
    at, _ = key_transforms(truth.positions, truth.global_rotations, truth.rig)
    o = _none(2, 20)
    for n, arrival, slot, off in ((0, 10, 0, 0.4), *((1, 2 * i + 1, 1, 0.1) for i in range(9)), (0, 5, 1, 0.6)):
        o.positions[n, arrival - 1, slot] = at[n, arrival, slot] + [off, 0, 0]
        o.arrivals[n, arrival - 1, slot], o.kinds[n, arrival - 1, slot] = arrival, TARGET
    values = evaluate(as_trajectory(truth), truth, o)
    assert values["objective_error"] == pytest.approx((40 + (9 * 10 + 60) / 10) / 2, rel=1e-4)
    clips = evaluate_clips(as_trajectory(truth), truth, o)["objective_error"]
    np.testing.assert_allclose(clips, [(40 + 60) / 2, 10], rtol=1e-4)
