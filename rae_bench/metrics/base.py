"""What a metric is: its facts, and sums that give one value per clip or per batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from weakref import WeakKeyDictionary, ref

import numpy as np

if TYPE_CHECKING:
    from rae_bench.metrics.windows import Windows
    from rae_bench.motion.motion import Motion
    from rae_bench.objectives.objectives import Objectives

CATEGORIES = ("reconstruction", "feet", "objective", "adversarial", "quality", "transfer")
"""In the order of every table; the first four have a primary metric."""

CENTIMETRES = 100.0


@dataclass(frozen=True, eq=False)
class Sums:
    """Sufficient statistics of a mean of means: G groups (a role, say; mostly one), N clips.

    value = mean over the groups that occur of sum_n totals[n, g] / sum_n weights[n, g]. With one group and frames as
    weights that is the mean over all real frames: a long clip counts for more than a short one.

    Attributes:
        totals: (N, G) float64, sums of what is averaged.
        weights: (N, G) float64, how many terms each sum has; 0 where there is nothing to measure.
        empty: the value where nothing at all can be measured (no objective was missed, no foot slid).
    """

    totals: np.ndarray
    weights: np.ndarray
    empty: float = 0.0

    @classmethod
    def over(cls, values: np.ndarray, mask: np.ndarray, *, empty: float = 0.0) -> Sums:
        """Of `values` where `mask`, both (N, ...): one group."""
        count = len(values)
        kept = np.where(mask, values, 0).astype(np.float64)
        axes = tuple(range(1, kept.ndim))
        return cls(kept.sum(axes).reshape(count, 1), mask.sum(axes).astype(np.float64).reshape(count, 1), empty)

    @property
    def measured(self) -> bool:
        """Whether any clip has something to measure."""
        return bool((self.weights > 0).any())

    def value(self) -> float:
        """Over all clips."""
        pooled = _mean_of_means(self.totals.sum(0, keepdims=True), self.weights.sum(0, keepdims=True), self.empty)
        return float(pooled[0])

    def per_clip(self) -> np.ndarray:
        """(N,) of each clip alone; NaN where a clip has nothing to measure."""
        return _mean_of_means(self.totals, self.weights, np.nan)


def _mean_of_means(totals: np.ndarray, weights: np.ndarray, empty: float) -> np.ndarray:
    has = weights > 0
    means = np.where(has, totals / np.where(has, weights, 1), 0)
    groups = has.sum(1)
    return np.where(groups > 0, means.sum(1) / np.maximum(groups, 1), empty)


def length(vectors: np.ndarray) -> np.ndarray:
    """(...) Euclidean length of (..., D), faster than numpy's norm over a short axis."""
    return np.sqrt(np.einsum("...i,...i->...", vectors, vectors))


Result = TypeVar("Result")


def shared(function: Callable[..., Result]) -> Callable[..., Result]:
    """`function` of motions and objectives, computed once for the same ones: several metrics begin with it.

    What was computed for an object goes when the object does. Nobody may write into the result, nor into the arrays of
    an object between two calls: `evaluation.measure` therefore works on shallow copies.
    """
    kept: WeakKeyDictionary[Any, tuple[tuple[ref[Any], ...], Result]] = WeakKeyDictionary()

    @wraps(function)
    def once(of: Any, *others: Any) -> Result:
        entry = kept.get(of)
        if entry is None or any(known() is not other for known, other in zip(entry[0], others, strict=True)):
            entry = kept[of] = tuple(map(ref, others)), function(of, *others)
        return entry[1]

    return once


Measure = Callable[["Motion", "Motion", "Objectives"], Sums]
"""measure(generated, truth, objectives): both motions with the truth's lengths and contacts."""


Compare = Callable[["Windows", "Windows", int, int], float]
"""compare(real, generated, clips, seed): windows of both, clip by clip, and how many clips there are."""

Spread = Callable[[Sequence["Motion"], "Motion"], Sums]
"""spread(samples, truth): of several continuations of the same clips."""


@dataclass(frozen=True)
class MetricInfo:
    """One metric: what stands in its column, and how it is measured.

    Attributes:
        name: key in every result.
        unit: "cm", "deg", "%", ...; "" for a pure number.
        direction: "lower" or "higher" is better; "none" where neither is (ratios whose ideal is 1, yardsticks).
        category: one of `CATEGORIES`.
        primary: whether it stands for its category in the headline score.
        source: where the definition comes from.
        description: one line for people.
        measure: for metrics of one trajectory, clip by clip; None for those that need more.
        compare: for those of all windows of all clips together, as a critic sees them.
        spread: for those of several samples.
        optional: left out of a result when no clip has anything to measure (a horizon beyond every clip).
        version: raise it when the metric's numbers move.
    """

    name: str
    unit: str
    direction: Literal["lower", "higher", "none"]
    category: str
    primary: bool
    source: str
    description: str
    measure: Measure | None = field(default=None, repr=False, compare=False)
    optional: bool = False
    compare: Compare | None = field(default=None, repr=False, compare=False)
    spread: Spread | None = field(default=None, repr=False, compare=False)
    version: int = 1
