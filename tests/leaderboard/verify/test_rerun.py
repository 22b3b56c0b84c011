"""What may differ when a cell is trained again, which cells are drawn, and motion that nobody has seen."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from helpers.made_entries import make_entry, write_entry, write_reproduced, write_rerun

from rae_bench.leaderboard.board.build import board_files, read_board
from rae_bench.leaderboard.board.escape import markdown
from rae_bench.leaderboard.entries.entry import load_entry
from rae_bench.leaderboard.entries.level import Again, Record, TaskLevel, write_record
from rae_bench.leaderboard.entries.rules import evidence_words, ranked_cells
from rae_bench.leaderboard.site.write import site_pages
from rae_bench.leaderboard.verify.rerun import pick_cells
from rae_bench.leaderboard.verify.tolerances import CAPS, USUAL, allowed, reference_spread
from rae_bench.leaderboard.verify.unseen import worse
from rae_bench.task.named import load_task

ERROR, LIKENESS = "reconstruction_error", "adversarial_score"
TASK = load_task("biped2quad")


def test_a_rerun_draws_ranked_cells_first(tmp_path: Path) -> None:
    entry = load_entry(make_entry(tmp_path, "mine", tasks=["biped2quad"]))
    ranked = {cell.name for cell in ranked_cells(entry, TASK)}
    assert ranked == {f"finetune-f{fraction}-s{seed}" for fraction in ("0.05", "0.2") for seed in range(3)}
    for _ in range(20):
        assert pick_cells(entry, TASK, 1)[0].name in ranked
        assert {cell.name for cell in pick_cells(entry, TASK, 7)} > ranked
    assert len({pick_cells(entry, TASK, 1)[0].name for _ in range(60)}) > 1
    assert [cell.name for cell in pick_cells(entry, TASK, 1, ["cold-f1-s2"])] == ["cold-f1-s2"]


def test_a_level_says_what_it_rests_on(tmp_path: Path) -> None:
    folder = make_entry(tmp_path / "entries", "mine", tasks=["biped2quad"])
    again = [
        write_rerun(folder, "biped2quad", "finetune-f0.05-s0", 1.004, "2026-01-01"),
        write_rerun(folder, "biped2quad", "finetune-f0.2-s1", 0.992, "2026-01-02"),
        write_rerun(folder, "biped2quad", "cold-f1-s0", 1.0, "2026-01-03"),
    ]

    def words(rerun: list[Again]) -> tuple[str, str]:
        write_reproduced(folder, "biped2quad", rerun)
        entry = load_entry(folder)
        return entry.level("biped2quad"), evidence_words(entry, TASK)

    machine = "2026-01-02, Linux x86_64, torch 2.13.0; 35 of 1,057 clips rescored"
    said = f"2 of 6 ranked cells, off by 0.8 %, {machine}"
    assert words(again) == ("reproduced", said)
    board = read_board(tmp_path)
    assert board.data["left_out"] == []
    assert f"reproduced: {markdown(said)} |" in board_files(board)["README.md"]
    pages = site_pages(board)
    assert all(said in pages[name] for name in ("tasks/biped2quad.html", "entries/mine.html"))
    assert '<span class="brief">reproduced: 2 of 6 ranked cells</span>' in pages["tasks/biped2quad.html"]  # on a phone
    assert words(again[2:]) == ("rescored", "35 of 1,057 clips")  # nothing that ranks it was trained again
    assert words([]) == ("rescored", "35 of 1,057 clips")


def test_a_level_over_tasks_says_sums_and_the_worst(tmp_path: Path) -> None:
    folder = make_entry(tmp_path / "entries", "mine")
    make_entry(tmp_path / "entries", "truth")
    make_entry(tmp_path / "entries", "hold")
    names = ("biped2quad-control", "quad2biped-control", "biped2monster-control")
    levels: dict[str, TaskLevel] = {}
    days = ("2026-01-05", "2026-01-02", "2026-01-03")
    for name, factor, day in zip(names, (1.004, 1.01, 1.002), days, strict=True):
        found = write_rerun(folder, name, "finetune-f0.05-s0", factor, day)
        sha256 = load_entry(folder).hash_of(name)
        levels[name] = TaskLevel("reproduced", sha256, "0.1.0", (35, 1057), [found])
    write_record(folder, Record("rae-bench.level/3", levels))
    (row,) = read_board(tmp_path).data["overall"]["rows"]
    assert row["level"] == "reproduced"
    assert row["evidence"] == (
        "3 of 18 ranked cells, off by 1 %, 2026-01-05, Linux x86_64, torch 2.13.0; 105 of 3,171 clips rescored"
    )


def _references(folder: Path, noise: float) -> None:
    """Two references whose seeds are 1, 2 and 3 times their row, times exp(+-noise) in turns."""
    for k, name in enumerate(("fe", "mann", "rtn")):
        cells = {
            ("biped2quad", "finetune", fraction, seed): {
                ERROR: (k + 1) * (seed + 1) * math.exp(noise * (-1) ** (k + seed + (fraction > 0.1))),
                LIKENESS: 0.1 * (seed + 1) + noise * (-1) ** (k + seed),
            }
            for fraction in (0.05, 0.2)
            for seed in range(3)
        }
        write_entry(folder, name, cells)


def test_the_spread_is_that_of_other_entries_beyond_their_folds(tmp_path: Path) -> None:
    _references(tmp_path / "alike", 0.0)
    _references(tmp_path / "noisy", 0.02)
    alike, noisy = ([load_entry(p) for p in sorted((tmp_path / name).iterdir())] for name in ("alike", "noisy"))
    assert reference_spread(ERROR, TASK, alike, "mine") == (pytest.approx(0, abs=1e-12), 10)
    spread, degrees = reference_spread(ERROR, TASK, noisy, "mine")
    assert degrees == 10
    assert spread == pytest.approx(0.02 * math.sqrt(16 / 10), rel=1e-6)  # eighteen values, less means of rows and seeds
    assert reference_spread(ERROR, TASK, noisy, "fe")[1] == 6  # an entry is no judge of itself
    assert reference_spread(ERROR, TASK, noisy[:1], "fe") == (None, 0)


def test_a_noisy_row_of_the_authors_widens_nothing(tmp_path: Path) -> None:
    """Version 1 pooled the author's rows: one of 1, 30 and 900 cm let every other cell be off by 3.4 cm."""
    rows = {"finetune": (1.0, 1.01, 1.02), "frozen": (1.0, 30.0, 900.0)}
    cells = {("biped2quad", r, 0.05, s): {ERROR: v} for r, values in rows.items() for s, v in enumerate(values)}
    mine = load_entry(write_entry(tmp_path, "mine", cells))
    spread = reference_spread(ERROR, TASK, [mine], "mine")
    assert spread == (None, 0)
    assert allowed(ERROR, 1.0, *spread) == pytest.approx(CAPS["reconstruction"])
    assert allowed(LIKENESS, 1.0, *spread) == pytest.approx(2 * math.sqrt(2) * USUAL["adversarial"])
    assert allowed(ERROR, 1.0, 50.0, 20) == pytest.approx(CAPS["reconstruction"])  # whatever the references do
    assert allowed(ERROR, 1.0, 0.0, 20) == pytest.approx(0.02)
    assert allowed(LIKENESS, 0.0, 9.0, 20) == pytest.approx(CAPS["adversarial"])


def test_worse_on_unseen_motion() -> None:
    """Kinds differ by a factor of 20 among themselves: it is each kind against itself that tells."""
    hard = np.linspace(-1.5, 1.5, 10)
    rng = np.random.default_rng(0)

    def kinds(values: np.ndarray) -> dict[str, float]:
        return {f"kind-{i}": float(value) for i, value in enumerate(values)}

    public = kinds(hard)
    fresh = hard + rng.normal(0, 0.05, 10)
    assert worse(public, kinds(fresh + np.log(1.03)), 0.02, "cell")[1] == []
    note, (finding,) = worse(public, kinds(fresh + np.log(1.3)), 0.02, "cell")
    assert "times the public error on the same kinds of motion" in finding.what
    assert note.startswith("cell: 1.3")
    assert worse(public, kinds(hard - np.log(2)), 0.02, "cell")[1] == []
    assert "too few kinds" in worse(public, {"kind-1": 9.0, "other": 9.0}, 0.02, "cell")[0]
