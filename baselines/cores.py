"""Cores: the rig-independent generator, in embedding space."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import MixedLinear, mlp

PHASE_UPDATE = 0.9
"""Share of the newly predicted phase; the rest is the old one (thesis.md, "OMG")."""


class OmgMoE(nn.Module):
    """The thesis' objective-driven generator: a mixture of experts gated by local phases.

    z' = z + MoE(phase, z, CostEnc(control)); three blended layers with ELU between them.
    """

    def __init__(
        self, control: int, phase: int, embedding: int, hidden: int, latent: int, width: int, experts: int, gate: int
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.cost = mlp(control, hidden, hidden, latent)
        self.gate = mlp(phase, gate, gate, experts)
        wide = phase + embedding + latent
        self.layers = nn.ModuleList(
            MixedLinear(experts, a, b) for a, b in ((wide, width), (width, width), (width, embedding + phase))
        )
        with torch.no_grad():
            self.layers[-1].weight.mul_(0.1)  # type: ignore[operator,union-attr]

    def forward(self, z: Tensor, control: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        """Next embedding (B, E) and phase (B, 16) of embedding (B, E), control (B, C) and phase (B, 16)."""
        gates = torch.softmax(self.gate(phase), -1)
        x = torch.cat([phase, z, self.cost(control)], 1)
        first, second, last = self.layers
        x = nn.functional.elu(first(x, gates))
        x = nn.functional.elu(second(x, gates))
        change, new = last(x, gates).split([self.embedding, phase.shape[1]], 1)
        return z + change, PHASE_UPDATE * new + (1 - PHASE_UPDATE) * phase
