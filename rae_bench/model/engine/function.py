"""Calls of functions whose gradients are written by hand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


def call(function: type[Function], *given: Any) -> Tensor:
    """`function.apply(*given)`; where no gradient is asked for, without what autograd adds to the time of a call."""
    if torch.is_grad_enabled():
        made: Tensor = function.apply(*given)
    else:
        made = function.forward(_Nobody(), *given)
    return made


class _Nobody:
    """A context that keeps nothing for a backward pass."""

    def save_for_backward(self, *tensors: Tensor) -> None:
        """Forget them."""
