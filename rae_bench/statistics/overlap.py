"""What shared training data does to folds, by models that really train. `python -m rae_bench.statistics.overlap`.

Five folds of groups; each group is a linear map of its own around a common one, seen in segments with noise. Two models
learn it by ridge regression: one from nothing (`cold`), one from the map of a source (`transfer`). Fold k trains on a
fraction of the other folds, drawn anew: of segments, or of whole groups as in recordings. The level is the transfer's
logarithm of the squared error on the fold's own groups; the gain is by how much that of `cold` is greater.

With independent folds the variance of the mean of K is 1 / K of the variance s^2 of one. What it is above that, in s^2,
is what `folds.overlap` must not be below.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd

from rae_bench.statistics.folds import FULL_OVERLAP, overlap
from rae_bench.statistics.intervals import mean_interval
from rae_bench.task.cells import FOLDS

REPEATS = 2000
FRACTIONS = (0.05, 0.2, 0.5, 1.0)
GROUPS = (1, 2, 5)
"""Numbers of groups of a fold."""
SEGMENTS, POINTS, INPUTS = 8, 6, 6
"""Segments of a group, points of a segment, and inputs of the map."""
NOISE = 0.5


@dataclass(frozen=True)
class World:
    """What is to be learnt.

    Attributes:
        groups: the number of groups of a fold.
        spread: how far the groups' maps lie from the common one, a standard deviation.
        far: how far the source's map lies from it.
        ridge: how strongly the models hold on to where they start.
        whole: whether a fraction is of whole groups, and not of segments.
    """

    groups: int = 1
    spread: float = 0.3
    far: float = 0.2
    ridge: float = 3.0
    whole: bool = False


WORLDS = (World(), World(spread=0.1), World(spread=0.6), World(ridge=0.3))


def train(world: World, repeats: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return level and gain of every repeat, fraction and fold: {name: (R, F, K)}."""
    groups = FOLDS * world.groups
    common, away = np.random.default_rng(0).standard_normal((2, INPUTS))
    source = common + world.far * away
    maps = common + world.spread * rng.standard_normal((repeats, groups, INPUTS))
    inputs = rng.standard_normal((repeats, groups, SEGMENTS, POINTS, INPUTS))
    outputs = np.einsum("rgspi,rgi->rgsp", inputs, maps)
    outputs += NOISE * rng.standard_normal(outputs.shape)
    squares = np.einsum("rgspi,rgspj->rgsij", inputs, inputs).reshape(repeats, -1, INPUTS, INPUTS)
    products = np.einsum("rgspi,rgsp->rgsi", inputs, outputs).reshape(repeats, -1, INPUTS)
    fold_of_segment = np.repeat(np.arange(FOLDS), world.groups * SEGMENTS)
    found: dict[str, list[np.ndarray]] = {"gain": [], "level": []}
    for fold in range(FOLDS):
        order = _orders(world, repeats, groups, rng)
        trains = fold_of_segment[order] != fold
        place = np.cumsum(trains, 1) - 1
        test = slice(fold * world.groups, (fold + 1) * world.groups)
        for fraction in FRACTIONS:
            count = max(1, round(fraction * (groups - world.groups) * SEGMENTS))
            chosen = order[trains & (place < count)].reshape(repeats, count)
            a = np.take_along_axis(squares, chosen[..., None, None], 1).sum(1) + world.ridge * np.eye(INPUTS)
            b = np.take_along_axis(products, chosen[..., None], 1).sum(1)
            errors = []
            for start in (np.zeros(INPUTS), source):
                weights = np.linalg.solve(a, (b + world.ridge * start)[..., None])[..., 0]
                left = outputs[:, test] - np.einsum("rgspi,ri->rgsp", inputs[:, test], weights)
                errors.append(np.log((left**2).mean((2, 3))).mean(1))
            found["gain"].append(errors[0] - errors[1])
            found["level"].append(errors[1])
    shape = (FOLDS, len(FRACTIONS), repeats)
    return {name: np.reshape(values, shape).transpose(2, 1, 0) for name, values in found.items()}


def _orders(world: World, repeats: int, groups: int, rng: np.random.Generator) -> np.ndarray:
    """Return an order of all segments for each repeat, (R, N), in which fractions are prefixes."""
    if not world.whole:
        return np.argsort(rng.random((repeats, groups * SEGMENTS)), 1)
    order = np.argsort(rng.random((repeats, groups)), 1)
    return (order[..., None] * SEGMENTS + np.arange(SEGMENTS)).reshape(repeats, -1)


def shared(repeats: int = REPEATS) -> pd.DataFrame:
    """Return what folds share, and the coverage of the published interval.

    Returns:
        Columns effect (gain or level), drawn (segments or groups), groups, fraction, shared (the largest over `WORLDS`
        of the variance of the mean of folds in variances of one, less 1 / K), allowed (what the interval takes it for),
        coverage (the smallest).
    """
    rows: dict[tuple[str, str, int, float, float], list[tuple[float, float]]] = {}
    for whole, groups, world in product((False, True), GROUPS, WORLDS):
        made = train(replace(world, groups=groups, whole=whole), repeats, np.random.default_rng([groups, whole]))
        for (effect, values), (f, fraction) in product(made.items(), enumerate(FRACTIONS)):
            folds = values[:, f]
            excess = folds.mean(1).var(ddof=1) / folds.var(1, ddof=1).mean() - 1 / FOLDS
            allowed = overlap(fraction) if effect == "gain" else FULL_OVERLAP
            found = [mean_interval(one - folds.mean(), allowed) for one in folds]
            held = float(np.mean([one.low <= 0 <= one.high for one in found]))
            key = (effect, "groups" if whole else "segments", groups, fraction, allowed)
            rows.setdefault(key, []).append((float(excess), held))
    table = [(*key, max(e for e, _ in found), min(h for _, h in found)) for key, found in rows.items()]
    columns = ["effect", "drawn", "groups", "fraction", "allowed", "shared", "coverage"]
    return pd.DataFrame(table, columns=columns).sort_values(columns[:4], ignore_index=True)


def shared_table(found: pd.DataFrame) -> str:
    """Return the table of docs/concepts/statistics.md: what folds share, with the coverage in percent in brackets."""
    lines = ["| effect | drawn | groups a fold | " + " | ".join(f"{100 * f:g} %" for f in FRACTIONS) + " |"]
    lines.append("|---" * (3 + len(FRACTIONS)) + "|")
    for (effect, drawn, groups), rows in found.groupby(["effect", "drawn", "groups"]):
        cells = [f"{s:.3f} ({100 * c:.1f})" for s, c in zip(rows["shared"], rows["coverage"], strict=True)]
        lines.append(f"| {effect} | {drawn} | {groups} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(shared_table(shared(int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS)))
