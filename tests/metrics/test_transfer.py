import math

import pytest

from rae_bench.errors import UserError
from rae_bench.metrics import METRICS
from rae_bench.metrics.transfer import (
    DataSaved,
    data_saved,
    error_area,
    gain_over_cold,
    gap_closed,
    has_headroom,
    is_negative_transfer,
    quality_of_full,
)


def test_ratios() -> None:
    assert gain_over_cold(10, 5) == 2
    assert quality_of_full(4, 5) == 80
    assert math.isnan(gain_over_cold(0, 0))
    assert gain_over_cold(1, 0) == math.inf


def test_gap_closed() -> None:
    assert gap_closed(16, 8, 4) == pytest.approx(0.5)  # a factor of 2 of a factor of 4
    assert gap_closed(16, 32, 4) == pytest.approx(-0.5)
    assert gap_closed(16, 2, 4) == pytest.approx(1.5)
    assert gap_closed(16, 0, 4) == math.inf
    for full in (16, 16 / 1.29, 20, 0):
        assert math.isnan(gap_closed(16, 8, full))
    assert math.isfinite(gap_closed(16, 8, 16 / 1.31))
    assert math.isnan(gap_closed(0, 0, 0))


def test_headroom() -> None:
    assert has_headroom(13, 10)
    assert not has_headroom(12.9, 10)
    assert not has_headroom(1, 0)


def test_negative_transfer() -> None:
    assert is_negative_transfer(10, 10.1)
    assert not is_negative_transfer(10, 10)


def test_data_saved_on_a_power_law() -> None:
    """error = f^-1/2: a straight line in logarithms, so any point on it is met exactly."""
    fractions = [0.01, 0.05, 0.2, 1.0]
    errors = [f**-0.5 for f in fractions]
    for at in (0.02, 0.05, 0.11, 0.7, 1.0):
        saved = data_saved(fractions, errors, 0.05, at**-0.5)
        assert saved.fraction == pytest.approx(at)
        assert saved.factor == pytest.approx(at / 0.05)
        assert saved.capped == ""


def test_data_saved_is_capped_at_both_ends() -> None:
    assert data_saved([0.05, 1.0], [10, 4], 0.05, 3) == DataSaved(20.0, 1.0, "above")
    assert data_saved([0.05, 1.0], [10, 4], 0.05, 10) == DataSaved(1.0, 0.05, "")
    assert data_saved([0.05, 1.0], [10, 4], 0.2, 11) == DataSaved(0.25, 0.05, "below")
    assert data_saved([0.05], [10], 0.05, 3) == DataSaved(1.0, 0.05, "above")


def test_data_saved_takes_the_first_crossing() -> None:
    assert data_saved([0.1, 0.2, 0.4, 0.8], [8, 4, 6, 2], 0.1, 4).fraction == pytest.approx(0.2)
    assert data_saved([0.1, 1.0], [8, 0], 0.1, 4).fraction == pytest.approx(10**-0.5)


@pytest.mark.parametrize(
    ("fractions", "errors"), [([], []), ([0.1], [1, 2]), ([0.2, 0.1], [1, 2]), ([0.0, 0.1], [1, 2])]
)
def test_bad_curves_are_refused(fractions: list[float], errors: list[float]) -> None:
    with pytest.raises(UserError):
        data_saved(fractions, errors, 0.1, 1)


def test_error_area() -> None:
    # Two equal steps of a factor 10: ((8 + 4) / 2 + (4 + 2) / 2) / 2.
    assert error_area([0.01, 0.1, 1.0], [8, 4, 2]) == pytest.approx(4.5)
    assert error_area([0.05, 0.2], [3, 3]) == pytest.approx(3)
    for fractions, errors in (([0.1], [1]), ([0.2, 0.1], [1, 2]), ([0.0, 0.1], [1, 2]), ([0.1, 0.2], [1])):
        with pytest.raises(UserError, match="error_area"):
            error_area(fractions, errors)


def test_in_the_table() -> None:
    assert {n for n, i in METRICS.items() if i.category == "transfer"} == {
        "gain_over_cold",
        "quality_of_full",
        "gap_closed",
        "data_saved",
        "error_area",
        "negative_transfer",
    }
