"""Bodies of points that tests write."""

from __future__ import annotations

import numpy as np

from rae_bench.kinematics import quat

NAMES = ("hips", "chest", "head", "arm_l", "hand_l", "arm_r", "leg_l", "leg_r")


PARENTS = np.array([-1, 0, 1, 1, 3, 1, 0, 0])


OFFSETS = np.array([[0, 0, 0], [0, 5, 1], [0, 3, 0], [2, 1, 0], [3, 0, 1], [-2, 1, 0], [1, -4, 0], [-1, -4, 0]]) / 10


def turns(frames: int, joints: int, seed: int = 0, size: float = 0.6) -> np.ndarray:
    """Random rotations (T, J, 4) of up to about `size` radians."""
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=(frames, joints, 3))
    return quat.from_axis_angle(
        axis / np.linalg.norm(axis, axis=-1, keepdims=True), size * rng.random((frames, joints))
    )


def body(frames: int = 60, seed: int = 0) -> np.ndarray:
    """Points (T, J, 3) of a body that turns all its joints, walked by plain loops over the tree."""
    rotations = turns(frames, len(NAMES), seed)
    points = np.zeros((frames, len(NAMES), 3))
    matrices = quat.to_matrix(rotations)
    world = matrices.copy()
    points[:, 0] = np.linspace(0, 1, frames)[:, None] * [1, 0.2, -1]
    for j in range(1, len(NAMES)):
        p = PARENTS[j]
        points[:, j] = points[:, p] + np.einsum("fij,j->fi", world[:, p], OFFSETS[j])
        world[:, j] = world[:, p] @ matrices[:, j]
    return points
