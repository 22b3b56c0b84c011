"""Any skeleton: the graph, the inverse-kinematics layer, order and number of joints, hidden joints, variants."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rae_bench.baselines.anyrig import AnyRig, AnyRigNetwork, graph_of
from rae_bench.baselines.controls import Hold
from rae_bench.baselines.other_rigs import other_rig, vary
from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.metrics import measure
from rae_bench.model.api import Budget, Context, Domain
from rae_bench.model.control import ControlTargets, control_targets
from rae_bench.model.features import Skeleton, make_skeleton, states
from rae_bench.model.registry import list_models
from rae_bench.model.step import Carry, Frame, Next
from rae_bench.model.training import sizes_for
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.objectives.phases import local_phases
from rae_bench.rigs.file import load_rig
from rae_bench.rigs.rig import Rig, make_rig
from rae_bench.task.held_out import cut_clips
from rae_bench.task.sides import Side
from rae_bench.task.task import Protocol
from rae_bench.testing import list_checks

SMALL = {"windows": 6, "length": 3, "variants": 1}


def domain_of(motion: Motion) -> Domain:
    names = tuple(str(n) for n in range(len(motion)))
    return Domain("made", motion.rig, motion, keyframe_objectives(motion), local_phases(motion), names, names)


def network(joints: int, core: dict[str, torch.Tensor] | None = None) -> AnyRigNetwork:
    torch.manual_seed(0)
    made = AnyRig().network(sizes_for(joints))
    assert isinstance(made, AnyRigNetwork)
    with torch.no_grad():
        made.core.out.weight.mul_(10)  # answers large enough to tell apart
    if core is not None:
        made.core.load_state_dict(core)
    return made.eval()


def frame(motion: Motion, at: int) -> Frame:
    """What a network sees of all clips at one frame."""
    state = states(motion)[:, at]
    asked = control_targets(keyframe_objectives(motion), motion.fps)
    skeleton = make_skeleton(motion.rig, motion.fps)
    phase = torch.from_numpy(local_phases(motion)).flatten(2)[:, at]
    rows = len(state)
    carry = Carry(state, phase, torch.zeros(rows, 0), torch.zeros(rows, 0))
    normal = AnyRig().statistics(domain_of(motion))
    return Frame(carry, ControlTargets(*asked).at(at), skeleton, normal)


def joints_of(made: Next) -> torch.Tensor:
    """(B, J, 3)"""
    return made.change[:, 4:].unflatten(1, (-1, 3))


def test_arms_are_the_derivative_of_forward_kinematics(domains: dict[str, Domain]) -> None:
    """Small turns of all joints move the limbs as the matrix says."""
    for rig_name in ("quad", "r4"):
        motion = domains[rig_name].motion
        skeleton = make_skeleton(motion.rig, motion.fps)
        graph, state = graph_of(skeleton), states(motion)[:1, 20].double()
        still = state.clone()
        still[:, 6:9] = 0  # the root stays, so that limbs move over the pelvis alone
        wide = replace(skeleton, chain=skeleton.chain.double(), up=skeleton.up.double())
        part, size = skeleton.layout.p, 1e-3
        arms = (still[:, part] / skeleton.height @ graph.arms.double()).view(-1, 3 * len(motion.rig))
        generator = np.random.default_rng(0)
        for _ in range(3):
            u = torch.from_numpy(generator.normal(size=3 * len(motion.rig))) * size
            change = torch.cat([torch.zeros(4, dtype=torch.float64), u])[None]
            after = turned_by_hand(still, change, wide)
            moved = (after[:, part] - still[:, part]).view(-1, 3)[graph.limbs] / skeleton.height
            torch.testing.assert_close((arms @ u).view(-1, 3), moved, rtol=0, atol=20 * size**2)
            assert moved.abs().max() > 0.1 * size


def turned_by_hand(state: torch.Tensor, change: torch.Tensor, skeleton: Skeleton) -> torch.Tensor:
    """Every rotation column turned by Rodrigues' formula, then forward kinematics."""
    layout = skeleton.layout
    u = change[0, 4:].view(-1, 3).numpy()
    columns = state[0, layout.columns].view(3, -1, 3).numpy().copy()
    size = np.linalg.norm(u, axis=1)
    axis, angle = u / size[:, None], 2 * np.arctan(size)
    for c in range(3):
        x = columns[c]
        cross, dot = np.cross(axis, x), (axis * x).sum(1, keepdims=True)
        columns[c] = x * np.cos(angle)[:, None] + cross * np.sin(angle)[:, None]
        columns[c] += axis * dot * (1 - np.cos(angle))[:, None]
    out = state.clone()
    out[0, layout.columns] = torch.from_numpy(columns.reshape(-1))
    out[0, layout.p] = (out[0, layout.columns] @ skeleton.chain) + state[0, 9] * skeleton.up[0]
    return out


def permuted(rig: Rig, order: np.ndarray) -> Rig:
    """The same rig with its joints in another order: new joint i is the old order[i]."""
    new = np.empty(len(rig), int)
    new[order] = np.arange(len(rig))
    parents = np.where(rig.parents[order] < 0, -1, new[rig.parents[order]])
    return replace(
        rig,
        joint_names=tuple(rig.joint_names[j] for j in order),
        parents=parents,
        offsets=rig.offsets[order],
        roles={role: int(new[j]) for role, j in rig.roles.items()},
        contact_joints=new[rig.contact_joints],
        limits=rig.limits[order],
        mirror=new[rig.mirror[order]],
        rest=rig.rest[order],
    )


def test_the_order_of_joints_does_not_matter(domains: dict[str, Domain]) -> None:
    motion = domains["quad"].motion[:3]
    rig = motion.rig
    order = np.argsort(rig.depths, kind="stable")  # parents first still, but breadth first
    assert (order != np.arange(len(rig))).sum() > 10
    other = replace(motion, rig=permuted(rig, order), rotations=motion.rotations[:, :, order])
    net = network(len(rig))
    with torch.no_grad():
        for at in (5, 40):
            one, two = net(frame(motion, at)), net(frame(other, at))
            torch.testing.assert_close(joints_of(two), joints_of(one)[:, torch.from_numpy(order)], rtol=1e-3, atol=1e-3)
            torch.testing.assert_close(two.change[:, :4], one.change[:, :4], rtol=1e-3, atol=1e-3)
            torch.testing.assert_close(two.phase, one.phase, rtol=1e-3, atol=1e-4)
            assert joints_of(one).abs().max() > 0.01


def test_hidden_joints_do_not_leak(domains: dict[str, Domain]) -> None:
    """What a hidden joint holds changes its own answer and no other."""
    motion = domains["quad"].motion[:2]
    graph, count = graph_of(make_skeleton(motion.rig, motion.fps)), len(motion.rig)
    net, hidden = network(count), torch.zeros(len(motion.rig), dtype=torch.bool)
    generator = torch.Generator().manual_seed(1)
    moving = torch.randn(2, count, 15, generator=generator)
    slots, root = torch.randn(2, 8, 26, generator=generator), torch.randn(2, 16, generator=generator)
    which = int(np.flatnonzero(graph.may_hide.numpy())[3])
    other = moving.clone()
    other[:, which] += 5
    rest = torch.arange(count) != which
    with torch.no_grad():
        seen = [net.core(x, slots, root, graph, net.codec, None) for x in (moving, other)]
        assert (seen[0] - seen[1])[:, rest].abs().max() > 1e-3
        hidden[which] = True
        unseen = [net.core(x, slots, root, graph, net.codec, hidden) for x in (moving, other)]
        torch.testing.assert_close(unseen[0][:, rest], unseen[1][:, rest], rtol=0, atol=1e-6)
        assert (unseen[0] - unseen[1])[:, which].abs().max() > 1e-3


def test_only_joints_without_a_role_are_hidden() -> None:
    rig = load_rig("r1")
    graph = graph_of(make_skeleton(rig, 30.0))
    assert {rig.joint_names[j] for j in np.flatnonzero(~graph.may_hide.numpy())} == {
        rig.joint_names[j] for j in rig.roles.values()
    }


def long_rig(joints: int) -> Rig:
    """The quadruped with a tail long enough for so many joints."""
    rig = load_rig("quad")
    names = [*rig.joint_names]
    parent: list[str | None] = [None if p < 0 else names[p] for p in rig.parents]
    table = list(zip(names, parent, rig.offsets.tolist(), strict=True))
    end = next(name for name in names if "tail_tip" in name)
    for n in range(joints - len(rig)):
        table.append((f"more_{n}", end if n == 0 else f"more_{n - 1}", [0.0, 0.0, -0.02]))
    roles = {role: names[j] for role, j in rig.roles.items()}
    rest = {name: rig.rest[j].tolist() for j, name in enumerate(names)}
    return make_rig("long", table, roles, contact_joints=[names[j] for j in rig.contact_joints], rest=rest)


def test_one_core_serves_rigs_of_any_size() -> None:
    core = network(31).core.state_dict()
    for rig in (load_rig("r1"), long_rig(60), load_rig("arm")):
        rows = np.tile(rig.rest_global[0][:1], (2, 40, 1)).astype(np.float32)
        motion = make_motion(rig, 30.0, rows, np.tile(rig.rest, (2, 40, 1, 1)))
        net = network(len(rig), core)
        made = net(frame(motion, 10))
        assert made.change.shape == (2, 4 + 3 * len(rig))
        assert torch.isfinite(made.change).all()
    assert len(long_rig(60)) == 60


def test_gradients_reach_every_parameter(domains: dict[str, Domain]) -> None:
    motion = domains["quad"].motion[:4]
    net = network(len(motion.rig)).train()
    torch.manual_seed(3)
    made = net(frame(motion, 30))
    ((made.change**2).sum() + (made.phase**2).sum()).backward()
    without = [k for k, p in net.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert without == []


def test_the_card_says_how_many_parameters() -> None:
    about = list_models()["anyrig"].about
    assert about["parameters"] == sum(p.numel() for p in network(31).parameters())
    assert "zero-shot" in about["capabilities"]


def test_variants() -> None:
    """Feet that stood still do, bones differ and are alike on both sides, joints are fewer, roles are kept."""
    side = Side(generate_locomotion(load_rig("r1"), clips=12, seconds=2.5), Protocol(seconds=2.5))
    domain = side.domain(side.split(0).train)
    rig, kept = other_rig(domain.rig, np.random.default_rng(1))
    lengths = [np.linalg.norm(r.offsets, axis=1) for r in (domain.rig, rig)]
    assert 12 < len(rig) < len(domain.rig)
    assert rig.roles.keys() == domain.rig.roles.keys()
    for role, joint in rig.roles.items():
        assert rig.joint_names[joint] == domain.rig.joint_names[domain.rig.roles[role]]
    np.testing.assert_allclose(lengths[1], lengths[1][rig.mirror], atol=1e-4)
    assert np.ptp(lengths[1][1:] / np.maximum(lengths[0][kept][1:], 1e-6)) > 0.1
    assert (rig.parents[1:] < np.arange(1, len(rig))).all()

    made = vary(domain, np.random.default_rng(1))
    assert len(made) >= len(domain) // 2
    stood = made.motion.contacts[:, 1:] & made.motion.contacts[:, :-1]
    feet = made.motion.positions[:, :, made.rig.contact_joints]
    speed = np.linalg.norm(np.diff(feet, axis=1)[..., [0, 2]], axis=-1)[stood] * made.motion.fps
    assert speed.mean() < 0.05
    at = made.objectives.arrivals[:, 0, 4]
    clip = np.arange(len(made))
    foot = made.motion.positions[clip, at, made.rig.roles["left_foot"]]
    np.testing.assert_allclose(made.objectives.positions[:, 0, 4], foot, atol=1e-5)
    assert all(np.isfinite(a).all() for a in (made.motion.positions, made.objectives.positions, made.phases))


def test_zero_shot_uses_the_source_and_nothing_of_the_target(domains: dict[str, Domain]) -> None:
    model = AnyRig(**SMALL)  # type: ignore[arg-type]
    model.pretrain(domains["r4"], Context("pretrain", 1.0, Budget(3, 10**6), 0))
    target = domains["quad"]
    none = replace(target, motion=target.motion[:0], objectives=target.objectives[:0], ids=(), groups=())
    model.adapt(none, Context("zero-shot", 0.0, Budget(3, 10**6), 0))
    assert model._network is not None
    state = model._network.state_dict()
    for key, value in model._core.items():
        assert torch.equal(state[f"core.{key}"], value)
    assert not any(value.abs().max() for key, value in state.items() if key.startswith("codec."))
    exam = cut_clips(target.motion[:2], 30, ["a", "b"], ["a", "b"], ["a", "b"], target.objectives[:2])
    made = model.generate(exam.prompt, Context("zero-shot", 0.0, Budget(3, 10**6), 0))
    assert np.isfinite(made.rotations).all()


@pytest.mark.slow
@pytest.mark.parametrize("check", list_checks("anyrig"), ids=str)
def test_conforms(check) -> None:  # type: ignore[no-untyped-def]
    check.require()


@pytest.mark.slow
def test_overfits_one_segment() -> None:
    """Within 2,000 updates on one segment the roll-out's error is below a fifth of what holding the last pose gives.

    It is told where feet touch down next, and nothing of pelvis and hands, which no weight of a joint learns by heart.
    """
    side = Side(generate_locomotion(load_rig("quad"), clips=12), Protocol())
    one = side.split(0).train[:1]
    model = AnyRig()
    ctx = Context("cold", 1.0, Budget(2000, 2000 * 128), 0)
    model.adapt(side.domain(one), ctx)
    exam = side.held_out_clips(one)
    made = measure(model.generate(exam.prompt, ctx), exam.truth, exam.objectives)["reconstruction_error"].value()
    held = measure(Hold().generate(exam.prompt, ctx), exam.truth, exam.objectives)["reconstruction_error"].value()
    assert made < 0.2 * held
