"""The pictures of a run are made, whatever is missing."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from rae_bench.harness.run import Outcome
from rae_bench.results.rows import Row, rows
from rae_bench.viewer.curves import fraction_curves
from rae_bench.viewer.plots import contact_sheet, exam_sheet


def size(path: Path | None) -> tuple[int, int]:
    """Width and height of a PNG file."""
    assert path is not None
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_curves_of_a_run(tiny_run: Outcome, tmp_path: Path) -> None:
    path = fraction_curves(tiny_run, rows(tiny_run.results), tmp_path / "curves.png")
    assert size(path) > (1000, 300)
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]


def test_contact_sheet_of_a_run(tiny_run: Outcome, tmp_path: Path) -> None:
    path = contact_sheet(tiny_run, tmp_path / "sheet.png")
    assert size(path) > (1000, 300)
    assert [p.name for p in tmp_path.iterdir()] == ["sheet.png"]


def test_curves_of_several_fractions_and_seeds(tiny_run: Outcome, tmp_path: Path) -> None:
    names = ("reconstruction_error", "foot_sliding", "objective_error", "adversarial_score")

    def row(label: str, fraction: float, error: float, kind: str = "model") -> Row:
        return Row(label, fraction, kind, {name: [error, error + 1] for name in names}, [0, 1])

    table = [row("cold", f, e) for f, e in ((0.01, 9), (0.05, 7), (0.2, 5))]
    table += [row("finetune", f, e) for f, e in ((0.01, 6), (0.05, 5), (0.2, 4.5))]
    table += [row("full", 1.0, 4), row("nearest", 0.01, 8, "control"), row("nearest", 0.05, 7, "control")]
    assert size(fraction_curves(tiny_run, table, tmp_path / "curves.png")) > (1000, 300)


def test_without_a_learned_cell_there_are_no_curves(tiny_run: Outcome, tmp_path: Path) -> None:
    table = [row for row in rows(tiny_run.results) if row.kind != "model"]
    table.append(Row("cold", 0.05, "model", {}, reason="ValueError: no luck"))
    assert fraction_curves(tiny_run, table, tmp_path / "curves.png") is None
    assert not list(tmp_path.iterdir())


def test_values_that_are_not_finite_leave_gaps(tiny_run: Outcome, tmp_path: Path) -> None:
    table = [
        replace(row, values={**row.values, "objective_error": [float("nan")]}) if row.label == "frozen" else row
        for row in rows(tiny_run.results)
    ]
    assert size(fraction_curves(tiny_run, table, tmp_path / "curves.png")) > (1000, 300)


@pytest.mark.parametrize("kept", [["truth"], ["truth", "hold"]])
def test_a_sheet_shows_what_there_is(kept: list[str], tiny_run: Outcome, tmp_path: Path) -> None:
    cells = tuple(p for p in tiny_run.cells if p.cell.model in kept)
    some = replace(tiny_run, plan=replace(tiny_run.plan, cells=cells))
    path = contact_sheet(some, tmp_path / "sheet.png")
    if kept == ["truth"]:
        assert path is None
    else:
        assert size(path) > (1000, 100)


def test_a_sheet_of_four_clips_is_a_square_of_blocks(tiny_run: Outcome, tmp_path: Path) -> None:
    """Two blocks above two: as wide as two clips side by side, and about twice as tall as one block of two."""
    exam = tiny_run.target.held_out_clips(tiny_run.target.split(0).test)
    file = next(p.path.with_suffix(".npz") for p in tiny_run.cells if p.cell.model == "hold")
    rows = {"hold": ("hold", file)}
    two, four = (
        size(exam_sheet("tiny", exam, rows, clips, tmp_path / "sheet.png")) for clips in ([0, 1], [0, 1, 0, 1])
    )
    assert four[0] == two[0]
    assert 1.4 * two[1] < four[1] < 2 * two[1]
