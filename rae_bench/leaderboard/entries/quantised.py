"""Motion on a grid, in few bytes, and as exact as each clip needs.

A unit quaternion is known by its three smaller components. They and the root's place are whole multiples of 2^-bits
(metres), and second differences in time are stored: motion is smooth, so they are small, and nothing is lost by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GRIDS = (14, 17, 20, 24)
"""Bits. The finest grid is that of single precision."""
PLANES = 4
"""Bytes of a difference."""
FARTHEST = 1 << 30
"""The largest number on the grid; differences are stored modulo 2^32."""


@dataclass(frozen=True, eq=False)
class OnGrid:
    """A clip of T frames and J joints on a grid.

    Attributes:
        bits: of the grid.
        roots: (T, 3) int64.
        largest: (T, J) uint8, which component of a rotation is not stored.
        turns: (T, J, 3) int64, the three components after it, cyclically.
    """

    bits: int
    roots: np.ndarray
    largest: np.ndarray
    turns: np.ndarray


def on_grid(roots: np.ndarray, rotations: np.ndarray, bits: int) -> OnGrid:
    """Put a clip on a grid.

    Args:
        roots: (T, 3) metres.
        rotations: (T, J, 4) unit quaternions.
        bits: of the grid; fewer are taken where the root is too far away for so many.
    """
    far = float(np.abs(roots).max(initial=1.0))
    bits = min(bits, int(np.floor(np.log2(FARTHEST / far))))
    largest = np.abs(rotations).argmax(-1)
    sign = np.where(np.take_along_axis(rotations, largest[..., None], -1) < 0, -1.0, 1.0)
    order = (largest[..., None] + np.arange(1, 4)) % 4
    kept = np.take_along_axis(rotations.astype(np.float64) * sign, order, -1)
    place = np.rint(roots.astype(np.float64) * 2.0**bits).astype(np.int64)
    return OnGrid(bits, place, largest.astype(np.uint8), np.rint(kept * 2.0**bits).astype(np.int64))


def off_grid(clip: OnGrid) -> tuple[np.ndarray, np.ndarray]:
    """Return root positions (T, 3) in metres and unit rotations (T, J, 4), float32."""
    kept = clip.turns * 2.0**-clip.bits
    last = np.sqrt(np.maximum(1 - np.square(kept).sum(-1, keepdims=True), 0))
    order = (clip.largest[..., None].astype(np.int64) + np.arange(4)) % 4
    rotations = np.empty((*kept.shape[:-1], 4))
    np.put_along_axis(rotations, order, np.concatenate([last, kept], -1), -1)
    rotations /= np.maximum(np.linalg.norm(rotations, axis=-1, keepdims=True), 1e-12)
    return (clip.roots * 2.0**-clip.bits).astype(np.float32), rotations.astype(np.float32)


def differences(values: np.ndarray) -> np.ndarray:
    """Return second differences over the first axis of (T, ...) int64 as bytes (4, T ...), the low ones first."""
    second = values.astype(np.int64)
    for _ in range(2):
        second = np.diff(second, axis=0, prepend=0)
    small = second.astype(np.int32).ravel()
    folded = (small.astype(np.int64) << 1 ^ (small.astype(np.int64) >> 31)).astype("<u4")  # signs to the lowest bit
    return np.ascontiguousarray(folded.view(np.uint8).reshape(-1, PLANES).T)


def summed(planes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the values (T, ...) int64 of which `differences` gave the bytes."""
    folded = np.ascontiguousarray(planes.T).view("<u4").ravel().astype(np.int64)
    values = ((folded >> 1) ^ -(folded & 1)).reshape(shape)
    for _ in range(2):
        values = np.cumsum(values, 0)
    return (values + (1 << 31) & 0xFFFFFFFF) - (1 << 31)
