"""Changes of the frame rate of a motion."""

from __future__ import annotations

import numpy as np

from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.motion.motion import Motion, make_motion


def resample(motion: Motion, fps: float) -> Motion:
    """Return the same motion at another frame rate.

    Rotations go along the short arc, root positions straight, contacts take the nearest frame. A clip keeps its first
    frame and all of its duration that the new rate can reach. Whole-number ratios pick frames and change no value.

    Args:
        motion: N clips, T frames.
        fps: the new rate, frames per second.

    Raises:
        UserError: `fps` is no frame rate.
    """
    if not (np.isfinite(fps) and fps > 0):
        raise UserError(f"{fps!r} is not a frame rate; use a number of frames per second such as 30")
    if abs(fps - motion.fps) < 1e-6 * fps:
        return motion
    ratio = motion.fps / fps
    # The last old frame is at (length - 1); the slack keeps it where rounding puts it a hair beyond.
    lengths = np.floor((motion.lengths - 1) / ratio + 1e-6).astype(int) + 1
    at = np.minimum(np.arange(lengths.max(initial=1)) * ratio, motion.root_positions.shape[1] - 1)
    before = np.floor(at + 1e-6).astype(int)
    after = np.minimum(before + 1, motion.root_positions.shape[1] - 1)
    t = np.clip(at - before, 0, 1)
    if (t < 1e-5).all():
        root_positions, rotations = motion.root_positions[:, before], motion.rotations[:, before]
    else:
        low, high = motion.root_positions[:, before], motion.root_positions[:, after]
        root_positions = low + (high - low) * t[:, None].astype(np.float32)
        rotations = quat.slerp(motion.rotations[:, before], motion.rotations[:, after], t[:, None])
    contacts = motion.contacts[:, np.where(t < 0.5, before, after)]
    return make_motion(motion.rig, fps, root_positions, rotations, lengths=lengths, contacts=contacts)
