"""`nsm` against its paper's formulas."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from helpers.cores import asked_by, frame_at, network_of
from scipy.spatial.transform import Rotation

from rae_bench.baselines.cores.nsm import gate_inputs, goal_frames
from rae_bench.model.api import Domain
from rae_bench.model.step import Next
from rae_bench.objectives.objectives import key_transforms

Walk = Callable[..., list[Next]]


def test_goal_frames(domains: dict[str, Domain]) -> None:
    """Key joints in their objectives' frames, R^T (p - target), against the motion's own arrays."""
    domain, t = domains["r4"], 40
    motion, rig, wanted = domain.motion, domain.rig, domain.objectives
    frame, _ = frame_at(domain, t)
    _, _, here = goal_frames(frame.asked)
    checked = 0
    for slot, joint in enumerate(rig.key_joints):
        for clip in np.flatnonzero(wanted.active[:, t, slot] & (joint >= 0)):
            gap = motion.positions[clip, t, joint] - wanted.positions[clip, t, slot]
            turn = wanted.rotations[clip, t, slot]
            expected = Rotation.from_quat(turn[[1, 2, 3, 0]]).inv().apply(gap) / rig.height
            np.testing.assert_allclose(here[clip, slot], expected, atol=1e-4)
            checked += 1
    assert checked > 20


def test_nsm_gates_on_phases_and_goals_times_distance_and_angle(domains: dict[str, Domain]) -> None:
    domain, t = domains["r4"], 40
    motion, rig, wanted = domain.motion, domain.rig, domain.objectives
    frame, _ = frame_at(domain, t)
    goals, path = gate_inputs(frame).split([72, 12], 1)
    got = goals.unflatten(1, (8, 3, 3))
    assert torch.equal(path, frame.path.flatten(1))
    _, turns = key_transforms(motion.positions[:, t], motion.global_rotations[:, t], rig)
    for slot in range(8):
        there = wanted.active[:, t, slot]
        gap = np.linalg.norm(motion.positions[:, t, rig.key_joints[slot]] - wanted.positions[:, t, slot], axis=-1)
        pair = [Rotation.from_quat(q[:, [1, 2, 3, 0]]) for q in (turns[:, slot], wanted.rotations[:, t, slot])]
        angle = (pair[0].inv() * pair[1]).magnitude()
        has = there * (rig.key_joints[slot] >= 0)
        state = np.concatenate([domain.phases[:, t, slot], has[:, None]], 1)
        np.testing.assert_allclose(got[:, slot, :, 0], state, atol=1e-5)
        np.testing.assert_allclose(got[:, slot, :, 1], state * (there * gap / rig.height)[:, None], atol=1e-4)
        np.testing.assert_allclose(got[:, slot, :, 2], state * (there * angle)[:, None], atol=2e-2)


@pytest.mark.parametrize("track", ["keyframes", "control"])
def test_nsm_gates_where_nothing_repeats(track: str, domains: dict[str, Domain]) -> None:
    """Without any phase, gates still differ from frame to frame, because goals and path do."""
    domain = asked_by(track, "quad")
    core = network_of("nsm", domain).core
    frames = [frame_at(domain, t, phases=False)[0] for t in (20, 40, 60)]
    with torch.no_grad():
        gates = torch.stack([torch.softmax(core.gate(gate_inputs(frame)), -1) for frame in frames])
    assert gates.std((0, 1)).min() > 1e-3


def test_nsm_learns_from_where_key_joints_go(domains: dict[str, Domain], walk: Walk) -> None:
    """The additional loss is of the true next frame; without a change of the network it is what it leaves out."""
    net = network_of("nsm", domains["quad"])
    with torch.no_grad():
        net.core.mixture.layers[-1].experts.weight.zero_()
        net.core.mixture.layers[-1].experts.bias.zero_()
    taught = float(walk(net, "quad")[0].losses["goal"].detach())
    assert 0 < taught < 10 * 0.1  # key joints move less than a tenth of the height in a thirtieth of a second
    assert not walk(net, "quad", taught=False)[0].losses
