"""How far the order of entries can be believed: ranks are intervals, with groups of ties."""

from __future__ import annotations

import string
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from rae_bench.errors import UserError
from rae_bench.statistics.intervals import DRAWS, Effects, hierarchical_interval, seed_tests
from rae_bench.statistics.significance import SIGNIFICANT, holm
from rae_bench.statistics.tables import in_words, refuse_missing_cells, refuse_twice

RANKED_SEEDS = 5
"""With fewer seeds a rank is provisional."""
SCORE = ["entry", "task", "seed"]


def rank_table(scores: pd.DataFrame, rng: np.random.Generator, *, draws: int = DRAWS) -> pd.DataFrame:
    """Return entries in the order of their scores, with intervals, ranks that are intervals, and tie groups.

    Two entries are apart where the interval of their difference, seed by seed, excludes 0 after Holm's adjustment for
    all pairs. An entry's rank is between one more than the number of better entries and the number of entries that are
    not worse. Entries that share a letter of `ties` are not apart: a letter is a run of neighbours of which no two are
    apart.

    Args:
        scores: columns entry, task, seed, value, such as headline scores; lower is better. An entry has the same
            seeds on every task; entries compare on the seeds that both have.

    Returns:
        entry, score (interquartile mean over tasks of the mean over seeds), low, high, rank_low, rank_high, ties,
        tasks, seeds, provisional (fewer than five seeds).

    Raises:
        UserError: a missing score, task or seed, by name.
    """
    refuse_twice(scores, SCORE)
    refuse_missing_cells(scores, "entry", ["task"])
    uneven = scores.groupby(["entry", "seed"]).size().groupby(level="entry").transform("max")
    lacking = scores.groupby(["entry", "seed"]).size() < uneven
    for entry in sorted({entry for entry, _ in lacking[lacking].index}):
        refuse_missing_cells(scores[scores["entry"] == entry], "task", ["entry", "seed"])
    gaps = scores[scores["value"].isna()]
    if len(gaps):
        raise UserError(f"no score: {in_words(gaps[SCORE])}")
    table = scores.pivot(index=["entry", "seed"], columns="task", values="value").sort_index().sort_index(axis=1)
    wide = {str(entry): rows.droplevel("entry") for entry, rows in table.groupby(level="entry")}
    same = int(rng.integers(2**63))
    found = {
        entry: hierarchical_interval(
            [Effects(values[[task]].to_numpy(float), np.ones(1, int)) for task in values],
            np.random.default_rng(same), draws,
        )
        for entry, values in wide.items()
    }
    order = sorted(wide, key=lambda entry: (found[entry].estimate, entry))
    apart = _apart([wide[entry] for entry in order], same, draws)
    ties = tie_letters(apart | apart.T)
    rows = [
        (
            entry, found[entry].estimate, found[entry].low, found[entry].high,
            1 + int(apart[:, i].sum()), len(order) - int(apart[i].sum()), ties[i],
            wide[entry].shape[1], len(wide[entry]), len(wide[entry]) < RANKED_SEEDS,
        )
        for i, entry in enumerate(order)
    ]
    columns = ["entry", "score", "low", "high", "rank_low", "rank_high", "ties", "tasks", "seeds", "provisional"]
    return pd.DataFrame(rows, columns=columns)


def _apart(scores: Sequence[pd.DataFrame], same: int, draws: int) -> np.ndarray:
    """Return whether one entry is better than another by more than their shared seeds explain, (n, n) bool."""
    count = len(scores)
    values, seeds = [table.to_numpy(float) for table in scores], [list(table.index) for table in scores]
    pairs = list(combinations(range(count), 2))
    differences: dict[int, list[np.ndarray]] = {}
    places: dict[int, list[int]] = {}
    for place, (i, j) in enumerate(pairs):
        if seeds[i] == seeds[j]:
            difference = values[j] - values[i]
        else:
            shared = sorted({*seeds[i]} & {*seeds[j]})
            rows = [[seeds[k].index(seed) for seed in shared] for k in (i, j)]
            difference = values[j][rows[1]] - values[i][rows[0]]
        differences.setdefault(len(difference), []).append(difference)
        places.setdefault(len(difference), []).append(place)
    effect, p = np.zeros(len(pairs)), np.full(len(pairs), np.nan)
    for number in (number for number in differences if number > 1):
        tests = seed_tests(np.stack(differences[number]), np.random.default_rng(same), draws)
        effect[places[number]], p[places[number]] = tests
    apart = np.zeros((count, count), bool)
    for (i, j), gain, adjusted in zip(pairs, effect, holm(p.tolist()), strict=True):
        better, worse = (i, j) if gain > 0 else (j, i)
        apart[better, worse] = bool(adjusted < SIGNIFICANT)
    return apart


def tie_letters(apart: np.ndarray) -> list[str]:
    """Return the letters of each of n entries in order.

    A letter stands for a longest run of neighbours of which no two are apart.

    Args:
        apart: (n, n) bool, whether two entries are apart.
    """
    count = len(apart)
    runs: list[tuple[int, int]] = []
    for start in range(count):
        stop = start + 1
        while stop < count and not apart[start:stop, stop].any():
            stop += 1
        if not runs or stop > runs[-1][1]:
            runs.append((start, stop))
    letters = ["" for _ in range(count)]
    for number, (start, stop) in enumerate(runs):
        name = string.ascii_lowercase[number % 26] * (number // 26 + 1)
        for i in range(start, stop):
            letters[i] += name
    return letters
