"""What is not recomputed is checked against what is: attacks of docs/develop/attacks.md on an entry that else passes.

No trajectories are at hand in these tests: who does not publish them does not get away with more.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers.forger import Forger
from helpers.made_entries import make_entry, write_entry
from helpers.running import do_here, plan_cells

from rae_bench.errors import UserError
from rae_bench.leaderboard.board.build import board_files, read_board, stale_files, write_board
from rae_bench.leaderboard.board.difference import compare_boards, difference_markdown
from rae_bench.leaderboard.entries.entry import load_entry
from rae_bench.leaderboard.entries.level import read_record
from rae_bench.leaderboard.site.write import site_pages
from rae_bench.leaderboard.submission import gather_cells, make_card, submit_entry
from rae_bench.leaderboard.verify.budgets import budget_status, check_cost
from rae_bench.leaderboard.verify.clip_tables import check_table
from rae_bench.leaderboard.verify.grading import Grader
from rae_bench.leaderboard.verify.plausibility import check_card, check_names, check_numbers
from rae_bench.leaderboard.verify.rerun import rerun
from rae_bench.leaderboard.verify.verifier import verify
from rae_bench.model.regimes import COLD, RETARGET
from rae_bench.task.named import load_task


def _scale_table(path: Path, factor: float) -> None:
    table = pd.read_csv(path)
    names = [name for name in table if name not in ("clip", "group", "action")]
    table.assign(**{name: factor * table[name] for name in names}).to_csv(path, index=False)


# ---- tables of clips against results -----------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.001, 0.97])
def test_a_table_of_clips_that_says_other_than_the_result(forged: Forger, factor: float) -> None:
    """The first is below what any mean could be; the second is found by what each clip counts."""
    _scale_table(forged.cell.with_suffix(".csv"), factor)
    found = forged.form_findings()
    assert "cold-f0.05-s1.json: reconstruction_error: says" in found
    assert ("which no mean over the clips of its table can be" if factor < 0.5 else "the mean over the clips") in found


def test_a_clip_that_nobody_gets_without_the_truth(forged: Forger) -> None:
    """One clip at 1e-9 cm would make the gain, a mean of logarithms; the other clips keep the mean as it is."""
    path = forged.cell.with_suffix(".csv")
    table = pd.read_csv(path)
    error = table["reconstruction_error"].to_numpy(copy=True)
    error[1] += error[0] - 1e-9
    error[0] = 1e-9
    table.assign(reconstruction_error=error).to_csv(path, index=False)
    assert "has 1e-09 cm, which needs the truth" in forged.form_findings()


def test_a_gain_of_a_thousand_is_not_on_the_board(tmp_path: Path) -> None:
    for name in ("truth", "hold", "fe", "mann"):
        make_entry(tmp_path / "entries", name, tasks=["biped2quad"])
    before = read_board(tmp_path).data
    _scale_table(tmp_path / "entries/mann/cells/biped2quad/finetune-f0.05-s0.csv", 0.001)
    after = read_board(tmp_path).data
    assert [row["entry"] for row in after["left_out"]] == ["mann"]
    assert "which no mean over the clips" in after["left_out"][0]["why"]
    assert {row["entry"] for row in before["tasks"]["biped2quad"]["rows"]} == {"fe", "mann"}
    assert [row["entry"] for row in after["tasks"]["biped2quad"]["rows"]] == ["fe"]


@pytest.mark.parametrize("weights", [True, False])
def test_bad_clips_are_not_left_blank(forged: Forger, tmp_path: Path, weights: bool) -> None:
    """A clip without a value would not count. The result is the mean of those that are left; the board sees it too."""
    path = forged.cell.with_suffix(".csv")
    table = pd.read_csv(path)
    worst = table["reconstruction_error"].idxmax()
    table.loc[worst, "foot_sliding" if weights else "reconstruction_error"] = float("nan")
    table.to_csv(path, index=False)
    what = "foot_sliding" if weights else "reconstruction_error"
    (cell,) = (cell for cell in load_entry(forged.folder).cells if cell.path == forged.cell)
    if not weights:
        assert f"{what}: a clip has no value" in str(next(check_table(cell)))
    assert f"cold-f0.05-s1.csv: {what}: a clip has no value" in forged.form_findings()


def test_a_column_that_ranks_may_not_be_left_out(forged: Forger) -> None:
    """Without it no clip contradicts a result of 0."""
    path = forged.cell.with_suffix(".csv")
    pd.read_csv(path).drop(columns=["foot_sliding"]).to_csv(path, index=False)
    forged.edit(lambda r: r["metrics"]["foot_sliding"].update(value=0.0))
    (cell,) = (cell for cell in load_entry(forged.folder).cells if cell.path == forged.cell)
    assert "has no column foot_sliding" in str(next(check_table(cell)))


def test_columns_are_metrics(forged: Forger) -> None:
    path = forged.cell.with_suffix(".csv")
    pd.read_csv(path).assign(**{"<b>": 1}).to_csv(path, index=False)
    (cell,) = (cell for cell in load_entry(forged.folder).cells if cell.path == forged.cell)
    assert "<b>: is no metric" in str(next(check_table(cell)))


# ---- hashes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["task", "data", "split", "engine"])
def test_altered_hashes_are_found_without_trajectories(forged: Forger, part: str) -> None:
    def alter(result: dict[str, Any]) -> None:
        known = result["identity"][part]
        result["identity"][part] = "0" * 64 if isinstance(known, str) else dict.fromkeys(known, 99)

    forged.edit(alter)
    assert len(verify(forged.folder, tasks=[forged.task]).findings) == 1


@pytest.mark.parametrize("part", ["task", "data", "split", "engine"])
def test_altered_hashes_do_not_rank(tmp_path: Path, part: str) -> None:
    for name in ("truth", "fe", "rtn", "mann"):
        make_entry(tmp_path / "entries", name, tasks=["biped2quad"])
    path = tmp_path / "entries/mann/cells/biped2quad/finetune-f0.05-s0.json"
    result = json.loads(path.read_text())
    result["identity"][part] = "0" * 64
    path.write_text(json.dumps(result))
    data = read_board(tmp_path).data
    assert [row["entry"] for row in data["left_out"]] == ["mann"]
    assert {row["entry"] for row in data["tasks"]["biped2quad"]["rows"]} == {"fe", "rtn"}


def test_retargeted_sources_have_data_of_their_own(tiny_task: Path) -> None:
    """Their hash is another one, and no fault."""
    grader = Grader.of(load_task(tiny_task))
    cold, retarget = (grader.hashes(regime, 0.05, 0) for regime in (COLD, RETARGET))
    assert cold["data"] != retarget["data"]
    assert (cold["task"], cold["split"]) == (retarget["task"], retarget["split"])


@pytest.mark.parametrize(("key", "value"), [("rig_height", 9.0), ("fps", 60.0), ("track", "keyframes")])
def test_yardsticks_are_those_of_the_task(forged: Forger, key: str, value: object) -> None:
    forged.edit(lambda result: result.update({key: value}))
    assert f"cold-f0.05-s1.json: {key}: is {value}; the task has" in forged.form_findings()


@pytest.mark.parametrize("value", ["1.5", -1, 0, None, 100.0])
@pytest.mark.parametrize("whose", ["truth", "mann"])
def test_one_entry_does_not_change_the_scale_of_all(tmp_path: Path, value: object, whose: str) -> None:
    """Scores are shares of the rig's height, which the truth's result says: 100 m would make all errors vanish."""
    for name in ("truth", "hold", "fe", "mann"):
        make_entry(tmp_path / "entries", name, tasks=["biped2quad"])
    for path in (tmp_path / "entries" / whose / "cells").rglob("*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"rig_height": value}))
    assert [row["entry"] for row in read_board(tmp_path).data["left_out"]] == [whose]


@pytest.mark.parametrize("track", ["control", "nothing", ["control"], None])
def test_an_entry_of_another_track_spoils_no_board(tmp_path: Path, track: object) -> None:
    for name in ("truth", "hold", "fe", "mann"):
        make_entry(tmp_path / "entries", name, tasks=["biped2quad"])
    for path in (tmp_path / "entries" / "mann" / "cells").rglob("*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"track": track}))
    data = read_board(tmp_path).data
    assert [row["entry"] for row in data["left_out"]] == ["mann"]
    assert [row["entry"] for row in data["tasks"]["biped2quad"]["rows"]] == ["fe"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are Unicode there")
def test_a_folder_whose_name_is_not_utf8(tmp_path: Path) -> None:
    """It is named in a form that the board's files can hold."""
    for name in ("truth", "hold", "fe"):
        make_entry(tmp_path / "entries", name, tasks=["biped2quad"])
    for odd in (b"/\xff", b"/\xfe"):
        os.mkdir(os.fsencode(tmp_path / "entries") + odd)
    board = read_board(tmp_path)
    assert [row["entry"] for row in board.data["left_out"]] == ["\\udcfe", "\\udcff"]
    write_board(board, tmp_path)
    assert stale_files(read_board(tmp_path), tmp_path) == {}


def test_a_key_of_many_dots(tmp_path: Path) -> None:
    """Reading 40 kB of it took 18 s, the more the longer with the square."""
    folder = make_entry(tmp_path, "mann", tasks=["biped2quad"])
    path = folder / "entry.toml"
    path.write_text(".".join(20_000 * "a") + " = 1\n" + path.read_text())
    with pytest.raises(UserError, match="nested too deep"):
        load_entry(folder)


# ---- controls ----------------------------------------------------------------------------------------------------


def test_a_worse_control_is_made_again(sway_results: Path, tiny_task: Path, tmp_path: Path) -> None:
    """`hold` five times worse makes everybody look better. Its numbers agree with each other; no motion is at hand."""
    plan = plan_cells(
        f"{sway_results.parent}/sway.py:Sway", str(tiny_task), regimes=["cold"], fractions=[0.05], budget="full",
        seeds=5, out=tmp_path,
    )  # fmt: skip
    p = next(p for p in plan.cells if p.cell.model == "hold")
    do_here(plan, lambda job: job.model == "hold")
    found = gather_cells(p.path.parents[1], model="hold")
    out, packed = tmp_path / "entries", tmp_path / "packed.zip"
    assert not submit_entry(found, "hold", make_card(found), out=out, packed=packed, tasks=[tiny_task]).findings
    cell = out / "hold" / "cells" / "tiny" / f"{p.path.stem}.json"
    assert verify(out / "hold", tasks=[tiny_task]).levels == {"tiny": "rescored"}
    report = verify(out / "hold", tasks=[tiny_task], levels=False)
    assert rerun(report, tasks=[tiny_task]) == {}  # there is nothing to train
    assert "controls and the truth are not trained; every check makes their motion again" in report.notes
    result = json.loads(cell.read_text())
    for name in ("reconstruction_error", "reconstruction_error_height"):
        result["metrics"][name]["value"] *= 5
    cell.write_text(json.dumps(result))
    table = pd.read_csv(cell.with_suffix(".csv"))
    columns = {name: 5 * table[name] for name in ("reconstruction_error", "reconstruction_error_height")}
    table.assign(**columns).to_csv(cell.with_suffix(".csv"), index=False)
    findings = verify(out / "hold", tasks=[tiny_task]).findings
    assert any("what this control makes here gives" in finding.what for finding in findings)


def test_a_control_that_moved_is_told(tmp_path: Path) -> None:
    for name in ("truth", "hold", "fe"):
        make_entry(tmp_path / "entries", name, tasks=["biped2quad"])
    before = read_board(tmp_path).data
    cell = tmp_path / "entries/hold/cells/biped2quad/none-f1-s0"
    result = json.loads(cell.with_suffix(".json").read_text())
    result["metrics"]["reconstruction_error"]["value"] *= 5
    cell.with_suffix(".json").write_text(json.dumps(result))
    _scale_table(cell.with_suffix(".csv"), 5)
    changes = compare_boards(before, read_board(tmp_path).data)
    assert {(c["entry"], c["kind"], c["verdict"]) for c in changes} == {("hold", "control", "a yardstick moved")}
    assert "Nothing moved" not in difference_markdown(changes)


# ---- cards -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["card", "capabilities"])
def test_the_card_that_a_model_ran_with_is_required(forged: Forger, key: str) -> None:
    """What it can do excuses cells: without it, `frozen` could be left out."""
    forged.edit(lambda r: r.pop("card") if key == "card" else r["card"].pop(key))
    findings = list(check_card(load_entry(forged.folder)))
    assert "cells/tiny/cold-f0.05-s1.json: card: does not say capabilities" in str(findings[0])


def test_a_model_of_the_package_has_the_capabilities_of_the_package(tmp_path: Path) -> None:
    folder = write_entry(tmp_path, "fe", {("biped2quad", "cold", 0.05, 0): {"reconstruction_error": 1.0}},
                         regime="cold", card={"capabilities": []}, identity={"model": {"fe": 1}})  # fmt: skip
    assert "is not what fe of this installation has" in str(next(check_card(load_entry(folder))))


def test_a_model_that_learns_is_no_control(forged: Forger) -> None:
    path = forged.folder / "entry.toml"
    path.write_text(path.read_text().replace("learns = true", "learns = false"))
    assert "card.learns is false, and the model is no control" in forged.form_findings()


@pytest.mark.parametrize("name", ["nsm", "mine"])
def test_a_plug_in_does_not_become_a_reference_by_its_name(tmp_path: Path, name: str) -> None:
    """The best reference entry is what others are compared with: a bad one of that name makes them look better."""
    cells = {("biped2quad", "cold", 0.05, 0): {"reconstruction_error": 1.0}}
    card = {"model": "nsm", "title": "nsm"}
    theirs = load_entry(write_entry(tmp_path / "a", name, cells, card=card, identity={"model": "a" * 64}))
    assert "reads like 'nsm', which is kept for that model" in str(next(check_names(theirs, [])))
    ours = load_entry(write_entry(tmp_path / "b", "nsm", cells, card=card, identity={"model": {"nsm": 1}}))
    assert list(check_names(ours, [])) == []


def test_a_day_that_is_none(tmp_path: Path) -> None:
    record = {"schema": "rae-bench.level/3", "tasks": {"biped2quad": {
        "level": "reproduced", "sha256": "0" * 64, "package": "1", "clips": [1, 2], "rerun": [
            {"cell": "finetune-f0.05-s0", "off": 0.0, "date": "2026-02-30", "machine": "Linux", "sha256": "0" * 64}]}}}
    with pytest.raises(UserError, match=r"level.json: not as expected"):
        read_record(json.dumps(record).encode())
    record["tasks"]["biped2quad"]["rerun"][0]["date"] = "2026-02-28"  # type: ignore[index]
    assert read_record(json.dumps(record).encode()).tasks


# ---- numbers -----------------------------------------------------------------------------------------------------

NUMBERS = {"1e308": "too large a number", "5e-324": "too small a number", "-0.0": "a zero with a sign",
           "-5e-324": "too small a number", "1e400": "too large a number"}  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("where", ["metric", "cost", "table"])
def test_numbers_that_are_no_measurement(tmp_path: Path, number: str, where: str) -> None:
    """The board names the entry and is made of the others."""
    for name in ("truth", "hold", "fe", "mann"):
        make_entry(tmp_path / "entries", name, tasks=["biped2quad"])
    cell = tmp_path / "entries/mann/cells/biped2quad/finetune-f0.05-s0.json"
    if where == "table":
        head, line, *lines = cell.with_suffix(".csv").read_text().splitlines()
        line = ",".join([*line.split(",")[:3], number, *line.split(",")[4:]])
        cell.with_suffix(".csv").write_text("\n".join([head, line, *lines]) + "\n")
    else:
        result = json.loads(cell.read_text())
        table = result["cost"] if where == "cost" else result["metrics"]["reconstruction_error"]
        table["core_seconds" if where == "cost" else "value"] = "NUMBER"
        cell.write_text(json.dumps(result).replace('"NUMBER"', number))
    data = read_board(tmp_path).data
    assert [row["entry"] for row in data["tasks"]["biped2quad"]["rows"]] == ["fe"]
    (left,) = data["left_out"]
    wanted = "infinite" if (number, where) == ("1e400", "table") else NUMBERS[number]
    assert wanted in left["why"]


def test_a_key_that_stands_twice(forged: Forger) -> None:
    text = forged.cell.read_text().replace('"seed": 1', '"seed": 0, "seed": 1')
    forged.cell.write_text(text)
    assert "the key 'seed' stands twice" in forged.form_findings()


def test_metrics_that_contradict_each_other(forged: Forger) -> None:
    forged.edit(lambda r: r["metrics"]["reconstruction_error_height"].update(value=1.0))
    cell = next(c for c in load_entry(forged.folder).cells if c.path == forged.cell)
    assert "reconstruction_error_height: is 1 %, and reconstruction_error of" in str(next(check_numbers(cell)))


# ---- costs and budgets -------------------------------------------------------------------------------------------

COSTS: dict[str, tuple[dict[str, Any], str]] = {
    "no time": ({"core_seconds": 1e-3, "updates": 3200}, "core_seconds: is 0.001, less than 3,200 updates take"),
    "no latency": ({"ms_per_frame": 1e-9}, "ms_per_frame: is 1e-09, less than any cell takes"),
    "no memory": ({"peak_memory_mb": 1e-3}, "peak_memory_mb: is 0.001, less than any cell takes"),
    "more trained than there are": ({"parameters": 5, "trained": 6}, "more parameters trained than there are"),
    "for ever": ({"total_core_seconds": 1e12}, "is 1e+12, more than any cell takes"),
    "undeclared": ({"budget_status": "undeclared"}, "budget_status: is undeclared: nobody says what was used"),
    "no word": ({"budget_status": None}, "budget_status: is None: nobody says what was used"),
    "exceeded": ({"over_budget": True}, "over_budget: is True"),
    "ten times the updates": ({"updates": 32_000}, "updates: is 32000, more than the budget of 3200"),
    "counted by the harness": ({"optimizer_steps": 32_000}, "optimizer_steps: is 32000, more than the budget"),
    "made motion": ({"generated_clips": 240}, "generated_clips: is 240: the model's process made built-in motion"),
}


@pytest.mark.parametrize("attack", COSTS)
def test_costs_that_cannot_be(tmp_path: Path, attack: str) -> None:
    task = load_task("biped2quad")
    honest = {"budget": {"updates": 3200, "frames": 409_600}, "updates": 3200, "frames": 409_600, "over_budget": False}
    cells = {("biped2quad", "cold", 0.05, 0): {"reconstruction_error": 1.0}}
    (good,) = load_entry(write_entry(tmp_path, "good", cells, **honest)).cells
    assert list(check_cost(good, task)) == []
    said, what = COSTS[attack]
    folder = write_entry(tmp_path, "bad", cells, **honest | said)
    (cell,) = load_entry(folder).cells
    assert what in "\n".join(map(str, check_cost(cell, task)))


@pytest.mark.parametrize(("said", "status"), [({"budget_status": "undeclared"}, "undeclared"),
                                              ({"over_budget": True}, "exceeded")])  # fmt: skip
def test_budgets_stand_on_the_board(tmp_path: Path, said: dict[str, Any], status: str) -> None:
    for name in ("truth", "hold", "fe"):
        make_entry(tmp_path / "entries", name, tasks=["biped2quad"])
    path = tmp_path / "entries/fe/cells/biped2quad/finetune-f0.05-s0.json"
    result = json.loads(path.read_text())
    result["cost"] |= said
    path.write_text(json.dumps(result))
    assert budget_status(load_entry(tmp_path / "entries" / "fe").cells) == status
    board = read_board(tmp_path)
    assert board.data["tasks"]["biped2quad"]["rows"][0]["budget"] == status
    note = {"undeclared": "(budget undeclared)", "exceeded": "(over budget)"}[status]
    assert f"| fe {note} |" in board_files(board)["README.md"]
    assert f"budget {status}" in site_pages(board)["tasks/biped2quad.html"]


# ---- names -------------------------------------------------------------------------------------------------------

ALIKE: dict[str, tuple[str, Callable[[str], str]]] = {
    "mathematical letters": ("title", lambda word: "".join(chr(0x1D5EE + ord(c) - 97) for c in word)),
    "full width": ("title", lambda word: "".join(chr(ord(c) + 0xFEE0) for c in word)),
    "marks": ("title", lambda word: word[:1] + "\u0323" + word[1:]),
    "two letters for one": ("title", lambda word: word.replace("m", "rn")),
    "spaces": ("title", lambda word: " ".join(word.upper())),
    "name": ("name", lambda word: word.replace("m", "rn")),
}


@pytest.mark.parametrize("kind", ALIKE)
@pytest.mark.parametrize("known", ["mann", "other-mann"])
def test_names_that_read_like_others(tmp_path: Path, kind: str, known: str) -> None:
    """Of a reference entry that nobody has submitted, and of any entry beside it."""
    cells = {("biped2quad", "cold", 0.05, 0): {"reconstruction_error": 1.0}}
    what, change = ALIKE[kind]
    word = change("mann")
    card = {"title": word if what == "title" else "my own", "authors": "B"}
    mine = load_entry(write_entry(tmp_path, word if what == "name" else "mine", cells, card=card))
    others = [load_entry(write_entry(tmp_path, known, cells, card={"title": "mann"}))] if known != "mann" else []
    assert list(check_names(mine, others))
    plain = load_entry(write_entry(tmp_path, "plain", cells, card={"title": "another word", "authors": "B"}))
    assert list(check_names(plain, others)) == []


def test_letters_of_other_alphabets(tmp_path: Path) -> None:
    """A word of Cyrillic letters alone may stand where it is nobody else's; one that mixes alphabets may not."""
    cells = {("biped2quad", "cold", 0.05, 0): {"reconstruction_error": 1.0}}
    cyrillic = "\u0441\u043e\u0441\u043e"
    mine = load_entry(write_entry(tmp_path, "mine", cells, card={"title": cyrillic}))
    assert list(check_names(mine, [])) == []
    other = load_entry(write_entry(tmp_path, "other", cells, card={"title": "Coco"}))
    assert "reads like those of the entry 'other'" in str(next(check_names(mine, [other])))
    write_entry(tmp_path, "mixed", cells, card={"title": "m\u0430nn"})
    with pytest.raises(UserError, match="mixes Cyrillic and Latin letters in the word"):
        load_entry(tmp_path / "mixed")


HIDDEN = ["a\u3164b", "\u2800", "a\ufe0fb", "a\u034fb", "Z\u0334\u0327\u0322a", "\uffa0x", "..."]


@pytest.mark.parametrize("title", HIDDEN)
def test_titles_that_show_nothing_or_too_much(tmp_path: Path, title: str) -> None:
    cells = {("biped2quad", "cold", 0.05, 0): {"reconstruction_error": 1.0}}
    write_entry(tmp_path, "mine", cells, card={"title": title})
    with pytest.raises(UserError, match=r"unseen character|marks on one letter|is empty"):
        load_entry(tmp_path / "mine")


@pytest.mark.parametrize("title", ["Zürich", "Việt Nam", "\u65e5\u672c\u8a9e", "\u0639\u0631\u0628", "Łódź 2"])
def test_titles_in_any_language(tmp_path: Path, title: str) -> None:
    cells = {("biped2quad", "cold", 0.05, 0): {"reconstruction_error": 1.0}}
    write_entry(tmp_path, "mine", cells, card={"title": title})
    assert load_entry(tmp_path / "mine").card.title == title
