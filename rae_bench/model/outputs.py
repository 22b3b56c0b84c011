"""What a network may predict besides a change: the next pose itself, or what a straight way to the objectives lacks.

Both end in a change, because states move on by changes alone (`rae_bench.model.features.advance`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from rae_bench.model.control import CONTROL, FLAGS
from rae_bench.model.features import Layout, Skeleton, advance, frame_of
from rae_bench.rigs.rig import ROLES

PELVIS = ROLES.index("pelvis")
"""The slot of the role."""


def next_pose(state: Tensor) -> Tensor:
    """The absolute poses (..., 4 + 6 J) of states (..., D): turn and rise (4), then columns a (3 J) and b (3 J).

    This is what `follow` takes: `follow(state, next_pose(later), skeleton)` is `later`, if it is one frame on.
    """
    joints = (state.shape[-1] - 10) // 15
    columns = state[..., Layout(joints).columns]
    return torch.cat([state[..., Layout.root], columns[..., : 6 * joints]], -1)


def follow(state: Tensor, pose: Tensor, skeleton: Skeleton) -> Tensor:
    """The states (B, D) one frame on from states (B, D), whose poses (B, 4 + 6 J) a network has predicted.

    Columns a and b need neither be of unit length nor stand square to each other: Gram-Schmidt makes a rotation of
    them. The root goes by the predicted turn and rise, in metres and radians a frame; positions and velocities follow
    by forward kinematics. A joint turns by less than half a turn in a frame.

    Args:
        pose: as of `next_pose`, in the same units: scale z-scores back first.
    """
    return advance(state, change_to(state, pose, skeleton), frame_of(state), skeleton)


def pose_columns(layout: Layout) -> slice:
    """Where the rotation columns of an absolute pose lie within what a network reads (`Layout.pose`)."""
    return slice(4 + 6 * layout.joints, 4 + 12 * layout.joints)


def change_to(state: Tensor, pose: Tensor, skeleton: Skeleton) -> Tensor:
    """The change (B, 4 + 3 J) that leads from states (B, D) to predicted poses (B, 4 + 6 J), see `follow`."""
    layout = skeleton.layout
    first, second = pose[..., 4:].unflatten(-1, (2, layout.joints, 3)).unbind(-3)
    a = torch.nn.functional.normalize(first, dim=-1)
    b = torch.nn.functional.normalize(second - (a * second).sum(-1, keepdim=True) * a, dim=-1)
    wanted = torch.stack([a, b, torch.linalg.cross(a, b)], -3)
    now = state[..., layout.columns].unflatten(-1, (3, layout.joints, 3))
    return torch.cat([pose[..., :4] - state[..., Layout.root], rodrigues(now, wanted).flatten(-2)], -1)


def rodrigues(old: Tensor, new: Tensor) -> Tensor:
    """(B, J, 3) Rodrigues parameters of what turns rotation columns (B, 3, J, 3) into others, bounded at half a turn.

    The columns' cross products sum to 2 sin(angle) axis, their dot products to 1 + 2 cos(angle).
    """
    sine = torch.linalg.cross(old, new).sum(-3)
    cosine = (old * new).sum((-3, -1))
    return sine / (1 + cosine).clamp(min=0.05)[..., None]


def straight_change(state: Tensor, asked: Tensor, flags: Tensor, skeleton: Skeleton) -> Tensor:
    """The change (B, 4 + 3 J) of poses that go straight for their objectives, as the control `interpolate` does.

    The pelvis' height and the rotation of every key joint go the share 1 / (frames to arrival) of what is left to their
    objective. All other joints hold in root space, and the root goes on as it did: both are nearer to the truth than
    turning with the pelvis and a straight line. Small turns are added as vectors.

    Args:
        state: (B, D).
        asked: (B, 8, 24) of `rae_bench.model.control.control_vector`, with its zeros where there is no objective.
        flags: (B, 8, 4) of `rae_bench.model.control.ControlTargets`.
    """
    active = asked[..., CONTROL.active]
    now = _columns(asked[..., CONTROL.target_rotation] - asked[..., CONTROL.rotation_cost])
    half = rodrigues(now, _columns(asked[..., CONTROL.target_rotation]))
    length = half.norm(dim=-1, keepdim=True)
    share = active * flags[..., FLAGS.rate] / skeleton.fps
    vector = share * half * (2 * torch.atan(length) / length.clamp(min=1e-6))

    joint = torch.nn.functional.one_hot(skeleton.key_joints, skeleton.layout.joints) * skeleton.mask
    turned_by = (active * joint).mT  # (..., B, J, 8): which slot turns a joint
    # What stays where it was in the world turns back in a root frame that turns.
    turns = turned_by @ (vector - torch.nn.functional.pad(state[..., None, 8:9], (1, 1)))
    rise = asked[..., PELVIS, CONTROL.closing_velocity][..., 1:2] * (skeleton.height / skeleton.fps)
    return torch.cat([torch.zeros_like(state[..., :3]), rise, 0.5 * turns.flatten(-2)], -1)


def _columns(pair: Tensor) -> Tensor:
    """(..., 3, 8, 3) rotation columns of their first two (..., 8, 6)."""
    a, b = pair.unflatten(-1, (2, 3)).unbind(-2)
    return torch.stack([a, b, torch.linalg.cross(a, b)], -3)
