"""What a metric is (`MetricInfo`), and the sums that give its value for each clip and for a whole batch (`Sums`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from weakref import WeakKeyDictionary, ref

import numpy as np

if TYPE_CHECKING:
    from rae_bench.metrics.windows import Crowd
    from rae_bench.motion.motion import Motion
    from rae_bench.objectives.objectives import Objectives

CATEGORIES = ("reconstruction", "feet", "objective", "adversarial", "quality", "transfer")
"""The categories of metrics, in the order of every table. The first four have a primary metric."""

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
    def over(cls, values: np.ndarray, mask: np.ndarray) -> Sums:
        """Sum `values` where `mask` is true, as one group; both arrays are (N, ...)."""
        count = len(values)
        kept = np.where(mask, values, 0).astype(np.float64)
        axes = tuple(range(1, kept.ndim))
        return cls(kept.sum(axes).reshape(count, 1), mask.sum(axes).astype(np.float64).reshape(count, 1))

    @property
    def measured(self) -> bool:
        """True where any clip has something to measure."""
        return bool((self.weights > 0).any())

    def value(self) -> float:
        """Return the value over all clips."""
        pooled = _mean_of_means(self.totals.sum(0, keepdims=True), self.weights.sum(0, keepdims=True), self.empty)
        return float(pooled[0])

    def per_clip(self) -> np.ndarray:
        """Return the value of each clip alone, (N,); NaN where a clip has nothing to measure."""
        return _mean_of_means(self.totals, self.weights, np.nan)


def _mean_of_means(totals: np.ndarray, weights: np.ndarray, empty: float) -> np.ndarray:
    has = weights > 0
    means = np.where(has, totals / np.where(has, weights, 1), 0)
    groups = has.sum(1)
    return np.where(groups > 0, means.sum(1) / np.maximum(groups, 1), empty)


def length(vectors: np.ndarray) -> np.ndarray:
    """Return the Euclidean length (...) of vectors (..., D). It is faster than numpy's norm over a short axis."""
    return np.sqrt(np.einsum("...i,...i->...", vectors, vectors))


Computed = TypeVar("Computed")


def shared(function: Callable[..., Computed]) -> Callable[..., Computed]:
    """Wrap a function of motions and objectives so that it is computed once for the same arguments.

    Metrics that begin with the same computation share it in this way. A result is dropped together with the first
    argument. Callers must not write into a result, nor into the arrays of an argument between two calls:
    `evaluation.measure` therefore works on shallow copies.
    """
    kept: WeakKeyDictionary[Any, tuple[tuple[ref[Any], ...], Computed]] = WeakKeyDictionary()

    @wraps(function)
    def once(of: Any, *others: Any) -> Computed:
        entry = kept.get(of)
        if entry is None or any(known() is not other for known, other in zip(entry[0], others, strict=True)):
            entry = kept[of] = tuple(map(ref, others)), function(of, *others)
        return entry[1]

    return once


Measure = Callable[["Motion", "Motion", "Objectives"], Sums]
"""measure(generated, truth, objectives): both motions have the truth's lengths and contacts."""

Compare = Callable[["Crowd"], float]
"""compare(crowd): windows of generated clips, of the true ones, and of other real ones."""

Spread = Callable[[Sequence["Motion"], "Motion"], Sums]
"""spread(samples, truth): different continuations of the same clips."""


@dataclass(frozen=True)
class Column:
    """What every table, picture and page says of a column of numbers.

    Attributes:
        name: the key in results and rows.
        label: the heading in plain words, without the unit.
        unit: "cm", "deg", "%", "x", ...; "" for a pure number.
        digits: decimals with which people read the numbers.
    """

    name: str
    label: str
    unit: str
    digits: int

    @property
    def title(self) -> str:
        """Label and unit, such as "foot sliding, cm/s"."""
        return f"{self.label}, {self.unit}" if self.unit else self.label


@dataclass(frozen=True, kw_only=True)
class MetricInfo(Column):
    """One metric: its column, and how it is measured.

    Attributes:
        direction: "lower" or "higher" is better; "none" for ratios whose ideal is 1, and for yardsticks.
        category: one of `CATEGORIES`.
        source: where the definition comes from.
        description: one line for people.
        primary: the tracks in whose headline score it stands for its category.
        measure: how a metric of one trajectory is measured, clip by clip. None for metrics that need more.
        compare: how a metric of all windows of all clips together is measured, as a critic sees them.
        spread: how a metric of more than one sample is measured.
        optional: whether a result leaves it out when no clip has anything to measure (a horizon beyond every clip).
        version: raise it when the metric's numbers move.
    """

    direction: Literal["lower", "higher", "none"]
    category: str
    source: str
    description: str
    primary: tuple[str, ...] = ()
    measure: Measure | None = field(default=None, repr=False, compare=False)
    compare: Compare | None = field(default=None, repr=False, compare=False)
    spread: Spread | None = field(default=None, repr=False, compare=False)
    optional: bool = False
    version: int = 1
