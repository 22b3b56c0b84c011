"""What objectives and path ask of many cells' bodies, with its gradient by hand."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from rae_bench.model.control import CONTROL, PATH_SIZE
from rae_bench.model.engine.function import call
from rae_bench.model.engine.geometry import BodyPlan, body_parts
from rae_bench.model.features import SLOTS
from rae_bench.objectives.path import HORIZONS


class Asked(NamedTuple):
    """What objectives and path ask of K cells' rows at one frame, as `rae_bench.model.control.ControlTargets` has it.

    Attributes:
        frames: (K, 3, 3, 8, B) [axis, row, slot]: world position, then two rotation columns.
        flags: (K, 4, 8, B) of `FlagLayout`.
        path: (K, 4, 3, B) of `PathLayout`, [entry, horizon].
    """

    frames: Tensor
    flags: Tensor
    path: Tensor


def control_of(body: Tensor, asked: Asked, plan: BodyPlan) -> Tensor:
    """What objectives and path ask of bodies (K, D, B): (K, B, 204), in the order of `control_vector`."""
    return call(_Control, body, *asked, plan).transpose(1, 2)


class _Control(Function):
    @staticmethod
    def forward(ctx: Any, body: Tensor, frames: Tensor, flags: Tensor, path: Tensor, plan: BodyPlan) -> Tensor:
        cells, _, rows = body.shape
        o, f, _, p, _, c = body_parts(body, plan.joints)
        (s, cs), tall = f.unbind(1), 1 / plan.height
        keys = plan.keys
        made = torch.empty(cells, CONTROL.size * SLOTS + PATH_SIZE, rows, dtype=body.dtype, device=body.device)
        slots, local, cost, way = _asked(made)
        given = frames.clone()  # [axis, row, slot]
        place = given[:, :, 0]
        place[:, ::2] -= o[:, :, None]
        place *= tall
        x, y, z = given.unbind(1)
        side, ahead = cs[:, None, None], s[:, None, None]
        torch.mul(side, x, out=local[:, :, 0]).addcmul_(ahead, z, value=-1)
        local[:, :, 1] = y
        torch.mul(ahead, x, out=local[:, :, 2]).addcmul_(side, z)
        here = p.index_select(2, keys) * (plan.mask * tall)  # (K, axis, slot, B)
        turned = c.index_select(3, keys)  # (K, axis, column, slot, B)
        torch.sub(local[:, 0], here, out=cost[:, 0])
        for row in range(2):
            torch.sum(turned * plan.rest[row], 2, out=cost[:, 1 + row]).neg_().add_(local[:, 1 + row])
        on = flags[:, :1] * plan.mask
        rate = flags[:, 3:] * on
        torch.mul(cost[:, 0], rate, out=slots[:, 18:21])
        slots[:, :18] *= on
        torch.mul(flags[:, :3], on, out=slots[:, 21:])
        there = (path[:, 2:] != 0).any(1, keepdim=True)
        gone = (path[:, :2] - o[:, :, None]) * tall * there
        both = torch.stack([gone, path[:, 2:]], 1)  # (K, place or heading, axis, horizon, B)
        px, pz = both.unbind(2)
        torch.mul(side, px, out=way[:, :, 0]).addcmul_(ahead, pz, value=-1)
        torch.mul(ahead, px, out=way[:, :, 1]).addcmul_(side, pz)
        ctx.plan = plan
        ctx.save_for_backward(f, given, on, rate, there, both)
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        plan: BodyPlan = ctx.plan
        f, given, on, rate, there, both = ctx.saved_tensors
        cells, _, rows = grad.shape
        (s, cs), tall = f.unbind(1), 1 / plan.height
        out = torch.zeros(cells, plan.size, rows, dtype=grad.dtype, device=grad.device)
        go, gf, _, gp, _, gc = body_parts(out, plan.joints)
        slots, local, cost, way = _asked(grad.contiguous())
        gcost = cost * on[:, None]
        gcost[:, 0].addcmul_(slots[:, 18:21], rate)
        glocal = torch.addcmul(gcost, local, on[:, None])
        gp.index_add_(2, plan.keys, gcost[:, 0] * (plan.mask * -tall))
        gturned = (gcost[:, 1, :, None] * plan.rest[0]).addcmul_(gcost[:, 2, :, None], plan.rest[1])
        gc.index_add_(3, plan.keys, gturned, alpha=-1)
        x, _, z = given.unbind(1)
        gx, _, gz = glocal.unbind(2)
        gcs = (gx * x).addcmul_(gz, z).sum((1, 2))
        gs = (gz * x).addcmul_(gx, z, value=-1).sum((1, 2))
        px, pz = both.unbind(2)
        hx, hz = way.unbind(2)
        gcs += (hx * px).addcmul_(hz, pz).sum((1, 2))
        gs += (hz * px).addcmul_(hx, pz, value=-1).sum((1, 2))
        gf[:, 0], gf[:, 1] = gs, gcs
        place, there = glocal[:, 0], there[:, 0]
        gone = (place[:, 0].sum(1) + (hx[:, 0] * there).sum(1), place[:, 2].sum(1) + (hz[:, 0] * there).sum(1))
        torch.mul(cs, gone[0], out=go[:, 0]).addcmul_(s, gone[1])
        torch.mul(cs, gone[1], out=go[:, 1]).addcmul_(s, gone[0], value=-1)
        go *= -tall
        return out, None, None, None, None


def _asked(made: Tensor) -> tuple[Tensor, ...]:
    """Views of rows (K, 204, B): entries of slots (K, 24, 8, B); the target and the cost in it, both
    (K, 3, 3, 8, B) as position and two columns, axis, slot; path (K, 2, 2, 3, B) as place and heading, axis, horizon.
    """
    cells, _, rows = made.shape
    slots = made[:, : CONTROL.size * SLOTS].view(cells, SLOTS, CONTROL.size, rows)
    entries = slots.unflatten(2, (-1, 3)).transpose(1, 2)  # three at a time
    target, cost = (entries[:, part].transpose(2, 3) for part in (slice(0, 3), slice(3, 6)))
    path = made[:, CONTROL.size * SLOTS :].view(cells, len(HORIZONS), 2, 2, rows).permute(0, 2, 3, 1, 4)
    return slots.transpose(1, 2), target, cost, path
