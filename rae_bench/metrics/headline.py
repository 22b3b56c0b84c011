"""The headline score: one number from four categories, fixed in advance (docs/develop/design.md 4.10).

    reconstruction, feet, objective   e / (e + y) with e = max(0, error - error of the truth)
    adversarial                       as it is: the truth's is 0 already, and it is at most about 1

So 0 is the truth, 1/2 the yardstick y, and no error weighs more than 1. The score is the mean over the four categories
and over the fractions at which a task is ranked; lower is better. Yardsticks are shares of the rig's height, and no
control's errors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from rae_bench.errors import UserError
from rae_bench.metrics.base import CENTIMETRES
from rae_bench.metrics.catalogue import primaries
from rae_bench.objectives.tracks import KEYFRAMES

HEADLINE_CATEGORIES = ("reconstruction", "feet", "objective", "adversarial")
YARDSTICKS = {"reconstruction": 0.03, "feet": 0.1, "objective": 0.03}
"""Category -> the error that scores one half, in rig heights, or rig heights a second. The adversarial has none."""


def category_scores(
    values: Mapping[str, float], truth: Mapping[str, float], height: float, track: str = KEYFRAMES
) -> dict[str, float]:
    """Return the primary metric of each category on the score's scale.

    The adversarial score of one seed may be below 0, by chance. It is floored after averaging: see `floored`.

    Args:
        values: primary metrics of a cell, by name.
        truth: the same of the ground-truth row.
        height: of the target's rig, metres.
        track: of the task.

    Returns:
        {category: score}; NaN where a metric is.

    Raises:
        UserError: a metric is missing, an unknown track, or a height that is not positive.
    """
    if not height > 0:
        raise UserError(f"headline score: a rig of height {height:g} m has no yardsticks; it must be above 0")
    scores = {}
    for category, name in primaries(track).items():
        error, best = _get(values, name, "the cell"), _get(truth, name, "the ground truth")
        if category not in YARDSTICKS:
            scores[category] = error - best
        else:
            excess = error - best
            excess = excess if math.isnan(excess) else max(0.0, excess)
            scores[category] = excess / (excess + CENTIMETRES * height * YARDSTICKS[category])
    return scores


def floored(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return adversarial scores of several seeds, (S,), all raised by as much as their mean is below 0.

    A mean below 0 says no more than that a critic cannot tell generated motion from real. To floor each seed would
    leave the chance excess of half of them. So the mean is floored, and the spread over seeds stays.
    """
    found = np.asarray(values, float)
    return found - min(float(found.mean()), 0.0) if len(found) and not np.isnan(found).any() else found


def floored_scores(scores: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Return `category_scores` of several seeds or fractions with their adversarial scores `floored` together."""
    likeness = floored([one["adversarial"] for one in scores])
    return [{**one, "adversarial": float(value)} for one, value in zip(scores, likeness, strict=True)]


def headline_score(scores: Sequence[Mapping[str, float]]) -> float:
    """Return the mean over fractions and categories of `category_scores`, one mapping for each fraction (and seed).

    Nothing is floored here: pass scores through `floored_scores` together with those of the other seeds first. The
    score is NaN where there is no fraction or any score is NaN.
    """
    values = [float(one[category]) for one in scores for category in HEADLINE_CATEGORIES]
    return sum(values) / len(values) if values else math.nan


def _get(row: Mapping[str, float], name: str, whose: str) -> float:
    if name not in row:
        raise UserError(f"headline score: {whose} has no metric '{name}'")
    return float(row[name])
