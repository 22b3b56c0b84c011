"""What people read on a terminal of 80, 100 and 120 columns, and in a pipe."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.places import DOCS

from rae_bench.cli.result_table import LEAVING, print_rows, result_rows
from rae_bench.cli.screen import print_facts, print_notes, wrapped
from rae_bench.harness.run import Outcome
from rae_bench.results.rows import Row, rows
from rae_bench.results.text_table import text_table

Call = Callable[[list[str]], tuple[int, str, str]]
WIDTHS = ["80", "100", "120", ""]
"""Columns of the terminal; a pipe has none."""


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int | None:
    """The width that commands print for."""
    monkeypatch.setenv("COLUMNS", request.param)
    return int(request.param) if request.param else None


def seeds_of(outcome: Outcome, count: int = 3) -> list[Row]:
    """The rows of a run as if it had several seeds, so that every number has an interval."""
    several = []
    for seed in range(count):
        for result in outcome.results:
            metrics = {
                name: {**value, "value": value["value"] and value["value"] * (1 + 0.2 * seed)}
                for name, value in result["metrics"].items()
            }
            several.append({**result, "seed": seed, "metrics": metrics})
    return rows(several)


def run_away(row: Row) -> Row:
    """A row whose roll-out ran away on one seed."""
    values = {name: [1e9 * (1 + seed) ** 3 for seed in range(len(found))] for name, found in row.values.items()
              if name not in ("trained", "core_seconds")}  # fmt: skip
    return dataclasses.replace(row, values={**row.values, **values}, capped="above")


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_table_of_a_run_fits(
    seeds: int, width: int | None, tiny_run: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    found = rows(tiny_run.results) if seeds == 1 else seeds_of(tiny_run)
    print_rows(found, "fe on tiny")
    lines = capsys.readouterr().out.splitlines()
    whole, _ = text_table(*result_rows(found))
    if width is None:
        assert lines[2:-1] == whole
        return
    assert max(map(len, lines)) <= width
    table = lines[2 : 2 + len(whole)]
    for line, complete in zip(table, whole, strict=True):  # each line is its whole self, with words left out
        words = iter(complete.split())
        assert line.startswith("─") or all(word in words for word in line.split())
    heads = "\n".join(lines[2:6])
    assert "score" in heads
    assert "struction" in heads
    assert "gain over" in heads


@pytest.mark.parametrize("limit", [80, 100, 120])
def test_numbers_that_ran_away_hide_no_more_than_the_stated_columns(limit: int, tiny_run: Outcome) -> None:
    found = [run_away(row) if row.kind == "model" else row for row in seeds_of(tiny_run)]
    lines, hidden = text_table(*result_rows(found), limit)
    assert max(map(len, lines)) <= limit
    assert max(len(word) for line in lines for word in line.split() if "─" not in word) <= 14
    exact = "339,714"  # how many parameters are trained is a count
    assert all(len(word) <= 7 for word in re.findall(r"[\d,.]+", "\n".join(lines)) if word != exact)
    assert len(hidden) <= {80: 6, 100: 4, 120: 3}[limit]


def test_columns_of_a_run_leave_in_the_stated_order(tiny_run: Outcome) -> None:
    from rae_bench.results.columns import COLUMNS

    columns, body = result_rows(seeds_of(tiny_run))
    gone: list[str] = []
    for limit in range(200, 30, -1):
        hidden = text_table(columns, body, limit)[1]
        gone += [name for name in hidden if name not in gone]
    shown = {column.name for column in columns}
    stated = [COLUMNS[name].label for name in LEAVING if COLUMNS[name].label in shown]
    assert gone[: len(stated)] == stated
    assert gone[len(stated) :] == ["adversarial", "objective", "foot sliding"]
    order = ", ".join(COLUMNS[name].label for name in LEAVING)
    page = " ".join((DOCS / "start" / "first-run.md").read_text(encoding="utf-8").split())
    assert f"Columns are left out in this order: {order}, then the errors from right to left" in page


def test_commands_keep_to_the_width(
    width: int | None, tiny_run: Outcome, tiny_task: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tiny_run.cells[0].path.parents[2])
    names = sorted(path.name for path in Path(folder).iterdir() if path.name.startswith(("fe-", "hold-")))
    commands = {
        "run": ["run", "--model", "fe", "--task", str(tiny_task), "--out", folder, "--by", "action"],
        "compare": ["compare", f"{names[0]}:finetune", f"{names[0]}:cold", "--results", folder],
        "list": ["list"],
        "task": ["show", "task", "human2dog"],
        "rig": ["show", "rig", "quad", "--to", "r1"],
    }
    for name, arguments in commands.items():
        code, out, err = call(arguments)
        assert code == 0, (name, err)
        if width is not None:
            long = [line for line in out.splitlines() if len(line) > width and " " in line.strip()]
            assert not long, name
        wide = call([*arguments, "--wide"])[1] if name in ("run", "compare") else out
        assert "hidden" not in wide
        if width is None:
            assert wide == out


def test_metrics_and_board_keep_to_the_width(width: int | None, capsys: pytest.CaptureFixture[str]) -> None:
    from rae_bench.cli.screen import print_table
    from rae_bench.metrics import METRICS
    from rae_bench.study import robustness

    found = [
        robustness.Reading(fault.name, fault.unit, strength, dict.fromkeys(METRICS, 1.2345e-6 + strength))
        for fault in robustness.FAULTS
        for strength in (0.0, *fault.strengths)
    ]
    for title, columns, body in robustness.text_tables(found):
        print_table(columns, body, title)
    out = capsys.readouterr().out
    assert ("hidden" in out) == (width is not None)
    assert width is None or max(map(len, out.splitlines())) <= width


def test_notes_wrap_between_words_and_keep_numbers_with_their_units(
    width: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    rows_named = ", ".join(f"frozen {n} %" for n in range(1, 40))
    note = f"The control hold has a better score than: {rows_named}" + " /a/path" * 9
    print_notes([note])
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(line.strip() for line in lines) == note
    assert len(lines) == 1 if width is None else max(map(len, lines)) <= width
    assert not any(line.strip().startswith("%") for line in lines)
    assert wrapped("a" * 100, 80) == ["a" * 100]  # such as a path: whole, to be copied


def test_facts_have_their_text_beside_the_heading(capsys: pytest.CaptureFixture[str], width: int | None) -> None:
    text = "word " * 50 + "end"
    print_facts([("head", text), ("a heading that is long", "text"), ("", "")], 14)
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0].startswith("head          word")
    assert "a heading that is long text" in lines
    if width is not None:
        assert max(map(len, lines)) <= width
        assert textwrap.dedent("\n".join(lines[1:2])).startswith("word")
        assert lines[1].startswith(" " * 14 + "word")


def test_a_pipe_has_all_columns(tiny_run: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(rows(tiny_run.results), "t")
    out = capsys.readouterr().out
    assert "hidden" not in out
    assert "trained" in out
