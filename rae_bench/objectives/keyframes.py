"""The track `keyframes`: objectives of every key joint, read off true motion, and the targets of reaching clips.

Feet (roles with contact joints) go for their transform at their next touch-down, the other key joints for theirs at the
next keyframe. What has no further event before the clip ends goes for its transform in the last frame. This is close to
in-betweening with sparse keys.
"""

from __future__ import annotations

import numpy as np

from rae_bench.data.corpus import ReachTargets
from rae_bench.motion.motion import Motion
from rae_bench.objectives.events import objectives_at, touch_downs, with_targets
from rae_bench.objectives.objectives import CONTACT, KEYFRAME, Objectives
from rae_bench.rigs.rig import ROLES

KEYFRAME_INTERVAL = 0.5
"""Seconds between two keyframes."""


def keyframe_objectives(
    motion: Motion, targets: ReachTargets | None = None, interval: float = KEYFRAME_INTERVAL
) -> Objectives:
    """Return the objectives of the `keyframes` track, taken from true motion.

    A foot's touch-down is the first frame of a stance. Everything is computed per clip within its own length. In
    reaching clips a hand's objective is its target, while the target is there.

    Args:
        motion: N clips, T frames.
        targets: those of reaching clips, None elsewhere.
        interval: seconds between two keyframes.

    Returns:
        Objectives of shape (N, T, 8, ...), in the world.
    """
    step = max(1, round(interval * motion.fps))
    frame = np.arange(motion.root_positions.shape[1])
    last = (motion.lengths - 1)[:, None, None]
    touch = touch_downs(motion)
    has_contacts = np.isin(np.arange(len(ROLES)), motion.rig.contact_slots)
    event = np.where(has_contacts, touch, (frame % step == 0)[None, :, None])
    event = event & (frame[None, :, None] < last) | (frame[None, :, None] == last)
    made = objectives_at(motion, event, np.where(touch & has_contacts, CONTACT, KEYFRAME))
    return with_targets(made, targets)
