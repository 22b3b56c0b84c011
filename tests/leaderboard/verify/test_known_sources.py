"""What is known of sources without their motion is what the motion gives; of others the motion is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from golden.known_sources import KNOWN

from rae_bench.harness.identity import identity
from rae_bench.leaderboard.verify import grading
from rae_bench.leaderboard.verify.grading import HASHES, Grader
from rae_bench.leaderboard.verify.known_sources import known_sources, sources_as_made
from rae_bench.model.regimes import COLD, RETARGET
from rae_bench.task.cells import TRUTH, Cell
from rae_bench.task.named import load_task

STALE = "python tests/golden/known_sources.py writes it anew"


@pytest.mark.parametrize(
    ("name", "track"), [KNOWN[0], *(pytest.param(*one, marks=pytest.mark.slow) for one in KNOWN[1:])]
)
def test_known_sources_are_those_that_the_motion_gives(name: str, track: str) -> None:
    task = load_task(name).in_track(track)
    known = known_sources(task)
    assert known is not None, STALE
    assert known == tuple(sources_as_made(task).values()), STALE


@pytest.mark.parametrize("regime", [COLD, RETARGET])
def test_hashes_of_known_sources_are_those_of_a_cell(regime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sources' motion is made for this comparison alone."""
    task = load_task("biped2quad")
    grader = Grader.of(task)
    assert "sources" not in vars(grader)
    found = {place: grader.hashes(regime, *place) for place in ((0.05, 0), (0.2, 7), (1.0, 3))}
    assert "sources" not in vars(grader)
    for (fraction, seed), hashes in found.items():
        cell = Cell(TRUTH, {}, regime, fraction, seed)
        facts = identity(None, {}, task, grader.sources, grader.target, cell)
        assert hashes == {part: facts[part] for part in HASHES}


def test_other_motion_is_not_known(tiny_task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = load_task("biped2quad")
    assert known_sources(load_task(tiny_task)) is None
    assert known_sources(load_task("human2dog")) is None
    assert known_sources(replace(task, sources=({**task.source, "seed": 1},))) is None
    assert known_sources(replace(task, target={**task.target, "rig": "r3"})) is None
    assert known_sources(replace(task, protocol=replace(task.protocol, history=0.5))) is None
    assert known_sources(task.at("quick")) == known_sources(task)  # no budget decides it
    monkeypatch.setattr("rae_bench.task.SPLIT_VERSION", 99)
    assert known_sources(task) is None
    assert grading.known_sources is known_sources
