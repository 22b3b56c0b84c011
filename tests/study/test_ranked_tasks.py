"""The ranked tasks: what their files say is what was measured, and what learns nothing stands behind what learns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.games import BEST, CONTROLS, GAMES, game_scores

from rae_bench.objectives.tracks import TRACKS
from rae_bench.study.ranking import FEEDFORWARD, Measured, judge
from rae_bench.study.ranking_tables import facts, read_facts
from rae_bench.task.named import builtin_tasks, load_task
from rae_bench.task.sides import load_target
from rae_bench.task.task import Task

EVIDENCE = Path(__file__).resolve().parents[2] / "docs" / "reports" / "ranking"
"""What `check task NAME --ranking --json` printed, a file for each task that was measured with five or ten seeds."""
SLACK = 0.005
"""By how much a headroom in a task's file may differ from what was measured: it is rounded."""


def tasks() -> Iterator[Task]:
    for name in builtin_tasks():
        task = load_task(name)
        yield from {one.name: one for one in (task, *(task.in_track(track) for track in TRACKS))}.values()


RANKED = [task for task in tasks() if task.ranking and task.ranking.fractions]


def evidence(name: str) -> tuple[dict[str, Any], Measured, tuple[float, ...], float]:
    found = json.loads((EVIDENCE / f"{name}.json").read_text(encoding="utf-8"))
    return found, *read_facts(found)


def test_some_tasks_are_ranked() -> None:
    assert RANKED


@pytest.mark.parametrize("path", sorted(EVIDENCE.glob("*.json")), ids=lambda path: path.stem)
def test_a_verdict_follows_from_what_was_measured(path: Path) -> None:
    found, measured, unsettled, full_change = evidence(path.stem)
    assert measured.seeds in (tuple(range(5)), tuple(range(10)))
    assert facts(measured, judge(measured, unsettled, full_change)) == found
    ranking = load_task(path.stem).ranking
    assert ranking is not None
    assert list(ranking.fractions) == found["ranked"]
    if not ranking.fractions:
        assert ranking.reason
        return
    np.testing.assert_allclose(ranking.headroom, found["headroom"][f"{measured.fractions[0]:g}"], atol=SLACK)


@pytest.mark.parametrize("task", RANKED, ids=lambda task: task.name)
def test_a_ranked_task_has_its_evidence(task: Task) -> None:
    assert evidence(task.name)[1].fractions == task.protocol.fractions


def weakest(found: Measured) -> float:
    """The worst score with all data of an entry that learns motion."""
    return max(float(found.scores[name, "full", 1.0].mean()) for name in found.learned if name != FEEDFORWARD)


@pytest.mark.slow  # minutes a task: it makes 1,200 clips, and fits a kernel to an hour of motion
@pytest.mark.parametrize("task", RANKED, ids=lambda task: task.name)
def test_what_learns_nothing_stands_behind_what_learns(task: Task) -> None:
    scores = game_scores(load_target(task), [*GAMES, *CONTROLS, BEST], [0, 1, 2, 3, 4])
    behind = weakest(evidence(task.name)[1])
    assert {name: score.mean() for name, score in scores.items() if score.mean() <= behind} == {}
