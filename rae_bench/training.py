"""Training of step networks: windows that walk on as streams, one frame at a time, and the loss.

A step network maps one frame to the next (see `rae_bench.lightning_model.LightningModel`). What it is trained on is
its own roll-outs: each stream carries the last predicted state over into its next window, so that windows of a few
frames teach it to live with the errors of long ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as lightning
import torch
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from rae_bench.errors import UserError
from rae_bench.features import (
    CONTROL,
    PHASES,
    Layout,
    Skeleton,
    Targets,
    changes,
    frame_of,
    states,
    targets,
)
from rae_bench.model import Context, Domain
from rae_bench.motion import make_motion
from rae_bench.phases import local_phases
from rae_bench.stepping import Carry, Frame, Normal, needs_of, step

LOST = 0.3
"""Rig heights that a carried-over roll-out may be off, in place or mean pose, before its stream starts afresh."""
LEAST_RATE = 0.02
COINS = ("fair", "gaussian")


class Sizes(NamedTuple):
    """Widths that a network must fit: it reads pose, control and phase, and predicts a change and a phase."""

    pose: int
    control: int
    phase: int
    change: int


def sizes_for(joints: int) -> Sizes:
    """The sizes of a rig with so many joints."""
    layout = Layout(joints)
    return Sizes(layout.size_pose, CONTROL, PHASES, layout.size_change)


@dataclass(frozen=True)
class TrainConfig:
    """How a `LightningModel` trains.

    Attributes:
        windows: windows in an update; 0: as many as the budget's frames make.
        length: frames in a window; the first is given, the others are predicted.
        rate, weight_decay, clip: of AdamW.
        warmup, fall: shares of the updates over which the rate rises linearly, and by which it has fallen, as a cosine,
            to a fiftieth.
        ramp: share of the updates over which the probability of reading one's own prediction rises from 0 to 1.
        coin: `fair`, or `gaussian`: the thesis' coin, by which that probability rises from .5 to .84 only.
        position, rotation, velocity, slide, phase: weights of the loss terms, which are in rig heights and seconds.
    """

    windows: int = 0
    length: int = 5
    rate: float = 3e-3
    warmup: float = 0.05
    fall: float = 0.85
    weight_decay: float = 0.01
    clip: float = 1.0
    ramp: float = 0.1
    coin: str = "fair"
    position: float = 20.0
    rotation: float = 10.0
    velocity: float = 1.0
    slide: float = 0.4
    phase: float = 0.1


class Batch(NamedTuple):
    """One update's windows: B windows of L frames."""

    states: Tensor
    """(B, L, D)"""
    frames: Tensor
    """(B, L, 24, 3)"""
    flags: Tensor
    """(B, L, 8, 4)"""
    start: Tensor
    """(B, 16) phase at the first frame, from its past alone."""
    phases: Tensor
    """(B, L, 16)"""
    contacts: Tensor
    """(B, L, C)"""
    fresh: Tensor
    """(B,) bool: the stream starts here; otherwise its first frame is the last one of the window before."""
    coins: Tensor
    """(B, L) in 0..1, for scheduled sampling."""


def statistics(domain: Domain) -> Normal:
    """Mean and spread of pose features and the spread of changes; of the rest pose where the domain is empty.

    Spreads have a floor, so that a feature which happens not to move in a small fraction is not blown up.
    """
    rig, layout = domain.rig, Layout(len(domain.rig))
    motion = domain.motion
    if not len(domain):
        root = np.tile(rig.rest_global[0][:1], (2, 1))[None]
        motion = make_motion(rig, 30.0, root, np.tile(rig.rest, (1, 2, 1, 1)))
    path = states(motion)
    pose = path[torch.from_numpy(motion.valid)][:, layout.pose]
    change = changes(path)[torch.from_numpy(motion.valid[:, 1:])]
    tall, joints = rig.height, layout.joints
    floor = torch.cat(
        [
            torch.tensor([0.005 * tall, 0.005 * tall, 0.01, 0.01 * tall]),
            torch.full((3 * joints,), 0.01 * tall),
            torch.full((3 * joints,), 0.1 * tall),
            torch.full((6 * joints,), 0.05),
        ]
    )
    small = torch.cat(
        [torch.tensor([0.001 * tall, 0.001 * tall, 0.002, 0.001 * tall]), torch.full((3 * joints,), 0.003)]
    )
    return Normal(
        pose.mean(0),
        torch.sqrt(pose.var(0, unbiased=False) + floor**2),
        torch.sqrt((change**2).mean(0) + small**2),
    )


class Streams(IterableDataset):
    """Windows of a domain's segments, all in the memory of `device`, one batch an item.

    What is drawn is drawn on the CPU, so that it is the same on every device.

    Each of the B rows is a stream: it starts at a random frame of a random segment and walks on window by window to the
    segment's end. So a model that carries its own last state over meets the errors of long roll-outs while it
    learns from short windows.
    """

    def __init__(
        self, domain: Domain, config: TrainConfig, updates: int, seed: int, device: torch.device | str = "cpu"
    ) -> None:
        motion = domain.motion
        self.config, self.updates, self.seed, self.device = config, updates, seed, torch.device(device)
        self.states = states(motion).to(device)
        self.targets = targets(domain.objectives, motion.fps).to(device)
        self.past = torch.from_numpy(local_phases(motion, past_only=True)).flatten(2).to(device)
        self.phases = torch.from_numpy(domain.phases).flatten(2).to(device)
        self.contacts = torch.from_numpy(motion.contacts.astype(np.float32)).to(device)
        self.last = torch.from_numpy(motion.lengths - config.length)
        """Last frame at which a window of each segment can start."""
        room = np.maximum(motion.lengths - config.length + 1, 0)
        self.starts = torch.from_numpy(
            np.stack([np.repeat(np.arange(len(room)), room), np.concatenate([np.arange(r) for r in room])], 1)
        )

    def __iter__(self) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(self.seed)
        config = self.config
        clip = torch.zeros(config.windows, dtype=torch.long)
        first = self.last.max() + torch.ones(config.windows, dtype=torch.long)
        for _ in range(self.updates):
            fresh = first > self.last[clip]
            pick = torch.randint(len(self.starts), (config.windows,), generator=generator)
            clip = torch.where(fresh, self.starts[pick, 0], clip)
            first = torch.where(fresh, self.starts[pick, 1], first)
            rows, begin = clip.to(self.device), first.to(self.device)
            at = (rows[:, None], begin[:, None] + torch.arange(config.length, device=self.device))
            yield Batch(
                self.states[at],
                self.targets.frames[at],
                self.targets.flags[at],
                self.past[rows, begin],
                self.phases[at],
                self.contacts[at],
                fresh.to(self.device),
                torch.rand(config.windows, config.length, generator=generator).to(self.device),
            )
            first = first + config.length - 1


def core_of(network: nn.Module) -> nn.Module:
    """The part of a network that every rig shares. Raises `UserError` where a network has none."""
    core = getattr(network, "core", None)
    if not isinstance(core, nn.Module):
        raise UserError(f"{type(network).__name__}: a network needs the submodules `codec` and `core`")
    return core


def window_loss(predicted: Tensor, batch: Batch, phases: Tensor, skeleton: Skeleton, config: TrainConfig) -> Tensor:
    """The training loss of predicted states (B, L - 1, D) and phases (B, L - 1, 16); lengths in rig heights.

    Positions and velocities are compared in the world, so that drift of the root counts.
    """
    layout, tall = skeleton.layout, skeleton.height
    true = batch.states[:, 1:]
    joints = layout.joints

    def world(state: Tensor, part: slice) -> Tensor:
        axes = frame_of(state.flatten(0, 1)).view(*state.shape[:2], 3, 3)
        return torch.matmul(state[..., part].unflatten(-1, (joints, 3)), axes)

    def distance(gap: Tensor) -> Tensor:
        return torch.sqrt((gap * gap).sum(-1) + 1e-8)

    shift = (predicted[..., :3] - true[..., :3])[..., None, :]
    position = distance((world(predicted, layout.p) - world(true, layout.p) + shift) / tall).mean()
    moved = world(predicted, layout.v)
    velocity = distance((moved - world(true, layout.v)) / tall).mean()
    rotation = (predicted[..., layout.columns] - true[..., layout.columns]).abs().mean()
    feet = moved[:, :, skeleton.rig.contact_joints.tolist()]
    stance = batch.contacts[:, 1:] * batch.contacts[:, :-1]
    slide = (distance(feet[..., [0, 2]] / tall) * stance).sum() / stance.sum().clamp(min=1)
    phase = (phases - batch.phases[:, 1:]).abs().mean()
    return (
        config.position * position
        + config.rotation * rotation
        + config.velocity * velocity
        + config.slide * slide
        + config.phase * phase
    )


class Training(lightning.LightningModule):
    """Scheduled sampling over windows, as a `pytorch_lightning` module."""

    def __init__(
        self,
        network: nn.Module,
        normal: Normal,
        skeleton: Skeleton,
        config: TrainConfig,
        updates: int,
        ctx: Context,
        *,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        self.frozen = frozen
        self.network, self.normal, self.needs = network, normal, needs_of(network)
        self.skeleton, self.config, self.updates, self.ctx = skeleton, config, updates, ctx
        self.carried: Carry | None = None

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The loss of one batch of windows, from carried-over states where they are worth going on from."""
        if self.frozen and index == 0:
            core_of(self.network).eval()  # running statistics are not to move either
        own = min(1.0, index / max(1.0, self.config.ramp * self.updates))
        if self.config.coin == "gaussian":  # a normal number is below own so often
            own = 0.5 * (1 + math.erf(own / math.sqrt(2)))
        given = Targets(batch.frames, batch.flags)
        carry = self._opened(batch, own)
        path, phases = [], []
        extra: list[Tensor] = []
        steps = batch.states.shape[1] - 1
        for t in range(steps):
            if t and own < 1:
                use = (batch.coins[:, t] < own)[:, None]
                carry = carry._replace(
                    state=torch.where(use, carry.state, batch.states[:, t]),
                    phase=torch.where(use, carry.phase, batch.phases[:, t]),
                )
            if self.needs.noise and not self.needs.noise_held:
                carry = carry._replace(noise=torch.randn_like(carry.noise))
            carry, made = step(self.network, self._frame(carry, batch, given, t, index))
            path.append(carry.state)
            phases.append(carry.phase)
            extra += made.losses.values()
        self.carried = Carry(*(part.detach() for part in carry))
        loss = window_loss(torch.stack(path, 1), batch, torch.stack(phases, 1), self.skeleton, self.config)
        if extra:
            loss = loss + torch.stack(extra).sum() / steps
        if index == self.updates - 1:
            self.ctx.spent.update({name: float(value.detach()) for name, value in made.notes.items()})
        if self.ctx.progress is not None and (index % 10 == 0 or index == self.updates - 1):
            self.ctx.progress(index + 1, self.updates, float(loss.detach()))
        return loss

    def _frame(self, carry: Carry, batch: Batch, given: Targets, t: int, index: int) -> Frame:
        following = None
        if self.needs.reads_following:
            true = Carry(batch.states[:, t + 1], batch.phases[:, t + 1], carry.memory, carry.noise)
            following = Frame(true, given.at(t), self.skeleton, self.normal)
        return Frame(carry, given.at(t), self.skeleton, self.normal, following, index / self.updates)

    def _opened(self, batch: Batch, own: float) -> Carry:
        """What the first frame of each window starts from: memory and noise last as long as a stream does."""
        state, phase, rows = batch.states[:, 0], batch.start, len(batch.states)
        memory = state.new_zeros(rows, self.needs.memory)
        noise = torch.randn(rows, self.needs.noise, device=state.device)
        if self.carried is None:
            return Carry(state, phase, memory, noise)
        before = self.carried
        on = ~batch.fresh & ~self._lost(before.state, state)
        use = (on & (batch.coins[:, 0] < own))[:, None]
        return Carry(
            torch.where(use, before.state, state),
            torch.where(use, before.phase, phase),
            torch.where(on[:, None], before.memory, memory),
            torch.where(on[:, None], before.noise, noise),
        )

    def _lost(self, state: Tensor, true: Tensor) -> Tensor:
        """(B,) whether a stream is too far from the truth to learn anything from going on."""
        part, tall = self.skeleton.layout.p, self.skeleton.height
        apart = (state[:, part] - true[:, part]).unflatten(1, (-1, 3)).norm(dim=-1).mean(-1)
        return (apart > LOST * tall) | ((state[:, :3] - true[:, :3]).norm(dim=1) > LOST * tall)

    def configure_optimizers(self) -> Any:
        """AdamW with a linear warm-up and a cosine fall."""
        config, updates = self.config, self.updates
        trained = [p for p in self.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=config.rate, weight_decay=config.weight_decay, fused=True)
        warm = max(1.0, config.warmup * updates)

        def scale(update: int) -> float:
            if update < warm:
                return (update + 1) / (warm + 1)
            done = min(1.0, (update - warm) / max(1.0, config.fall * updates - warm))
            return LEAST_RATE + (1 - LEAST_RATE) * 0.5 * (1 + np.cos(np.pi * done))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, scale)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


