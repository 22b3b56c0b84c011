"""What the board makes of seeds that were each tested on a fold of their own.

Reconstruction errors of the entries, times 1, 2, 1/2, 1, 1 for seeds 0 to 4; finetune also times exp(0.1 seed):

    fraction   cold   cold-long   finetune   frozen
    5 %        8      6           4          4
    20 %       4                  3          3
    100 %      2
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.made_entries import write_entry

from rae_bench.leaderboard.board.contestants import TaskCells, task_cells
from rae_bench.leaderboard.board.estimates import (
    fraction_scores,
    gain_effects,
    gains_of,
    normalised,
    over_seeds,
    reference_colds,
)
from rae_bench.leaderboard.board.make import make_board
from rae_bench.leaderboard.board.task_rows import gain_estimate
from rae_bench.leaderboard.entries.entry import load_entries
from rae_bench.leaderboard.entries.rules import CellKey
from rae_bench.metrics import category_scores
from rae_bench.model.regimes import COLD_LONG, RETARGET
from rae_bench.statistics.intervals import half_width
from rae_bench.task.named import load_task

TASK = "biped2quad"
SCALES = (1.0, 2.0, 0.5, 1.0, 1.0)
ERRORS = {
    ("cold", 0.05): 8.0, ("cold", 0.2): 4.0, ("cold", 1.0): 2.0, ("cold-long", 0.05): 6.0,
    ("finetune", 0.05): 4.0, ("finetune", 0.2): 3.0, ("frozen", 0.05): 4.0, ("frozen", 0.2): 3.0,
}  # fmt: skip
SLIDING = (1.0, 2.0, 3.0, 4.0, 5.0)
"""What the truth slides in each fold."""


def metrics(error: float, sliding: float = 9.0) -> dict[str, float]:
    return {
        "reconstruction_error": error, "foot_sliding": sliding, "objective_error": error, "adversarial_score": 0.2,
        "truth_contact_speed": 50.0,
    }  # fmt: skip


def make(entries: Path, name: str, factor: float = 1.0, without: Sequence[str] = ()) -> None:
    cells = {
        (TASK, regime, fraction, seed): metrics(
            factor * error * scale * (math.exp(0.1 * seed) if regime == "finetune" else 1.0)
        )
        for (regime, fraction), error in ERRORS.items()
        if regime not in without
        for seed, scale in enumerate(SCALES)
    }
    write_entry(entries, name, cells, identity={"task": load_task(TASK).content_hash, "split": "f" * 64})


@pytest.fixture
def entries(tmp_path: Path) -> Path:
    make(tmp_path, "fe")
    same = {"task": load_task(TASK).content_hash, "split": "f" * 64}
    truth = {(TASK, "none", 1.0, seed): metrics(0.0, sliding) for seed, sliding in enumerate(SLIDING)}
    write_entry(tmp_path, "truth", truth, regime="none", card={"capabilities": [], "learns": False}, identity=same)
    hold = {(TASK, "none", 1.0, seed): metrics(20.0 + seed, 0.0) for seed in range(5)}
    write_entry(tmp_path, "hold", hold, regime="none", card={"capabilities": [], "learns": False}, identity=same)
    return tmp_path


def cells_of(folder: Path) -> TaskCells:
    return task_cells(TASK, load_entries(folder))


def half(values: np.ndarray, shared: float) -> float:
    return half_width(len(values) - 1) * math.sqrt(2.5 * (1 / len(values) + shared)) * float(values.std(ddof=1))


def test_gains_by_hand(entries: Path) -> None:
    cells = cells_of(entries)
    (fe,) = cells.complete
    gains = gains_of(fe, cells, {})
    steps = 0.1 * np.arange(5)
    for name, logs, trained_on in (
        ("cold", (math.log(8 / 4) + math.log(4 / 3)) / 2 - steps, 0.2),  # the mean of both fractions
        ("cold-long", math.log(6 / 4) - steps, 0.05),  # at the smallest
        ("full", (math.log(2 / 4) + math.log(2 / 3)) / 2 - steps, 1.0),
    ):
        found: Any = gain_estimate([gains[name]])
        ends = logs.mean() + half(logs, trained_on / 4) * np.array([0, -1, 1])
        assert [math.log(found[end]) for end in ("value", "low", "high")] == pytest.approx(ends, abs=1e-4), name
    assert gains[RETARGET] == {}
    assert gain_estimate([gains[RETARGET]]) is None


def test_a_gain_over_retargeted_motion_is_at_the_smallest_fraction(entries: Path) -> None:
    cells = cells_of(entries)
    (fe,) = cells.complete
    moved = {CellKey(RETARGET, 0.05, seed): fe.cells[CellKey(COLD_LONG, 0.05, seed)] for seed in range(5)}
    gains = gains_of(replace(fe, cells={**fe.cells, **moved}), cells, {})
    found: Any = gain_estimate([gains[RETARGET]])
    assert math.log(found["value"]) == pytest.approx(math.log(6 / 4) - 0.2, abs=1e-5)
    assert list(gains[RETARGET]) == [0.05]


def test_the_reference_may_be_a_start_that_trained_longer(entries: Path) -> None:
    make(entries, "mann", 0.8)
    make(entries, "nsm", 0.76, without=["cold-long"])  # the better cold start, but 0.8 x 6 < 0.76 x 8 at 5 %
    cells = cells_of(entries)
    found = reference_colds(cells, ["fe", "mann", "nsm"])
    assert {f: (c.name, regime) for f, (c, regime) in found.items()} == {
        0.05: ("mann", "cold-long"), 0.2: ("nsm", "cold"),
    }  # fmt: skip
    fe = next(c for c in cells.complete if c.name == "fe")
    gain = gain_effects(gains_of(fe, cells, found)["reference"])
    assert gain is not None
    assert gain.effects.folds == (0, 1, 2, 3, 4)
    board = make_board(load_entries(entries)).data["tasks"][TASK]
    assert board["reference_cold"] == {"5 %": "mann (cold-long)", "20 %": "nsm"}


def test_a_seed_is_scored_by_the_truth_of_its_own_fold(entries: Path) -> None:
    cells = cells_of(entries)
    (fe,) = cells.complete
    scaled = normalised(fe, cells)["feet"]
    expected = []
    for seed in range(5):
        known = cells.yardsticks_at(seed)
        assert known is not None
        assert known[0]["foot_sliding"] == SLIDING[seed]
        expected.append(category_scores(fe.cells[CellKey("finetune", 0.05, seed)].metrics, *known)["feet"])
    assert scaled == pytest.approx(expected)
    assert len(set(np.round(scaled, 6))) == 5


def test_adversarial_scores_are_floored_over_the_seeds_of_a_fraction(entries: Path) -> None:
    cells = cells_of(entries)
    (fe,) = cells.complete
    metrics = fe.cells[CellKey("finetune", 0.05, 0)].metrics
    zero = [cells.controls["truth"][1.0][seed]["adversarial_score"] for seed in (0, 1)]
    for values, mean in (((-0.3, 0.1), 0.0), ((0.3, -0.1), 0.1)):
        by_seed = {n: {**metrics, "adversarial_score": zero[n] + value} for n, value in enumerate(values)}
        scores = [one["adversarial"] for one in fraction_scores(by_seed, cells)]
        assert np.mean(scores) == pytest.approx(mean)
        assert scores[0] - scores[1] == pytest.approx(values[0] - values[1])


def test_without_the_truth_of_its_fold_a_seed_has_no_score(entries: Path) -> None:
    cells = cells_of(entries)
    (fe,) = cells.complete
    truth = {1.0: {seed: metrics for seed, metrics in cells.controls["truth"][1.0].items() if seed != 3}}
    lacking = replace(cells, controls={**cells.controls, "truth": truth})
    assert lacking.yardsticks_at(3) is None
    assert normalised(fe, lacking) == {}


def test_a_control_is_the_mean_over_its_folds(entries: Path) -> None:
    cells = cells_of(entries)
    assert cells.control_means("hold")[1.0]["reconstruction_error"] == pytest.approx(np.mean([20, 21, 22, 23, 24]))
    assert cells.control_means("truth")[1.0]["foot_sliding"] == pytest.approx(3)
    row = next(c for c in make_board(load_entries(entries)).data["tasks"][TASK]["controls"] if c["control"] == "hold")
    assert row["categories"]["reconstruction"]["value"] == pytest.approx(22)


def test_levels_have_the_correction_of_full_data(entries: Path) -> None:
    (fe,) = cells_of(entries).complete
    values = fe.values("cold", 0.05, "reconstruction_error")
    found: Any = over_seeds(values)
    assert (found["value"], found["high"]) == pytest.approx((8 * 1.1, 8 * 1.1 + half(8 * np.array(SCALES), 0.25)))


def test_too_little_headroom_is_said_in_words(entries: Path) -> None:
    """With full data 1.2 times better than a cold start at 5 %."""
    for path in (entries / "fe" / "cells" / TASK).glob("cold-f1-s*.json"):
        full = 2.0 * SCALES[int(path.stem[-1])]
        path.write_text(path.read_text().replace(f'"value": {full}', f'"value": {full * 4 / 1.2}'))
        table = path.with_suffix(".csv")
        table.write_text(table.read_text().replace(f",{full:g}", f",{full * 4 / 1.2:g}"))
    (row,) = make_board(load_entries(entries)).data["tasks"][TASK]["rows"]
    at = row["by_fraction"][0]
    words = "cold / full is 1.20, below 1.3: too little to close or to save"
    assert (at["gap_closed"], at["gap_closed_words"]) == (None, words)
    assert (at["data_saved"], at["data_saved_words"]) == (None, words)
    assert at["gain"]["value"] == pytest.approx(2 * math.exp(-0.2), rel=1e-5)
