"""`lmp-moe`: a mixture of experts gated by the local phases of a window of two seconds.

The paper is Starke, Zhao, Komura, Zaman 2020, "Local Motion Phases for Learning Multi-Contact Character Movements"
(SIGGRAPH). The gate (104-128-128-8, ELU) reads the phase vectors of every key joint at 13 samples, from one second
before to one second after the frame. Three blended layers of 512 follow, with 8 experts and dropout 0.3 (`paper`;
`small` has no dropout). For each key joint the network gives the next phase vector and the phase's increment. The next
phase is half the predicted vector, and half the old one turned on by the increment.

Mapped onto objectives, what they ask takes the place of the trajectory. The eight roles make 13 x 16 gate inputs. Past
samples are remembered from the clip so far.

This departs from the paper in two points. Future samples are not predicted one by one, because training windows are
shorter than a second: they are the current phase turned on by the last increment. And contacts are not predicted.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rae_bench.model import Frame

from ..layers import MixedStack, mlp
from ..parts import Core, CoreOutput, Widths

ABOUT = {
    "class": "LmpMoE",
    "version": 1,
    "paper": "Local Motion Phases for Learning Multi-Contact Character Movements, SIGGRAPH 2020",
    "licence": "MIT",
    "description": "mixture of experts, gated by a window of local phases",
    "parameters": 419_525,
}
PRESETS = {
    "small": {"width": 128, "experts": 4, "gate": 128, "dropout": 0.0},
    "paper": {"width": 512, "experts": 8, "gate": 128, "dropout": 0.3},
}
STEP, SIDE = 5, 6
"""Frames between samples, and samples to either side: 30 frames, a second at the benchmark's 30 frames a second."""
PAST = STEP * SIDE
BLEND = 0.5


def turned(phase: Tensor, angle: Tensor) -> Tensor:
    """Phase vectors (..., 2), as (sin, cos), turned on by angles (...) in radians."""
    sin, cos = phase.unbind(-1)
    s, c = torch.sin(angle), torch.cos(angle)
    return torch.stack([sin * c + cos * s, cos * c - sin * s], -1)


def next_phase(phase: Tensor, predicted: Tensor, increment: Tensor) -> Tensor:
    """(B, 8, 2) half way from vectors (B, 8, 2), turned on by increments (B, 8) in radians, to predicted ones."""
    return BLEND * turned(phase, increment) + (1 - BLEND) * predicted


class LmpMoE(Core):
    """`width` is that of the experts, `gate` that of the gate.

    The memory holds one entry that is 1 once there is a past, (30, 16) phases with the oldest first, and (8,) the last
    increments.
    """

    stacks = True

    def __init__(self, widths: Widths, width: int, experts: int, gate: int, dropout: float) -> None:
        super().__init__()
        self.slots = widths.phase // 2
        self.memory = 1 + PAST * widths.phase + self.slots
        self.split = [widths.embedding, widths.phase, self.slots]
        self.gate = mlp((2 * SIDE + 1) * widths.phase, gate, gate, experts)
        wide = widths.given + widths.control
        self.mixture = MixedStack(experts, wide, width, sum(self.split), widths.extra, dropout)

    def window(self, phase: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Samples (B, 13, 16) around the frame, and the past (B, 30, 16); the first frame's past is its own phase."""
        known, past, increment = memory.split([1, PAST * phase.shape[-1], self.slots], -1)
        past = past.unflatten(-1, (PAST, -1))
        past = torch.where(known[..., None] > 0, past, phase[..., None, :].expand_as(past))
        ahead = STEP * torch.arange(1, SIDE + 1, dtype=phase.dtype, device=phase.device)
        angles = increment[..., None, :] * ahead[:, None]
        future = turned(phase.unflatten(-1, (-1, 2))[..., None, :, :], angles).flatten(-2)
        return torch.cat([past[..., ::STEP, :], phase[..., None, :], future], -2), past

    def forward(
        self, given: Tensor, frame: Frame, after: Tensor | None = None, extra: Tensor | None = None
    ) -> CoreOutput:
        """Change of the embedding, the next phase and what is remembered."""
        # As in the paper, where a network learns from single frames, nothing is learnt through the window: a sample a
        # second ahead would multiply an increment's gradient by thirty at every frame.
        samples, past = self.window(frame.phase.detach(), frame.memory.detach())
        gates = torch.softmax(self.gate(samples.flatten(-2)), -1)
        out = self.mixture(torch.cat([given, frame.control], -1), gates, extra, frame.draws)
        change, predicted, increment = out.split(self.split, -1)
        pairs = [x.unflatten(-1, (-1, 2)) for x in (frame.phase, predicted)]
        phase = next_phase(pairs[0], pairs[1], increment).flatten(-2)
        past = torch.cat([past[..., 1:, :], frame.phase[..., None, :]], -2).flatten(-2)
        memory = torch.cat([torch.ones_like(past[..., :1]), past, increment], -1)
        return CoreOutput(change, phase, memory)
