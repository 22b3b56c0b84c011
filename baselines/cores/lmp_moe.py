"""`lmp-moe`: a mixture of experts gated by the local phases of a window of two seconds.

The paper is Starke, Zhao, Komura, Zaman 2020, "Local Motion Phases for Learning Multi-Contact Character Movements"
(SIGGRAPH). The gate (104-128-128-8, ELU) reads the phase vectors of every key joint at 13 samples, from one second
before to one second after the frame. Three blended layers of 512 follow, with 8 experts and dropout 0.3 (`paper`;
`small` has no dropout). For each key joint the network gives the next phase vector and the phase's increment. The next
phase is half the predicted vector, and half the old one turned on by the increment.

Mapped onto objectives, what they ask takes the place of the trajectory. The eight roles make 13 x 16 gate inputs. Past
samples are remembered from the clip so far. They are a sixth of a second apart at every frame rate: the core keeps a
phase every thirtieth of a second, blended from two frames where none is just then.

This departs from the paper in two points. Future samples are not predicted one by one: they are the current phase
turned on by the last increment, which is in radians a thirtieth of a second. And contacts are not predicted.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from rae_bench.model import Frame

from ..layers import MixedStack, mlp
from ..parts import Core, CoreOutput, Widths

ABOUT = {
    "class": "LmpMoE",
    "version": 2,
    "paper": "Local Motion Phases for Learning Multi-Contact Character Movements, SIGGRAPH 2020",
    "licence": "MIT",
    "description": "mixture of experts, gated by a window of local phases",
    "parameters": 419_525,
}
PRESETS = {
    "small": {"width": 128, "experts": 4, "gate": 128, "dropout": 0.0},
    "paper": {"width": 512, "experts": 8, "gate": 128, "dropout": 0.3},
}
RATE = 30.0
"""Phases of the past that are kept, a second, whatever the frame rate of the motion is."""
STEP, SIDE = 5, 6
"""Kept phases between samples, and samples to either side: a sixth of a second apart, a second to either side."""
PAST = STEP * SIDE + 1
"""Kept phases: those of a second, and one before it to blend with."""
BLEND = 0.5
EVEN = 1e-4
"""A frame so near to the time of the next kept phase is at it: times are sums of floats."""


def turned(phase: Tensor, angle: Tensor) -> Tensor:
    """Phase vectors (..., 2), as (sin, cos), turned on by angles (...) in radians."""
    sin, cos = phase.unbind(-1)
    s, c = torch.sin(angle), torch.cos(angle)
    return torch.stack([sin * c + cos * s, cos * c - sin * s], -1)


def next_phase(phase: Tensor, predicted: Tensor, increment: Tensor) -> Tensor:
    """(B, 8, 2) half way from vectors (B, 8, 2), turned on by increments (B, 8) in radians, to predicted ones."""
    return BLEND * turned(phase, increment) + (1 - BLEND) * predicted


class Past(NamedTuple):
    """What is remembered at a frame of B characters.

    Attributes:
        known: (B, 1) 1 once there is a past.
        late: (B, 1) how long ago, as of the frame before, the newest kept phase was: 0 to 1 of 1 / RATE seconds.
        last: (B, 16) the phase of the frame before.
        kept: (B, PAST, 16) phases every 1 / RATE seconds, the newest first.
        increment: (B, 8) radians in 1 / RATE seconds.
    """

    known: Tensor
    late: Tensor
    last: Tensor
    kept: Tensor
    increment: Tensor

    @classmethod
    def of(cls, memory: Tensor, phase: Tensor) -> Past:
        """What a memory (B, M) holds at a frame; where there is no past yet, it was always as now, (B, 16)."""
        width = phase.shape[-1]
        known, late, last, kept, increment = memory.split([1, 1, width, PAST * width, width // 2], -1)
        kept = torch.where(known[..., None] > 0, kept.unflatten(-1, (PAST, width)), phase[..., None, :])
        return cls(known, late, torch.where(known > 0, last, phase), kept, increment)

    def samples(self, pace: float) -> Tensor:
        """(B, 6, 16) phases a sixth of a second apart, the oldest first; `pace` is RATE times a frame's seconds."""
        ago = STEP * torch.arange(SIDE, 0, -1, dtype=self.late.dtype, device=self.late.device)
        place = (ago - self.late - pace).clamp(min=0)[..., None]  # (B, 6, 1) among what is kept
        whole = place.floor().clamp(max=PAST - 2)
        at = whole.long().expand(*whole.shape[:-1], self.kept.shape[-1])
        return torch.lerp(self.kept.gather(-2, at), self.kept.gather(-2, at + 1), place - whole)

    def after(self, phase: Tensor, increment: Tensor, pace: float) -> Tensor:
        """The memory (B, M) after a frame with this phase (B, 16): each 1 / RATE seconds one more is kept."""
        kept, late = self.kept, self.late + pace
        for _ in range(math.ceil(pace)):
            due = late > 1 - EVEN
            late = torch.where(due, (late - 1).clamp(min=0), late)
            between = torch.lerp(phase, self.last, (late / pace).clamp(max=1))
            more = torch.cat([between[..., None, :], kept[..., :-1, :]], -2)
            kept = torch.where(due[..., None], more, kept)
        return torch.cat([torch.ones_like(late), late, phase, kept.flatten(-2), increment], -1)


class LmpMoE(Core):
    """`width` is that of the experts, `gate` that of the gate. The memory is a `Past`."""

    stacks = True

    def __init__(self, widths: Widths, width: int, experts: int, gate: int, dropout: float) -> None:
        super().__init__()
        slots = widths.phase // 2
        self.memory = 2 + (1 + PAST) * widths.phase + slots
        self.split = [widths.embedding, widths.phase, slots]
        self.gate = mlp((2 * SIDE + 1) * widths.phase, gate, gate, experts)
        wide = widths.given + widths.control
        self.mixture = MixedStack(experts, wide, width, sum(self.split), widths.extra, dropout)

    def forward(
        self, given: Tensor, frame: Frame, after: Tensor | None = None, extra: Tensor | None = None
    ) -> CoreOutput:
        """Change of the embedding, the next phase and what is remembered."""
        # As in the paper, where a network learns from single frames, nothing is learnt through the window: a sample a
        # second ahead would multiply an increment's gradient by thirty at every frame.
        now, pace = frame.phase.detach(), RATE / frame.skeleton.fps
        past = Past.of(frame.memory.detach(), now)
        gates = torch.softmax(self.gate(window(now, past, pace).flatten(-2)), -1)
        out = self.mixture(torch.cat([given, frame.control], -1), gates, extra, frame.draws)
        change, predicted, increment = out.split(self.split, -1)
        pairs = [x.unflatten(-1, (-1, 2)) for x in (frame.phase, predicted)]
        phase = next_phase(pairs[0], pairs[1], pace * increment).flatten(-2)
        return CoreOutput(change, phase, past.after(now, increment.detach(), pace))


def window(phase: Tensor, past: Past, pace: float) -> Tensor:
    """Samples (B, 13, 16) around a frame with this phase (B, 16), from a second before to a second after it."""
    ahead = STEP * torch.arange(1, SIDE + 1, dtype=phase.dtype, device=phase.device)
    angles = past.increment[..., None, :] * ahead[:, None]
    future = turned(phase.unflatten(-1, (-1, 2))[..., None, :, :], angles).flatten(-2)
    return torch.cat([past.samples(pace), phase[..., None, :], future], -2)
