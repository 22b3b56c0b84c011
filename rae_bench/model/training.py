"""What trainings of step networks have in common, be it of many cells or of one: sizes, loss, optimiser, schedule.

A step network maps one frame to the next (`LightningModel`). It is trained on its own roll-outs: each stream carries
the last predicted state over into its next window, so that windows of a few frames teach it to live with the errors of
long roll-outs. `rae_bench.model.engine` trains many cells as one tensor program; `rae_bench.model.alone` trains one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from rae_bench.errors import UserError
from rae_bench.model.config import DECAY_SECONDS, MOST_DECAY, TrainConfig
from rae_bench.model.control import CONTROL_SIZE
from rae_bench.model.features import PHASES, Layout, Skeleton, frame_of
from rae_bench.model.streams import Batch

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


def warm_adamw(
    parameters: Sequence[nn.Parameter], updates: int, config: TrainConfig, *, carried: Sequence[nn.Parameter] = ()
) -> dict[str, Any]:
    """AdamW whose rate rises linearly and falls as a cosine, with a schedule that steps with every update.

    Args:
        parameters: what is trained.
        updates: how many there will be.
        config: `rate`, `weight_decay` as it is, `warmup`, `fall`, and for what was carried over `rest` and `core_rate`.
        carried: those of the parameters that pre-training taught and that are to rest at first. A rate of 0 leaves
            them as they are, while the optimiser gets to know their gradients.
    """
    on_gpu = parameters[0].is_cuda
    old = {id(parameter) for parameter in carried}
    split = [[p for p in parameters if id(p) not in old], [p for p in parameters if id(p) in old]]
    warm = max(1.0, config.warmup * updates)

    def scale(update: int) -> float:
        if update < warm:
            return (update + 1) / (warm + 1)
        done = min(1.0, (update - warm) / max(1.0, config.fall * updates - warm))
        return LEAST_RATE + (1 - LEAST_RATE) * 0.5 * (1 + np.cos(np.pi * done))

    def rested(update: int) -> float:
        awake = update - config.rest * updates
        return config.core_rate * min(1.0, max(0.0, (awake + 1) / (warm + 1))) * scale(update) if awake >= 0 else 0.0

    groups: list[dict[str, Any]] = []
    scales: list[Callable[[int], float] | Any] = []
    for own, how in zip(split, (scale, rested), strict=True):
        if own:
            # A recorded step reads its rate from the device.
            rate: Any = torch.tensor(config.rate, device=own[0].device) if on_gpu else config.rate
            groups.append({"params": own, "lr": rate})
            scales.append(how)
    optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay, fused=True, capturable=on_gpu)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, scales)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def decay_for(seconds: float, config: TrainConfig) -> float:
    """The weight decay of a training on so many seconds of motion."""
    return min(MOST_DECAY, config.weight_decay * DECAY_SECONDS / max(seconds, 1e-3))


def share_predicted(index: int, updates: int, config: TrainConfig) -> float:
    """The probability with which a frame of an update is the network's own prediction instead of the truth."""
    share = min(1.0, index / max(1.0, config.ramp * updates))
    if config.coin == "gaussian":  # a normal number is below the share so often
        share = 0.5 * (1 + math.erf(share / math.sqrt(2)))
    return share
