"""`mann`: mode-adaptive neural network, a mixture of experts gated by the velocities of the key joints.

The paper is Zhang, Starke, Komura, Saito 2018, "Mode-Adaptive Neural Networks for Quadruped Motion Control" (SIGGRAPH).
The motion network's three layers have the weights sum_k omega_k alpha_k. The gate omega is the softmax of an MLP
(19-32-32-K, ELU) on a few entries of the input: foot velocities, desired velocity, action variables. The preset `paper`
has their sizes: K = 8 experts, 512 units, dropout of 0.3 on the input and both hidden layers. `small` has no dropout.

Mapped onto objectives, the gate reads the velocities of all eight key joints in rig heights a second. In place of
desired velocity and action it reads for each role how far its objective is, how soon it arrives, and whether there is
one. In place of the trajectory the motion network reads what the objectives ask. Behind `raw`, whose linear layers
belong to the rig, the gated layers move between rigs.

This departs from the paper in four points. There are no samples of the past trajectory, and none of the future but the
objectives. Gate inputs are in rig heights instead of z-scored. Experts start at the usual variance instead of the
published 1 / (in x out). No local phase is predicted: the phase stays what the history gave, and the phase term of the
loss teaches nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rae_bench.model import CONTROL, KEYS, Frame

from ..layers import Dropout, MixedStack, mlp
from ..parts import Core, CoreOutput, Widths

ABOUT = {
    "class": "Mann",
    "version": 1,
    "paper": "Mode-Adaptive Neural Networks for Quadruped Motion Control, SIGGRAPH 2018",
    "licence": "MIT",
    "description": "mode-adaptive mixture of experts, gated by key-joint velocities",
    "parameters": 366_117,
}
PRESETS = {
    "small": {"width": 128, "experts": 4, "gate": 32, "dropout": 0.0},
    "paper": {"width": 512, "experts": 8, "gate": 32, "dropout": 0.3},
}
GATED = 8 * 6
"""Inputs of the gate, six for each role."""


def gate_inputs(frame: Frame) -> Tensor:
    """(B, 48) per slot: velocity (3), distance to the objective, 1 / (1 + seconds to arrival), whether it is active."""
    distance = frame.asked[..., CONTROL.position_cost].norm(dim=-1)
    soon = frame.active / (1 + frame.seconds)
    return torch.cat([frame.keys[..., KEYS.velocity].flatten(-2), distance, soon, frame.active], -1)


class Mann(Core):
    """`width` is that of the experts, `gate` that of the gate."""

    stacks = True

    def __init__(self, widths: Widths, width: int, experts: int, gate: int, dropout: float) -> None:
        super().__init__()
        self.gate = mlp(GATED, gate, gate, experts)
        self.dropout = Dropout(dropout)
        wide = widths.given + widths.control
        self.mixture = MixedStack(experts, wide, width, widths.embedding, widths.extra, dropout)

    def forward(
        self, given: Tensor, frame: Frame, after: Tensor | None = None, extra: Tensor | None = None
    ) -> CoreOutput:
        """Change of the embedding."""
        gates = torch.softmax(self.gate(self.dropout(gate_inputs(frame), frame.draws)), -1)
        return CoreOutput(self.mixture(torch.cat([given, frame.control], -1), gates, extra, frame.draws), frame.phase)
