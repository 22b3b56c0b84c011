"""Motion: a batch of clips on one rig at one frame rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from rae_bench.kinematics import quat
from rae_bench.motion.root import RootSpace, root_space
from rae_bench.rigs.rig import Rig

CONTACT_HEIGHT = 0.07
CONTACT_SPEED = 0.15
CONTACT_SLIP = 0.12
"""Contact: closer than `CONTACT_HEIGHT` x the rig's height to the joint's own stance height, and slower than
`CONTACT_SPEED` heights a second plus `CONTACT_SLIP` x the root's speed over the ground: a paw of a running dog rolls
and its stance lasts but three frames, so that a limit fit for walking finds none in a run."""


@dataclass(frozen=True, eq=False)
class Motion:
    """N clips of up to T frames; frames past a clip's length repeat its last one.

    Attributes:
        rig: the skeleton, J joints.
        fps: frames per second.
        lengths: (N,) int, frames that are real.
        root_positions: (N, T, 3) float32, metres, world, y up.
        rotations: (N, T, J, 4) float32 local unit quaternions (w, x, y, z).
        contacts: (N, T, C) bool, contact joint on the ground.
    """

    rig: Rig
    fps: float
    lengths: np.ndarray
    root_positions: np.ndarray
    rotations: np.ndarray
    contacts: np.ndarray

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def frames(self) -> int:
        """Real frames over all clips."""
        return int(self.lengths.sum())

    @cached_property
    def _world(self) -> tuple[np.ndarray, np.ndarray]:
        return self.rig.forward_kinematics(self.rotations, self.root_positions)

    @property
    def positions(self) -> np.ndarray:
        """(N, T, J, 3) metres, world."""
        return self._world[0]

    @property
    def global_rotations(self) -> np.ndarray:
        """(N, T, J, 4) world."""
        return self._world[1]

    @cached_property
    def root(self) -> RootSpace:
        """Root frame of every pose, shapes (N, T, ...)."""
        return root_space(self.positions, self.global_rotations, self.rig)

    @cached_property
    def valid(self) -> np.ndarray:
        """(N, T) bool: frames within the clips' lengths."""
        return np.arange(self.root_positions.shape[1]) < self.lengths[:, None]

    def __getitem__(self, clips: slice | Sequence[int] | np.ndarray) -> Motion:
        """Some of the clips."""
        pick = clips if isinstance(clips, slice) else np.asarray(clips)
        return replace(
            self,
            lengths=self.lengths[pick],
            root_positions=self.root_positions[pick],
            rotations=self.rotations[pick],
            contacts=self.contacts[pick],
        )

    def cut(self, start: int, stop: int | None = None) -> Motion:
        """The frames from `start` up to `stop` of every clip."""
        part = slice(start, stop)
        frames = len(range(*part.indices(self.root_positions.shape[1])))
        return replace(
            self,
            lengths=np.clip(self.lengths - start, 0, frames),
            root_positions=self.root_positions[:, part],
            rotations=self.rotations[:, part],
            contacts=self.contacts[:, part],
        )


def make_motion(
    rig: Rig,
    fps: float,
    root_positions: np.ndarray,
    rotations: np.ndarray,
    *,
    lengths: np.ndarray | None = None,
    contacts: np.ndarray | None = None,
) -> Motion:
    """A `Motion` from arrays: casts to float32, pads with each clip's last frame, finds contacts where not given."""
    count, frames = root_positions.shape[:2]
    lengths = np.full(count, frames) if lengths is None else np.asarray(lengths, dtype=int)
    last = np.minimum(np.arange(frames), lengths[:, None] - 1)
    clip = np.arange(count)[:, None]
    root_positions = np.ascontiguousarray(root_positions, np.float32)[clip, last]
    rotations = quat.continuous(np.asarray(rotations, np.float32)[clip, last], axis=1)
    if contacts is None:
        contacts = find_contacts(rig.forward_kinematics(rotations, root_positions)[0], rig, fps, lengths)
    return Motion(rig, float(fps), lengths, root_positions, rotations, np.asarray(contacts, bool)[clip, last])


def stance_heights(positions: np.ndarray, rig: Rig, lengths: np.ndarray) -> np.ndarray:
    """(C,) metres: how high each contact joint is where it stands, the 5th percentile over all given clips.

    Args:
        positions: (N, T, J, 3) metres, world.
        lengths: (N,) real frames.
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
    """Which contact joints stand on the ground.

    A joint is in contact where it is less than `height` x the rig's height above its own stance height and slower than
    `speed` x the rig's height a second plus `slip` x the root's horizontal speed. States that last no longer than
    1/30 s are taken for noise and dropped.

    Args:
        positions: (N, T, J, 3) metres, world.
        lengths: (N,) real frames.
        stance: (C,) metres, from `stance_heights` of a larger set than these clips.

    Returns:
        (N, T, C) bool.
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
    """(N, T, P) units per second of points (N, T, P, 3), by central differences, one-sided at the ends of each clip."""
    if points.shape[1] < 2:
        return np.zeros(points.shape[:3], points.dtype)
    moved = np.gradient(points, axis=1)
    # The padding repeats the last frame, which would halve the difference there.
    clip, last = np.arange(len(points)), lengths - 1
    moved[clip, last] = points[clip, last] - points[clip, np.maximum(last - 1, 0)]
    return np.linalg.norm(moved, axis=-1) * fps


def _without_flicker(contacts: np.ndarray, reach: int) -> np.ndarray:
    """(N, T, C) majority over `reach` frames on either side; edges are repeated."""
    if reach < 1 or contacts.shape[1] < 2:
        return contacts
    padded = np.pad(contacts.astype(np.int16), ((0, 0), (reach, reach), (0, 0)), mode="edge")
    width = 2 * reach + 1
    return np.lib.stride_tricks.sliding_window_view(padded, width, axis=1).sum(-1) > reach
