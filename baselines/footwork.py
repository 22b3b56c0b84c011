"""Feet that stand and hands that arrive: inverse kinematics after frames have been played or blended.

A standing foot is held where it has been put down (Kovar, Schreiner and Gleicher 2002). Where the root goes faster or
slower than the frames say, a foot is put down further ahead or behind, so that it is dragged as far on both sides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rae_bench.model import KINDS, Objectives, Prompt, solve_ik

from .library import EVENT, PATH, PELVIS, SLOTS, Library

CONTACT = KINDS.index("contact")
HALF_LIFE = 0.1
"""Seconds in which a foot that has left the ground comes half of the way back to where the frames have it."""
REACH = 0.25
"""Rig heights by which a standing foot is held back at most; one that is dragged further is let go."""
LONGEST = 0.6
"""Seconds of standing for which a step is laid out beforehand."""
STILL = 1e-3
"""Rig heights from which on a joint that nothing is asked of is still being brought back."""
CLOSE = 0.3
"""Seconds before an arrival in which a joint is bent towards its objective."""


class Shown(NamedTuple):
    """One generated frame of N bodies, on a rig of J joints of which C touch the ground.

    Attributes:
        origin, yaw: (N, 2) metres and (N,) radians, the root in the world.
        place, turns: (N, 3) and (N, J, 4) as of `Library`.
        stands: (N, C) bool, contact joints that stand in the frames that are played.
        landing: (N, 8, 3) metres, world, by how much key joints will miss their objectives if the frames go on; NaN
            where nobody knows.
        drag: (N, 3) by how much the root leaves what the frames say: m/s and radians a second, world.
    """

    origin: np.ndarray
    yaw: np.ndarray
    place: np.ndarray
    turns: np.ndarray
    stands: np.ndarray
    landing: np.ndarray
    drag: np.ndarray


def stance_seconds(library: Library, fps: float) -> float:
    """How long a contact joint stands on average; 0 where none ever does."""
    down = library.stands & (library.left > 0)[:, None]
    begins = (down[1:] & ~down[:-1]).sum() + down[:1].sum()
    return float(min(down.sum() / max(begins, 1) / fps, LONGEST))


def footwork(
    prompt: Prompt, root: np.ndarray, rotations: np.ndarray, made: Shown, library: Library
) -> tuple[np.ndarray, np.ndarray]:
    """Poses whose standing feet stay in place, and whose key joints meet their objectives.

    Args:
        root, rotations: (N, G, 3) metres and (N, G, J, 4) of the generated frames, world.
        made: (N, G, ...) of all frames.
        library: what is played; it says how long feet stand.
    """
    rig, fps = prompt.rig, prompt.fps
    count, frames = root.shape[:2]
    slots = np.flatnonzero(rig.role_mask & (np.arange(SLOTS) != PELVIS))
    first = prompt.history.root_positions.shape[1] - 1
    rows = prompt.objectives.cut(first, first + frames)
    feet = np.isin(slots, rig.contact_slots)
    if not len(slots) or not count or not frames:
        return root, rotations
    positions, turned = rig.forward_kinematics(rotations, root)
    keys = positions[:, :, rig.key_joints[slots]].astype(np.float64)
    unknown = np.isin(rig.contact_slots, slots[~told(library)[slots]])  # feet of whose steps the library knows nothing
    stands = np.where(unknown, landed(rows, fps)[:, :, rig.contact_slots], made.stands)
    anchor, down = _anchors(prompt, positions, stands, slots)
    stance, landing = stance_seconds(library, fps), made.landing[:, :, slots]
    off, loose = np.zeros((count, len(slots), 3)), np.zeros((count, len(slots)), bool)
    bent, weights = np.zeros_like(keys), np.zeros(keys.shape[:3], np.float32)
    decay, close = 0.5 ** (1 / (HALF_LIFE * fps)), round(CLOSE * fps)
    for i in range(frames):
        asked = rows.active[:, i][:, slots]
        remaining = rows.arrivals[:, i][:, slots] - (i + 1)
        soon = asked & (remaining >= 0) & (remaining < close)
        stays = down[:, i] & feet & ~loose & ~soon
        ahead = np.where(feet[:, None], _swept(made.drag[:, i], keys[:, i] - root[:, i, None]) * (stance / 2), 0)
        swings = np.where(soon[..., None], off, ahead + (off - ahead) * decay)
        off = np.where(stays[..., None], off - anchor[:, i], swings)
        loose = (loose | (np.linalg.norm(off, axis=-1) > REACH * rig.height)) & down[:, i]
        # First the place where the frames will land says what is missing, where it is known; in the end the joint does.
        sure = np.clip(1 - remaining / (close * 2 / 3), 0, 1)[..., None] ** 2
        gap = rows.positions[:, i][:, slots] - keys[:, i]
        goal = np.where(np.isnan(landing[:, i]), gap, landing[:, i] + sure * (gap - landing[:, i]))
        share = np.where(soon, 1 / (np.maximum(remaining, 0) + 1), 0)[..., None]
        off = off + share * (goal - off)
        bent[:, i] = off
        weights[:, i] = feet | asked | (np.linalg.norm(off, axis=-1) > STILL * rig.height)
    return solve_ik(
        rig, root, rotations, [int(j) for j in rig.key_joints[slots]], keys + bent,
        target_rotations=turned[:, :, rig.key_joints[slots]], weights=weights, iterations=8,
        floor=1e-3, movable=~rig.ancestors[rig.roles.get("pelvis", 0)],
    )  # fmt: skip


def told(library: Library) -> np.ndarray:
    """(8,) bool, roles of which anything was ever asked in a library; all of them on a path, where no role is."""
    if library.asked.shape[1] == PATH:
        return np.ones(SLOTS, bool)
    active: np.ndarray = library.asked.reshape(-1, EVENT, SLOTS)[:, -1].any(0)
    return active


def landed(rows: Objectives, fps: float) -> np.ndarray:
    """(N, G, 8) bool, roles that have touched down where they were asked to, and that need not leave yet.

    Args:
        rows: of the G frames; row i is what is known when frame i is made, which is row i + 1.
    """
    left = rows.arrivals - np.arange(1, rows.arrivals.shape[1] + 1)[:, None]
    asked = rows.kinds == CONTACT
    came = np.logical_or.accumulate(asked & (left == 0), 1)
    made: np.ndarray = came & ~(asked & (left >= 0) & (left < round(CLOSE * fps)))
    return made


def _swept(drag: np.ndarray, arm: np.ndarray) -> np.ndarray:
    """(N, K, 3) m/s over the ground of places `arm` (N, K, 3) from the root, that goes and turns by `drag` (N, 3)."""
    vx, vz, spin = (part[:, None] for part in drag.T)
    return np.stack([vx + spin * arm[..., 2], np.zeros_like(arm[..., 0]), vz - spin * arm[..., 0]], -1)


def _anchors(
    prompt: Prompt, positions: np.ndarray, stands: np.ndarray, slots: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far standing contact joints of each slot slide in each frame, (N, G, K, 3) metres; and whether any stands.

    A joint slides from the frame before; before the first stands the last of the history.
    """
    rig, history = prompt.rig, prompt.history
    joints, clip = rig.contact_joints, np.arange(len(history))
    last = np.maximum(history.lengths - 1, 0)
    places = np.concatenate([history.positions[clip, last][:, None, joints], positions[:, :, joints]], 1)
    down = np.concatenate([history.contacts[clip, last][:, None], stands], 1)
    both = down[:, 1:] & down[:, :-1]
    slid = np.where(both[..., None], np.diff(places, axis=1) * [1, 0, 1], 0)
    member = (rig.contact_slots[:, None] == slots).astype(np.float64)
    total = both.astype(np.float64) @ member
    mean = np.einsum("ngcx,ck->ngkx", slid, member) / np.maximum(total, 1)[..., None]
    return mean, total > 0
