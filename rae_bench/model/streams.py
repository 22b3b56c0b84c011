"""Windows of a domain's segments: where they start, what is in them, and the streams that training walks along."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from rae_bench.model.api import Domain
from rae_bench.model.config import TrainConfig
from rae_bench.model.control import ControlTargets, control_targets
from rae_bench.model.features import Layout, changes, states
from rae_bench.model.step import Normal
from rae_bench.motion.motion import make_motion
from rae_bench.objectives.phases import local_phases


class Window(NamedTuple):
    """B windows of L frames each.

    Attributes:
        states: (B, L, D), see `Layout`.
        frames: (B, L, 24, 3) of `ControlTargets`.
        flags: (B, L, 8, 4) of `ControlTargets`.
        path: (B, L, 3, 4) of `ControlTargets`.
        start: (B, 16) local phase at the first frame, from its past alone, as a model knows it in generation.
        phases: (B, L, 16) local phase at every frame.
        contacts: (B, L, C) 1 where a contact joint of the rig touches the ground, else 0.
    """

    states: Tensor
    frames: Tensor
    flags: Tensor
    path: Tensor
    start: Tensor
    phases: Tensor
    contacts: Tensor

    @property
    def targets(self) -> ControlTargets:
        """What is asked at every frame."""
        return ControlTargets(self.frames, self.flags, self.path)


class WindowSet(NamedTuple):
    """All windows of L frames that lie within a domain's segments: no window reaches into padding.

    Attributes:
        length: L.
        starts: (W, 2) int64, clip and first frame of every window.
        states: (N, T, D) of the segments, from which windows are gathered; so are the others.
        targets: `ControlTargets` of shape (N, T, ...).
        past: (N, T, 16) local phase at every frame, from its past alone.
        phases: (N, T, 16) local phase at every frame.
        contacts: (N, T, C) 0 or 1.
    """

    length: int
    starts: Tensor
    states: Tensor
    targets: ControlTargets
    past: Tensor
    phases: Tensor
    contacts: Tensor

    def gather(self, starts: Tensor) -> Window:
        """The windows that begin at `starts` (B, 2), for instance at `windows.starts[torch.randint(...)]`."""
        device = self.states.device
        clip, first = starts[:, 0].to(device), starts[:, 1].to(device)
        at = (clip[:, None], first[:, None] + torch.arange(self.length, device=device))
        return Window(
            self.states[at],
            self.targets.frames[at],
            self.targets.flags[at],
            self.targets.path[at],
            self.past[clip, first],
            self.phases[at],
            self.contacts[at],
        )


def windows(domain: Domain, length: int, device: torch.device | str = "cpu") -> WindowSet:
    """All windows of `length` frames of a domain's segments, gathered from tensors in the memory of `device`.

    `starts` stays on the CPU, so that what is drawn from it is the same on every device. It is empty where no segment
    is as long as a window.
    """
    motion = domain.motion
    past = local_phases(motion, domain.objectives, past_only=True) if len(domain) else np.zeros_like(domain.phases)
    room = np.maximum(motion.lengths - length + 1, 0)
    first = [np.arange(count) for count in room]
    starts = np.stack([np.repeat(np.arange(len(room)), room), np.concatenate(first) if first else np.zeros(0, int)], 1)
    return WindowSet(
        length,
        torch.from_numpy(starts.astype(np.int64)),
        states(motion).to(device),
        control_targets(domain.objectives, motion.fps, domain.path).to(device),
        torch.from_numpy(past).flatten(2).to(device),
        torch.from_numpy(domain.phases).flatten(2).to(device),
        torch.from_numpy(motion.contacts.astype(np.float32)).to(device),
    )


def statistics(domain: Domain) -> Normal:
    """Mean and spread of a domain's poses, and the size of its changes; of the rest pose where the domain is empty.

    Padding does not count. Spreads have a floor, so that a feature which happens not to move in a small fraction is not
    blown up: sqrt(variance + floor^2).

    Returns:
        `mean` and `std` (4 + 12 J), in the places of `Layout.pose`; `change` (4 + 3 J), as of `changes`.
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


class Batch(NamedTuple):
    """The windows of one update: B windows of L frames.

    Attributes:
        states, frames, flags, path, start, phases, contacts: as of `Window`.
        fresh: (B,) bool, whether the stream starts here. If not, its first frame is the last one of the window before.
        coins: (B, L) in 0 to 1, for scheduled sampling.
    """

    states: Tensor
    frames: Tensor
    flags: Tensor
    path: Tensor
    start: Tensor
    phases: Tensor
    contacts: Tensor
    fresh: Tensor
    coins: Tensor

    @property
    def targets(self) -> ControlTargets:
        """What is asked at every frame."""
        return ControlTargets(self.frames, self.flags, self.path)


class Streams(IterableDataset):
    """Windows of a domain's segments, all in the memory of `device`, one batch an item.

    Each of the B rows is a stream. It starts at a random frame of a random segment and walks on window by window to the
    segment's end. A model that carries its own last state over meets the errors of long roll-outs in this way, although
    it learns from short windows.

    What is drawn is drawn on the CPU, so that it is the same on every device.
    """

    def __init__(
        self, domain: Domain, config: TrainConfig, updates: int, seed: int, device: torch.device | str = "cpu"
    ) -> None:
        self.config, self.updates, self.seed, self.device = config, updates, seed, torch.device(device)
        self.windows = windows(domain, config.length, device)
        self.last = torch.from_numpy(domain.motion.lengths - config.length)
        """Last frame at which a window of each segment can start."""

    def __iter__(self) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(self.seed)
        count, length = self.config.windows, self.config.length
        clip = torch.zeros(count, dtype=torch.long)
        first = self.last.max() + torch.ones(count, dtype=torch.long)
        starts = self.windows.starts
        for _ in range(self.updates):
            fresh = first > self.last[clip]
            pick = torch.randint(len(starts), (count,), generator=generator)
            clip = torch.where(fresh, starts[pick, 0], clip)
            first = torch.where(fresh, starts[pick, 1], first)
            window = self.windows.gather(torch.stack([clip, first], 1))
            coins = torch.rand(count, length, generator=generator).to(self.device)
            yield Batch(*window, fresh.to(self.device), coins)
            first = first + length - 1


class TurnTakingStreams(IterableDataset):
    """The windows of each domain in turn, an update each, with the domain's place in the row."""

    def __init__(self, streams: Sequence[Streams]) -> None:
        self.streams = streams

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        turns = [iter(stream) for stream in self.streams]
        for update in range(self.streams[0].updates):
            which = update % len(turns)
            yield which, next(turns[which])
