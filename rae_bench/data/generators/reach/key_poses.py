"""Key poses: what a body goes through, one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class KeyPoses:
    """P key poses of a rig with L limbs; the first is standing.

    Attributes:
        root: (P, 3) metres, world.
        yaw: (P,) radians, turn of the root.
        angles: (P, J, 3) limit angles of all joints but the root; those of legs count only where they are lifted.
        lifted: (P, L) 0 or 1: whether the limb is in the air and its angles hold.
        lift: (P, J, 3) limit angles by way of which a lifted leg goes there.
    """

    root: np.ndarray
    yaw: np.ndarray
    angles: np.ndarray
    lifted: np.ndarray
    lift: np.ndarray

    def __add__(self, other: KeyPoses) -> KeyPoses:
        both = zip(vars(self).values(), vars(other).values(), strict=True)
        return KeyPoses(*(np.concatenate(pair) for pair in both))

    def between(self, a: np.ndarray, b: np.ndarray, share: np.ndarray) -> KeyPoses:
        """Return key poses at `share` (P,) of the way from `a` to `b` (P,).

        Where `b` lifts a leg, the way leads from that leg raised.
        """
        rises = (self.lifted[b] > self.lifted[a]).any(-1)

        def mix(start: np.ndarray, end: np.ndarray, raised: np.ndarray) -> np.ndarray:
            one = (-1, *[1] * (end.ndim - 1))
            start = np.where(rises.reshape(one), raised, start)
            return start + share.reshape(one) * (end - start)

        root, yaw, angles = self.root, self.yaw, self.angles
        return KeyPoses(
            mix(root[a], root[b], root[b]),
            mix(yaw[a], yaw[b], yaw[b]),
            mix(angles[a], angles[b], self.lift[b]),
            self.lifted[b],
            self.lift[b],
        )
