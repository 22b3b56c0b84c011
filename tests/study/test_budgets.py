"""The doubling series of a task's updates: its numbers, its rule, its table, and the command on a tiny task."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from rae_bench.cli import main
from rae_bench.errors import UserError
from rae_bench.study.budgets import Series, choose, doubling, draw_series, table_lines, verdict_lines, with_updates
from rae_bench.task.named import load_task


def series(*tables: list[list[float]], start: int = 200, cap: int = 3200, beyond: bool = False) -> Series:
    """Errors of models m0, m1, ... at 5 %, 20 % and on all data."""
    updates = (*doubling(start, cap), *([2 * cap] if beyond else []))
    errors = {f"m{k}": np.array(table) for k, table in enumerate(tables)}
    return Series("t", 128, updates, (0.05, 0.2, 1.0), errors, 1, cap)


def falling(*shares: float) -> list[list[float]]:
    """Errors at 5 % that change by these shares from one number of updates to the next; 20 % and full stay."""
    return [[8 * math.prod(1 + s for s in shares[:n]), 4.0, 2.0] for n in range(len(shares) + 1)]


def test_a_series_doubles_up_to_its_cap() -> None:
    assert doubling(200, 3200) == (200, 400, 800, 1600, 3200)
    assert doubling(300, 1000) == (300, 600, 1000)
    for start, cap in ((0, 10), (10, 10), (-1, 10)):
        with pytest.raises(UserError, match="--start needs to be above 0 and below --cap"):
            doubling(start, cap)


def test_the_smallest_settled_budget_is_chosen() -> None:
    choice = choose(series(falling(-0.3, -0.1, -0.049, -0.01)))
    assert (choice.updates, choice.settled, choice.unsettled) == (800, True, ())
    assert choice.full_change == 0


def test_a_rise_counts_as_a_change() -> None:
    """Overtraining is no sign that training was enough."""
    assert choose(series(falling(-0.3, +0.06, -0.01, -0.01))).updates == 800
    assert choose(series(falling(-0.3, +0.04, -0.01, -0.01))).updates == 400


def test_every_fraction_below_all_data_counts_and_full_does_not() -> None:
    table = falling(-0.3, -0.01, -0.01, -0.01)
    for row, full in zip(table, (10.0, 8.0, 6.0, 4.0, 2.0), strict=True):
        row[2] = full
    choice = choose(series(table))
    assert choice.updates == 400
    assert choice.full_change == pytest.approx(6 / 8 - 1)
    for row, error in zip(table, (9.0, 8.0, 7.0, 6.9, 6.8), strict=True):
        row[1] = error
    assert choose(series(table)).updates == 800


def test_models_are_averaged_by_their_logarithms() -> None:
    """One falls by a tenth where the other rises by as much: nothing changes. An arithmetic mean would."""
    down = [[8.0 * 0.9**n, 4.0, 2.0] for n in range(5)]
    up = [[1.0 / 0.9**n, 4.0, 2.0] for n in range(5)]
    assert np.abs(series(down, up).changes).max() < 1e-12
    assert choose(series(down, up)).updates == 200


def test_at_the_cap_what_still_changes_is_not_ranked() -> None:
    open_ended = choose(series(falling(-0.3, -0.3, -0.3, -0.3)))
    assert (open_ended.updates, open_ended.settled, open_ended.unsettled) == (3200, False, (0.05, 0.2))
    assert math.isnan(open_ended.full_change)
    known = choose(series(falling(-0.3, -0.3, -0.3, -0.3, -0.2), beyond=True))
    assert (known.updates, known.settled, known.unsettled, known.full_change) == (3200, False, (0.05,), 0.0)
    settled = choose(series(falling(-0.3, -0.3, -0.3, -0.3, -0.04), beyond=True))
    assert (settled.updates, settled.settled) == (3200, True)


def test_a_missing_cell_settles_nothing() -> None:
    table = falling(-0.3, -0.01, -0.01, -0.01)
    table[2][1] = math.nan
    assert choose(series(table)).updates == 1600


def test_a_step_to_the_cap_that_is_no_doubling_says_nothing() -> None:
    assert choose(series(falling(-0.3, -0.01), start=300, cap=1000)).settled is False


def test_a_variant_of_a_task_is_another_task_but_for_its_own_budget() -> None:
    task = load_task("biped2quad")
    assert with_updates(task, 3200) is task
    less = with_updates(task, 200)
    assert (less.name, less.folder, less.protocol.adapt_updates, less.protocol.pretrain_updates) == (
        "biped2quad-at-200", "biped2quad-at-200", 200, 400,
    )  # fmt: skip
    assert less.content_hash != task.content_hash


def test_the_table_fits_and_says_what_is_chosen(tmp_path: Path) -> None:
    found = series(falling(-0.3, -0.1, -0.02, -0.01), falling(-0.3, -0.1, -0.02, -0.01))
    lines = [*table_lines(found), *verdict_lines(found, choose(found))]
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "m1\nupdates  cold 5 %  cold 20 %  full\n    200      8.00       4.00  2.00\n" in text
    assert "\n    400     -10.0       +0.0  +0.0\n" in text
    assert "budget: 800 updates of 128 frames" in text
    assert "One more doubling changes full by +0.0 %." in text
    picture = draw_series(found, choose(found), tmp_path / "plot.png")
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def call(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_the_command_trains_what_is_missing_and_no_more(
    tiny_task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", "task", tiny_task, "--budgets", "--models", "fe", "--start", 2, "--cap", 4, "--workers", 1]
    assert call(*words, "--out", tmp_path) == 0
    out, err = capsys.readouterr()
    assert out.startswith("tiny: reconstruction error of cold starts, cm, 1 seed, 128 frames an update\n")
    assert max(map(len, out.splitlines())) <= 80
    assert (tmp_path / "tiny-budgets.png").is_file()
    assert f"plot: {tmp_path / 'tiny-budgets.png'}" in err
    cells = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*-s0.json")}
    names = {path.parent.name for path in cells}
    assert {"tiny-at-2", "tiny-at-4"} <= names <= {"tiny-at-2", "tiny-at-4", "tiny-at-8"}
    assert {path.name for path in cells} == {f"cold-f{f:g}-s0.json" for f in (0.01, 0.05, 0.2, 1)}

    assert call(*words, "--out", tmp_path, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*-s0.json")} == cells
    assert facts["fractions"] == [0.01, 0.05, 0.2, 1.0]
    for number, row in zip(facts["updates"], facts["errors"]["fe"], strict=True):
        for fraction, error in zip(facts["fractions"], row, strict=True):
            (path,) = tmp_path.glob(f"fe-*/tiny-at-{number}/cold-f{fraction:g}-s0.json")
            result = json.loads(path.read_text(encoding="utf-8"))
            assert error == pytest.approx(result["metrics"]["reconstruction_error"]["value"])
            assert result["cost"]["budget"]["updates"] == number


def test_wrong_use_is_one_line(tiny_task: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("check", "task", tiny_task) == 2
    assert capsys.readouterr().err == "rae-bench: say what to check of the task: --budgets or --ranking\n"
    assert call("check", "task", tiny_task, "--budgets", "--start", 10, "--cap", 5) == 2
    assert "a series from 10 to 5 updates" in capsys.readouterr().err
