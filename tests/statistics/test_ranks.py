import numpy as np
import pandas as pd
import pytest

from rae_bench.errors import UserError
from rae_bench.statistics.ranks import rank_table, tie_letters


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
    return rank_table(table, np.random.default_rng(0))


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
    # `low` and `high` never vary and differ; `wide` varies by 2 from seed to seed and is apart from neither:
    # 4.5 against a half of t(2) 2 / sqrt 3 = 4.97.
    assert found[["rank_low", "rank_high"]].loc["low"].tolist() == [1, 2]
    assert found[["rank_low", "rank_high"]].loc["wide"].tolist() == [1, 3]
    assert found[["rank_low", "rank_high"]].loc["high"].tolist() == [2, 3]
    assert found["provisional"].all()


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
