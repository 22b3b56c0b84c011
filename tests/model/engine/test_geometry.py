"""Bodies against the obvious program with a state a row: values and gradients, in double precision."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from helpers.tiny_model import side
from torch import Tensor

from rae_bench.model import (
    CONTROL,
    FLAGS,
    KEYS,
    PATH,
    Carry,
    ControlTargets,
    Domain,
    Frame,
    Skeleton,
    TrainConfig,
    advance,
    control_targets,
    control_vector,
    frame_of,
    make_skeleton,
    states,
    statistics,
    window_loss,
)
from rae_bench.model import control as control_module
from rae_bench.model import features as features_module
from rae_bench.model.engine.asking import Asked, control_of
from rae_bench.model.engine.frame import BodyFrame, CellNormals
from rae_bench.model.engine.geometry import BodyPlan, advance_bodies, keys_of, pose_of
from rae_bench.model.engine.loss import window_losses
from rae_bench.model.streams import Batch

CELLS, ROWS, FRAMES = 2, 3, 4
EXACT: dict[str, float] = {"rtol": 1e-6, "atol": 1e-6}
"""Scales are kept in single precision."""


class World(NamedTuple):
    """Two cells of three clips on a rig, with what is asked of them, all in double precision."""

    domain: Domain
    skeleton: Skeleton
    plan: BodyPlan
    states: Tensor
    targets: ControlTargets


@pytest.fixture(scope="module", params=["quad", "r4", "quad control"])
def world(request: pytest.FixtureRequest) -> Any:
    rig, _, track = request.param.partition(" ")
    made = side(rig, track=track or "keyframes")
    domain = made.domain(made.split(0).train)
    with pytest.MonkeyPatch.context() as patch:
        for module, names in ((features_module, ("_FRAME", "_FRAME_UP", "_STEP", "_KEEP_ORIGIN")),
                              (control_module, ("_IS_POSITION",))):  # fmt: skip
            for name in names:
                patch.setattr(module, name, getattr(module, name).double())
        skeleton = make_skeleton(domain.rig, domain.motion.fps)
        doubled = {name: getattr(skeleton, name).double() for name in ("chain", "up", "keys", "mask")}
        skeleton = replace(skeleton, **doubled)
        targets = control_targets(domain.objectives, domain.motion.fps, domain.path)
        count = CELLS * ROWS
        given = ControlTargets(*(part[:count].double() for part in targets))
        moved = states(domain.motion[:count]).double()
        yield World(domain, skeleton, BodyPlan(skeleton), moved, given)


def bodies(world: World, at: Tensor) -> Tensor:
    """(K, D, B) of states (K B, D)."""
    return at[:, world.plan.order].unflatten(0, (CELLS, ROWS)).transpose(1, 2).contiguous()


def asked(world: World, t: int) -> Asked:
    cells = [part.unflatten(0, (CELLS, ROWS)) for part in world.targets.at(t)]
    frames = cells[0].unflatten(2, (8, 3)).permute(0, 4, 3, 2, 1)
    return Asked(frames.contiguous(), *(part.permute(0, 3, 2, 1).contiguous() for part in cells[1:]))


def compare(
    expected: Callable[..., Tensor],
    got: Callable[..., Tensor],
    flat: list[Tensor],
    cells: list[Tensor],
    back: Callable[[Tensor], Tensor],
) -> None:
    """Values, and gradients of a weighted sum, of the program with rows and of that with cells."""
    rows = [part.clone().requires_grad_() for part in flat]
    stacked = [part.clone().requires_grad_() for part in cells]
    one, two = expected(*rows), got(*stacked)
    torch.testing.assert_close(two.flatten(0, 1), one, **EXACT)
    weights = torch.randn(one.shape, generator=torch.Generator().manual_seed(0), dtype=one.dtype)
    (one * weights).sum().backward()
    (two.flatten(0, 1) * weights).sum().backward()
    torch.testing.assert_close(stacked[0].grad, back(rows[0].grad), rtol=1e-6, atol=1e-5)  # type: ignore[arg-type]
    for ours, theirs in zip(stacked[1:], rows[1:], strict=True):
        torch.testing.assert_close(ours.grad.flatten(0, 1), theirs.grad, rtol=1e-6, atol=1e-5)  # type: ignore[union-attr]


def test_states_come_back(world: World) -> None:
    at = world.states[:, 20]
    torch.testing.assert_close(world.plan.states(bodies(world, at)).flatten(0, 1), at)


def test_a_step(world: World) -> None:
    plan, joints = world.plan, world.plan.joints
    random = torch.Generator().manual_seed(1)
    change = 0.3 * torch.randn(CELLS * ROWS, 4 + 3 * joints, generator=random, dtype=torch.float64)
    usual = 0.2 + torch.rand(CELLS, 1, 4 + 3 * joints, generator=random, dtype=torch.float64)

    def expected(state: Tensor, change: Tensor) -> Tensor:
        scaled = (change.unflatten(0, (CELLS, ROWS)) * usual).flatten(0, 1)
        return advance(state, scaled, frame_of(state), world.skeleton)

    def got(body: Tensor, change: Tensor) -> Tensor:
        return plan.states(advance_bodies(body, change, usual, plan))

    at = world.states[:, 20]
    compare(
        expected, got, [at, change], [bodies(world, at), change.unflatten(0, (CELLS, ROWS))],
        lambda grad: bodies(world, grad),
    )  # fmt: skip


def test_control_keys_and_pose(world: World) -> None:
    plan, t = world.plan, 20
    at = world.states[:, t]
    target = world.targets.at(t)
    normal = statistics(world.domain).double()
    empty = torch.zeros(CELLS * ROWS, 0)

    def frame(state: Tensor) -> Frame:
        return Frame(Carry(state, empty, empty, empty), target, world.skeleton, normal)

    scales = CellNormals([normal] * CELLS)
    pairs: list[tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = [
        (
            lambda s: control_vector(s, target, frame_of(s), world.skeleton),
            lambda b: control_of(b, asked(world, t), plan),
        ),
        (lambda s: frame(s).keys.flatten(1), lambda b: keys_of(b, plan).flatten(2)),
        (lambda s: frame(s).pose, lambda b: pose_of(b, scales.mean, scales.std, plan)),
    ]
    for expected, got in pairs:
        compare(expected, got, [at], [bodies(world, at)], lambda grad: bodies(world, grad))
    row = control_vector(at, target, frame_of(at), world.skeleton)
    there = (
        row[:, : 8 * CONTROL.size].abs().sum() if world.domain.path is None else row[:, 8 * CONTROL.size :].abs().sum()
    )
    assert there > 0


def test_the_other_parts_of_a_frame(world: World) -> None:
    t = 20
    at, target, normal = world.states[:, t], world.targets.at(t), statistics(world.domain).double()
    empty, joints = torch.zeros(CELLS * ROWS, 0), world.plan.joints
    one = Frame(Carry(at, empty, empty, empty), target, world.skeleton, normal)
    cells = torch.zeros(CELLS, ROWS, 0)
    many = BodyFrame(
        Carry(bodies(world, at), cells, cells, cells), asked(world, t), world.plan, CellNormals([normal] * CELLS)
    )
    random = torch.Generator().manual_seed(2)
    pose = torch.randn(CELLS * ROWS, 4 + 6 * joints, generator=random, dtype=torch.float64)
    change = torch.randn(CELLS * ROWS, 4 + 3 * joints, generator=random, dtype=torch.float64)
    step, weight = pose[:, :2], pose[:, 2:3]

    def split(part: Tensor) -> Tensor:
        return part.unflatten(0, (CELLS, ROWS))

    for name in ("asked", "path", "active", "seconds", "straight"):
        torch.testing.assert_close(getattr(many, name), split(getattr(one, name)), **EXACT, msg=name)
    torch.testing.assert_close(many.change_to(split(pose)), split(one.change_to(pose)), **EXACT)
    expected = split(one.steered(change, step, weight))
    torch.testing.assert_close(many.steered(split(change), split(step), split(weight)), expected, **EXACT)


def test_the_loss(world: World) -> None:
    plan, config = world.plan, TrainConfig(phase=0.0)
    true = world.states[:, 20 : 21 + FRAMES]
    made = true[:, 1:] + 0.02 * torch.randn(true[:, 1:].shape, generator=torch.Generator().manual_seed(3)).double()
    made[..., [1, 4]] = 0
    made[..., 3:6] /= made[..., 3:6].norm(dim=-1, keepdim=True)
    contacts = torch.from_numpy(world.domain.motion.contacts[: CELLS * ROWS, 20 : 21 + FRAMES].astype(np.float64))
    assert contacts.any()
    phases = torch.zeros(CELLS * ROWS, 1 + FRAMES, 16, dtype=torch.float64)

    def cells(part: Tensor) -> Tensor:
        """(K, T, X, B) of (K B, T, X)."""
        return part.unflatten(0, (CELLS, ROWS)).permute(0, 2, 3, 1).contiguous()

    stance = cells(contacts[:, 1:] * contacts[:, :-1])
    body = cells(made[..., plan.order]).requires_grad_()
    got = window_losses(body, cells(true[:, 1:][..., plan.order]), stance, plan, config)
    got.sum().backward()
    for k in range(CELLS):
        own = slice(k * ROWS, (k + 1) * ROWS)
        rows = made[own].clone().requires_grad_()
        batch = Batch(true[own], *(torch.zeros(0),) * 4, phases[own], contacts[own], *(torch.zeros(0),) * 2)
        expected = window_loss(rows, phases[own, 1:], batch, world.skeleton, config)
        torch.testing.assert_close(got[k], expected)
        expected.backward()
        assert rows.grad is not None
        assert body.grad is not None
        theirs, ours = rows.grad[..., plan.order], body.grad[k].permute(2, 0, 1)
        torch.testing.assert_close(ours[..., 4:], theirs[..., 4:])
        torch.testing.assert_close(ours[..., :2], theirs[..., :2])
        # A heading is a direction: what would make it longer is not passed on.
        across = made[own][..., [5, 3]] * torch.tensor([1.0, -1.0], dtype=torch.float64)
        torch.testing.assert_close((ours[..., 2:4] * across).sum(-1), (theirs[..., 2:4] * across).sum(-1))


def test_layouts_are_those_of_the_documents() -> None:
    assert (KEYS.velocity.stop, FLAGS.rate.stop, PATH.heading.stop) == (12, 4, 4)
