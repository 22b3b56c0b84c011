"""Every metric on fixed walks that have faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from golden import inputs
from golden.values import Value, Values, close
from helpers.walking import as_trajectory

from rae_bench.metrics import METRICS, Sums, adversarial, measure
from rae_bench.metrics.conv_critic import thesis_errors
from rae_bench.metrics.one_step import one_step_error
from rae_bench.metrics.path import response_lag
from rae_bench.metrics.transfer import (
    data_saved,
    error_area,
    gain_over_cold,
    gap_closed,
    is_negative_transfer,
    quality_of_full,
)
from rae_bench.motion.motion import make_motion
from rae_bench.objectives.keyframes import keyframe_objectives

FRACTIONS, COLD = (0.01, 0.05, 0.2, 1.0), (9.0, 7.0, 4.0, 2.5)
LOOSE = dict.fromkeys(("adversarial_score", "adversarial_level", "kernel_distance", "frechet_distance"), 1e-4)
"""Tolerances of metrics that solve for something, which makes rounding larger."""


def metric(name: str) -> Values:
    """A metric's value, and that of each clip where it has one."""
    info, tolerance = METRICS[name], LOOSE.get(name, 1e-5)
    if name in OTHERS:
        return {"value": close(OTHERS[name](), tolerance)}
    if info.compare is not None:
        return {"value": close(compared()[name], tolerance)}
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
    true, made, others = inputs.crowd()
    groups = ["a", "a", "b", "c", "c", "d", "e", "e"]
    return adversarial(as_trajectory(made), true, others, groups=groups, other_groups=groups[::-1])


def one_step() -> list[float]:
    """Single frames of three clips, the first clip's twice."""
    pick = np.array([0, 0, 1, 2])
    made, true = (motion[pick].cut(40, 41) for motion in (inputs.generated(), inputs.truth()))
    sums = one_step_error(as_trajectory(made), true, pick, 3)
    return [sums.value(), *sums.per_clip()]


def convolutional() -> list[float]:
    """A few steps of the thesis' critics."""
    true, made, others = inputs.crowd()
    return thesis_errors(others, [made], [true], updates=5)


def lag() -> list[float]:
    """Three bodies that go round corners, followed a little late and not quite."""
    made = inputs.truth()
    time = np.arange(150) / 30
    around = np.stack([np.sin(1.2 * time), 0 * time, 1 - np.cos(1.2 * time)], -1)
    late = np.concatenate([np.zeros((7, 3)), 0.9 * around[:-7]])
    true, generated = (
        make_motion(made.rig, 30, made.root_positions * [0, 1, 0] + course, made.rotations) for course in (around, late)
    )
    sums = response_lag(generated, true, keyframe_objectives(true))
    return [sums.value(), *sums.per_clip()]


OTHERS: Mapping[str, Callable[[], list[float]]] = {
    "one_step_error": one_step,
    "response_lag": lag,
    "thesis_adversarial_error": convolutional,
    "gain_over_cold": lambda: [gain_over_cold(7, 4)],
    "quality_of_full": lambda: [quality_of_full(2.5, 4)],
    "gap_closed": lambda: [gap_closed(7, 4, 2.5), gap_closed(7, 8, 2.5)],
    "data_saved": lambda: [data_saved(FRACTIONS, COLD, 0.01, error).factor for error in (8.0, 5.0, 3.0, 1.0)],
    "error_area": lambda: [error_area(FRACTIONS, COLD)],
    "negative_transfer": lambda: [is_negative_transfer(7, error) for error in (6.9, 7.1)],
}
"""Metrics that are not measured on one trajectory: what their functions give for fixed numbers."""
