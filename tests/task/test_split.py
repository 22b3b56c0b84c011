"""Folds of groups, splits by seed and nested fractions, from a stable hash."""

from __future__ import annotations

import numpy as np
import pytest

from rae_bench.data.generators.locomotion.actions import action_cell_names, action_cells
from rae_bench.data.generators.locomotion.gaits import GAITS
from rae_bench.data.generators.reach.targets import choose_variants, spawn_names
from rae_bench.errors import UserError
from rae_bench.task.cells import FOLDS, fold_of
from rae_bench.task.split import deal_by_frames, deal_by_name, make_folds, prefix, split_of, subset_hash

PINNED = [0, 2, 3, 0, 1, 4, 1, 4, 2, 3]
PINNED_TRAIN = {0: ["take06", "take05", "take08", "take01"], 1: ["take03", "take01", "take08", "take00"]}
PINNED_HASH = "59b271ae1bbcb1d31d41929817f4b16fb439eb4f31520b5ad1d5ce98920a7138"


def corpus(groups: int = 40, size: int = 5) -> tuple[list[str], list[str], list[str], np.ndarray]:
    """Ids, groups, actions and frames; three takes of four walk, the fourth runs."""
    ids = [f"take{g:02d}-{n}" for g in range(groups) for n in range(size)]
    actions = ["run" if g % 4 == 3 else "walk" for g in range(groups) for _ in range(size)]
    return ids, [i.split("-")[0] for i in ids], actions, np.full(len(ids), 150)


def test_five_seeds_test_every_group_once() -> None:
    _, groups, actions, frames = corpus()
    folds = make_folds(groups, actions, groups, frames, 30.0)
    tested = [split_of(folds, groups, seed).test for seed in range(FOLDS)]
    assert sorted(np.concatenate(tested)) == list(range(len(groups)))
    for seed in range(FOLDS):
        split = split_of(folds, groups, seed)
        assert sorted([*split.train, *split.test]) == list(range(len(groups)))
        assert not {groups[i] for i in split.train} & {groups[i] for i in split.test}
    assert [fold_of(seed) for seed in (0, 4, 5, 11)] == [0, 4, 0, 1]


def test_folds_are_balanced_by_frames_within_actions() -> None:
    """However names fall: a fifth of the frames of each action is in each fold, as far as groups allow."""
    rng = np.random.default_rng(0)
    for salt in range(10):
        groups = [f"{salt}/g{int(x)}" for x in rng.integers(0, 100, 1000)]
        actions = ["run" if int(g.rpartition("g")[2]) % 3 == 0 else "walk" for g in groups]
        frames = rng.integers(60, 150, 1000)
        dealt, large = deal_by_frames(groups, actions, frames)
        assert not large
        of = np.array([dealt[g] for g in groups])
        for action in ("walk", "run"):
            mine = np.array([a == action for a in actions])
            shares = np.bincount(of[mine], frames[mine], FOLDS) / frames[mine].sum()
            assert shares == pytest.approx(0.2, abs=0.03)


def test_a_group_above_a_fifth_is_a_fold_and_its_share_is_told() -> None:
    groups = ["session"] * 10 + [f"take{n}" for n in range(20)]
    frames = np.full(30, 100)
    folds = make_folds(groups, ["walk"] * 30, groups, frames, 30.0)
    assert set(folds.of[:10]) == {folds.of[0]}
    assert folds.of[0] not in folds.of[10:]
    assert folds.large == {"session": pytest.approx(1 / 3)}
    assert np.bincount(folds.of[10:], minlength=FOLDS).tolist() == [0, 5, 5, 5, 5]


def test_combinations_are_dealt_by_name_alike_on_all_rigs() -> None:
    dealt = deal_by_name(action_cell_names())
    for legs in GAITS:
        cells = action_cells(legs)
        names = [cell.group for cell in cells]
        actions, frames = [cell.action for cell in cells], np.full(len(cells), 150)
        folds = make_folds(names, actions, names, frames, 30.0, action_cell_names())
        assert folds.of.tolist() == [dealt[name] for name in names]
        assert np.bincount(folds.of, minlength=FOLDS) == pytest.approx(len(names) / FOLDS, abs=3)
        for fold in range(FOLDS):  # no fold holds one turn, or one speed, and nothing else
            held = [name.split("/") for name, f in zip(names, folds.of, strict=True) if f == fold]
            assert all(len(set(column)) > 3 for column in zip(*held, strict=True))


@pytest.mark.parametrize("clips", [12, 20, 24, 40])
def test_few_clips_are_of_all_folds(clips: int) -> None:
    dealt = deal_by_name(action_cell_names())
    for legs in GAITS:
        cells = action_cells(legs)
        assert {dealt[cells[i * len(cells) // clips].group] for i in range(clips)} == set(range(FOLDS))


def test_spawn_points_are_dealt_by_name() -> None:
    names = [variant.group for variant in choose_variants(240)]
    folds = make_folds(names, ["reach"] * 240, names, np.full(240, 300), 60.0, spawn_names())
    assert np.bincount(folds.of).tolist() == [48] * FOLDS
    assert set(names) == set(spawn_names())


def test_a_combination_that_the_motion_does_not_have_is_refused() -> None:
    with pytest.raises(UserError, match="'hop/slow' is no combination"):
        make_folds(["hop/slow"] * 6, ["hop"] * 6, ["x"] * 6, np.full(6, 100), 30.0, ("walk/slow", "walk/fast"))


def test_order_of_the_input_does_not_matter() -> None:
    ids, groups, actions, frames = corpus()
    order = np.random.default_rng(1).permutation(len(ids))
    shuffled = [[names[i] for i in order] for names in (groups, actions)]
    a = make_folds(groups, actions, groups, frames, 30.0)
    b = make_folds(*shuffled, shuffled[0], frames[order], 30.0)
    assert a.of[order].tolist() == b.of.tolist()
    mine = [groups[i] for i in split_of(a, groups, 3).train]
    other = [shuffled[0][i] for i in split_of(b, shuffled[0], 3).train]
    assert mine == other


def test_pinned() -> None:
    """Folds and order must never change within a version: results on either side could not be compared."""
    _, groups, actions, frames = corpus(groups=10, size=1)
    folds = make_folds(groups, actions, groups, frames, 30.0)
    assert folds.of.tolist() == PINNED
    for seed, expected in PINNED_TRAIN.items():
        assert [groups[i] for i in split_of(folds, groups, seed).train][:4] == expected
    assert subset_hash(["a", "b"]) == subset_hash(["b", "a"])
    assert subset_hash(["a", "b"]) == PINNED_HASH
    assert subset_hash(["a"]) != subset_hash(["a", "b"])


def test_few_groups_are_cut_into_blocks_with_a_gap() -> None:
    takes = ["one"] * 12 + ["two"] * 8
    folds = make_folds(takes, ["walk"] * 20, takes, np.full(20, 150), 30.0)
    assert folds.blocks
    assert folds.of.tolist() == sorted(folds.of.tolist())
    assert np.bincount(folds.of).tolist() == [4] * FOLDS
    # The third block ends where the take does: nothing follows that it could leak into.
    assert folds.lengths.tolist() == [120 if n in (3, 7, 15) else 150 for n in range(20)]


def test_a_short_segment_before_the_next_block_is_left_out() -> None:
    lengths = np.array([150, 40] * 5)
    folds = make_folds(["one"] * 10, ["walk"] * 10, ["one"] * 10, lengths, 30.0)
    assert folds.of.tolist() == [0, -1, 1, -1, 2, -1, 3, -1, 4, 4]
    split = split_of(folds, [str(n) for n in range(10)], 0)
    assert sorted(split.train) == [2, 4, 6, 8, 9]


def test_too_few_segments_to_hold_any_out() -> None:
    with pytest.raises(UserError, match=r"domain 'dog': 4 segment\(s\); at least 5"):
        make_folds(["a"] * 4, ["walk"] * 4, ["a"] * 4, np.full(4, 100), 30.0, where="domain 'dog'")


def test_fractions_are_nested_prefixes_of_another_order_for_each_seed() -> None:
    ids, groups, actions, frames = corpus()
    folds = make_folds(groups, actions, ids, frames, 30.0)
    train = split_of(folds, ids, 0).train
    parts = [prefix(train, ids, frames, f) for f in (0.001, 0.01, 0.05, 0.2, 0.5, 1)]
    for part in parts:
        np.testing.assert_array_equal(part, train[: len(part)])
    assert [len(part) for part in parts] == [1, 2, 8, 32, 80, 160]
    later = split_of(folds, ids, FOLDS).train  # the same fold, another draw
    assert sorted(later) == sorted(train)
    assert later.tolist() != train.tolist()


def test_a_fraction_of_recordings_is_of_whole_takes() -> None:
    _, takes, actions, frames = corpus()
    folds = make_folds(takes, actions, takes, frames, 30.0)
    train = split_of(folds, takes, 2).train
    for fraction in (0.001, 0.05, 0.2, 0.5):
        part = prefix(train, takes, frames, fraction)
        inside = {takes[i] for i in part}
        assert len(part) == 5 * len(inside)
        assert fraction * 160 <= len(part) < fraction * 160 + 5


def test_a_fraction_counts_frames() -> None:
    frames, takes = np.array([100, 300, 100, 100]), ["a", "b", "c", "d"]
    train = np.array([1, 0, 2, 3])
    assert prefix(train, takes, frames, 0.5).tolist() == [1]
    assert prefix(train, takes, frames, 0.51).tolist() == [1, 0]


@pytest.mark.parametrize("fraction", [0, -0.1, 2, 1.01, float("nan")])
def test_fractions_out_of_range(fraction: float) -> None:
    with pytest.raises(UserError, match="not within 0 < f <= 1"):
        prefix(np.arange(3), ["a", "b", "c"], np.full(3, 10), fraction)
