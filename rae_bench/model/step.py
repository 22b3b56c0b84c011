"""One frame of a step network: what it may read, what it gives, and what goes on to the next frame.

A network with the plain call `change, phase = network(pose, control, phase)` sees three of these parts. A `StepNetwork`
sees a whole `Frame`: it may remember (`memory`), be given noise (`noise`), look at the truth in training (`following`),
ask for key joints and times to arrival, and add losses of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rae_bench.model.control import ARRIVAL_SCALE, CONTROL, FLAGS, PATH, SCALES, Target, control_vector
from rae_bench.model.features import SLOTS, Layout, Skeleton, advance, frame_of
from rae_bench.model.outputs import change_to, pose_columns, straight_change
from rae_bench.objectives.path import HORIZONS


class KeyLayout(NamedTuple):
    """Where the entries of a slot lie in `Frame.keys` (..., 12).

    Attributes:
        position: (3) of the key joint in root space, rig heights.
        rotation: (6) the first two columns of its rotation in root space, relative to the rest pose.
        velocity: (3) along the root's axes, rig heights a second.
    """

    position: slice = slice(0, 3)
    rotation: slice = slice(3, 9)
    velocity: slice = slice(9, 12)


KEYS = KeyLayout()
"""Where the entries of a slot lie in `Frame.keys`."""
TURN, PHASE = 1.0, 20.0
"""The largest Rodrigues parameter of a joint's turn in a frame of generated motion (a quarter turn), and of a phase."""
FAR, SUDDEN = 5.0, 15.0
"""How far from the training motion generated motion may be: turn and rise in standard deviations from their mean, and
the turn of a joint in a frame as a multiple of its usual size. With 5 % of the quadruped's motion as training motion,
the rest reaches 3.6 and 13.7."""


class Normal(nn.Module):
    """What poses and changes are scaled by, from training segments only.

    Attributes:
        mean, std: (4 + 12 J) of poses, in the places of `Layout.pose`.
        change: (4 + 3 J) usual size of changes.
    """

    mean: Tensor
    std: Tensor
    change: Tensor

    def __init__(self, mean: Tensor, std: Tensor, change: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.register_buffer("change", change)

    @property
    def next_pose(self) -> tuple[Tensor, Tensor]:
        """Mean and spread (4 + 6 J each) of absolute poses, in the places of the function `next_pose`."""
        columns = pose_columns(Layout((self.mean.shape[-1] - 4) // 12))
        return (
            torch.cat([self.mean[..., :4], self.mean[..., columns]], -1),
            torch.cat([self.std[..., :4], self.std[..., columns]], -1),
        )


class Carry(NamedTuple):
    """What goes on from frame to frame, B rows.

    Attributes:
        state: (B, D), see `Layout`.
        phase: (B, 16) local phase.
        memory: (B, M) what the network remembers; zeros where a clip starts.
        noise: (B, Z) standard normal; zeros for the mean.
    """

    state: Tensor
    phase: Tensor
    memory: Tensor
    noise: Tensor


class Draw(NamedTuple):
    """Random numbers that are asked for: `normal`, `uniform` or `permutation`, and the shape for one cell."""

    kind: str
    shape: tuple[int, ...]

    def of(self, generator: torch.Generator) -> Tensor:
        """Draw them."""
        if self.kind == "permutation":
            return torch.randperm(*self.shape, generator=generator)
        return {"normal": torch.randn, "uniform": torch.rand}[self.kind](self.shape, generator=generator)


class Draws:
    """Random numbers for training, from a generator for each cell; drawn on the CPU, so that all devices get the same.

    Args:
        generators: one, or one for each of K cells: what is drawn has a leading axis of K then.
        device: where it is put.
    """

    def __init__(
        self, generators: torch.Generator | Sequence[torch.Generator], device: torch.device | str = "cpu"
    ) -> None:
        self._generators, self._device = generators, torch.device(device)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers (..., *shape)."""
        return self.draw(Draw("normal", shape))

    def uniform(self, *shape: int) -> Tensor:
        """Numbers (..., *shape) in 0 <= x < 1."""
        return self.draw(Draw("uniform", shape))

    def permutation(self, count: int) -> Tensor:
        """Numbers from 0 on (..., count) in some order."""
        return self.draw(Draw("permutation", (count,)))

    def draw(self, asked: Draw) -> Tensor:
        """What is asked for."""
        given = self._generators
        if isinstance(given, torch.Generator):
            return put(asked.of(given), self._device)
        return put(torch.stack([asked.of(generator) for generator in given]), self._device)


def put(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on a device; on a GPU in order with its work, so that nobody waits."""
    if device.type != "cuda" or not tensor.numel():
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class Frame:
    """What a step network may read of B characters at one frame. Parts are computed when they are asked for.

    Every part but `pose` has the same width on every rig. Lengths are in rig heights.

    Attributes:
        phase, memory, noise: as of `Carry`.
        following: the true next frame with the present objectives, in training of networks that ask for it; else None.
        progress: share of training that is done, 0 to 1; 1 in generation. A tensor of it where an update is recorded.
        draws: random numbers in training; None in generation.
    """

    def __init__(
        self,
        carry: Carry,
        target: Target,
        skeleton: Skeleton,
        normal: Normal,
        following: Frame | None = None,
        progress: float | Tensor = 1.0,
        draws: Draws | None = None,
    ) -> None:
        self.phase, self.memory, self.noise = carry.phase, carry.memory, carry.noise
        self.following, self.progress, self.draws = following, progress, draws
        self._state, self._target, self._skeleton, self._normal = carry.state, target, skeleton, normal
        self._flags = target.flags

    @property
    def skeleton(self) -> Skeleton:
        """The rig's constants, for networks that read a rig instead of being made for one."""
        return self._skeleton

    @cached_property
    def axes(self) -> Tensor:
        """(B, 3, 3) of `frame_of`."""
        return frame_of(self._state)

    @cached_property
    def pose(self) -> Tensor:
        """(B, 4 + 12 J) z-scored pose, as `Layout.pose`: the root's turn and rise (4), then p, v, a and b."""
        return (self._state[:, self._skeleton.layout.pose] - self._normal.mean) / self._normal.std

    @cached_property
    def control(self) -> Tensor:
        """(B, 204) what objectives and path ask, each kind of entry times its scale, as the pose is z-scored."""
        return self._row * SCALES.to(self._state.device)

    @cached_property
    def _row(self) -> Tensor:
        return control_vector(self._state, self._target, self.axes, self._skeleton)

    @cached_property
    def asked(self) -> Tensor:
        """(B, 8, 24) what the objectives ask of each slot, in rig heights, see `ControlLayout`."""
        return self._row[..., : SLOTS * CONTROL.size].unflatten(-1, (SLOTS, CONTROL.size))

    @cached_property
    def path(self) -> Tensor:
        """(B, 3, 4) what the path asks at each horizon, in rig heights, see `PathLayout`; zeros without a path."""
        return self._row[..., SLOTS * CONTROL.size :].unflatten(-1, (len(HORIZONS), -1))

    @cached_property
    def keys(self) -> Tensor:
        """(B, 8, 12) key joints in root space, see `KeyLayout`. Slots without a joint are zeros."""
        skeleton = self._skeleton
        placed = (self._state[:, Layout.body] @ skeleton.keys).view(-1, SLOTS, 9)
        moved = self._state[:, skeleton.layout.v].unflatten(1, (-1, 3))[:, skeleton.key_joints]
        return torch.cat([placed, moved * (skeleton.mask / skeleton.height)], -1)

    @cached_property
    def active(self) -> Tensor:
        """(B, 8) 1 where a slot has an objective, else 0."""
        return (self._flags[:, :, FLAGS.active] * self._skeleton.mask)[:, :, 0]

    @cached_property
    def seconds(self) -> Tensor:
        """(B, 8) seconds to arrival of each slot's objective; 0 where there is none."""
        squashed = self._flags[:, :, FLAGS.time][:, :, 0]
        return self.active * ARRIVAL_SCALE * squashed / (1 - squashed)

    def risen(self, share: float) -> float | Tensor:
        """How far training is on the way to a share of it: 0 at its beginning, 1 from the share on."""
        done = self.progress / share
        return done.clamp(max=1) if isinstance(done, Tensor) else min(1.0, done)

    def steered(self, change: Tensor, step: Tensor, weight: Tensor) -> Tensor:
        """(B, 4 + 3 J) a change whose horizontal root motion is blended with a given step.

        Args:
            change: (B, 4 + 3 J) in units of the usual size.
            step: (B, 2) x and z of where the root is at the next frame, in its present root space, in rig heights.
            weight: (B, 1) weight of the step, 0 to 1; the root motion of the change has the rest.
        """
        wanted = (step * self._skeleton.height - self._state[..., 6:8]) / self._normal.change[..., :2]
        return torch.cat([torch.lerp(change[..., :2], wanted, weight), change[..., 2:]], -1)

    def change_to(self, pose: Tensor) -> Tensor:
        """(B, 4 + 3 J) the change that leads to a next pose (B, 4 + 6 J) of `next_pose`, which is given z-scored."""
        mean, std = self._normal.next_pose
        return change_to(self._state, pose * std + mean, self._skeleton) / self._normal.change

    @cached_property
    def straight(self) -> Tensor:
        """(B, 4 + 3 J) the change that goes straight for the objectives (`rae_bench.model.outputs.straight_change`)."""
        return straight_change(self._state, self.asked, self._flags, self._skeleton) / self._normal.change

    @cached_property
    def along(self) -> Tensor:
        """(B, 4 + 3 J) the change by which the root goes for the first place of its path, at an even pace.

        It is in units of the usual size. Only turn changes. Without a path it is zeros.
        """
        usual, mean, spread = (part[..., :3] for part in (self._normal.change, self._normal.mean, self._normal.std))
        first = self.path[..., 0, :]
        x, z = first[..., PATH.heading].split(1, -1)
        there = (x != 0) | (z != 0)
        place = first[..., PATH.position] * self._skeleton.height
        turn = torch.cat([place, torch.atan2(x, torch.where(there, z, 1.0))], -1) / (HORIZONS[0] * self._skeleton.fps)
        led = (turn - mean - self.pose[..., :3] * spread) / usual * there
        return torch.nn.functional.pad(led, (0, self._normal.change.shape[-1] - 3))

    def held(self, made: Next) -> Next:
        """What a network gave, kept within what bodies do and what the training motion makes likely.

        Turn and rise stay within `Skeleton.bounds` and `FAR` standard deviations of their mean. A joint turns by at
        most `TURN` and `SUDDEN` times its usual size. It is for generation. Numbers that motion has stay as they are.
        """
        usual, mean, spread = self._normal.change, self._normal.mean[..., :4], self._normal.std[..., :4]
        now = mean + self.pose[..., :4] * spread
        low, high = self._skeleton.bounds
        least = torch.maximum(low, mean - FAR * spread) - now
        most = torch.minimum(high, mean + FAR * spread) - now
        root = torch.clamp(made.change[..., :4], least / usual[..., :4], most / usual[..., :4])
        turns = (TURN / usual[..., 4:]).clamp(max=SUDDEN)
        change = torch.cat([root, torch.clamp(made.change[..., 4:], -turns, turns)], -1)
        return made._replace(change=change, phase=made.phase.clamp(-PHASE, PHASE))

    def moved(self, change: Tensor) -> Tensor:
        """(B, D) the state that a change leads to."""
        return advance(self._state, change * self._normal.change, self.axes, self._skeleton)


class Next(NamedTuple):
    """What a step network gives for one frame.

    Attributes:
        change: (B, 4 + 3 J) how root and joints move, in units of their usual size: zeros hold the pose.
        phase: (B, 16) the next local phase.
        memory: (B, M) what is remembered; None leaves the memory as it is.
        losses: weighted scalars that training adds to its own loss, averaged over the frames of a window.
        notes: scalars to report. Those of the last update stand in the cost of a cell, as if declared
            (`Context.declare`).
    """

    change: Tensor
    phase: Tensor
    memory: Tensor | None = None
    losses: Mapping[str, Tensor] = {}
    notes: Mapping[str, Tensor] = {}


class StepNetwork(nn.Module):
    """A network called as `network(frame)`, giving a `Next`.

    Attributes:
        memory, noise: widths of what it remembers and of the noise that it is given.
        noise_held: whether noise is drawn once for a clip instead of anew for each frame.
        reads_following: whether it reads `Frame.following` in training.
    """

    memory: int = 0
    noise: int = 0
    noise_held: bool = False
    reads_following: bool = False
    stacks: bool = False


def needs_of(network: nn.Module) -> StepNetwork:
    """The network itself where it is a `StepNetwork`; else one that needs nothing."""
    return network if isinstance(network, StepNetwork) else _PLAIN


_PLAIN = StepNetwork()


def run_step(network: nn.Module, frame: Frame, *, held: bool = False) -> tuple[Carry, Next]:
    """One frame on: what is carried, with the same noise, and what the network gave.

    Args:
        held: whether it is kept within what bodies do, as in generation.
    """
    if isinstance(network, StepNetwork):
        made = network(frame)
    else:
        made = Next(*network(frame.pose, frame.control, frame.phase))
    memory = frame.memory if made.memory is None else made.memory
    made = frame.held(made) if held else made
    return Carry(frame.moved(made.change), made.phase, memory, frame.noise), made
