"""Transfer: what pre-training on another rig bought, from errors of cells (lower is better).

These are pure functions of numbers. The caller pairs cells of the same model, fraction and seed, and averages over
cells as log-ratios, so that a gain of 2 and a gain of 0.5 cancel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rae_bench.errors import UserError
from rae_bench.metrics.base import MetricInfo

TINY = 1e-12
LEAST_HEADROOM = 1.3
"""The least cold error over that of full data at which there is a gap to close, or data to save."""


def gain_over_cold(cold: float, transfer: float) -> float:
    """Return cold / transfer, how many times smaller the error is than a cold start's; NaN where both are 0."""
    return _ratio(cold, transfer)


def quality_of_full(full: float, transfer: float) -> float:
    """Return 100 full / transfer, the percentage of the quality with all target data; NaN where both are 0."""
    return 100 * _ratio(full, transfer)


def has_headroom(cold: float, full: float) -> bool:
    """Return whether the cold start's error is at least `LEAST_HEADROOM` times that of full data."""
    return full > TINY and cold / full >= LEAST_HEADROOM


def gap_closed(cold: float, transfer: float, full: float) -> float:
    """Return log(cold / transfer) / log(cold / full): 0 is the cold start, 1 the full data, below 0 is harm.

    It is NaN where there is no headroom (`has_headroom`), and infinite where the error is 0.
    """
    if not has_headroom(cold, full):
        return math.nan
    return math.log(cold / transfer) / math.log(cold / full) if transfer > TINY else math.inf


def is_negative_transfer(cold: float, transfer: float) -> bool:
    """Return whether the error is greater than the cold start's."""
    return transfer > cold


@dataclass(frozen=True)
class DataSaved:
    """How many times less target data the transfer needed for the same error.

    Attributes:
        factor: f' / f; below 1 where a cold start would have needed less.
        fraction: f', the fraction at which the cold start is as good.
        capped: "above" where no cold start of the curve is as good: the true factor is at least this;
            "below" where the smallest one already is: the true factor is at most this; else "".
    """

    factor: float
    fraction: float
    capped: str = ""


def data_saved(fractions: Sequence[float], cold_errors: Sequence[float], fraction: float, error: float) -> DataSaved:
    """Return the smallest fraction f' at which the cold start's error is at most `error`, over the fraction used.

    The learning curve is piecewise linear in the logarithms of fraction and error (in the error itself next to a 0).
    The first crossing counts, whether or not the curve rises again later.

    Args:
        fractions: of the cold starts, ascending, positive.
        cold_errors: their errors.
        fraction: of the transfer.
        error: of the transfer.

    Raises:
        UserError: no fractions, another number of errors, or fractions that are not positive and ascending.
    """
    if len(fractions) != len(cold_errors) or not len(fractions):
        raise UserError("data_saved: as many cold errors as fractions are needed, at least one")
    if any(f <= 0 for f in [*fractions, fraction]) or any(a >= b for a, b in pairwise(fractions)):
        raise UserError("data_saved: fractions must be positive and ascending")
    if cold_errors[0] <= error:
        return DataSaved(fractions[0] / fraction, fractions[0], "" if cold_errors[0] == error else "below")
    for i in range(1, len(fractions)):
        if cold_errors[i] <= error:
            high, low = cold_errors[i - 1], cold_errors[i]
            if low > TINY:
                share = math.log(high / error) / math.log(high / low)
            else:
                share = (high - error) / (high - low)
            at = math.exp((1 - share) * math.log(fractions[i - 1]) + share * math.log(fractions[i]))
            return DataSaved(at / fraction, at)
    return DataSaved(fractions[-1] / fraction, fractions[-1], "above")


def error_area(fractions: Sequence[float], errors: Sequence[float]) -> float:
    """Return the mean error over the logarithm of the fraction, from the least fraction to the greatest, by trapezoids.

    Args:
        fractions: ascending, positive, at least two.
        errors: one for each fraction.

    Raises:
        UserError: fewer than two fractions, another number of errors, or fractions not positive and ascending.
    """
    if len(fractions) != len(errors) or len(fractions) < 2:
        raise UserError("error_area: as many errors as fractions are needed, at least two")
    if fractions[0] <= 0 or any(a >= b for a, b in pairwise(fractions)):
        raise UserError("error_area: fractions must be positive and ascending")
    widths = [math.log(b / a) for a, b in pairwise(fractions)]
    heights = [(a + b) / 2 for a, b in pairwise(errors)]
    return sum(w * h for w, h in zip(widths, heights, strict=True)) / sum(widths)


def _ratio(above: float, below: float) -> float:
    if abs(below) > TINY:
        return above / below
    return math.nan if abs(above) <= TINY else math.inf


METRICS = (
    MetricInfo(
        name="gain_over_cold", label="gain over cold", unit="x", digits=2,
        direction="higher", category="transfer",
        source="thesis, relative to the cold start", description="error of the cold start over that of the transfer",
    ),
    MetricInfo(
        name="quality_of_full", label="quality of full", unit="%", digits=0,
        direction="higher", category="transfer",
        source="thesis, relative to the reference on full data",
        description="error with all target data over that of the transfer",
    ),
    MetricInfo(
        name="gap_closed", label="gap closed", unit="", digits=2, version=2,
        direction="higher", category="transfer",
        source="rae-bench", description="share of the way from the cold start to the full data, in logarithms",
    ),
    MetricInfo(
        name="data_saved", label="data saved", unit="x", digits=1,
        direction="higher", category="transfer",
        source="rae-bench; log-interpolated learning curve",
        description="times less target data for the same error as a cold start",
    ),
    MetricInfo(
        name="error_area", label="error area", unit="cm", digits=2,
        direction="lower", category="transfer",
        source="rae-bench", description="mean error over the logarithm of the fraction of target data",
    ),
    MetricInfo(
        name="negative_transfer", label="worse than cold", unit="cells", digits=0,
        direction="lower", category="transfer",
        source="rae-bench; negative transfer (Pan and Yang 2010)",
        description="cells whose error is greater than that of their cold start",
    ),
)
