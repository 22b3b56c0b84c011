"""Motion of one rig made of patches of another's: Motion2Motion (Chen et al., SIGGRAPH Asia 2025) for `patches`.

A few bones of both rigs are bound to each other. A patch is some frames of motion. Every patch of the source asks,
through what is bound, for the patch of the target's examples that is most like it, and what is found is averaged where
it overlaps, from coarse to fine. `baselines/patches.py` says what of the method is kept and what is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rae_bench.model import Rig, key_transforms, quat

from .library import EVENT, PATH, SLOTS, Library

PATCH = 11
"""Frames of a patch."""
REACHES, PASSES = (4, 2, 1), 2
"""A patch has every so many-th frame, from coarse to fine; and how often each is matched and blended."""
BOUND, ALPHA = 0.9, 0.01
"""The weight of bound channels, that of others is what is left of 1; and what is added to the least distances."""
MOST, CHUNK = 4096, 2048
"""Patches of the examples that are matched at most, evenly spread; and patches of the source at a time."""
COMPONENTS, PACE = 12, 0.2
"""Principal components that stand for the pose in matching; and heights of place that count as a height a second."""


@dataclass(frozen=True, eq=False)
class Body:
    """What binding needs to know of a rig.

    Attributes:
        height: metres.
        rest: (8, 3) key joints in the rest pose, rig heights, as seen from under the pelvis.
        has, stands: (8,) bool, the roles that it has, and those on which it stands.
    """

    height: float
    rest: np.ndarray
    has: np.ndarray
    stands: np.ndarray


def body_of(rig: Rig) -> Body:
    """The body of a rig."""
    places = key_transforms(*rig.rest_global, rig)[0]
    stands = np.isin(np.arange(SLOTS), rig.contact_slots)
    return Body(rig.height, (places - places[0] * [1, 0, 1]) / rig.height, rig.role_mask, stands)


@dataclass(frozen=True, eq=False)
class Windows:
    """How many frames of its segment are before and after each of F frames, (F,)."""

    since: np.ndarray
    left: np.ndarray

    @classmethod
    def of(cls, library: Library) -> Windows:
        """Those of a library."""
        frame = np.arange(len(library))
        begins = np.diff(library.left, prepend=-1) >= 0
        return cls(frame - np.maximum.accumulate(np.where(begins, frame, 0)), library.left)

    def at(self, offset: int) -> tuple[np.ndarray, np.ndarray]:
        """(F,) the frame so far on, or the last on the way there; and whether it is there."""
        go = np.clip(offset, -self.since, self.left)
        return np.arange(len(go)) + go, go == offset


def transferred(given: Library, body: Body, examples: Library, rig: Rig, fps: float) -> Library:
    """Motion of a source as motion of a target.

    The root goes as the source's, scaled by height. What was asked of the source is asked of the copy: a path as it is,
    objectives of bound roles as far from the rest pose. Objectives of other roles come from the examples.

    Args:
        given: frames of the source, whose body is `body`.
        examples: frames of the target on the rig `rig`, one at least.
    """
    own = body_of(rig)
    slots, apart = body.has & own.has & (body.stands == own.stands), own.rest - body.rest
    size = np.array([body.height, body.height, 1]) / np.array([rig.height, rig.height, 1])
    steps = (given.steps / size).astype(np.float32)
    asks, answers = (
        np.concatenate([places[:, slots].reshape(len(places), -1), PACE * fps * moved / [rig.height, rig.height, 1]], 1)
        for places, moved in ((given.keys + apart, steps), (examples.keys, examples.steps))
    )
    poses = np.concatenate([examples.place, _columns(examples.turns)], 1)
    mix = matched(asks, answers, poses, Windows.of(given), Windows.of(examples))
    blended = mix(poses)
    place, turns = blended[:, :3].astype(np.float32), _turns(blended[:, 3:])
    keys = keys_of(turns, place, rig)
    speeds = np.zeros_like(keys)
    later = np.flatnonzero(Windows.of(given).since > 0)
    speeds[later] = speeds_of(keys[later - 1], keys[later], steps[later], rig, fps)
    asked = given.asked
    if asked.shape[1] != PATH:
        asked = asked.reshape(-1, EVENT, SLOTS).copy()
        asked[:, :3] += apart.T * asked[:, -1:]
        others = mix(examples.asked).reshape(asked.shape)
        there = others[:, -1:] > 0.5
        others = np.where(there, others / np.maximum(others[:, -1:], 0.5), 0)
        asked[..., ~slots] = others[..., ~slots]
        asked = asked.reshape(len(asked), -1).astype(np.float32)
    return Library(given.left, place, turns, steps, keys, speeds, mix(examples.stands) > 0.5, asked)


def _columns(turns: np.ndarray) -> np.ndarray:
    """(F, 6 J) two columns of each local rotation's matrix."""
    return quat.to_matrix(turns)[..., :2].reshape(len(turns), -1)


def _turns(columns: np.ndarray) -> np.ndarray:
    """(F, J, 4) rotations of blended columns, by Gram-Schmidt."""
    a, b = np.moveaxis(columns.reshape(len(columns), -1, 3, 2).astype(np.float64), -1, 0)
    a = a / np.maximum(np.linalg.norm(a, axis=-1, keepdims=True), 1e-9)
    b = b - (a * b).sum(-1, keepdims=True) * a
    b = b / np.maximum(np.linalg.norm(b, axis=-1, keepdims=True), 1e-9)
    return quat.from_matrix(np.stack([a, b, np.cross(a, b)], -1)).astype(np.float32)


def keys_of(turns: np.ndarray, place: np.ndarray, rig: Rig) -> np.ndarray:
    """(B, 8, 3) key joints of poses in root space, rig heights."""
    positions, rotations = rig.forward_kinematics(turns, place)
    return key_transforms(positions, rotations, rig)[0] / np.float32(rig.height)


def speeds_of(before: np.ndarray, now: np.ndarray, step: np.ndarray, rig: Rig, fps: float) -> np.ndarray:
    """(B, 8, 3) velocities of key joints, heights a second along the root's axes, of their places in two frames."""
    gone = np.stack([step[:, 0], np.zeros(len(step)), step[:, 1]], -1) / rig.height
    back = np.broadcast_to(quat.from_yaw(-step[:, 2])[:, None], (*before.shape[:2], 4))
    speeds = (now - quat.rotate(back, before - gone[:, None])) * fps * rig.role_mask[:, None]
    return speeds.astype(np.float32)


def matched(
    asks: np.ndarray, answers: np.ndarray, others: np.ndarray, here: Windows, there: Windows
) -> Callable[[np.ndarray], np.ndarray]:
    """Match patches from coarse to fine, as Motion2Motion does.

    Args:
        asks: (F, B) bound channels of the source.
        answers: (E, B) the same channels of the examples.
        others: (E, C) further channels of the examples.
        here, there: the segments of both.

    Returns:
        What blends channels (E, C) of the examples to (F, C), as the patches that were found overlap.
    """
    spread = max(float(answers.std(0).mean()), 1e-6)
    asks, answers = BOUND * asks / spread, BOUND * answers / spread
    few = _principal(others) * (1 - BOUND)
    found, reach = np.zeros(len(asks), int), REACHES[0]
    joined: np.ndarray | None = None

    def mix(channels: np.ndarray) -> np.ndarray:
        total, count = np.zeros((len(asks), channels.shape[1])), np.zeros((len(asks), 1))
        for offset in range(-(PATCH // 2) * reach, PATCH // 2 * reach + 1, reach):
            centre, inside = here.at(-offset)  # the patch around that frame has this one at the offset
            total += np.where(inside[:, None], channels[there.at(offset)[0][found[centre]]], 0)
            count += inside[:, None]
        return total / count

    for reach in REACHES:
        for _ in range(PASSES):
            parts = [(asks, answers)] if joined is None else [(asks, answers), (joined, few)]
            found = _nearest(*(
                np.concatenate([_patches(part[side], (here, there)[side], reach) for part in parts], 1)
                for side in (0, 1)
            ))  # fmt: skip
            joined = mix(few)
    return mix


def _principal(values: np.ndarray) -> np.ndarray:
    """(E, P) principal components of channels (E, C), as wide as one on the whole."""
    centred = values - values.mean(0)
    _, _, axes = np.linalg.svd(centred[:: max(len(centred) // MOST, 1)], full_matrices=False)
    made = centred @ axes[:COMPONENTS].T
    return made / max(float(np.sqrt((made**2).mean())), 1e-6)


def _patches(channels: np.ndarray, windows: Windows, reach: int) -> Tensor:
    """(F, PATCH C) the patch around each frame."""
    half = PATCH // 2
    return np.concatenate([channels[windows.at(k * reach)[0]] for k in range(-half, half + 1)], 1).astype(np.float32)


def _nearest(asks: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """(F,) the patch (E, D) of the examples that is nearest to each (F, D).

    A distance is the mean square over the channels. It is divided by the least distance of the patch of the examples to
    any of the source, so that patches that few ask for are used too.
    """
    pick = np.unique(np.linspace(0, len(answers) - 1, min(MOST, len(answers))).round().astype(int))
    x, y = torch.from_numpy(asks), torch.from_numpy(answers[pick])
    own = (y * y).sum(1)

    def apart(part: Tensor) -> Tensor:
        return ((part * part).sum(1)[:, None] + own - 2 * part @ y.T).clamp(min=0) / y.shape[1]

    least = torch.stack([apart(part).amin(0) for part in x.split(CHUNK)]).amin(0)
    best = torch.cat([(apart(part) / (ALPHA + least)).argmin(1) for part in x.split(CHUNK)])
    return pick[best.numpy()]
