"""What objectives ask of a pose, as tensors; docs/guides/model.md draws the layout."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rae_bench.kinematics import quat
from rae_bench.model.features import SLOTS, Layout, Skeleton
from rae_bench.objectives.objectives import CONTACT, Objectives
from rae_bench.objectives.path import HORIZONS, RootPath


class ControlLayout(NamedTuple):
    """Where the entries of a slot lie in a control row (..., 24). All are in root space; lengths are in rig heights.

    Attributes:
        target_position: (3) where the objective is.
        target_rotation: (6) the first two columns of its rotation, relative to the rest pose.
        target: both of them.
        position_cost: (3) `target_position` less where the key joint is.
        rotation_cost: (6) `target_rotation` less the same columns of the key joint.
        cost: both of them.
        closing_velocity: (3) heights a second that would bring the position cost to zero in time.
        active: (1) whether the slot has an objective, 0 or 1.
        contact: (1) whether the objective is a contact, 0 or 1.
        time: (1) seconds t to arrival as t / (t + `ARRIVAL_SCALE`), 0 to 1.
        size: 24.
    """

    target_position: slice = slice(0, 3)
    target_rotation: slice = slice(3, 9)
    target: slice = slice(0, 9)
    position_cost: slice = slice(9, 12)
    rotation_cost: slice = slice(12, 18)
    cost: slice = slice(9, 18)
    closing_velocity: slice = slice(18, 21)
    active: slice = slice(21, 22)
    contact: slice = slice(22, 23)
    time: slice = slice(23, 24)
    size: int = 24


class FlagLayout(NamedTuple):
    """Where the entries of a slot lie in `ControlTargets.flags` (..., 4).

    Attributes:
        active, contact, time: as of `ControlLayout`.
        known: all three of them.
        rate: one over the seconds to arrival, at most one a frame; 0 without an objective.
    """

    active: slice = slice(0, 1)
    contact: slice = slice(1, 2)
    time: slice = slice(2, 3)
    known: slice = slice(0, 3)
    rate: slice = slice(3, 4)


class PathLayout(NamedTuple):
    """Where the entries of the path lie in `Frame.path` (..., 3, 4), one row for each of its horizons, in root space.

    Attributes:
        position: (2) x and z of where the root is asked to be, rig heights.
        heading: (2) x and z of the direction that it is asked to face, a unit vector; zeros where there is no path.
    """

    position: slice = slice(0, 2)
    heading: slice = slice(2, 4)


CONTROL = ControlLayout()
"""Where the entries of a slot lie in `Frame.asked` and in a control row."""
FLAGS = FlagLayout()
"""Where the entries of a slot lie in `ControlTargets.flags`."""
PATH = PathLayout()
"""Where the entries of the path lie in `Frame.path`."""
PATH_SIZE = 4 * len(HORIZONS)
"""How many numbers the path has in a control row."""
CONTROL_SIZE = CONTROL.size * SLOTS + PATH_SIZE
"""How many numbers a control row has: those of all slots, then those of the path."""
CONTROL_SCALE = {
    "target_position": 8.0,
    "target_rotation": 4.0,
    "position_cost": 8.0,
    "rotation_cost": 4.0,
    "closing_velocity": 3.0,
    "active": 1.0,
    "contact": 1.0,
    "time": 5.0,
}
"""By what `Frame.control` multiplies each entry, as a pose is z-scored.

A factor is about one over the spread of its entries within a slot of walks. The factors are the same for every rig,
because the entries are in rig heights.
"""
PATH_SCALE = 2.0
"""By what `Frame.control` multiplies the path."""
ARRIVAL_SCALE = 0.5
"""Seconds. Times to arrival are fed as t / (t + this), which keeps near arrivals apart and far ones bounded."""


class ControlTargets(NamedTuple):
    """Objectives and path as tensors, with rows as in `Objectives`.

    Attributes:
        frames: (N, T, 24, 3) per slot the world position, then the first two columns of the rest-relative rotation.
        flags: (N, T, 8, 4) per slot, see `FlagLayout`.
        path: (N, T, 3, 4) per horizon x and z of the place, metres, then of the direction, world; all zeros where there
            is no path.
    """

    frames: Tensor
    flags: Tensor
    path: Tensor

    def to(self, device: torch.device | str) -> ControlTargets:
        """The same on a device."""
        return ControlTargets(*(part.to(device) for part in self))

    def at(self, frame: int) -> Target:
        """What is asked at one frame."""
        return Target(self.frames[:, frame], self.flags[:, frame], self.path[:, frame])


class Target(NamedTuple):
    """What is asked at one frame of B clips: `frames` (B, 24, 3), `flags` (B, 8, 4), `path` (B, 3, 4)."""

    frames: Tensor
    flags: Tensor
    path: Tensor


def control_targets(objectives: Objectives, fps: float, path: RootPath | None = None) -> ControlTargets:
    """Objectives (N, T, 8, ...) and path of clips at `fps` frames a second as tensors."""
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
    if path is None:
        way = np.zeros((*flat.shape[:2], len(HORIZONS), 4), np.float32)
    else:
        facing = np.stack([np.sin(path.headings), np.cos(path.headings)], -1)
        way = np.concatenate([path.positions, facing], -1).astype(np.float32)
    return ControlTargets(
        torch.from_numpy(flat), torch.from_numpy(flags.astype(np.float32)), torch.from_numpy(way)
    )


_IS_POSITION = torch.tensor([1.0, 0.0, 0.0]).repeat(SLOTS)[:, None]


def control_vector(state: Tensor, target: Target, frame: Tensor, skeleton: Skeleton) -> Tensor:
    """What objectives and path ask of states: (B, 204), a row of `ControlLayout` per slot, then one of `PathLayout` per
    horizon.

    The costs come from the given states. In a roll-out they are therefore those of the generated pose. Slots without an
    objective, or without a joint on this rig, are zeros; so is the path where there is none.

    Args:
        state: (B, D).
        target: of `ControlTargets.at`.
        frame: `frame_of(state)`.
    """
    frames, flags, _ = target
    is_position = _IS_POSITION.to(state.device)
    rows = 1 + is_position * (1 / skeleton.height - 1)
    moved = torch.addcmul(frames, state[:, None, Layout.origin], is_position, value=-1) * rows
    local = torch.bmm(moved, frame.transpose(1, 2)).view(-1, SLOTS, 9)
    cost = local - (state[:, Layout.body] @ skeleton.keys).view(-1, SLOTS, 9)
    rate = cost[:, :, CONTROL.target_position] * flags[:, :, FLAGS.rate]
    features = torch.cat([local, cost, rate, flags[:, :, FLAGS.known]], -1)
    asked = features * (flags[:, :, FLAGS.active] * skeleton.mask)
    return torch.cat([asked.flatten(1), _path_vector(state, target, frame, skeleton)], 1)


def _path_vector(state: Tensor, target: Target, frame: Tensor, skeleton: Skeleton) -> Tensor:
    """What the path asks of states: (B, 12), zeros where there is no path."""
    ground = frame[:, ::2, ::2].transpose(1, 2)  # the root's axes on the ground: x and z
    path = target.path
    there = (path[..., PATH.heading] != 0).any(-1, keepdim=True)
    place = (path[..., PATH.position] - state[:, None, 0:3:2]) / skeleton.height
    both = torch.stack([place * there, path[..., PATH.heading]], 2)
    return torch.matmul(both, ground[:, None]).flatten(1)


def _scales() -> Tensor:
    row = torch.empty(CONTROL.size)
    for name, factor in CONTROL_SCALE.items():
        row[getattr(CONTROL, name)] = factor
    return torch.cat([row.repeat(SLOTS), torch.full((PATH_SIZE,), PATH_SCALE)])


SCALES = _scales()
"""(204,) the factors of `CONTROL_SCALE` and `PATH_SCALE` in the places of a control row."""
