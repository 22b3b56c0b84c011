"""One regime of one model against another: from errors of clips to how many times better it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from rae_bench.statistics.comparison import compare
from rae_bench.statistics.intervals import ratio_interval
from rae_bench.statistics.significance import SIGNIFICANT, mann_whitney

ModelRegime = tuple[str, str]
"""A model and a regime; `full` is a regime."""


@dataclass(frozen=True)
class Effect:
    """How many times smaller the errors of A are than those of B.

    Attributes:
        times: the effect.
        low, high: the 95 % interval; NaN with one seed.
        p: two-sided, of no effect, not adjusted; NaN where it cannot be known.
        rigs, seeds: the number of rigs and seeds that were compared.
    """

    times: float
    low: float
    high: float
    p: float
    rigs: int
    seeds: int


def pick(clips: pd.DataFrame, side: ModelRegime) -> pd.DataFrame:
    """Return the rows of a model and regime, with the model as the entry."""
    rows = clips[(clips["model"] == side[0]) & (clips["regime"] == side[1])]
    return rows.assign(entry=rows["model"])


def compare_models(clips: pd.DataFrame, a: ModelRegime, b: ModelRegime, *, published: bool = False) -> Effect | None:
    """Compare A with B on the tasks and seeds that both have; None where they share none.

    Args:
        clips: a row for each clip: model, task, regime, fraction, seed, clip, group, value (an error, above 0).
        a, b: the two models and regimes.
        published: whether to use the thesis' statistics instead of ours.
    """
    one, other = pick(clips, a), pick(clips, b)
    tasks = set(one["task"]) & set(other["task"])
    one, other = (side[side["task"].isin(tasks)] for side in (one, other))
    seeds = {*one["seed"]}
    for side in (one, other):
        for _, rows in side.groupby("task"):
            seeds &= {*rows["seed"]}
    if not tasks or not seeds:
        return None
    one, other = (side[side["seed"].isin(seeds)] for side in (one, other))
    return _published(one, other) if published else _ours(one, other)


def _ours(one: pd.DataFrame, other: pd.DataFrame) -> Effect:
    """Return the mean log-ratio of the same clips, with an interval over folds."""
    found = compare(one, other, "lower", across_regimes=True)
    row = found.iloc[-1]  # over all tasks where there is more than one
    times, low, high, p = (float(row[name]) for name in ("effect", "low", "high", "p"))
    return Effect(times, low, high, p, int(row["tasks"]), int(row["seeds"]))


def _published(one: pd.DataFrame, other: pd.DataFrame) -> Effect:
    """Return the mean over rigs of ratios of means, with the largest of the rigs' Mann-Whitney p over clips.

    The interval, which the thesis does not have, is that of ratios over seeds. Each clip is its mean over seeds.
    """
    means = [side.groupby(["seed", "task"])["value"].mean().unstack() for side in (one, other)]
    ratios = means[1] / means[0]
    times, low, high = ratio_interval(list(ratios.mean(axis=1)))
    each = [{t: r.groupby("clip")["value"].mean() for t, r in side.groupby("task")} for side in (one, other)]
    p = max(mann_whitney(list(each[0][task]), list(each[1][task])) for task in each[0])
    sides = ratios.mean() > 1
    agreed = bool(sides.all() or not sides.any())
    return Effect(times, low, high, p if agreed else 1.0, ratios.shape[1], len(ratios))


def decided(p: float) -> bool:
    """Return whether a p-value, adjusted or not, says that there is an effect."""
    return math.isfinite(p) and p < SIGNIFICANT
