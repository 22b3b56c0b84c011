"""Columns: every metric has one, and headings fit a narrow terminal."""

from __future__ import annotations

import pytest

from rae_bench.metrics import METRICS, primaries
from rae_bench.metrics.base import Column
from rae_bench.model.regimes import percent
from rae_bench.objectives.tracks import TRACKS
from rae_bench.results.columns import COLUMNS, narrow_heading, primary_columns


def test_metrics_are_columns() -> None:
    assert all(COLUMNS[name] is info for name, info in METRICS.items())
    assert all(name == column.name and column.label for name, column in COLUMNS.items())
    for track in TRACKS:
        assert {category: column.name for category, column in primary_columns(track).items()} == primaries(track)


def test_a_title_has_the_unit() -> None:
    assert COLUMNS["foot_sliding"].title == "foot sliding, cm/s"
    assert COLUMNS["adversarial_score"].title == "adversarial"


@pytest.mark.parametrize(
    "name",
    [
        *(name for track in TRACKS for name in primaries(track).values()),
        "score", "gain_over_cold", "quality_of_full", "data_saved", "core_seconds", "trained",
    ],
)  # fmt: skip
def test_headings_of_the_terminal_are_narrow(name: str) -> None:
    assert max(map(len, narrow_heading(COLUMNS[name]).splitlines())) <= 9


def test_headings_by_hand() -> None:
    assert narrow_heading(COLUMNS["reconstruction_error"]) == "recon-\nstruction\ncm"
    assert narrow_heading(Column("x", "gain over cold", "", 2)) == "gain over\ncold"
    assert narrow_heading(Column("x", "reconstruction", "cm", 2), width=20) == "reconstruction\ncm"


def test_shares_in_words() -> None:
    assert (percent(0.05), percent(1.0)) == ("5 %", "100 %")
