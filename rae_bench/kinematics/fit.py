"""A skeleton of constant bones, and its rotations, fitted to measured points: arrays only.

Bone lengths are medians over all frames. Rotations follow from the root down: a joint with several children turns so
that its children's rest offsets fit the measured bones best (Kabsch 1976, doi:10.1107/S0567739476001873); a joint with
one child takes the shortest turn from the bone's mean direction in the parent's axes. Points do not tell the twist
about a lone bone, so it is the parent's. An end joint does not turn. The pose of identity rotations is the mean pose.
"""

from __future__ import annotations

import numpy as np

from rae_bench.kinematics import quat

TWIST_PRIOR = 1e-6
"""Weight of "no turn" in the fit: it decides only what the points leave open, such as the twist about a line."""


def fit_bones(positions: np.ndarray, parents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rest offsets (J, 3) and local rotations (F, J, 4) whose forward kinematics meet the points best.

    Args:
        positions: (F, J, 3) metres, world; joint 0 is the root and carries the path.
        parents: (J,) int, parents before children, -1 at the root.
    """
    frames, count = positions.shape[:2]
    offsets = np.zeros((count, 3))
    world = np.zeros((frames, count, 4))
    unturned = np.tile(np.array([1.0, 0, 0, 0]), (frames, 1))
    local = np.repeat(unturned[:, None], count, 1)
    for j in range(count):
        above = world[:, parents[j]] if parents[j] >= 0 else unturned
        children = np.flatnonzero(parents == j)
        if len(children):
            bones = quat.rotate(quat.inverse(above)[:, None], positions[:, children] - positions[:, [j]])
            lengths = np.median(np.linalg.norm(bones, axis=-1), axis=0)
            if len(children) == 1:
                rest = _mean_direction(bones[:, 0])[None]
                local[:, j] = quat.between(np.broadcast_to(rest, bones[:, 0].shape), bones[:, 0])
            else:
                rest, local[:, j] = _procrustes(bones)
            size = np.linalg.norm(rest, axis=-1)
            offsets[children] = rest * (lengths / np.where(size > 0, size, 1))[:, None]
        world[:, j] = quat.mul(above, local[:, j])
    return offsets, local


def _mean_direction(vectors: np.ndarray) -> np.ndarray:
    """Return the mean direction (3,) of vectors (F, 3); where they cancel out, that of the first that is not zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    units = vectors / np.where(length > 0, length, 1)
    mean = units.mean(0)
    if np.linalg.norm(mean) < 0.05:
        mean = units[int((length[:, 0] > 0).argmax())]
    size = np.linalg.norm(mean)
    return mean / size if size > 0 else np.array([0.0, 1.0, 0.0])


def _procrustes(bones: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean shape (C, 3) of bundles of bones (F, C, 3), and the turns (F, 4) from it to them.

    The mean shape stands in the bundles' mean attitude.
    """
    gaps = np.linalg.norm(bones[:, :, None] - bones[:, None], axis=-1)
    usual = np.abs(gaps - np.median(gaps, axis=0)).sum((1, 2))
    rest = bones[int(usual.argmin())]
    for _ in range(3):
        rotations = kabsch(rest, bones)
        rest = np.einsum("fji,fcj->ci", rotations, bones) / len(bones)
    rest = rest @ _nearest_rotation(kabsch(rest, bones).mean(0)[None])[0].T
    return rest, quat.from_matrix(kabsch(rest, bones))


def kabsch(rest: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """Return the matrices (F, 3, 3) that turn `rest` (C, 3) to `bones` (F, C, 3) best, in the sense of least squares.

    Where the bones leave a turn open, as those on a line do, the least turn is taken.
    """
    spread = np.einsum("fci,cj->fij", bones, rest)
    scale = np.linalg.norm(spread, axis=(1, 2), keepdims=True)
    return _nearest_rotation(spread / np.where(scale > 0, scale, 1) + TWIST_PRIOR * np.eye(3))


def _nearest_rotation(matrices: np.ndarray) -> np.ndarray:
    """Return the rotation matrices (F, 3, 3) nearest to matrices (F, 3, 3)."""
    u, _, vt = np.linalg.svd(matrices)
    sign = np.ones((len(matrices), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    return (u * sign[:, None]) @ vt
