"""The path: how far the generated root is from where it was asked to go, and how late it follows.

The path is the true root on the ground, and its heading, low-passed by a Gaussian (docs/develop/design.md 3). The same
filter is used on the generated root. It is linear, so what is measured is the low-passed difference of both roots.
Before the first frame the difference is 0, since the history is given; after the last frame it is continued by its last
value. So the truth scores exactly 0, and nothing of the motion beyond the clip is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rae_bench.kinematics import quat
from rae_bench.metrics.base import CENTIMETRES, MetricInfo, Sums, length, shared
from rae_bench.objectives.tracks import CONTROL

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion
    from rae_bench.objectives.objectives import Objectives

EARLIEST, LATEST = -0.5, 1.0
"""Seconds of lag that are searched."""
CHANGE = 0.15
"""Heights a second: how much the path's velocity must change within a clip (standard deviation) to show a lag."""


def low_pass(values: np.ndarray, fps: float) -> np.ndarray:
    """Filter (N, T, D) along the frames by the path's Gaussian.

    Args:
        values: float64. Before the first frame they are taken for 0, after the last for what they are there.
        fps: frames per second.
    """
    from rae_bench.motion.course import reach_of, smooth

    reach = reach_of(fps)
    return smooth(np.pad(values, ((0, 0), (reach, 0), (0, 0))), fps)[:, reach:]


@shared
def path_offset(generated: Motion, truth: Motion) -> np.ndarray:
    """Return the generated root, low-passed, less the path, on the ground, (N, T, 2) metres: x and z."""
    return low_pass(_ended(generated.root.origin - truth.root.origin, truth)[..., [0, 2]], truth.fps)


def _ended(values: np.ndarray, truth: Motion) -> np.ndarray:
    """Return values (N, T, ...) as float64, each clip's last one repeated past its length."""
    last = np.minimum(np.arange(values.shape[1]), truth.lengths[:, None] - 1)
    return values.astype(np.float64)[np.arange(len(values))[:, None], last]


def path_error(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Distance in cm between the low-passed generated root and the path, over all real frames."""
    return Sums.over(CENTIMETRES * length(path_offset(generated, truth)), truth.valid)


def path_heading_error(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Angle in degrees between the low-passed generated heading and the path's, over all real frames."""
    apart = _ended(generated.root.yaw - truth.root.yaw, truth)
    # From 0 at the history on, so that a heading that is off by more than half a turn is not filtered across the cut.
    apart = np.unwrap(np.concatenate([np.zeros_like(apart[:, :1]), apart], 1), axis=1)[:, 1:]
    off = low_pass(apart[..., None], truth.fps)[..., 0]
    return Sums.over(np.degrees(np.abs(quat.wrapped(off))), truth.valid)


@shared
def path_velocity(truth: Motion) -> np.ndarray:
    """Return the velocity of the path on the ground, (N, T - 1, 2) m/s.

    The path is made of the frames at hand: at both ends the root is taken to go on as it came, mirrored in the end.
    """
    from rae_bench.motion.course import smooth_takes

    root = truth.root.origin[..., [0, 2]].astype(np.float64)
    return np.diff(smooth_takes(root, truth.lengths, truth.fps), axis=1) * truth.fps


def response_lag(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Milliseconds by which the generated root's low-passed velocity comes after the path's, a mean over clips.

    It is the shift between `EARLIEST` and `LATEST` at which the velocities differ least (mean square over the frames
    that both have), between frames by a parabola. Only clips count whose path changes its velocity by `CHANGE`.
    """
    fps, valid = truth.fps, truth.valid[:, 1:]
    asked = path_velocity(truth)
    made = asked + np.diff(path_offset(generated, truth), axis=1) * fps
    counts = np.maximum(valid.sum(1), 1)
    mean = np.where(valid[..., None], asked, 0).sum(1) / counts[:, None]
    change = np.sqrt((np.where(valid[..., None], asked - mean[:, None], 0) ** 2).sum((1, 2)) / counts)
    shifts = np.arange(round(EARLIEST * fps), round(LATEST * fps) + 1)
    long = truth.lengths > 2 * shifts[-1]
    measured = (change >= CHANGE * truth.rig.height) & long & (truth.rig.height > 0)
    if not measured.any():
        return Sums(np.zeros((len(truth), 1)), np.zeros((len(truth), 1)))
    asked, made, valid = asked[measured], made[measured], valid[measured]
    costs = np.stack([_mismatch(asked, made, valid, int(shift)) for shift in shifts], -1)
    lag = np.zeros(len(truth))
    lag[measured] = 1000 / fps * (shifts[0] + _lowest(costs))
    return Sums(lag[:, None], measured.astype(np.float64)[:, None])


def _mismatch(asked: np.ndarray, made: np.ndarray, valid: np.ndarray, shift: int) -> np.ndarray:
    """Return the mean squared difference of what was asked for and what was made `shift` frames later, (N,)."""
    frames = asked.shape[1]
    a, b = max(-shift, 0), max(shift, 0)
    count = frames - a - b
    one, two = slice(a, a + count), slice(b, b + count)
    both = valid[:, one] & valid[:, two]
    squared = np.where(both, ((made[:, two] - asked[:, one]) ** 2).sum(-1), 0).sum(1)
    return squared / np.maximum(both.sum(1), 1)


def _lowest(costs: np.ndarray) -> np.ndarray:
    """Return the place of the least of (N, K) costs along K, (N,), by a parabola through it and its neighbours."""
    at = costs.argmin(1)
    row, inner = np.arange(len(costs)), np.clip(at, 1, costs.shape[1] - 2)
    before, here, after = (costs[row, inner + k] for k in (-1, 0, 1))
    bend = before - 2 * here + after
    offset = np.where(bend > 1e-12, 0.5 * (before - after) / np.maximum(bend, 1e-12), 0)
    # At 0 mismatch the shift is exact: a parabola through unequal neighbours would move it.
    return np.where((at == inner) & (here > 0), inner + np.clip(offset, -0.5, 0.5), at)


METRICS = (
    MetricInfo(
        name="path_error", label="path", unit="cm", digits=2,
        direction="lower", category="objective", primary=(CONTROL,),
        source="rae-bench; trajectory error (Karunratanakul et al. 2023), low-passed",
        description="distance on the ground between the low-passed generated root and the path", measure=path_error,
    ),
    MetricInfo(
        name="path_heading_error", label="path heading", unit="deg", digits=1,
        direction="lower", category="objective",
        source="rae-bench", description="angle between the low-passed generated heading and the path's",
        measure=path_heading_error,
    ),
    MetricInfo(
        name="response_lag", label="response lag", unit="ms", digits=0,
        direction="none", category="objective",
        source="rae-bench",
        description="how long after the path's the generated root's low-passed velocity comes; ideal 0",
        measure=response_lag, optional=True, version=2,
    ),
)
