"""Geometry of many cells' characters: one step on, what a network reads of it, and the gradients of both by hand.

The mathematics is that of `rae_bench.model.features.advance` and `rae_bench.model.control.control_vector`, which tests
compare. The layout is another. A **body** is (K, D, B), for K cells of B rows, in which each number of all rows lies
side by side:

    origin x, z (2), forward x, z (2), turn (3), rise (1), p (3 x J), v (3 x J), rotation columns (3 x 3 x J)

Axes x, y, z are the outer index of p and v; rotations are [axis, column, joint]. A 3-wide innermost axis, as of
`Layout`, leaves a vector unit idle, and joints that lie apart cost one memory access each. No sum runs over cells, so
the numbers of a cell do not depend on its company.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from rae_bench.model.config import TrainConfig
from rae_bench.model.control import CONTROL, PATH_SIZE, SCALES
from rae_bench.model.engine.function import call
from rae_bench.model.features import SLOTS, Skeleton
from rae_bench.objectives.path import HORIZONS

COURSE, ROOT = 7, 8
"""Numbers of a body that say where it is, where it faces and how both go on, and numbers before p."""


class BodyPlan:
    """Constants of a rig for bodies.

    Attributes:
        skeleton, fps, height: what it is made of.
        joints, size: J and D.
        order: (D,) place of each number of a body within a state (`Layout`); `back` is the way back, D for zeros.
        pose: (4 + 12 J,) place of each number of what a network reads (`Layout.pose`) within a body.
        change: (4 + 3 J,) place of each number of a change [axis, joint] within one of `Layout`; `unchange` is the way
            back.
        chain: (J, 3 J) takes rotation columns along an axis, [column, joint], to joint positions along it.
        keys, mask: (8,) joints of the roles, and (8, 1) which there are.
        rest: (2, 3, 8, 1) [row, column, slot] takes rotations of key joints to two columns relative to the rest pose.
        contacts: (C,) joints.
        scales: (204,) of `Frame.control`.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        layout = skeleton.layout
        joints = self.joints = layout.joints
        self.skeleton, self.fps, self.height = skeleton, skeleton.fps, skeleton.height
        p = torch.arange(3 * joints).view(joints, 3).T.flatten()  # [axis, joint] of [joint, axis]
        columns = torch.arange(9 * joints).view(3, joints, 3).permute(2, 0, 1).flatten()
        root = torch.tensor([0, 2, 3, 5, 6, 7, 8, 9])
        order = torch.cat([root, 10 + p, 10 + 3 * joints + p, 10 + 6 * joints + columns])
        place = torch.full((layout.size,), -1)
        place[order] = torch.arange(len(order))
        device = skeleton.device
        self.order, self.pose = order.to(device), place[layout.pose].to(device)
        chain = skeleton.chain.view(3, joints, 3, joints, 3)[:, :, 0, :, 0]
        self.chain = chain.permute(2, 0, 1).reshape(joints, 3 * joints).contiguous()
        self.size = len(order)
        back = torch.arange(3 * joints).view(3, joints).T.flatten()
        self.unchange = torch.cat([torch.arange(4), 4 + back]).to(device)
        self.change = torch.cat([torch.arange(4), 4 + p]).to(device)
        self.scales = SCALES.to(device)
        self.back = torch.where(place < 0, len(order), place).to(device)
        self.contacts = torch.tensor(skeleton.rig.contact_joints.tolist(), dtype=torch.long, device=device)
        self.keys, self.mask = skeleton.key_joints, skeleton.mask  # (8,), (8, 1)
        columns = skeleton.keys.view(5, joints, 3, SLOTS, 3, 3)[2:, :, 0, :, 1:, 0]  # column, joint, slot, row
        self.rest = columns.sum(1).permute(2, 0, 1)[..., None].contiguous()  # row, column, slot

    def states(self, bodies: Tensor) -> Tensor:
        """States (K, B, D), see `Layout`, of bodies (K, D, B)."""
        level = torch.cat([bodies, torch.zeros_like(bodies[:, :1])], 1)
        return level.index_select(1, self.back).transpose(1, 2)

    def windows(self, bodies: Tensor) -> Tensor:
        """States (K, B, L, D) of bodies (K, L, D, B)."""
        return self.states(bodies.flatten(0, 1)).unflatten(0, bodies.shape[:2]).transpose(1, 2)

    def apart(self, bodies: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
        """(K, B) mean distance of joints in root space, and distance of roots, in metres."""
        place = slice(ROOT, ROOT + 3 * self.joints)
        gap = (bodies[:, place] - true[:, place]).unflatten(1, (3, self.joints))
        away = bodies[:, :2] - true[:, :2]
        return gap.square().sum(1).sqrt().mean(1), away.square().sum(1).sqrt()


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


def pose_of(body: Tensor, mean: Tensor, std: Tensor, plan: BodyPlan) -> Tensor:
    """What a network reads of bodies (K, D, B): z-scored poses (K, B, 4 + 12 J) in the order of `Layout.pose`.

    Args:
        mean, std: (K, 1, 4 + 12 J).
    """
    return call(_Pose, body, mean, std, plan).transpose(1, 2)


def keys_of(body: Tensor, plan: BodyPlan) -> Tensor:
    """Key joints of bodies (K, D, B): (K, B, 8, 12), in the order of `KeyLayout`."""
    return call(_Keys, body, plan).permute(0, 3, 1, 2)


def control_of(body: Tensor, asked: Asked, plan: BodyPlan) -> Tensor:
    """What objectives and path ask of bodies (K, D, B): (K, B, 204), in the order of `control_vector`."""
    return call(_Control, body, *asked, plan).transpose(1, 2)


def advance_bodies(body: Tensor, change: Tensor, usual: Tensor, plan: BodyPlan) -> Tensor:
    """Bodies (K, D, B) one frame on, by changes (K, B, 4 + 3 J) in units of their usual sizes (K, 1, 4 + 3 J)."""
    return call(_Advance, body, change, usual, plan)


def window_losses(made: Tensor, true: Tensor, stance: Tensor, plan: BodyPlan, config: TrainConfig) -> Tensor:
    """(K,) `rae_bench.model.training.window_loss`, all but its phases, of bodies that were made.

    Args:
        made, true: (K, T, D, B).
        stance: (K, T, C, B) 1 where a contact joint stands in this frame and the one before, else 0.
        plan: of the rig.
        config: the weights.
    """
    return call(_WindowLoss, made, true, stance, plan, config)


class _Pose(Function):
    @staticmethod
    def forward(ctx: Any, body: Tensor, mean: Tensor, std: Tensor, plan: BodyPlan) -> Tensor:
        ctx.plan, ctx.std, ctx.shape = plan, std.transpose(1, 2), body.shape
        return body.index_select(1, plan.pose).sub_(mean.transpose(1, 2)).div_(ctx.std)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        out = grad.new_zeros(ctx.shape)
        return out.index_copy_(1, ctx.plan.pose, grad / ctx.std), None, None, None


class _Keys(Function):
    @staticmethod
    def forward(ctx: Any, body: Tensor, plan: BodyPlan) -> Tensor:
        cells, _, rows = body.shape
        _, _, _, p, v, c = _parts(body, plan.joints)
        made = torch.empty(cells, SLOTS, 12, rows, dtype=body.dtype, device=body.device)
        entries = made.view(cells, SLOTS, 4, 3, rows).permute(2, 0, 3, 1, 4)  # four times (K, axis, slot, B)
        scale = plan.mask / plan.height
        torch.mul(p.index_select(2, plan.keys), scale, out=entries[0])
        turned = c.index_select(3, plan.keys)
        for row in range(2):
            torch.sum(turned * plan.rest[row], 2, out=entries[1 + row])
        torch.mul(v.index_select(2, plan.keys), scale, out=entries[3])
        ctx.plan = plan
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        plan: BodyPlan = ctx.plan
        cells, _, _, rows = grad.shape
        out = torch.zeros(cells, plan.size, rows, dtype=grad.dtype, device=grad.device)
        _, _, _, gp, gv, gc = _parts(out, plan.joints)
        place, first, second, moved = grad.reshape(cells, SLOTS, 4, 3, rows).permute(2, 0, 3, 1, 4).unbind()
        scale = plan.mask / plan.height
        gp.index_add_(2, plan.keys, place * scale)
        gv.index_add_(2, plan.keys, moved * scale)
        gc.index_add_(3, plan.keys, (first[:, :, None] * plan.rest[0]).addcmul_(second[:, :, None], plan.rest[1]))
        return out, None


def _parts(body: Tensor, joints: int) -> tuple[Tensor, ...]:
    """Views of origin (K, 2, B), forward (K, 2, B), turn and rise (K, 4, B), p, v (K, 3, J, B), (K, 3, 3, J, B)."""
    k, _, rows = body.shape
    o, f, root, p, v, c = body.split([2, 2, 4, 3 * joints, 3 * joints, 9 * joints], 1)
    three = (k, 3, joints, rows)
    return o, f, root, p.view(three), v.view(three), c.view(k, 3, 3, joints, rows)


def _cross(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    """out = a x b along axis 1, of (K, 3, ...) each; shapes broadcast."""
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        torch.mul(a[:, j], b[:, k], out=out[:, i]).addcmul_(a[:, k], b[:, j], value=-1)
    return out


class _Advance(Function):
    @staticmethod
    def forward(ctx: Any, body: Tensor, change: Tensor, usual: Tensor, plan: BodyPlan) -> Tensor:
        joints, fps = plan.joints, plan.fps
        change = (change * usual).transpose(1, 2).index_select(1, plan.change)
        cells, _, rows = body.shape
        o, f, root, p, _, c = _parts(body, joints)
        made = torch.empty_like(body)
        o2, f2, root2, p2, v2, c2 = _parts(made, joints)
        torch.add(root, change[:, :4], out=root2)
        u = change[:, 4:].view(cells, 3, joints, rows)
        # Rotations: C' = C + w (u x C + u x (u x C)), w = 2 / (1 + |u|^2).
        turns = u[:, :, None]
        once = _cross(turns, c, torch.empty_like(c))
        both = _cross(turns, once, torch.empty_like(c)).add_(once)
        weight = (u * u).sum(1).add_(1).reciprocal_().mul_(2)[:, None, None]
        torch.addcmul(c, both, weight, out=c2)
        # Positions follow.
        chain = plan.chain.expand(cells, -1, -1)
        for axis in range(3):
            torch.bmm(chain, c2[:, axis].flatten(1, 2), out=p2[:, axis])
        p2[:, 1] += root2[:, 3:]
        # The root walks and turns.
        (dx, dz, dyaw), (s, cs) = root2[:, :3].unbind(1), f.unbind(1)
        cy, sy = torch.cos(dyaw), torch.sin(dyaw)
        torch.add(o[:, 0], cs * dx, out=o2[:, 0]).addcmul_(s, dz)
        torch.addcmul(o[:, 1], cs, dz, out=o2[:, 1]).addcmul_(s, dx, value=-1)
        torch.mul(cs, sy, out=f2[:, 0]).addcmul_(s, cy)
        torch.mul(cs, cy, out=f2[:, 1]).addcmul_(s, sy, value=-1)
        # Velocities are seen from where the root is now.
        qx, qz = p[:, 0] - dx[:, None], p[:, 2] - dz[:, None]
        y, z = cy[:, None], sy[:, None]
        torch.sub(p2[:, 1], p[:, 1], out=v2[:, 1])
        torch.addcmul(p2[:, 0], y, qx, value=-1, out=v2[:, 0]).addcmul_(z, qz)
        torch.addcmul(p2[:, 2], z, qx, value=-1, out=v2[:, 2]).addcmul_(y, qz, value=-1)
        v2.mul_(fps)
        ctx.plan, ctx.usual = plan, usual
        ctx.save_for_backward(body, u, once, both, weight, root2[:, :2].clone(), cy, sy, qx, qz)
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        plan: BodyPlan = ctx.plan
        joints, fps = plan.joints, plan.fps
        body, u, once, both, weight, step, cy, sy, qx, qz = ctx.saved_tensors
        cells, _, rows = body.shape
        _, f, _, _, _, c = _parts(body, joints)
        go2, gf2, groot2, gp2, gv2, gc2 = _parts(grad.contiguous(), joints)
        out = torch.empty_like(body)
        go, gf, groot, gp, gv, gc = _parts(out, joints)
        (dx, dz), (s, cs) = step.unbind(1), f.unbind(1)
        y, z = cy[:, None], sy[:, None]
        # Velocities.
        gv2 = gv2 * fps
        gp2 = gp2 + gv2
        gx, gy, gz = gv2.unbind(1)
        torch.mul(y, gx, out=gp[:, 0]).addcmul_(z, gz).neg_()
        torch.neg(gy, out=gp[:, 1])
        torch.mul(z, gx, out=gp[:, 2]).addcmul_(y, gz, value=-1)
        gstep = gp[:, ::2].sum(2).neg_()
        gcy = -(gx * qx).addcmul_(gz, qz).sum(1)
        gsy = (gx * qz).addcmul_(gz, qx, value=-1).sum(1)
        gv.zero_()
        # Positions.
        change = torch.empty(cells, 4 + 3 * joints, rows, dtype=grad.dtype, device=grad.device)
        torch.add(groot2[:, 3], gp2[:, 1].sum(1), out=change[:, 3])
        chain = plan.chain.T.expand(3 * cells, -1, -1)
        gc2 = torch.baddbmm(
            gc2.reshape(3 * cells, 3 * joints, rows), chain, gp2.view(3 * cells, joints, rows)
        ).view(c.shape)
        # Rotations.
        gu = change[:, 4:].view(cells, 3, joints, rows)
        gw = (gc2 * both).sum((1, 2))
        gboth = gc2 * weight
        turns = u[:, :, None]
        gonce = _cross(gboth, turns, torch.empty_like(c)).add_(gboth)
        _cross(gonce, turns, gc)
        gc += gc2
        parts = _cross(once, gboth, torch.empty_like(c)) + _cross(c, gonce, torch.empty_like(c))
        torch.sum(parts, 2, out=gu)
        gu.addcmul_(u, (gw * weight[:, 0, 0].square())[:, None], value=-1)
        # The root.
        (gox, goz), (gfx, gfz) = go2.unbind(1), gf2.unbind(1)
        go.copy_(go2)
        torch.add(groot2[:, 0], gstep[:, 0], out=change[:, 0]).addcmul_(cs, gox).addcmul_(s, goz, value=-1)
        torch.add(groot2[:, 1], gstep[:, 1], out=change[:, 1]).addcmul_(s, gox).addcmul_(cs, goz)
        torch.mul(gox, dz, out=gf[:, 0]).addcmul_(goz, dx, value=-1).addcmul_(gfx, cy).addcmul_(gfz, sy, value=-1)
        torch.mul(gox, dx, out=gf[:, 1]).addcmul_(goz, dz).addcmul_(gfx, sy).addcmul_(gfz, cy)
        gsy.addcmul_(gfx, cs).addcmul_(gfz, s, value=-1)
        gcy.addcmul_(gfx, s).addcmul_(gfz, cs)
        torch.addcmul(groot2[:, 2], gsy, cy, out=change[:, 2]).addcmul_(gcy, sy, value=-1)
        groot.copy_(change[:, :4])
        return out, change.index_select(1, plan.unchange).transpose(1, 2) * ctx.usual, None, None


class _Control(Function):
    @staticmethod
    def forward(ctx: Any, body: Tensor, frames: Tensor, flags: Tensor, path: Tensor, plan: BodyPlan) -> Tensor:
        cells, _, rows = body.shape
        o, f, _, p, _, c = _parts(body, plan.joints)
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
        go, gf, _, gp, _, gc = _parts(out, plan.joints)
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


class _WindowLoss(Function):
    @staticmethod
    def forward(
        ctx: Any, made: Tensor, true: Tensor, stance: Tensor, plan: BodyPlan, config: TrainConfig
    ) -> Tensor:
        cells, frames, size, rows = made.shape
        joints, tall = plan.joints, 1 / plan.height
        grad = torch.empty_like(made)
        o, f, _, p, v, c = _parts(made.view(-1, size, rows), joints)
        to, tf, _, tp, tv, tc = _parts(true.view(-1, size, rows), joints)
        go, gf, groot, gp, gv, gc = _parts(grad.view(-1, size, rows), joints)
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
