import numpy as np
import pytest
from helpers.places import DOCS

from rae_bench.statistics.folds import FULL_OVERLAP, overlap
from rae_bench.statistics.overlap import FRACTIONS, GROUPS, World, shared, shared_table, train


def test_models_learn_and_the_source_helps() -> None:
    found = train(World(2), 100, np.random.default_rng(0))
    assert found["level"].shape == (100, len(FRACTIONS), 5)
    levels, gains = found["level"].mean((0, 2)), found["gain"].mean((0, 2))
    assert (np.diff(levels) < 0).all()  # more data, smaller errors
    assert gains[0] > 0.01
    assert gains[0] > gains[1] > np.abs(gains[2:]).max()  # and less to gain


def test_a_group_that_is_hard_is_hard_to_learn_from() -> None:
    """Levels of folds go together through the groups that one is tested on and others train on; gains do not."""
    found = shared(60).set_index(["effect", "drawn", "groups", "fraction"])
    level, gain = (found.xs(effect)["shared"] for effect in ("level", "gain"))
    assert level.mean() > 0.03
    assert gain[:, :, 1.0].max() < 0
    assert shared_table(found.reset_index()).count("\n") == 1 + 2 * 2 * len(GROUPS)


def test_the_page_says_no_more_is_shared_than_is_allowed() -> None:
    """But for gains at 5 % of four whole groups, which is less than one of them: there the allowance is for both."""
    page = (DOCS / "concepts" / "statistics.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith(("| gain | ", "| level | "))]
    assert len(rows) == 4 * len(GROUPS)
    for effect, drawn, groups, *cells in rows:
        for fraction, cell in zip(FRACTIONS, cells, strict=True):
            held = float(cell.split("(")[1].strip(")"))
            assert held >= 93, (effect, drawn, groups, fraction)
            if (effect, drawn, fraction) != ("gain", "groups", 0.05):
                allowed = overlap(fraction) if effect == "gain" else FULL_OVERLAP
                assert float(cell.split()[0]) <= allowed, (effect, drawn, groups, fraction)


@pytest.mark.slow
def test_the_published_interval_holds_where_training_data_is_shared() -> None:
    found = shared(300)
    assert found["coverage"].min() > 0.95
