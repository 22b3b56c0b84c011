"""From cell results to table rows, on numbers that can be worked out by hand.

Reconstruction errors (cm) of the model's cells; what is not listed is alike everywhere:

    fraction   seed   cold   frozen   finetune   cold-long
    5 %        0      8      4        2          skipped
    5 %        1      6      4        3          skipped
    5 %        2      9      failed   3          skipped
    20 %       0      4
    100 %      0      2
    100 %      1      3                                      (seed 2 has no full)

The rig is 2 m tall, so the yardsticks are 6 cm, 20 cm/s and 6 cm; the truth has 0. Foot sliding is 2, the objective
error 5, the adversarial score 0.5.
"""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from rae_bench.results.rows import Row, rows
from rae_bench.task.cells import row_label

NAMES = ("reconstruction_error", "foot_sliding", "objective_error", "adversarial_score")
ERRORS = {
    ("cold", 0.05): {0: 8.0, 1: 6.0, 2: 9.0},
    ("cold", 0.2): {0: 4.0},
    ("cold", 1.0): {0: 2.0, 1: 3.0},
    ("frozen", 0.05): {0: 4.0, 1: 4.0},
    ("finetune", 0.05): {0: 2.0, 1: 3.0, 2: 3.0},
}


def result(
    model: str, regime: str, fraction: float, seed: int, values: tuple[float, ...] | None, reason: str = "", **cost: Any
) -> dict[str, Any]:
    metrics = dict(zip(NAMES, values, strict=True)) if values else {}
    return {
        "status": "ok" if values else ("skipped" if "support" in reason else "failed"),
        "model": model,
        "regime": regime,
        "fraction": fraction,
        "seed": seed,
        "metrics": {k: {"value": v, "unit": "", "direction": "lower"} for k, v in metrics.items()},
        "cost": {"core_seconds": 10.0 + seed, "trained": 100, **cost},
        "reason": reason,
        "rig_height": 2.0,
    }


def results() -> list[dict[str, Any]]:
    out = [
        *(result("truth", "none", 1.0, seed, (0.0, 0.0, 0.0, 0.0)) for seed in range(3)),
        *(result("hold", "none", 1.0, seed, (10.0, 0.0, 20.0, 0.9)) for seed in range(3)),
        result("interpolate", "none", 1.0, 0, None, "IKError: no"),
        result("nearest", "none", 0.05, 0, (6.0, 8.0, 10.0, 0.2)),
        result("nearest", "none", 0.2, 0, (5.0, 8.0, 10.0, 0.2)),
    ]
    for (regime, fraction), errors in ERRORS.items():
        out += [result("m", regime, fraction, seed, (e, 2.0, 5.0, 0.5)) for seed, e in errors.items()]
    out.append(result("m", "frozen", 0.05, 2, None, "ValueError: no luck"))
    unsupported = "the model does not support the regime cold-long"
    return out + [result("m", "cold-long", 0.05, seed, None, unsupported) for seed in range(3)]


@pytest.fixture
def table() -> dict[tuple[str, float | None], Row]:
    return {(row.label, row.fraction): row for row in rows(results())}


def test_rows_are_truth_controls_regimes_in_fixed_order() -> None:
    assert [(row.label, row.fraction, row.kind) for row in rows(results())] == [
        ("truth", None, "truth"),
        ("hold", None, "control"),
        ("interpolate", None, "control"),
        ("nearest", 0.05, "control"),
        ("nearest", 0.2, "control"),
        ("cold", 0.05, "model"),
        ("cold", 0.2, "model"),
        ("cold-long", 0.05, "model"),
        ("frozen", 0.05, "model"),
        ("finetune", 0.05, "model"),
        ("full", 1.0, "model"),
    ]


def test_the_order_of_results_does_not_matter() -> None:
    expected = rows(results())
    shuffled = results()
    for seed in range(5):
        random.Random(seed).shuffle(shuffled)
        assert rows(shuffled) == expected


def test_bounds_on_either_side_have_no_mean() -> None:
    # Seed 0: better than any cold start; seed 1: worse than the smallest.
    errors = {("cold", 0.05): (8, 8), ("cold", 1.0): (4, 4), ("frozen", 0.05): (2, 9)}
    cells = [
        result("m", regime, fraction, seed, (float(error), 1.0, 1.0, 0.5))
        for (regime, fraction), values in errors.items()
        for seed, error in enumerate(values)
    ]
    (frozen,) = [row for row in rows(cells) if row.label == "frozen"]
    assert "data_saved" not in frozen.values


def test_gains_are_paired_by_fraction_and_seed(table: dict[tuple[str, float | None], Row]) -> None:
    frozen, finetune = table["frozen", 0.05], table["finetune", 0.05]
    assert frozen.seeds == [0, 1]
    assert frozen.values["gain_over_cold"] == [8 / 4, 6 / 4]
    assert finetune.seeds == [0, 1, 2]
    assert finetune.values["gain_over_cold"] == [8 / 2, 6 / 3, 9 / 3]
    assert "gain_over_cold" not in table["cold", 0.05].values
    assert "gain_over_cold" not in table["full", 1.0].values


def test_of_full_is_paired_by_seed(table: dict[tuple[str, float | None], Row]) -> None:
    assert table["frozen", 0.05].values["quality_of_full"] == [100 * 2 / 4, 100 * 3 / 4]
    assert table["finetune", 0.05].values["quality_of_full"] == [100, 100]
    assert table["cold", 0.05].values["quality_of_full"] == [25, 50]
    assert table["cold", 0.2].values["quality_of_full"] == [50]
    assert "quality_of_full" not in table["full", 1.0].values


def test_data_saved_is_read_from_the_seeds_own_cold_curve(table: dict[tuple[str, float | None], Row]) -> None:
    # Seed 0: the cold start reaches 4 at 20 %, four times the 5 % of frozen. Seed 1: 4 lies between 6 at 5 % and 3 at
    # 100 %, at log(6/4)/log(6/3) of the way in the logarithms.
    way = math.log(6 / 4) / math.log(6 / 3)
    assert table["frozen", 0.05].values["data_saved"] == pytest.approx([4, 20**way])
    # Both finetunes are as good as full, the end of the curve; of seed 2 there is one cold start only: no curve.
    assert table["finetune", 0.05].values["data_saved"] == pytest.approx([20, 20])
    assert table["frozen", 0.05].capped == ""


@pytest.mark.parametrize(("error", "capped", "factor"), [(1.0, "above", 20), (9.0, "below", 1)])
def test_data_saved_beyond_the_curve_is_marked_as_a_bound(error: float, capped: str, factor: float) -> None:
    cells = [result("m", "cold", f, 0, (e, 2.0, 5.0, 0.5)) for f, e in ((0.05, 8.0), (1.0, 2.0))]
    (frozen,) = (r for r in rows([*cells, result("m", "frozen", 0.05, 0, (error, 2, 5, 0.5))]) if r.label == "frozen")
    assert (frozen.capped, frozen.values["data_saved"]) == (capped, pytest.approx([factor]))


@pytest.mark.parametrize(("cold", "saved"), [((2.58, 2.58), False), ((2.62, 2.62), True), ((5.2, 1.29), False)])
def test_no_data_are_saved_where_full_data_are_hardly_better(cold: tuple[float, float], saved: bool) -> None:
    """Cold over full is a geometric mean over seeds: of 2.6 and 0.645 it is 1.295."""
    cells = [
        result("m", regime, fraction, seed, (error, 2.0, 5.0, 0.5))
        for seed, start in enumerate(cold)
        for regime, fraction, error in (("cold", 0.05, start), ("cold", 1.0, 2.0), ("frozen", 0.05, 2.2))
    ]
    (row,) = (row for row in rows(cells) if row.label == "frozen")
    assert ("data_saved" in row.values) == saved
    assert row.headroom == pytest.approx(math.sqrt(cold[0] * cold[1]) / 2)
    assert "gain_over_cold" in row.values
    # Without full data nobody knows.
    (row,) = (row for row in rows([c for c in cells if c["fraction"] < 1]) if row.label == "frozen")
    assert "data_saved" not in row.values
    assert math.isnan(row.headroom)


def test_the_score_is_the_mean_of_four_shares(table: dict[tuple[str, float | None], Row]) -> None:
    # reconstruction e / (e + 6), sliding 2 / 22, objective 5 / 11, adversarial 0.5
    beside = 2 / 22 + 5 / 11 + 0.5
    assert table["frozen", 0.05].values["score"] == pytest.approx([(4 / 10 + beside) / 4] * 2)
    assert table["full", 1.0].values["score"] == pytest.approx([(e / (e + 6) + beside) / 4 for e in (2, 3)])
    assert table["truth", None].values["score"] == [0] * 3
    assert table["hold", None].values["score"] == pytest.approx([(10 / 16 + 0 + 20 / 26 + 0.9) / 4] * 3)
    assert table["nearest", 0.05].values["score"] == pytest.approx([(6 / 12 + 8 / 28 + 10 / 16 + 0.2) / 4])


def test_the_adversarial_score_is_floored_over_the_seeds_of_a_row() -> None:
    found = [-0.3, 0.1, -0.1]
    truth = [result("truth", "none", 1.0, seed, (0.0, 0.0, 0.0, 0.0)) for seed in range(3)]
    cells = [result("m", "cold", 0.05, seed, (6.0, 20.0, 6.0, value)) for seed, value in enumerate(found)]
    (row,) = (row for row in rows([*truth, *cells]) if row.label == "cold")
    assert row.values["adversarial_score"] == pytest.approx([-0.2, 0.2, 0.0])
    assert sum(row.values["score"]) / 3 == pytest.approx(1.5 / 4)
    (above,) = (row for row in rows([*truth, cells[1]]) if row.label == "cold")
    assert above.values["adversarial_score"] == [0.1]


def test_a_track_has_primaries_of_its_own() -> None:
    names = ("reconstruction_error@first", "foot_sliding_lowest", "path_error", "adversarial_score")

    def control(model: str, regime: str, seed: int, values: tuple[float, ...]) -> dict[str, Any]:
        made = result(model, regime, 1.0 if regime == "none" else 0.05, seed, values) | {"track": "control"}
        old = zip(names, made["metrics"].values(), strict=True)
        return made | {"metrics": dict(old)}

    cells = [control("truth", "none", 0, (0.0, 1.0, 0.0, 0.0)), control("m", "cold", 0, (6.0, 21.0, 6.0, 0.5))]
    cells.append(control("m", "frozen", 0, (3.0, 21.0, 6.0, 0.5)))
    table = {row.label: row.values for row in rows(cells)}
    assert table["cold"]["score"] == pytest.approx([0.5])
    assert table["cold"]["path_error"] == [6.0]
    assert table["frozen"]["gain_over_cold"] == [2.0]
    assert "objective_error" not in table["cold"]


def test_what_failed_or_was_skipped_stays_with_its_reason(table: dict[tuple[str, float | None], Row]) -> None:
    assert table["interpolate", None] == Row("interpolate", None, "control", {}, [], reason="IKError: no")
    # Beside the values of the other seeds.
    assert table["frozen", 0.05].reason == "seed 2: ValueError: no luck"
    long = table["cold-long", 0.05]
    assert (long.values, long.seeds) == ({}, [])
    assert long.reason == "the model does not support the regime cold-long"
    assert table["cold", 0.05].reason == ""


def test_without_the_truth_or_the_height_there_is_no_score() -> None:
    gone = {"status": "failed", "metrics": {}, "reason": "gone"}
    failed = [r | gone if r["model"] == "truth" else r for r in results()]
    table = {(row.label, row.fraction): row for row in rows(failed)}
    assert table["truth", None] == Row("truth", None, "truth", {}, [], "", "gone")
    frozen = table["frozen", 0.05]
    assert all(math.isnan(score) for score in frozen.values["score"])
    assert frozen.values["gain_over_cold"] == [2, 1.5]
    assert "truth" not in {row.label for row in rows([r for r in results() if r["model"] != "truth"])}
    unsaid = [{k: v for k, v in r.items() if k != "rig_height"} for r in results()]
    assert all(math.isnan(score) for row in rows(unsaid) for score in row.values.get("score", []))
    without_hold = [r for r in results() if r["model"] != "hold"]
    assert all(math.isfinite(row.values["score"][0]) for row in rows(without_hold) if row.label == "frozen")


def test_a_control_that_failed_on_a_fold_has_the_values_of_the_others() -> None:
    failed = [r | {"status": "failed", "metrics": {}, "reason": "no"} if (r["model"], r["seed"]) == ("hold", 1) else r
              for r in results()]  # fmt: skip
    (hold,) = [row for row in rows(failed) if row.label == "hold"]
    assert 1 not in hold.seeds
    assert {len(values) for values in hold.values.values()} == {len(hold.seeds)}
    assert hold.reason == "seed 1: no" if hold.seeds else hold.reason == "no"


def test_odd_costs_and_missing_values_do_no_harm() -> None:
    odd = result("m", "frozen", 0.05, 0, (4.0, 2.0, 5.0, 0.5), trained=None, core_seconds="long")
    odd["metrics"]["foot_sliding"]["value"] = None  # null in JSON: not finite
    (row,) = rows([odd])
    assert all(math.isnan(row.values[name][0]) for name in ("trained", "core_seconds", "foot_sliding", "score"))
    assert row.values["reconstruction_error"] == [4]


def test_labels() -> None:
    assert row_label("m", "cold", 0.05) == "cold 5 %"
    assert row_label("m", "cold", 1.0) == "full"
    assert row_label("m", "frozen", 1.0) == "frozen 100 %"
    assert row_label("hold", "none", 1.0) == "hold"

