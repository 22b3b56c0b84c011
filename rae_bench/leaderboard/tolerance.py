"""How far a number of an entry may lie from the one that its trajectories give.

Stored rotations have 16 bits, so metrics recomputed from them differ a little from those that `run` took before it
stored them. What that does to a task's own truth is measured when a task is loaded (`Grader.resolution`); beyond it
stand the tolerances below, each at least twice the largest difference over 120 cells on three tasks
(docs/submitting.md).
"""

from __future__ import annotations

import math

from rae_bench.metrics import METRICS

BY_UNIT = {"cm": (0.005, 0.001), "cm/s": (0.15, 0.005), "deg": (0.02, 0.001), "%": (1.0, 0.005), "": (0.003, 0.005)}
"""(absolute, relative) by a metric's unit."""
BY_NAME = {
    "reconstruction_error_height": (0.005, 0.001),
    "jerk_ratio": (0.05, 0.15),
    "frechet_distance": (0.02, 0.002),
}
DEFAULT = (0.01, 0.005)


def tolerance(name: str, value: float, resolution: float = 0.0) -> float:
    """The largest difference that passes for a metric whose recomputed value is `value`."""
    unit = METRICS[name].unit if name in METRICS else ""
    absolute, relative = BY_NAME.get(name) or BY_UNIT.get(unit, DEFAULT)
    return absolute + relative * abs(value) + 2 * resolution


def alike(name: str, claimed: float, recomputed: float, resolution: float = 0.0, slack: float = 1.0) -> bool:
    """Whether a claimed value passes; NaN, nothing to measure, is like NaN alone.

    Args:
        resolution: what 16 bits do to this metric of the truth.
        slack: single clips have this many times the tolerance of all of them together.
    """
    if math.isnan(claimed) or math.isnan(recomputed):
        return math.isnan(claimed) and math.isnan(recomputed)
    return abs(claimed - recomputed) <= slack * tolerance(name, recomputed, resolution)
