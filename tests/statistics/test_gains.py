"""Transfer statistics on the table of `cells`."""

import math

import numpy as np
import pandas as pd
import pytest
from helpers.cells import cells
from scipy import stats

from rae_bench.errors import UserError
from rae_bench.statistics import gains
from rae_bench.statistics.curves import CurveEstimate, data_saved_interval, gap_interval
from rae_bench.statistics.gains import error_areas, source_target_matrix, transfer_cells, transfer_summary


def drop(table: pd.DataFrame, regime: str, seed: int, fraction: float | None = None) -> pd.DataFrame:
    gone = (table["regime"] == regime) & (table["seed"] == seed)
    return table[~gone if fraction is None else ~(gone & (table["fraction"] == fraction))]


def test_cells_by_hand() -> None:
    both = pd.concat([cells(), cells("reference", factor=0.5)])
    found = transfer_cells(both, ["reference"])
    mine = found[found["entry"] == "m"].groupby(["regime", "fraction"])
    expected = {
        # cold, cold-long, reference cold, of full, gap closed, worse than cold
        ("finetune", 0.01): (2, 2, 1, 50, 1 / 2, 0),
        ("finetune", 0.1): (2, 1, 1 / 2, 100, 1, 0),  # at 10 % the reference is better cold-long than cold
        ("frozen", 0.01): (0.5, 0.5, 0.25, 12.5, -1 / 2, 1),
        ("frozen", 0.1): (1, 0.5, 0.25, 50, 0, 0),
    }
    columns = [
        *("gain_over_cold", "gain_over_cold_long", "gain_over_reference_cold"),
        *("quality_of_full", "gap_closed", "negative"),
    ]
    assert set(mine.groups) == set(expected)
    for key, group in mine:
        assert len(group) == 3
        for row in group[columns].to_numpy():
            assert row == pytest.approx(expected[key])


def test_the_reference_is_the_best_cold_start_at_each_fraction() -> None:
    good, bad = (t[t["regime"] != "cold-long"] for t in (cells("good", factor=0.5), cells("bad", factor=2)))
    bad = bad.copy()
    here = bad["fraction"] == 0.1
    bad.loc[here, "value"] /= 8  # better than good at 10 %: 4 * 2 / 8 = 1 against 2
    found = transfer_cells(pd.concat([cells(), good, bad]), ["good", "bad"])
    mine = found[(found["entry"] == "m") & (found["regime"] == "finetune")]
    assert mine.groupby("fraction")["gain_over_reference_cold"].first().to_dict() == {0.01: 1.0, 0.1: 0.5}
    with pytest.raises(UserError, match="no cold cell of nobody"):
        transfer_cells(cells(), ["nobody"])


def test_the_reference_may_have_trained_longer_but_on_as_many_seeds() -> None:
    found = transfer_cells(pd.concat([cells(), cells("r", factor=0.5)]), ["r"])
    mine = found[(found["entry"] == "m") & (found["regime"] == "finetune")]
    assert mine.groupby("fraction")["gain_over_reference_cold"].first().to_dict() == {0.01: 1.0, 0.1: 0.5}
    colds = cells("r", factor=0.5).query("regime in ('cold', 'cold-long')")
    fewer = pd.concat([cells(), drop(colds, "cold-long", 2)])
    mine = transfer_cells(fewer, ["r"]).query("entry == 'm' and regime == 'finetune'")
    assert mine.groupby("fraction")["gain_over_reference_cold"].first().to_dict() == {0.01: 1.0, 0.1: 1.0}


def test_gains_over_retargeted_motion_where_it_was_run() -> None:
    """At the smallest fraction; elsewhere there is nothing to compare with."""
    cold = cells()[(cells()["regime"] == "cold") & (cells()["fraction"] == 0.01)]
    table = pd.concat([cells(), cold.assign(regime="retarget", value=cold["value"] * 0.75)])
    found = transfer_summary(table).set_index(["regime", "fraction"])
    columns = ["gain_over_retarget", "gain_over_retarget_low", "gain_over_retarget_high"]
    assert found.loc[("finetune", 0.01), columns].tolist() == pytest.approx([1.5] * 3)
    assert math.isnan(found.loc[("finetune", 0.1), "gain_over_retarget"])
    with pytest.raises(UserError, match="missing: m t retarget 1 % seed 1"):
        transfer_summary(drop(table, "retarget", 1))


def test_nothing_gains_over_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gains, "TRANSFER_REGIMES", ("cold-long", "finetune"))
    found = transfer_cells(cells()).query("regime == 'cold-long'")
    assert found["gain_over_cold_long"].isna().all()
    assert found["gain_over_cold"].notna().all()


def test_gains_have_the_interval_of_folds() -> None:
    """Logarithms of 2, 3 and 4: mean 3, s^2 = 1. At 1 % folds share little, with full data a quarter."""
    table = cells()
    mine = (table["regime"] == "finetune") & (table["fraction"] == 0.01)
    start = 8 * table.loc[mine, "seed"].map({0: 1.0, 1: 2.0, 2: 0.5})
    table.loc[mine, "value"] = start / np.exp([2.0, 3, 4])
    row = transfer_summary(table).set_index(["regime", "fraction"]).loc[("finetune", 0.01)]
    for name, mean, shared in (("gain_over_cold", 3.0, 0.0025), ("quality_of_full", math.log(100 / 4) + 3, 0.25)):
        half = stats.t.ppf(0.975, 2) * math.sqrt(2.5 * (1 / 3 + shared))
        logs = [math.log(row[f"{name}{end}"]) for end in ("", "_low", "_high")]
        assert logs == pytest.approx([mean, mean - half, mean + half])


def test_summary_by_hand() -> None:
    found = transfer_summary(cells()).set_index(["regime", "fraction"])
    row = found.loc["finetune", 0.01]
    assert row[["gain_over_cold", "gain_over_cold_low", "gain_over_cold_high"]].tolist() == pytest.approx([2, 2, 2])
    assert row["gap_closed"] == pytest.approx(1 / 2)  # log 2 of log 4, as at every seed
    assert row["data_saved"] == pytest.approx(10)
    assert row["negative"] == 0
    assert found.loc[("frozen", 0.01), "negative"] == 3
    assert found.loc[("finetune", 0.1), "data_saved"] == pytest.approx(10)
    assert math.isnan(row["gain_over_reference_cold"])


def test_what_was_never_asked_for_is_undefined_and_says_so() -> None:
    table = cells()
    table = table[~table["regime"].isin(["cold-long", "full"])]
    row = transfer_summary(table).iloc[0]
    assert math.isnan(row["gain_over_cold_long"])
    assert row["gap_closed_words"] == "no cold start and full data to go by"
    assert row["data_saved_words"] == "cold starts at 2 of the 3 fractions that it takes"


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (drop(cells(), "cold", 1, 0.1), "m t cold 10 % seed 1"),
        (drop(cells(), "cold-long", 2, 0.01), "m t cold-long 1 % seed 2"),
        (drop(cells(), "full", 0), "m t full 100 % seed 0"),
    ],
)
def test_missing_cells_are_refused_by_name(table: pd.DataFrame, named: str) -> None:
    with pytest.raises(UserError, match=f"missing: .*{named}"):
        transfer_summary(table)


def test_cells_twice_are_refused_by_name() -> None:
    with pytest.raises(UserError, match="twice in the results: m t cold 1 % seed 0"):
        transfer_cells(pd.concat([cells(), cells()[:1]]))


def test_row_order_does_not_matter() -> None:
    noisy = cells().assign(value=lambda t: t["value"] * np.random.default_rng(0).uniform(0.9, 1.1, len(t)))
    expected = transfer_summary(noisy)
    for seed in range(3):
        pd.testing.assert_frame_equal(transfer_summary(noisy.sample(frac=1, random_state=seed)), expected)


def test_areas_by_hand() -> None:
    found = error_areas(cells()).set_index(["regime", "seed"])["error_area"]
    assert found["cold", 0] == pytest.approx(6)
    assert found["finetune", 1] == pytest.approx(2 * 3)
    assert found["frozen", 2] == pytest.approx(10 / 2)
    with pytest.raises(UserError, match="missing: m t finetune 10 % seed 1"):
        error_areas(drop(cells(), "finetune", 1, 0.1))


def test_gap_with_ends_by_hand() -> None:
    # A gap of exactly log 4 at every seed, of which 0.1, 0.2 and 0.3 were closed: their mean and t-interval, over it.
    cold = np.array([10.0, 20, 5])
    found = gap_interval(range(3), cold, cold / np.exp([0.1, 0.2, 0.3]), cold / 4)
    half = stats.t.ppf(0.975, 2) * 0.1 * math.sqrt(1 / 3 + 1 / 4)
    assert (found.value, found.low, found.high) == pytest.approx(np.array([0.2, 0.2 - half, 0.2 + half]) / math.log(4))


def test_gap_closed_is_a_ratio_of_means_and_no_mean_of_ratios() -> None:
    cold, gap = np.full(5, 16.0), np.array([4, 4, 4, 4, 16.0])
    found = gap_interval(range(5), cold, cold / 2, cold / gap)  # a factor of 2 each, of factors 4 and 16
    assert found.value == pytest.approx(5 / (2 + 2 + 2 + 2 + 4))  # and not (4 / 2 + 1 / 4) / 5


def test_seeds_of_one_fold_close_one_gap() -> None:
    """Seeds 0 and 5 to the digit alike: as if there were one of them."""
    cold, errors, full = np.array([8.0, 16, 8]), np.array([4.0, 8, 4]), np.array([2.0, 3, 2])
    assert gap_interval([0, 1, 5], cold, errors, full) == gap_interval([0, 1], cold[:2], errors[:2], full[:2])


def test_gap_interval_is_where_the_t_test_does_not_object() -> None:
    rng = np.random.default_rng(0)
    cold = 10 + rng.normal(0, 0.5, 5)
    errors, full = cold - 2 + rng.normal(0, 0.5, 5), cold - 4 + rng.normal(0, 0.5, 5)
    found = gap_interval(range(5), cold, errors, full)
    for end in (found.low, found.high):
        left = np.log(cold / errors) - end * np.log(cold / full)
        assert stats.t.sf(abs(left.mean()) / (left.std(ddof=1) * math.sqrt(1 / 5 + 1 / 4)), 4) == pytest.approx(0.025)


def test_no_gap_is_said_so() -> None:
    cold = np.array([10.0, 10, 10])
    found = gap_interval(range(3), cold, cold - 1, cold / 1.29)
    assert found.words == "cold / full is 1.29, below 1.3: too little to close or to save"
    assert math.isnan(found.value)
    assert gap_interval(range(3), cold, cold - 1, cold / 1.31).words == ""
    found = gap_interval(range(3), cold, cold - 1, cold / [1, 1.5, 4])
    assert found.words == "no gap that these folds can show"
    assert math.isnan(found.value)
    assert gap_interval([0], cold[:1], cold[:1] - 1, cold[:1] - 5).words == "no interval of one fold"
    with pytest.raises(UserError, match="gap closed needs errors above 0"):
        gap_interval(range(3), cold, 0 * cold, cold / 2)
    cold = np.array([[8.0, 7.5, 7]] * 3)
    saved = data_saved_interval(range(3), [0.01, 0.1, 1.0], cold, 0.01, np.full(3, 7.5))
    assert saved.words == "cold / full is 1.14, below 1.3: too little to close or to save"
    assert math.isnan(saved.value)


def test_data_saved_on_power_laws() -> None:
    """error = f^-1/2 at every seed: log f* of the seeds has a mean, and the ends are where the t-test objects to it."""
    fractions = [0.001, 0.01, 0.1, 1.0]
    stars = np.array([0.08, 0.15, 0.12])
    cold = np.array([[scale * f**-0.5 for f in fractions] for scale in (1, 2, 3)])
    errors = np.array([scale * star**-0.5 for scale, star in zip((1, 2, 3), stars, strict=True)])
    found = data_saved_interval(range(3), fractions, cold, 0.05, errors)
    logs = np.log(stars / 0.05)
    assert found.value == pytest.approx(math.exp(logs.mean()))
    for end in (found.low, found.high):
        shared = max(0.05, end * 0.05) / 4
        half = stats.t.ppf(0.975, 2) * logs.std(ddof=1) * math.sqrt(2 * (1 / 3 + shared))
        assert abs(math.log(end / found.value)) == pytest.approx(half, rel=0.03)
    assert found.low < found.value < found.high
    assert found.words == ""


def test_data_saved_beyond_the_measured_range() -> None:
    cold = np.array([[8.0, 4, 2], [8.8, 4.2, 2.1], [7.5, 3.9, 2]])
    above = data_saved_interval(range(3), [0.01, 0.1, 1.0], cold, 0.1, np.array([1.0, 1.1, 0.9]))
    assert (above.value, above.high) == (pytest.approx(10), math.inf)
    assert above.words == "at least, beyond the measured range"
    below = data_saved_interval(range(3), [0.01, 0.1, 1.0], cold, 0.1, np.array([18.0, 17, 19]))
    assert (below.value, below.low) == (pytest.approx(0.1), 0)
    assert below.words == "at most, beyond the measured range"
    near = data_saved_interval(range(3), [0.01, 0.1, 1.0], cold, 0.1, np.array([2.3, 1.9, 2.2]))
    assert (near.high, near.words) == (math.inf, "interval reaches beyond the measured range")
    assert data_saved_interval([0], [0.01, 0.1, 1.0], cold[:1], 0.1, np.array([4.0])) == CurveEstimate(
        pytest.approx(1), pytest.approx(math.nan, nan_ok=True), pytest.approx(math.nan, nan_ok=True),
        "no interval of one fold",
    )


def test_data_saved_needs_three_fractions() -> None:
    with pytest.raises(UserError, match="3 fractions or more, not 2"):
        data_saved_interval(range(3), [0.1, 1.0], np.ones((3, 2)), 0.1, np.ones(3))


def test_matrix() -> None:
    table = pd.DataFrame({"task": ["a2b", "b2a", "a2c"], "gain": [2.0, 0.5, 1.0]})
    domains = {"a2b": ("a", "b"), "b2a": ("b", "a"), "a2c": ("a", "c")}
    found = source_target_matrix(table, domains, "gain")
    assert found.index.tolist() == ["a", "b"]
    assert found.columns.tolist() == ["a", "b", "c"]
    assert (found.loc["a", "b"], found.loc["b", "a"], found.loc["a", "c"]) == (2, 0.5, 1)
    assert found.isna().sum().sum() == 3
    with pytest.raises(UserError, match="not known of the tasks a2c"):
        source_target_matrix(table, {k: v for k, v in domains.items() if k != "a2c"}, "gain")
    with pytest.raises(UserError, match="more than one value from a to b"):
        source_target_matrix(pd.concat([table, table[:1]]), domains, "gain")
