"""The loss of many cells' windows, with its gradient by hand: `rae_bench.model.training.window_loss` for bodies."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from rae_bench.model.config import TrainConfig
from rae_bench.model.engine.function import call
from rae_bench.model.engine.geometry import BodyPlan, body_parts


def window_losses(made: Tensor, true: Tensor, stance: Tensor, plan: BodyPlan, config: TrainConfig) -> Tensor:
    """(K,) `rae_bench.model.training.window_loss`, all but its phases, of bodies that were made.

    Args:
        made, true: (K, T, D, B).
        stance: (K, T, C, B) 1 where a contact joint stands in this frame and the one before, else 0.
        plan: of the rig.
        config: the weights.
    """
    return call(_WindowLoss, made, true, stance, plan, config)


class _WindowLoss(Function):
    @staticmethod
    def forward(
        ctx: Any, made: Tensor, true: Tensor, stance: Tensor, plan: BodyPlan, config: TrainConfig
    ) -> Tensor:
        cells, frames, size, rows = made.shape
        joints, tall = plan.joints, 1 / plan.height
        grad = torch.empty_like(made)
        o, f, _, p, v, c = body_parts(made.view(-1, size, rows), joints)
        to, tf, _, tp, tv, tc = body_parts(true.view(-1, size, rows), joints)
        go, gf, groot, gp, gv, gc = body_parts(grad.view(-1, size, rows), joints)
        axes, true_axes = _axes(f), _axes(tf)

        def per_cell(values: Tensor) -> Tensor:
            return values.reshape(cells, -1).sum(1)

        def apart(gap: Tensor) -> tuple[Tensor, Tensor]:
            """Lengths (.., J, B) of gaps (.., 3, J, B) in heights, which become the gradients of these."""
            gap *= tall
            length = (gap * gap).sum(1).add_(1e-8).sqrt_()
            gap *= (tall / length)[:, None]
            return length, gap

        share = 1 / (frames * joints * rows)
        gap = _to_world(p, axes) - _to_world(tp, true_axes)
        gap[:, ::2] += (o - to)[:, :, None]
        length, gap = apart(gap)
        loss = per_cell(length) * (config.position * share)
        gap *= config.position * share
        torch.sum(gap[:, ::2], 2, out=go)
        gs, gcs = _from_world(gap, p, axes, gp)
        length, gap = apart(_to_world(v, axes) - _to_world(tv, true_axes))
        loss += per_cell(length) * (config.velocity * share)
        gap *= config.velocity * share
        vs, vcs = _from_world(gap, v, axes, gv)
        torch.add(gs, vs, out=gf[:, 0])
        torch.add(gcs, vcs, out=gf[:, 1])

        turned = torch.sub(c, tc, out=gc)
        loss += per_cell(turned.abs()) * (config.rotation * share / 9)
        turned.sign_().mul_(config.rotation * share / 9)

        feet = v[:, ::2].index_select(2, plan.contacts) * tall
        speed = (feet * feet).sum(1).add_(1e-8).sqrt_()
        stands = stance.reshape(-1, *stance.shape[2:])
        weight = config.slide / per_cell(stance).clamp_(min=1)
        loss += per_cell(speed * stands) * weight
        pull = (stands / speed).view(cells, -1) * (weight * tall)[:, None]
        feet *= pull.view(len(feet), 1, -1, rows)
        gv[:, ::2].index_add_(2, plan.contacts, feet)
        groot.zero_()
        ctx.save_for_backward(grad)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        (known,) = ctx.saved_tensors
        return known * grad[:, None, None, None], None, None, None, None


def _axes(forward: Tensor) -> tuple[Tensor, Tensor]:
    """Sine and cosine (K, 1, B) of headings, of forward vectors (K, 2, B)."""
    return forward[:, :1], forward[:, 1:]


def _to_world(local: Tensor, axes: tuple[Tensor, Tensor]) -> Tensor:
    """Vectors (K, 3, J, B) in root space, along the world's axes."""
    s, c = axes
    x, y, z = local.unbind(1)
    out = torch.empty_like(local)
    torch.mul(c, x, out=out[:, 0]).addcmul_(s, z)
    out[:, 1] = y
    torch.mul(c, z, out=out[:, 2]).addcmul_(s, x, value=-1)
    return out


def _from_world(world: Tensor, local: Tensor, axes: tuple[Tensor, Tensor], out: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of what `_to_world` was given: those of the vectors to `out`; of sine and cosine (K, B), returned."""
    s, c = axes
    x, _, z = local.unbind(1)
    gx, gy, gz = world.unbind(1)
    torch.mul(c, gx, out=out[:, 0]).addcmul_(s, gz, value=-1)
    out[:, 1] = gy
    torch.mul(s, gx, out=out[:, 2]).addcmul_(c, gz)
    sine = (gx * z).addcmul_(gz, x, value=-1).sum(1)
    cosine = (gx * x).addcmul_(gz, z).sum(1)
    return sine, cosine
