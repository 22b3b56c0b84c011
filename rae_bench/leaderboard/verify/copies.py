"""Trajectories that are copies of the truth, and cells that are copies of each other.

docs/develop/attacks.md says what is found, and what is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from rae_bench.leaderboard.verify.grading import FoldGrader
from rae_bench.model.api import Trajectory
from rae_bench.motion.motion import Motion

NEAR, NEAR_SLOW, SAME = 0.06, 0.045, 0.02
"""A copy leaves less than these shares of what a held pose misses: of the fits of `traces.Left`, of that of slow turns,
and of the error itself in some half second. docs/develop/attacks.md has what honest cells leave."""
BETTER, ALIGNED = 0.8, 0.6
"""A mix with a held pose has less than this share of a held pose's error; with more, it copies nothing worth having.
The rest has less once each frame of the truth is taken at its best lag; a pose that is held has 0.7 in `reach`."""
MOVES = 0.01
"""Clips whose held pose is off by less than this share of the rig's height hardly move and are left out."""
WINDOW = 0.2
"""Seconds over which noise is averaged away. More would also average steps away, which come twice a second."""
WHITE = 0.55
"""The most that noise leaves after that. Independent noise leaves 0.23 to 0.43, honest clips 0.71 and more."""
SHARE = 0.1
"""The share of the clips, at least one, that must look copied to make a finding."""
FLOOR = 0.2
"""A reconstruction error below this percentage of the rig's height needs knowledge of the truth."""
CLIP_FLOOR = 0.02
"""The same of a single clip."""
SAME_VALUE, SAME_SHARE = 0.01, 0.9
"""Two cells are copies where nine tenths of their metrics differ by less than 1 %. On the first board, the most similar
of 7,020 pairs of honest cells of one model differed by 3.5 % (by 0.7 % in the median, which would be no safe test), and
the most similar of 65,610 pairs of two models by 4.9 %."""


def slowness(generated: Motion, truth: Motion) -> np.ndarray:
    """Return the share of each clip's error, (N,), that is left by a moving mean of `WINDOW`; NaN for shorter clips.

    Errors of a roll-out are slow, since a limb that is late stays late for a while. Noise is fast.
    """
    error = generated.root.points_in(generated.positions) - truth.root.points_in(truth.positions)
    error = np.where(truth.valid[..., None, None], error, 0).astype(np.float64)
    width = max(round(WINDOW * truth.fps), 2)
    if error.shape[1] < width:
        return np.full(len(truth), np.nan)
    sums = np.cumsum(np.concatenate([np.zeros_like(error[:, :1]), error], 1), 1)
    means = (sums[:, width:] - sums[:, :-width]) / width
    whole = truth.valid[:, width - 1 :]
    with np.errstate(invalid="ignore", divide="ignore"):
        slow = (np.square(means).sum((2, 3)) * whole).sum(1) / whole.sum(1)
        ratio: np.ndarray = np.sqrt(slow / (np.square(error).sum((1, 2, 3)) / truth.lengths))
    return ratio


@dataclass(frozen=True, eq=False)
class Copied:
    """Which clips look like what, (N,) bool each; a clip is only one of them.

    Attributes:
        parts: half a second or more is the truth itself.
        near: the truth once a lag, a warp of time, a smoothing or a mix with a held pose are taken away.
        slow: the truth once slow turns of the joints are taken away besides.
        noisy: the truth under noise.
    """

    parts: np.ndarray
    near: np.ndarray
    slow: np.ndarray
    noisy: np.ndarray

    def found(self) -> Iterator[tuple[np.ndarray, str]]:
        """Yield the clips of each kind that has enough of them, and what they are."""
        if self.parts.any():
            yield self.parts, "the truth itself, half a second of it or more"
        for clips, what in (
            (self.near, "the truth, smoothed, warped or shifted in time, or mixed with a held pose"),
            (self.slow, "the truth with joints turned slowly"),
            (self.noisy, "the truth with noise on it"),
        ):
            if clips.sum() >= max(1, SHARE * len(clips)):
                yield clips, what


def copied_clips(grader: FoldGrader, trajectory: Trajectory) -> Copied:
    """Return which clips are copies of the truth. A clip counts where any sample of it does."""
    from rae_bench.metrics.evaluation import samples

    truth = grader.exam.truth
    moves = grader.hold_error > MOVES * 100 * truth.rig.height
    parts, near, slow, noisy = (np.zeros(len(truth), bool) for _ in range(4))
    for motion in samples(trajectory, truth):
        left = grader.forger.left(motion.rotations)
        parts |= moves & (np.minimum(left.error, left.window) < SAME)
        warped = (left.warped < NEAR) & (left.aligned < ALIGNED)
        near |= moves & (warped | ((left.mixed < NEAR) & (left.error < BETTER)))
        slow |= moves & (left.slow < NEAR_SLOW)
        noisy |= moves & (slowness(motion, truth) < WHITE)
    return Copied(parts, near & ~parts, slow & ~(near | parts), noisy & ~(slow | near | parts))


def twins(
    mine: Mapping[str, Mapping[str, float]], others: Mapping[str, Mapping[str, float]]
) -> Iterator[tuple[str, str]]:
    """Yield pairs of cells with the same numbers.

    Two trainings of one model with different seeds differ by some percent somewhere.

    Args:
        mine, others: cell -> metrics, of two entries on one task.
    """
    for name, values in mine.items():
        for other, theirs in others.items():
            if same_numbers(values, theirs):
                yield name, other


def same_numbers(values: Mapping[str, float], theirs: Mapping[str, float]) -> bool:
    """Return whether two cells' metrics are those of one motion, apart from a little noise."""
    shared = [(value, theirs[key]) for key, value in values.items() if key in theirs]
    pairs = np.array([(a, b) for a, b in shared if a or b]).reshape(-1, 2)
    if len(pairs) < 3:
        return False
    gap = np.abs(pairs[:, 0] - pairs[:, 1]) / np.maximum(np.abs(pairs).max(1), 1e-9)
    return bool(np.percentile(gap, 100 * SAME_SHARE) < SAME_VALUE)
