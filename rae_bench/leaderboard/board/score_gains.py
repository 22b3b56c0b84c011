"""By how much an entry's score is better than that of its own other starts, seed by seed.

The gains of `estimates.gains_of` are of the reconstruction error. These are of the whole score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rae_bench.leaderboard.board.contestants import Contestant, TaskCells
from rae_bench.leaderboard.board.estimates import Estimate, fraction_scores, over_tasks, seed_effects
from rae_bench.metrics.headline import HEADLINE_CATEGORIES
from rae_bench.model.regimes import COLD, COLD_LONG, RETARGET
from rae_bench.statistics.folds import overlap
from rae_bench.statistics.intervals import Effects

STARTS = (COLD, COLD_LONG, RETARGET)
"""What an entry's ranked regime is compared with; `cold-long` and `retarget` at the smallest fraction alone."""
MOTION = f"{RETARGET}_over_{COLD_LONG}"
"""The name of another comparison: the source's motion on the target's rig against as many updates without a source."""
Place = tuple[str, float]
"""Regime and fraction."""
ScoreGains = Mapping[str, Effects | None]
"""Start -> by how much its score is higher than that of the ranked regime, of every fold; None where cells are missing.
"""


def score_gains(contestant: Contestant, cells: TaskCells) -> ScoreGains:
    """Return by how much the score of an entry's ranked regime is better than that of each start, and `MOTION`."""
    least, fewest = min(contestant.low), min(cells.fractions)
    out: dict[str, Effects | None] = {}
    for start in STARTS:
        fractions = contestant.low if start == COLD else (least,)
        own = [(contestant.regime, f) for f in fractions]
        out[start] = None
        if start != contestant.regime:
            out[start] = _gained(contestant, cells, own, [(start, f or fewest) for f in fractions])
    out[MOTION] = _gained(contestant, cells, [(RETARGET, fewest)], [(COLD_LONG, fewest)])
    return out


def _gained(c: Contestant, cells: TaskCells, own: Sequence[Place], other: Sequence[Place]) -> Effects | None:
    """Return by how much the score at some places is better than that at others; None where a cell is missing."""
    mine, theirs = _scores(c, cells, own), _scores(c, cells, other)
    return seed_effects(theirs - mine) if len(mine) == len(theirs) > 0 else None


def _scores(c: Contestant, cells: TaskCells, places: Sequence[Place]) -> np.ndarray:
    """Return the score of every seed, (S,), the mean over regimes and fractions; empty where a cell is missing."""
    found = [fraction_scores({cell.seed: cell.metrics for cell in c.at(*place)}, cells) for place in places]
    if not all(found):
        return np.empty(0)
    return np.array([[[one[k] for k in HEADLINE_CATEGORIES] for one in seeds] for seeds in found]).mean((0, 2))


def score_gain_estimates(tasks: Sequence[ScoreGains], fractions: Sequence[float]) -> dict[str, Estimate]:
    """Estimate each gain over tasks; None where a task has none.

    Args:
        tasks: the gains on each task.
        fractions: of the target's data, at which entries are compared.
    """
    return {
        start: over_tasks([task[start] for task in tasks], overlap(max(fractions) if start == COLD else min(fractions)))
        for start in (*STARTS, MOTION)
    }
