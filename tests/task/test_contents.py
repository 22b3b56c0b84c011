"""What folds and fractions hold, counted by hand, and the command that prints it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from helpers.walking import walk

from rae_bench.cli.show import show
from rae_bench.data.corpus import Corpus
from rae_bench.motion.course import course_of
from rae_bench.task.contents import Contents, contents_of, contents_of_folds, contents_of_fractions
from rae_bench.task.sides import Side
from rae_bench.task.task import Protocol


@pytest.fixture(scope="module")
def side() -> Side:
    """Six groups of two segments of 2 s, each group a take; the first group has two takes, and sits in one of them."""
    motion = walk(12, 60)
    groups = tuple(f"g{n // 2}" for n in range(12))
    takes = ("t0", "t0b", *(f"t{n // 2}" for n in range(2, 12)))
    actions = ("sit", *["walk"] * 11)
    ids = tuple(f"{take}#{n}" for n, take in enumerate(takes))
    corpus = Corpus("people", motion, ids, groups, actions, takes, course_of(motion), "x")
    return Side(corpus, Protocol(fps=30.0, fractions=(0.1, 0.5)))


def test_a_set_of_segments(side: Side) -> None:
    assert contents_of(side, [0, 1, 2]) == Contents(3, 2, 3, 6.0, {"sit": 2.0, "walk": 4.0})
    assert contents_of(side, np.array([], int)) == Contents(0, 0, 0, 0.0, {})


def test_folds_hold_each_segment_once(side: Side) -> None:
    *folds, whole = contents_of_folds(side)
    assert whole == Contents(7, 6, 12, 24.0, {"sit": 2.0, "walk": 22.0})
    assert sorted(fold.groups for fold in folds) == [1, 1, 1, 1, 2]
    for name in ("takes", "groups", "segments", "seconds"):
        assert sum(getattr(fold, name) for fold in folds) == getattr(whole, name)
    assert sum(fold.actions.get("sit", 0) for fold in folds) == 2.0


def test_fractions_are_those_that_train(side: Side) -> None:
    found = contents_of_fractions(side)
    assert list(found) == [0.1, 0.5, 1.0]
    for fraction, row in found.items():
        for seed, each in enumerate(row):
            assert each.seconds >= fraction * found[1.0][seed].seconds
            assert each == contents_of(side, side.fraction(seed, fraction))
    for seed, each in enumerate(found[1.0]):
        assert each.seconds == 24.0 - contents_of_folds(side)[seed].seconds


def test_command(tmp_path: Path) -> None:
    task = tmp_path / "small.toml"
    side = '[{}]\nkind = "builtin"\nrig = "{}"\nclips = 24\n'
    protocol = '[protocol]\ntrack = "keyframes"\n'
    task.write_text(side.format("source", "r4") + side.format("target", "quad") + protocol)
    shown = CliRunner().invoke(show, ["task", str(task), "--folds"])
    assert shown.exit_code == 0, shown.output
    lines = shown.output.splitlines()
    assert max(map(len, lines)) <= 80
    assert next(line for line in lines if line.startswith("segments ")).endswith(" 24")
    facts = json.loads(CliRunner().invoke(show, ["task", str(task), "--folds", "--json"]).output)
    (source,) = facts["sources"]
    for each in (source, facts["target"]):
        assert len(each["folds"]) == 5
        assert each["all"]["segments"] == sum(fold["segments"] for fold in each["folds"]) == 24
        assert each["all"]["seconds"] == sum(each["all"]["actions"].values()) == 120
        for action in each["all"]["actions"]:
            assert any(line.startswith(f"  {action}") for line in lines)
    assert list(facts["target"]["fractions_by_seed"]) == ["0.01", "0.05", "0.2", "1"]


def test_the_folds_of_human2dog(recordings: Path) -> None:
    """The table of docs/guides/importing.md."""
    shown = CliRunner().invoke(show, ["task", "human2dog", "--folds", "--data", str(recordings)])
    assert shown.exit_code == 0, shown.exception
    assert max(map(len, shown.output.splitlines())) <= 80
    page = (Path(__file__).parents[2] / "docs" / "guides" / "importing.md").read_text(encoding="utf-8")
    assert shown.output.strip() in page
