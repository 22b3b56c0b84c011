"""Objectives: for each key joint, where it must be next.

Only the current objective of each role is visible at a frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rae_bench.kinematics import quat
from rae_bench.rigs.rig import ROLES, Rig

KINDS = ("none", "contact", "keyframe", "target")
"""Names of the kinds of objectives, by index."""
NONE, CONTACT, KEYFRAME, TARGET = range(4)


@dataclass(frozen=True, eq=False)
class Objectives:
    """The current objective of each role slot (`rae_bench.rigs.rig.ROLES`) at each frame.

    Row t is what may be known when frame t + 1 is made: the objective whose arrival lies after t.

    Attributes:
        positions: (N, T, 8, 3) metres, world.
        rotations: (N, T, 8, 4) world, relative to the rest pose; the identity is as the joint stands at rest.
        arrivals: (N, T, 8) int, the frame by which it must be met.
        kinds: (N, T, 8) int8, index into `KINDS`; NONE where no objective is active.
    """

    positions: np.ndarray
    rotations: np.ndarray
    arrivals: np.ndarray
    kinds: np.ndarray

    def __repr__(self) -> str:
        clips, frames = self.kinds.shape[:2]
        asked = [role for role, asks in zip(ROLES, (self.kinds != NONE).any((0, 1)).tolist(), strict=True) if asks]
        return f"Objectives({clips} clip{'s' * (clips != 1)}, {frames} frames, of {', '.join(asked) or 'no role'})"

    @property
    def active(self) -> np.ndarray:
        """(N, T, 8) bool: whether a role has an objective."""
        return self.kinds != NONE

    def time_to_arrival(self, fps: float) -> np.ndarray:
        """Return the seconds from frame t to the arrival, (N, T, 8) float32; 0 where no objective is active."""
        left = self.arrivals - np.arange(self.arrivals.shape[1])[:, None]
        return np.where(self.active, left, 0).astype(np.float32) / np.float32(fps)

    def __getitem__(self, clips: Any) -> Objectives:
        """Return the objectives of some of the clips."""
        return Objectives(self.positions[clips], self.rotations[clips], self.arrivals[clips], self.kinds[clips])

    def cut(self, start: int, stop: int | None = None) -> Objectives:
        """Return the rows from `start` up to `stop`, with arrivals counted from `start`."""
        part = (slice(None), slice(start, stop))
        return Objectives(self.positions[part], self.rotations[part], self.arrivals[part] - start, self.kinds[part])


def no_objectives(clips: int, frames: int) -> Objectives:
    """Return the objectives of clips of which nothing is asked."""
    shape = (clips, frames, len(ROLES))
    return Objectives(
        np.zeros((*shape, 3), np.float32),
        np.tile(quat.IDENTITY, (*shape, 1)).astype(np.float32),
        np.broadcast_to(np.arange(frames, dtype=np.int32)[:, None], shape).copy(),
        np.full(shape, NONE, np.int8),
    )


def key_transforms(positions: np.ndarray, rotations: np.ndarray, rig: Rig) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions and rest-relative rotations of the key joints of world poses, eight slots wide.

    Args:
        positions: (..., J, 3) world.
        rotations: (..., J, 4) world.
        rig: the skeleton of J joints.

    Returns:
        (..., 8, 3) and (..., 8, 4) float32; zeros and the identity in slots that the rig does not fill.
    """
    joints = np.maximum(rig.key_joints, 0)
    mask = rig.role_mask[:, None]
    rest = quat.inverse(rig.rest_global[1][joints])
    key_positions = np.where(mask, positions[..., joints, :], 0)
    key_rotations = np.where(mask, quat.mul(rotations[..., joints, :], rest), quat.IDENTITY)
    return key_positions.astype(np.float32), key_rotations.astype(np.float32)


def slot_contacts(contacts: np.ndarray, rig: Rig) -> np.ndarray:
    """Return whether any contact joint of a role slot stands on the ground, (..., 8) bool.

    Args:
        contacts: (..., C) bool.
        rig: the skeleton with C contact joints.
    """
    out = np.zeros((*contacts.shape[:-1], len(ROLES)), bool)
    for c, slot in enumerate(rig.contact_slots):
        if slot >= 0:
            out[..., slot] |= contacts[..., c]
    return out




