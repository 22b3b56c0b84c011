"""Tables of text: nothing is cut, columns leave in the stated order, numbers of any size stay short."""

from __future__ import annotations

import math

import pytest

from rae_bench.results.text_table import (
    SECTION,
    Cells,
    TextColumn,
    hidden_note,
    short_number,
    short_range,
    text_table,
)

COLUMNS = [
    TextColumn("row", right=False),
    TextColumn("error", "error\ncm"),
    TextColumn("gain", leaves=1),
    TextColumn("seconds", leaves=3),
    TextColumn("memory", leaves=2),
]
ROWS: list[Cells | None] = [("cold", "1.25\n± 0.50", "", "12", "900"), SECTION, ("full", "1.00", "1.25", "7", "80")]
WHOLE = [
    "       error",
    "row       cm  gain  seconds  memory",
    "───────────────────────────────────",
    "cold    1.25             12     900",
    "      ± 0.50",
    "",
    "full    1.00  1.25        7      80",
]


@pytest.mark.parametrize("width", [None, 80, 35])
def test_a_table_by_hand(width: int | None) -> None:
    assert text_table(COLUMNS, ROWS, width) == (WHOLE, [])


@pytest.mark.parametrize(
    ("width", "hidden"),
    [(34, ["seconds"]), (26, ["seconds"]), (25, ["seconds", "memory"]), (17, ["gain", "seconds", "memory"]), (5, None)],
)
def test_columns_leave_in_their_order_and_the_rest_is_as_it_was(width: int, hidden: list[str] | None) -> None:
    lines, left = text_table(COLUMNS, ROWS, width)
    assert left == (hidden or ["gain", "seconds", "memory"])  # two columns stay even where they do not fit
    assert max(map(len, lines)) <= max(width, 12)
    assert text_table([c for c in COLUMNS if c.name not in left], [
        row and [cell for cell, c in zip(row, COLUMNS, strict=True) if c.name not in left] for row in ROWS
    ])[0] == lines  # fmt: skip


def test_every_hidden_column_is_named() -> None:
    assert hidden_note([]) == ""
    assert hidden_note(["gain"]) == "1 column hidden (gain): --wide shows all."
    assert hidden_note(["gain", "memory"]) == "2 columns hidden (gain, memory): --wide shows all."


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"), (-0.0001, "0.00"), (3.14159, "3.14"), (999.994, "999.99"), (1000, "1,000"), (1004.86, "1,005"),
        (99_999.4, "99,999"), (99_999.6, "1.0e+05"), (138_954_384.0, "1.4e+08"), (-12_505_399_710.0, "-1.3e+10"),
        (math.nan, ""), (math.inf, "inf"), (-math.inf, "-inf"),
    ],
)  # fmt: skip
def test_numbers_of_any_size_are_short(value: float, text: str) -> None:
    assert short_number(value, 2) == text
    assert len(text) <= 8


def test_intervals_of_any_size_are_short() -> None:
    assert short_range(0.912, 1.2, 2) == "0.91-1.20"
    assert short_range(0.0, 1_004_860.7, 1) == "0.0-1e+06"
    assert short_range(0.0, 4089.2, 1) == "0.0-4,089"
    assert len(short_range(1.4e8, 1.3e10, 2)) == 11
