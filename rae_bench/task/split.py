"""Folds of groups and nested fractions, from stable hashes: the same on every machine and for every model.

A domain's groups are dealt into five folds. Seed s tests on fold s mod 5 and trains on the other four, so that five
seeds test every group once (docs/develop/design.md 4.1).
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rae_bench.errors import UserError
from rae_bench.task.cells import FOLDS, fold_of

GAP = 1.0
"""Seconds left out between two blocks of a domain that has fewer groups than folds."""


@dataclass(frozen=True, eq=False)
class Folds:
    """The fold of each of N segments.

    Attributes:
        of: (N,) int, 0 to 4; -1 for a segment that lies in the gap between two blocks.
        lengths: (N,) int, frames of each segment that are used; fewer than it has where a block ends.
        blocks: whether the domain has too few groups, so that it was cut into blocks of time. It is never ranked.
        large: groups that are a fold by themselves, with their share of the frames.
    """

    of: np.ndarray
    lengths: np.ndarray
    blocks: bool = False
    large: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Split:
    """Indices of a corpus' segments for one seed.

    Attributes:
        train: ordered take by take by a hash of the seed; fractions are prefixes of it.
        test: the seed's fold, in the order of the corpus. Of a source it is neither trained nor tested on; `tune`
            validates on it.
    """

    train: np.ndarray
    test: np.ndarray


def _key(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()


def deal_by_name(names: Sequence[str]) -> dict[str, int]:
    """Deal the combinations of a built-in motion into folds: {name: fold}, alike on all rigs.

    Names go round the folds family by family. A family is what stands before the first "/", such as a gait; its names
    are in the order of a hash. Which of them a rig has does not matter.

    Args:
        names: all combinations of the motion, on whatever rig, in a fixed order of families.
    """
    families: dict[str, list[str]] = defaultdict(list)
    for name in names:
        families[name.partition("/")[0]].append(name)
    ordered = [name for family in families.values() for name in sorted(family, key=lambda name: _key("group", name))]
    return {name: place % FOLDS for place, name in enumerate(ordered)}


def deal_by_frames(
    groups: Sequence[str], actions: Sequence[str], frames: np.ndarray
) -> tuple[dict[str, int], dict[str, float]]:
    """Deal groups into folds that are balanced by frames within actions: {group: fold}, and groups that are a fold.

    A group above a fifth of the frames is a fold by itself. The others come one by one, the largest first. Each goes
    to the fold that has the fewest frames of the group's commonest action, and of those to the one with the fewest
    frames. Ties fall by a hash of the group's name.

    Args:
        groups, actions: N names, of at least five groups.
        frames: (N,) frames of each segment.

    Returns:
        {group: fold}; {group: share of the frames} of the groups that are a fold by themselves.
    """
    size: Counter[str] = Counter()
    by_action: dict[str, Counter[str]] = defaultdict(Counter)
    for group, action, length in zip(groups, actions, frames.tolist(), strict=True):
        size[group] += length
        by_action[group][action] += length
    total = sum(size.values())
    ordered = sorted(size, key=lambda group: (-size[group], _key("group", group)))
    large = {group: size[group] / total for group in ordered if FOLDS * size[group] > total}
    fold = {group: place for place, group in enumerate(large)}
    free = list(range(len(large), FOLDS))
    have = dict.fromkeys(free, 0)
    have_of: dict[str, Counter[int]] = defaultdict(Counter)
    for group in ordered[len(large) :]:
        commonest = max(by_action[group].items(), key=lambda item: (item[1], item[0]))[0]
        chosen = min(free, key=lambda k: (have_of[commonest][k], have[k], k))
        fold[group] = chosen
        have[chosen] += size[group]
        for action, length in by_action[group].items():
            have_of[action][chosen] += length
    return fold, large


def make_folds(
    groups: Sequence[str], actions: Sequence[str], takes: Sequence[str], frames: np.ndarray, fps: float,
    combinations: Sequence[str] = (), where: str = "domain",
) -> Folds:
    """Deal the groups of a corpus into folds; cut it into five blocks of time where it has fewer groups than that.

    Args:
        groups, actions, takes: N names; segments of one take follow one another in time.
        frames: (N,) frames of each segment.
        fps: frames per second.
        combinations: those of `deal_by_name`; () for recordings.
        where: name of the domain, for messages.

    Raises:
        UserError: fewer than five segments, or a group that is none of the combinations.
    """
    frames = np.asarray(frames, int)
    if combinations:
        by_name = deal_by_name(combinations)
        strange = sorted(set(groups) - set(by_name))
        if strange:
            raise UserError(f"{where}: '{strange[0]}' is no combination of its built-in motion; make it again")
        return Folds(np.array([by_name[group] for group in groups], int), frames)
    if len(set(groups)) >= FOLDS:
        dealt, large = deal_by_frames(groups, actions, frames)
        return Folds(np.array([dealt[group] for group in groups], int), frames, large=large)
    if len(groups) < FOLDS:
        raise UserError(
            f"{where}: {len(groups)} segment(s); at least {FOLDS} are needed to hold a fifth out. Import more motion, "
            "or cut it shorter (--seconds)"
        )
    return _blocks(takes, frames, round(GAP * fps))


def _blocks(takes: Sequence[str], frames: np.ndarray, gap: int) -> Folds:
    """Five blocks of consecutive segments, alike in number.

    Where one block ends and the next goes on in the same take, the last `gap` frames of the block are not used. A
    segment that is too short for that is left out, unless it is a block by itself.
    """
    blocks = np.array_split(np.arange(len(frames)), FOLDS)
    of, lengths = np.repeat(np.arange(FOLDS), [len(block) for block in blocks]), frames.copy()
    for block in blocks[:-1]:
        end = block[-1]
        if takes[end] != takes[end + 1]:
            continue
        if frames[end] > 2 * gap:
            lengths[end] -= gap
        elif len(block) > 1:
            of[end] = -1
    return Folds(of, lengths, blocks=True)


def split_of(folds: Folds, takes: Sequence[str], seed: int) -> Split:
    """Return what a seed trains and tests on.

    Args:
        folds: of N segments.
        takes: N names of what fractions are drawn by; the segments of a take follow one another in `train`.
        seed: any whole number from 0 on.
    """
    tested = fold_of(seed)
    train = np.flatnonzero((folds.of != tested) & (folds.of >= 0))
    key = {take: _key("take", str(seed), take) for take in set(takes)}
    ordered = sorted(train.tolist(), key=lambda i: (key[takes[i]], i))
    return Split(np.array(ordered, int), np.flatnonzero(folds.of == tested))


def prefix(train: np.ndarray, takes: Sequence[str], frames: np.ndarray, fraction: float) -> np.ndarray:
    """Return the shortest prefix of whole takes with at least `fraction` of the frames; at least one take.

    Args:
        train: of `Split`.
        takes: N names of what must stay together.
        frames: (N,) frames of all segments of the corpus.

    Raises:
        UserError: a fraction outside 0 < f <= 1.
    """
    if not 0 < fraction <= 1:
        raise UserError(f"fraction {fraction:g} is not within 0 < f <= 1 (0.05 is 5 % of the target's training frames)")
    running = np.cumsum(frames[train])
    last = int(np.searchsorted(running, fraction * running[-1] - 1e-9))
    while last + 1 < len(train) and takes[train[last + 1]] == takes[train[last]]:
        last += 1
    return train[: last + 1]


def subset_hash(ids: Sequence[str]) -> str:
    """sha256 of a set of segment ids."""
    return _key(*sorted(ids))
