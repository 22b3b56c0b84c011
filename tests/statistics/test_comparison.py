"""Comparisons on tables of three seeds and three clips.

    log2(b / a)     c0  c1  c2      the table of test_statistics_intervals: effect 2^2,
    seed 0          1   2   3       interval 2^(2 -+ 2.267) where every clip is a group of its own
    seed 1          2   3   4
    seed 2          0   1   2
"""

import math

import numpy as np
import pandas as pd
import pytest
from helpers.cells import clips

from rae_bench.errors import UserError
from rae_bench.statistics.comparison import COMPARISON_COLUMNS, compare
from rae_bench.statistics.pairing import left_out, pair

LOGS = np.array([[1.0, 2, 3], [2, 3, 4], [0, 1, 2]])
ONES = np.ones((3, 3))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def sides(**options: str | float) -> tuple[pd.DataFrame, pd.DataFrame]:
    return clips(ONES, groups="fgh", **options), clips(2.0**LOGS, "b", groups="fgh", **options)  # type: ignore[arg-type]


def test_by_hand() -> None:
    found = compare(*sides(), "lower", rng(), draws=100_000)
    assert list(found.columns) == list(COMPARISON_COLUMNS)
    (row,) = found.to_dict("records")
    assert (row["task"], row["regime"], row["fraction"], row["seeds"], row["groups"], row["clips"]) == (
        "t", "cold", 0.05, 3, 3, 3,
    )  # fmt: skip
    half = 2.7764 * math.sqrt(2 / 3)
    assert row["effect"] == pytest.approx(4)
    assert math.log2(row["low"]) == pytest.approx(2 - half, abs=0.03)
    assert math.log2(row["high"]) == pytest.approx(2 + half, abs=0.03)
    assert row["scale"] == "x"
    assert row["p_wilcoxon"] == pytest.approx(2 / 8)  # three groups of one sign
    assert row["verdict"] == "undecided"  # 2 - 2.267 < 0


def test_what_only_one_side_has() -> None:
    a, b = sides()
    more = pd.concat([a, clips(ONES, "a", "frozen", 0.2)])
    assert left_out(more, b) == ["a t frozen 20 %"]
    assert left_out(b, more) == ["a t frozen 20 %"]
    assert left_out(more, clips(ONES[:1], "hold", "none", 1.0)) == []


def test_words_follow_the_direction() -> None:
    a, b = sides()
    b["value"] *= 4  # the interval is now 2^(4 -+ 2.267)
    assert compare(a, b, "lower", rng())["verdict"].tolist() == ["better"]
    assert compare(b, a, "lower", rng())["verdict"].tolist() == ["worse"]
    assert compare(a, b, "higher", rng())["verdict"].tolist() == ["worse"]
    assert compare(b, a, "lower", rng())["effect"].tolist() == pytest.approx([1 / 16])
    assert compare(a, a, "lower", rng())[["effect", "p", "verdict"]].to_numpy().tolist() == [[1, 1, "undecided"]]
    with pytest.raises(UserError, match="neither more nor less"):
        compare(a, b, "none", rng())


def test_next_to_nothing_compares_by_differences() -> None:
    a, b = clips(ONES - 1), clips(LOGS, "b")
    (row,) = compare(a, b, "lower", rng()).to_dict("records")
    assert (row["scale"], row["effect"]) == ("-", pytest.approx(2))
    assert compare(b, a, "lower", rng())["effect"].tolist() == pytest.approx([-2])
    standing = clips(np.where(LOGS == 4, 1e-3, LOGS + 1), "b")
    assert compare(clips(ONES), standing, "lower", rng())["scale"].tolist() == ["-"]


def many() -> tuple[pd.DataFrame, pd.DataFrame]:
    noise = np.random.default_rng(1)
    both = []
    for name, shift in (("a", 0.0), ("b", 0.3)):
        parts = [
            clips(np.exp(noise.normal(shift, 0.2, (3, 5))), name, regime, fraction, task, groups="xyz")
            for task in ("t", "u")
            for regime in ("cold", "finetune")
            for fraction in (0.05, 0.2)
        ]
        both.append(pd.concat(parts))
    return both[0], both[1]


def test_rows_and_overall_rows() -> None:
    found = compare(*many(), "lower", rng())
    assert found[["task", "regime", "tasks"]].to_numpy().tolist() == [
        *(["t", "cold", 1], ["t", "cold", 1], ["u", "cold", 1], ["u", "cold", 1]),
        *(["t", "finetune", 1], ["t", "finetune", 1], ["u", "finetune", 1], ["u", "finetune", 1]),
        *(["all", "cold", 2], ["all", "finetune", 2]),
    ]
    singles, overall = found[found["tasks"] == 1], found[found["tasks"] == 2]
    for regime in ("cold", "finetune"):
        logs = np.log(singles.loc[singles["regime"] == regime, "effect"])
        total = overall.loc[overall["regime"] == regime, "effect"]
        assert total.tolist() == pytest.approx([math.exp(logs.mean())])
    assert (singles["p_holm"] >= singles["p"]).all()
    assert (found["p_holm"] < 0.05).eq(found["verdict"] != "undecided").all()


def test_order_and_names_do_not_matter() -> None:
    a, b = many()
    expected = compare(a, b, "lower", rng())
    shuffled = compare(a.sample(frac=1, random_state=1), b.sample(frac=1, random_state=2), "lower", rng())
    pd.testing.assert_frame_equal(shuffled, expected)

    # Names in another order of the alphabet: clips, groups, tasks and entries.
    def renamed(table: pd.DataFrame) -> pd.DataFrame:
        swap = {"clip": "c{}".format, "group": {"x": "z", "y": "x", "z": "y"}.get, "task": {"t": "v", "u": "s"}.get}
        clip = table["clip"].map({f"c{n}": f"k{9 - n}" for n in range(5)})
        return table.assign(
            clip=clip, group=table["group"].map(swap["group"]), task=table["task"].map(swap["task"]), entry="other"
        )

    found = compare(renamed(a), renamed(b), "lower", rng())
    numbers = ["effect", "low", "high", "p"]
    back = found.assign(task=found["task"].replace({"v": "t", "s": "u"}))
    keys = ["tasks", "task", "regime", "fraction"]
    pd.testing.assert_frame_equal(
        back.sort_values(keys)[numbers].reset_index(drop=True),
        expected.sort_values(keys)[numbers].reset_index(drop=True),
    )


def test_other_rows_do_not_change_a_row() -> None:
    a, b = many()
    alone = compare(a[a["task"] == "t"], b[b["task"] == "t"], "lower", rng())
    together = compare(a, b, "lower", rng())
    numbers = ["effect", "low", "high", "p"]
    first = together[(together["task"] == "t") & together["fraction"].notna()]
    np.testing.assert_allclose(alone[alone["fraction"].notna()][numbers], first[numbers])


def test_a_missing_value_of_both_is_left_out() -> None:
    values = np.array([[1.0, 2, math.nan], [1, 2, math.nan]])
    (row,) = compare(clips(values), clips(2 * values, "b"), "lower", rng()).to_dict("records")
    assert (row["clips"], row["effect"]) == (2, pytest.approx(2))
    with pytest.raises(UserError, match=r"t cold seed 0 clip c2"):
        compare(clips(values), clips(np.ones((2, 3)), "b"), "lower", rng())
    with pytest.raises(UserError, match="nothing to measure"):
        compare(clips(values[:, 2:]), clips(values[:, 2:], "b"), "lower", rng())


def test_missing_cells_and_clips_are_refused_by_name() -> None:
    a, b = sides()
    with pytest.raises(UserError, match=r"missing: b t cold 5 % seed 2; run these cells, or compare fewer --seeds"):
        compare(a, b[b["seed"] < 2], "lower", rng())
    with pytest.raises(UserError, match=r"missing: a t cold 5 % seed 0"):
        compare(a[a["seed"] > 0], b, "lower", rng())
    with pytest.raises(UserError, match=r"missing: clips of b t: c1"):
        compare(a, b[b["clip"] != "c1"], "lower", rng())
    c, d = (pd.concat([t, t[t["seed"] < 2].assign(task="u")]) for t in (a, b))
    with pytest.raises(UserError, match=r"missing: u cold 5 % seed 2, which other tasks or fractions have"):
        compare(c, d, "lower", rng())
    with pytest.raises(UserError, match="twice in the results: a t cold 5 % seed 0 c0"):
        compare(pd.concat([a, a[:1]]), b, "lower", rng())
    with pytest.raises(UserError, match="no task, regime and fraction in common"):
        compare(a, b.assign(task="u"), "lower", rng())
    with pytest.raises(UserError, match="one entry a side is compared; here are a; b"):
        compare(pd.concat([a, b]), b, "lower", rng())


def test_controls_stand_against_every_seed_fraction_and_regime() -> None:
    a = pd.concat([clips(ONES, "a", regime, fraction) for regime in ("cold", "frozen") for fraction in (0.05, 0.2)])
    hold = clips(ONES[:1] * 3, "hold", "none", 1.0)
    found = compare(a, hold, "lower", rng())
    assert found["effect"].tolist() == pytest.approx([3] * 6)
    assert found["seeds"].tolist() == [3] * 6
    assert set(found["regime"]) == {"cold", "frozen"}
    # `nearest` was given a fraction, and stands against that one.
    nearest = clips(ONES[:1] * 3, "nearest", "none", 0.2)
    assert [(p.regime, p.fraction) for p in pair(a, nearest)] == [("cold", 0.2), ("frozen", 0.2)]


def test_between_regimes_full_stands_against_every_fraction() -> None:
    a = pd.concat([clips(ONES, "a", "finetune", fraction) for fraction in (0.05, 0.2)])
    full = clips(ONES / 2, "a", "full", 1.0)
    found = compare(a, full, "lower", rng(), across_regimes=True)
    assert found["regime"].tolist() == ["finetune / full"] * 3
    assert found["fraction"].tolist()[:2] == [0.05, 0.2]
    assert found["effect"].tolist() == pytest.approx([0.5] * 3)


def test_one_seed_decides_nothing() -> None:
    (row,) = compare(clips(ONES[:1]), clips(9 * ONES[:1], "b"), "lower", rng()).to_dict("records")
    assert row["verdict"] == "undecided"
    assert math.isnan(row["p"])
