"""Reading entries: what they are, and what is refused of a folder that others wrote."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.made_entries import write_entry

from rae_bench.benchmark import BENCHMARK_VERSION
from rae_bench.errors import UserError
from rae_bench.leaderboard.entries.card import Card
from rae_bench.leaderboard.entries.entry import load_entries, load_entry
from rae_bench.leaderboard.entries.entry_files import is_slug
from rae_bench.leaderboard.entries.finding import Refused
from rae_bench.leaderboard.entries.level import Record, TaskLevel, write_record
from rae_bench.leaderboard.entries.rules import REFERENCES, CellKey, missing_cells, required_cells
from rae_bench.model.registry import CONTROLS, resolve_model
from rae_bench.task.named import load_task

CELLS = {
    ("biped2quad", "cold", 0.05, 0): {"reconstruction_error": 2.0, "foot_sliding": math.nan},
    ("biped2quad", "finetune", 0.05, 0): {"reconstruction_error": 1.0, "foot_sliding": 3.0},
}
COLD = "cells/biped2quad/cold-f0.05-s0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_entry(tmp_path, "mine", CELLS)


def _result(path: Path, **changed: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def test_what_was_written_is_read(folder: Path) -> None:
    entry = load_entry(folder)
    assert (entry.name, entry.division, entry.regime, entry.tasks) == ("mine", "closed", "finetune", ("biped2quad",))
    assert [cell.name for cell in entry.cells] == ["cold-f0.05-s0", "finetune-f0.05-s0"]
    assert entry.cells[1].metrics == {"reconstruction_error": 1.0, "foot_sliding": 3.0}
    assert math.isnan(entry.cells[0].metrics["foot_sliding"])
    assert entry.card.authors == "A. Author"
    assert [e.name for e in load_entries(folder.parent)] == ["mine"]


def test_a_quick_cell_is_refused(folder: Path) -> None:
    _result(folder / f"{COLD}.json", budget="quick")
    with pytest.raises(Refused, match=f"{COLD}.json: is of the quick budget, which is not for the board; run it with"):
        load_entry(folder)


@pytest.mark.parametrize(("said", "version"), [("", 1), ("benchmark = 1\n", 1), ("benchmark = 99\n", 99)])
def test_an_entry_of_another_version_is_refused_for_that(folder: Path, said: str, version: int) -> None:
    path = folder / "entry.toml"
    path.write_text(path.read_text().replace(f"benchmark = {BENCHMARK_VERSION}\n", said))
    with pytest.raises(UserError, match=f"this entry is of benchmark version {version},") as raised:
        load_entry(folder)
    assert not isinstance(raised.value, Refused)  # it is no fault of the entry's


def test_a_cell_of_another_version_is_refused_for_that(folder: Path) -> None:
    for benchmark in (1, 99):
        _result(folder / f"{COLD}.json", benchmark=benchmark)
        with pytest.raises(UserError, match=f"{COLD}.json: this result is of benchmark version {benchmark},"):
            load_entry(folder)


def test_a_level_holds_until_something_is_edited(folder: Path) -> None:
    entry = load_entry(folder)
    assert entry.level("biped2quad") == "claimed"
    level = TaskLevel("rescored", entry.hash_of("biped2quad"), "0.1.0", (2, 9))
    write_record(folder, Record("rae-bench.level/3", {"biped2quad": level}))
    assert load_entry(folder).level("biped2quad") == "rescored"
    assert not load_entry(folder).edited
    clips = folder / f"{COLD}.csv"
    kept = clips.read_bytes()
    clips.write_bytes(kept.replace(b"2", b"1", 1))
    assert load_entry(folder).level("biped2quad") == "claimed"
    assert load_entry(folder).edited == ("biped2quad",)
    clips.write_bytes(kept)
    assert load_entry(folder).level("biped2quad") == "rescored"


def _replace(old: str, new: str) -> Callable[[Path], object]:
    def edit(folder: Path) -> None:
        path = folder / "entry.toml"
        assert old in path.read_text(encoding="utf-8")
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    return edit


def _link(folder: Path) -> None:
    (folder / f"{COLD}.csv").unlink()
    (folder / f"{COLD}.csv").symlink_to("/etc/hostname")


def _linked_folder(folder: Path) -> None:
    (folder / "cells").rename(folder.parent / "elsewhere")
    (folder / "cells").symlink_to(folder.parent / "elsewhere")


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no entry.toml": (lambda f: (f / "entry.toml").unlink(), "entry.toml: is missing"),
    "not toml": (lambda f: (f / "entry.toml").write_text("x ="), "entry.toml: not TOML"),
    "unknown key": (_replace("[card]", "[card]\nrank = 1"), "unknown field `rank`"),
    "wrong kind": (_replace('authors = "A. Author"', "authors = 3"), "Expected `str`, got `int`"),
    "other name": (_replace('name = "mine"', 'name = "yours"'), "name 'yours' is not the folder's"),
    "path as name": (_replace('name = "mine"', 'name = "../mine"'), "is not the folder's"),
    "long title": (_replace('title = "mine"', f'title = "{"x" * 81}"'), "card.title: has 81 characters"),
    "empty authors": (_replace("A. Author", ""), "card.authors is empty"),
    "control character": (_replace("A. Author", "A.\\u001b[2J"), "unseen character U+001B"),
    "writing direction": (_replace("A. Author", "A.\u202eB"), "unseen character U+202E"),
    "script as link": (_replace('link = ""', 'link = "javascript:alert(1)"'), "is no https address"),
    "plain http": (_replace('link = ""', 'link = "http://example.org"'), "is no https address"),
    "user in link": (_replace('code = ""', 'code = "https://me:word@example.org"'), "or names a user"),
    "quote in link": (_replace('code = ""', "code = 'https://example.org/\"onclick=\"x'"), "is no https address"),
    "closed but external": (_replace("external = []", 'external = ["AMASS"]'), "division closed with 1 lines"),
    "open but nothing": (_replace('"closed"', '"open"'), "division open with 0 lines"),
    "unknown regime": (_replace('regime = "finetune"', 'regime = "warm"'), "regime 'warm'"),
    "regime it cannot": (_replace('regime = "finetune"', 'regime = "zero-shot"'), "not among the card's"),
    "huge size": (_replace("size = 1", "size = 99999999999"), "Expected `int` <="),
    "short sha": (_replace("0" * 64, "0" * 63), "matching regex"),
    "link among cells": (_link, "cold-f0.05-s0.csv: is a symbolic link"),
    "linked folder": (_linked_folder, "cells: is a symbolic link"),
    "script": (lambda f: (f / "run.py").write_text("print()"), "run.py: is no file of an entry"),
    "folder": (lambda f: (f / "more").mkdir(), "more: is no folder of an entry"),
    "pipe": (lambda f: os.mkfifo(f / "level.json"), "level.json: is no regular file"),
    "huge file": (lambda f: (f / "entry.toml").write_text("#" * 70_000), "entry.toml: has 70000 bytes"),
    "nan": (lambda f: _text(f, '"seed": 0', '"seed": NaN'), "not strict JSON"),
    "deep": (lambda f: (f / f"{COLD}.json").write_text('{"a":' * 20_000 + "1" + "}" * 20_000), "not strict JSON"),
    "other place": (lambda f: _result(f / f"{COLD}.json", seed=1), "holds the result of"),
    "path as task": (lambda f: _result(f / f"{COLD}.json", task="../../x"), "holds the result of"),
    "failed cell": (lambda f: _result(f / f"{COLD}.json", status="failed"), "Invalid enum value 'failed'"),
    "other model": (lambda f: _result(f / f"{COLD}.json", model="other"), "is of model other"),
    "hidden reason": (lambda f: _result(f / f"{COLD}.json", reason="a\x1b[31m"), "unseen character U+001B"),
    "no clips": (lambda f: (f / f"{COLD}.csv").unlink(), "cold-f0.05-s0.csv: is missing"),
    "clips alone": (lambda f: (f / f"{COLD}.json").unlink(), "has no result beside it"),
    "endless number in toml": (_replace("size = 1", f"size = 1{'0' * 5000}"), "entry.toml: not TOML"),
    "endless number": (lambda f: _result(f / f"{COLD}.json", cost={"core_seconds": 10**400}), "is too large a number"),
    "options that are none": (lambda f: _result(f / f"{COLD}.json", options=5), "Expected `object`, got `int`"),
    "model that is a path": (_replace('model = "mine"', 'model = "../mine"'), "card.model is a path"),
    "bad level": (lambda f: (f / "level.json").write_text('{"schema": "rae-bench.level/1"}'), "level.json: not as"),
}


def _text(folder: Path, old: str, new: str) -> None:
    path = folder / f"{COLD}.json"
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_refused_in_one_line(folder: Path, fault: str) -> None:
    damage, message = FAULTS[fault]
    load_entry(folder)
    damage(folder)
    with pytest.raises(UserError, match=re.escape(message)) as raised:
        load_entry(folder)
    assert str(raised.value).isprintable()


def test_required_cells() -> None:
    entry_card = {"capabilities": ["frozen"]}
    task = load_task("biped2quad")

    def keys(regime: str, **card: object) -> set[tuple[str, float]]:
        made = Card(**{"title": "x", "authors": "x", "model": "x", "config": "0" * 8} | entry_card | card)  # type: ignore
        cells = required_cells(made, regime, task)
        assert {cell.seed for cell in cells} == ({0, 1, 2, 3, 4} if regime == "none" else {0, 1, 2})
        return {(cell.regime, cell.fraction) for cell in cells}

    cold = {("cold", 0.05), ("cold", 0.2), ("cold", 1.0)}
    assert keys("frozen") == cold | {("frozen", 0.05), ("frozen", 0.2)}
    assert keys("cold", capabilities=[]) == cold
    assert keys("zero-shot", capabilities=["zero-shot"]) == cold | {("zero-shot", 0.0)}
    assert keys("none", model="hold", capabilities=[]) == {("none", 1.0)}
    assert keys("none", model="nearest", capabilities=[]) == {("none", 0.05), ("none", 0.2)}


@pytest.mark.parametrize("model", [*REFERENCES, *CONTROLS])
def test_a_model_of_the_package_can_be_an_entry(tmp_path: Path, model: str) -> None:
    """Its capabilities are words that a card may have."""
    can = sorted(resolve_model(model).capabilities)
    regime = "finetune" if "finetune" in can else "none" if model in CONTROLS else "cold"
    folder = write_entry(tmp_path, "x", CELLS, card={"model": model, "capabilities": can}, regime=regime)
    assert load_entry(folder).card.capabilities == can


def test_several_sources_are_required_of_those_that_learn_from_them() -> None:
    task = load_task("leave-one-out-quad")

    def regimes(*more: str) -> set[str]:
        card = Card(title="x", authors="x", model="x", config="0" * 8, capabilities=["frozen", "finetune", *more])  # type: ignore
        return {cell.regime for cell in required_cells(card, "cold", task)}

    assert regimes() == {"cold"}
    assert regimes("multiple-sources") == {"cold", "frozen", "finetune"}


@pytest.mark.parametrize("name", ["..", ".hidden", "a..b", "a.", "CON", "nul.txt", "Lpt1", "a/b", "", "-x"])
def test_names_that_no_folder_may_have(name: str) -> None:
    assert not is_slug(name)
    assert is_slug("console-1.0")


def test_a_learner_has_no_cells_of_controls(tmp_path: Path) -> None:
    folder = write_entry(tmp_path, "mine", CELLS | {("biped2quad", "none", 1.0, 0): {"reconstruction_error": 1.0}})
    with pytest.raises(UserError, match="has the regime of controls"):
        load_entry(folder)


def test_missing_cells(folder: Path) -> None:
    missing = missing_cells(load_entry(folder), load_task("biped2quad"))
    assert CellKey("cold", 0.05, 0) not in missing
    assert CellKey("cold", 0.05, 1) in missing
    assert len(missing) == 3 * 7 - 2


def test_reading_imports_no_torch(folder: Path) -> None:
    code = (
        "import sys; from rae_bench.leaderboard.entries.entry import load_entry; load_entry(sys.argv[1]);"
        "print([m for m in ('torch', 'pytorch_lightning', 'ray', 'pandas', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
