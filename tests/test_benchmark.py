"""The benchmark's version: what names it, and what is said of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.places import ROOT

from rae_bench.benchmark import BENCHMARK_VERSION, OLD_BOARDS, other_version, version_of
from rae_bench.cli import main

V1 = ROOT / "leaderboard" / "v1"


def test_this_version_passes_and_no_other() -> None:
    assert other_version(BENCHMARK_VERSION, "this") == ""
    for found in (1, BENCHMARK_VERSION + 1, float(BENCHMARK_VERSION), True, None, "next", [2]):
        assert other_version(found, "this entry").startswith("this entry is of benchmark version "), found
    assert "\x1b" not in other_version("\x1b[31m", "this")


def test_what_names_no_version_is_of_the_first() -> None:
    assert [version_of(table) for table in ({}, {"benchmark": "1"}, {"benchmark": 2})] == [1, 1, 2]
    odd: list[Any] = [None, "²", "", "9" * 5000, {}]
    assert [version_of({"benchmark": found}) for found in odd] == odd


def test_old_boards_stay_where_the_words_say() -> None:
    assert set(OLD_BOARDS) == set(range(1, BENCHMARK_VERSION))
    for version, place in OLD_BOARDS.items():
        assert place in other_version(version, "this")
        board = json.loads((ROOT / place / "board.json").read_text(encoding="utf-8"))
        assert version_of(board) == version
        for name in ("README.md", "board.md", "board.csv", "results.md"):
            assert (ROOT / place / name).is_file(), name
    assert "readable" not in other_version(BENCHMARK_VERSION + 1, "this")


def test_the_first_versions_entries_are_all_there() -> None:
    entries = sorted(path.name for path in (V1 / "entries").iterdir())
    board = json.loads((V1 / "board.json").read_text(encoding="utf-8"))
    assert entries == sorted(board["entries"])
    for name, facts in board["entries"].items():
        assert len(list((V1 / "entries" / name / "cells").rglob("*.json"))) == facts["cells"], name


def one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command says that ends with 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.endswith(": loading")]
    return line


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["verify", "V1/entries/fe"], "this entry"),
        (["verify", "V1/entries/truth"], "this entry"),
        (["rescore", "V1/entries/fe"], "this entry"),
        (["rescore", "V1/entries/fe/cells"], "this result"),
        (["leaderboard", "build", "--folder", "V1"], "this entry"),
        (["leaderboard", "show", "--folder", "V1"], "this entry"),
        (["leaderboard", "diff", "V1", "V2"], "this board"),
        (["leaderboard", "diff", "V2", "V1"], "this board"),
        (["compare", "V1/entries/fe", "V1/entries/mann"], "this result"),
        (["submit", "V1/entries/fe/cells", "--name", "mine", "--author", "Me"], "this result"),
        (["view", "V1/entries/fe/cells/biped2quad"], "this result"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else None,
)
def test_the_first_version_is_refused_in_one_line(
    arguments: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"V1": str(V1), "V2": str(ROOT / "leaderboard")}
    words = [places[w[:2]] + w[2:] if w[:2] in places else w for w in arguments]
    line = one_line(words, capsys)
    assert f"{what} is of benchmark version 1, whose numbers do not compare with those of version 2" in line
    assert "stays readable in leaderboard/v1" in line


def test_the_command_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--version"])
    assert capsys.readouterr().out.rstrip().endswith(f", benchmark version {BENCHMARK_VERSION}")


def test_reading_the_version_imports_nothing() -> None:
    source = Path(ROOT / "rae_bench" / "benchmark.py").read_text(encoding="utf-8")
    imported = [line.split()[1] for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert set(imported) <= {"__future__", "collections.abc", "typing"}
