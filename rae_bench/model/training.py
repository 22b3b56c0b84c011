"""Training of step networks: windows that walk on as streams, one frame at a time, and the loss.

A step network maps one frame to the next (`LightningModel`). It is trained on its own roll-outs: each stream carries
the last predicted state over into its next window, so that windows of a few frames teach it to live with the errors of
long roll-outs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as lightning
import torch
from torch import Tensor, nn

from rae_bench.errors import UserError
from rae_bench.model.api import Context
from rae_bench.model.config import TrainConfig
from rae_bench.model.control import CONTROL_SIZE, ControlTargets
from rae_bench.model.features import PHASES, Layout, Skeleton, frame_of
from rae_bench.model.step import Carry, Frame, Normal, needs_of, run_step
from rae_bench.model.streams import Batch

LOST = 0.3
"""Rig heights that a carried-over roll-out may be off, in place or mean pose, before its stream starts afresh."""
LEAST_RATE = 0.02

Loss = Callable[[Tensor, Tensor, Batch, Skeleton], Tensor]
Optimiser = Callable[[Sequence[nn.Parameter], int], Any]


class Sizes(NamedTuple):
    """Widths that a network must fit: it reads pose, control and phase, and predicts a change and a phase."""

    pose: int
    control: int
    phase: int
    change: int

    @property
    def joints(self) -> int:
        """How many joints the rig has."""
        return (self.pose - 4) // 12


def sizes_for(joints: int) -> Sizes:
    """The sizes of a rig with so many joints."""
    layout = Layout(joints)
    return Sizes(layout.size_pose, CONTROL_SIZE, PHASES, layout.size_change)


def core_of(network: nn.Module) -> nn.Module:
    """The part of a network that every rig shares. Raises `UserError` where a network has none."""
    core = getattr(network, "core", None)
    if not isinstance(core, nn.Module):
        raise UserError(f"{type(network).__name__}: a network needs the submodules `codec` and `core`")
    return core


def window_loss(predicted: Tensor, phases: Tensor, batch: Batch, skeleton: Skeleton, config: TrainConfig) -> Tensor:
    """The loss of B windows of L frames, whose first frame was given; lengths are in rig heights.

    It is the weighted sum of: distance of joint positions and of joint velocities in the world, so that drift of the
    root counts; absolute difference of rotation columns and of phases; horizontal speed of contact joints in stance.

    Args:
        predicted: (B, L - 1, D) predicted states.
        phases: (B, L - 1, 16) predicted phases.
        config: the weights `position`, `velocity`, `rotation`, `phase` and `slide`.
    """
    layout, tall = skeleton.layout, skeleton.height
    true = batch.states[:, 1:]
    joints = layout.joints

    def world(state: Tensor, part: slice) -> Tensor:
        axes = frame_of(state.flatten(0, 1)).view(*state.shape[:2], 3, 3)
        return torch.matmul(state[..., part].unflatten(-1, (joints, 3)), axes)

    def distance(gap: Tensor) -> Tensor:
        return torch.sqrt((gap * gap).sum(-1) + 1e-8)

    shift = (predicted[..., Layout.origin] - true[..., Layout.origin])[..., None, :]
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


def warm_adamw(parameters: Sequence[nn.Parameter], updates: int, config: TrainConfig) -> dict[str, Any]:
    """AdamW whose rate rises linearly and falls as a cosine, with a schedule that steps with every update.

    Args:
        parameters: what is trained.
        updates: how many there will be.
        config: `rate`, `weight_decay`, `warmup` and `fall`.
    """
    optimizer = torch.optim.AdamW(parameters, lr=config.rate, weight_decay=config.weight_decay, fused=True)
    warm = max(1.0, config.warmup * updates)

    def scale(update: int) -> float:
        if update < warm:
            return (update + 1) / (warm + 1)
        done = min(1.0, (update - warm) / max(1.0, config.fall * updates - warm))
        return LEAST_RATE + (1 - LEAST_RATE) * 0.5 * (1 + np.cos(np.pi * done))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, scale)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Training(lightning.LightningModule):
    """Scheduled sampling over windows, as a `pytorch_lightning` module.

    `loss` and `optimiser` are the hooks of `LightningModel`; None for what it does unless it is overridden.
    """

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
        loss: Loss | None = None,
        optimiser: Optimiser | None = None,
    ) -> None:
        super().__init__()
        self.frozen = frozen
        self.network, self.normal, self.needs = network, normal, needs_of(network)
        self.skeleton, self.config, self.updates, self.ctx = skeleton, config, updates, ctx
        self.loss: Loss = loss or partial(window_loss, config=config)
        self.optimiser: Optimiser = optimiser or partial(warm_adamw, config=config)
        self.carried: Carry | None = None

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The loss of one batch of windows, from carried-over states where they are worth going on from."""
        if self.frozen and index == 0:
            core_of(self.network).eval()  # running statistics are not to move either
        share = self._share_predicted(index)
        given = batch.targets
        carry = self._first_carry(batch, share)
        path, phases = [], []
        extra: list[Tensor] = []
        steps = batch.states.shape[1] - 1
        for t in range(steps):
            if t and share < 1:
                use = (batch.coins[:, t] < share)[:, None]
                carry = carry._replace(
                    state=torch.where(use, carry.state, batch.states[:, t]),
                    phase=torch.where(use, carry.phase, batch.phases[:, t]),
                )
            if self.needs.noise and not self.needs.noise_held:
                carry = carry._replace(noise=torch.randn_like(carry.noise))
            carry, made = run_step(self.network, self._frame(carry, batch, given, t, index))
            path.append(carry.state)
            phases.append(carry.phase)
            extra += made.losses.values()
        self.carried = Carry(*(part.detach() for part in carry))
        loss = self.loss(torch.stack(path, 1), torch.stack(phases, 1), batch, self.skeleton)
        if extra:
            loss = loss + torch.stack(extra).sum() / steps
        if index == self.updates - 1:
            notes: dict[str, Any] = {name: float(value.detach()) for name, value in made.notes.items()}
            self.ctx.declare(**notes)
        if self.ctx.progress is not None and (index % 10 == 0 or index == self.updates - 1):
            self.ctx.progress(index + 1, self.updates, float(loss.detach()))
        return loss

    def _share_predicted(self, index: int) -> float:
        """The probability with which a frame of this update is the network's own prediction instead of the truth."""
        share = min(1.0, index / max(1.0, self.config.ramp * self.updates))
        if self.config.coin == "gaussian":  # a normal number is below the share so often
            share = 0.5 * (1 + math.erf(share / math.sqrt(2)))
        return share

    def _frame(self, carry: Carry, batch: Batch, given: ControlTargets, t: int, index: int) -> Frame:
        following = None
        if self.needs.reads_following:
            true = Carry(batch.states[:, t + 1], batch.phases[:, t + 1], carry.memory, carry.noise)
            following = Frame(true, given.at(t), self.skeleton, self.normal)
        return Frame(carry, given.at(t), self.skeleton, self.normal, following, index / self.updates)

    def _first_carry(self, batch: Batch, share: float) -> Carry:
        """What the first frame of each window starts from: memory and noise last as long as a stream does."""
        state, phase, rows = batch.states[:, 0], batch.start, len(batch.states)
        memory = state.new_zeros(rows, self.needs.memory)
        noise = torch.randn(rows, self.needs.noise, device=state.device)
        if self.carried is None:
            return Carry(state, phase, memory, noise)
        before = self.carried
        on = ~batch.fresh & ~self._lost(before.state, state)
        use = (on & (batch.coins[:, 0] < share))[:, None]
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
        away = (state[:, Layout.origin] - true[:, Layout.origin]).norm(dim=1)
        return (apart > LOST * tall) | (away > LOST * tall)

    def configure_optimizers(self) -> Any:
        """What the hook `optimiser` gives for all parameters that train."""
        return self.optimiser([p for p in self.parameters() if p.requires_grad], self.updates)


class TurnTakingTraining(lightning.LightningModule):
    """A `Training` for each domain; one optimiser over all their parameters, those of the shared core once."""

    def __init__(self, parts: Sequence[Training]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.updates, self.optimiser = parts[0].updates, parts[0].optimiser

    def training_step(self, batch: tuple[int, Batch], index: int) -> Tensor:
        """The loss on the domain whose turn it is."""
        which, window = batch
        loss: Tensor = self.parts[which].training_step(window, index)  # type: ignore[operator]
        return loss

    def configure_optimizers(self) -> Any:
        """As for one domain."""
        return self.optimiser([p for p in self.parameters() if p.requires_grad], self.updates)
