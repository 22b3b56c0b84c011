"""Objectives: for each key joint, where it must be next.

Track `keyframes`: feet (roles with contact joints) the transform at their next touch-down, the other key joints the
transform at the next keyframe, every 0.5 s; what has no further event before the clip ends aims at the last frame.
This is close to in-betweening with sparse keys. Only the current objective of each role is visible at a frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rae_bench.kinematics import quat
from rae_bench.rigs.rig import ROLES, Rig

KINDS = ("none", "contact", "keyframe", "target")
NONE, CONTACT, KEYFRAME, TARGET = range(4)


@dataclass(frozen=True, eq=False)
class Objectives:
    """The current objective of each role slot at each frame; K = 8 slots (`rae_bench.rigs.rig.ROLES`).

    Row t is what may be known when frame t + 1 is made; it is the objective whose arrival lies after t.

    Attributes:
        positions: (N, T, 8, 3) metres, world.
        rotations: (N, T, 8, 4) world, relative to the rest pose (identity: as it stands at rest).
        arrivals: (N, T, 8) int, the frame by which it must be met.
        kinds: (N, T, 8) int8, index into `KINDS`; NONE where no objective is active.
    """

    positions: np.ndarray
    rotations: np.ndarray
    arrivals: np.ndarray
    kinds: np.ndarray

    @property
    def active(self) -> np.ndarray:
        """(N, T, 8) bool."""
        return self.kinds != NONE

    def time_to_arrival(self, fps: float) -> np.ndarray:
        """(N, T, 8) float32 seconds from frame t to the arrival; 0 where inactive."""
        left = self.arrivals - np.arange(self.arrivals.shape[1])[:, None]
        return np.where(self.active, left, 0).astype(np.float32) / np.float32(fps)

    def __getitem__(self, clips: Any) -> Objectives:
        """Some of the clips."""
        return Objectives(self.positions[clips], self.rotations[clips], self.arrivals[clips], self.kinds[clips])

    def cut(self, start: int, stop: int | None = None) -> Objectives:
        """The rows from `start` up to `stop`, arrivals counted from `start`."""
        part = (slice(None), slice(start, stop))
        return Objectives(self.positions[part], self.rotations[part], self.arrivals[part] - start, self.kinds[part])


def key_transforms(positions: np.ndarray, rotations: np.ndarray, rig: Rig) -> tuple[np.ndarray, np.ndarray]:
    """Key-joint positions and rest-relative rotations of world poses, eight slots wide.

    Args:
        positions: (..., J, 3) world.
        rotations: (..., J, 4) world.

    Returns:
        (..., 8, 3) and (..., 8, 4); zeros and identity in slots that the rig does not fill.
    """
    joints = np.maximum(rig.key_joints, 0)
    mask = rig.role_mask[:, None]
    rest = quat.inverse(rig.rest_global[1][joints])
    key_positions = np.where(mask, positions[..., joints, :], 0)
    key_rotations = np.where(mask, quat.mul(rotations[..., joints, :], rest), quat.IDENTITY)
    return key_positions.astype(np.float32), key_rotations.astype(np.float32)


def slot_contacts(contacts: np.ndarray, rig: Rig) -> np.ndarray:
    """(..., 8) bool: any contact joint of the slot on the ground, from (..., C)."""
    out = np.zeros((*contacts.shape[:-1], len(ROLES)), bool)
    for c, slot in enumerate(rig.contact_slots):
        if slot >= 0:
            out[..., slot] |= contacts[..., c]
    return out




