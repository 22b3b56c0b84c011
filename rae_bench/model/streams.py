"""TODO."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from rae_bench.model.api import Domain
from rae_bench.model.config import TrainConfig
from rae_bench.model.control import targets
from rae_bench.model.features import Layout, changes, states
from rae_bench.model.step import Normal
from rae_bench.motion.motion import make_motion
from rae_bench.objectives.phases import local_phases


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


class SeveralStreams(IterableDataset):
    """One update's windows of each domain in turn, with the domain's place in the row."""

    def __init__(self, streams: Sequence[Streams]) -> None:
        self.streams = streams

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        turns = [iter(stream) for stream in self.streams]
        for update in range(self.streams[0].updates):
            which = update % len(turns)
            yield which, next(turns[which])
