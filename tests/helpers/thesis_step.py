"""The thesis' training step, written anew from its description: what ours is measured against.

31 joints, six key joints: phase 12, pose 372, costs 36, targets 72, in all 492 a frame. Expert weights are blended per
sample, a (batch, in, out) tensor a layer, as in the public code of MANN's and MVAE's descendants; each of the 12
frames of a window is an optimiser step of its own.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

PHASE, POSE, COST, TARGET = 12, 372, 36, 72
WINDOWS, FRAMES = 736, 12


def _mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(widths):
        layers += [nn.Linear(wide, narrow), nn.ELU()]
    return nn.Sequential(*layers[:-1])


class BlendedWeights(nn.Module):
    """A layer whose weights are blended for every sample."""

    def __init__(self, experts: int, wide: int, narrow: int) -> None:
        super().__init__()
        bound = (6 / wide) ** 0.5
        self.weight = nn.Parameter(torch.empty(experts, wide, narrow).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.full((experts, narrow), 0.01))

    def forward(self, x: Tensor, gates: Tensor) -> Tensor:
        weight = torch.matmul(gates, self.weight.flatten(1)).view(len(x), *self.weight.shape[1:])
        return torch.baddbmm((gates @ self.bias).unsqueeze(1), x.unsqueeze(1), weight).squeeze(1)


class ThesisNetwork(nn.Module):
    """Encoder, cost encoder, gated mixture of experts, decoder, at the published sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = _mlp(POSE, 256, 256, 256), _mlp(256, 256, 256, POSE)
        self.cost, self.gate = _mlp(COST + TARGET, 128, 128, 128), _mlp(PHASE, 128, 128, 4)
        widths = (PHASE + 256 + 128, 512, 512, PHASE + 256 + COST)
        self.layers = nn.ModuleList(BlendedWeights(4, a, b) for a, b in pairwise(widths))

    def forward(self, frame: Tensor) -> Tensor:
        """(B, 492) of (B, 492)."""
        phase, pose, cost, target = frame.split([PHASE, POSE, COST, TARGET], 1)
        gates = torch.softmax(self.gate(phase), 1)
        x = torch.cat([phase, self.encode(pose), self.cost(torch.cat([cost, target], 1))], 1)
        for i, layer in enumerate(self.layers):
            x = layer(x, gates)
            x = nn.functional.elu(x) if i < 2 else x
        delta, code, cost = x.split([PHASE, 256, COST], 1)
        return torch.cat([0.9 * delta + 0.1 * phase, self.decode(code), cost, target], 1)


def frame_step(network: ThesisNetwork, optimizer: torch.optim.Optimizer, frame: Tensor, following: Tensor) -> None:
    """Forward, backward and AdamW for one frame of every window."""
    optimizer.zero_grad()
    nn.functional.mse_loss(network(frame), following).backward()
    optimizer.step()
