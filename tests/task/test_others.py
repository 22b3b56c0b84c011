"""Other real clips: of the same action, of another group, the same for the same seed."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from rae_bench.errors import UserError
from rae_bench.task.named import load_task
from rae_bench.task.others import other_real_clips
from rae_bench.task.sides import Side, load_sides


@pytest.fixture(scope="module")
def side() -> Side:
    return load_sides(load_task("biped2quad"))[1]


def test_each_is_of_the_same_action_and_of_another_group(side: Side) -> None:
    exam = side.held_out_clips(side.split(0).test)
    others = other_real_clips(side, exam, 0)
    assert list(others.actions) == exam.actions
    assert not set(others.groups) & set(exam.groups)
    assert len(others.motion) == len(exam.truth)
    assert others.strangers == ()
    assert len(set(others.ids)) == len(others.ids)
    assert (others.motion.lengths <= exam.truth.lengths).all()
    history = round(side.protocol.history * side.protocol.fps)
    first = side.corpus.ids.index(others.ids[0])
    whole = side.corpus.motion[[first]].cut(history)
    assert (others.motion.root_positions[0] == whole.root_positions[0]).all()


def test_picks_depend_on_the_seed_and_not_on_the_order_of_clips(side: Side) -> None:
    test = side.split(0).test
    one, two = (other_real_clips(side, side.held_out_clips(test), seed).ids for seed in (0, 5))
    assert one != two
    turned = other_real_clips(side, side.held_out_clips(test[::-1]), 0).ids
    assert turned[::-1] == one


def test_an_action_that_no_other_group_has_is_told(side: Side) -> None:
    exam = side.held_out_clips(side.split(0).test)
    rare = replace(exam, actions=["moonwalk", *exam.actions[1:]])
    others = other_real_clips(side, rare, 0)
    assert others.strangers == ("moonwalk",)
    assert list(others.actions[1:]) == exam.actions[1:]


def test_too_few_clips_are_used_alike_often(side: Side) -> None:
    exam = side.held_out_clips(side.split(0).test)
    test = set(exam.groups)
    kept = [i for i, g in enumerate(side.corpus.groups) if g in test] + [
        i for i, g in enumerate(side.corpus.groups) if g not in test and side.corpus.actions[i] == exam.actions[0]
    ][:2]
    few = side.corpus[kept]
    others = other_real_clips(Side(few, side.protocol), exam, 0)
    counts = Counter(others.ids)
    assert len(counts) == 2
    assert abs(np.diff(list(counts.values()))[0]) <= 1 + sum(a != exam.actions[0] for a in exam.actions) % 2


def test_nothing_outside_the_test_part_is_refused(side: Side) -> None:
    alone = Side(side.corpus[side.split(0).test], side.protocol)
    with pytest.raises(UserError, match="no segment outside the test part"):
        other_real_clips(alone, side.held_out_clips(side.split(0).test), 0)
