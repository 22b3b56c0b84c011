"""What stands in a row of the board: estimates of one entry, on a task and over tasks, by `rae_bench.statistics`.

An estimate is ready for JSON: `{"value", "low", "high"}`. Its ends are None where there is only one fold, and the
estimate is None where there is nothing to estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rae_bench.errors import UserError
from rae_bench.leaderboard.board.contestants import Contestant, TaskCells
from rae_bench.metrics import category_scores, floored, floored_scores, primaries
from rae_bench.metrics.headline import HEADLINE_CATEGORIES
from rae_bench.metrics.transfer import is_negative_transfer
from rae_bench.model.regimes import COLD, COLD_LONG, FULL, RETARGET
from rae_bench.results.files import reported_number
from rae_bench.statistics.curves import LEAST_FRACTIONS, data_saved_interval, gap_interval
from rae_bench.statistics.folds import fold_means
from rae_bench.statistics.gains import REFERENCE, REFERENCE_REGIMES
from rae_bench.statistics.intervals import Effects, Interval, fold_interval, level_interval
from rae_bench.statistics.pairing import nested
from rae_bench.task.cells import fold_of

Estimate = dict[str, float | None] | None
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
    """Estimate the mean of a level, such as an error, of the seeds 0 to S - 1, with its interval over folds."""
    if not len(values) or not all(map(math.isfinite, values)):
        return None
    found = level_interval(range(len(values)), values)
    return estimate(found.estimate, found.low, found.high)


def over_tasks(
    tasks: Sequence[Effects | None], shared: float, shown: Callable[[float], float] = lambda v: v
) -> Estimate:
    """Estimate the interquartile mean over tasks, with the interval over the folds that all tasks have.

    Args:
        tasks: the effects on each task. None where there are none, which leaves nothing to estimate.
        shared: what shared training data adds, as in `intervals.mean_interval`.
        shown: makes what the board shows of an effect.
    """
    found = interval_over_tasks(tasks, shared)
    return estimate(shown(found.estimate), shown(found.low), shown(found.high)) if found else None


def interval_over_tasks(tasks: Sequence[Effects | None], shared: float) -> Interval | None:
    """Return the interval of `over_tasks`; None where a task has no effects, or no fold is common to all."""
    known = [task for task in tasks if task is not None]
    folds = set.intersection(*({*task.folds} for task in known)) if known else set()
    if not folds or len(known) < len(tasks):
        return None
    return fold_interval([_cut(task, folds) for task in known], shared)


def _cut(task: Effects, folds: set[int]) -> Effects:
    kept = [k for k, fold in enumerate(task.folds) if fold in folds]
    totals, clips = (tuple(part[k] for k in kept) for part in (task.totals, task.clips))
    return Effects(tuple(task.folds[k] for k in kept), totals, clips)


def seed_effects(values: np.ndarray) -> Effects:
    """Make effects of the values (S,) of whole cells of the seeds 0 to S - 1: one group of one clip a fold."""
    means = fold_means(range(len(values)), values)
    ones = tuple(np.ones(1) for _ in means)
    return Effects(tuple(sorted({fold_of(seed) for seed in range(len(values))})), tuple(means[:, None]), ones)


def normalised(contestant: Contestant, cells: TaskCells) -> dict[str, np.ndarray]:
    """Return category -> (S,) on the headline's scale, the mean over fractions; {} without the truth of every fold.

    As in the table of `run`, adversarial scores are floored over the seeds of a fraction.
    """
    by_fraction = [
        fraction_scores({cell.seed: cell.metrics for cell in contestant.at(contestant.regime, fraction)}, cells)
        for fraction in contestant.low
    ]
    if not all(by_fraction):
        return {}
    return {
        category: np.mean([[scores[category] for scores in seeds] for seeds in by_fraction], 0)
        for category in HEADLINE_CATEGORIES
    }


def fraction_scores(metrics: Mapping[int, Mapping[str, float]], cells: TaskCells) -> list[dict[str, float]]:
    """Return the category scores of each seed at one fraction; none where the truth of a fold is missing."""
    scaled = []
    for seed, values in metrics.items():
        known = cells.yardsticks_at(seed)
        if known is None:
            return []
        scaled.append(category_scores(values, *known))
    return floored_scores(scaled)


def reference_colds(cells: TaskCells, names: Sequence[str]) -> dict[float, tuple[Contestant, str]]:
    """Return fraction -> the reference entry and regime with the smallest cold error there (geometric mean over seeds).

    The regimes are `REFERENCE_REGIMES`: a start without a source, and one with its compute too.
    """
    pool = [(c, regime) for c in cells.complete if c.name in names for regime in REFERENCE_REGIMES]

    def error(contestant: Contestant, regime: str, fraction: float) -> float:
        values = contestant.values(regime, fraction, contestant.error)
        return float(np.log(values).mean()) if len(values) and (values > 0).all() else math.inf

    def rank(of: tuple[Contestant, str], fraction: float) -> tuple[float, int, str]:
        return error(*of, fraction), REFERENCE_REGIMES.index(of[1]), of[0].name

    return {f: min(pool, key=lambda of: rank(of, f)) for f in cells.fractions if pool}


@dataclass(frozen=True, eq=False)
class FractionGain:
    """What an entry gained over another at one fraction.

    Attributes:
        effects: log(b / a) of every clip.
        trained_on: the largest fraction of the target's data that either was trained on.
    """

    effects: Effects
    trained_on: float


Gain = dict[float, FractionGain]
"""Fraction -> gain."""


def log_gains(a: Contestant, against: Mapping[float, tuple[Contestant, str, float]]) -> Gain:
    """Return the gains of the transfer cells of `a` over other cells; {} where clips or positive errors are missing.

    Args:
        against: fraction of `a` -> entry, regime and fraction that it is compared with.

    Raises:
        UserError: the two were tested on different clips at the same seed.
    """
    out: Gain = {}
    for fraction, (b, regime, other) in against.items():
        shared = [seed for seed in a.seeds if seed in b.seeds]
        mine, theirs = a.clips(a.regime, fraction, shared), b.clips(regime, other, shared)
        if not mine or not theirs:
            return {}
        gains, seeds, clips, groups = [], [], [], []
        for seed, own, rival in zip(shared, mine, theirs, strict=True):
            if (own.clips, own.groups) != (rival.clips, rival.groups):
                raise UserError(f"{a.task}: {a.name} and {b.name} were tested on different clips; verify them")
            if a.error not in own.values or a.error not in rival.values:
                raise UserError(f"{a.task}: {a.name} or {b.name} has no {a.error} of single clips; verify them")
            top, bottom = rival.values[a.error], own.values[a.error]
            kept = np.flatnonzero(np.isfinite(top) & np.isfinite(bottom))
            if (top[kept] <= 0).any() or (bottom[kept] <= 0).any():
                return {}  # an error of 0 has no ratio
            gains.append(np.log(top[kept] / bottom[kept]))
            seeds += [seed] * len(kept)
            clips += [own.clips[n] for n in kept]
            groups += [own.groups[n] for n in kept]
        if not seeds:
            return {}
        out[fraction] = FractionGain(nested(np.concatenate(gains), seeds, clips, groups), max(fraction, other))
    return out


def gain_effects(gain: Gain, fractions: Sequence[float] | None = None) -> FractionGain | None:
    """Return the mean gain over fractions; None where there is none, or where fractions were tested on other clips."""
    chosen = [gain[f] for f in (fractions if fractions is not None else gain) if f in gain]
    if not chosen:
        return None
    first = chosen[0].effects
    for one in chosen:
        counts = [(fold, *clips) for fold, clips in zip(one.effects.folds, one.effects.clips, strict=True)]
        if counts != [(fold, *clips) for fold, clips in zip(first.folds, first.clips, strict=True)]:
            return None
    totals = tuple(np.mean(parts, 0) for parts in zip(*(one.effects.totals for one in chosen), strict=True))
    return FractionGain(Effects(first.folds, totals, first.clips), max(one.trained_on for one in chosen))


def gains_of(
    contestant: Contestant, cells: TaskCells, references: Mapping[float, tuple[Contestant, str]]
) -> dict[str, Gain]:
    """Return what an entry gained over each of `GAINS` and over `full`; {} where there is nothing to compare with.

    `cold-long` and `retarget` are compared with at the smallest fraction alone.
    """
    me, low = contestant, contestant.low
    starts = {f: f or min(cells.fractions) for f in low}  # without target data: against the smallest fraction
    least = min(low)
    out = {
        COLD: log_gains(me, {f: (me, COLD, starts[f]) for f in low}),
        COLD_LONG: log_gains(me, {least: (me, COLD_LONG, starts[least])}),
        RETARGET: log_gains(me, {least: (me, RETARGET, least)}),
        FULL: log_gains(me, dict.fromkeys(low, (me, COLD, 1.0))),
        REFERENCE: {},
    }
    if references:
        out[REFERENCE] = log_gains(me, {f: (*references[starts[f]], starts[f]) for f in low})
    return out | ({me.regime: {}} if me.regime in out else {})  # an entry gains nothing over itself


def transfer_at(contestant: Contestant, fraction: float, fractions: Sequence[float]) -> dict[str, Any]:
    """Return data saved, gap closed, and seeds worse than cold at a fraction (docs/concepts/statistics.md)."""
    nothing = {"data_saved": None, "data_saved_words": "", "gap_closed": None, "gap_closed_words": "", "negative": None}
    if contestant.regime == COLD or fraction == 0:
        return nothing
    errors = contestant.values(contestant.regime, fraction, contestant.error)
    curve = [*fractions, 1.0]
    cold = np.stack([contestant.values(COLD, f, contestant.error) for f in curve], -1)
    start = cold[:, curve.index(fraction)]
    if not (np.isfinite(cold).all() and np.isfinite(errors).all() and (cold > 0).all() and (errors > 0).all()):
        return nothing
    gap = gap_interval(contestant.seeds, start, errors, cold[:, -1])
    found = nothing | {
        "gap_closed": estimate(gap.value, gap.low, gap.high),
        "gap_closed_words": gap.words,
        "negative": sum(is_negative_transfer(float(c), float(e)) for c, e in zip(start, errors, strict=True)),
    }
    if len(curve) < LEAST_FRACTIONS:
        return found
    saved = data_saved_interval(contestant.seeds, curve, cold, fraction, errors)
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
    """Return a primary metric as the board shows it, (S,): the mean over fractions, adversarial scores floored."""
    found = [contestant.values(contestant.regime, fraction, metric) for fraction in contestant.low]
    return np.mean([floored(values) if category == "adversarial" else values for values in found], 0)
