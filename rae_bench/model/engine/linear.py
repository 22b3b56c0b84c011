"""A linear layer that is one product for one cell and for many."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from rae_bench.model.engine.function import call


class Linear(nn.Linear):
    """`torch.nn.Linear`, whose parameters may have a leading axis of cells: (K, out, in) and (K, out).

    It takes (B, in) then, or (K, B, in), and gives (B, out) or (K, B, out). Networks with `StepNetwork.stacks` are made
    of it.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(..., B, out) of (..., B, in)."""
        if self.weight.dim() == 2:
            return super().forward(input)
        return call(_StackedLinear, input, self.weight, self.bias)


class Leaf(nn.Parameter):
    """A parameter of many cells, (K, ...), whose gradient is put together once the backward pass is over.

    A window uses every weight once a frame. Its gradient as one product over the rows of all frames is read and written
    once, instead of once a frame. In networks that stack, weights and biases of `Linear` are used by it alone.

    Attributes:
        pending: what the layer saw in each frame: gradient of its output (K, B, out), and input (K, B, in), or None
            where the leaf is a bias.
        deferred: whether a `Linear` has it.
    """

    pending: list[tuple[Tensor, Tensor | None]]
    deferred: bool

    @torch.no_grad()
    def settle(self) -> None:
        """Make the gradient of what is pending."""
        if not self.deferred or self.grad is None:
            return
        if not self.pending:
            self.grad.zero_()
            return
        made = torch.cat([gradient for gradient, _ in self.pending], 1)
        seen = [x for _, x in self.pending if x is not None]
        self.pending = []
        if not seen:
            torch.sum(made, 1, out=self.grad)
        elif self.grad.is_contiguous():
            torch.bmm(made.transpose(1, 2), torch.cat(seen, 1), out=self.grad)
        else:
            self.grad.copy_(torch.bmm(made.transpose(1, 2), torch.cat(seen, 1)))


def make_leaf(data: Tensor, gradient: Tensor) -> Leaf:
    """A leaf of some numbers, whose gradient is kept in `gradient`."""
    made = torch.Tensor._make_subclass(Leaf, data, True)
    made.grad, made.pending, made.deferred = gradient, [], False
    assert isinstance(made, Leaf)
    return made


class _StackedLinear(Function):
    """x (K, B, in) times the transpose of weight (K, out, in), plus bias (K, out)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x)
        ctx.leaves = weight, bias
        if bias is None:
            return torch.bmm(x, weight.transpose(1, 2))
        return torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None]:
        (x,) = ctx.saved_tensors
        weight, bias = ctx.leaves
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad
        if wants_weight:
            weight.deferred = True
            weight.pending.append((grad, x))
        if wants_bias:
            bias.deferred = True
            bias.pending.append((grad, None))
        return torch.bmm(grad, weight.detach()) if wants_x else None, None, None
