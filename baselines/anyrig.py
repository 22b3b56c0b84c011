"""`anyrig`: one network for every skeleton, attention over joints, with an inverse-kinematics layer at its end.

A token stands for a joint. It says where the joint is and how it moves beside its rest pose, what its rig is like
there, and, on key joints, what is asked of them. Attention knows how far apart two joints are in the tree and how they
are related (as AnyTop, Gat et al. 2025, and Graphormer, Ying et al. 2021). Pelvis tokens say how the root moves, beyond
going along its path (`Frame.along`), key tokens where their joints go next, all tokens how their joints turn. Damped
least squares then correct the turns so that key joints arrive there:

    u = u0 + A' (A A' + l I)^-1 (e - A u0),   A: how small turns u of all joints move the key joints

What is learnt of a rig is therefore where key joints go, which is the same question on every rig. Lengths are in rig
heights, and nothing is scaled by statistics of a rig's motion. No weight belongs to a joint but those of the codec,
which start at zero: `zero-shot` needs nothing of the target. Pre-training adds copies of the sources' motion on rigs
with other bone lengths and fewer joints (`rae_bench.baselines.other_rigs`), and hides joints from the others (as SAME,
Lee et al. 2023).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rae_bench.model import (
    CONTROL,
    PATH_SIZE,
    Context,
    Domain,
    Frame,
    LightningModel,
    ModelCard,
    Next,
    Normal,
    Sizes,
    Skeleton,
    StepNetwork,
    TrainConfig,
    UserError,
    quat,
    unknown,
)

from .other_rigs import vary
from .parts import next_phase

PRESETS = {"small": {"width": 32, "heads": 2, "layers": 2}, "paper": {"width": 128, "heads": 8, "layers": 4}}
DAMPING = 1e-3
"""l, in squared heights: bones measure some tenths of a height."""
LARGEST = 0.15
"""Heights a key joint is carried in a frame at most."""
TURN, ROOT = 0.02, 0.002
"""Usual turn of a joint (half radians) and motion of the root (heights, radians) in a thirtieth of a second."""
_CROSS = np.zeros((3, 3, 3))
_CROSS[[2, 1, 0, 2, 1, 0], [0, 0, 1, 1, 2, 2], [1, 2, 2, 0, 0, 1]] = [1, -1, 1, -1, 1, -1]
"""[axis of a bone, row, column]: takes a bone b to the matrix that takes a turn u to u x b."""


class Graph(NamedTuple):
    """What a network reads of a rig with J joints and K limbs, which are the key joints besides the pelvis.

    Attributes:
        still: (J, 19) what does not move: place and bones in the rest pose, freedom, contact, role, depth.
        near: (1, 8, J, J) what each head adds where one joint (row) looks at another. It is less the further apart they
            are in the tree, steeply for the first head and hardly at all for the last. By turns the heads add more to
            joints above, below or on the other side.
        place: (3 J,) of joints in the rest pose, over the ground below the pelvis, heights.
        unrest: (9 J, 6 J) takes rotation columns to the first two relative to the rest pose, joint by joint.
        arms: (3 J, 9 K J) takes places of joints to how small turns of all joints move limbs over the pelvis, which is
            (3 K, 3 J).
        slots: (J, 8) 1 where a joint has a role, else 0.
        pelvis: the joint.
        limbs, limb_slots: (K,) joints, and the slots that they fill.
        may_hide: (J,) bool, joints without a role.
    """

    still: Tensor
    near: Tensor
    place: Tensor
    unrest: Tensor
    arms: Tensor
    slots: Tensor
    pelvis: int
    limbs: Tensor
    limb_slots: Tensor
    may_hide: Tensor

    def to(self, device: torch.device | str) -> Graph:
        """The same with its tensors on a device."""
        placed: dict[str, Any] = {k: v.to(device) for k, v in self._asdict().items() if isinstance(v, Tensor)}
        return self._replace(**placed)


@lru_cache(maxsize=64)
def graph_of(skeleton: Skeleton) -> Graph:
    """The graph of a rig, on the device of its skeleton."""
    rig, count = skeleton.rig, len(skeleton.rig)
    one, above, depth = np.eye(count), rig.ancestors, rig.depths
    parents = one[rig.parents] * (rig.parents >= 0)[:, None]
    shared = above.astype(int) @ above.T - 1  # depth of the lowest joint above both
    distance = depth[:, None] + depth[None] - 2 * shared
    across = (rig.mirror[:, None] == np.arange(count)) & (one == 0)
    near = [-distance * 2.0 ** -(head // 2 + 1) + 2.0 * (above, above.T, across)[head % 3] for head in range(8)]

    pelvis = rig.roles.get("pelvis", 0)
    positions, turns = rig.rest_global
    place = (positions - positions[pelvis] * [1, 0, 1]) / skeleton.height
    bone, children = place - parents @ place, parents.sum(0)[:, None]
    slots = np.zeros((count, len(rig.key_joints)))
    slots[rig.key_joints[rig.role_mask], np.flatnonzero(rig.role_mask)] = 1
    stands = rig.key_joints[[k for k in rig.contact_slots if k >= 0]]
    marked = (rig.contact_joints, stands, rig.key_joints, pelvis, rig.roles.get("head", -1))
    flags: list[np.ndarray] = [np.isin(np.arange(count), joints)[:, None] for joints in marked]
    flags += [rig.limits[:, :, 1] > rig.limits[:, :, 0], children == 0, depth[:, None] / 8]
    still = np.concatenate([place, bone, parents.T @ bone / np.maximum(children, 1), *flags], 1)

    limb_slots = np.flatnonzero(rig.role_mask & (rig.key_joints != pelvis))
    limbs = rig.key_joints[limb_slots]
    # A turn moves a limb by the bone below it on the way there, less that on the way to the pelvis.
    ways = above[limbs].astype(float) - above[pelvis]
    bones = np.einsum("kc,cj,ci->kji", ways, parents, one - parents)  # limb, joint that turns, joint whose place it is
    arms = np.einsum("kji,xrc->ixkrjc", bones, 2 * _CROSS).reshape(3 * count, 9 * len(limbs) * count)
    unrest = np.einsum("jdc,ji,xy->cjxidy", quat.to_matrix(turns)[:, :2], one, np.eye(3))

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32))

    return Graph(
        tensor(still),
        tensor(np.stack(near)[None]),
        tensor(place.ravel()),
        tensor(unrest.reshape(9 * count, 6 * count)),
        tensor(arms),
        tensor(slots),
        int(pelvis),
        torch.from_numpy(limbs),
        torch.from_numpy(limb_slots),
        torch.from_numpy((slots.sum(1) == 0) & (np.arange(count) != pelvis)),
    ).to(skeleton.device)


STILL, MOVING, ASKED, ROOTED = 19, 3 + 3 + 6 + 3, CONTROL.size + 2, 4 + PATH_SIZE
"""Widths of what a token is made of."""
TURNS, LIMBS, PHASES, ROOTS = slice(0, 3), slice(3, 8), slice(8, 10), slice(10, 14)
"""Where the parts of a token's output lie: turn of the joint, where a limb goes, phase of a slot, root motion."""


class Block(nn.Module):
    """Pre-norm attention and feed-forward."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.given, self.made = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """(B, J, width), of x (B, J, width) and bias (1, heads, J, J)."""
        q, k, v = self.given(self.first(x)).unflatten(-1, (3, self.heads, -1)).transpose(1, 3).unbind(2)
        seen = torch.softmax(q @ k.mT * q.shape[-1] ** -0.5 + bias, -1) @ v
        x = x + self.made(seen.transpose(1, 2).flatten(2))
        return x + self.narrow(functional.relu(self.wide(self.second(x))))


class Joints(nn.Module):
    """The core: the same weights for any number and order of joints."""

    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.still, self.moving = nn.Linear(STILL, width), nn.Linear(MOVING, width, bias=False)
        self.asked, self.rooted = nn.Linear(ASKED, width, bias=False), nn.Linear(ROOTED, width, bias=False)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, ROOTS.stop)
        with torch.no_grad():
            self.out.weight.mul_(0.1)
            self.out.bias.zero_()

    def forward(
        self, moving: Tensor, asked: Tensor, root: Tensor, graph: Graph, fit: Fitting, hidden: Tensor | None
    ) -> Tensor:
        """(B, J, 14) what joints do.

        Args:
            moving: (B, J, 15) what moves of each joint.
            asked: (B, 8, 26) what is asked of each slot, and its phase.
            root: (B, 16) motion of the root, a second, and what the path asks.
            hidden: (J,) bool, joints that no other joint sees; None for none.
        """
        bias = graph.near[:, : self.blocks[0].heads]
        if hidden is not None:
            others = ~torch.eye(len(hidden), dtype=torch.bool, device=hidden.device)
            bias = bias.masked_fill(hidden & others, float("-inf"))
        x = self.moving(moving) + graph.slots @ self.asked(asked) + (self.still(graph.still) + fit.given)
        x = x + self.rooted(root)[:, None]
        for block in self.blocks:
            x = block(x, bias)
        return self.out(torch.addcmul(fit.shift, self.norm(x), 1 + fit.scale))


class Fitting(nn.Module):
    """The codec: what is particular to each joint of one rig. It starts as nothing."""

    def __init__(self, joints: int, width: int) -> None:
        super().__init__()
        self.given, self.shift, self.scale = (nn.Parameter(torch.zeros(joints, width)) for _ in range(3))


class AnyRigNetwork(StepNetwork):
    """Features, attention, and the inverse-kinematics layer."""

    def __init__(self, joints: int, hide: float, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.core, self.codec, self.hide = Joints(width, heads, layers), Fitting(joints, width), hide

    def forward(self, frame: Frame) -> Next:
        """One frame on."""
        skeleton = frame.skeleton
        graph, count, fps = graph_of(skeleton), skeleton.layout.joints, skeleton.fps
        root, pose = frame.pose[:, :4], frame.pose[:, 4:]
        places, speeds, a, b = pose.unflatten(1, (4, 3 * count)).unbind(1)
        v = speeds.unflatten(1, (count, 3))
        c = torch.linalg.cross(a.view(v.shape), b.view(v.shape)).flatten(1)
        turned = torch.cat([a, b, c], 1) @ graph.unrest
        arms = (places @ graph.arms).view(len(pose), -1, 3 * count)
        back = arms.mT @ torch.linalg.inv(arms @ arms.mT + DAMPING * torch.eye(arms.shape[1], device=arms.device))
        quarter, shifts, level = (constant.to(pose.device) for constant in (_QUARTER, _SHIFT, _LEVEL))
        here = places.view(v.shape)[:, graph.limbs] @ quarter

        def way(speed: Tensor, motion: Tensor) -> Tensor:
            """(B, 3 K, 1) how limbs must move over the pelvis to have a speed (B, K, 3) while the root moves so."""
            moved = speed / fps + motion[:, 2, None, None] * here - (motion @ shifts)[:, None]
            return moved.clamp(-LARGEST, LARGEST).flatten(1)[..., None]

        asked = frame.asked
        rate = asked[:, graph.limb_slots, CONTROL.closing_velocity]
        straight = (back @ way(rate, root * level)).view(v.shape) * (0.5 / TURN)
        moving = [(places - graph.place).view(v.shape), v, turned.view(len(v), count, 6), straight]
        hidden = None
        if frame.draws is not None and self.hide:
            drawn, share = frame.draws.uniform(count), frame.draws.uniform(1)
            hidden = (drawn < self.hide * share) & graph.may_hide
        slots, a_second = torch.cat([asked, frame.phase.unflatten(1, (8, 2))], 2), root.new_tensor([fps, fps, fps, 1])
        rooted = torch.cat([root * a_second, frame.path.flatten(1)], 1)
        out = self.core(torch.cat(moving, 2), slots, rooted, graph, self.codec, hidden)
        per_frame = 30 / fps
        shift, u = out[:, graph.pelvis, ROOTS], out[..., TURNS].flatten(1)[..., None] * (TURN * per_frame)
        shift = shift + frame.along[:, :4]
        go = out[:, graph.limbs, LIMBS]
        on, there = torch.sigmoid(go[..., 3:4]), torch.sigmoid(go[..., 4:] - 2)
        speed = on * v[:, graph.limbs] + there * rate + go[..., :3]
        u = u + back @ (way(speed, root * level + shift * (ROOT * per_frame)) - arms @ u)
        phase = (graph.slots.mT @ out[..., PHASES]).flatten(1)
        change = torch.cat([shift, u.squeeze(-1) / (TURN * per_frame)], 1)
        return Next(change, next_phase(phase, frame.phase))


_QUARTER = torch.tensor([[0, 0, 1], [0, 0, 0], [-1, 0, 0.0]])
"""Takes (x, y, z) to (-z, 0, x): how places seen from the root go when it turns by a small angle."""
_SHIFT = torch.tensor([[1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 1, 0.0]])
"""Takes (dx, dz, dyaw, rise) of the root to how it moves along x, y, z."""
_LEVEL = torch.tensor([1, 1, 1, 0.0])
"""All of the root's motion but its height, which is a place and not a change."""


class AnyRig(LightningModel):
    """One network for every skeleton. Raise the card's version when its numbers move.

    Options:
        preset: `small`, or `paper` with larger sizes, which need a budget of their own (docs/guides/model.md).
        variants: how many copies of sources on other bones pre-training adds.
        hide: the largest share of joints without a role that is hidden in training.
    """

    card = ModelCard(
        name="anyrig",
        version="4",
        authors="rae-bench",
        paper="after Gat et al. 2025, AnyTop, and Lee et al. 2023, SAME",
        licence="MIT",
        description="attention over joints with graph-distance bias and an inverse-kinematics layer, any skeleton",
        capabilities=frozenset({"frozen", "finetune", "cold-long", "retarget", "zero-shot", "multiple-sources"}),
        parameters=23_054,
    )

    train_defaults = TrainConfig(length=3)  # more windows of fewer frames: what costs is the count of operations

    def __init__(self, preset: str = "small", variants: int = 4, hide: float = 0.3, **options: Any) -> None:
        super().__init__(**options)
        if preset not in PRESETS:
            raise unknown("preset of model 'anyrig'", preset, PRESETS)
        if not 0 <= hide < 1 or variants < 0:
            raise UserError("model 'anyrig': hide must be within 0 <= hide < 1, variants at least 0")
        self.widths, self.variants, self.hide, self._fits = PRESETS[preset], variants, hide, True

    def network(self, sizes: Sizes) -> nn.Module:
        """The network for a rig of these sizes.

        In pre-training its codec is not trained, so that the core does not come to depend on it.
        """
        made = AnyRigNetwork(sizes.joints, self.hide, **self.widths)
        made.codec.requires_grad_(self._fits)
        return made

    def statistics(self, domain: Domain) -> Normal:
        """Scales by the rig's height, and by nothing of the domain's motion."""
        tall, joints = domain.rig.height, len(domain.rig)
        slow = 30 / domain.motion.fps
        root = torch.tensor([tall, tall, 1, tall])
        std = torch.cat([root, torch.full((6 * joints,), tall), torch.ones(6 * joints)])
        change = torch.cat([root * (ROOT * slow), torch.full((3 * joints,), TURN * slow)])
        return Normal(torch.zeros_like(std), std, change)

    def pretrain(self, source: Domain, ctx: Context) -> None:
        """On all sources and on variants of them."""
        random = np.random.default_rng([ctx.seed, 4])
        sources = ctx.sources or (source,)
        made = [vary(sources[i % len(sources)], random) for i in range(self.variants)]
        self._fits = False
        super().pretrain(source, replace(ctx, sources=(*sources, *(domain for domain in made if len(domain)))))
        self._fits = True
