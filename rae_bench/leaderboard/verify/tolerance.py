"""How far a number of an entry may lie from the one that its trajectories give.

Trajectories are stored as they were generated, so what differs is another machine's rounding. A change of every stored
number by 6e-8 of itself, twice over 24 cells of three tasks, moved each metric by less than half of what passes here
(docs/submitting.md).
"""

from __future__ import annotations

import math

from rae_bench.metrics import METRICS

BY_UNIT = {"cm": (0.001, 1e-4), "cm/s": (0.005, 5e-4), "deg": (0.001, 1e-4), "%": (0.2, 1e-3), "": (0.001, 1e-3)}
"""(absolute, relative) by a metric's unit."""
BY_NAME = {"jerk_ratio": (0.15, 0.01), "npss": (0.2, 0.01), "frechet_distance": (0.005, 1e-3)}
"""Of a pose that is held, the first two measure nothing but rounding."""
DEFAULT = (0.001, 1e-3)


def tolerance(name: str, value: float) -> float:
    """The largest difference that passes for a metric whose recomputed value is `value`."""
    unit = METRICS[name].unit if name in METRICS else ""
    absolute, relative = BY_NAME.get(name) or BY_UNIT.get(unit, DEFAULT)
    return absolute + relative * abs(value)


def alike(name: str, claimed: float, recomputed: float, slack: float = 1.0) -> bool:
    """Whether a claimed value passes; NaN, nothing to measure, is like NaN alone.

    Args:
        slack: single clips have this many times the tolerance of all of them together.
    """
    if math.isnan(claimed) or math.isnan(recomputed):
        return math.isnan(claimed) and math.isnan(recomputed)
    return abs(claimed - recomputed) <= slack * tolerance(name, recomputed)
