"""Root space: the pelvis projected on the ground, heading along +Z; and which way a body faces."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from rae_bench.kinematics import quat

if TYPE_CHECKING:
    from rae_bench.rigs.rig import Rig


@dataclass(frozen=True)
class RootSpace:
    """A frame of reference on the ground under the pelvis, for each pose.

    Attributes:
        origin: (..., 3) metres, world, y = 0.
        yaw: (...) radians about +Y; 0 faces +Z.
    """

    origin: np.ndarray
    yaw: np.ndarray

    def __getitem__(self, poses: Any) -> RootSpace:
        """Return the frames of reference of some poses."""
        return RootSpace(self.origin[poses], self.yaw[poses])

    @property
    def rotation(self) -> np.ndarray:
        """(..., 4) rotation from root space to the world."""
        return quat.from_yaw(self.yaw)

    def points_in(self, world: np.ndarray) -> np.ndarray:
        """Return world points (..., J, 3) in root space."""
        return self.vectors_in(world - self.origin[..., None, :])

    def vectors_in(self, world: np.ndarray) -> np.ndarray:
        """Return world vectors (..., J, 3) in the axes of root space."""
        return _turn(world, -self.yaw)

    def points_out(self, local: np.ndarray) -> np.ndarray:
        """Return root-space points (..., J, 3) in the world."""
        return _turn(local, self.yaw) + self.origin[..., None, :]

    def rotations_in(self, world: np.ndarray) -> np.ndarray:
        """Return world rotations (..., J, 4) relative to the root."""
        return quat.mul(quat.inverse(self.rotation)[..., None, :], world)


def _turn(vectors: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """Return vectors (..., J, 3) turned about +Y by `yaw` radians (...)."""
    c, s = np.cos(yaw)[..., None], np.sin(yaw)[..., None]
    x, y, z = np.moveaxis(vectors, -1, 0)
    return np.stack([c * x + s * z, y, c * z - s * x], -1)


@lru_cache(maxsize=64)
def _heading_joints(rig: Rig) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return the joints that tell where a body faces: left, right, the spine's (from, to), and the spine's weight.

    Hips and shoulders are the first joints down the left and right chains that stand apart in the rest pose. The spine
    counts by how horizontal it rests: fully for a quadruped, not at all for an upright biped, whose lean would turn the
    heading.
    """
    positions = rig.rest_global[0]
    pairs = []
    for left_role, right_role in (("left_foot", "right_foot"), ("left_hand", "right_hand"), ("left_mid", "right_mid")):
        if left_role not in rig.roles or right_role not in rig.roles:
            continue
        left_chain = np.flatnonzero(rig.ancestors[rig.roles[left_role]])
        right_chain = np.flatnonzero(rig.ancestors[rig.roles[right_role]])
        common = np.intersect1d(left_chain, right_chain)
        sides = zip(np.setdiff1d(left_chain, common), np.setdiff1d(right_chain, common), strict=False)
        for left, right in sides:
            if np.linalg.norm(positions[left] - positions[right]) > 0.02 * rig.height:
                pairs.append((left, right))
                break
    weight, spine = 0.0, np.array([0, 0])
    if "head" in rig.roles and "pelvis" in rig.roles:
        chain = np.flatnonzero(rig.ancestors[rig.roles["head"]])
        shoulders = [np.intersect1d(np.flatnonzero(rig.ancestors[rig.roles[r]]), chain)[-1]
                     for r in ("left_hand", "right_hand") if r in rig.roles]
        top = min(shoulders) if shoulders else rig.roles["head"]
        spine = np.array([rig.roles["pelvis"], top])
        vector = positions[top] - positions[rig.roles["pelvis"]]
        length = float(np.linalg.norm(vector))
        horizontal = float(np.linalg.norm(vector[[0, 2]])) / length if length > 1e-6 else 0.0
        weight = float(np.clip(2 * horizontal - 0.7, 0, 1))
    left = np.array([pair[0] for pair in pairs], int)
    right = np.array([pair[1] for pair in pairs], int)
    return left, right, spine, weight


def heading_angle(positions: np.ndarray, rotations: np.ndarray, rig: Rig) -> np.ndarray:
    """Return where the body faces, in radians about +Y from +Z.

    The line between the hips, the line between the shoulders and, where it rests horizontally, the spine decide. A rig
    without sides faces where its root has turned since the rest pose.

    Args:
        positions: (..., J, 3) metres, world.
        rotations: (..., J, 4) world.
        rig: the skeleton.

    Returns:
        (...) radians.
    """
    left, right, spine, weight = _heading_joints(rig)
    if len(left) == 0 and weight == 0:
        turn = quat.mul(rotations[..., 0, :], quat.inverse(rig.rest_global[1][0]))
        forward = quat.rotate(turn, np.array([0, 0, 1], np.float32))
        return np.arctan2(forward[..., 0], forward[..., 2])
    across = (positions[..., left, :] - positions[..., right, :]).sum(-2)
    along = weight * (positions[..., spine[1], :] - positions[..., spine[0], :])
    # left x up = forward: (x, z) -> (-z, x)
    return np.arctan2(along[..., 0] - across[..., 2], along[..., 2] + across[..., 0])


def root_space(positions: np.ndarray, rotations: np.ndarray, rig: Rig) -> RootSpace:
    """Return the root space of each pose, from world positions (..., J, 3) in metres and rotations (..., J, 4)."""
    pelvis = positions[..., rig.roles.get("pelvis", 0), :]
    origin = pelvis * np.array([1, 0, 1], pelvis.dtype)
    return RootSpace(origin, heading_angle(positions, rotations, rig))


def velocities(positions: np.ndarray, fps: float, axis: int = -3) -> np.ndarray:
    """Return backward differences along the frame axis, in units per second; the first frame repeats the second's.

    Args:
        positions: any shape.
        fps: frames per second.
        axis: the frame axis.
    """
    moved = np.moveaxis(positions, axis, 0)
    if len(moved) < 2:
        return np.zeros_like(positions)
    v = (moved[1:] - moved[:-1]) * fps
    return np.moveaxis(np.concatenate([v[:1], v]), 0, axis)
