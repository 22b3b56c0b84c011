"""The track `keyframes`: objectives read off true motion, and the targets of reaching clips.

Feet (roles with contact joints) go for their transform at their next touch-down, the other key joints for theirs at the
next keyframe. What has no further event before the clip ends goes for its transform in the last frame. This is close to
in-betweening with sparse keys.
"""

from __future__ import annotations

import numpy as np

from rae_bench.data.corpus import ReachTargets
from rae_bench.motion.motion import Motion
from rae_bench.objectives.objectives import CONTACT, KEYFRAME, NONE, TARGET, Objectives, key_transforms, slot_contacts
from rae_bench.rigs.rig import ROLES

KEYFRAME_INTERVAL = 0.5
"""Seconds between two keyframes."""


def keyframe_objectives(motion: Motion, interval: float = KEYFRAME_INTERVAL) -> Objectives:
    """Return the objectives of the `keyframes` track, taken from true motion.

    A foot's touch-down is the first frame of a stance. Everything is computed per clip within its own length.

    Args:
        motion: N clips, T frames.
        interval: seconds between two keyframes.

    Returns:
        Objectives of shape (N, T, 8, ...), in the world.
    """
    count, frames = motion.root_positions.shape[:2]
    step = max(1, round(interval * motion.fps))
    frame = np.arange(frames)
    last = (motion.lengths - 1)[:, None, None]

    down = slot_contacts(motion.contacts, motion.rig)
    touch = np.zeros_like(down)
    touch[:, 1:] = down[:, 1:] & ~down[:, :-1]
    has_contacts = np.isin(np.arange(len(ROLES)), motion.rig.contact_slots)
    event = np.where(has_contacts, touch, (frame % step == 0)[None, :, None])
    event = event & (frame[None, :, None] < last) | (frame[None, :, None] == last)

    # Next event strictly after t: a running minimum from the right.
    at = np.where(event, frame[None, :, None], frames)
    upcoming = np.minimum.accumulate(at[:, ::-1], axis=1)[:, ::-1]
    arrivals = np.concatenate([upcoming[:, 1:], np.full((count, 1, len(ROLES)), frames)], 1)
    active = (arrivals <= last) & motion.rig.role_mask
    arrivals = np.where(active, arrivals, frame[None, :, None])

    key_positions, key_rotations = key_transforms(motion.positions, motion.global_rotations, motion.rig)
    clip, slot = np.arange(count)[:, None, None], np.arange(len(ROLES))
    contact_event = np.take_along_axis(touch, arrivals, axis=1) & has_contacts
    kinds = np.where(active, np.where(contact_event, CONTACT, KEYFRAME), NONE).astype(np.int8)
    return Objectives(
        key_positions[clip, arrivals, slot], key_rotations[clip, arrivals, slot], arrivals.astype(np.int32), kinds
    )


def objectives_of(motion: Motion, targets: ReachTargets | None = None) -> Objectives:
    """Return the objectives of a motion; in reaching clips a hand's is its target, while the target is there.

    Args:
        motion: N clips, T frames.
        targets: those of reaching clips, None elsewhere.

    Returns:
        Objectives of shape (N, T, 8, ...), in the world.
    """
    made = keyframe_objectives(motion)
    if targets is None:
        return made
    frame = np.arange(made.kinds.shape[1])
    for event in range(targets.slots.shape[1]):
        slots, starts, arrivals = targets.slots[:, event], targets.starts[:, event], targets.arrivals[:, event]
        there = (slots[:, None] >= 0) & (frame >= starts[:, None]) & (frame < arrivals[:, None])
        clip, row = np.nonzero(there)
        slot = slots[clip]
        made.positions[clip, row, slot] = targets.positions[clip, event]
        made.rotations[clip, row, slot] = targets.rotations[clip, event]
        made.arrivals[clip, row, slot] = arrivals[clip]
        made.kinds[clip, row, slot] = TARGET
    return made
