"""Batches of many cells: the windows of each cell's streams, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rae_bench.model.api import Domain
from rae_bench.model.control import ControlTargets
from rae_bench.model.engine.asking import Asked
from rae_bench.model.engine.geometry import BodyPlan
from rae_bench.model.features import SLOTS
from rae_bench.model.streams import WindowSet, windows
from rae_bench.objectives.path import HORIZONS


class CellBatch(NamedTuple):
    """The windows of one update: K cells of B windows of L frames.

    Attributes:
        first: (K, D, B) bodies at the first frame, which is given.
        true: (K, L - 1, D, B) bodies at the others.
        frames, flags, path: (K, L, ...) of `Asked`.
        contacts: (K, L, C, B) 1 where a contact joint touches the ground.
        start: (K, B, 16) local phase at the first frame, from its past alone.
        phases: (K, B, L, 16) local phase at every frame.
        fresh: (K, B) bool, whether the stream starts here.
        coins: (K, B, L) in 0 to 1, for scheduled sampling.
    """

    first: Tensor
    true: Tensor
    frames: Tensor
    flags: Tensor
    path: Tensor
    contacts: Tensor
    start: Tensor
    phases: Tensor
    fresh: Tensor
    coins: Tensor

    def flat(self, plan: BodyPlan) -> tuple[Tensor, ...]:
        """The fields of `rae_bench.model.streams.Batch`, each with an axis of cells."""
        states = torch.cat([self.first[:, None], self.true], 1)
        return (
            plan.windows(states),
            self.frames.permute(0, 5, 1, 4, 3, 2).flatten(3, 4),
            self.flags.permute(0, 4, 1, 3, 2),
            self.path.permute(0, 4, 1, 3, 2),
            self.start,
            self.phases,
            self.contacts.permute(0, 3, 1, 2),
            self.fresh,
            self.coins,
        )

    def asked(self, t: int) -> Asked:
        """What is asked at a frame."""
        return Asked(self.frames[:, t], self.flags[:, t], self.path[:, t])


class Drawn(NamedTuple):
    """What is drawn for one update.

    Attributes:
        rows: (K, B) where each window begins in the frames of all cells.
        fresh, coins: as of `CellBatch`.
    """

    rows: Tensor
    fresh: Tensor
    coins: Tensor


class CellStreams:
    """Streams of K cells as of `rae_bench.model.streams.Streams`: cell k's windows are those of its domain and seed.

    What is drawn is drawn on the CPU, from a generator for each cell.
    """

    def __init__(
        self, domains: Sequence[Domain], seeds: Sequence[int], count: int, length: int, plan: BodyPlan
    ) -> None:
        self.count, self.length, self.plan = count, length, plan
        device = plan.chain.device
        each = list({id(domain): domain for domain in domains}.values())
        sets = [windows(domain, length) for domain in each]
        at = [next(i for i, one in enumerate(each) if one is domain) for domain in domains]
        self._starts = torch.cat([one.starts for one in sets])  # clip and first frame of every window
        self._last = torch.cat([torch.from_numpy(domain.motion.lengths - length) for domain in each])
        self._windows = [len(sets[i].starts) for i in at]
        self._before = _before([len(one.starts) for one in sets])[at]
        self._clips = _before([one.states.shape[0] for one in sets])[at]
        self._frames = torch.tensor([one.states.shape[1] for one in sets])[at, None]
        self._rows = _before([one.states.shape[0] * one.states.shape[1] for one in sets])[at]
        self._bodies = torch.cat([one.states.flatten(0, 1)[:, plan.order.cpu()] for one in sets]).to(device)
        self._asked = torch.cat([_asked_rows(one) for one in sets]).to(device)
        self._phases = torch.cat([one.phases.flatten(0, 1) for one in sets]).to(device)
        self._past = torch.cat([one.past.flatten(0, 1) for one in sets]).to(device)
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._clip = torch.zeros(len(domains), count, dtype=torch.long)
        self._first = self._last.max() + torch.ones_like(self._clip)  # past the end of any clip

    def draw(self) -> Drawn:
        """What the next update begins from, on the CPU."""
        count, length = self.count, self.length
        picks, coins = [], []
        for generator, among in zip(self._generators, self._windows, strict=True):
            picks.append(torch.randint(among, (count,), generator=generator))
            coins.append(torch.rand(count, length, generator=generator))
        fresh = self._first > self._last[self._clip + self._clips]
        starts = self._starts[torch.stack(picks) + self._before]
        self._clip = torch.where(fresh, starts[..., 0], self._clip)
        self._first = torch.where(fresh, starts[..., 1], self._first)
        rows = self._clip * self._frames + self._first + self._rows
        self._first = self._first + length - 1
        return Drawn(rows, fresh, torch.stack(coins))

    def batch(self, drawn: Drawn) -> CellBatch:
        """The windows that were drawn, on the device of the frames, which `drawn` is on too."""
        count, length = self.count, self.length
        first = drawn.rows
        at = first[..., None] + torch.arange(length, device=first.device)  # (K, B, L)
        bodies = self._bodies[at[..., 1:]].permute(0, 2, 3, 1).contiguous()
        asked = self._asked[at].permute(0, 2, 3, 1).contiguous()
        frames, flags, path, contacts = asked.split([*_ASKED, asked.shape[2] - sum(_ASKED)], 2)
        lead = (len(first), length)
        return CellBatch(
            self._bodies[first].transpose(1, 2).contiguous(),
            bodies,
            frames.view(*lead, 3, 3, SLOTS, count),
            flags.view(*lead, 4, SLOTS, count),
            path.view(*lead, 4, len(HORIZONS), count),
            contacts,
            self._past[first],
            self._phases[at],
            drawn.fresh,
            drawn.coins,
        )


def _before(counts: Sequence[int]) -> Tensor:
    """(K, 1) how many there are before each."""
    return torch.from_numpy(np.cumsum([0, *counts])[:-1, None])


_ASKED = (9 * SLOTS, 4 * SLOTS, 4 * len(HORIZONS))
"""Widths of frames, flags and path in a row."""


def asked_of_targets(targets: ControlTargets, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """`Asked` of N clips, frame by frame: frames (T, 3, 3, 8, N), flags (T, 4, 8, N) and path (T, 4, 3, N)."""
    frames = targets.frames.unflatten(2, (SLOTS, 3)).permute(1, 4, 3, 2, 0)
    flags, path = targets.flags.permute(1, 3, 2, 0), targets.path.permute(1, 3, 2, 0)
    return frames.contiguous().to(device), flags.contiguous().to(device), path.contiguous().to(device)


def _asked_rows(one: WindowSet) -> Tensor:
    """(N T, 116 + C) of a set: frames [axis, row, slot], flags [flag, slot], path [entry, horizon], contacts."""
    frames = one.targets.frames.flatten(0, 1).unflatten(1, (SLOTS, 3)).permute(0, 3, 2, 1)
    flags, path = one.targets.flags.flatten(0, 1).mT, one.targets.path.flatten(0, 1).mT
    return torch.cat([frames.flatten(1), flags.flatten(1), path.flatten(1), one.contacts.flatten(0, 1)], 1)
