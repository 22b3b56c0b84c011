"""Contacts: when the joints that touch the ground stand on it."""

from __future__ import annotations

import numpy as np

from rae_bench.rigs.rig import Rig

CONTACT_HEIGHT = 0.07
CONTACT_SPEED = 0.15
CONTACT_SLIP = 0.12
"""A joint is in contact where it is closer than `CONTACT_HEIGHT` x the rig's height to its stance height, and slower
than `CONTACT_SPEED` heights a second plus `CONTACT_SLIP` x the root's speed over the ground. The paw of a running dog
rolls and its stance lasts but three frames, so that a limit fit for walking finds none in a run."""


def stance_heights(positions: np.ndarray, rig: Rig, lengths: np.ndarray) -> np.ndarray:
    """Return how high each contact joint is where it stands: the 5th percentile of its height over all given clips.

    Args:
        positions: (N, T, J, 3) metres, world, y up.
        rig: the skeleton, C contact joints.
        lengths: (N,) real frames.

    Returns:
        (C,) metres.
    """
    feet = positions[:, :, rig.contact_joints, 1]
    valid = np.arange(feet.shape[1]) < np.asarray(lengths)[:, None]
    if feet.shape[2] == 0 or not valid.any():
        return np.zeros(feet.shape[2])
    return np.percentile(feet[valid], 5, axis=0)


def find_contacts(
    positions: np.ndarray,
    rig: Rig,
    fps: float,
    lengths: np.ndarray,
    *,
    height: float = CONTACT_HEIGHT,
    speed: float = CONTACT_SPEED,
    slip: float = CONTACT_SLIP,
    stance: np.ndarray | None = None,
) -> np.ndarray:
    """Find out when contact joints stand on the ground.

    A joint is in contact where it is less than `height` x the rig's height above its stance height and slower than
    `speed` x the rig's height a second plus `slip` x the root's horizontal speed. States that last no longer than
    1/30 s are taken for noise and dropped.

    Args:
        positions: (N, T, J, 3) metres, world, y up.
        rig: the skeleton, C contact joints.
        fps: frames per second.
        lengths: (N,) real frames.
        height: see above.
        speed: see above.
        slip: see above.
        stance: (C,) metres, from `stance_heights` of a larger set than these clips; None takes these clips'.

    Returns:
        (N, T, C) bool; false past the end of a clip.
    """
    lengths = np.asarray(lengths)
    valid = np.arange(positions.shape[1]) < lengths[:, None]
    feet = positions[:, :, rig.contact_joints]
    if feet.shape[2] == 0 or not valid.any():
        return np.zeros(feet.shape[:3], bool)
    if stance is None:
        stance = stance_heights(positions, rig, lengths)
    root = positions[:, :, [rig.roles.get("pelvis", 0)]] * np.array([1, 0, 1], positions.dtype)
    limit = speed * rig.height + slip * joint_speeds(root, fps, lengths)
    slow = joint_speeds(feet, fps, lengths) < limit
    contacts = slow & (feet[..., 1] < stance + height * rig.height) & valid[..., None]
    return _without_flicker(contacts, round(fps / 30)) & valid[..., None]


def joint_speeds(points: np.ndarray, fps: float, lengths: np.ndarray) -> np.ndarray:
    """Return the speeds of points by central differences, one-sided at the ends of each clip.

    Args:
        points: (N, T, P, 3).
        fps: frames per second.
        lengths: (N,) real frames.

    Returns:
        (N, T, P) units of `points` per second.
    """
    if points.shape[1] < 2:
        return np.zeros(points.shape[:3], points.dtype)
    moved = np.gradient(points, axis=1)
    # The padding repeats the last frame, which would halve the difference there.
    clip, last = np.arange(len(points)), lengths - 1
    moved[clip, last] = points[clip, last] - points[clip, np.maximum(last - 1, 0)]
    return np.linalg.norm(moved, axis=-1) * fps


def _without_flicker(contacts: np.ndarray, reach: int) -> np.ndarray:
    """Return the majority over `reach` frames on either side, (N, T, C) bool; the edges are repeated."""
    if reach < 1 or contacts.shape[1] < 2:
        return contacts
    padded = np.pad(contacts.astype(np.int16), ((0, 0), (reach, reach), (0, 0)), mode="edge")
    width = 2 * reach + 1
    return np.lib.stride_tricks.sliding_window_view(padded, width, axis=1).sum(-1) > reach
