"""`omg-moe`: the thesis' objective-driven generator, a mixture of experts gated by local phases.

The paper is "A study of transfer learning on data-driven motion synthesis frameworks", KTH, 2022:
z' = z + MoE(phase, z, CostEnc(control)), with three blended layers and ELU between them. The gate is an MLP on the
local phases. The next phase is 0.9 times the predicted one and 0.1 times the old one. Weights are blended as by MANN.

This departs from it in two points. Costs are recomputed from the generated pose instead of being predicted. And the
generator gives the change of the embedding instead of the next embedding (docs/guides/model.md).
"""

from __future__ import annotations

import torch
from torch import Tensor

from rae_bench.model import Frame

from ..layers import MixedStack, mlp
from ..parts import Core, CoreOutput, Widths, next_phase

ABOUT = {
    "class": "OmgMoE",
    "version": 1,
    "paper": "A study of transfer learning on data-driven motion synthesis frameworks, KTH, 2022",
    "licence": "MIT",
    "description": "objective-driven mixture of experts, gated by local phases",
    "parameters": 357_829,
}
PRESETS = {
    "small": {"hidden": 128, "latent": 32, "width": 128, "experts": 4, "gate": 128},
    "paper": {"hidden": 256, "latent": 128, "width": 512, "experts": 4, "gate": 128},
}


class OmgMoE(Core):
    """`hidden` and `latent` are widths of the encoder of objectives, `width` of the experts, `gate` of the gate."""

    stacks = True

    def __init__(self, widths: Widths, hidden: int, latent: int, width: int, experts: int, gate: int) -> None:
        super().__init__()
        self.split = [widths.embedding, widths.phase]
        self.cost = mlp(widths.control, hidden, hidden, latent)
        self.gate = mlp(widths.phase, gate, gate, experts)
        self.mixture = MixedStack(experts, widths.phase + widths.given + latent, width, sum(self.split), widths.extra)

    def forward(
        self, given: Tensor, frame: Frame, after: Tensor | None = None, extra: Tensor | None = None
    ) -> CoreOutput:
        """Change of the embedding and the next phase."""
        gates = torch.softmax(self.gate(frame.phase), -1)
        x = torch.cat([frame.phase, given, self.cost(frame.control)], -1)
        change, phase = self.mixture(x, gates, extra, frame.draws).split(self.split, -1)
        return CoreOutput(change, next_phase(phase, frame.phase))
