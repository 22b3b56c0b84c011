"""The same cells and clips by A and by B, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rae_bench.errors import UserError
from rae_bench.model.regimes import FULL, NO_REGIME, ZERO_SHOT
from rae_bench.statistics.tables import cell_in_words, in_short, in_words, refuse_twice

ANY = -1.0
"""The fraction of cells that are compared with every fraction of the other side."""
Key = tuple[str, str, float]
"""Task, regime and fraction."""


@dataclass(frozen=True, eq=False)
class Pairing:
    """The same clips by A and by B.

    Attributes:
        seeds, clips: names of S seeds and N clips.
        groups: the group of each clip.
        a, b: (S, N) values.
    """

    task: str
    regime: str
    fraction: float
    seeds: tuple[int, ...]
    clips: tuple[str, ...]
    groups: tuple[str, ...]
    a: np.ndarray
    b: np.ndarray


def pair(a: pd.DataFrame, b: pd.DataFrame, *, across_regimes: bool = False) -> Iterator[Pairing]:
    """Pair A and B for each task, regime and fraction that both have, in that order.

    A control has one cell, which is compared with every seed and regime of the other side, and with every fraction
    unless it is `nearest`, which was given one. Between regimes, `full` and `zero-shot` are compared with every
    fraction.

    Args:
        a, b: tables as for `comparison.compare`.
        across_regimes: whether A and B hold one regime each, to be compared with each other.

    Raises:
        UserError: more than one entry on a side, or cells, clips or values that one side lacks.
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
    """Return what only one of the two has, in words: entry, task, regime, fraction."""
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
    keyed = table.assign(fraction=table["fraction"].where(~free, ANY))
    strata = {}
    for (task, regime, fraction), rows in keyed.groupby(["task", "regime", "fraction"]):
        strata[str(task), str(regime), float(str(fraction))] = rows
    return strata


def _meet(a: Key, b: Key, across_regimes: bool) -> bool:
    regimes = across_regimes or a[1] == b[1] or NO_REGIME in (a[1], b[1])
    return regimes and (a[2] == b[2] or ANY in (a[2], b[2]))


def _matched(key: Key, one: pd.DataFrame, other: pd.DataFrame) -> Pairing:
    """Make arrays of the same seeds and clips of both sides; a control's single cell is repeated."""
    wide = [t.pivot(index="seed", columns=["clip", "group"], values="value").sort_index(axis=1) for t in (one, other)]
    control = [bool((t["regime"] == NO_REGIME).all()) for t in (one, other)]
    if control[0] != control[1]:
        which = control.index(True)
        seeds = wide[1 - which].index
        wide[which] = pd.DataFrame(
            np.repeat(wide[which].to_numpy()[:1], len(seeds), 0), seeds, wide[which].columns
        )
    for mine, yours, whose in ((0, 1, other), (1, 0, one)):
        lacking = wide[mine].index.difference(wide[yours].index)
        if len(lacking):
            head = whose[["entry", "task", "regime", "fraction"]].iloc[[0] * len(lacking)]
            raise UserError(
                f"missing: {in_words(head.assign(seed=lacking.to_numpy()))}; run these cells, or compare fewer --seeds"
            )
        clips = wide[mine].columns.difference(wide[yours].columns).get_level_values("clip")
        if len(clips):
            where = f"{whose['entry'].iloc[0]} {key[0]}"
            raise UserError(f"missing: clips of {where}: {in_short(clips)}; other held-out motion?")
    arrays = [w.to_numpy(float) for w in wide]
    gone = [np.isnan(array) for array in arrays]
    if (gone[0] != gone[1]).any() or (gone[0] != gone[0][:1]).any():
        seed, clip = np.argwhere((gone[0] != gone[1]) | (gone[0] != gone[0][:1]))[0]
        where = f"{key[0]} {key[1]} seed {wide[0].index[seed]} clip {wide[0].columns[clip][0]}"
        raise UserError(f"missing: a value of {where}, which the other side or another seed has")
    kept = ~gone[0][0]
    if not kept.any():
        raise UserError(f"{key[0]} {key[1]}: nothing to measure in any clip")
    columns = wide[0].columns[kept]
    return Pairing(
        *key, tuple(map(int, wide[0].index)), tuple(c for c, _ in columns), tuple(g for _, g in columns),
        arrays[0][:, kept], arrays[1][:, kept],
    )
