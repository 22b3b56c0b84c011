"""TODO."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rae_bench.kinematics import quat
from rae_bench.model.features import SLOTS, Skeleton
from rae_bench.objectives.objectives import CONTACT, Objectives

CONTROL_SIZE = 24 * SLOTS


ARRIVAL_SCALE = 0.5
"""Seconds; times to arrival are fed as t / (t + this), which keeps near arrivals apart and far ones bounded."""


class Targets(NamedTuple):
    """Objectives as tensors, rows as in `Objectives`.

    Attributes:
        frames: (N, T, 24, 3): per slot the world position, then the first two columns of the rest-relative rotation.
        flags: (N, T, 8, 4): active, is a contact, time to arrival squashed to 0..1, 1 / seconds to arrival.
    """

    frames: Tensor
    flags: Tensor

    def to(self, device: torch.device | str) -> Targets:
        """The same on a device."""
        return Targets(self.frames.to(device), self.flags.to(device))

    def at(self, frame: int) -> tuple[Tensor, Tensor]:
        """Current objectives of one frame."""
        return self.frames[:, frame], self.flags[:, frame]


def targets(objectives: Objectives, fps: float) -> Targets:
    """Objectives as tensors."""
    columns = np.moveaxis(quat.to_matrix(objectives.rotations)[..., :2], -1, -2)
    frames = np.concatenate([objectives.positions[..., None, :], columns], -2)
    seconds = objectives.time_to_arrival(fps)
    active = objectives.active
    flags = np.stack(
        [
            active,
            objectives.kinds == CONTACT,
            seconds / (seconds + ARRIVAL_SCALE),
            np.where(active, 1 / np.maximum(seconds, 1 / fps), 0),
        ],
        -1,
    )
    flat = frames.reshape(*frames.shape[:2], 3 * SLOTS, 3).astype(np.float32)
    return Targets(torch.from_numpy(flat), torch.from_numpy(flags.astype(np.float32)))


_IS_POSITION = torch.tensor([1.0, 0.0, 0.0]).repeat(SLOTS)[:, None]


def control_vector(state: Tensor, target: tuple[Tensor, Tensor], frame: Tensor, skeleton: Skeleton) -> Tensor:
    """What the objectives ask of a state (B, D), in its root space and in rig heights: (B, 8, 24) flattened.

    Per slot: target position (3) and rotation (6); position cost (3) and rotation cost (6), the differences to the
    key joint; the velocity that would close the position cost in time (3, heights a second); active, is a contact, time
    to arrival (1 each). The costs come from the given state, so in a roll-out they are those of the generated pose.
    """
    frames, flags = target
    is_position = _IS_POSITION.to(state.device)
    rows = 1 + is_position * (1 / skeleton.height - 1)
    moved = torch.addcmul(frames, state[:, None, :3], is_position, value=-1) * rows
    local = torch.bmm(moved, frame.transpose(1, 2)).view(-1, SLOTS, 9)
    cost = local - (state[:, 10:] @ skeleton.keys).view(-1, SLOTS, 9)
    rate = cost[:, :, :3] * flags[:, :, 3:]
    features = torch.cat([local, cost, rate, flags[:, :, :3]], -1)
    return (features * (flags[:, :, :1] * skeleton.mask)).flatten(1)


CONTROL_SCALE = (8.0, 4.0, 8.0, 4.0, 3.0, 1.0, 5.0)
"""Of what is asked of a slot: position and rotation of the objective, their costs, closing velocity, flags, time.

About one over what these entries spread by within a slot of walks; the same for every rig, for they are in rig heights.
"""


_CONTROL = torch.tensor(CONTROL_SCALE).repeat_interleave(torch.tensor([3, 6, 3, 6, 3, 2, 1])).repeat(SLOTS)
