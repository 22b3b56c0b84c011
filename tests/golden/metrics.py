"""Every metric on fixed walks that have faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from golden import inputs
from golden.values import Value, Values, close
from helpers.walking import as_trajectory

from rae_bench.metrics import METRICS, Sums, adversarial, measure, null_interval
from rae_bench.metrics.one_step import one_step_error
from rae_bench.metrics.transfer import (
    data_saved,
    error_area,
    gain_over_cold,
    gap_closed,
    is_negative_transfer,
    quality_of_full,
)
from rae_bench.objectives.keyframes import keyframe_objectives

FRACTIONS, COLD = (0.01, 0.05, 0.2, 1.0), (9.0, 7.0, 4.0, 2.5)
LOOSE = {"adversarial_score": 1e-4, "kernel_distance": 1e-4, "frechet_distance": 1e-4, "least_squares_error": 1e-4}
"""Tolerances of metrics that solve for something, which makes rounding larger."""


def metric(name: str) -> Values:
    """A metric's value, and that of each clip where it has one."""
    info, tolerance = METRICS[name], LOOSE.get(name, 1e-5)
    if name in OTHERS:
        return {"value": close(OTHERS[name](), tolerance)}
    if info.compare is not None:
        values = {"value": close(compared()[name], tolerance)}
        if name == "adversarial_score":
            values["null_interval"] = close(null_interval(inputs.crowd()[0]), tolerance)
        return values
    assert info.measure or info.spread, f"metric '{name}': say in OTHERS of tests/golden/metrics.py how it is computed"
    sums = measured()[name]
    return {"value": Value(close(sums.value()).numbers, tolerance), "clips": close(sums.per_clip(), tolerance)}


@cache
def measured() -> Mapping[str, Sums]:
    """Sums of every metric that is measured clip by clip, on two samples of each."""
    trajectory = as_trajectory(inputs.generated(), inputs.generated(6))
    return measure(trajectory, inputs.truth(), keyframe_objectives(inputs.truth()))


@cache
def compared() -> Mapping[str, float]:
    """Every metric of all windows together."""
    true, made = inputs.crowd()
    return adversarial(as_trajectory(made), true)


def one_step() -> list[float]:
    """Single frames of three clips, the first clip's twice."""
    pick = np.array([0, 0, 1, 2])
    made, true = (motion[pick].cut(40, 41) for motion in (inputs.generated(), inputs.truth()))
    sums = one_step_error(as_trajectory(made), true, pick, 3)
    return [sums.value(), *sums.per_clip()]


OTHERS: Mapping[str, Callable[[], list[float]]] = {
    "one_step_error": one_step,
    "gain_over_cold": lambda: [gain_over_cold(7, 4)],
    "quality_of_full": lambda: [quality_of_full(2.5, 4)],
    "gap_closed": lambda: [gap_closed(7, 4, 2.5), gap_closed(7, 8, 2.5)],
    "data_saved": lambda: [data_saved(FRACTIONS, COLD, 0.01, error).factor for error in (8.0, 5.0, 3.0, 1.0)],
    "error_area": lambda: [error_area(FRACTIONS, COLD)],
    "negative_transfer": lambda: [is_negative_transfer(7, error) for error in (6.9, 7.1)],
}
"""Metrics that are not measured on one trajectory: what their functions give for fixed numbers."""
