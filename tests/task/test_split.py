"""Splits by group from a stable hash."""

import numpy as np
import pytest

from rae_bench.errors import UserError
from rae_bench.task.split import prefix, split_by_group, subset_hash

PINNED = {
    "train": ["take03-0", "take00-0", "take01-1", "take03-1", "take01-0", "take00-1"],
    "val": ["take02-0", "take02-1"],
    "test": ["take04-0", "take04-1"],
}
PINNED_HASH = "59b271ae1bbcb1d31d41929817f4b16fb439eb4f31520b5ad1d5ce98920a7138"


def corpus(groups: int = 40, size: int = 5) -> tuple[list[str], list[str], list[str], np.ndarray]:
    """Ids, groups, actions and frames; three takes of four walk, the fourth runs."""
    ids = [f"take{g:02d}-{n}" for g in range(groups) for n in range(size)]
    actions = ["run" if g % 4 == 3 else "walk" for g in range(groups) for _ in range(size)]
    return ids, [i.split("-")[0] for i in ids], actions, np.full(len(ids), 150)


def test_shares_and_whole_groups() -> None:
    ids, groups, actions, frames = corpus()
    split = split_by_group(ids, groups, actions, frames)
    parts = {"train": split.train, "val": split.val, "test": split.test}
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(ids)))
    names = {part: {groups[i] for i in indices} for part, indices in parts.items()}
    assert not names["train"] & names["val"]
    assert not names["train"] & names["test"]
    assert not names["val"] & names["test"]
    share = {part: frames[indices].sum() / frames.sum() for part, indices in parts.items()}
    assert share == pytest.approx({"train": 0.8, "val": 0.1, "test": 0.1}, abs=0.03)


def test_uneven_groups_share_out_frames_not_names() -> None:
    rng = np.random.default_rng(0)
    groups = [f"g{int(x)}" for x in rng.integers(0, 60, 600)]
    ids = [f"s{i}" for i in range(600)]
    frames = rng.integers(60, 150, 600)
    split = split_by_group(ids, groups, ["walk"] * 600, frames)
    assert frames[split.test].sum() / frames.sum() == pytest.approx(0.1, abs=0.03)
    assert frames[split.val].sum() / frames.sum() == pytest.approx(0.1, abs=0.03)


def test_held_out_groups_are_spread_over_actions() -> None:
    """However the hash falls: of the four groups held out for test, actions take turns."""
    for salt in range(20):
        ids, groups, actions, frames = corpus()
        groups = [f"{salt}/{g}" for g in groups]
        split = split_by_group(ids, groups, actions, frames)
        for part in (split.test, split.val):
            assert {actions[i] for i in part} == {"walk", "run"}


def test_an_action_of_one_group_is_trained_on() -> None:
    ids, groups, actions, frames = corpus()
    actions = ["crawl" if g == "take07" else a for g, a in zip(groups, actions, strict=True)]
    split = split_by_group(ids, groups, actions, frames)
    assert "crawl" in {actions[i] for i in split.train}


def test_order_of_the_input_does_not_matter() -> None:
    ids, groups, actions, frames = corpus()
    order = np.random.default_rng(1).permutation(len(ids))
    a = split_by_group(ids, groups, actions, frames)
    b = split_by_group([ids[i] for i in order], [groups[i] for i in order], [actions[i] for i in order], frames[order])
    for part in ("train", "val", "test"):
        mine = [ids[i] for i in getattr(a, part)]
        other = [ids[order[i]] for i in getattr(b, part)]
        # The order of training segments decides what a fraction holds; that of the others decides nothing.
        assert mine == other if part == "train" else sorted(mine) == sorted(other)


def test_pinned() -> None:
    """The split must never change: results on either side of a change could not be compared."""
    ids, groups, actions, frames = corpus(groups=5, size=2)
    split = split_by_group(ids, groups, actions, frames)
    assert {part: [ids[i] for i in getattr(split, part)] for part in ("train", "val", "test")} == PINNED
    assert subset_hash(["a", "b"]) == subset_hash(["b", "a"])
    assert subset_hash(["a", "b"]) == PINNED_HASH
    assert subset_hash(["a"]) != subset_hash(["a", "b"])


def test_fractions_are_nested_prefixes() -> None:
    ids, groups, actions, frames = corpus()
    train = split_by_group(ids, groups, actions, frames).train
    parts = [prefix(train, frames, f) for f in (0.001, 0.01, 0.05, 0.2, 0.5, 1)]
    for part in parts:
        np.testing.assert_array_equal(part, train[: len(part)])
    sizes = [len(part) for part in parts]
    assert sizes == [1, 2, 8, 32, 80, 160]


def test_a_fraction_counts_frames() -> None:
    frames = np.array([100, 300, 100, 100])
    train = np.array([1, 0, 2, 3])
    assert prefix(train, frames, 0.5).tolist() == [1]
    assert prefix(train, frames, 0.51).tolist() == [1, 0]


@pytest.mark.parametrize("fraction", [0, -0.1, 2, 1.01, float("nan")])
def test_fractions_out_of_range(fraction: float) -> None:
    with pytest.raises(UserError, match="not within 0 < f <= 1"):
        prefix(np.arange(3), np.full(3, 10), fraction)


def test_three_groups_are_enough_and_two_are_not() -> None:
    split = split_by_group(["a", "b", "c"], ["x", "y", "z"], ["walk"] * 3, np.full(3, 100))
    assert [len(split.train), len(split.val), len(split.test)] == [1, 1, 1]
    with pytest.raises(UserError, match=r"domain 'dog': 2 group\(s\).*at least 3"):
        split_by_group(["a", "b", "c"], ["x", "y", "y"], ["walk"] * 3, np.full(3, 100), "domain 'dog'")
