"""Motion: a batch of clips on one rig at one frame rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.motion.contacts import find_contacts
from rae_bench.motion.root import RootSpace, root_space
from rae_bench.rigs.rig import Rig


@dataclass(frozen=True, eq=False)
class Motion:
    """N clips of up to T frames on one rig; frames past a clip's length repeat its last one.

    Attributes:
        rig: the skeleton, J joints of which C touch the ground.
        fps: frames per second.
        lengths: (N,) int, frames that are real.
        root_positions: (N, T, 3) float32, metres, world, y up.
        rotations: (N, T, J, 4) float32 local unit quaternions (w, x, y, z).
        contacts: (N, T, C) bool, whether a contact joint stands on the ground.
    """

    rig: Rig
    fps: float
    lengths: np.ndarray
    root_positions: np.ndarray
    rotations: np.ndarray
    contacts: np.ndarray

    def __len__(self) -> int:
        return len(self.lengths)

    def __repr__(self) -> str:
        count, seconds = len(self), self.frames / self.fps
        return f"Motion({count} clip{'s' * (count != 1)}, rig '{self.rig.name}', {self.fps:g} fps, {seconds:.1f} s)"

    @property
    def frames(self) -> int:
        """Number of real frames over all clips."""
        return int(self.lengths.sum())

    @cached_property
    def _world(self) -> tuple[np.ndarray, np.ndarray]:
        return self.rig.forward_kinematics(self.rotations, self.root_positions)

    @property
    def positions(self) -> np.ndarray:
        """(N, T, J, 3) metres, world, by forward kinematics."""
        return self._world[0]

    @property
    def global_rotations(self) -> np.ndarray:
        """(N, T, J, 4) world rotations of all joints."""
        return self._world[1]

    @cached_property
    def root(self) -> RootSpace:
        """Root space of every pose, with arrays of shape (N, T, ...)."""
        return root_space(self.positions, self.global_rotations, self.rig)

    @cached_property
    def valid(self) -> np.ndarray:
        """(N, T) bool: whether a frame lies within its clip's length."""
        return np.arange(self.root_positions.shape[1]) < self.lengths[:, None]

    def __getitem__(self, clips: slice | Sequence[int] | np.ndarray) -> Motion:
        """Return some of the clips."""
        pick = clips if isinstance(clips, slice) else np.asarray(clips)
        return replace(
            self,
            lengths=self.lengths[pick],
            root_positions=self.root_positions[pick],
            rotations=self.rotations[pick],
            contacts=self.contacts[pick],
        )

    def shortened(self, lengths: np.ndarray) -> Motion:
        """Return the clips with at most so many frames of each, (N,)."""
        kept = np.minimum(self.lengths, lengths)
        if (kept == self.lengths).all():
            return self
        last = np.minimum(np.arange(self.root_positions.shape[1]), kept[:, None] - 1)
        clip = np.arange(len(self))[:, None]
        return replace(
            self,
            lengths=kept,
            root_positions=self.root_positions[clip, last],
            rotations=self.rotations[clip, last],
            contacts=self.contacts[clip, last],
        )

    def cut(self, start: int, stop: int | None = None) -> Motion:
        """Return the frames from `start` up to `stop` of every clip."""
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
    stance: np.ndarray | None = None,
) -> Motion:
    """Make a `Motion` of arrays: cast them to float32, pad each clip with its last frame, find contacts.

    Args:
        rig: the skeleton, J joints of which C touch the ground.
        fps: frames per second.
        root_positions: (N, T, 3) metres, world, y up.
        rotations: (N, T, J, 4) local unit quaternions (w, x, y, z).
        lengths: (N,) real frames; None takes all T.
        contacts: (N, T, C) bool; None finds them by `find_contacts`.
        stance: (C,) metres, what `find_contacts` takes.
    """
    count, frames = root_positions.shape[:2]
    lengths = np.full(count, frames) if lengths is None else np.asarray(lengths, dtype=int)
    last = np.minimum(np.arange(frames), lengths[:, None] - 1)
    clip = np.arange(count)[:, None]
    root_positions = np.ascontiguousarray(root_positions, np.float32)[clip, last]
    rotations = quat.continuous(np.asarray(rotations, np.float32)[clip, last], axis=1)
    if contacts is None and len(rig.contact_joints) == 0:
        contacts = np.zeros((count, frames, 0), bool)
    elif contacts is None:
        positions = rig.forward_kinematics(rotations, root_positions)[0]
        contacts = find_contacts(positions, rig, fps, lengths, stance=stance)
    return Motion(rig, float(fps), lengths, root_positions, rotations, np.asarray(contacts, bool)[clip, last])


def clip_arrays(motion: Motion, clip: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the root positions (T, 3) in metres and local rotations (T, J, 4) of one clip, as float64.

    Args:
        motion: N clips.
        clip: which of them, counted from 0.

    Raises:
        UserError: There is no such clip, it has no frame, or its numbers are not finite.
    """
    if not 0 <= clip < len(motion):
        raise UserError(f"clip {clip} of a motion that has {len(motion)}; they are counted from 0")
    frames = int(motion.lengths[clip])
    if frames < 1:
        raise UserError(f"clip {clip} has no frame")
    root, rotations = motion.root_positions[clip, :frames], motion.rotations[clip, :frames]
    if not (np.isfinite(root).all() and np.isfinite(rotations).all()):
        raise UserError(f"clip {clip} has numbers that are not finite")
    return root.astype(np.float64), rotations.astype(np.float64)
