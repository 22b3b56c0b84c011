"""Layers that the reference entries share."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from rae_bench.model import Draws, Linear

from .parts import join


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers of these widths with ELU between them, in place: a linear layer does not need its output again."""
    layers: list[nn.Module] = []
    for wide, narrow in pairwise(widths):
        layers += [Linear(wide, narrow), nn.ELU(inplace=True)]
    return nn.Sequential(*layers[:-1])


class MixedLinear(nn.Module):
    """A linear layer whose weights are blended from K experts per sample (Zhang et al. 2018, MANN, equation 6).

    y = sum_k a_k (W_k x + b_k). Blending what the experts give equals blending their weights. All experts side by side
    are one matrix product (B, in) x (in, K out); a weight tensor per sample would be (B, in, out).
    """

    def __init__(self, experts: int, wide: int, narrow: int) -> None:
        super().__init__()
        self.experts = Linear(wide, experts * narrow)
        bound = math.sqrt(6 / wide)
        nn.init.uniform_(self.experts.weight, -bound, bound)
        nn.init.constant_(self.experts.bias, 0.01)

    def forward(self, x: Tensor, gates: Tensor) -> Tensor:
        """(..., B, narrow), of x (..., B, wide) and gates (..., B, K)."""
        made: Tensor = _Blend.apply(self.experts(x).unflatten(-1, (gates.shape[-1], -1)), gates)
        return made


class _Blend(Function):
    """sum_k a_k y_k of y (..., K, N) and a (..., K), without a sum over an axis that is far from the innermost."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, gates: Tensor) -> Tensor:
        ctx.save_for_backward(y, gates)
        parts, weights = y.unbind(-2), gates[..., None].unbind(-2)
        made = parts[0] * weights[0]
        for part, weight in zip(parts[1:], weights[1:], strict=True):
            made.addcmul_(part, weight)
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        y, gates = ctx.saved_tensors
        return gates[..., None] * grad[..., None, :], (y @ grad[..., None]).squeeze(-1)


class Dropout(nn.Module):
    """Zeroes a share of its input in training, and scales up the rest."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor, draws: Draws | None) -> Tensor:
        """(..., B, N) of the same; without `draws`, which are there in training alone, x itself."""
        if draws is None or not self.share:
            return x
        return x * (draws.uniform(*x.shape[-2:]) >= self.share) / (1 - self.share)


class MixedStack(nn.Module):
    """Three blended layers with ELU between them; `extra` is joined to the input of each (Ling et al. 2020, MVAE).

    The weights of the last start at a tenth of their size, so that an untrained generator changes little.
    """

    def __init__(self, experts: int, wide: int, width: int, narrow: int, extra: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        layers = [MixedLinear(experts, a + extra, b) for a, b in ((wide, width), (width, width), (width, narrow))]
        self.layers = nn.ModuleList(layers)
        self.dropout = Dropout(dropout)
        with torch.no_grad():
            layers[-1].experts.weight.mul_(0.1)

    def forward(self, x: Tensor, gates: Tensor, extra: Tensor | None, draws: Draws | None) -> Tensor:
        """(..., B, narrow), of x (..., B, wide), gates (..., B, K) and extra (..., B, extra)."""
        first, second, last = self.layers
        x = nn.functional.elu(first(join(self.dropout(x, draws), extra), gates), inplace=True)
        x = nn.functional.elu(second(join(self.dropout(x, draws), extra), gates), inplace=True)
        out: Tensor = last(join(self.dropout(x, draws), extra), gates)
        return out


class Recurrence(nn.Module):
    """A stack of LSTM cells whose hidden and cell states are one flat memory; `extra` is joined to each layer's input.

    Attributes:
        memory: width of the memory, which has two states for each layer.
    """

    def __init__(self, wide: int, width: int, layers: int, extra: int = 0) -> None:
        super().__init__()
        self.cells = nn.ModuleList(LstmCell((width if i else wide) + extra, width) for i in range(layers))
        self.memory = 2 * layers * width

    def forward(self, x: Tensor, memory: Tensor, extra: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The top layer's output (..., B, width) and the new memory, of x (..., B, wide) and the memory."""
        kept = []
        for cell, state in zip(self.cells, memory.unflatten(-1, (len(self.cells), 2, -1)).unbind(-3), strict=True):
            x, c = cell(join(x, extra), *state.unbind(-2))
            kept += [x, c]
        return x, torch.cat(kept, -1)


class LstmCell(nn.Module):
    """An LSTM cell (Hochreiter and Schmidhuber 1997, with forget gates), initialised as `torch.nn.LSTMCell`."""

    def __init__(self, wide: int, width: int) -> None:
        super().__init__()
        self.given, self.kept = Linear(wide, 4 * width), Linear(width, 4 * width)
        bound = 1 / math.sqrt(width)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """The next hidden and cell state (..., B, width), of x (..., B, wide) and these states."""
        taken, forgotten, new, shown = (self.given(x) + self.kept(hidden)).chunk(4, -1)
        cell = torch.sigmoid(forgotten) * cell + torch.sigmoid(taken) * torch.tanh(new)
        return torch.sigmoid(shown) * torch.tanh(cell), cell
