"""What stands in a row of the board: estimates of one entry, on a task and over tasks, by `rae_bench.statistics`.

An estimate is JSON-ready: `{"value", "low", "high"}`, the ends null where there is one seed only; or None where there
is nothing to estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rae_bench.errors import UserError
from rae_bench.leaderboard.board.cells import ERROR, Contestant, TaskCells
from rae_bench.leaderboard.entries.card import HOLD
from rae_bench.leaderboard.entries.entry import TRUTH
from rae_bench.metrics import PRIMARY, category_scores
from rae_bench.metrics.headline import HEADLINE_CATEGORIES
from rae_bench.metrics.transfer import is_negative_transfer
from rae_bench.statistics.compare import grouped
from rae_bench.statistics.curves import LEAST_FRACTIONS, data_saved_interval, gap_interval
from rae_bench.statistics.intervals import Effects, hierarchical_interval, interval

Estimate = dict[str, float | None] | None
GAINS = ("cold", "cold-long", "reference")
"""What a transfer's error is compared with."""
DRAWS = 500
"""Of each bootstrap: an interval's width is then known to 3 %, which is 1 / sqrt(2 DRAWS)."""
COSTS = {
    "adapt_core_seconds": "core_seconds",
    "pretrain_core_seconds": "pretrain_core_seconds",
    "ms_per_frame": "ms_per_frame",
    "parameters": "parameters",
    "trained": "trained",
    "peak_memory_mb": "peak_memory_mb",
}
"""Column of the board -> name in a result's cost."""


def estimate(value: float, low: float = math.nan, high: float = math.nan) -> Estimate:
    """As JSON; None where the value is not finite."""
    if not math.isfinite(value):
        return None
    ends = {"low": low, "high": high}
    return {"value": value, **{k: v if math.isfinite(v) else None for k, v in ends.items()}}


def over_seeds(values: Sequence[float] | np.ndarray) -> Estimate:
    """Mean and t-interval."""
    if not len(values) or not all(map(math.isfinite, values)):
        return None
    mean, half = interval([float(v) for v in values])
    return estimate(mean, mean - half, mean + half)


def over_tasks(tasks: Sequence[Effects] | None, seed: int, shown: Callable[[float], float] = lambda v: v) -> Estimate:
    """Interquartile mean over tasks, the interval over seeds and groups of clips; None where a task has none."""
    if not tasks:
        return None
    count = min(len(task.totals) for task in tasks)
    cut = [Effects(task.totals[:count], task.clips) for task in tasks]
    found = hierarchical_interval(cut, np.random.default_rng(seed), DRAWS)
    return estimate(shown(found.estimate), shown(found.low), shown(found.high))


def seed_effects(values: np.ndarray) -> Effects:
    """(S,) values of whole cells: one group of one clip, so that an interval is over seeds alone."""
    return Effects(np.asarray(values, float)[:, None], np.ones(1, int))


def mean_over_fractions(contestant: Contestant, metric: str) -> np.ndarray:
    """(S,) of the transfer regime."""
    return np.mean([contestant.values(contestant.regime, f, metric) for f in contestant.low], 0)


def normalised(contestant: Contestant, cells: TaskCells) -> dict[str, np.ndarray]:
    """Category -> (S,) on the headline's scale, the mean over fractions; {} without truth and `hold`."""
    truth, hold = (cells.controls.get(name, {}).get(1.0) for name in (TRUTH, HOLD))
    if truth is None or hold is None:
        return {}
    found = [
        [
            category_scores(contestant.cells[contestant.regime, f, s].metrics, truth, hold)  # type: ignore[index]
            for s in contestant.seeds
        ]
        for f in contestant.low
    ]
    return {
        category: np.mean([[scores[category] for scores in by_seed] for by_seed in found], 0)
        for category in HEADLINE_CATEGORIES
    }


def reference_colds(cells: TaskCells, names: Sequence[str]) -> dict[float, Contestant]:
    """Fraction -> the reference entry whose cold starts err least there (geometric mean over seeds)."""
    pool = [c for c in cells.complete if c.name in names]

    def error(contestant: Contestant, fraction: float) -> float:
        values = contestant.values("cold", fraction, ERROR)
        return float(np.log(values).mean()) if len(values) and (values > 0).all() else math.inf

    return {f: min(pool, key=lambda c: (error(c, f), c.name)) for f in cells.fractions if pool}


Gain = dict[float, tuple[np.ndarray, tuple[str, ...]]]
"""Fraction -> (S, N) log(b / a) of every seed and clip, and the clips' groups."""


def log_gains(a: Contestant, against: Mapping[float, tuple[Contestant, str, float]]) -> Gain:
    """Of the transfer cells of `a`, at each of its fractions, over others'.

    Args:
        against: fraction of `a` -> entry, regime and fraction that it is compared with.
    """
    out: Gain = {}
    for fraction, (b, regime, other) in against.items():
        seeds = [seed for seed in a.seeds if seed in b.seeds]
        mine, theirs = a.clips(a.regime, fraction, seeds), b.clips(regime, other, seeds)
        if not mine or not theirs:
            return {}
        for clips in (*mine, *theirs):
            if (clips.names, clips.groups) != (mine[0].names, mine[0].groups):
                raise UserError(f"{a.task}: {a.name} and {b.name} were tested on different clips; verify them")
        top, bottom = (np.stack([c.values for c in side]) for side in (theirs, mine))
        kept = np.isfinite(top).all(0) & np.isfinite(bottom).all(0)
        if not kept.any() or (top[:, kept] <= 0).any() or (bottom[:, kept] <= 0).any():
            return {}  # an error of nothing has no ratio
        groups = tuple(group for group, k in zip(mine[0].groups, kept, strict=True) if k)
        out[fraction] = np.log(top[:, kept] / bottom[:, kept]), groups
    return out


def gain_effects(gain: Gain, fractions: Sequence[float] | None = None) -> Effects | None:
    """The mean over fractions, by group of clips."""
    chosen = [gain[f] for f in (fractions if fractions is not None else gain)]
    if not chosen or len({groups for _, groups in chosen}) != 1:
        return None
    count = min(len(gains) for gains, _ in chosen)
    return grouped(np.mean([gains[:count] for gains, _ in chosen], 0), chosen[0][1])


def gains_of(contestant: Contestant, cells: TaskCells, references: Mapping[float, Contestant]) -> dict[str, Gain]:
    """Name of `GAINS`, or `full` -> what it gained over that; empty where there is nothing to compare with."""
    me, low = contestant, contestant.low
    starts = {f: f or min(cells.fractions) for f in low}  # without target data: against the least that is trained on
    out = {
        "cold": log_gains(me, {f: (me, "cold", starts[f]) for f in low}),
        "cold-long": log_gains(me, {f: (me, "cold-long", starts[f]) for f in low}),
        "full": log_gains(me, dict.fromkeys(low, (me, "cold", 1.0))),
        "reference": {},
    }
    if references:
        out["reference"] = log_gains(me, {f: (references[starts[f]], "cold", starts[f]) for f in low})
    if me.regime == "cold":  # its own cold start is itself
        out["cold"] = {}
    return out


def transfer_at(contestant: Contestant, fraction: float, fractions: Sequence[float]) -> dict[str, Any]:
    """Data saved, gap closed and how many seeds are worse than their cold start, at a fraction (docs/statistics.md)."""
    nothing = {"data_saved": None, "data_saved_words": "", "gap_closed": None, "negative": None}
    if contestant.regime == "cold" or fraction == 0:
        return nothing
    errors = contestant.values(contestant.regime, fraction, ERROR)
    curve = [*fractions, 1.0]
    cold = np.stack([contestant.values("cold", f, ERROR) for f in curve], -1)
    start = cold[:, curve.index(fraction)]
    if not (np.isfinite(cold).all() and np.isfinite(errors).all() and (cold > 0).all() and (errors > 0).all()):
        return nothing
    closed = gap_interval(start, errors, cold[:, -1])
    found = nothing | {
        "gap_closed": estimate(closed.value, closed.low, closed.high),
        "negative": sum(is_negative_transfer(float(c), float(e)) for c, e in zip(start, errors, strict=True)),
    }
    if len(curve) < LEAST_FRACTIONS:
        return found
    saved = data_saved_interval(curve, cold, fraction, errors)
    return found | {"data_saved": estimate(saved.value, saved.low, saved.high), "data_saved_words": saved.words}


def cost_of(contestant: Contestant) -> dict[str, float | None]:
    """Means over the transfer regime's cells; None where a cell does not say it."""
    cells = [contestant.cells[contestant.regime, f, s] for f in contestant.low for s in contestant.seeds]  # type: ignore[index]
    return {column: _mean([cell.result["cost"].get(name) for cell in cells]) for column, name in COSTS.items()}


def _mean(values: Sequence[Any]) -> float | None:
    good = [float(v) for v in values if isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v)]
    return sum(good) / len(good) if good and len(good) == len(values) else None


def categories_of(contestant: Contestant, scaled: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Category -> its primary metric's estimate, and where it lies on the headline's scale."""
    return {
        category: {
            "metric": PRIMARY[category],
            **(
                over_seeds(mean_over_fractions(contestant, PRIMARY[category]))
                or {"value": None, "low": None, "high": None}
            ),
            "normalised": over_seeds(scaled[category]) if scaled else None,
        }
        for category in HEADLINE_CATEGORIES
    }
