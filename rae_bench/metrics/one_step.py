"""One-step error: single frames from true histories, as most papers report. Drift of a roll-out does not show.

The histories, and the frames that are asked for, lie within the history that a model is given: no truth is shown for
them. In the published protocol they lie half a second apart over the whole clip (docs/concepts/protocol.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rae_bench.metrics.base import CENTIMETRES, MetricInfo, Sums
from rae_bench.metrics.reconstruction import root_aligned_error

if TYPE_CHECKING:
    from rae_bench.model.api import Trajectory
    from rae_bench.motion.motion import Motion


def one_step_error(trajectory: Trajectory, truth: Motion, clips: np.ndarray, count: int) -> Sums:
    """Return the root-aligned joint position error in cm of single frames.

    Args:
        trajectory: (S, M, 1, ...), one frame after each of M true histories; errors are averaged over samples.
        truth: the M true frames, clips of length 1.
        clips: (M,) int, which of `count` test clips each history is of.
    """
    from rae_bench.metrics.evaluation import samples

    errors = np.mean([root_aligned_error(one, truth)[:, 0] for one in samples(trajectory, truth)], axis=0)
    totals = np.bincount(clips, CENTIMETRES * errors, count)
    return Sums(totals[:, None], np.bincount(clips, minlength=count).astype(np.float64)[:, None])


METRICS = (
    MetricInfo(
        name="one_step_error", label="one step", unit="cm", digits=3,
        direction="lower", category="reconstruction",
        source="MPJPE, root-aligned (Ionescu et al. 2014)",
        description="joint position error in root space of one frame from true histories within the given one",
        optional=True,
    ),
)
