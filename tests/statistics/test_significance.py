import math

import numpy as np
import pytest

from rae_bench.errors import UserError
from rae_bench.statistics.significance import holm, mann_whitney, wilcoxon


def test_holm_by_hand() -> None:
    # Sorted: 0.01 x 3, then 0.02 x 2 (at least 0.03), then 0.03 x 1 (at least 0.04).
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.6, 0.9]) == pytest.approx([1, 1])
    assert holm([0.04]) == pytest.approx([0.04])
    assert len(holm([])) == 0


def test_holm_leaves_out_what_was_not_tested() -> None:
    found = holm([0.02, math.nan, 0.03])
    assert found[[0, 2]] == pytest.approx([0.04, 0.04])
    assert np.isnan(found[1])


def test_mann_whitney_by_counting() -> None:
    # All of one below all of the other: 2 of the 20 ways to deal six values are as extreme.
    assert mann_whitney([1, 2, 3], [4, 5, 6]) == pytest.approx(2 / 20)
    assert mann_whitney([1, 2, 3, 4], [5, 6, 7, 8]) == pytest.approx(2 / 70)
    assert mann_whitney([1, 1], [1, 1]) == 1


def test_wilcoxon_by_counting() -> None:
    # All six of one sign: 2 of 2^6 ways.
    assert wilcoxon([1, 2, 3, 4, 5, 6]) == pytest.approx(2 / 64)
    assert wilcoxon([1, 2, 3, 4, 5]) > 0.05
    assert wilcoxon([0, 0]) == 1
    assert wilcoxon([0, 1, 2, 3, 4, 5, 6]) == pytest.approx(2 / 64)


def test_gaps_are_refused() -> None:
    for call in (lambda: wilcoxon([1, math.nan]), lambda: wilcoxon([]), lambda: mann_whitney([1.0], [math.inf])):
        with pytest.raises(UserError, match="finite"):
            call()
