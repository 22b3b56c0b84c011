"""Other real clips: for each held-out clip a real one of the same action and of another group, to compare with."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from rae_bench.errors import UserError
from rae_bench.motion.motion import Motion
from rae_bench.task.held_out import MINIMUM_GENERATED, HeldOutClips
from rae_bench.task.sides import Side


@dataclass(frozen=True, eq=False)
class OtherClips:
    """One real clip beside each of N held-out clips.

    Attributes:
        motion: N clips, frames after the history, no more of each than its held-out clip has.
        ids, groups, actions: N names.
        held_out_groups: N names, the groups of the held-out clips. In a domain that was cut into blocks of time, where
            one group may be on both sides, every clip counts as a group.
        strangers: the actions of held-out clips beside which a clip of another action stands, because no group outside
            the test part has theirs.
    """

    motion: Motion
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    actions: tuple[str, ...]
    held_out_groups: tuple[str, ...]
    strangers: tuple[str, ...]


def _order(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()


def outside(side: Side, seed: int) -> list[int]:
    """Return the segments that a seed trains on, as far as they are long enough to be test clips.

    Raises:
        UserError: there is none.
    """
    history = round(side.protocol.history * side.protocol.fps)
    least = history + round(MINIMUM_GENERATED * side.protocol.fps)
    pool = sorted(int(i) for i in side.split(seed).train if side.motion.lengths[i] >= least)
    if not pool:
        raise UserError(
            f"domain '{side.corpus.name}': no segment outside the test part is long enough to compare generated motion "
            "with; more groups are needed"
        )
    return pool


def other_real_clips(side: Side, exam: HeldOutClips, seed: int) -> OtherClips:
    """Pick a real clip of the same action and another group beside each held-out clip.

    Candidates are all segments that the seed trains on, whatever the fraction. Those that were picked least go first,
    then those that are as long as the held-out clip, then the order of a stable hash of the seed and both ids. So a
    segment is picked twice only where an action has too few, and nothing depends on the order of clips. Where no
    candidate has the action, all are candidates.

    Args:
        side: the domain that the clips are of.
        exam: N held-out clips of it.
        seed: of the hash.

    Raises:
        UserError: no such segment is long enough.
    """
    corpus, pool = side.corpus, outside(side, seed)
    history, lengths = round(side.protocol.history * side.protocol.fps), side.motion.lengths
    picked = np.empty(len(exam.ids), int)
    used: Counter[int] = Counter()
    strangers = set()
    wanted = (history + exam.truth.lengths).tolist()

    def rank(n: int, i: int) -> tuple[int, int, str]:
        """Order segments beside clip n: the least used first, then the longest up to what is wanted, then any."""
        return used[i], -min(int(lengths[i]), wanted[n]), _order("other", str(seed), exam.ids[n], corpus.ids[i])

    for n in sorted(range(len(exam.ids)), key=lambda n: _order("held out", str(seed), exam.ids[n])):
        same = [i for i in pool if corpus.actions[i] == exam.actions[n]]
        if not same:
            strangers.add(exam.actions[n])
        picked[n] = min(same or pool, key=partial(rank, n))
        used[picked[n]] += 1
    motion = side.motion[picked].cut(history, history + exam.truth.root_positions.shape[1])
    ids, groups, actions = (tuple(column[i] for i in picked) for column in (corpus.ids, corpus.groups, corpus.actions))
    motion = replace(motion, lengths=np.minimum(motion.lengths, exam.truth.lengths))
    held = tuple(exam.groups)
    if side.folds.blocks:
        groups, held = ids, tuple(exam.ids)
    return OtherClips(motion, ids, groups, actions, held, tuple(sorted(strangers)))
