import numpy as np
import pytest

from rae_bench.statistics.coverage import EVEN, METHODS, SCENARIOS, Scenario, coverage, draw, markdown
from rae_bench.statistics.intervals import effect


def test_data_sets_have_the_spread_that_they_are_told() -> None:
    """Variance of one task's effect: seed^2 / S + group^2 / G + both^2 / (S G), groups of one clip weight alike."""
    rng = np.random.default_rng(0)
    scenario = Scenario("", 0.5, 0.3, 0.4, 0.0, tasks=1)
    found = [effect(draw(scenario, 3, rng)) for _ in range(4000)]
    # Groups have 1 to 3 clips, so their weights' squares sum to more than 1 / G: E[n^2] / E[n]^2 = (14 / 3) / 4.
    more = (14 / 3) / 4
    expected = 0.25 / 3 + more * 0.09 / 10 + more * 0.16 / 30
    assert np.var(found) == pytest.approx(expected, rel=0.08)
    assert np.mean(found) == pytest.approx(0, abs=0.02)


def test_shapes_are_standardised() -> None:
    for shape in ("normal", "skewed", "heavy"):
        rng = np.random.default_rng(0)
        scenario = Scenario("", 1.0, 0.0, 0.0, 0.0, shape=shape, groups=1, tasks=1)
        values = [effect(draw(scenario, 20, rng)) for _ in range(2000)]
        assert np.var(values) == pytest.approx(1 / 20, rel=0.2), shape


def test_table() -> None:
    found = coverage([EVEN], seeds=(3,), sets=30)
    assert found["method"].tolist() == list(METHODS)
    assert found["coverage"].between(0.5, 1).all()
    assert markdown(found).count("\n") == 2
    assert coverage([EVEN], seeds=(3,), sets=5).equals(coverage([EVEN], seeds=(3,), sets=5))


@pytest.mark.slow
def test_the_published_interval_holds_its_coverage() -> None:
    """At least 90 % in every scenario at 3 and 5 seeds; the plain bootstrap and t over seeds each fail in some."""
    found = coverage(SCENARIOS, sets=300).set_index(["method", "scenario", "seeds"])["coverage"]
    assert found["published"].min() >= 0.88, found["published"]  # 0.90, less what 300 data sets may err by
    assert found["percentile"].min() < 0.85
    assert found["t over seeds alone"].min() < 0.60
