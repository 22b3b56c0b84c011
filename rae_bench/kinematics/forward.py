"""Forward kinematics and the change from world to local rotations, over arrays of poses of any leading shape.

Inside, arrays are component-major: small trailing axes are slow on a CPU, so each component of a quaternion is one
contiguous row over all poses. Only the chain itself is walked joint by joint.
"""

from __future__ import annotations

import numpy as np

from rae_bench.kinematics import quat

CHUNK = 4096
"""Poses at a time. With fewer, the calls cost more than their arithmetic; with more, the rows leave the caches."""
PADDING = 16
"""Unused poses at the end of each row. Rows a power of two apart share a few lines of the caches, and turning such rows
back into poses takes five times as long."""


def forward_kinematics(
    rotations: np.ndarray, root_positions: np.ndarray, parents: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the world positions and rotations of all joints of local poses.

    Args:
        rotations: (..., J, 4) local unit quaternions (w, x, y, z).
        root_positions: (..., 3) metres, world.
        parents: (J,) int, the parent of each joint, parents before children; -1 at the root.
        offsets: (J, 3) metres, from the parent, in the parent's axes; the root's offset is not added.

    Returns:
        Positions (..., J, 3) in metres and rotations (..., J, 4), both world, in the dtype of `rotations`.
    """
    lead, joints = rotations.shape[:-2], len(parents)
    dtype = rotations.dtype
    flat_rotations = rotations.reshape(-1, joints * 4)
    flat_root = np.broadcast_to(root_positions, (*lead, 3)).reshape(-1, 3)
    count = len(flat_rotations)
    positions = np.empty((count, joints * 3), dtype)
    globals_ = np.empty((count, joints * 4), dtype)
    columns = offsets.astype(dtype)[:, :, None]
    wide = min(count, CHUNK)
    p_rows = np.empty((joints * 3, wide + PADDING), dtype)
    q_rows = np.empty((joints * 4, wide + PADDING), dtype)
    spare = np.empty((9, wide), dtype)
    for start in range(0, count, CHUNK):
        part = slice(start, start + CHUNK)
        here = len(flat_rotations[part])
        p, q = p_rows[:, :here], q_rows[:, :here]
        q[:] = flat_rotations[part].T
        place, turn = p.reshape(joints, 3, here), q.reshape(joints, 4, here)
        place[0] = flat_root[part].T
        for j, parent in enumerate(parents):
            if parent >= 0:
                _carry(turn[parent], columns[j], place[parent], place[j], spare[:, :here])
                _compose(turn[parent], turn[j], spare[:, :here])
        positions[part] = p.T
        globals_[part] = q.T
    return positions.reshape((*lead, joints, 3)), globals_.reshape((*lead, joints, 4))


def _carry(a: np.ndarray, offset: np.ndarray, base: np.ndarray, out: np.ndarray, spare: np.ndarray) -> None:
    """Set `out` (3, n) to `base` (3, n) plus `offset` (3, 1) turned by `a` (4, n)."""
    w, x, y, z = a
    ox, oy, oz = 2 * offset[:, 0]
    cross, term = spare[:3], spare[3]
    cx, cy, cz = cross
    multiply, add, subtract = np.multiply, np.add, np.subtract
    subtract(multiply(y, oz, out=cx), multiply(z, oy, out=term), out=cx)
    subtract(multiply(z, ox, out=cy), multiply(x, oz, out=term), out=cy)
    subtract(multiply(x, oy, out=cz), multiply(y, ox, out=term), out=cz)
    multiply(w, cross, out=out)
    add(out, base, out=out)
    add(out, offset, out=out)
    for row, plus, minus in ((out[0], (y, cz), (z, cy)), (out[1], (z, cx), (x, cz)), (out[2], (x, cy), (y, cx))):
        add(row, multiply(*plus, out=term), out=row)
        subtract(row, multiply(*minus, out=term), out=row)


def _compose(a: np.ndarray, b: np.ndarray, spare: np.ndarray) -> None:
    """Set `b` (4, n) to the Hamilton product of `a` (4, n) and `b`; one call makes four products where it can."""
    w, x, y, z = a
    total, terms = spare[:4], spare[4:8]
    tw, tx, ty, tz = total
    uw, ux, uy, uz = terms
    multiply, add, subtract = np.multiply, np.add, np.subtract
    multiply(w, b, out=total)
    multiply(x, b, out=terms)
    subtract(tw, ux, out=tw), add(tx, uw, out=tx), subtract(ty, uz, out=ty), add(tz, uy, out=tz)
    multiply(y, b, out=terms)
    subtract(tw, uy, out=tw), add(tx, uz, out=tx), add(ty, uw, out=ty), subtract(tz, ux, out=tz)
    multiply(z, b, out=terms)
    subtract(tw, uz, out=b[0]), subtract(tx, uy, out=b[1]), add(ty, ux, out=b[2]), add(tz, uw, out=b[3])


def global_to_local(rotations: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """Return the local rotations (..., J, 4) of world rotations (..., J, 4); the root's stay as they are."""
    local = quat.mul(quat.inverse(rotations[..., np.maximum(parents, 0), :]), rotations)
    root = int(np.flatnonzero(parents < 0)[0])
    local[..., root, :] = rotations[..., root, :]
    return local
