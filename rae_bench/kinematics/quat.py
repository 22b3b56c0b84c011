"""Unit quaternions (w, x, y, z) on numpy arrays of any leading shape.

Only what batched kinematics needs on its hot paths is written here. `from_matrix`, which scipy does well, goes through
`scipy.spatial.transform.Rotation`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

IDENTITY = np.array([1, 0, 0, 0], np.float32)
"""The rotation that turns nothing, (4,)."""


def mul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the Hamilton product (..., 4) of `a` and `b` (..., 4): first turn by `b`, then by `a`."""
    aw, ax, ay, az = np.moveaxis(a, -1, 0)
    bw, bx, by, bz = np.moveaxis(b, -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        -1,
    )


def inverse(q: np.ndarray) -> np.ndarray:
    """Return the inverse (..., 4) of unit quaternions (..., 4)."""
    return q * np.array([1, -1, -1, -1], q.dtype)


def rotate(q: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return vectors (..., 3), turned by unit quaternions (..., 4)."""
    t = 2 * np.cross(q[..., 1:], v)
    return v + q[..., :1] * t + np.cross(q[..., 1:], t)


def normalize(q: np.ndarray) -> np.ndarray:
    """Return quaternions (..., 4) scaled to unit length; a zero quaternion becomes the identity."""
    norm = np.sqrt(_dot(q, q))
    unit = q / np.maximum(norm, 1e-12)[..., None]
    unit[norm <= 1e-12] = IDENTITY
    return unit


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the dot products (...) of (..., 4); it takes a fraction of the time of a product and its sum."""
    return np.einsum("...i,...i->...", a, b)


def from_axis_angle(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Return the turns (..., 4) by `angle` radians (...) about unit `axis` (..., 3)."""
    half = np.asarray(angle)[..., None] / 2
    axis = np.broadcast_to(axis, (*half.shape[:-1], 3))
    return np.concatenate([np.cos(half), axis * np.sin(half)], -1)


def from_yaw(yaw: np.ndarray) -> np.ndarray:
    """Return the turns (..., 4) by `yaw` radians (...) about +Y; a positive turn takes +Z towards +X."""
    half = np.asarray(yaw) / 2
    zero = np.zeros_like(half)
    return np.stack([np.cos(half), zero, np.sin(half), zero], -1)


def forward(q: np.ndarray) -> np.ndarray:
    """Return the vectors (..., 3) to which unit quaternions (..., 4) turn +Z."""
    return rotate(q, np.broadcast_to(np.array([0, 0, 1], np.float32), (*q.shape[:-1], 3)))


def yaw(q: np.ndarray) -> np.ndarray:
    """Return the radians (...) about +Y, from +Z, in which `forward` of unit quaternions (..., 4) points."""
    ahead = forward(q)
    return np.arctan2(ahead[..., 0], ahead[..., 2])


def wrapped(radians: np.ndarray) -> np.ndarray:
    """Return the same angles (...) between -pi and pi."""
    return (radians + np.pi) % (2 * np.pi) - np.pi


def from_euler(order: str, degrees: Sequence[np.ndarray]) -> np.ndarray:
    """Return the turns (..., 4) of intrinsic Euler angles: "ZXY" turns about z, then the new x, then the new y.

    scipy's `Rotation.from_euler` would take most of the time that reading a BVH file takes.

    Args:
        order: names of the axes, in the order of the turns.
        degrees: for each axis an array (...).
    """
    w, x, y, z = (np.array(value) for value in (1.0, 0.0, 0.0, 0.0))
    for axis, angle in zip(order.lower(), degrees, strict=True):
        half = np.radians(angle) / 2
        c, s = np.cos(half), np.sin(half)
        if axis == "x":
            w, x, y, z = w * c - x * s, x * c + w * s, y * c + z * s, z * c - y * s
        elif axis == "y":
            w, x, y, z = w * c - y * s, x * c - z * s, y * c + w * s, z * c + x * s
        else:
            w, x, y, z = w * c - z * s, x * c + y * s, y * c - x * s, z * c + w * s
    return np.stack([w, x, y, z], -1)


def to_matrix(q: np.ndarray) -> np.ndarray:
    """Return the rotation matrices (..., 3, 3) of unit quaternions (..., 4)."""
    w, x, y, z = np.moveaxis(q, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def from_matrix(m: np.ndarray) -> np.ndarray:
    """Return the unit quaternions (..., 4) of rotation matrices (..., 3, 3); their w is not negative."""
    from scipy.spatial.transform import Rotation

    q = Rotation.from_matrix(m.reshape(-1, 3, 3)).as_quat(scalar_first=True, canonical=True)
    return q.reshape((*m.shape[:-2], 4)).astype(m.dtype)


def continuous(q: np.ndarray, axis: int) -> np.ndarray:
    """Return the same rotations, with signs such that neighbours along `axis` lie in one half-space.

    Args:
        q: (..., 4) unit quaternions.
        axis: an axis of `q` but the last.
    """
    q = np.moveaxis(q, axis, 0)
    flips = np.where(_dot(q[1:], q[:-1]) < 0, -1, 1).astype(q.dtype)
    sign = np.concatenate([np.ones_like(q[:1, ..., 0]), np.cumprod(flips, 0)])
    return np.moveaxis(q * sign[..., None], 0, axis)


def slerp(a: np.ndarray, b: np.ndarray, t: np.ndarray | float) -> np.ndarray:
    """Return the rotations (..., 4) at share `t` of the short arc from `a` to `b`.

    Args:
        a: (..., 4) unit quaternions.
        b: (..., 4) unit quaternions.
        t: 0 to 1, broadcasts against (...).
    """
    t = np.asarray(t)[..., None]
    dot = (a * b).sum(-1, keepdims=True)
    b = np.where(dot < 0, -b, b)
    theta = np.arccos(np.clip(np.abs(dot), 0, 1))
    sin = np.sin(theta)
    near = sin < 1e-4
    safe = np.where(near, 1, sin)
    wa = np.where(near, 1 - t, np.sin((1 - t) * theta) / safe)
    wb = np.where(near, t, np.sin(t * theta) / safe)
    return normalize(wa * a + wb * b).astype(a.dtype)


def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the shortest turns (..., 4) that take directions `a` (..., 3) to `b` (..., 3).

    Opposite directions are turned about a normal of `a`.
    """
    a = a / np.maximum(np.linalg.norm(a, axis=-1, keepdims=True), 1e-12)
    b = b / np.maximum(np.linalg.norm(b, axis=-1, keepdims=True), 1e-12)
    w = 1 + (a * b).sum(-1, keepdims=True)
    normal = np.cross(a, np.where(np.abs(a[..., :1]) < 0.9, np.array([1.0, 0, 0]), np.array([0, 1.0, 0])))
    return normalize(np.where(w > 1e-6, np.concatenate([w, np.cross(a, b)], -1), np.concatenate([0 * w, normal], -1)))


def chord(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the distances (...) of unit quaternions as points of the sphere, to the nearer one of b and -b."""
    sign = np.where(_dot(a, b) < 0, -1, 1).astype(a.dtype)
    between = a - sign[..., None] * b
    return np.sqrt(_dot(between, between))


def angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the geodesic distances (...) of unit quaternions (..., 4), in radians.

    It is four times the arc over half the chord, which is accurate near zero.
    """
    return 4 * np.arcsin(np.minimum(chord(a, b) / 2, 1))
