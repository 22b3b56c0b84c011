"""A small real entry that all tests of this folder share; each forges a copy."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.forger import MODEL, Forger
from helpers.running import do_here, plan_cells

from rae_bench.leaderboard.submission import gather_cells, make_card, submit_entry


@pytest.fixture(scope="session")
def sway_results(tiny_task: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `run` leaves of a model that is fast, on a task that is small; without worker processes."""
    place = tmp_path_factory.mktemp("sway")
    (place / "sway.py").write_text(MODEL, encoding="utf-8")
    plan = plan_cells(
        f"{place}/sway.py:Sway", str(tiny_task), regimes=["cold", "full"], fractions=[0.05, 0.2], seeds=3,
        budget="full", out=place / "results", controls=False,
    )  # fmt: skip
    do_here(plan)
    return place / "results"


@pytest.fixture(scope="session")
def honest(sway_results: Path, tiny_task: Path) -> Forger:
    """The entry that `submit` makes of it."""
    place = sway_results.parent
    found = gather_cells(sway_results)
    report = submit_entry(
        found, "sway", make_card(found), out=place / "entries", packed=place / "packed.zip", tasks=[tiny_task]
    )
    assert report.findings == []
    return Forger(place / "entries" / "sway", place / "packed.zip", tiny_task)


@pytest.fixture
def forged(honest: Forger, tmp_path: Path) -> Forger:
    """A copy of it to be damaged."""
    return honest.copy(tmp_path)
