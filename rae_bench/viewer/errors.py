"""How far roll-outs are from the truth in every frame, and where they are farthest from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rae_bench.metrics.base import length
from rae_bench.metrics.reconstruction import root_aligned_error

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion

POSE, PLACE = "pose", "place"
MEASURES = {
    POSE: "mean distance of the joints from those of the truth, both seen from their roots",
    PLACE: "distance of the root over the ground from that of the truth",
}
"""What a page shows over time -> what it means. Both are metres."""
WORST = 1.0
"""Seconds over which the worst moment is looked for."""


def frame_errors(made: Motion, truth: Motion) -> dict[str, np.ndarray]:
    """Return measure -> metres in every frame of N clips, (N, T)."""
    away = length((made.root.origin - truth.root.origin)[..., [0, 2]])
    return {POSE: root_aligned_error(made, truth), PLACE: away}


def worst_second(errors: Sequence[Mapping[str, np.ndarray]], fps: float) -> tuple[int, float]:
    """Return where the second begins in which roll-outs are farthest from the truth, and how far they are in it.

    Args:
        errors: what `frame_errors` says of one clip, (T,) of each roll-out.
        fps: frames per second.

    Returns:
        The frame, counted from the first that was made, and the mean over roll-outs and that second, metres. Without
        roll-outs 0 and 0.
    """
    if not errors:
        return 0, 0.0
    mean = np.stack([one[POSE] for one in errors]).astype(np.float64).mean(0)
    window = min(max(round(WORST * fps), 1), len(mean))
    means = np.convolve(mean, np.full(window, 1 / window), "valid")
    return int(means.argmax()), float(means.max())
