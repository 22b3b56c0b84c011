"""Layers that the reference entries share."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers of these widths with ELU between them."""
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(widths):
        layers += [nn.Linear(wide, narrow), nn.ELU()]
    return nn.Sequential(*layers[:-1])


class MixedLinear(nn.Module):
    """A linear layer whose weights are blended from K experts per sample (Zhang et al. 2018, MANN, equation 6).

    y = sum_k a_k (W_k x + b_k). Blending inputs equals blending weights: the input scaled by each gate value, side by
    side, times all experts' weights stacked is one GEMM (B, K in) x (K in, out), where a weight tensor per sample
    would be (B, in, out).
    """

    def __init__(self, experts: int, wide: int, narrow: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(experts * wide, narrow))
        self.bias = nn.Parameter(torch.full((experts, narrow), 0.01))
        bound = math.sqrt(6 / wide)
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Tensor, gates: Tensor) -> Tensor:
        """(B, narrow) of x (B, wide) and gates (B, K)."""
        mixed = (gates[:, :, None] * x[:, None, :]).flatten(1)
        return torch.addmm(gates @ self.bias, mixed, self.weight)
