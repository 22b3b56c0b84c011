"""Forward kinematics against two other implementations; conversions; headings; inverse kinematics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from rae_bench.kinematics import quat
from rae_bench.kinematics.forward import global_to_local
from rae_bench.kinematics.inverse import from_limit_angles, limit_angles, solve_ik
from rae_bench.motion.root import heading_angle, root_space, velocities
from rae_bench.rigs.file import load_rig
from rae_bench.rigs.rig import Rig, make_rig

NAMES = ("r1", "quad", "hexapod", "arm")


def _random_turns(*shape: int, seed: int = 0, degrees: float | None = None) -> np.ndarray:
    """(*shape, 4): any turns, or turns by up to about `degrees`."""
    count = int(np.prod(shape))
    generator = np.random.default_rng(seed)
    if degrees is None:
        turns = Rotation.random(count, random_state=seed)
    else:
        turns = Rotation.from_rotvec(generator.normal(0, np.radians(degrees) / 2, (count, 3)))
    return turns.as_quat(scalar_first=True).reshape(*shape, 4)


def _poses_within_limits(rig: Rig, count: int, seed: int = 0) -> np.ndarray:
    """(count, J, 4) from the middle half of each joint's range; free joints turn by up to 0.3 rad about each axis."""
    generator = np.random.default_rng(seed)
    low, high = rig.limits[..., 0].astype(float), rig.limits[..., 1].astype(float)
    low, high = np.where(low < -3.1, -0.3, low), np.where(high > 3.1, 0.3, high)
    share = generator.uniform(0.25, 0.75, (count, len(rig), 3))
    return from_limit_angles(low + (high - low) * share, rig)


def _free_rig(source: Rig) -> Rig:
    """The same shape and rest pose with arbitrary rest rotations and no limits, as rigs from recordings are."""
    turns = _random_turns(len(source), seed=3)
    local = global_to_local(turns, source.parents)
    positions = source.rest_global[0].astype(float)
    names = source.joint_names
    joints = [
        (
            names[j],
            None if p < 0 else names[p],
            positions[j] * 0 if p < 0 else quat.rotate(quat.inverse(turns[p]), positions[j] - positions[p]),
        )
        for j, p in enumerate(source.parents)
    ]
    return make_rig(
        "free",
        joints,
        {role: names[j] for role, j in source.roles.items()},
        rest={name: local[j] for j, name in enumerate(names)},
        contact_joints=[names[j] for j in source.contact_joints],
    )


@pytest.mark.parametrize("name", NAMES)
def test_forward_kinematics_agrees_with_pymotion_and_with_a_plain_loop(name: str) -> None:
    from pymotion.ops.skeleton import fk

    rig = load_rig(name)
    rotations = _random_turns(2, 5, len(rig))
    root = np.random.default_rng(1).normal(size=(2, 5, 3))
    positions, globals_ = rig.forward_kinematics(rotations, root)

    offsets = rig.offsets.astype(np.float64).copy()
    offsets[0] = 0
    parents = np.maximum(rig.parents, 0)
    theirs, matrices = fk(rotations, root, offsets, parents)
    # pymotion works in single precision
    np.testing.assert_allclose(positions, theirs, atol=2e-6)
    np.testing.assert_allclose(quat.to_matrix(globals_), matrices, atol=2e-6)

    for clip, frame in ((0, 0), (1, 4)):
        place: list[np.ndarray] = []
        turn: list[Rotation] = []
        for j, parent in enumerate(rig.parents):
            own = Rotation.from_quat(rotations[clip, frame, j], scalar_first=True)
            if parent < 0:
                place.append(root[clip, frame])
                turn.append(own)
            else:
                place.append(place[parent] + turn[parent].apply(offsets[j]))
                turn.append(turn[parent] * own)
        np.testing.assert_allclose(positions[clip, frame], place, atol=1e-9)


def test_forward_kinematics_is_the_same_in_parts_and_keeps_the_dtype() -> None:
    rig = load_rig("r4")
    rotations = _random_turns(5000, len(rig)).astype(np.float32)
    root = np.zeros((5000, 3), np.float32)
    whole, _ = rig.forward_kinematics(rotations, root)
    part, _ = rig.forward_kinematics(rotations[4090:4100], root[4090:4100])
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole[4090:4100], part)


def test_global_and_local_rotations_are_inverse() -> None:
    rig = load_rig("r2")
    rotations = _random_turns(7, len(rig))
    there = rig.forward_kinematics(rotations, np.zeros(3))[1]
    assert quat.angle(global_to_local(there, rig.parents), rotations).max() < 1e-7
    assert quat.angle(there[:, 5], rotations[:, 5]).max() > 0.1


@pytest.mark.parametrize("order", ["ZXY", "xyz", "YX", "z"])
def test_euler_angles_turn_as_scipys_do(order: str) -> None:
    degrees = np.random.default_rng(4).uniform(-400, 400, (len(order), 50))
    expected = Rotation.from_euler(order.upper(), degrees.T, degrees=True).as_quat(scalar_first=True)
    assert quat.angle(quat.from_euler(order, list(degrees)), expected.reshape(50, 4)).max() < 1e-7


@pytest.mark.parametrize("name", ["r1", "r2", "quad", "hexapod", "arm"])
def test_heading_follows_a_turn_of_the_whole_body(name: str) -> None:
    rig = load_rig(name)
    yaw = np.linspace(-3, 3, 13)
    rotations = np.tile(rig.rest.astype(np.float64), (13, 1, 1))
    rotations[:, 0] = quat.mul(quat.from_yaw(yaw), rotations[:, 0])
    positions, globals_ = rig.forward_kinematics(rotations, np.ones(3))
    np.testing.assert_allclose(heading_angle(positions, globals_, rig), yaw, atol=1e-6)
    space = root_space(positions, globals_, rig)
    np.testing.assert_allclose(space.points_out(space.points_in(positions)), positions, atol=1e-6)
    np.testing.assert_allclose(space.points_in(positions)[3], space.points_in(positions)[9], atol=1e-6)


def test_heading_ignores_a_turned_head() -> None:
    rig = load_rig("r1")
    rotations = rig.rest.astype(np.float64)[None].copy()
    rotations[:, rig.roles["head"]] = quat.from_yaw(np.array(0.8))
    positions, globals_ = rig.forward_kinematics(rotations, np.zeros(3))
    assert heading_angle(positions, globals_, rig)[0] == pytest.approx(0, abs=1e-6)


def test_velocities_are_backward_differences() -> None:
    positions = np.arange(4.0)[None, :, None, None] ** 2 * np.ones((1, 4, 1, 3))
    np.testing.assert_allclose(velocities(positions, 10.0)[0, :, 0, 0], [10, 10, 30, 50])


def test_limit_angles_are_intrinsic_x_z_y_away_from_rest() -> None:
    rig = _free_rig(load_rig("r1"))
    generator = np.random.default_rng(2)
    angles = generator.uniform(-1.4, 1.4, (20, len(rig), 3))
    x, y, z = np.moveaxis(angles, -1, 0)
    turns = Rotation.from_euler("XZY", np.stack([x, z, y], -1).reshape(-1, 3))
    turns = Rotation.from_quat(np.tile(rig.rest, (20, 1, 1)).reshape(-1, 4), scalar_first=True) * turns
    expected = turns.as_quat(scalar_first=True).reshape(20, -1, 4)
    assert quat.angle(from_limit_angles(angles, rig), expected).max() < 1e-6
    np.testing.assert_allclose(limit_angles(expected, rig), angles, atol=1e-6)


def test_limit_angles_past_a_quarter_turn_read_as_the_limits_do() -> None:
    rig = load_rig("r1")
    shoulder = rig.index("shoulder_l")
    assert rig.limits[shoulder, 2, 1] > np.pi / 2
    angles = np.zeros((1, len(rig), 3))
    angles[0, shoulder] = [0.2, -0.1, 1.8]
    np.testing.assert_allclose(limit_angles(from_limit_angles(angles, rig), rig), angles, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_ik_reaches_reachable_targets_within_limits(name: str) -> None:
    rig = load_rig(name)
    joints = [int(j) for j in rig.key_joints if j > 0]
    wanted = _poses_within_limits(rig, 60)
    root = np.zeros((60, 3))
    targets = rig.forward_kinematics(wanted, root)[0][:, joints]
    start = np.tile(rig.rest.astype(np.float64), (60, 1, 1))
    before = np.linalg.norm(rig.forward_kinematics(start, root)[0][:, joints] - targets, axis=-1)
    _, rotations = solve_ik(rig, root, start, joints, targets, iterations=80)
    after = np.linalg.norm(rig.forward_kinematics(rotations, root)[0][:, joints] - targets, axis=-1).max(1)
    assert before.max() > 0.1
    # Joint limits can trap a start that is far away; nearly all must arrive.
    assert np.percentile(after, 95) < 1e-3
    angles = limit_angles(rotations, rig)
    assert (angles - rig.limits[..., 1]).max() < 1e-5
    assert (rig.limits[..., 0] - angles).max() < 1e-5


def test_ik_on_a_free_rig_with_rest_rotations_moves_the_root_and_turns_the_hands() -> None:
    rig = _free_rig(load_rig("r3"))
    joints = [int(j) for j in rig.key_joints if j >= 0]
    wanted = quat.mul(rig.rest.astype(np.float64), _random_turns(50, len(rig), seed=5, degrees=25))
    root = np.random.default_rng(6).normal(0, 0.3, (50, 3))
    positions, globals_ = rig.forward_kinematics(wanted, root)
    start = quat.mul(wanted, _random_turns(50, len(rig), seed=7, degrees=20))
    found_root, found = solve_ik(
        rig, np.zeros((50, 3)), start, joints, positions[:, joints],
        target_rotations=globals_[:, joints], move_root=True, iterations=60,
    )  # fmt: skip
    reached, turned = rig.forward_kinematics(found, found_root)
    assert np.linalg.norm(reached[:, joints] - positions[:, joints], axis=-1).max() < 1e-3
    assert quat.angle(turned[:, joints], globals_[:, joints]).max() < 5e-3


def test_ik_does_not_depend_on_the_batch_nor_change_its_input() -> None:
    rig = load_rig("r5")
    joints = [rig.roles["left_hand"], rig.roles["right_foot"]]
    wanted = _poses_within_limits(rig, 300, seed=9)
    root = np.zeros((300, 3))
    targets = rig.forward_kinematics(wanted, root)[0][:, joints]
    start = np.tile(rig.rest, (300, 1, 1))
    kept = start.copy()
    _, whole = solve_ik(rig, root, start, joints, targets)
    _, one = solve_ik(rig, root[257], start[257], joints, targets[257])
    _, shaped = solve_ik(rig, root.reshape(3, 100, 3), start.reshape(3, 100, -1, 4), joints,
                         targets.reshape(3, 100, 2, 3))  # fmt: skip
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole[257], one, atol=1e-6)
    np.testing.assert_allclose(shaped.reshape(whole.shape), whole, atol=1e-6)
    np.testing.assert_array_equal(start, kept)


def test_ik_leaves_alone_what_may_not_move_and_what_has_no_weight() -> None:
    rig = load_rig("r1")
    hands = [rig.roles["left_hand"], rig.roles["right_hand"]]
    start = rig.rest.astype(np.float64)[None]
    here = rig.forward_kinematics(start, np.zeros((1, 3)))[0][:, hands]
    movable = np.zeros(len(rig), bool)
    movable[[rig.index("shoulder_l"), rig.index("elbow_l"), rig.index("shoulder_r")]] = True
    _, rotations = solve_ik(
        rig,
        np.zeros((1, 3)),
        start,
        hands,
        here + np.array([0.05, 0.1, 0.15]),
        movable=movable,
        weights=np.array([1.0, 0.0]),
    )
    moved = quat.angle(rotations, start)[0] > 1e-6
    assert set(np.flatnonzero(moved)) == {rig.index("shoulder_l"), rig.index("elbow_l")}


def test_ik_stretches_towards_what_it_cannot_reach() -> None:
    rig = load_rig("arm")
    tip = rig.roles["right_hand"]
    target = np.array([[[0.0, 0.4, 5.0]]])
    _, rotations = solve_ik(rig, np.zeros((1, 3)), rig.rest[None], [tip], target, iterations=100)
    at = rig.forward_kinematics(rotations, np.zeros((1, 3), np.float32))[0][0, tip]
    assert np.isfinite(rotations).all()
    assert at[2] > 0.6
