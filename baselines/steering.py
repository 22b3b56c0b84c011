"""A root that goes as frames say and is led towards what is asked; springs that take offsets away."""

from __future__ import annotations

import numpy as np

from rae_bench.model import HORIZONS, Prompt, Rig, quat

from .library import EVENT, PATH, PELVIS, SLOTS, TIME, Library, asked_of

SOONEST = 0.2
"""Seconds that the root takes at least for what it is led by."""
CALM = 0.2
"""Seconds in which the root takes up what it is led by."""


def lead(
    wanted: np.ndarray, played: np.ndarray, steps: np.ndarray, usual: np.ndarray, rig: Rig, fps: float
) -> np.ndarray:
    """What brings bodies to where they are asked to be by the time they are asked to be there.

    On a path the root closes in a third of a second what it will be off by then, if the frames go on as they are known
    to. With objectives, feet that will touch down beside their places take the root along; the first counts most. Where
    nothing was asked of the frames that are played, they are taken to go on as they do, to a usual touch-down.

    Args:
        wanted: (B, A) of `asked_of`, of the bodies.
        played: (B, A) of the frames that are played.
        steps: (B, 3) of the frames that are played.
        usual: (8, 5) of `usual_arrivals`.

    Returns:
        (B, 3) by how much the root is to leave what the frames say, in its root space: m/s, m/s, radians a second.
    """
    if rig.fixed_base:
        return np.zeros((len(wanted), 3))
    if wanted.shape[1] == PATH:
        n = len(HORIZONS)
        off = rig.height * (wanted - played)[:, [0, n]]
        one, two = (np.arctan2(asked[:, 2 * n], asked[:, 3 * n]) for asked in (wanted, played))
        return np.column_stack([off, quat.wrapped(one - two)]) / HORIZONS[0]
    asked, known = (part.reshape(-1, EVENT, SLOTS) for part in (wanted, played))
    feet = np.isin(np.arange(SLOTS), [*rig.contact_slots, PELVIS])
    seconds = np.maximum(asked[:, TIME], 0)
    said = known[:, -1] > 0
    going = (steps * fps)[:, :, None] * seconds[:, None]
    ahead = np.arctan2(usual[:, 3], usual[:, 4]) + going[:, 2]
    faces = np.where(said, np.arctan2(known[:, 3], known[:, 4]), ahead)
    x, z = (np.where(said, known[:, i], usual[:, i] + going[:, j] / rig.height) for i, j in ((0, 0), (2, 1)))
    weight = np.where((asked[:, -1] > 0) & feet & (usual != 0).any(1), 1 / (seconds + 0.1), 0)
    pace = weight / np.maximum(weight.sum(1, keepdims=True), 1e-9) / np.maximum(seconds, SOONEST)
    off = rig.height * np.stack([asked[:, 0] - x, asked[:, 2] - z], 1)
    turn = quat.wrapped(np.arctan2(asked[:, 3], asked[:, 4]) - faces)
    return np.column_stack([(off * pace[:, None]).sum(-1), (turn * pace).sum(1)])


def usual_arrivals(library: Library, fps: float) -> np.ndarray:
    """(8, 5) where objectives of each slot are when they are met, and how they face, as of `asked_of`; else zeros."""
    if library.asked.shape[1] == PATH:
        return np.zeros((SLOTS, EVENT - 2))
    asked = library.asked.reshape(-1, EVENT, SLOTS).astype(np.float64)
    met = (asked[:, -1] > 0) & (asked[:, TIME] < 1.5 / fps)
    mean: np.ndarray = (asked[:, :TIME] * met[:, None]).sum(0) / np.maximum(met.sum(0), 1)
    return mean.T


class Roots:
    """The roots of N bodies in the world, and what they are asked.

    Attributes:
        origin, yaw: (N, 2) metres, x and z, and (N,) radians.
    """

    def __init__(self, prompt: Prompt, library: Library) -> None:
        history = prompt.history
        self._prompt, self._row = prompt, history.root_positions.shape[1] - 1
        self._usual = usual_arrivals(library, prompt.fps)
        self.origin = history.root.origin[:, self._row][:, [0, 2]].astype(np.float64)
        self.yaw = history.root.yaw[:, self._row].astype(np.float64)
        self._led = np.zeros((len(history), 3))

    def asked(self, frame: int) -> np.ndarray:
        """(N, A) what is asked of them when generated frame `frame` is made, as of `asked_of`."""
        prompt = self._prompt
        return asked_of(prompt.objectives, prompt.path, self._row + frame, self.origin, self.yaw, prompt.history)

    def go(self, asked: np.ndarray, known: np.ndarray, before: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Go a step (N, 3) on, led by what is asked.

        Args:
            asked: (N, A) of the bodies.
            known: (N, A) of the frames that are played.
            before: (N, 3) the step before.

        Returns:
            (N, 3) by how much they leave what the step says: m/s and radians a second, world.
        """
        fps = self._prompt.fps
        led = lead(asked, known, before, self._usual, self._prompt.rig, fps)
        self._led = self._led + (led - self._led) * (1 - np.exp(-1 / (CALM * fps)))
        drag = np.concatenate([moved(np.zeros_like(self.origin), self.yaw, self._led), self._led[:, 2:]], 1)
        step = step + self._led / fps
        self.origin, self.yaw = moved(self.origin, self.yaw, step), self.yaw + step[:, 2]
        return drag


def spring(x: np.ndarray, v: np.ndarray, half_life: float, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """An offset and its velocity one frame on: a critically damped spring takes both to zero (Holden 2021)."""
    y, dt = 2 * np.log(2) / half_life, 1 / fps
    slope, fade = v + x * y, np.exp(-y * dt)
    return fade * (x + slope * dt), fade * (v - slope * y * dt)


def moved(origin: np.ndarray, yaw: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Places (B, 2), x and z, that steps (B, 3) in the root space of roots at (B, 2), heading (B,), lead to."""
    c, s = np.cos(yaw), np.sin(yaw)
    return origin + np.stack([c * step[:, 0] + s * step[:, 1], c * step[:, 1] - s * step[:, 0]], -1)


def in_world(
    origin: np.ndarray, yaw: np.ndarray, place: np.ndarray, turns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Root positions (..., 3) and local rotations (..., J, 4) of poses seen from roots at (..., 2), heading (...)."""
    back = quat.from_yaw(yaw)
    ground = np.stack([origin[..., 0], np.zeros_like(yaw), origin[..., 1]], -1)
    turns = turns.copy()
    turns[..., 0, :] = quat.mul(back, turns[..., 0, :])
    return ground + quat.rotate(back, place), quat.normalize(turns)


def log(q: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3) of unit quaternions, the short way."""
    q = q * np.where(q[..., :1] < 0, -1, 1)
    size = np.linalg.norm(q[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(size, q[..., :1])
    vector: np.ndarray = q[..., 1:] * np.where(size > 1e-8, angle / np.maximum(size, 1e-8), 2)
    return vector


def exp(vector: np.ndarray) -> np.ndarray:
    """Unit quaternions (..., 4) of rotation vectors."""
    half = np.linalg.norm(vector, axis=-1, keepdims=True) / 2
    return np.concatenate([np.cos(half), vector * np.sinc(half / np.pi) / 2], -1)
