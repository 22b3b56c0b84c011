"""Inverse kinematics: projected, error-damped least squares over all poses at once, within the joints' limits.

The functions take a `Rig` and not its arrays. A problem needs seven of them together (parents, offsets, limits, rest,
ancestors, whether the base is fixed, and the reach), and they have to belong to one skeleton.

Each pose is a small problem of its own and is solved by the same operations whatever stands beside it in the batch, so
that results do not depend on how poses are grouped. Locked axes drop out of the problem. A joint with limits moves in
its limit angles (intrinsic x, z, y), a free one by small turns about its axes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rae_bench.kinematics import quat
from rae_bench.rigs.rig import Rig

CHUNK = 256
"""Poses at a time: bounds the Jacobians to some tens of MB."""
TOLERANCE = 1e-5
"""A pose is done when no weighted residual is longer than this share of the rig's reach."""
MAX_STEP = 0.6
"""Radians a joint axis may turn in one iteration."""
_AXIS = np.eye(3)


def limit_angles(rotations: np.ndarray, rig: Rig) -> np.ndarray:
    """Return the angles of each joint away from its rest rotation about x, y and z, in the intrinsic order x, z, y.

    Args:
        rotations: (..., J, 4) local unit quaternions.
        rig: limits and rest rotations of J joints.

    Returns:
        (..., J, 3) radians, comparable with `rig.limits`.
    """
    w, x, y, z = np.moveaxis(quat.mul(quat.inverse(rig.rest.astype(rotations.dtype)), rotations), -1, 0)
    about_z = np.arcsin(np.clip(2 * (w * z - x * y), -1, 1))
    about_y = np.arctan2(2 * (x * z + w * y), 1 - 2 * (y * y + z * z))
    about_x = np.arctan2(2 * (y * z + w * x), 1 - 2 * (x * x + z * z))
    angles = np.stack([about_x, about_y, about_z], -1)
    # Past a quarter turn about z the same rotation has a second reading; a joint allowed there gets the one that fits.
    wide = (np.abs(rig.limits[:, 2]) > np.pi / 2).any(1) & (np.abs(rig.limits) < np.pi - 1e-4).any((1, 2))
    if wide.any():
        first = angles[..., wide, :]
        other = np.pi + first * [1, 1, -1]
        second = quat.wrapped(other).astype(first.dtype)
        low, high = rig.limits[wide, :, 0], rig.limits[wide, :, 1]
        outside = [np.maximum(np.maximum(a - high, low - a), 0).sum(-1, keepdims=True) for a in (first, second)]
        angles[..., wide, :] = np.where(outside[1] < outside[0], second, first)
    return angles


def from_limit_angles(angles: np.ndarray, rig: Rig) -> np.ndarray:
    """Return the local rotations (..., J, 4) of limit angles (..., J, 3) in radians; the inverse of `limit_angles`."""
    return quat.mul(rig.rest.astype(angles.dtype), limit_turn(angles))


def limit_turn(angles: np.ndarray) -> np.ndarray:
    """Return the turns (..., 4) about x, then the new z, then the new y.

    Args:
        angles: (..., 3) radians about x, y, z.
    """
    cx, cy, cz = np.moveaxis(np.cos(angles / 2), -1, 0)
    sx, sy, sz = np.moveaxis(np.sin(angles / 2), -1, 0)
    return np.stack(
        [
            cx * cz * cy + sx * sz * sy,
            sx * cz * cy - cx * sz * sy,
            cx * cz * sy - sx * sz * cy,
            cx * sz * cy + sx * cz * sy,
        ],
        -1,
    )


def solve_ik(
    rig: Rig,
    root_positions: np.ndarray,
    rotations: np.ndarray,
    joints: Sequence[int],
    targets: np.ndarray,
    *,
    target_rotations: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    iterations: int = 30,
    damping: float = 0.3,
    floor: float = 1e-7,
    movable: np.ndarray | None = None,
    move_root: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return poses near the given ones whose `joints` stand at `targets`, as far as limits and reach allow.

    Args:
        rig: joints, limits, rest rotations.
        root_positions: (..., 3) metres, world.
        rotations: (..., J, 4) local start poses; movable joints that start outside their limits are brought inside.
        joints: K joint indices.
        targets: (..., K, 3) metres, world.
        target_rotations: (..., K, 4) world; a radian off counts as much as a tenth of the rig's reach.
        weights: (K,) or (..., K), how much each target counts; 0 leaves it out. None counts all as 1.
        iterations: at most this many steps; a pose stops when it has arrived.
        damping: share of the squared residual that is added to the normal equations; more is slower and calmer.
        floor: least damping, as a share of the squared reach. With little of it, rounding may decide between poses far
            apart where a limb is all but straight; with 1e-3 it does not, but poses take longer to arrive.
        movable: (J,) bool, joints that may turn; None lets all turn, but for the root of a rig with a fixed base.
        move_root: whether the root may travel.

    Returns:
        Root positions (..., 3) and rotations (..., J, 4) in the dtype of `rotations`.
    """
    lead, dtype = rotations.shape[:-2], rotations.dtype
    joint_list, count = np.asarray(joints, int), len(joints)
    turn = np.ones(len(rig), bool) if movable is None else np.asarray(movable, bool).copy()
    if movable is None and rig.fixed_base:
        turn[0] = False
    root = np.broadcast_to(root_positions, (*lead, 3)).reshape(-1, 3).astype(np.float64)
    pose = rotations.reshape(-1, len(rig), 4).astype(np.float64)
    goal = np.broadcast_to(targets, (*lead, count, 3)).reshape(-1, count, 3).astype(np.float64)
    goal_turn = None
    if target_rotations is not None:
        goal_turn = np.broadcast_to(target_rotations, (*lead, count, 4)).reshape(-1, count, 4).astype(np.float64)
    weight = (
        np.ones((len(pose), count))
        if weights is None
        else (np.broadcast_to(np.asarray(weights, np.float64), (*lead, count)).reshape(-1, count))
    )
    problem = _Problem(rig, joint_list, turn, move_root, damping, floor)
    for start in range(0, len(pose), CHUNK):
        part = slice(start, start + CHUNK)
        turns = None if goal_turn is None else goal_turn[part]
        root[part], pose[part] = problem.solve(root[part], pose[part], goal[part], turns, weight[part], iterations)
    return root.reshape((*lead, 3)).astype(dtype), pose.reshape((*lead, len(rig), 4)).astype(dtype)


class _Problem:
    """What all poses of a call share: which axes move (D of them), between which limits, and what each can reach."""

    def __init__(
        self, rig: Rig, joints: np.ndarray, movable: np.ndarray, move_root: bool, damping: float, floor: float
    ) -> None:
        self.rig, self.joints, self.move_root, self.damping, self.floor = rig, joints, move_root, damping, floor
        self.reach = float(np.linalg.norm(rig.offsets[1:], axis=1).sum()) / 4
        limits = rig.limits.astype(np.float64)
        matters = movable & rig.ancestors[joints].any(0)
        open_axes = (limits[..., 1] - limits[..., 0] > 1e-6) & matters[:, None]
        self.free = matters & (np.abs(limits) > np.pi - 1e-4).all((1, 2))
        self.limited = matters & ~self.free
        # An axis is a joint and which of x, y, z.
        self.joint_of, self.axis_of = np.nonzero(open_axes)
        low, high = limits[self.joint_of, self.axis_of, 0], limits[self.joint_of, self.axis_of, 1]
        unbounded = self.free[self.joint_of]
        self.low, self.high = np.where(unbounded, -np.inf, low), np.where(unbounded, np.inf, high)
        self.turns = rig.ancestors[joints][:, self.joint_of].astype(np.float64)
        self.parents = np.maximum(rig.parents, 0)

    def solve(
        self,
        root: np.ndarray,
        pose: np.ndarray,
        goal: np.ndarray,
        goal_turn: np.ndarray | None,
        weight: np.ndarray,
        iterations: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Solve one chunk of B poses, and return its root positions (B, 3) and rotations (B, J, 4).

        Args:
            root: (B, 3) metres.
            pose: (B, J, 4) local rotations.
            goal: (B, K, 3) metres.
            goal_turn: (B, K, 4) world, or None.
            weight: (B, K).
            iterations: at most this many steps.
        """
        limits = self.rig.limits.astype(np.float64)
        pose = quat.normalize(pose)
        angles = np.clip(limit_angles(pose, self.rig), limits[..., 0], limits[..., 1])
        pose[:, self.limited] = from_limit_angles(angles, self.rig)[:, self.limited]
        going = np.arange(len(pose))
        for _ in range(iterations):
            turns = None if goal_turn is None else goal_turn[going]
            residual, positions, globals_ = self._residual(root[going], pose[going], goal[going], turns, weight[going])
            far = np.abs(residual).max(1) > TOLERANCE * self.reach
            going, residual, positions, globals_ = going[far], residual[far], positions[far], globals_[far]
            if len(going) == 0:
                break
            jacobian = self._jacobian(positions, globals_, angles[going], weight[going], goal_turn is not None)
            step = self._step(jacobian, residual, angles[going])
            moved = self.joint_of, self.axis_of
            change = np.zeros((len(going), len(self.rig), 3))
            change[:, moved[0], moved[1]] = step[:, : len(self.low)]
            if self.move_root:
                root[going] += step[:, len(self.low) :] * self.reach
            angles[going] = np.clip(angles[going] + change, limits[..., 0], limits[..., 1])
            new = pose[going]
            new[:, self.limited] = from_limit_angles(angles[going], self.rig)[:, self.limited]
            small = change[:, self.free]
            size = np.linalg.norm(small, axis=-1)
            axis = small / np.maximum(size, 1e-12)[..., None]
            new[:, self.free] = quat.normalize(quat.mul(new[:, self.free], quat.from_axis_angle(axis, size)))
            pose[going] = new
        return root, pose

    def _residual(
        self, root: np.ndarray, pose: np.ndarray, goal: np.ndarray, goal_turn: np.ndarray | None, weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return weighted residuals (B, 3K or 6K), world positions (B, J, 3) and rotations (B, J, 4)."""
        positions, globals_ = self.rig.forward_kinematics(pose, root)
        parts = [(goal - positions[:, self.joints]) * weight[..., None]]
        if goal_turn is not None:
            off = quat.mul(goal_turn, quat.inverse(globals_[:, self.joints]))
            off *= np.where(off[..., :1] < 0, -1, 1)
            sine = np.linalg.norm(off[..., 1:], axis=-1, keepdims=True)
            angle = 2 * np.arctan2(sine, off[..., :1])
            parts.append(off[..., 1:] * angle / np.maximum(sine, 1e-12) * (0.1 * self.reach * weight[..., None]))
        return np.concatenate(parts, 1).reshape(len(pose), -1), positions, globals_

    def _jacobian(
        self, positions: np.ndarray, globals_: np.ndarray, angles: np.ndarray, weight: np.ndarray, with_turns: bool
    ) -> np.ndarray:
        """Return (B, rows, D or D + 3): what each axis does to each residual; root travel is in units of the reach."""
        axes = self._axes(globals_, angles)
        arms = positions[:, self.joints, None] - positions[:, None, self.joint_of]
        x, y, z = np.moveaxis(arms, -1, 0)
        ax, ay, az = (axes[:, None, :, i] for i in range(3))
        mask = self.turns * weight[..., None]
        rows = [np.stack([(ay * z - az * y) * mask, (az * x - ax * z) * mask, (ax * y - ay * x) * mask], 2)]
        if with_turns:
            rows.append(np.stack([ax * mask, ay * mask, az * mask], 2) * (0.1 * self.reach))
        jacobian = np.concatenate(rows, 1).reshape(len(positions), -1, len(self.low))
        if self.move_root:
            travel = np.zeros((len(positions), jacobian.shape[1] // 3, 3, 3))
            travel[:, : len(self.joints)] = _AXIS * (weight[..., None, None] * self.reach)
            jacobian = np.concatenate([jacobian, travel.reshape(len(positions), -1, 3)], 2)
        return jacobian

    def _axes(self, globals_: np.ndarray, angles: np.ndarray) -> np.ndarray:
        """Return the world direction (B, D, 3) of each moving axis."""
        axes = np.empty((len(globals_), len(self.joint_of), 3))
        matrices = quat.to_matrix(globals_)
        unbounded = self.free[self.joint_of]
        axes[:, unbounded] = matrices[:, self.joint_of[unbounded], :, self.axis_of[unbounded]].swapaxes(0, 1)
        # R = parent rest Rx Rz Ry: the y axis is the turned joint's, z the one before that turn, x the one before both.
        bound = np.flatnonzero(~unbounded)
        joint, which = self.joint_of[bound], self.axis_of[bound]
        turned = matrices[:, joint]
        cy, sy = np.cos(angles[:, joint, 1]), np.sin(angles[:, joint, 1])
        cz, sz = np.cos(angles[:, joint, 2]), np.sin(angles[:, joint, 2])
        zero = np.zeros_like(cy)
        of_y = np.stack([zero, zero + 1, zero], -1)
        of_z = np.stack([-sy, zero, cy], -1)
        of_x = np.stack([cy * cz, -sz, sy * cz], -1)
        local = np.where((which == 0)[:, None], of_x, np.where((which == 1)[:, None], of_y, of_z))
        axes[:, bound] = (turned @ local[..., None])[..., 0]
        return axes

    def _step(self, jacobian: np.ndarray, residual: np.ndarray, angles: np.ndarray) -> np.ndarray:
        """Return the damped least-squares step (B, D or D + 3); axes that a limit stops are left out."""
        pull = (residual[:, None] @ jacobian)[:, 0]
        at = angles[:, self.joint_of, self.axis_of]
        inner = pull[:, : len(self.low)]
        stopped = ((at <= self.low + 1e-9) & (inner < 0)) | ((at >= self.high - 1e-9) & (inner > 0))
        jacobian[:, :, : len(self.low)] *= ~stopped[:, None]
        normal = jacobian @ jacobian.swapaxes(1, 2)
        error = (residual**2).sum(1)
        index = np.arange(normal.shape[1])
        normal[:, index, index] += (self.damping * error + self.floor * self.reach**2)[:, None]
        step = (np.linalg.solve(normal, residual[..., None]).swapaxes(1, 2) @ jacobian)[:, 0]
        largest = np.abs(step).max(1, keepdims=True)
        return step * np.minimum(1, MAX_STEP / np.maximum(largest, 1e-12))
