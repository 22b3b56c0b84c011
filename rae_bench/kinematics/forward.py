"""Forward kinematics and the change between local and global rotations, batched over clips and frames.

Component-major inside: small trailing axes are what is slow on a CPU, so each quaternion component is one
contiguous row over all poses, and only the chain itself is walked joint by joint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rae_bench.kinematics import quat

if TYPE_CHECKING:
    from rae_bench.rig import Rig

CHUNK = 4096
"""Poses at a time: the working set of a 31-joint chunk stays within the second-level cache."""


def forward_kinematics(
    rotations: np.ndarray, root_positions: np.ndarray, rig: Rig
) -> tuple[np.ndarray, np.ndarray]:
    """World joint positions and rotations of local poses.

    Args:
        rotations: (..., J, 4) local unit quaternions (w, x, y, z).
        root_positions: (..., 3) metres, world.
        rig: parents and offsets; the root's own offset is not added.

    Returns:
        positions (..., J, 3) in metres and rotations (..., J, 4), both world, in the dtype of `rotations`.
    """
    lead, joints = rotations.shape[:-2], len(rig)
    dtype = rotations.dtype
    flat_rotations = rotations.reshape(-1, joints * 4)
    flat_root = np.broadcast_to(root_positions, (*lead, 3)).reshape(-1, 3)
    count = len(flat_rotations)
    positions = np.empty((count, joints * 3), dtype)
    globals_ = np.empty((count, joints * 4), dtype)
    offsets = rig.offsets.astype(dtype)
    for start in range(0, count, CHUNK):
        part = slice(start, start + CHUNK)
        q = np.array(flat_rotations[part].T, order="C").reshape(joints, 4, -1)
        p = np.empty((joints, 3, q.shape[-1]), dtype)
        p[0] = flat_root[part].T
        for j, parent in enumerate(rig.parents):
            if parent < 0:
                continue
            w, x, y, z = q[parent]
            ox, oy, oz = offsets[j]
            tx, ty, tz = 2 * (y * oz - z * oy), 2 * (z * ox - x * oz), 2 * (x * oy - y * ox)
            p[j, 0] = p[parent, 0] + (ox + w * tx + (y * tz - z * ty))
            p[j, 1] = p[parent, 1] + (oy + w * ty + (z * tx - x * tz))
            p[j, 2] = p[parent, 2] + (oz + w * tz + (x * ty - y * tx))
            bw, bx, by, bz = q[j]
            q[j] = (
                w * bw - x * bx - y * by - z * bz,
                w * bx + x * bw + y * bz - z * by,
                w * by - x * bz + y * bw + z * bx,
                w * bz + x * by - y * bx + z * bw,
            )
        positions[part] = p.reshape(joints * 3, -1).T
        globals_[part] = q.reshape(joints * 4, -1).T
    return positions.reshape((*lead, joints, 3)), globals_.reshape((*lead, joints, 4))


def local_to_global(rotations: np.ndarray, rig: Rig) -> np.ndarray:
    """World rotations (..., J, 4) of local rotations (..., J, 4)."""
    return forward_kinematics(rotations, np.zeros(3, rotations.dtype), rig)[1]


def global_to_local(rotations: np.ndarray, rig: Rig) -> np.ndarray:
    """Local rotations (..., J, 4) of world rotations (..., J, 4); the root's stay as they are."""
    parents = np.maximum(rig.parents, 0)
    local = quat.mul(quat.inverse(rotations[..., parents, :]), rotations)
    root = int(np.flatnonzero(rig.parents < 0)[0])
    local[..., root, :] = rotations[..., root, :]
    return local
