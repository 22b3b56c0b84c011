"""The board: numbers by hand, order, completeness, versions, and text that stays text."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.made_entries import HASHES, HEIGHT, make_entry

from rae_bench.benchmark import BENCHMARK_VERSION
from rae_bench.cli import cli
from rae_bench.errors import UserError
from rae_bench.leaderboard.board import formatting
from rae_bench.leaderboard.board.build import board_files, load_board, read_board, stale_files, write_board
from rae_bench.leaderboard.board.charts import task_chart
from rae_bench.leaderboard.board.difference import compare_boards, difference_markdown, difference_tables
from rae_bench.leaderboard.board.escape import csv_cell, markdown, web_address
from rae_bench.leaderboard.board.make import Board, make_board
from rae_bench.leaderboard.board.text_tables import FIRST_ENTRY, terminal_table
from rae_bench.leaderboard.entries.entry import load_entries
from rae_bench.leaderboard.site.write import site_pages
from rae_bench.metrics import category_scores, headline_score
from rae_bench.objectives.tracks import CONTROL
from rae_bench.results.files import load_results
from rae_bench.results.text_table import text_table
from rae_bench.statistics.gains import transfer_summary
from rae_bench.statistics.tables import cell_values
from rae_bench.viewer.kinds import line_colours

HOSTILE = {
    "title": '<img src=x onerror=alert(1)> [x](javascript:alert(1)) | `c` **b**',
    "authors": '=HYPERLINK("http://evil.example","x")',
    "description": "</script><script>window.hacked = 1</script>",
    "paper": "+cmd|' /C calc'!A0",
    "licence": "@SUM(1+1)",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Entries with controls: two complete, one that ran one task only, one that lacks a cell."""
    folder = tmp_path_factory.mktemp("board")
    entries = folder / "entries"
    for control in ("truth", "hold", "interpolate", "nearest"):
        make_entry(entries, control)
    make_entry(entries, "fe", 1.0)
    make_entry(entries, "worse", 3.0, gain=0.8, card=HOSTILE)
    make_entry(entries, "one-task", 1.1, tasks=["biped2quad-control"])
    make_entry(entries, "lacking", 1.2, leave_out=["finetune-f0.05-s1"])
    make_entry(entries, "shot", 1.0, regime="zero-shot")
    return folder


@pytest.fixture(scope="module")
def board(folder: Path) -> Board:
    return read_board(folder)


@pytest.fixture(scope="module")
def data(board: Board) -> Any:
    return board.data


def row(part: Any, entry: str) -> Any:
    return next(row for row in part["rows"] if row["entry"] == entry)


def test_scores_are_those_of_the_statistics(folder: Path, data: Any) -> None:
    """`load_results` reads the same files by another way."""
    results = load_results(folder / "entries")
    names = {"fe": "finetune", "worse": "finetune"}
    kept = results[results["model"].isin([*names, "truth", "hold"]) & (results["task"] == "biped2quad-control")]
    cells = {
        key: dict(zip(cell["metric"], cell["value"], strict=True))
        for key, cell in kept.groupby(["model", "regime", "fraction", "seed"])
    }
    yardsticks = cells["truth", "none", 1.0, 0], HEIGHT
    for name, regime in names.items():
        own = [
            headline_score(
                [category_scores(cells[name, regime, part, seed], *yardsticks, CONTROL) for part in (0.01, 0.05)]
            )
            for seed in range(3)
        ]
        assert row(data["tasks"]["biped2quad-control"], name)["seed_scores"] == pytest.approx(own, rel=1e-5)
    saved = transfer_summary(cell_values(kept, "reconstruction_error@first"))
    for line in saved[(saved["entry"] == "fe-44136fa3") & (saved["regime"] == "finetune")].to_dict("records"):
        by_fraction = row(data["tasks"]["biped2quad-control"], "fe")["by_fraction"]
        at = next(a for a in by_fraction if a["fraction"] == line["fraction"])
        assert at["data_saved"]["value"] == pytest.approx(line["data_saved"], rel=1e-5)
        assert at["gap_closed"]["value"] == pytest.approx(line["gap_closed"], rel=1e-5)
        assert at["negative"] == line["negative"]


def test_a_gain_by_hand(folder: Path, data: Any) -> None:
    """exp of the mean over fractions, seeds and clips of log(cold / finetune)."""
    cells = folder / "entries" / "fe" / "cells" / "biped2quad-control"

    def errors(regime: str, fraction: str, seed: int) -> pd.Series:
        return pd.read_csv(cells / f"{regime}-f{fraction}-s{seed}.csv")["reconstruction_error@first"]

    logs = [
        math.log(a / b)
        for fraction in ("0.01", "0.05")
        for seed in range(3)
        for a, b in zip(errors("cold", fraction, seed), errors("finetune", fraction, seed), strict=True)
    ]
    found = row(data["tasks"]["biped2quad-control"], "fe")["gain"]["cold"]
    assert found["value"] == pytest.approx(math.exp(np.mean(logs)), rel=1e-5)
    assert found["low"] < found["value"] < found["high"]


def test_controls_and_truth_are_rows(data: Any, board: Board) -> None:
    controls = {c["control"]: c["score"] for c in data["tasks"]["biped2quad-control"]["controls"]}
    assert list(controls) == ["truth", "hold", "interpolate", "nearest"]
    assert controls["truth"] == 0
    assert controls["hold"] == pytest.approx((5.2 / 9.7 + 0 + 180 / 184.5 + 0.92) / 4)
    text = board_files(board)["README.md"]
    places = [text.index(f"| {name} |") for name in ("*truth*", "fe", "*hold*", "*nearest*")]
    assert places == sorted(places)  # a control stands where its score does


def test_a_control_that_reads_clips_is_compared_at_the_fractions_of_entries(tmp_path: Path) -> None:
    """`nearest` run on all of the data too is better there; its row is what it was, its curve falls."""
    for name in ("truth", "hold", "nearest", "fe"):
        make_entry(tmp_path / "entries", name, tasks=["biped2quad-control"])
    before = make_board(load_entries(tmp_path / "entries")).data["tasks"]["biped2quad-control"]["controls"]
    cells = tmp_path / "entries" / "nearest" / "cells" / "biped2quad-control"
    for path in cells.glob("*-f0.05-s0.*"):
        shutil.copy(path, path.with_name(path.name.replace("f0.05", "f1")))
    result = json.loads((cells / "none-f1-s0.json").read_text("utf-8")) | {"fraction": 1.0}
    result["metrics"]["reconstruction_error@first"]["value"] = 2.0
    (cells / "none-f1-s0.json").write_text(json.dumps(result), encoding="utf-8")
    table = pd.read_csv(cells / "none-f1-s0.csv").assign(**{"reconstruction_error@first": 2.0})
    table.to_csv(cells / "none-f1-s0.csv", index=False)
    board = make_board(load_entries(tmp_path / "entries"))
    assert board.data["tasks"]["biped2quad-control"]["controls"] == before
    chart = task_chart(board.tasks["biped2quad-control"], ["fe"], line_colours(["fe"]))
    curves = {c["label"]: c["reconstruction"] for c in chart["controls"]}
    assert curves == {"hold": [5.2, 5.2, 5.2], "nearest": [5.3, 5.3, 2.0]}


def test_incomplete_entries_stand_apart(data: Any) -> None:
    task = data["tasks"]["biped2quad-control"]
    assert {r["entry"] for r in task["rows"]} == {"fe", "worse", "one-task", "shot"}
    assert task["incomplete"] == [{"entry": "lacking", "missing": 1, "first": "finetune 5 % seed 1"}]
    assert {r["entry"] for r in data["overall"]["rows"]} == {"fe", "worse", "shot"}
    assert {(r["entry"], *r["missing"]) for r in data["overall"]["incomplete"]} == {
        ("one-task", "quad2biped-control", "biped2monster-control"),
        ("lacking", "biped2quad-control", "quad2biped-control", "biped2monster-control"),
    }


def test_without_the_truth_there_is_no_score(tmp_path: Path) -> None:
    make_entry(tmp_path / "entries", "fe", tasks=["biped2quad-control"])
    data = make_board(load_entries(tmp_path / "entries")).data
    lacks = "biped2quad-control (no score without truth)"
    assert data["overall"]["incomplete"] == [{"entry": "fe", "missing": [lacks]}]
    assert data["tasks"]["biped2quad-control"]["rows"][0]["score"] is None


def test_a_rank_is_an_interval(data: Any) -> None:
    for part in (data["overall"], *data["tasks"].values()):
        for found in part["rows"]:
            low, high = found["rank"]
            assert 1 <= low <= high <= len(part["rows"])
            assert found["ties"]
            assert found["provisional"]  # three seeds
    assert row(data["overall"], "fe")["rank"][0] == 1
    assert row(data["overall"], "worse")["rank"][0] > 1


def test_more_seeds_compare_with_fewer(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "entries", tmp_path / "entries")
    make_entry(tmp_path / "entries", "five", 0.5, seeds=5)
    overall = read_board(tmp_path).data["overall"]
    assert (row(overall, "five")["seeds"], row(overall, "five")["provisional"]) == (5, False)
    assert row(overall, "fe")["provisional"]
    assert row(overall, "five")["rank"] == [1, 1]


def test_bytes_do_not_depend_on_the_order(folder: Path, tmp_path: Path) -> None:
    entries = load_entries(folder / "entries")
    files = board_files(make_board(entries))
    for seed in range(2):
        random.Random(seed).shuffle(entries)
        assert board_files(make_board(entries)) == files


def test_names_do_not_change_the_numbers(folder: Path, data: Any, tmp_path: Path) -> None:
    """Renamed so that they sort the other way round."""
    entries = load_entries(folder / "entries")
    swapped = {"fe": "zz", "worse": "aa"}
    from dataclasses import replace

    renamed = [replace(e, name=swapped.get(e.name, e.name)) for e in entries]
    found = make_board(renamed).data["tasks"]["quad2biped-control"]
    for old, new in swapped.items():
        before, after = row(data["tasks"]["quad2biped-control"], old), row(found, new)
        assert [before[k] for k in ("score", "rank", "ties")] == [after[k] for k in ("score", "rank", "ties")]


def test_what_was_measured_otherwise_is_left_out(
    folder: Path, data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder / "entries", tmp_path / "entries")
    for part in ("metrics", "data", "engine"):
        with monkeypatch.context() as patched:
            patched.setitem(HASHES, part, "9" * 64)
            make_entry(tmp_path / "entries", f"other-{part}")
    board = read_board(tmp_path).data
    assert board["tasks"] == data["tasks"]
    whys = {row["entry"]: row["why"] for row in board["left_out"]}
    assert list(whys) == ["other-data", "other-engine", "other-metrics"]
    assert "measured with another metrics than the other entries; rescore it" in whys["other-metrics"]


def test_a_stale_board_is_noticed(folder: Path, tmp_path: Path, capsys: Any) -> None:
    shutil.copytree(folder / "entries", tmp_path / "entries")
    write_board(read_board(tmp_path), tmp_path)
    assert cli.main(["leaderboard", "check", "--folder", str(tmp_path)], standalone_mode=False) == 0
    shutil.rmtree(tmp_path / "entries" / "one-task")
    (tmp_path / "badge.svg").unlink()
    assert cli.main(["leaderboard", "check", "--folder", str(tmp_path)], standalone_mode=False) == 1
    said = capsys.readouterr().out
    assert "badge.svg: is missing" in said
    stale = set(stale_files(read_board(tmp_path), tmp_path))
    assert stale >= {"README.md", "board.csv", "board.json", "badge.svg", "curves/biped2quad-control.svg"}


def test_what_moved_and_whether_significantly(folder: Path, data: Any, tmp_path: Path) -> None:
    shutil.copytree(folder / "entries", tmp_path / "entries")
    shutil.rmtree(tmp_path / "entries" / "shot")
    shutil.rmtree(tmp_path / "entries" / "fe")
    make_entry(tmp_path / "entries", "fe", 0.3)
    make_entry(tmp_path / "entries", "late", 10.0)
    changes = compare_boards(data, read_board(tmp_path).data)
    found = {(c["table"], c["entry"], c["kind"]): c["verdict"] for c in changes}
    assert found["overall", "fe", "score"] == "better"
    assert ("overall", "worse", "score") not in found
    assert found["overall", "shot", "gone"] == ""
    assert found["biped2quad-control", "late", "new"].startswith("better than 0, tied with 0")
    assert "| overall | fe | score |" in difference_markdown(changes)
    for columns, body in difference_tables(changes).values():
        lines, hidden = text_table(columns, body, 80)
        assert max(map(len, lines)) <= 80
        assert not hidden
    assert next(row[:2] for row in difference_tables(changes)["overall"][1] if row) == ["fe", "score"]
    assert compare_boards(data, data) == []


def test_a_new_entry_is_apart_from_as_many_as_its_rank_says() -> None:
    """The first is apart from the next, not from the last, whose seeds scatter: they share no letter all the same."""
    facts = {"first": ("a", [1, 2], 1.0), "next": ("b", [2, 3], 2.0), "last": ("b", [1, 3], 3.0)}
    rows = [
        {"entry": name, "ties": ties, "rank": rank, "score": {"value": value, "low": 0.5, "high": 9.0},
         "seed_scores": [value] * 3, "level": "claimed", "provisional": True}
        for name, (ties, rank, value) in facts.items()
    ]  # fmt: skip
    old, new = ({"overall": {"rows": side}, "tasks": {}} for side in (rows[1:], rows))
    (change,) = compare_boards(old, new)
    assert (change["entry"], change["verdict"]) == ("first", "better than 1, tied with 1, worse than 0")


def test_another_version_does_not_compare(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "entries", tmp_path / "entries")
    write_board(read_board(tmp_path), tmp_path)
    data = load_board(tmp_path)
    assert data["benchmark"] == BENCHMARK_VERSION
    later = BENCHMARK_VERSION + 1
    (tmp_path / "board.json").write_text(json.dumps({**data, "benchmark": later}), encoding="utf-8")
    with pytest.raises(UserError, match=f"this board is of benchmark version {later}, whose numbers do not compare"):
        load_board(tmp_path)
    for text in ("{}", "[" * 100_000, '"\udcff"'):
        (tmp_path / "board.json").write_text(text, encoding="utf-8", errors="surrogateescape")
        with pytest.raises(UserError, match="not a board"):
            load_board(tmp_path)


def test_a_damaged_entry_is_named_and_left_out(folder: Path, tmp_path: Path, capsys: Any) -> None:
    shutil.copytree(folder / "entries", tmp_path / "entries")
    path = tmp_path / "entries/fe/cells/biped2quad-control/cold-f0.05-s0.csv"
    path.write_text(path.read_text() + "x" * 200_000, encoding="utf-8")
    assert cli.main(["leaderboard", "build", "--folder", str(tmp_path)], standalone_mode=False) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "left out: fe: cells/biped2quad-control/cold-f0.05-s0.csv: not a table of clips" in said
    board = load_board(tmp_path)
    assert "worse" in {row["entry"] for row in board["overall"]["rows"]}
    assert [row["entry"] for row in board["left_out"]] == ["fe"]
    for name in ("README.md", "site/index.html"):
        assert "not a table of clips" in (tmp_path / name).read_text(encoding="utf-8")


# ---- text of others --------------------------------------------------------------------------------------------------


def test_gains_in_score_are_those_of_the_seeds(board: Board, data: Any) -> None:
    """The score of cold starts less that of the ranked regime, each seed by the truth of its fold."""
    cells = board.tasks["biped2quad-control"]
    fe = next(c for c in cells.complete if c.name == "fe")

    def scores(regime: str) -> np.ndarray:
        found = []
        for cell in (cell for fraction in cells.fractions for cell in fe.at(regime, fraction)):
            known = cells.yardsticks_at(cell.seed)
            assert known is not None
            found.append(headline_score([category_scores(cell.metrics, *known)]))
        return np.array(found)

    found = row(data["tasks"]["biped2quad-control"], "fe")["score_gain"]
    assert found["cold"]["value"] == pytest.approx((scores("cold") - scores(fe.regime)).mean(), rel=1e-5)
    assert found["cold"]["low"] < found["cold"]["value"] < found["cold"]["high"]
    assert found["cold-long"] is found["retarget"] is None
    assert row(data["overall"], "fe")["score_gain"]["cold"]["value"] > 0
    first = next(csv.DictReader(io.StringIO(board_files(board)["board.csv"])))
    assert float(first["score_gain_cold"]) > 0
    assert first["score_gain_retarget"] == ""


def test_markdown_stays_text(board: Board) -> None:
    text = board_files(board)["README.md"]
    assert "<img" not in text
    assert "](javascript" not in re.sub(r"\\.", "", text)
    assert r"\[x\](javascript:alert(1)) \|" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({re.sub(r"\\.", "", line).count("|") for line in lines if "worse" in line or "| fe |" in line}) <= 2
    assert markdown("a\n# b | <b>`c`") == r"a \# b \| &lt;b&gt;\`c\`"
    assert "https://" not in markdown("see https://evil.example")


@pytest.mark.parametrize("text", ["a.b@evil.example", "xmpp:a@b.cd", "@someone", "WWW.evil.example", "see #12"])
def test_markdown_makes_no_link_by_itself(text: str) -> None:
    """GitHub links e-mail, people and issues after the backslashes are gone: a space of no width cuts them."""
    escaped = markdown(text)
    assert "&#8203;" in escaped
    plain = escaped.replace("\\", "").replace("&#8203;", "\u200b")
    assert not re.search(r"@\w|#\d|www\.", plain, re.IGNORECASE)
    assert plain.replace("\u200b", "") == text


def test_a_zero_has_no_sign() -> None:
    assert formatting.number(-0.0004, 3) == "0.000"
    assert formatting.ends({"low": -0.0004, "high": -0.5}, 3) == "0.000 to -0.500"


def test_csv_begins_no_formula(board: Board) -> None:
    rows = list(csv.reader(io.StringIO(board_files(board)["board.csv"])))
    for line in rows[1:]:
        for cell in line:
            assert not cell.startswith(("=", "+", "@"))
            assert not cell.startswith("-") or float(cell) < 0  # numbers may be negative
    assert any("'=HYPERLINK" in cell for line in rows for cell in line)
    for text in ("=1", "+1", "-1", "@x"):
        assert csv_cell(text) == "'" + text
    assert csv_cell("\t=1") == "'=1"
    assert csv_cell("x=1") == "x=1"
    assert csv_cell("x;=1") == "x,=1"  # two cells where semicolons part them


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "http://example.org", " JavaScript:alert(1)", "data:text/html,x", "https://",
     "https://a b", "//x", "https://u@x",
     'https://x/"onload=', "java\nscript:x", "https://x:port"],
)  # fmt: skip
def test_addresses_that_are_not_of_the_web(address: str) -> None:
    assert web_address(address) == ""


def test_addresses_of_the_web() -> None:
    assert web_address("https://example.org/a?b=c#d") == "https://example.org/a?b=c#d"


def test_the_badge_is_well_formed(board: Board) -> None:
    from xml.etree import ElementTree

    badge = ElementTree.fromstring(board_files(board)["badge.svg"])
    assert badge.attrib["aria-label"] == "rae-bench leaderboard: v2 · 5 entries"


def test_a_figure_for_each_task(board: Board) -> None:
    """Well-formed, within its frame, with the table that shows it; names of entries stay text."""
    from xml.etree import ElementTree

    files = board_files(board)
    figures = {name for name in files if name.startswith("curves/")}
    assert figures == {f"curves/{task}.svg" for task, table in board.data["tasks"].items() if table["rows"]}
    for name in figures:
        assert f"]({name})" in files["README.md"]
        picture = ElementTree.fromstring(files[name])
        texts = [one.text for one in picture.iter("{http://www.w3.org/2000/svg}text")]
        assert {"fe", "hold"} <= set(texts)
        wide = float(picture.attrib["viewBox"].split()[2])
        ends = [float(x) for x in re.findall(r'<line x1="([\d.]+)"', files[name])]
        assert ends
        assert max(ends) < wide


def test_figures_of_tasks_that_are_gone_are_removed(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "entries", tmp_path / "entries")
    old = tmp_path / "curves" / "gone.svg"
    old.parent.mkdir()
    old.write_text("<svg/>", encoding="utf-8")
    board = read_board(tmp_path)
    assert stale_files(board, tmp_path)["curves/gone.svg"] == "is of no task here"
    write_board(board, tmp_path)
    assert not old.exists()
    assert stale_files(board, tmp_path) == {}


def test_what_cannot_be_written_is_told_and_a_board_without_entries_says_so(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "entries").mkdir()
    (tmp_path / "file").write_text("mine")
    where = ["--folder", str(tmp_path)]
    for site in ("file", "file/site"):
        with pytest.raises(UserError, match=r"cannot write .*file"):
            cli.main(["leaderboard", "build", *where, "--site", str(tmp_path / site)], standalone_mode=False)
    capsys.readouterr()
    cli.main(["leaderboard", "show", *where], standalone_mode=False)
    assert capsys.readouterr().out == "no entries yet; rae-bench submit makes the first\n"
    cli.main(["leaderboard", "build", *where], standalone_mode=False)
    page, first = ((tmp_path / name).read_text(encoding="utf-8") for name in ("README.md", "site/index.html"))
    for text in (page, first):
        assert "No entries yet" in text
        for command in FIRST_ENTRY:
            assert command in text
    assert len((tmp_path / "board.csv").read_text().splitlines()) == 1


def test_every_output_names_the_version(folder: Path, board: Board, capsys: Any) -> None:
    files = board_files(board)
    assert f"**Benchmark version {BENCHMARK_VERSION}**" in files["README.md"]
    assert {row["benchmark"] for row in csv.DictReader(io.StringIO(files["board.csv"]))} == {str(BENCHMARK_VERSION)}
    assert json.loads(files["board.json"])["benchmark"] == BENCHMARK_VERSION
    cli.main(["leaderboard", "show", "--folder", str(folder)], standalone_mode=False)
    assert f"benchmark version {BENCHMARK_VERSION}" in capsys.readouterr().out.splitlines()[0]
    for name, page in site_pages(read_board(folder)).items():
        if name.endswith(".html"):
            assert f"Benchmark version {BENCHMARK_VERSION}" in page, name


@pytest.mark.parametrize(
    ("width", "hidden"),
    [
        ("80", ["foot sliding", "lowest", "path", "adversarial", "95 % of the gain", "level"]),
        ("120", ["level"]),
        ("", []),
    ],
)
def test_a_table_fits_the_terminal(
    width: str, hidden: list[str], folder: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    show = ["leaderboard", "show", "biped2quad-control", "--folder", str(folder)]
    cli.main(show, standalone_mode=False)
    out = capsys.readouterr().out
    assert not width or max(map(len, out.splitlines())) <= int(width)
    said = re.search(r"hidden\s+\(([^)]*)\)", out)
    assert sorted(re.split(r",\s+", said[1]) if said else []) == sorted(hidden)
    cli.main([*show, "--wide"], standalone_mode=False)
    assert "hidden" not in capsys.readouterr().out


def test_units_stand_where_numbers_have_them(data: Any) -> None:
    """Over tasks the categories are on the score's scale."""
    for part, units in ((data["overall"], False), (data["tasks"]["biped2quad-control"], True)):
        columns, _, notes = terminal_table(part)
        (sliding,) = (column for column in columns if column.name.startswith("foot sliding"))
        assert ("cm/s" in sliding.heading) == units
        assert ("Categories are on the score's scale too." in notes) != units


def test_no_torch_is_imported(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom rae_bench.cli import cli\n"
        f"cli.main(['leaderboard', 'build', '--folder', {str(tmp_path)!r}], standalone_mode=False)\n"
        f"cli.main(['leaderboard', 'show', '--folder', {str(tmp_path)!r}], standalone_mode=False)\n"
        f"cli.main(['leaderboard', 'diff', {str(tmp_path)!r}, {str(tmp_path)!r}], standalone_mode=False)\n"
        f"cli.main(['compare', {str(tmp_path / 'entries/fe')!r}, {str(tmp_path / 'entries/worse')!r}], standalone_mode=False)\n"  # noqa: E501
        "bad = {'torch', 'pytorch_lightning', 'lightning', 'ray'} & set(sys.modules)\nassert not bad, bad"
    )
    shutil.copytree(folder / "entries", tmp_path / "entries")
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert json.loads((tmp_path / "board.json").read_text())["schema"] == "rae-bench.board/2"
    assert (tmp_path / "site" / "index.html").exists()


@pytest.mark.slow
def test_ten_thousand_cells(tmp_path: Path) -> None:
    """Prints the core-seconds; asserts that twice the entries take less than three times as long."""
    import time

    for control in ("truth", "hold", "interpolate", "nearest"):
        make_entry(tmp_path / "entries", control)
    spent = []
    for count in (120, 240):
        for k in range(count):
            if not (tmp_path / "entries" / f"e{k:03d}").exists():
                make_entry(tmp_path / "entries", f"e{k:03d}", 0.6 + k * 0.01)
        started = time.process_time()
        board = read_board(tmp_path)
        board_files(board)
        spent.append(time.process_time() - started)
        cells = sum(len(entry.cells) for entry in board.entries.values())
        print(f"{cells} cells: {spent[-1]:.1f} core-seconds")
    assert cells >= 10_000
    assert spent[1] < 3 * spent[0]
