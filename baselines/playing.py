"""From frames that are played or blended to a trajectory."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from rae_bench.model import Prompt, Trajectory, quat

from .footwork import Shown, footwork
from .library import EVENT, PATH, SLOTS, Library
from .steering import Roots, in_world


class Player(Protocol):
    """What makes frames, one after the other."""

    def frame(self, i: int) -> Shown:
        """Generated frame i, after frame i - 1."""


def played(player: Player, prompt: Prompt, library: Library, feet: bool) -> Trajectory:
    """What a player makes of a prompt, with footwork where `feet` says so."""
    count, frames, samples = len(prompt.frames), int(prompt.frames.max(initial=0)), prompt.num_samples
    if not count or not frames:
        turns = np.broadcast_to(quat.IDENTITY, (samples, count, frames, len(prompt.rig), 4))
        return Trajectory(np.zeros((samples, count, frames, 3), np.float32), turns.copy())
    made = Shown(*(np.stack(part, 1) for part in zip(*(player.frame(i) for i in range(frames)), strict=True)))
    root, rotations = in_world(made.origin, made.yaw, made.place, made.turns)
    if feet:
        root, rotations = footwork(prompt, root, rotations, made, library)
    out = root.astype(np.float32), quat.normalize(rotations).astype(np.float32)
    return Trajectory(*(np.repeat(part[None], samples, 0) for part in out))


def held(roots: Roots, now: Library) -> Shown:
    """The pose `now` where the roots are: all that can be shown where there is nothing to play."""
    still = np.zeros((len(now), 3))
    unknown = np.full((len(now), SLOTS, 3), np.nan)
    return Shown(roots.origin, roots.yaw, now.place, now.turns, np.zeros_like(now.stands), unknown, still)


def missed(asked: np.ndarray, known: np.ndarray, yaw: np.ndarray, height: float) -> np.ndarray:
    """By how much key joints will miss their objectives if frames go on as they are known to.

    Args:
        asked, known: (N, A) of `asked_of`, of the bodies and of the frames that are played.
        yaw: (N,) heading of the bodies.
        height: of the rig, metres.

    Returns:
        (N, 8, 3) metres, world; NaN where one of both has no objective, so that nobody knows.
    """
    if asked.shape[1] == PATH:
        return np.full((len(asked), SLOTS, 3), np.nan)
    one, two = (part.reshape(-1, EVENT, SLOTS) for part in (asked, known))
    both = (one[:, -1] > 0) & (two[:, -1] > 0)
    local = np.where(both[..., None], height * np.moveaxis(one - two, 1, -1)[..., :3], np.nan)
    return quat.rotate(np.broadcast_to(quat.from_yaw(yaw)[:, None], (*local.shape[:2], 4)), local)
