"""Layers that the reference entries share."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from .parts import join


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers of these widths with ELU between them, in place: a linear layer does not need its output again."""
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(widths):
        layers += [nn.Linear(wide, narrow), nn.ELU(inplace=True)]
    return nn.Sequential(*layers[:-1])


class MixedLinear(nn.Module):
    """A linear layer whose weights are blended from K experts per sample (Zhang et al. 2018, MANN, equation 6).

    y = sum_k a_k (W_k x + b_k). Blending inputs equals blending weights. The input scaled by each gate value, side by
    side, times all experts' weights stacked is one matrix product (B, K in) x (K in, out); a weight tensor per sample
    would be (B, in, out).
    """

    def __init__(self, experts: int, wide: int, narrow: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(experts * wide, narrow))
        self.bias = nn.Parameter(torch.full((experts, narrow), 0.01))
        bound = math.sqrt(6 / wide)
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Tensor, gates: Tensor) -> Tensor:
        """(B, narrow), of x (B, wide) and gates (B, K)."""
        mixed = (gates[:, :, None] * x[:, None, :]).flatten(1)
        return torch.addmm(gates @ self.bias, mixed, self.weight)


class MixedStack(nn.Module):
    """Three blended layers with ELU between them; `extra` is joined to the input of each (Ling et al. 2020, MVAE).

    The weights of the last start at a tenth of their size, so that an untrained generator changes little.
    """

    def __init__(self, experts: int, wide: int, width: int, narrow: int, extra: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            MixedLinear(experts, a + extra, b) for a, b in ((wide, width), (width, width), (width, narrow))
        )
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():
            self.layers[-1].weight.mul_(0.1)  # type: ignore[operator]

    def forward(self, x: Tensor, gates: Tensor, extra: Tensor | None = None) -> Tensor:
        """(B, narrow), of x (B, wide), gates (B, K) and extra (B, extra)."""
        first, second, last = self.layers
        x = nn.functional.elu(first(join(self.dropout(x), extra), gates), inplace=True)
        x = nn.functional.elu(second(join(self.dropout(x), extra), gates), inplace=True)
        out: Tensor = last(join(self.dropout(x), extra), gates)
        return out


class Recurrence(nn.Module):
    """A stack of LSTM cells whose hidden and cell states are one flat memory; `extra` is joined to each layer's input.

    Attributes:
        memory: width of the memory, which has two states for each layer.
    """

    def __init__(self, wide: int, width: int, layers: int, extra: int = 0) -> None:
        super().__init__()
        self.cells = nn.ModuleList(nn.LSTMCell((width if i else wide) + extra, width) for i in range(layers))
        self.memory = 2 * layers * width

    def forward(self, x: Tensor, memory: Tensor, extra: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The top layer's output (B, width) and the new memory, of x (B, wide) and memory (B, memory)."""
        kept = []
        for cell, state in zip(self.cells, memory.unflatten(1, (len(self.cells), 2, -1)).unbind(1), strict=True):
            x, c = cell(join(x, extra), tuple(state.unbind(1)))
            kept += [x, c]
        return x, torch.cat(kept, 1)
