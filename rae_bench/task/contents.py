"""What a task's folds and fractions hold: takes, groups, segments and seconds, in all and by action."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rae_bench.task.cells import FOLDS
from rae_bench.task.sides import Side


@dataclass(frozen=True)
class Contents:
    """What a set of segments holds.

    Attributes:
        takes: recordings that they were cut from; each clip of built-in motion is one.
        groups: of them a fold has all or nothing.
        segments: their number.
        seconds: of motion.
        actions: action -> seconds of its segments, in alphabetical order.
    """

    takes: int
    groups: int
    segments: int
    seconds: float
    actions: dict[str, float]


def contents_of(side: Side, indices: Iterable[int]) -> Contents:
    """Return what the segments of a side with these indices hold."""
    picked = [int(i) for i in indices]
    corpus, seconds = side.corpus, side.motion.lengths / side.protocol.fps
    actions: dict[str, float] = {}
    for i in sorted(picked, key=lambda i: corpus.actions[i]):
        actions[corpus.actions[i]] = actions.get(corpus.actions[i], 0.0) + float(seconds[i])
    return Contents(
        takes=len({corpus.takes[i] for i in picked}),
        groups=len({corpus.groups[i] for i in picked}),
        segments=len(picked),
        seconds=float(seconds[picked].sum()),
        actions=actions,
    )


def contents_of_folds(side: Side) -> list[Contents]:
    """Return what each fold of a side holds, and last what all of them hold together."""
    of = side.folds.of
    return [contents_of(side, np.flatnonzero(of == fold)) for fold in range(FOLDS)] + [
        contents_of(side, np.flatnonzero(of >= 0))
    ]


def contents_of_fractions(side: Side) -> dict[float, list[Contents]]:
    """Return what each fraction of the training motion holds, 1 included, for the seeds 0 to 4."""
    fractions = (*side.protocol.fractions, 1.0)
    return {f: [contents_of(side, side.fraction(seed, f)) for seed in range(FOLDS)] for f in fractions}
