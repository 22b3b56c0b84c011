"""Trajectories that are copies of the truth, and cells that are copies of each other.

Slow, smooth changes of a copy look like an honest error; docs/submitting.md says what is not found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from rae_bench.leaderboard.verify.grading import FoldGrader
from rae_bench.model.api import Trajectory
from rae_bench.motion.motion import Motion

NEAR = 0.02
"""A copy leaves less than this share of a held pose's error once a shift and a mix with it are taken away. Constant
mixes and shifts of up to 3 frames leave 0.000 to 0.014 in the median over clips, 76 honest cells 0.083 or more."""
SHIFT = 3
"""The most frames by which a copy may be late or early."""
BETTER = 0.8
"""A copy has less than this share of a held pose's error; with more, it copies nothing worth having."""
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


def unexplained(
    generated: Motion, mixes: tuple[np.ndarray, np.ndarray, np.ndarray], lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is left of each clip's error after the nearest mix of a shifted truth and the held pose.

    A clip's error in root space is fitted, by least squares, with what the held pose and each shift of up to `SHIFT`
    frames differ from the truth by. The third of `Grader.mixes` bends the way between truth and held pose, which turns
    and is not straight.

    Returns:
        What is left, (N,), and the error itself, (N,): root mean squares relative to the held pose's.
    """
    places = generated.root.points_in(generated.positions)
    out = np.empty((2, len(lengths)))
    for clip, frames in enumerate(lengths):
        made, truth, held, halfway = (points[clip, :frames].astype(np.float64) for points in (places, *mixes))
        shifts = [np.clip(np.arange(frames) + shift, 0, frames - 1) for shift in range(-SHIFT, SHIFT + 1) if shift]
        body = np.broadcast_to((held - truth)[:, :1], truth.shape)  # mixed in its turns, the body is where it was
        ways = [held - truth, halfway - (truth + held) / 2, body, *(truth[moved] - truth for moved in shifts)]
        basis, error = np.stack([way.ravel() for way in ways], -1), (made - truth).ravel()
        rest = error - basis @ np.linalg.lstsq(basis, error, rcond=None)[0]
        scale = float(np.linalg.norm(basis[:, 0])) + 1e-12
        out[:, clip] = np.linalg.norm(rest) / scale, np.linalg.norm(error) / scale
    return out[0], out[1]


def copied_clips(grader: FoldGrader, trajectory: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    """Return which clips are copies of the truth, (N,) bool, and which are the truth under noise, (N,) bool.

    A copy may be some frames late or early, or mixed with a held pose. A clip counts where any sample of it does.
    """
    from rae_bench.metrics.evaluation import samples

    truth = grader.exam.truth
    moves = grader.hold_error > MOVES * 100 * truth.rig.height
    near, noisy = np.zeros(len(truth), bool), np.zeros(len(truth), bool)
    for motion in samples(trajectory, truth):
        left, error = unexplained(motion, grader.mixes, truth.lengths)
        near |= moves & (left < NEAR) & (error < BETTER)
        noisy |= moves & (slowness(motion, truth) < WHITE)
    return near, noisy & ~near


def enough(clips: np.ndarray) -> bool:
    """Return whether so many clips look copied that it is no accident."""
    return bool(clips.sum() >= max(1, SHARE * len(clips)))


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
