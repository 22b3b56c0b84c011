"""Which clips and which roll-outs of many are shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.errors import UserError, unknown
from rae_bench.model.regimes import NO_REGIME, REGIMES, ZERO_SHOT, percent
from rae_bench.results.columns import COLUMNS
from rae_bench.results.rows import ERROR
from rae_bench.task.cells import NEAREST, TRUTH, row_label
from rae_bench.viewer.kinds import COLOURS, kind_of

DEFAULT_CLIPS, PAGE_CLIPS = 4, 100
"""Clips of pictures and films, and of pages, where nobody says how many."""


@dataclass(frozen=True)
class Choice:
    """Which clips and roll-outs of a result or domain are shown.

    Attributes:
        names: globs on ids and actions of clips; all clips where there are none.
        clips: the number of clips; 0 for `few`.
        regimes: kinds of roll-outs, keys of `COLOURS`; all kinds where there are none.
        fraction, seed: of the roll-outs; None for the first of each kind.
    """

    names: tuple[str, ...] = ()
    clips: int = 0
    regimes: tuple[str, ...] = ()
    fraction: float | None = None
    seed: int | None = None

    @property
    def few(self) -> int:
        """The number of clips of a picture or a film: `DEFAULT_CLIPS` unless given, or as many as there are names."""
        return self.clips or max(DEFAULT_CLIPS, len(self.names))

    @property
    def for_page(self) -> Choice:
        """The same for a page, which shows all clips, up to `PAGE_CLIPS`, unless their number is given."""
        return self if self.clips else replace(self, clips=PAGE_CLIPS)


ALL = Choice()


@dataclass(frozen=True)
class Rollout:
    """A cell's trajectory.

    Attributes:
        kind: a regime, `full` or a control.
        label: the row in words.
        file: the trajectory.
        note: small print beside the label.
    """

    kind: str
    label: str
    file: Path
    note: str = ""


def pick_clips(ids: Sequence[str], actions: Sequence[str], lengths: np.ndarray, choice: Choice) -> list[int]:
    """Pick the longest clip of every action, then the second longest, up to the number of clips of the choice.

    Args:
        ids, actions: names of N clips.
        lengths: (N,) frames.
        choice: which clips may be picked, and how many.

    Returns:
        Places among the N clips.

    Raises:
        UserError: a name that no clip has.
    """
    for name in choice.names:
        if not any(fnmatchcase(word, name) for word in (*ids, *actions)):
            raise unknown("clip or action", name, {*actions, *get_close_matches(name, ids)})
    rank: dict[str, int] = {}
    order = []
    for n in np.argsort(-np.asarray(lengths), kind="stable"):
        if choice.names and not any(fnmatchcase(word, name) for word in (ids[n], actions[n]) for name in choice.names):
            continue
        rank[actions[n]] = rank.get(actions[n], 0) + 1
        order.append((rank[actions[n]], int(n)))
    return [n for _, n in sorted(order, key=lambda pair: pair[0])[: choice.few]]


def pick_rollouts(
    results: Iterable[tuple[dict[str, Any], Path]], choice: Choice = ALL
) -> tuple[list[Rollout], list[str]]:
    """Pick the first roll-out of every kind, all of one seed where the choice names it.

    Rows that do not depend on the target's fraction (`zero-shot`, `full`, controls but `nearest`) fit every fraction.

    Args:
        results: cell results and their paths.
        choice: which roll-outs may be picked.

    Returns:
        The roll-outs in the order of `COLOURS`, and the kinds that cannot be shown, in words.
    """
    first: dict[str, Rollout] = {}
    missing: dict[str, str] = {}
    for result, path in results:
        label = row_label(result["model"], result["regime"], result["fraction"])
        kind, file = kind_of(label), path.with_suffix(".npz")
        varies = kind == NEAREST or (kind in REGIMES and REGIMES[kind].needs_target)
        if kind not in COLOURS or kind == TRUTH or (choice.regimes and kind not in choice.regimes):
            continue
        if varies and choice.fraction is not None and not math.isclose(result["fraction"], choice.fraction):
            continue
        if choice.seed not in (None, result["seed"]):  # another seed may have other test clips
            continue
        if result["status"] != "ok" or not file.exists():
            missing.setdefault(label, result["status"] if result["status"] != "ok" else "no trajectory")
            continue
        error = result["metrics"].get(ERROR, {}).get("value")
        column = COLUMNS[ERROR]
        note = f"{error:.{column.digits}f} {column.unit}" if isinstance(error, (int, float)) else ""
        first.setdefault(kind, Rollout(kind, label, file, note))
    absent = [f"{label} ({why})" for label, why in missing.items() if kind_of(label) not in first]
    return [first[kind] for kind in COLOURS if kind in first], absent


def check_choice(choice: Choice, results: Sequence[dict[str, Any]], folder: Path) -> None:
    """Raise `UserError` where a choice names a kind, fraction or seed that the results do not have."""
    kinds = [kind for kind in COLOURS if kind != TRUTH]
    for regime in choice.regimes:
        if regime not in kinds:
            raise unknown("regime or control", regime, kinds)
    learned = [r for r in results if r["regime"] not in (NO_REGIME, ZERO_SHOT)]
    fractions = sorted({float(r["fraction"]) for r in learned})
    if choice.fraction is not None and not any(math.isclose(choice.fraction, f) for f in fractions):
        known = ", ".join(map(percent, fractions))
        raise UserError(f"{folder}: no cells of --fraction {percent(choice.fraction)}; there are {known or 'none'}")
    seeds = sorted({int(r["seed"]) for r in learned})
    if choice.seed is not None and choice.seed not in seeds:
        raise UserError(f"{folder}: no cells of --seed {choice.seed}; there are {', '.join(map(str, seeds)) or 'none'}")
