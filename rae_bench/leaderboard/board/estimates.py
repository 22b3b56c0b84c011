"""What stands in a row of the board: estimates of one entry, on a task and over tasks, by `rae_bench.statistics`.

An estimate is ready for JSON: `{"value", "low", "high"}`. Its ends are None where there is only one seed, and the
estimate is None where there is nothing to estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rae_bench.errors import UserError
from rae_bench.leaderboard.board.contestants import Contestant, TaskCells
from rae_bench.metrics import category_scores, floored, primaries
from rae_bench.metrics.headline import HEADLINE_CATEGORIES
from rae_bench.metrics.transfer import is_negative_transfer
from rae_bench.model.regimes import COLD, COLD_LONG, FULL
from rae_bench.results.files import reported_number
from rae_bench.statistics.comparison import grouped
from rae_bench.statistics.curves import LEAST_FRACTIONS, data_saved_interval, gap_interval
from rae_bench.statistics.intervals import Effects, hierarchical_interval, interval

Estimate = dict[str, float | None] | None
BOARD_DRAWS = 500
"""Draws of each bootstrap. An interval's width is then known to 3 %, which is 1 / sqrt(2 BOARD_DRAWS)."""
BOOTSTRAP_SEED = 0
"""The seed of every bootstrap of the board."""
COSTS = {
    "adapt_core_seconds": "core_seconds",
    "pretrain_core_seconds": "pretrain_core_seconds",
    "ms_per_frame": "ms_per_frame",
    "parameters": "parameters",
    "trained": "trained",
    "peak_memory_mb": "peak_memory_mb",
}
"""Column of the board -> name in the cost of a result."""


def estimate(value: float, low: float = math.nan, high: float = math.nan) -> Estimate:
    """Make an estimate; None where the value is not finite."""
    if not math.isfinite(value):
        return None
    ends = {"low": low, "high": high}
    return {"value": value, **{k: v if math.isfinite(v) else None for k, v in ends.items()}}


def over_seeds(values: Sequence[float] | np.ndarray) -> Estimate:
    """Estimate the mean over seeds with its t-interval."""
    if not len(values) or not all(map(math.isfinite, values)):
        return None
    mean, half = interval([float(v) for v in values])
    return estimate(mean, mean - half, mean + half)


def over_tasks(tasks: Sequence[Effects | None], shown: Callable[[float], float] = lambda v: v) -> Estimate:
    """Estimate the interquartile mean over tasks, with the interval over seeds and groups of clips.

    Args:
        tasks: the effects on each task. None where there are none, which leaves nothing to estimate.
        shown: makes what the board shows of an effect.
    """
    known = [task for task in tasks if task is not None]
    if not known or len(known) < len(tasks):
        return None
    count = min(len(task.totals) for task in known)
    cut = [Effects(task.totals[:count], task.clips) for task in known]
    found = hierarchical_interval(cut, np.random.default_rng(BOOTSTRAP_SEED), BOARD_DRAWS)
    return estimate(shown(found.estimate), shown(found.low), shown(found.high))


def seed_effects(values: np.ndarray) -> Effects:
    """Make effects of the values (S,) of whole cells: one group of one clip, so an interval is over seeds alone."""
    return Effects(np.asarray(values, float)[:, None], np.ones(1, int))


def mean_over_fractions(contestant: Contestant, metric: str) -> np.ndarray:
    """Return a metric of the transfer regime, (S,), the mean over fractions."""
    return np.mean([contestant.values(contestant.regime, f, metric) for f in contestant.low], 0)


def normalised(contestant: Contestant, cells: TaskCells) -> dict[str, np.ndarray]:
    """Return category -> (S,) on the headline's scale, the mean over fractions; {} without the truth."""
    if cells.yardsticks is None:
        return {}
    found = [category_scores(cell.metrics, *cells.yardsticks) for cell in contestant.transfer]
    shape = len(contestant.low), len(contestant.seeds)
    scaled = {c: np.mean(np.reshape([scores[c] for scores in found], shape), 0) for c in HEADLINE_CATEGORIES}
    return scaled | {"adversarial": floored(scaled["adversarial"])}


def reference_colds(cells: TaskCells, names: Sequence[str]) -> dict[float, Contestant]:
    """Return fraction -> the reference entry with the smallest cold error there (geometric mean over seeds)."""
    pool = [c for c in cells.complete if c.name in names]

    def error(contestant: Contestant, fraction: float) -> float:
        values = contestant.values(COLD, fraction, contestant.error)
        return float(np.log(values).mean()) if len(values) and (values > 0).all() else math.inf

    return {f: min(pool, key=lambda c: (error(c, f), c.name)) for f in cells.fractions if pool}


Gain = dict[float, tuple[np.ndarray, tuple[str, ...]]]
"""Fraction -> log(b / a) of every seed and clip, (S, N), and the groups of the clips."""


def log_gains(a: Contestant, against: Mapping[float, tuple[Contestant, str, float]]) -> Gain:
    """Return the gains of the transfer cells of `a` over other cells; {} where clips or positive errors are missing.

    Args:
        against: fraction of `a` -> entry, regime and fraction that it is compared with.

    Raises:
        UserError: the two were tested on different clips.
    """
    out: Gain = {}
    for fraction, (b, regime, other) in against.items():
        seeds = [seed for seed in a.seeds if seed in b.seeds]
        mine, theirs = a.clips(a.regime, fraction, seeds), b.clips(regime, other, seeds)
        if not mine or not theirs:
            return {}
        first = mine[0]
        if any((table.clips, table.groups) != (first.clips, first.groups) for table in (*mine, *theirs)):
            raise UserError(f"{a.task}: {a.name} and {b.name} were tested on different clips; verify them")
        if any(a.error not in table.values for table in (*mine, *theirs)):
            raise UserError(f"{a.task}: {a.name} or {b.name} has no {a.error} of single clips; verify them")
        top, bottom = (np.stack([table.values[a.error] for table in side]) for side in (theirs, mine))
        kept = np.isfinite(top).all(0) & np.isfinite(bottom).all(0)
        if not kept.any() or (top[:, kept] <= 0).any() or (bottom[:, kept] <= 0).any():
            return {}  # an error of 0 has no ratio
        groups = tuple(group for group, k in zip(first.groups, kept, strict=True) if k)
        out[fraction] = np.log(top[:, kept] / bottom[:, kept]), groups
    return out


def gain_effects(gain: Gain, fractions: Sequence[float] | None = None) -> Effects | None:
    """Return the mean gain over fractions, by group of clips; None where there is none, or groups differ."""
    chosen = [gain[f] for f in (fractions if fractions is not None else gain)]
    if not chosen or len({groups for _, groups in chosen}) != 1:
        return None
    count = min(len(gains) for gains, _ in chosen)
    return grouped(np.mean([gains[:count] for gains, _ in chosen], 0), chosen[0][1])


def gains_of(contestant: Contestant, cells: TaskCells, references: Mapping[float, Contestant]) -> dict[str, Gain]:
    """Return what an entry gained over each of `GAINS` and over `full`; {} where there is nothing to compare with."""
    me, low = contestant, contestant.low
    starts = {f: f or min(cells.fractions) for f in low}  # without target data: against the smallest fraction
    out = {
        COLD: log_gains(me, {f: (me, COLD, starts[f]) for f in low}),
        COLD_LONG: log_gains(me, {f: (me, COLD_LONG, starts[f]) for f in low}),
        FULL: log_gains(me, dict.fromkeys(low, (me, COLD, 1.0))),
        "reference": {},
    }
    if references:
        out["reference"] = log_gains(me, {f: (references[starts[f]], COLD, starts[f]) for f in low})
    if me.regime == COLD:  # the entry is its cold start
        out[COLD] = {}
    return out


def transfer_at(contestant: Contestant, fraction: float, fractions: Sequence[float]) -> dict[str, Any]:
    """Return data saved, gap closed, and the seeds worse than their cold start, at a fraction (docs/statistics.md)."""
    nothing = {"data_saved": None, "data_saved_words": "", "gap_closed": None, "negative": None}
    if contestant.regime == COLD or fraction == 0:
        return nothing
    errors = contestant.values(contestant.regime, fraction, contestant.error)
    curve = [*fractions, 1.0]
    cold = np.stack([contestant.values(COLD, f, contestant.error) for f in curve], -1)
    start = cold[:, curve.index(fraction)]
    if not (np.isfinite(cold).all() and np.isfinite(errors).all() and (cold > 0).all() and (errors > 0).all()):
        return nothing
    gap = gap_interval(start, errors, cold[:, -1])
    found = nothing | {
        "gap_closed": estimate(gap.value, gap.low, gap.high),
        "negative": sum(is_negative_transfer(float(c), float(e)) for c, e in zip(start, errors, strict=True)),
    }
    if len(curve) < LEAST_FRACTIONS:
        return found
    saved = data_saved_interval(curve, cold, fraction, errors)
    return found | {"data_saved": estimate(saved.value, saved.low, saved.high), "data_saved_words": saved.words}


def cost_of(contestant: Contestant) -> dict[str, float | None]:
    """Return the mean costs over the cells of the transfer regime; None where a cell does not say it."""
    return {
        column: mean_of_all([reported_number(cell.result["cost"].get(name)) for cell in contestant.transfer])
        for column, name in COSTS.items()
    }


def mean_of_all(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values; None where any of them is None, or there are none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def categories_of(contestant: Contestant, scaled: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return category -> the estimate of its primary metric, and where it lies on the headline's scale."""
    return {
        category: {
            "metric": name,
            **(over_seeds(shown(category, contestant, name)) or {"value": None, "low": None, "high": None}),
            "normalised": over_seeds(scaled[category]) if scaled else None,
        }
        for category, name in primaries(contestant.track).items()
    }


def shown(category: str, contestant: Contestant, metric: str) -> np.ndarray:
    """Return a primary metric as the board shows it, (S,): the mean adversarial score is floored at 0."""
    values = mean_over_fractions(contestant, metric)
    return floored(values) if category == "adversarial" else values
