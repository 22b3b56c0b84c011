"""One regime of one model against another: errors of clips in, times better out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rae_bench.statistics.compare import compare
from rae_bench.statistics.intervals import ratio_interval
from rae_bench.statistics.significance import SIGNIFICANT, mann_whitney

Side = tuple[str, str]
"""Model and regime; `full` is a regime."""


@dataclass(frozen=True)
class Effect:
    """How many times smaller the errors of A are than those of B.

    Attributes:
        low, high: 95 % interval; NaN with one seed.
        p: two-sided, of no effect, not adjusted; NaN where it cannot be known.
        rigs, seeds: how many were compared.
    """

    times: float
    low: float
    high: float
    p: float
    rigs: int
    seeds: int


def pick(clips: pd.DataFrame, side: Side) -> pd.DataFrame:
    """The rows of a model and regime, with the model as the entry."""
    rows = clips[(clips["model"] == side[0]) & (clips["regime"] == side[1])]
    return rows.assign(entry=rows["model"])


def effect(clips: pd.DataFrame, a: Side, b: Side, *, published: bool = False) -> Effect | None:
    """A against B on the tasks and seeds that both have; None where they have none.

    Args:
        clips: a row a clip: model, task, regime, fraction, seed, clip, group, value (an error, above 0).
        published: by the thesis' statistics instead of ours.
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
    """Mean log-ratio of the same clips, interval over seeds and groups (`rae_bench.statistics.compare`)."""
    found = compare(one, other, "lower", np.random.default_rng(0), across_regimes=True)
    row = found.iloc[-1]  # all tasks where there are several
    times, low, high, p = (float(row[name]) for name in ("effect", "low", "high", "p"))
    return Effect(times, low, high, p, int(row["tasks"]), int(row["seeds"]))


def _published(one: pd.DataFrame, other: pd.DataFrame) -> Effect:
    """Mean over rigs of ratios of means; the largest of the rigs' Mann-Whitney p over clips.

    The interval, which the thesis has not, is that of ratios over seeds. Clips are each the mean over seeds.
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
    """Whether a p-value, adjusted or not, says that there is an effect."""
    return math.isfinite(p) and p < SIGNIFICANT
