"""A against B: paired clip by clip and seed by seed, with an interval and a word.

Every effect is written so that more is better for A. Errors compare as ratios: the mean over clips and seeds of
log(b / a) for a metric of which less is better. Where some clip has next to none of it, as a foot that only stands has
of sliding, the ratio of that clip would drown all others, and values compare as differences.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from rae_bench.errors import UserError
from rae_bench.statistics.intervals import DRAWS, Effects, Interval, hierarchical_interval
from rae_bench.statistics.pairs import Pairing, pair
from rae_bench.statistics.significance import SIGNIFICANT, holm, wilcoxon
from rae_bench.statistics.tables import names

LEAST_SHARE = 0.01
"""Of the median value: with a smaller one among them, or one of 0, values do not compare as ratios."""
COLUMNS = (
    *("task", "regime", "fraction", "tasks", "seeds", "groups", "clips"),
    *("scale", "effect", "low", "high", "p", "p_holm", "p_wilcoxon", "verdict"),
)


def compare(
    a: pd.DataFrame, b: pd.DataFrame, direction: str, rng: np.random.Generator, *, draws: int = DRAWS,
    across_regimes: bool = False,
) -> pd.DataFrame:
    """Effects of A over B, a row for each task, regime and fraction that both have, and one over all of them.

    Args:
        a, b: one metric of one entry each, a row a clip: `entry`, `task`, `regime`, `fraction`, `seed`, `clip`,
            `group`, `value`. Metrics of a whole cell have one clip. NaN says that there is nothing to measure.
        direction: "lower" or "higher" is better.
        across_regimes: A and B hold one regime each, to be compared with each other.

    Returns:
        Columns `COLUMNS`. `effect`, `low`, `high` are times better (`scale` "x") or differences in the metric's unit
        ("-"), positive where A is better. `p_holm` is adjusted over the rows of the same kind, `p_wilcoxon` is of the
        clip groups alone. `verdict`: better, worse or undecided. Rows over several tasks have the task "all", an
        interquartile mean; over several fractions the fraction NaN, a mean.

    Raises:
        UserError: cells or clips that one side lacks, by name; a direction of "none".
    """
    if direction not in ("lower", "higher"):
        raise UserError("neither more nor less of this metric is better; see docs/metrics.md")
    pairings = list(pair(a, b, across_regimes=across_regimes))
    if not pairings:
        raise UserError("A and B have no task, regime and fraction in common")
    values = np.concatenate([side.ravel() for p in pairings for side in (p.a, p.b)])
    ratio = bool(values.min() > LEAST_SHARE * np.median(values) and values.min() > 0)
    same = int(rng.integers(2**63))  # every row draws alike, whatever rows there are beside it
    sign = 1.0 if direction == "lower" else -1.0
    by_regime: dict[str, list[tuple[Pairing, np.ndarray]]] = {}
    for p in pairings:
        gains = np.log(p.b / p.a) if ratio else p.b - p.a
        by_regime.setdefault(p.regime, []).append((p, sign * gains))
    single, overall = [], []
    for regime, members in by_regime.items():
        for p, gains in members:
            effects = grouped(gains, p.groups)
            single.append(_row(p.task, regime, p.fraction, [(p, effects)], ratio, same, draws))
        if len(members) > 1:
            overall.append(_overall(regime, members, ratio, same, draws))
    return pd.DataFrame(_judged(single) + _judged(overall), columns=list(COLUMNS))


def grouped(gains: np.ndarray, groups: Sequence[str]) -> Effects:
    """Gains (S, N) of seeds and clips, as sums (S, G) over the clips of each group; `groups` has that of each clip."""
    known, which = np.unique(np.asarray(groups), return_inverse=True)
    totals = np.zeros((len(gains), len(known)))
    np.add.at(totals.T, which, gains.T)
    return Effects(totals, np.bincount(which))


def _overall(
    regime: str, members: Sequence[tuple[Pairing, np.ndarray]], ratio: bool, same: int, draws: int
) -> dict[str, object]:
    """All fractions and tasks of a regime: means over fractions, then an interquartile mean over tasks."""
    wanted = sorted({seed for p, _ in members for seed in p.seeds})
    tasks: dict[str, list[tuple[Pairing, np.ndarray]]] = {}
    for p, gains in members:
        lacking = sorted(set(wanted) - set(p.seeds))
        if lacking:
            cells = [(p.task, p.regime, p.fraction, seed) for seed in lacking]
            table = pd.DataFrame(cells, columns=["task", "regime", "fraction", "seed"])
            raise UserError(f"missing: {names(table)}, which other tasks or fractions have; compare fewer --seeds")
        tasks.setdefault(p.task, []).append((p, gains))
    parts = []
    for task, both in tasks.items():
        first = both[0][0]
        if any(p.clips != first.clips for p, _ in both):
            raise UserError(f"{task}: fractions were tested on different clips")
        parts.append((first, grouped(np.mean([gains for _, gains in both], 0), first.groups)))
    fractions = {p.fraction for p, _ in members}
    return _row(
        "all" if len(tasks) > 1 else parts[0][0].task,
        regime,
        fractions.pop() if len(fractions) == 1 else math.nan,
        parts, ratio, same, draws,
    )


def _row(
    task: str, regime: str, fraction: float, parts: Sequence[tuple[Pairing, Effects]], ratio: bool,
    same: int, draws: int,
) -> dict[str, object]:
    effects = [e for _, e in parts]
    found = hierarchical_interval(effects, np.random.default_rng(same), draws)
    means = np.concatenate([(e.totals.mean(0) / e.clips) for e in effects])
    seeds = len(parts[0][0].seeds)
    return {
        "task": task,
        "regime": regime,
        "fraction": fraction,
        "tasks": len(parts),
        "seeds": seeds,
        "groups": sum(len(e.clips) for e in effects),
        "clips": int(sum(e.clips.sum() for e in effects)),
        "scale": "x" if ratio else "-",
        **_shown(found, ratio),
        "p_wilcoxon": wilcoxon(means.tolist()) if len(means) > len(effects) else math.nan,
    }


def _shown(found: Interval, ratio: bool) -> Mapping[str, float]:
    ends = {"effect": found.estimate, "low": found.low, "high": found.high}
    return {**{k: math.exp(v) if ratio else v for k, v in ends.items()}, "p": found.p}


def _judged(rows: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """Rows with Holm's p and the word."""
    adjusted = holm([float(str(row["p"])) for row in rows])
    out = []
    for row, p in zip(rows, adjusted, strict=True):
        gain = float(str(row["effect"])) - (1 if row["scale"] == "x" else 0)
        word = "undecided" if not p < SIGNIFICANT else "better" if gain > 0 else "worse"
        out.append({**row, "p_holm": float(p), "verdict": word})
    return out
