"""States, changes and control features: the tensors that networks read and write."""

import numpy as np
import pytest
import torch

from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.kinematics import quat
from rae_bench.model.control import ARRIVAL_SCALE, CONTROL_SIZE, control_targets, control_vector
from rae_bench.model.features import SLOTS, Layout, advance, changes, frame_of, make_skeleton, states, to_motion
from rae_bench.motion.course import course_of
from rae_bench.motion.motion import Motion
from rae_bench.objectives.asked import asked_of
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.objectives.objectives import CONTACT, Objectives, key_transforms
from rae_bench.rigs.file import load_rig


@pytest.fixture(scope="module", params=["quad", "r4", "r1"])
def motion(request: pytest.FixtureRequest) -> Motion:
    return generate_locomotion(load_rig(request.param), clips=5, seconds=2.0, seed=3).motion


def test_advance_by_the_true_change_gives_the_next_state(motion: Motion) -> None:
    skeleton = make_skeleton(motion.rig, motion.fps)
    path = states(motion)
    change = changes(path)
    now, true = path[:, :-1].flatten(0, 1), path[:, 1:].flatten(0, 1)
    got = advance(now, change.flatten(0, 1), frame_of(now), skeleton)
    layout = skeleton.layout
    slow = [i for i in range(layout.size) if not layout.v.start <= i < layout.v.stop]
    assert (got - true)[:, slow].abs().max() < 1e-4
    # Velocities are differences of positions at 30 Hz: 1e-5 m of rounding is 3e-4 m / s.
    assert (got - true)[:, layout.v].abs().max() < 1e-3


def test_true_changes_bring_a_clip_to_its_end(motion: Motion) -> None:
    """Over a whole clip errors do not add up beyond a millimetre."""
    skeleton = make_skeleton(motion.rig, motion.fps)
    path = states(motion)
    change = changes(path)
    state = path[:, 0]
    for t in range(change.shape[1]):
        state = advance(state, change[:, t], frame_of(state), skeleton)
    layout = skeleton.layout
    assert (state - path[:, -1])[:, : layout.v.start].abs().max() < 1e-3


def test_no_change_holds_the_pose(motion: Motion) -> None:
    """A zero change keeps the joints' rotations in root space and the root's speed."""
    skeleton = make_skeleton(motion.rig, motion.fps)
    now = states(motion)[:, 20]
    got = advance(now, torch.zeros(len(now), skeleton.layout.size_change), frame_of(now), skeleton)
    assert (got[:, 6:10] - now[:, 6:10]).abs().max() < 1e-6
    assert (got[:, skeleton.layout.columns] - now[:, skeleton.layout.columns]).abs().max() < 1e-6


def test_rotations_stay_rotations(motion: Motion) -> None:
    skeleton = make_skeleton(motion.rig, motion.fps)
    state = states(motion)[:, 0]
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        change = 0.1 * torch.randn(len(state), skeleton.layout.size_change, generator=generator)
        state = advance(state, change, frame_of(state), skeleton)
    columns = state[:, skeleton.layout.columns].unflatten(-1, (3, skeleton.layout.joints, 3))
    gram = torch.einsum("bijk,bmjk->bjim", columns, columns)
    assert (gram - torch.eye(3)).abs().max() < 1e-4


def test_states_round_trip(motion: Motion) -> None:
    root, rotations = to_motion(states(motion), motion.rig)
    np.testing.assert_allclose(root, motion.root_positions, atol=1e-4)
    dot = np.abs((rotations * motion.rotations).sum(-1))
    np.testing.assert_allclose(dot, 1, atol=1e-5)
    assert root.dtype == rotations.dtype == np.float32


def test_states_of_no_clips(motion: Motion) -> None:
    none = motion[np.array([], int)]
    assert states(none).shape == (0, *states(motion).shape[1:])


def test_states_do_not_depend_on_place_and_heading(motion: Motion) -> None:
    """What a network reads is the same wherever a clip stands and wherever it faces."""
    turn, shift = quat.from_yaw(np.array(1.2)), np.array([3.0, 0, -2.0])
    rotations = motion.rotations.copy()
    root = int(np.flatnonzero(motion.rig.parents < 0)[0])
    rotations[:, :, root] = quat.mul(np.broadcast_to(turn, rotations[:, :, root].shape), rotations[:, :, root])
    moved = quat.rotate(np.broadcast_to(turn, rotations[:, :, root].shape), motion.root_positions) + shift
    other = Motion(
        motion.rig, motion.fps, motion.lengths, moved.astype(np.float32), rotations.astype(np.float32), motion.contacts
    )
    layout = Layout(len(motion.rig))
    assert (states(motion) - states(other))[..., layout.pose].abs().max() < 2e-3
    assert (states(motion) - states(other))[..., :3].abs().max() > 1


def perfect(motion: Motion) -> Objectives:
    """Objectives that ask for what every frame shows already."""
    positions, rotations = key_transforms(motion.positions, motion.global_rotations, motion.rig)
    made = keyframe_objectives(motion)
    return Objectives(positions, rotations, made.arrivals, made.kinds)


def test_control_costs_nothing_at_the_objective(motion: Motion) -> None:
    skeleton = make_skeleton(motion.rig, motion.fps)
    given, path = control_targets(perfect(motion), motion.fps), states(motion)
    for t in (0, 10, 40):
        features = control_vector(path[:, t], given.at(t), frame_of(path[:, t]), skeleton)[:, :192].view(-1, SLOTS, 24)
        assert features[:, :, 9:21].abs().max() < 1e-3  # costs and the velocity that would close them
        assert features[:, :, :9].abs().max() > 0.1


def reference_control(motion: Motion, objectives: Objectives, clip: int, t: int) -> np.ndarray:
    """(8, 24) by the words of `control`, slot by slot in numpy."""
    rig, fps = motion.rig, motion.fps
    yaw = motion.root.yaw[clip, t]
    origin = motion.root.origin[clip, t]
    x, z = np.array([np.cos(yaw), 0, -np.sin(yaw)]), np.array([np.sin(yaw), 0, np.cos(yaw)])
    into = np.stack([x, [0, 1, 0], z])  # world -> root space
    key_positions, key_rotations = key_transforms(motion.positions, motion.global_rotations, rig)
    out = np.zeros((SLOTS, 24))
    for slot in range(SLOTS):
        if not objectives.active[clip, t, slot]:
            continue
        goal = into @ (objectives.positions[clip, t, slot] - origin) / rig.height
        here = into @ (key_positions[clip, t, slot] - origin) / rig.height
        goal_turn = into @ quat.to_matrix(objectives.rotations[clip, t, slot])[:, :2]
        turn = into @ quat.to_matrix(key_rotations[clip, t, slot])[:, :2]
        seconds = (objectives.arrivals[clip, t, slot] - t) / fps
        out[slot] = np.concatenate(
            [
                goal,
                goal_turn.T.ravel(),
                goal - here,
                (goal_turn - turn).T.ravel(),
                (goal - here) / max(seconds, 1 / fps),
                [1, objectives.kinds[clip, t, slot] == CONTACT, seconds / (seconds + ARRIVAL_SCALE)],
            ]
        )
    return out


def test_control_against_an_explicit_reference(motion: Motion) -> None:
    skeleton = make_skeleton(motion.rig, motion.fps)
    objectives = keyframe_objectives(motion)
    given, path = control_targets(objectives, motion.fps), states(motion)
    for t in range(0, motion.root_positions.shape[1], 7):
        got = control_vector(path[:, t], given.at(t), frame_of(path[:, t]), skeleton)
        assert got.shape == (len(motion), CONTROL_SIZE)
        expected = reference_control(motion, objectives, 2, t)
        np.testing.assert_allclose(got[2, :192].view(SLOTS, 24).numpy(), expected, atol=2e-3)
        assert not got[:, 192:].any()  # no path


def test_the_path_against_an_explicit_reference(motion: Motion) -> None:
    skeleton = make_skeleton(motion.rig, motion.fps)
    objectives, path = asked_of("control", motion, course_of(motion))
    assert path is not None
    given, state = control_targets(objectives, motion.fps, path), states(motion)
    for t in range(0, motion.root_positions.shape[1], 7):
        got = control_vector(state[:, t], given.at(t), frame_of(state[:, t]), skeleton)[2, 192:].view(3, 4).numpy()
        yaw, origin = motion.root.yaw[2, t], motion.root.origin[2, t]
        into = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])  # world x, z -> root space
        for h in range(3):
            place = into @ (path.positions[2, t, h] - origin[[0, 2]]) / motion.rig.height
            turn = path.headings[2, t, h] - yaw
            np.testing.assert_allclose(got[h], [*place, np.sin(turn), np.cos(turn)], atol=2e-4)


def test_control_is_zero_where_nothing_is_asked(motion: Motion) -> None:
    skeleton = make_skeleton(motion.rig, motion.fps)
    given, path = control_targets(keyframe_objectives(motion), motion.fps), states(motion)
    last = motion.root_positions.shape[1] - 1  # no objective is left at the last frame
    assert not control_vector(path[:, last], given.at(last), frame_of(path[:, last]), skeleton).any()


def test_one_frame_has_a_state(motion: Motion) -> None:
    one = states(motion.cut(0, 1))
    assert one.shape[1] == 1
    assert torch.isfinite(one).all()
    assert changes(one).shape[1] == 0
