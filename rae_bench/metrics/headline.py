"""The headline score: one number from four categories, each on a scale that a person can read.

    reconstruction, objective   (e - truth) / (hold - truth)    0 is the truth, 1 is standing still
    feet                        (e - truth) / mean speed of the truth's contact joints
    adversarial                 as it is

The score is the mean over categories and over the fractions below 100 %; lower is better. It is that of benchmark
version 1, fixed in advance (docs/protocol.md#metrics); docs/design.md 4.10 has that of version 2. A held pose slides
nothing, so it cannot be the yardstick of sliding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rae_bench.errors import UserError
from rae_bench.metrics.catalogue import PRIMARY

HEADLINE_CATEGORIES = ("reconstruction", "feet", "objective", "adversarial")
SPEED = "truth_contact_speed"
TINY = 1e-6
STANDING = 5.0
"""The least yardstick of sliding, cm/s. Feet that only stand, as in reaching, have no speed to compare with."""


def category_scores(
    values: Mapping[str, float], truth: Mapping[str, float], hold: Mapping[str, float]
) -> dict[str, float]:
    """Return the normalised primary metric of each category.

    Args:
        values: primary metrics of a cell, by name.
        truth: the same of the ground-truth row, and `truth_contact_speed`.
        hold: the same of the row of the control `hold`.

    Returns:
        {category: score}; NaN where the yardstick is 0 but the error is not (a truth that stands still).

    Raises:
        UserError: a metric is missing.
    """
    scores = {}
    for category in HEADLINE_CATEGORIES:
        name = PRIMARY[category]
        e = _get(values, name, "the cell")
        if category == "adversarial":
            scores[category] = e
            continue
        best = _get(truth, name, "the ground truth")
        if category == "feet":
            yardstick = max(_get(truth, SPEED, "the ground truth"), STANDING)
        else:
            yardstick = _get(hold, name, "the control hold") - best
        scores[category] = _share(e - best, yardstick)
    return scores


def headline_score(fractions: Sequence[Mapping[str, float]]) -> float:
    """Return the mean over fractions and categories of `category_scores`, one mapping for each fraction.

    It is NaN where there is no fraction or any score is NaN.
    """
    values = [float(scores[category]) for scores in fractions for category in HEADLINE_CATEGORIES]
    return sum(values) / len(values) if values else math.nan


def _get(row: Mapping[str, float], name: str, whose: str) -> float:
    if name not in row:
        raise UserError(f"headline score: {whose} has no metric '{name}'")
    return float(row[name])


def _share(excess: float, yardstick: float) -> float:
    if yardstick > TINY:
        return excess / yardstick
    # A rig without feet has neither sliding nor a yardstick of it.
    return 0.0 if abs(excess) <= TINY else math.nan
