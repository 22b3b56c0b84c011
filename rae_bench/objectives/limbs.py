"""The track `limbs`: feet are given their next touch-down, hands their target, and nothing else is said."""

from __future__ import annotations

import numpy as np

from rae_bench.data.corpus import ReachTargets
from rae_bench.motion.motion import Motion
from rae_bench.objectives.events import objectives_at, touch_downs, with_targets
from rae_bench.objectives.objectives import CONTACT, Objectives


def limb_objectives(motion: Motion, targets: ReachTargets | None = None) -> Objectives:
    """Return the objectives of the `limbs` track, taken from true motion.

    A role with contact joints goes for its transform at its next touch-down within the clip, the first frame of a
    stance. A hand of a reaching clip goes for its target, while the target is there. Nothing is said of other roles,
    nor after the last touch-down.

    Args:
        motion: N clips, T frames.
        targets: those of reaching clips, None elsewhere.

    Returns:
        Objectives of shape (N, T, 8, ...), in the world.
    """
    frame = np.arange(motion.root_positions.shape[1])
    within = (frame < motion.lengths[:, None])[..., None]
    made = objectives_at(motion, touch_downs(motion) & within, CONTACT)
    return with_targets(made, targets)


def asks_after(motion: Motion, targets: ReachTargets | None, frame: int) -> np.ndarray:
    """Return whether a clip asks anything of a limb after a frame, (N,) bool; of a shorter clip, after its first frame.

    Args:
        motion: N clips, T frames.
        targets: those of reaching clips, None elsewhere.
        frame: the last one that is given.
    """
    frames = np.arange(motion.root_positions.shape[1])
    begin = np.where(motion.lengths > frame + 1, frame, 0)[:, None]
    counts = (frames > begin) & (frames < motion.lengths[:, None])
    asked = (touch_downs(motion) & counts[..., None]).any((1, 2))
    if targets is not None:
        arrive = (targets.slots >= 0) & (targets.arrivals > begin) & (targets.arrivals < motion.lengths[:, None])
        asked |= arrive.any(1)
    return np.asarray(asked)
