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
