"""States of a character as tensors, and how a state moves on; docs/guides/model.md draws the layout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from rae_bench.kinematics import quat
from rae_bench.kinematics.forward import global_to_local
from rae_bench.motion.motion import Motion
from rae_bench.rigs.rig import ROLES, Rig

SLOTS = len(ROLES)
PHASES = 2 * SLOTS


@dataclass(frozen=True)
class Layout:
    """Where the parts of a state (..., 10 + 15 J) lie, on a rig of J joints.

    Attributes:
        origin: (3) the pelvis on the ground, world, metres; y is 0.
        forward: (3) where the body faces, world, unit; y is 0.
        turn: (3) root motion since the last frame: dx and dz in its root space, metres; dyaw, radians.
        course: origin, forward and turn: where the body is, and how it goes on.
        rise: (1) pelvis height, metres.
        root: turn and rise.
        body: everything after them: p, v and the columns.
    """

    joints: int

    origin: ClassVar[slice] = slice(0, 3)
    forward: ClassVar[slice] = slice(3, 6)
    turn: ClassVar[slice] = slice(6, 9)
    course: ClassVar[slice] = slice(0, 9)
    rise: ClassVar[slice] = slice(9, 10)
    root: ClassVar[slice] = slice(6, 10)
    body: ClassVar[slice] = slice(10, None)

    @property
    def size(self) -> int:
        """Length of a state."""
        return 10 + 15 * self.joints

    @property
    def size_pose(self) -> int:
        """Length of what a network reads."""
        return 4 + 12 * self.joints

    @property
    def size_change(self) -> int:
        """Length of a change: of turn and rise (4), and a small turn of each joint (3 J)."""
        return 4 + 3 * self.joints

    @property
    def size_next_pose(self) -> int:
        """Length of an absolute pose, see `next_pose`: turn and rise (4), then columns a (3 J) and b (3 J)."""
        return 4 + 6 * self.joints

    @property
    def pose(self) -> slice:
        """What a network reads: turn to b."""
        return slice(6, 10 + 12 * self.joints)

    @property
    def p(self) -> slice:
        """(3 J) joint positions in root space, metres."""
        return slice(10, 10 + 3 * self.joints)

    @property
    def v(self) -> slice:
        """(3 J) joint velocities: motion in the world along the root's axes, metres a second."""
        return slice(10 + 3 * self.joints, 10 + 6 * self.joints)

    @property
    def columns(self) -> slice:
        """(9 J) a, b and c: the columns of the joints' rotation matrices in root space, 3 J each."""
        return slice(10 + 6 * self.joints, self.size)


FASTEST, SPIN, LOWEST, HIGHEST = 20.0, 4 * np.pi, -1.0, 3.0
"""What no body does: rig heights a second, radians a second, rig heights of the pelvis."""


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A rig's constants as tensors, for J joints.

    World rotations make forward kinematics linear: every joint is its pelvis plus fixed combinations of rotation
    columns. So forward kinematics is one matrix product (`chain`), and so are the key joints (`keys`).

    Attributes:
        height: of the rig, metres.
        fps: frames a second.
        chain: (9 J, 3 J) takes rotation columns to joint positions relative to the pelvis.
        up: (1, 3 J) puts the pelvis height into every joint's y.
        keys: (15 J, 72) takes p, v, a, b, c to position / height and two rest-relative rotation columns per slot.
        mask: (8, 1) 1 where the rig has the role, else 0.
        key_joints: (8,) the joint of each role, 0 where there is none.
        bounds: (2, 4) the least and the most of turn and rise that a generated body may have. No motion comes near
            them. They stop roll-outs that run away: the root's speed adds up from frame to frame, and a network that
            has seen little motion may feed on its own errors until its numbers have no end.
    """

    rig: Rig
    layout: Layout
    height: float
    fps: float
    chain: Tensor
    up: Tensor
    keys: Tensor
    mask: Tensor
    key_joints: Tensor
    bounds: Tensor

    @property
    def device(self) -> torch.device:
        """Where the tensors lie."""
        return self.chain.device

    def to(self, device: torch.device | str) -> Skeleton:
        """The same with its tensors on a device."""
        return replace(
            self,
            chain=self.chain.to(device),
            up=self.up.to(device),
            keys=self.keys.to(device),
            mask=self.mask.to(device),
            key_joints=self.key_joints.to(device),
            bounds=self.bounds.to(device),
        )


# Linear maps from a heading or a step to what is built of it; rows in, columns out.
_FRAME = torch.tensor([[0, 0, -1, 0, 0, 0, 1, 0, 0], [0] * 9, [1, 0, 0, 0, 0, 0, 0, 0, 1.0]])
_FRAME_UP = torch.tensor([0, 0, 0, 0, 1, 0, 0, 0, 0.0])
_STEP = torch.tensor([[1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0], [0] * 6, [0, 0, 0, 0, 0, 1], [0, 0, 0, 1, 0, 0.0]])


def make_skeleton(rig: Rig, fps: float) -> Skeleton:
    """The constants of `rig` for clips at `fps` frames a second."""
    joints = len(rig)
    chain = np.zeros((joints, joints, 3), np.float32)  # joint, joint whose rotation moves it, column
    for j in range(joints):
        for k in np.flatnonzero(rig.ancestors[j]):
            if rig.parents[k] >= 0:
                chain[j, rig.parents[k]] += rig.offsets[k]
    pelvis = rig.roles.get("pelvis", 0)
    chain = np.einsum("jkc,xy->ckxjy", chain - chain[pelvis], np.eye(3, dtype=np.float32))

    height, mask = rig.height, rig.role_mask
    key = np.maximum(rig.key_joints, 0)
    rest = quat.to_matrix(quat.inverse(rig.rest_global[1][key]))
    keys = np.zeros((5, joints, 3, SLOTS, 3, 3), np.float32)  # block, joint, axis -> slot, row, axis
    for slot in np.flatnonzero(mask):
        keys[0, key[slot], :, slot, 0] = np.eye(3) / height
        for row in range(2):
            for column in range(3):
                keys[2 + column, key[slot], :, slot, 1 + row] = np.eye(3) * rest[slot, column, row]
    fastest = np.array([FASTEST * height, FASTEST * height, SPIN]) / fps
    low, high = np.append(-fastest, LOWEST * height), np.append(fastest, HIGHEST * height)
    return Skeleton(
        rig,
        Layout(joints),
        height,
        fps,
        torch.from_numpy(chain.reshape(9 * joints, 3 * joints).astype(np.float32)),
        torch.tensor([0.0, 1.0, 0.0]).repeat(joints)[None],
        torch.from_numpy(keys.reshape(15 * joints, 9 * SLOTS)),
        torch.from_numpy(mask.astype(np.float32))[:, None],
        torch.from_numpy(key.astype(np.int64)),
        torch.from_numpy(np.stack([low, high]).astype(np.float32)),
    )


def states(motion: Motion) -> Tensor:
    """States (N, T, D) of true motion. The first frame of a clip has the velocity of the second."""
    layout = Layout(len(motion.rig))
    count, frames = motion.root_positions.shape[:2]
    root = motion.root
    cos, sin = np.cos(root.yaw), np.sin(root.yaw)
    out = np.zeros((count, frames, layout.size), np.float32)
    out[..., :3] = root.origin
    out[..., 3], out[..., 5] = sin, cos
    if frames > 1:
        step = np.diff(root.origin, axis=1)
        out[:, 1:, 6] = cos[:, :-1] * step[..., 0] - sin[:, :-1] * step[..., 2]
        out[:, 1:, 7] = cos[:, :-1] * step[..., 2] + sin[:, :-1] * step[..., 0]
        out[:, 1:, 8] = np.angle(np.exp(1j * np.diff(root.yaw, axis=1)))
        out[:, 0, 6:9] = out[:, 1, 6:9]
    out[..., 9] = motion.positions[:, :, motion.rig.roles.get("pelvis", 0), 1]
    out[..., layout.p] = root.points_in(motion.positions).reshape(count, frames, 3 * layout.joints)
    velocity = np.zeros_like(motion.positions)
    if frames > 1:
        velocity[:, 1:] = np.diff(motion.positions, axis=1) * motion.fps
        velocity[:, 0] = velocity[:, 1]
    out[..., layout.v] = root.vectors_in(velocity).reshape(count, frames, 3 * layout.joints)
    matrices = quat.to_matrix(root.rotations_in(motion.global_rotations))
    out[..., layout.columns] = np.moveaxis(matrices, -1, -3).reshape(count, frames, 9 * layout.joints)
    return torch.from_numpy(out)


def changes(path: Tensor) -> Tensor:
    """Changes (N, T - 1, 4 + 3 J) that lead from each state of a path (N, T, D) to the next, for `advance`."""
    layout = Layout((path.shape[-1] - 10) // 15)
    steps = path[:, 1:, Layout.root] - path[:, :-1, Layout.root]
    columns = path[..., layout.columns].unflatten(-1, (3, layout.joints, 3)).movedim(-3, -1)
    turned = torch.matmul(columns[:, 1:], columns[:, :-1].transpose(-1, -2))
    # Half the rotation vector's tangent, from the skew part: the parameter that `advance` turns by.
    skew = turned - turned.transpose(-1, -2)
    vector = torch.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], -1)
    trace = turned.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True)
    return torch.cat([steps, (vector / (1 + trace).clamp(min=0.05)).flatten(-2)], -1)


def frame_of(state: Tensor) -> Tensor:
    """(B, 3, 3) axes of the root frame in the world, one a row, of states (B, D).

    A row vector in root space times this matrix is the same vector in the world.
    """
    return _axes(state[:, Layout.forward])


def _axes(forward: Tensor) -> Tensor:
    """(B, 3, 3) of horizontal unit vectors (B, 3)."""
    return torch.addmm(_FRAME_UP.to(forward.device), forward, _FRAME.to(forward.device)).view(-1, 3, 3)


def advance(state: Tensor, change: Tensor, frame: Tensor, skeleton: Skeleton) -> Tensor:
    """The state (B, D) one frame on.

    Rotations stay rotations, and positions and velocities follow by forward kinematics. What a network reads back in a
    roll-out is therefore what will be scored. At the sizes of a laptop run the number of tensor operations is the cost
    of a frame, not their arithmetic.

    Args:
        change: (B, 4 + 3 J). The first four are added to turn and rise. The others are u of every joint, in root axes:
            the joint turns by the rotation with the Rodrigues parameters u, its axis times the tangent of half the
            angle.
        frame: `frame_of(state)`.
    """
    layout, joints = skeleton.layout, skeleton.layout.joints
    moved = state[:, Layout.root] + change[:, :4]
    turn, rise = moved[:, :3], moved[:, 3:]

    u = change[:, None, 4:].unflatten(-1, (joints, 3))
    columns = state[:, layout.columns].unflatten(-1, (3, joints, 3))
    once = torch.linalg.cross(u.expand_as(columns), columns)
    both = once + torch.linalg.cross(u.expand_as(columns), once)
    columns = torch.addcdiv(columns, both, 0.5 + 0.5 * (u * u).sum(-1, keepdim=True)).flatten(1)
    p = torch.addmm(rise @ skeleton.up, columns, skeleton.chain)

    dyaw = turn[:, 2:]
    rows = (torch.cat([turn, torch.cos(dyaw), torch.sin(dyaw)], 1) @ _STEP.to(state.device)).view(-1, 2, 3)
    place = torch.baddbmm(state[:, :6].view(-1, 2, 3) * _KEEP_ORIGIN.to(state.device), rows, frame).flatten(1)
    step = rows[:, :1]
    here = _axes(rows[:, 1]).transpose(1, 2)
    old = state[:, layout.p].unflatten(-1, (joints, 3)) - step
    v = torch.baddbmm(p.view(-1, joints, 3), old, here, beta=skeleton.fps, alpha=-skeleton.fps)
    return torch.cat([place, moved, p, v.flatten(1), columns], 1)


_KEEP_ORIGIN = torch.tensor([[1.0], [0.0]])


def _upright(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Rotations (..., 3, 3) of their first two columns (..., 3), without the rounding that a roll-out has gathered.

    A library takes a singular value decomposition against it, which costs more than all the rest of `to_motion`.
    """
    a = a / np.linalg.norm(a, axis=-1, keepdims=True)
    b = b - (a * b).sum(-1, keepdims=True) * a
    b = b / np.linalg.norm(b, axis=-1, keepdims=True)
    return np.stack([a, b, np.cross(a, b)], -1)


def to_motion(path: Tensor, rig: Rig) -> tuple[np.ndarray, np.ndarray]:
    """Root positions (N, T, 3), metres, world, and local rotations (N, T, J, 4) of states (N, T, D); numpy float32."""
    layout = Layout(len(rig))
    flat = path.detach().cpu().double().numpy()
    shape = (*flat.shape[:2], 3, layout.joints, 3)
    columns = flat[..., layout.columns].reshape(shape)
    heading = quat.from_yaw(np.arctan2(flat[..., 3], flat[..., 5]))
    world = quat.mul(heading[..., None, :], quat.from_matrix(_upright(columns[..., 0, :, :], columns[..., 1, :, :])))
    rotations = quat.normalize(global_to_local(world, rig.parents))
    root = int(np.flatnonzero(rig.parents < 0)[0])
    place = flat[..., layout.p].reshape(*flat.shape[:2], layout.joints, 3)[..., root, :]
    root_positions = quat.rotate(heading, place) + flat[..., :3]
    return root_positions.astype(np.float32), rotations.astype(np.float32)
