"""Absolute poses: a state follows a predicted pose."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from rae_bench.model import Domain, Layout, advance, follow, frame_of, make_skeleton, next_pose, states
from rae_bench.model.outputs import change_to, rodrigues


def test_rodrigues_is_half_the_angles_tangent_along_the_axis() -> None:
    vector = 0.9 * Rotation.random(5, rng=2).as_rotvec()
    old, turn = Rotation.random(5, rng=1), Rotation.from_rotvec(vector)
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    expected = vector / angle * np.tan(angle / 2)
    assert 2 < angle.max() < 2.9  # the bound begins at 2.92
    columns = [torch.from_numpy(r.as_matrix()).permute(2, 0, 1)[None] for r in (old, turn * old)]
    np.testing.assert_allclose(rodrigues(*columns)[0].numpy(), expected, rtol=1e-6)


def test_following_true_poses_gives_true_states(source: Domain, target: Domain) -> None:
    """Over a whole clip errors do not add up: what follows is a pose, not a change."""
    for domain in (source, target):
        path, skeleton = states(domain.motion), make_skeleton(domain.rig, domain.motion.fps)
        layout, state = skeleton.layout, path[:, 0]
        assert next_pose(path).shape == (*path.shape[:2], layout.size_next_pose)
        for t in range(1, path.shape[1]):
            state = follow(state, next_pose(path[:, t]), skeleton)
        slow = [i for i in range(layout.size) if not layout.v.start <= i < layout.v.stop]
        assert (state - path[:, -1])[:, slow].abs().max() < 1e-3
        assert (state - path[:, -1])[:, layout.v].abs().max() < 1e-2


def test_an_absolute_pose_is_root_and_two_columns(target: Domain) -> None:
    state = states(target.motion)[:, 7]
    layout = Layout(len(target.rig))
    a, b, _ = state[:, layout.columns].chunk(3, 1)
    assert torch.equal(next_pose(state), torch.cat([state[:, layout.turn], state[:, layout.rise], a, b], 1))


@pytest.mark.parametrize("stretch", [0.1, 3.0])
def test_columns_need_not_be_of_unit_length_nor_square(target: Domain, stretch: float) -> None:
    path, skeleton = states(target.motion), make_skeleton(target.rig, target.motion.fps)
    pose = next_pose(path[:, 21])
    a, b = pose[:, 4:].chunk(2, 1)
    bent = torch.cat([pose[:, :4], stretch * a, b + 0.5 * a], 1)
    torch.testing.assert_close(
        follow(path[:, 20], bent, skeleton), follow(path[:, 20], pose, skeleton), rtol=1e-3, atol=1e-3
    )


def test_following_is_advancing_by_the_change_that_leads_there(target: Domain) -> None:
    path, skeleton = states(target.motion), make_skeleton(target.rig, target.motion.fps)
    state, pose = path[:, 20], next_pose(path[:, 21])
    change = change_to(state, pose, skeleton)
    assert torch.equal(follow(state, pose, skeleton), advance(state, change, frame_of(state), skeleton))


def test_gradients_reach_the_predicted_pose(target: Domain) -> None:
    path, skeleton = states(target.motion), make_skeleton(target.rig, target.motion.fps)
    pose = next_pose(path[:, 21]).requires_grad_()
    (follow(path[:, 20], pose, skeleton) - path[:, 22]).square().mean().backward()  # type: ignore[no-untyped-call]
    assert pose.grad is not None
    assert pose.grad.isfinite().all()
    assert (pose.grad.abs().amax(0) > 0).float().mean() > 0.9
