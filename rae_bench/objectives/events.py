"""From events of true motion, such as touch-downs, to the objective that is current at each frame."""

from __future__ import annotations

import numpy as np

from rae_bench.data.corpus import ReachTargets
from rae_bench.kinematics import quat
from rae_bench.motion.motion import Motion
from rae_bench.objectives.objectives import NONE, TARGET, Objectives, key_transforms, slot_contacts


def touch_downs(motion: Motion) -> np.ndarray:
    """Return whether a role with contact joints begins to stand at a frame, (N, T, 8) bool."""
    down = slot_contacts(motion.contacts, motion.rig)
    touch = np.zeros_like(down)
    touch[:, 1:] = down[:, 1:] & ~down[:, :-1]
    return touch


def objectives_at(motion: Motion, event: np.ndarray, kind: np.ndarray | int) -> Objectives:
    """Return objectives whose row t holds the transform of each key joint at its first event after t.

    Args:
        motion: N clips, T frames.
        event: (N, T, 8) bool, within the clips' lengths.
        kind: of the objectives, one for all or (N, T, 8) for the event at each frame.

    Returns:
        Objectives of shape (N, T, 8, ...), in the world; none where no event follows.
    """
    count, frames, slots = event.shape
    frame = np.arange(frames)
    # Next event strictly after t: a running minimum from the right.
    at = np.where(event, frame[None, :, None], frames)
    upcoming = np.minimum.accumulate(at[:, ::-1], axis=1)[:, ::-1]
    arrivals = np.concatenate([upcoming[:, 1:], np.full((count, 1, slots), frames)], 1)
    active = (arrivals < frames) & motion.rig.role_mask
    arrivals = np.where(active, arrivals, frame[None, :, None])

    key_positions, key_rotations = key_transforms(motion.positions, motion.global_rotations, motion.rig)
    clip, slot = np.arange(count)[:, None, None], np.arange(slots)
    kinds = np.take_along_axis(np.broadcast_to(np.asarray(kind), event.shape), arrivals, axis=1)
    there = active[..., None]
    return Objectives(  # where nothing is asked, nothing is shown: the frame's own transform would be the truth
        np.where(there, key_positions[clip, arrivals, slot], np.float32(0)),
        np.where(there, key_rotations[clip, arrivals, slot], quat.IDENTITY),
        arrivals.astype(np.int32),
        np.where(active, kinds, NONE).astype(np.int8),
    )


def with_targets(made: Objectives, targets: ReachTargets | None) -> Objectives:
    """Return the objectives with a hand's target in its slot, while the target is there.

    Args:
        made: of N clips; its arrays are written into.
        targets: those of reaching clips, None elsewhere.
    """
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
