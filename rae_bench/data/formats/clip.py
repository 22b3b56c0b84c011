"""One clip of a motion, checked before it is written to a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rae_bench.errors import UserError
from rae_bench.motion.motion import Motion


def checked_clip(motion: Motion, clip: int, path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the root positions (T, 3) in metres and local rotations (T, J, 4) of one clip, as float64.

    Args:
        motion: N clips.
        clip: which of them, counted from 0.
        path: the file that is to be written, for messages.

    Raises:
        UserError: There is no such clip, it has no frame, or its numbers are not finite.
    """
    if not 0 <= clip < len(motion):
        raise UserError(f"clip {clip} of a motion that has {len(motion)}; they are counted from 0")
    frames = int(motion.lengths[clip])
    if frames < 1:
        raise UserError(f"clip {clip} has no frame; nothing was written to {path}")
    root, rotations = motion.root_positions[clip, :frames], motion.rotations[clip, :frames]
    if not (np.isfinite(root).all() and np.isfinite(rotations).all()):
        raise UserError(f"clip {clip} has numbers that are not finite; nothing was written to {path}")
    return root.astype(np.float64), rotations.astype(np.float64)
