"""The values of A and B on the same cells and clips, side by side."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rae_bench.errors import UserError
from rae_bench.model.regimes import FULL, NO_REGIME, ZERO_SHOT
from rae_bench.statistics.intervals import Effects
from rae_bench.statistics.tables import cell_in_words, in_short, in_words, refuse_twice
from rae_bench.task.cells import fold_of

ANY = -1.0
"""The fraction of cells that are compared with every fraction of the other side."""
Key = tuple[str, str, float]
"""Task, regime and fraction."""


@dataclass(frozen=True, eq=False)
class Pairing:
    """The same clips by A and by B, one row for each seed and clip.

    Attributes:
        trained_on: the largest fraction of the target's data that a cell of A or B was trained on.
        seeds, clips, groups: the seed, the clip and its group, R each.
        a, b: (R,) values.
    """

    task: str
    regime: str
    fraction: float
    trained_on: float
    seeds: tuple[int, ...]
    clips: tuple[str, ...]
    groups: tuple[str, ...]
    a: np.ndarray
    b: np.ndarray


def whole_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Return values of whole cells as tables of clips: each fold is one clip and one group."""
    folds = [f"fold {fold_of(seed)}" for seed in table["seed"]]
    return table.assign(clip=folds, group=folds)


def nested(
    gains: Sequence[float] | np.ndarray, seeds: Sequence[int], clips: Sequence[str], groups: Sequence[str]
) -> Effects:
    """Sum gains of R seeds and clips over groups within folds, and take the mean over the seeds of a fold.

    Seeds that tested the same clip are of one fold: seeds 0 and 5, or all seeds where nothing else was held out. A
    group in two folds, such as a take that had to be cut, counts in each.

    Args:
        gains: (R,) values.
        seeds, clips, groups: the seed, the clip and its group, R each.
    """
    fold = _folds(seeds, clips)
    many = Counter(fold.values())
    sums: dict[int, dict[str, list[float]]] = {number: defaultdict(lambda: [0.0, 0.0]) for number in sorted(many)}
    for gain, seed, group in zip(gains, seeds, groups, strict=True):
        place = sums[fold[seed]][group]
        place[0] += gain / many[fold[seed]]
        place[1] += 1 / many[fold[seed]]
    tables = [np.array([found[group] for group in sorted(found)]) for found in sums.values()]
    return Effects(tuple(sums), tuple(t[:, 0] for t in tables), tuple(t[:, 1] for t in tables))


def _folds(seeds: Sequence[int], clips: Sequence[str]) -> dict[int, int]:
    """Return seed -> its fold, named by the lowest seed that shares clips with it, directly or through others."""
    tested: dict[int, set[str]] = {}
    for seed, clip in zip(seeds, clips, strict=True):
        tested.setdefault(seed, set()).add(clip)
    found: list[tuple[set[int], set[str]]] = []
    for seed, mine in tested.items():
        same = [fold for fold in found if fold[1] & mine]
        found = [fold for fold in found if not fold[1] & mine]
        found.append(({seed}.union(*(fold[0] for fold in same)), mine.union(*(fold[1] for fold in same))))
    return {seed: min(members) for members, _ in found for seed in members}


def pair(a: pd.DataFrame, b: pd.DataFrame, *, across_regimes: bool = False) -> Iterator[Pairing]:
    """Pair A and B for each task, regime and fraction that both have, in that order.

    Two entries are tested on the same clips at the same seed. A control is compared with every regime of the other
    side, and with every fraction unless it is `nearest`, which was given one. Where it has one cell only, that one is
    compared with every seed that was tested on the same clips. Between regimes, `full` and `zero-shot` are compared
    with every fraction.

    Args:
        a, b: tables as for `comparison.compare`.
        across_regimes: whether A and B hold one regime each, to be compared with each other.

    Raises:
        UserError: a side has more than one entry, or it lacks cells, clips or values of the other side.
    """
    sides = [_strata(table, across_regimes) for table in (a, b)]
    for key_a, one in sorted(sides[0].items()):
        for key_b, other in sorted(sides[1].items()):
            if key_a[0] != key_b[0] or not _meet(key_a, key_b, across_regimes):
                continue
            regimes = [regime for regime in dict.fromkeys((key_a[1], key_b[1])) if regime != NO_REGIME]
            regime = " / ".join(regimes) or NO_REGIME
            fraction = max(key_a[2], key_b[2])
            yield _matched((key_a[0], regime, 1.0 if fraction == ANY else fraction), one, other)


def left_out(a: pd.DataFrame, b: pd.DataFrame, *, across_regimes: bool = False) -> list[str]:
    """Return in words what only one of the two has: entry, task, regime, fraction."""
    sides = [_strata(table, across_regimes) for table in (a, b)]
    out = []
    for mine, yours in (sides, sides[::-1]):
        for key, rows in sorted(mine.items()):
            if not any(key[0] == other[0] and _meet(key, other, across_regimes) for other in yours):
                head = rows[["entry", "task", "regime", "fraction"]].to_dict("records")[0]
                out.append(cell_in_words({str(k): v for k, v in head.items()}))
    return out


def _strata(table: pd.DataFrame, across_regimes: bool) -> dict[Key, pd.DataFrame]:
    """Return (task, regime, fraction) -> rows. The fraction is `ANY` where it plays no part."""
    entries = table["entry"].unique()
    if len(entries) != 1:
        raise UserError(f"one entry a side is compared; here are {in_short(sorted(entries))}")
    refuse_twice(table, ["task", "regime", "fraction", "seed", "clip"])
    free = (table["regime"] == NO_REGIME) & (table["fraction"] == 1)
    if across_regimes:
        free |= table["regime"].isin([FULL, ZERO_SHOT])
    keys = [table["task"], table["regime"], table["fraction"].where(~free, ANY)]
    strata = {}
    for (task, regime, fraction), rows in table.groupby(keys):
        strata[str(task), str(regime), float(str(fraction))] = rows
    return strata


def _meet(a: Key, b: Key, across_regimes: bool) -> bool:
    regimes = across_regimes or a[1] == b[1] or NO_REGIME in (a[1], b[1])
    return regimes and (a[2] == b[2] or ANY in (a[2], b[2]))


def _matched(key: Key, one: pd.DataFrame, other: pd.DataFrame) -> Pairing:
    """Put the same seeds and clips of both sides beside each other."""
    sides = [one, other]
    for mine, yours in ((0, 1), (1, 0)):
        sides[mine] = _repeated(sides[mine], sides[yours])
    for mine, yours in ((0, 1), (1, 0)):
        lacking = sorted({*sides[mine]["seed"]} - {*sides[yours]["seed"]})
        if lacking:
            head = sides[yours][["entry", "task", "regime", "fraction"]].iloc[[0] * len(lacking)]
            raise UserError(
                f"missing: {in_words(head.assign(seed=lacking))}; run these cells, or compare fewer --seeds"
            )
    names = ["seed", "clip", "group"]
    wide = [side.set_index(names)["value"].astype(float).sort_index() for side in sides]
    for mine, yours in ((0, 1), (1, 0)):
        clips = wide[mine].index.difference(wide[yours].index).get_level_values("clip")
        if len(clips):
            where = f"{sides[yours]['entry'].iloc[0]} {key[0]}"
            raise UserError(f"missing: clips of {where}: {in_short(clips)}; other held-out motion?")
    gone = wide[0].isna()
    if (gone != wide[1].isna()).any():
        seed, clip, _ = gone.index[gone != wide[1].isna()][0]
        raise UserError(f"missing: a value of {key[0]} {key[1]} seed {seed} clip {clip}, which the other side has")
    if gone.all():
        raise UserError(f"{key[0]} {key[1]}: nothing to measure in any clip")
    kept = wide[0][~gone].index
    seeds, clips, groups = (kept.get_level_values(name) for name in names)
    trained_on = max(_trained_on(side) for side in (one, other))
    a, b = (side[~gone].to_numpy() for side in wide)
    return Pairing(*key, trained_on, tuple(map(int, seeds)), tuple(clips), tuple(groups), a, b)


def _repeated(table: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Return the table of a control with its only cell at each seed of the other side that has the same clips."""
    if (table["regime"] != NO_REGIME).any() or table["seed"].nunique() > 1:
        return table
    clips = {*table["clip"]}
    same = [seed for seed, rows in other.groupby("seed") if {*rows["clip"]} == clips]
    return pd.concat([table.assign(seed=seed) for seed in same]) if same else table


def _trained_on(table: pd.DataFrame) -> float:
    """Return the fraction of the target's data that the cells saw: none for a control that reads none."""
    reads = (table["regime"] != NO_REGIME) | (table["fraction"] < 1)
    return float(table["fraction"].where(reads, 0.0).max())
