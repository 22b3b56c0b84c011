import math

import numpy as np
import pandas as pd
import pytest

from rae_bench.errors import UserError
from rae_bench.statistics.intervals import half_width, mean_interval
from rae_bench.statistics.ranks import pair_tests, rank_table, tie_letters


def scores(entries: dict[str, float], noise: float = 0.01, seeds: int = 5, tasks: str = "tuvw") -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        (entry, task, seed, level + noise * rng.standard_normal())
        for entry, level in entries.items()
        for task in tasks
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows, columns=["entry", "task", "seed", "value"])


def ranks(table: pd.DataFrame) -> pd.DataFrame:
    return rank_table(table, 0.2)


def test_three_entries_by_hand() -> None:
    """Scores of the tasks t, u, v are 0, 1 and 5 times the entry's level: their interquartile mean is 1.5 times it."""
    rows = [
        (entry, task, seed, level * times + step * (seed - 1))
        for entry, level, step in (("low", 1.0, 0.0), ("high", 4.0, 0.0), ("wide", 1.0, 2.0))
        for task, times in (("t", 0), ("u", 1), ("v", 5))
        for seed in range(3)
    ]
    found = ranks(pd.DataFrame(rows, columns=["entry", "task", "seed", "value"])).set_index("entry")
    assert found["score"].to_dict() == pytest.approx({"low": 1.5, "wide": 1.5, "high": 6.0})
    # `wide` varies by s^2 = 4 from fold to fold, the others not at all: (4 + 4 + 0) / 3 is the mean of the pairs'
    # variances. `low` and `high` differ by 4.5, t = 4.5 / sqrt(8/3 (1/3 + 1/20)) = 4.45 of four degrees, p = 0.011.
    # `wide` has a variance of 2.5 x 4 of its own: t = 2.30, p = 0.083.
    assert found[["rank_low", "rank_high"]].loc["low"].tolist() == [1, 2]
    assert found[["rank_low", "rank_high"]].loc["wide"].tolist() == [1, 3]
    assert found[["rank_low", "rank_high"]].loc["high"].tolist() == [2, 3]
    assert found["provisional"].all()
    half = 4.30265 * math.sqrt(2.5 * (1 / 3 + 1 / 4) * 4)  # a level: as if all had been trained on all data
    assert (found["low"]["wide"], found["high"]["wide"]) == pytest.approx((1.5 - half, 1.5 + half), abs=1e-4)
    _, errors, p, freedom = pair_tests(np.array([[1.5] * 3, [6.0] * 3, [-0.5, 1.5, 3.5]]), 0.05)
    assert errors**2 == pytest.approx(np.array([8 / 3, 10, 10]) * (1 / 3 + 1 / 20))
    assert p[:2] == pytest.approx([0.0112, 1.0], abs=2e-4)
    assert freedom == 4


def test_a_pair_alone_is_judged_as_in_a_comparison() -> None:
    values = np.array([[1.0, 2, 3, 4, 6], [2.0, 2, 5, 4, 9]])
    mean, error, p, freedom = pair_tests(values, 0.05)
    found = mean_interval(values[1] - values[0], 0.05)
    assert (mean[0], p[0]) == pytest.approx((found.estimate, found.p))
    assert (found.high - found.low) / 2 == pytest.approx(half_width(freedom) * error[0])


def test_entries_compare_on_the_folds_that_both_have() -> None:
    nan = math.nan
    values = np.array([[1.0, 2, 4, nan], [2.0, 4, 5, 9], [nan, nan, 3, 3]])
    mean, error, p, freedom = pair_tests(values, 0.0)
    assert mean == pytest.approx([4 / 3, -1, -4])
    assert np.isnan([error[1], p[1]]).all()  # one fold in common
    # Squares of the pairs: 2/3 of three folds, and 8 of two: (2/3 + 8) / (2 + 1) on average.
    common = (2 / 3 + 8) / 3
    assert error[[0, 2]] ** 2 == pytest.approx([common / 3, max(common, 2.5 * 8) / 2])
    assert freedom == pytest.approx(2 * 3 / 3)


def test_equal_scores_are_no_difference() -> None:
    _, _, p, _ = pair_tests(np.array([[1.0, 1, 1], [1.0, 1, 1], [2.0, 2, 2]]), 0.05)
    assert p.tolist() == [1, 0, 0]
    table = scores({"a": 0.5, "b": 0.5}, noise=0.0)
    assert ranks(table)[["rank_low", "rank_high"]].to_numpy().tolist() == [[1, 2]] * 2


def test_seeds_of_one_fold_are_no_independent_evidence() -> None:
    """Seeds 5 to 9 repeat the folds of 0 to 4 to the digit: nothing is known that was not known before."""
    table = scores({"a": 0.5, "b": 0.51, "c": 0.7}, noise=0.02)
    twice = pd.concat([table, table.assign(seed=table["seed"] + 5)])
    columns = ["entry", "score", "low", "high", "rank_low", "rank_high"]
    pd.testing.assert_frame_equal(ranks(twice)[columns], ranks(table)[columns])


def test_far_apart_and_close_together() -> None:
    found = ranks(scores({"c": 0.8, "a": 0.2, "b": 0.5}))
    assert found["entry"].tolist() == ["a", "b", "c"]
    assert found[["rank_low", "rank_high"]].to_numpy().tolist() == [[1, 1], [2, 2], [3, 3]]
    assert found["ties"].tolist() == ["a", "b", "c"]
    assert not found["provisional"].any()
    close = ranks(scores({"c": 0.5, "a": 0.5, "b": 0.5}))
    assert close[["rank_low", "rank_high"]].to_numpy().tolist() == [[1, 3]] * 3
    assert close["ties"].tolist() == ["a"] * 3


def test_order_and_names_do_not_matter() -> None:
    table = scores({"a": 0.5, "b": 0.505, "c": 0.52}, noise=0.02)
    expected = ranks(table)
    pd.testing.assert_frame_equal(ranks(table.sample(frac=1, random_state=0)), expected)
    back = {"z": "a", "y": "b", "x": "c"}
    found = ranks(table.replace({"entry": {v: k for k, v in back.items()}, "task": {"t": "z", "w": "a"}}))
    pd.testing.assert_frame_equal(found.replace({"entry": back}), expected)


def test_missing_scores_are_refused_by_name() -> None:
    table = scores({"a": 0.5, "b": 0.6})
    gone = (table["entry"] == "b") & (table["task"] == "u") & (table["seed"] == 3)
    with pytest.raises(UserError, match="missing: b u seed 3"):
        ranks(table[~gone])
    with pytest.raises(UserError, match="no score: b u seed 3"):
        ranks(table.assign(value=table["value"].where(~gone)))
    with pytest.raises(UserError, match="twice"):
        ranks(pd.concat([table, table[:1]]))


def test_tie_letters() -> None:
    def letters(count: int, *pairs: tuple[int, int]) -> list[str]:
        apart = np.zeros((count, count), bool)
        for i, j in pairs:
            apart[i, j] = apart[j, i] = True
        return tie_letters(apart)

    assert letters(3) == ["a", "a", "a"]
    assert letters(3, (0, 1), (0, 2), (1, 2)) == ["a", "b", "c"]
    assert letters(4, (0, 2), (0, 3), (1, 3)) == ["a", "ab", "bc", "c"]
    assert letters(0) == []
