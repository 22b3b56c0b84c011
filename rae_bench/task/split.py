"""Splits by group and nested fractions, from a stable hash: the same on every machine, for every seed and model."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rae_bench.errors import UserError

TEST_SHARE, VAL_SHARE = 0.1, 0.1


@dataclass(frozen=True)
class Split:
    """Indices of a corpus' segments.

    Attributes:
        train: ordered by hash; fractions are prefixes of it.
        val, test: in the order of the corpus.
    """

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


def _key(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()


def split_by_group(
    ids: Sequence[str], groups: Sequence[str], actions: Sequence[str], frames: np.ndarray, where: str = "domain"
) -> Split:
    """80 / 10 / 10 % of the frames by group, spread over actions.

    Groups are held out in a fixed order: the first group, by hash, of the commonest action, of the next commonest, and
    so on in rounds, so that a test set of few sessions does not happen to be all sitting. An action's last group is
    held out only when nothing else is left. The first groups go to test until it has a tenth of the frames, the next to
    val, the rest to train. A group never straddles two parts.

    Args:
        ids, groups, actions: N names.
        frames: (N,) frames of each segment.

    Raises:
        UserError: fewer than three groups.
    """
    names = _hold_out_order(groups, actions, frames)
    if len(names) < 3:
        raise UserError(
            f"{where}: {len(names)} group(s) of segments; at least 3 are needed to hold out test and val "
            "(a group is a recording session, take or subject: see --group-pattern)"
        )
    size = {name: int(frames[[i for i, g in enumerate(groups) if g == name]].sum()) for name in names}
    total = sum(size.values())
    part: dict[str, str] = {}
    have = {"test": 0, "val": 0}
    for left, name in zip(range(len(names), 0, -1), names, strict=True):
        if have["test"] < TEST_SHARE * total and left > 2:
            part[name] = "test"
        elif have["val"] < VAL_SHARE * total and left > 1:
            part[name] = "val"
        else:
            part[name] = "train"
        if part[name] in have:
            have[part[name]] += size[name]

    def members(which: str) -> np.ndarray:
        return np.array([i for i, group in enumerate(groups) if part[group] == which], dtype=int)

    train = sorted(members("train"), key=lambda i: _key("segment", ids[i]))
    return Split(np.array(train, dtype=int), members("val"), members("test"))


def _hold_out_order(groups: Sequence[str], actions: Sequence[str], frames: np.ndarray) -> list[str]:
    by_action: Counter[str] = Counter()
    by_group: dict[str, Counter[str]] = defaultdict(Counter)
    for group, action, length in zip(groups, actions, frames, strict=True):
        by_action[action] += int(length)
        by_group[group][action] += int(length)
    queues: dict[str, list[str]] = defaultdict(list)
    for group in sorted(by_group, key=lambda name: _key("group", name)):
        commonest = max(by_group[group].items(), key=lambda item: (item[1], item[0]))[0]
        queues[commonest].append(group)
    ordered = sorted(queues, key=lambda action: (-by_action[action], action))
    rounds = max(map(len, queues.values()), default=0)
    first = [queues[action][i] for i in range(rounds) for action in ordered if i < len(queues[action]) - 1]
    return first + sorted((queue[-1] for queue in queues.values()), key=lambda name: _key("group", name))


def prefix(train: np.ndarray, frames: np.ndarray, fraction: float) -> np.ndarray:
    """The shortest prefix of `train` with at least `fraction` of its frames; at least one segment.

    Args:
        frames: (N,) frames of all segments of the corpus.

    Raises:
        UserError: a fraction outside 0 < f <= 1.
    """
    if not 0 < fraction <= 1:
        raise UserError(f"fraction {fraction:g} is not within 0 < f <= 1 (0.05 is 5 % of the target's training frames)")
    running = np.cumsum(frames[train])
    need = fraction * running[-1]
    return train[: int(np.searchsorted(running, need - 1e-9)) + 1]


def subset_hash(ids: Sequence[str]) -> str:
    """sha256 of a set of segment ids."""
    return _key(*sorted(ids))
