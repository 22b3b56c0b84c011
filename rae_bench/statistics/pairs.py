"""The same cells and clips by A and by B, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rae_bench.errors import UserError
from rae_bench.statistics.tables import cell_in_words, listed, names, refuse_twice

ANY = -1.0
"""The fraction of what stands against every fraction of the other side."""
Key = tuple[str, str, float]
"""Task, regime, fraction."""


@dataclass(frozen=True, eq=False)
class Pairing:
    """The same clips by A and by B.

    Attributes:
        a, b: (S, N) values, seeds by clips.
        groups: (N,) group of each clip.
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
    """A and B side by side for each task, regime and fraction of both, in that order.

    Controls have one cell, which stands against every seed and regime of the other side (and every fraction, but for
    `nearest`, which was given one). So do, between regimes, `full` and `zero-shot` against every fraction.
    """
    sides = [_strata(table, across_regimes) for table in (a, b)]
    for key_a, one in sorted(sides[0].items()):
        for key_b, other in sorted(sides[1].items()):
            if key_a[0] != key_b[0] or not _meet(key_a, key_b, across_regimes):
                continue
            regimes = [regime for regime in dict.fromkeys((key_a[1], key_b[1])) if regime != "none"]
            regime = " / ".join(regimes) or "none"
            fraction = max(key_a[2], key_b[2])
            yield _matched((key_a[0], regime, 1.0 if fraction == ANY else fraction), one, other)


def left_out(a: pd.DataFrame, b: pd.DataFrame, *, across_regimes: bool = False) -> list[str]:
    """What only one of the two has, in words: entry, task, regime, fraction."""
    sides = [_strata(table, across_regimes) for table in (a, b)]
    out = []
    for mine, yours in (sides, sides[::-1]):
        for key, rows in sorted(mine.items()):
            if not any(key[0] == other[0] and _meet(key, other, across_regimes) for other in yours):
                head = rows[["entry", "task", "regime", "fraction"]].to_dict("records")[0]
                out.append(cell_in_words({str(k): v for k, v in head.items()}))
    return out


def _strata(table: pd.DataFrame, across_regimes: bool) -> dict[Key, pd.DataFrame]:
    """(task, regime, fraction) -> rows; the fraction is `ANY` where it plays no part."""
    entries = table["entry"].unique()
    if len(entries) != 1:
        raise UserError(f"one entry a side is compared; here are {listed(sorted(entries))}")
    refuse_twice(table, ["task", "regime", "fraction", "seed", "clip"])
    free = (table["regime"] == "none") & (table["fraction"] == 1)
    if across_regimes:
        free |= table["regime"].isin(["full", "zero-shot"])
    keyed = table.assign(fraction=table["fraction"].where(~free, ANY))
    strata = {}
    for (task, regime, fraction), rows in keyed.groupby(["task", "regime", "fraction"]):
        strata[str(task), str(regime), float(str(fraction))] = rows
    return strata


def _meet(a: Key, b: Key, across_regimes: bool) -> bool:
    regimes = across_regimes or a[1] == b[1] or "none" in (a[1], b[1])
    return regimes and (a[2] == b[2] or ANY in (a[2], b[2]))


def _matched(key: Key, one: pd.DataFrame, other: pd.DataFrame) -> Pairing:
    """Both sides as arrays of the same seeds and clips; a control's single cell is repeated."""
    wide = [t.pivot(index="seed", columns=["clip", "group"], values="value").sort_index(axis=1) for t in (one, other)]
    control = [bool((t["regime"] == "none").all()) for t in (one, other)]
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
                f"missing: {names(head.assign(seed=lacking.to_numpy()))}; run these cells, or compare fewer --seeds"
            )
        clips = wide[mine].columns.difference(wide[yours].columns).get_level_values("clip")
        if len(clips):
            where = f"{whose['entry'].iloc[0]} {key[0]}"
            raise UserError(f"missing: clips of {where}: {listed(clips)}; other held-out motion?")
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
