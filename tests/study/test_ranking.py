"""The rule by which a task is ranked: each condition alone decides, and the command applies it to a tiny task."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rae_bench.cli import main
from rae_bench.errors import UserError
from rae_bench.study.ranking import Key, Measured, Verdict, best_two, judge
from rae_bench.study.ranking_tables import facts, read_facts, tables

SEEDS = (0, 1, 2, 3, 4)
ENTRIES = ("mann", "fe", "rtn")
FULL_SCORES = {"mann": 0.20, "fe": 0.22, "rtn": 0.30, "feedforward": 0.40}
CONTROLS = {"hold": 0.7, "interpolate": 0.8, "nearest": 0.6}


def made(ratio: float = 3.0, spread: float = 0.02) -> Measured:
    """A task that is ranked: cold at 5 % has `ratio` times the errors of full, and at 20 % its root."""
    wobble = {name: 1 + spread * np.roll([0, 2, -2, 1, -1], k) for k, name in enumerate(FULL_SCORES)}
    errors: dict[Key, np.ndarray] = {}
    scores: dict[Key, np.ndarray] = {}
    for name, score in FULL_SCORES.items():
        for label, fraction, times in (("cold", 0.05, ratio), ("cold", 0.2, ratio**0.5), ("full", 1.0, 1.0)):
            moved = wobble[name] if label == "cold" else np.ones(5)
            errors[name, label, fraction] = np.full((5, 3), times) * moved[:, None]
            scores[name, label, fraction] = np.full(5, score + 0.1 * (times - 1))
    for name, score in CONTROLS.items():
        for fraction in (0.05, 0.2, 1.0) if name == "nearest" else (1.0,):
            scores[name, name, fraction] = np.full(5, score)
            errors[name, name, fraction] = np.full((5, 3), 9.0)
    least = {0.05: (3, 4, 40.0), 0.2: (9, 12, 160.0)}
    reconstruction = {key: values[:, 0] for key, values in errors.items()}
    return Measured("t", SEEDS, (0.05, 0.2), ENTRIES, errors, scores, reconstruction, least, False, False)


def with_scores(found: Measured, changed: Mapping[Key, float]) -> Measured:
    scores = {**found.scores, **{key: np.full(5, score) for key, score in changed.items()}}
    return replace(found, scores=scores)


def missed(verdict: Verdict) -> list[str]:
    return [condition.name for condition in verdict.conditions if not condition.holds]


def test_a_task_that_can_tell_is_ranked_at_every_settled_fraction() -> None:
    verdict = judge(made())
    assert missed(verdict) == []
    assert verdict.ranked == (0.05, 0.2)
    assert verdict.best == ("mann", "fe")
    assert verdict.headroom[0.05][0] == pytest.approx(3, rel=1e-3)
    assert verdict.headroom[0.2][0] == pytest.approx(3**0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (made(1.9), "headroom"),
        (made(2.1, spread=0.2), "headroom"),
        (made(3.0, spread=0.2), "resolution"),
        (with_scores(made(), {("nearest", "nearest", 0.05): 0.35}), "mann beats the controls"),
        (with_scores(made(), {("hold", "hold", 1.0): 0.41}), "fe beats the controls"),
        (with_scores(made(), {("feedforward", "full", 1.0): 0.15}), "full is led by an entry"),
        (with_scores(made(), {("nearest", "nearest", 1.0): 0.15}), "full is led by an entry"),
        (replace(made(), least={0.05: (2, 9, 40.0), 0.2: (9, 9, 160.0)}), "enough in the fraction"),
        (replace(made(), least={0.05: (3, 9, 29.0), 0.2: (9, 9, 160.0)}), "enough in the fraction"),
        (replace(made(), least={0.05: (9, 1, 40.0), 0.2: (9, 9, 160.0)}, recorded=True), "enough in the fraction"),
        (replace(made(), blocks=True), "enough in the fraction"),
    ],
)
def test_each_condition_decides(found: Measured, name: str) -> None:
    verdict = judge(found)
    assert name in missed(verdict)
    assert verdict.ranked == ()


def test_takes_count_in_recordings_and_groups_elsewhere() -> None:
    few_groups = replace(made(), least={0.05: (2, 2, 40.0), 0.2: (9, 9, 160.0)})
    assert judge(replace(few_groups, recorded=True)).ranked == (0.05, 0.2)
    assert judge(few_groups).ranked == ()


def test_nearest_at_another_fraction_is_no_rival_of_a_cold_start() -> None:
    assert judge(with_scores(made(), {("nearest", "nearest", 0.2): 0.35})).ranked == (0.05, 0.2)


def test_an_unsettled_fraction_is_not_ranked_and_the_next_one_is_judged() -> None:
    verdict = judge(made(9.0), unsettled=(0.05,))
    assert verdict.ranked == (0.2,)
    assert "cold 20 % / full is 3.00" in verdict.conditions[1].words
    assert judge(made(), unsettled=(0.05, 0.2)).ranked == ()


def test_two_entries_are_needed() -> None:
    with pytest.raises(UserError, match="two entries"):
        best_two(replace(made(), learned=("mann",)))


def test_the_tables_have_every_entry_and_control() -> None:
    (title, columns, rows), (score_title, _, _) = tables(made())
    assert "reconstruction error, cm; 5 seeds" in title
    assert "score" in score_title
    assert [column.name for column in columns] == ["entry", "cold 5 %", "cold 20 %", "cold-long 5 %", "full"]
    assert [row[0] for row in rows if row] == ["mann", "fe", "rtn", "feedforward", *("hold", "interpolate", "nearest")]
    assert rows[0] is not None
    assert rows[0][1].startswith("3.00 ±")
    assert rows[0][3] == "-"


def call(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_the_command_judges_a_tiny_task(tiny_task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["check", "task", tiny_task, "--ranking", "--models", "mann,patches", "--seeds", 2, "--out", tmp_path]
    assert call(*words, "--workers", 1, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["seeds"] == [0, 1]
    assert found["ranked"] == []
    assert found["unsettled"] == [0.01, 0.05, 0.2]
    rows = {(row["entry"], row["row"], row["fraction"]) for row in found["rows"]}
    assert {("mann", "cold", 0.2), ("patches", "cold", 0.01), ("feedforward", "full", 1.0)} < rows
    assert ("patches", "cold-long", 0.01) not in rows  # it makes no updates
    assert {("nearest", "nearest", 1.0), ("nearest", "nearest", 0.2), ("hold", "hold", 1.0)} < rows
    # What was printed can be judged again, by somebody who has no cells.
    evidence = tmp_path / "evidence.json"
    evidence.write_text(json.dumps(found))
    assert call("check", "task", tiny_task, "--ranking", "--evidence", evidence, "--json") == 0
    assert json.loads(capsys.readouterr().out) == found
    # The table comes from what is there, without training.
    assert call(*words, "--report-only") == 0
    out = capsys.readouterr().out
    assert "verdict  not ranked" in out
    assert "MISSED" in out


def test_wrong_use_is_one_line(tiny_task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("check", "task", tiny_task) == 2
    assert capsys.readouterr().err == "rae-bench: say what to check of the task: --budgets or --ranking\n"
    assert call("check", "task", tiny_task, "--ranking", "--report-only", "--out", tmp_path) == 2
    assert "no finished cell" in capsys.readouterr().err
    assert call("check", "task", tiny_task, "--budgets", "--evidence", tmp_path / "x.json") == 2
    assert "--evidence goes with --ranking" in capsys.readouterr().err
    (tmp_path / "x.json").write_text("[1]")
    assert call("check", "task", tiny_task, "--ranking", "--evidence", tmp_path / "x.json") == 2
    assert "x.json: this is not what check task --ranking --json writes" in capsys.readouterr().err
    other = facts(made(), judge(made()))
    (tmp_path / "x.json").write_text(json.dumps(other))
    assert call("check", "task", tiny_task, "--ranking", "--evidence", tmp_path / "x.json") == 2
    assert "x.json: it is about t, not" in capsys.readouterr().err


def test_facts_come_back_as_they_were() -> None:
    found = made()
    for verdict in (judge(found, (0.05,)), judge(found, (), 0.031)):
        again, unsettled, full_change = read_facts(json.loads(json.dumps(facts(found, verdict))))
        assert facts(again, judge(again, unsettled, full_change)) == facts(found, verdict)
    assert verdict.conditions[0].words.endswith("and full by +3.1 %")
