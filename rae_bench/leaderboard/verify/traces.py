"""What is left of the truth in generated motion once time, smoothness, a held pose and slow turns are taken away.

A forger starts from the truth and makes its error look believable: he lets it come late, warps its time, smooths it,
mixes it with the last pose, or turns joints slowly to and fro. All of these are a few numbers a frame, or slow. So a
fit of them to the error leaves next to nothing of a forgery, and much of what a model made, whose error is in every
joint and has the frequencies of the motion itself.

Errors here are turns of the joints, as rotation vectors in radians, (N, T, J, 3) or flat (N, T, 3 J).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from rae_bench.kinematics import quat

LATEST = 0.5
"""Seconds by which a frame of a copy may be late or early."""
HASTE = 0.02
"""What a change of the lag by a frame costs, as a share of the mean squared distance of the truth from the held pose:
without it noise would move frames about."""
SIGMAS = (2.0, 4.0, 8.0)
"""Frames: widths of the smoothings that are fitted."""
SLOW = 0.75
"""Hertz up to which turns of a joint count as slow."""
BENDS = 3
"""Degree up to which polynomials count as slow too: cosines alone leave the ends of a clip over."""
WINDOW, MOVING = 0.5, 0.5
"""Seconds of a part of a clip, and the share of the clip's mean square by which the truth must have moved there."""
CARRIED = 0.5
"""The share of the truth's fast movement that a clip must have before the fit of slow turns says anything. What hardly
moves, such as the mean pose that a regression gives where it knows no phase, is the truth smoothed until nothing fast
is left, and so that fit would take it for a copy."""
ROUNDS = 3
"""How often frames and slow turns are fitted in turns."""
RIDGE = 1e-6
"""Keeps fits solvable in frames in which nothing moves, as a share of the mean energy."""


class Left(NamedTuple):
    """How much is left of each clip's error, (N,), as shares of what a held pose misses of the same motion.

    Attributes:
        error: the error itself.
        aligned: after each frame of the truth was taken at its best lag.
        window: the error in the half second in which it is least, of what a held pose misses there.
        warped: after the fit of a lag and of smoothings to each frame.
        mixed: after the fit of a share of the held pose to each frame besides, which leaves nothing of a held pose.
        slow: of what is not slow: after slow turns of each joint besides a lag and smoothings; infinite where a clip
            itself has less than `CARRIED` of what is not slow.
    """

    error: np.ndarray
    aligned: np.ndarray
    window: np.ndarray
    warped: np.ndarray
    mixed: np.ndarray
    slow: np.ndarray


class Forger:
    """Fits to generated motion what forgers do to a truth.

    Args:
        truth: (N, T, J, 4) local rotations.
        held: (N, 1, J, 4) those of the last pose before.
        lengths: (N,) real frames.
        fps: frames a second.
    """

    def __init__(self, truth: np.ndarray, held: np.ndarray, lengths: np.ndarray, fps: float) -> None:
        self.truth, self.held = quat.continuous(truth.astype(np.float32), 1), held.astype(np.float32)
        self.lengths, self.fps = lengths, fps
        self.valid = np.arange(truth.shape[1]) < lengths[:, None]

    @cached_property
    def _slow(self) -> dict[int, np.ndarray]:
        return {length: slow_basis(length, self.fps) for length in np.unique(self.lengths).tolist()}

    @cached_property
    def _misses(self) -> np.ndarray:
        """What a held pose misses, (N, T, 3 J)."""
        return _flat(turns(self.truth, self.held))

    @cached_property
    def reach(self) -> tuple[np.ndarray, np.ndarray]:
        """How much a held pose misses in each clip, (N,) radians, and how much of that is not slow."""
        return self._rms(self._misses), self._rms(self._fast(self._misses))

    @cached_property
    def _ways(self) -> tuple[np.ndarray, np.ndarray]:
        """Orthonormal ways in which a forgery may differ from each frame of the truth, (N, T, 3 J, K).

        Seen from the joint, and from its parent.
        """
        from scipy.ndimage import gaussian_filter1d

        last = self.truth.shape[1] - 1
        index = np.arange(last + 1)
        speed = turns(self.truth[:, np.maximum(index - 1, 0)], self.truth[:, np.minimum(index + 1, last)]) / 2
        ways = [speed]
        for sigma in SIGMAS:
            smooth = quat.normalize(gaussian_filter1d(self.truth, sigma, 1, mode="nearest"))
            ways.append(turns(self.truth, smooth))
        ways.append(turns(self.truth, self.held))  # the last one: what comes before it is orthonormal without it
        return _orthonormal(ways), _orthonormal([quat.rotate(self.truth, way) for way in ways])

    def left(self, made: np.ndarray) -> Left:
        """Return what is left of the error of generated rotations, (N, T, J, 4)."""
        reach, fast = (np.maximum(each, 1e-6) for each in self.reach)
        plain = turns(self.truth, made)
        at = self.follow(made)
        near = _frames(self.truth, at)
        error = turns(near, made)
        inner, outer = (_frames(ways, at) for ways in self._ways)
        rest = []
        for own, ways in ((error, inner), (quat.rotate(near, error), outer)):
            now = _flat(own)
            for _ in range(ROUNDS):
                now = _outside(self._fast(now), ways[..., :-1])
            rest.append(self._rms(self._fast(now)) / fast)
        carried = self._rms(self._fast(_flat(turns(made, self.held)))) / fast
        return Left(
            self._rms(_flat(plain)) / reach,
            self._rms(_flat(error)) / reach,
            self._least(_flat(plain)),
            self._rms(_outside(_flat(error), inner[..., :-1])) / reach,
            self._rms(_outside(_flat(error), inner)) / reach,
            np.where(carried < CARRIED, np.inf, np.minimum(*rest)),
        )

    def _least(self, error: np.ndarray) -> np.ndarray:
        """The least error over the windows of a clip in which the truth moves, (N,)."""
        width = max(round(WINDOW * self.fps), 2)
        ends = np.cumsum(np.stack([(x * x).sum(2) for x in (error, self._misses)]).astype(np.float64), 2)
        sums = np.maximum(ends[:, :, width:] - ends[:, :, :-width], 0)
        moves = (sums[1] > (self.reach[0] ** 2 * error.shape[2] / 3 * width * MOVING)[:, None]) & self.valid[:, width:]
        share = np.where(moves, np.sqrt(sums[0] / np.maximum(sums[1], 1e-12)), np.inf)
        return share.min(1, initial=np.inf)

    def follow(self, made: np.ndarray) -> np.ndarray:
        """Return the frame of the truth that each generated frame shows, (N, T), by dynamic programming."""
        count, frames, joints = made.shape[:3]
        signs = np.where(np.einsum("ntjc,ntjc->ntj", made, self.truth) < 0, -1, 1).astype(np.float32)
        a, b = ((x).reshape(count, frames, -1) for x in (made * signs[..., None], self.truth))
        near = a @ b.swapaxes(1, 2) / joints  # a mean of cosines of half angles
        reach = max(round(LATEST * self.fps), 1)
        lags = np.arange(-reach, reach + 1)
        last = (self.lengths - 1)[:, None, None]
        index = np.clip(np.arange(frames)[:, None] + lags, 0, last)
        apart = 8 * (1 - np.take_along_axis(near, index, 2)) * self.valid[..., None]  # about the mean squared angle
        cost = (HASTE * self.reach[0] ** 2)[:, None]
        best, came = apart[:, 0], np.zeros((count, frames, len(lags)), np.int8)
        edge = np.full((count, 1), np.inf, np.float32)
        for t in range(1, frames):
            sooner, later = np.hstack([edge, best[:, :-1]]) + cost, np.hstack([best[:, 1:], edge]) + cost
            came[:, t] = np.where(sooner < np.minimum(best, later), -1, np.where(later < best, 1, 0))
            best = np.minimum(np.minimum(sooner, later), best) + apart[:, t]
        lag = np.empty((count, frames), int)
        lag[:, -1] = best.argmin(1)
        for t in range(frames - 1, 0, -1):
            lag[:, t - 1] = lag[:, t] + came[np.arange(count), t, lag[:, t]]
        chosen: np.ndarray = np.take_along_axis(index, lag[..., None], 2)[..., 0]
        return chosen

    def _fast(self, error: np.ndarray) -> np.ndarray:
        """What is left of an error (N, T, D) without what is slow over each clip."""
        out = np.zeros_like(error)
        for length, basis in self._slow.items():
            clips = np.flatnonzero(self.lengths == length)
            part = error[clips, :length]
            out[clips, :length] = part - basis @ (basis.T @ part)
        return out

    def _rms(self, error: np.ndarray) -> np.ndarray:
        """Root mean square over joints and the real frames of each clip, (N,)."""
        square = np.einsum("ntd,ntd->nt", error, error) * self.valid
        mean: np.ndarray = square.sum(1) / (self.lengths * (error.shape[2] / 3))
        return np.sqrt(mean)


def turns(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the rotation vectors (..., 3) that lead from rotations `a` to `b`, the short way."""
    apart = quat.mul(quat.inverse(a), b)
    w, xyz = apart[..., :1], apart[..., 1:]
    size = np.sqrt(np.einsum("...i,...i->...", xyz, xyz))[..., None]
    angle = 2 * np.arctan2(size, np.abs(w))
    vectors: np.ndarray = np.where(w < 0, -xyz, xyz) * (angle / np.maximum(size, 1e-12))
    return vectors


def slow_basis(frames: int, fps: float) -> np.ndarray:
    """Return what counts as slow over so many frames, orthonormal, (frames, K)."""
    u = np.linspace(-1, 1, frames)
    k = np.arange(1, int(2 * frames * SLOW / fps) + 1)
    waves = np.cos(np.pi * (np.arange(frames)[:, None] + 0.5) * k / frames)
    basis: np.ndarray = np.linalg.qr(np.concatenate([np.vander(u, BENDS + 1, increasing=True), waves], 1))[0]
    return basis.astype(np.float32)


def _frames(array: np.ndarray, at: np.ndarray) -> np.ndarray:
    picked: np.ndarray = array[np.arange(len(array))[:, None], at]
    return picked


def _flat(vectors: np.ndarray) -> np.ndarray:
    return vectors.reshape(*vectors.shape[:2], -1)


def _orthonormal(ways: Sequence[np.ndarray]) -> np.ndarray:
    """Vectors (N, T, J, 3) each, made orthonormal in every frame: (N, T, 3 J, K)."""
    stacked = np.stack([_flat(way) for way in ways], -1).astype(np.float64)
    gram = stacked.swapaxes(-1, -2) @ stacked
    size = np.einsum("ntkk->k", gram) / gram[..., 0, 0].size
    lower = np.linalg.cholesky(gram + np.diag(RIDGE * size + 1e-12))
    basis: np.ndarray = np.linalg.solve(lower, stacked.swapaxes(-1, -2)).swapaxes(-1, -2)
    return np.ascontiguousarray(basis, np.float32)


def _outside(error: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """What is left of an error (N, T, 3 J) without its part along ways (N, T, 3 J, K)."""
    share = error[..., None, :] @ ways
    rest: np.ndarray = error - (ways @ share.swapaxes(-1, -2))[..., 0]
    return rest
