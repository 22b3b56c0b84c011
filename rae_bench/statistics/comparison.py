"""The comparison of A with B: paired clip by clip and seed by seed, with an interval and a verdict.

In every effect a larger number is better for A. If a lower value of the metric is better, errors are compared as
ratios: by the mean of log(b / a) over the clips of all folds. A clip with almost no error, such as the sliding of a
foot that only stands, would dominate this mean. In this case values are compared as differences.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from rae_bench.errors import UserError
from rae_bench.statistics.folds import overlap
from rae_bench.statistics.intervals import Effects, Interval, fold_interval
from rae_bench.statistics.pairing import Pairing, nested, pair
from rae_bench.statistics.significance import SIGNIFICANT, holm, wilcoxon
from rae_bench.statistics.tables import in_words

LEAST_SHARE = 0.01
"""Values compare as ratios only if all are above 0 and above this share of their median."""
COMPARISON_COLUMNS = (
    *("task", "regime", "fraction", "tasks", "seeds", "folds", "groups", "clips"),
    *("scale", "effect", "low", "high", "p", "p_holm", "p_wilcoxon", "verdict"),
)


Member = tuple[Pairing, Effects]
"""One task, regime and fraction: what was paired, and the gains of it."""


def compare(
    a: pd.DataFrame, b: pd.DataFrame, direction: str, *, across_regimes: bool = False, differences: bool = False
) -> pd.DataFrame:
    """Compare A with B: a row for each task, regime and fraction that both have, and one over all of them.

    Args:
        a, b: one metric of one entry each, with a row for each clip: `entry`, `task`, `regime`, `fraction`, `seed`,
            `clip`, `group`, `value`. Metrics of a whole cell have one clip (`pairing.whole_cells`). NaN means that
            there is nothing to measure.
        direction: "lower" or "higher" is better.
        across_regimes: whether A and B hold one regime each, to be compared with each other.
        differences: whether values are compared as differences even if ratios are possible.

    Returns:
        Columns `COMPARISON_COLUMNS`. `effect`, `low`, `high` are times better (`scale` "x"), or differences in the
        metric's unit ("-"), positive where A is better. `p_holm` is adjusted over the rows of the same kind;
        `p_wilcoxon` is of the clip groups alone. `verdict` is better, worse or undecided. A row over more than one task
        has the task "all" and is an interquartile mean; one over more than one fraction has the fraction NaN and is a
        mean.

    Raises:
        UserError: one side lacks cells or clips (the message names them), A and B have nothing in common, or the
            direction is "none".
    """
    if direction not in ("lower", "higher"):
        raise UserError("neither more nor less of this metric is better; see docs/reference/metrics.md")
    pairings = list(pair(a, b, across_regimes=across_regimes))
    if not pairings:
        raise UserError("A and B have no task, regime and fraction in common")
    values = np.concatenate([side for p in pairings for side in (p.a, p.b)])
    ratio = not differences and bool(values.min() > LEAST_SHARE * np.median(values) and values.min() > 0)
    sign = 1.0 if direction == "lower" else -1.0
    by_regime: dict[str, list[Member]] = {}
    for p in pairings:
        gains = sign * (np.log(p.b / p.a) if ratio else p.b - p.a)
        by_regime.setdefault(p.regime, []).append((p, nested(gains, p.seeds, p.clips, p.groups)))
    single, overall = [], []
    for regime, members in by_regime.items():
        single += [_row(p.task, regime, p.fraction, [(p, effects)], ratio) for p, effects in members]
        if len(members) > 1:
            overall.append(_overall(regime, members, ratio))
    return pd.DataFrame(_judged(single) + _judged(overall), columns=list(COMPARISON_COLUMNS))


def _overall(regime: str, members: Sequence[Member], ratio: bool) -> dict[str, object]:
    """Make the row over all fractions and tasks of a regime: means over fractions, then an interquartile mean."""
    wanted = sorted({seed for p, _ in members for seed in p.seeds})
    tasks: dict[str, list[Member]] = {}
    for p, effects in members:
        lacking = sorted(set(wanted) - set(p.seeds))
        if lacking:
            cells = [(p.task, p.regime, p.fraction, seed) for seed in lacking]
            table = pd.DataFrame(cells, columns=["task", "regime", "fraction", "seed"])
            raise UserError(f"missing: {in_words(table)}, which other tasks or fractions have; compare fewer --seeds")
        tasks.setdefault(p.task, []).append((p, effects))
    parts = [_mean_over_fractions(task, found) for task, found in tasks.items()]
    fractions = {p.fraction for p, _ in members}
    return _row(
        "all" if len(tasks) > 1 else parts[0][0].task,
        regime,
        fractions.pop() if len(fractions) == 1 else math.nan,
        parts, ratio,
    )


def _mean_over_fractions(task: str, found: Sequence[Member]) -> Member:
    """Return the mean of effects on the same clips."""
    first, effects = found[0]
    if any((p.seeds, p.clips) != (first.seeds, first.clips) for p, _ in found):
        raise UserError(f"{task}: fractions were tested on different clips")
    totals = tuple(np.mean(parts, 0) for parts in zip(*(e.totals for _, e in found), strict=True))
    most = max((p for p, _ in found), key=lambda p: p.trained_on)
    return most, Effects(effects.folds, totals, effects.clips)


def _row(task: str, regime: str, fraction: float, parts: Sequence[Member], ratio: bool) -> dict[str, object]:
    effects = [e for _, e in parts]
    found = fold_interval(effects, overlap(max(p.trained_on for p, _ in parts)))
    means = np.concatenate([total / clips for e in effects for total, clips in zip(e.totals, e.clips, strict=True)])
    return {
        "task": task,
        "regime": regime,
        "fraction": fraction,
        "tasks": len(parts),
        "seeds": len({*parts[0][0].seeds}),
        "folds": len(effects[0].folds),
        "groups": sum(e.groups for e in effects),
        "clips": sum(len({*p.clips}) for p, _ in parts),
        "scale": "x" if ratio else "-",
        **_shown(found, ratio),
        "p_wilcoxon": wilcoxon(means.tolist()) if len(means) > len(effects) else math.nan,
    }


def _shown(found: Interval, ratio: bool) -> Mapping[str, float]:
    ends = {"effect": found.estimate, "low": found.low, "high": found.high}
    return {**{k: math.exp(v) if ratio else v for k, v in ends.items()}, "p": found.p}


def _judged(rows: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """Add Holm's p and the verdict to rows."""
    adjusted = holm([float(str(row["p"])) for row in rows])
    out = []
    for row, p in zip(rows, adjusted, strict=True):
        gain = float(str(row["effect"])) - (1 if row["scale"] == "x" else 0)
        word = "undecided" if not p < SIGNIFICANT else "better" if gain > 0 else "worse"
        out.append({**row, "p_holm": float(p), "verdict": word})
    return out
