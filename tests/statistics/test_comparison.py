"""Comparisons on tables of three seeds, each with three clips of its own.

    log2(b / a)     c0  c1  c2      seeds vary by s^2 = 1 around 2: effect 2^2,
    seed 0          1   2   3       interval 2^(2 -+ t(2) sqrt(2.5 (1 / 3 + 0.05 / 4))) at 5 % of the data
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
from rae_bench.statistics.pairing import left_out, nested, pair, whole_cells

LOGS = np.array([[1.0, 2, 3], [2, 3, 4], [0, 1, 2]])
ONES = np.ones((3, 3))


def sides(**options: str | float) -> tuple[pd.DataFrame, pd.DataFrame]:
    return clips(ONES, groups="fgh", **options), clips(2.0**LOGS, "b", groups="fgh", **options)  # type: ignore[arg-type]


def test_by_hand() -> None:
    found = compare(*sides(), "lower")
    assert list(found.columns) == list(COMPARISON_COLUMNS)
    (row,) = found.to_dict("records")
    assert (row["task"], row["regime"], row["fraction"], row["seeds"], row["groups"], row["clips"]) == (
        "t", "cold", 0.05, 3, 9, 9,
    )  # fmt: skip
    assert row["folds"] == 3
    half = 4.30265 * math.sqrt(2.5 * (1 / 3 + 0.05 / 4))
    assert row["effect"] == pytest.approx(4)
    assert math.log2(row["low"]) == pytest.approx(2 - half, abs=1e-4)
    assert math.log2(row["high"]) == pytest.approx(2 + half, abs=1e-4)
    assert row["scale"] == "x"
    assert row["p_wilcoxon"] == pytest.approx(2 / 2**8)  # eight groups of one sign, and one of 0
    assert row["verdict"] == "undecided"  # 2 - 4.00 < 0


def test_the_larger_the_fraction_the_more_training_data_is_shared() -> None:
    """At full the term is 1 / 4; against `full` too, however little the other side was trained on."""
    for a, b in (sides(fraction=1.0), (clips(ONES, regime="cold"), clips(2.0**LOGS, "b", "full", 1.0))):
        (row,) = compare(a, b, "lower", across_regimes=True).to_dict("records")
        half = 4.30265 * math.sqrt(2.5 * (1 / 3 + 1 / 4))
        assert math.log2(row["high"] / row["effect"]) == pytest.approx(half, abs=1e-4)
    hold = clips(2.0**LOGS, "hold", "none", 1.0)  # which is trained on nothing
    (row,) = compare(clips(ONES), hold, "lower").to_dict("records")
    half = 4.30265 * math.sqrt(2.5 * (1 / 3 + 1 / 80))
    assert math.log2(row["high"] / row["effect"]) == pytest.approx(half, abs=1e-4)


def test_what_only_one_side_has() -> None:
    a, b = sides()
    more = pd.concat([a, clips(ONES, "a", "frozen", 0.2)])
    assert left_out(more, b) == ["a t frozen 20 %"]
    assert left_out(b, more) == ["a t frozen 20 %"]
    assert left_out(more, clips(ONES[:1], "hold", "none", 1.0)) == []


def test_words_follow_the_direction() -> None:
    a, b = sides()
    b["value"] *= 8  # the interval is now 2^(5 -+ 4.00)
    assert compare(a, b, "lower")["verdict"].tolist() == ["better"]
    assert compare(b, a, "lower")["verdict"].tolist() == ["worse"]
    assert compare(a, b, "higher")["verdict"].tolist() == ["worse"]
    assert compare(b, a, "lower")["effect"].tolist() == pytest.approx([1 / 32])
    assert compare(a, a, "lower")[["effect", "p", "verdict"]].to_numpy().tolist() == [[1, 1, "undecided"]]
    with pytest.raises(UserError, match="neither more nor less"):
        compare(a, b, "none")


def test_next_to_nothing_compares_by_differences() -> None:
    a, b = clips(ONES - 1), clips(LOGS, "b")
    (row,) = compare(a, b, "lower").to_dict("records")
    assert (row["scale"], row["effect"]) == ("-", pytest.approx(2))
    assert compare(b, a, "lower")["effect"].tolist() == pytest.approx([-2])
    standing = clips(np.where(LOGS == 4, 1e-3, LOGS + 1), "b")
    assert compare(clips(ONES), standing, "lower")["scale"].tolist() == ["-"]


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
    found = compare(*many(), "lower")
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
    expected = compare(a, b, "lower")
    shuffled = compare(a.sample(frac=1, random_state=1), b.sample(frac=1, random_state=2), "lower")
    pd.testing.assert_frame_equal(shuffled, expected)

    # Names in another order of the alphabet: clips, groups, tasks and entries.
    def renamed(table: pd.DataFrame) -> pd.DataFrame:
        swap = {"group": {"x": "z", "y": "x", "z": "y"}.get, "task": {"t": "v", "u": "s"}.get}
        clip = table["clip"].str.replace(r"(.)c(.)", lambda m: f"{9 - int(m[1])}k{9 - int(m[2])}", regex=True)
        group = table["group"].str[0] + table["group"].str[1].map(swap["group"])
        return table.assign(clip=clip, group=group, task=table["task"].map(swap["task"]), entry="other")

    found = compare(renamed(a), renamed(b), "lower")
    numbers = ["effect", "low", "high", "p"]
    back = found.assign(task=found["task"].replace({"v": "t", "s": "u"}))
    keys = ["tasks", "task", "regime", "fraction"]
    pd.testing.assert_frame_equal(
        back.sort_values(keys)[numbers].reset_index(drop=True),
        expected.sort_values(keys)[numbers].reset_index(drop=True),
    )


def test_other_rows_do_not_change_a_row() -> None:
    a, b = many()
    alone = compare(a[a["task"] == "t"], b[b["task"] == "t"], "lower")
    together = compare(a, b, "lower")
    numbers = ["effect", "low", "high", "p"]
    first = together[(together["task"] == "t") & together["fraction"].notna()]
    np.testing.assert_allclose(alone[alone["fraction"].notna()][numbers], first[numbers])


def test_a_missing_value_of_both_is_left_out() -> None:
    values = np.array([[1.0, 2, math.nan], [1, 2, math.nan]])
    (row,) = compare(clips(values), clips(2 * values, "b"), "lower").to_dict("records")
    assert (row["clips"], row["effect"]) == (4, pytest.approx(2))
    with pytest.raises(UserError, match=r"t cold seed 0 clip 0c2"):
        compare(clips(values), clips(np.ones((2, 3)), "b"), "lower")
    with pytest.raises(UserError, match="nothing to measure"):
        compare(clips(values[:, 2:]), clips(values[:, 2:], "b"), "lower")


def test_missing_cells_and_clips_are_refused_by_name() -> None:
    a, b = sides()
    with pytest.raises(UserError, match=r"missing: b t cold 5 % seed 2; run these cells, or compare fewer --seeds"):
        compare(a, b[b["seed"] < 2], "lower")
    with pytest.raises(UserError, match=r"missing: a t cold 5 % seed 0"):
        compare(a[a["seed"] > 0], b, "lower")
    with pytest.raises(UserError, match=r"missing: clips of b t: 1c1"):
        compare(a, b[b["clip"] != "1c1"], "lower")
    c, d = (pd.concat([t, t[t["seed"] < 2].assign(task="u")]) for t in (a, b))
    with pytest.raises(UserError, match=r"missing: u cold 5 % seed 2, which other tasks or fractions have"):
        compare(c, d, "lower")
    with pytest.raises(UserError, match="twice in the results: a t cold 5 % seed 0 0c0"):
        compare(pd.concat([a, a[:1]]), b, "lower")
    with pytest.raises(UserError, match="no task, regime and fraction in common"):
        compare(a, b.assign(task="u"), "lower")
    with pytest.raises(UserError, match="one entry a side is compared; here are a; b"):
        compare(pd.concat([a, b]), b, "lower")


def test_controls_stand_against_every_seed_fraction_and_regime() -> None:
    a = pd.concat([clips(ONES, "a", regime, fraction) for regime in ("cold", "frozen") for fraction in (0.05, 0.2)])
    hold = clips(ONES * 3, "hold", "none", 1.0)
    found = compare(a, hold, "lower")
    assert found["effect"].tolist() == pytest.approx([3] * 6)
    assert found["seeds"].tolist() == [3] * 6
    assert set(found["regime"]) == {"cold", "frozen"}
    # `nearest` was given a fraction, and stands against that one.
    nearest = clips(ONES * 3, "nearest", "none", 0.2)
    assert [(p.regime, p.fraction, p.trained_on) for p in pair(a, nearest)] == [
        ("cold", 0.2, 0.2), ("frozen", 0.2, 0.2),
    ]  # fmt: skip
    assert {p.trained_on for p in pair(hold, hold)} == {0.0}


def test_one_cell_of_a_control_stands_against_the_seeds_of_its_clips() -> None:
    """Seeds 0 and 5 test the same fold. What the control did on other folds nobody knows."""
    hold = clips(ONES[:1] * 3, "hold", "none", 1.0)
    six = clips(np.ones((6, 3)))
    (found,) = pair(six[six["seed"].isin([0, 5])], hold)
    assert sorted(set(found.seeds)) == [0, 5]
    with pytest.raises(UserError, match=r"missing: hold t none 100 % seed 1.*run these cells"):
        compare(six, hold, "lower")


def test_a_fold_counts_once_however_many_seeds_it_has() -> None:
    """Seeds 0 and 5 are one fold: its groups have their mean."""
    logs = np.array([[1.0, 3], [2, 4], [0, 2], [5, 5], [5, 5], [3, 5]])
    a, b = clips(np.ones((6, 2))), clips(2.0**logs, "b")
    (row,) = compare(a, b, "lower").to_dict("records")
    assert (row["seeds"], row["folds"], row["groups"], row["clips"]) == (6, 5, 10, 10)
    assert math.log2(row["effect"]) == pytest.approx(np.mean([3, 3, 1, 5, 5]))
    folds = np.array([3.0, 3, 1, 5, 5])
    half = 2.77645 * math.sqrt(2.5 * (1 / 5 + 0.05 / 4) * folds.var(ddof=1))
    assert math.log2(row["high"] / row["effect"]) == pytest.approx(half, abs=1e-4)


def test_seeds_that_share_their_clips_say_nothing_of_other_motion() -> None:
    """One test set for all seeds, as in version 1: an effect, and no interval."""
    a, b = (t.assign(clip=t["clip"].str[1:], group=t["group"].str[1:]) for t in sides())
    (row,) = compare(a, b, "lower").to_dict("records")
    assert (row["seeds"], row["folds"], row["verdict"]) == (3, 1, "undecided")
    assert row["effect"] == pytest.approx(4)
    assert math.isnan(row["low"])


def test_whole_cells_are_one_clip_a_fold() -> None:
    cells = clips(np.ones((6, 1))).drop(columns=["clip", "group"])
    a, b = whole_cells(cells), whole_cells(cells.assign(entry="b", value=cells["seed"] + 1.0))
    (row,) = compare(a, b, "lower").to_dict("records")
    assert (row["seeds"], row["folds"], row["clips"]) == (6, 5, 5)
    logs = np.log([1, 2, 3, 4, 5, 6])
    assert math.log(row["effect"]) == pytest.approx(np.mean([(logs[0] + logs[5]) / 2, *logs[1:5]]))


def test_a_group_in_two_folds_counts_in_each() -> None:
    """Where a take had to be cut, its blocks are groups of their own."""
    found = nested([1.0, 2, 3, 4], [0, 0, 1, 1], ["a", "b", "c", "d"], ["take"] * 4)
    assert (found.folds, found.groups) == ((0, 1), 2)
    assert [total.tolist() for total in found.totals] == [[3], [7]]


def test_between_regimes_full_stands_against_every_fraction() -> None:
    a = pd.concat([clips(ONES, "a", "finetune", fraction) for fraction in (0.05, 0.2)])
    full = clips(ONES / 2, "a", "full", 1.0)
    found = compare(a, full, "lower", across_regimes=True)
    assert found["regime"].tolist() == ["finetune / full"] * 3
    assert found["fraction"].tolist()[:2] == [0.05, 0.2]
    assert found["effect"].tolist() == pytest.approx([0.5] * 3)


def test_one_seed_decides_nothing() -> None:
    (row,) = compare(clips(ONES[:1]), clips(9 * ONES[:1], "b"), "lower").to_dict("records")
    assert row["verdict"] == "undecided"
    assert math.isnan(row["p"])
