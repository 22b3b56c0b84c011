"""`submit` and `verify` as a user meets them: on the command line, and what is made, asked for, fetched and trained."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from helpers.forger import Forger

from rae_bench.cli import main
from rae_bench.cli.submit import git_commands
from rae_bench.errors import UserError
from rae_bench.leaderboard.entries.card import Trajectories
from rae_bench.leaderboard.entries.entry import load_entry
from rae_bench.leaderboard.entries.fetch import _HttpsOnly, download
from rae_bench.leaderboard.entries.packing import digest
from rae_bench.leaderboard.submission import gather_cells, make_card, submit_entry


def _call(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("here", "entries", "first", "build", "add"),
    [
        (".", "leaderboard/entries", "git switch -c entry-x", "rae-bench leaderboard build", "git add leaderboard"),
        ("..", "a clone/leaderboard/entries", "cd 'a clone'", "rae-bench leaderboard build", "git add leaderboard"),
        (
            ".", "boards/my own/entries", "git switch -c entry-x",
            "rae-bench leaderboard build --folder 'boards/my own'", "git add 'boards/my own'",
        ),
    ],
)  # fmt: skip
def test_git_commands_are_of_the_clone_that_holds_the_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: str, entries: str, first: str, build: str, add: str
) -> None:
    (tmp_path / "a clone" / ".git").mkdir(parents=True)
    monkeypatch.chdir((tmp_path / "a clone" / here).resolve())
    lines = git_commands("x", Path(entries))
    assert lines[0] == first
    assert lines[-5:] == ["git switch -c entry-x", build, add, "git commit -m 'Entry: x'", "git push -u origin entry-x"]


def test_an_entry_is_made_and_verified(
    sway_results: Path,
    tiny_task: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code = _call("submit", sway_results, "--name", "sway", "--author", "A. Author", "--author", "B. Author",
                 "--task", tiny_task, "--link", "https://example.org/sway")  # fmt: skip
    out = capsys.readouterr().out
    assert code == 0
    assert "cp -r leaderboard/entries/sway CLONE/leaderboard/entries\n  cd CLONE\n  git switch -c entry-sway\n" in out
    assert "Upload sway-trajectories.zip" in out
    entry = load_entry(tmp_path / "leaderboard" / "entries" / "sway")
    assert entry.card.authors == "A. Author, B. Author"
    assert (entry.card.title, entry.card.model, entry.regime) == ("sway", "Sway", "cold")
    assert entry.trajectories is not None
    assert digest(Path("sway-trajectories.zip"))[0] == entry.trajectories.sha256
    assert all(str(sway_results.parent) not in path.read_text() for path in entry.folder.rglob("*.json"))
    # Again: not overwritten unasked; the same bytes when asked.
    before = Path("sway-trajectories.zip").read_bytes()
    words = ("submit", sway_results, "--name", "sway", "--task", tiny_task)
    assert _call(*words) == 2
    assert "this entry exists; overwrite it with --replace" in capsys.readouterr().err
    assert _call(*words, "--replace") == 0
    assert Path("sway-trajectories.zip").read_bytes() == before
    assert load_entry(entry.folder).card.authors == "A. Author"
    capsys.readouterr()
    words = ("verify", entry.folder, "--trajectories", "sway-trajectories.zip", "--task", tiny_task)
    assert _call(*words, "--record") == 0
    assert re.fullmatch(r"sway: tiny rescored on (\d+) of \1 clips\n", capsys.readouterr().out)
    assert load_entry(entry.folder).level("tiny") == "rescored"
    path = entry.folder / "cells" / "tiny" / "cold-f1-s0.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 0.5'))
    assert _call(*words, "--json") == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["where"] == "cells/tiny/cold-f1-s0.json"


def test_a_name_is_asked_for_at_a_terminal_only(
    sway_results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _call("submit", sway_results, "--out", tmp_path) == 2
    assert capsys.readouterr().err == "rae-bench: --name missing: say it, or call submit at a terminal, where it asks\n"


def test_it_asks_at_a_terminal(
    sway_results: Path, tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", Terminal("mine\nC. Author\nMy model\nit sways\n\n"))
    assert _call("submit", sway_results, "--task", tiny_task, "--out", "entries") == 0
    card = load_entry(tmp_path / "entries" / "mine").card
    assert (card.title, card.authors, card.description, card.licence) == ("My model", "C. Author", "it sways", "MIT")


@pytest.mark.parametrize("name", ["Sway", "sway"])
def test_a_model_is_named_by_its_class_or_its_card(name: str, sway_results: Path) -> None:
    assert gather_cells(sway_results, name).cells == gather_cells(sway_results).cells


def test_quick_results_are_no_part_of_an_entry(sway_results: Path, tmp_path: Path) -> None:
    """Beside full ones they are left out and counted; alone they are refused."""
    both = Path(shutil.copytree(sway_results, tmp_path / "results"))
    (full,) = both.glob("*/tiny")
    quick = Path(shutil.copytree(full, full.with_name("tiny-quick")))
    cells = sorted(quick.glob("*.json"))
    for path in cells:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"budget": "quick"}))
    found = gather_cells(both)
    assert found.quick == len(cells) > 0
    assert sorted(found.cells) == sorted(full.glob("*.json"))
    shutil.rmtree(full)
    with pytest.raises(UserError, match="results of the quick budget alone, which are not for the board; run it with"):
        gather_cells(both)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--name", "../up"), "--name ../up: use letters"),
        (("--name", "a b"), "--name a b: use letters"),
        (("--name", "x", "--model", "fe"), "unknown model in"),
        (("--name", "x", "--task", "biped2quad"), "holds no results of a model on biped2quad"),
        (("--name", "x", "--link", "http://example.org"), "card.link: 'http://example.org' is no https address"),
        (("--name", "x", "--regime", "frozen"), "regime 'frozen' is not among the card's capabilities"),
        (("--name", "x", "--title", "a\x1bb"), "unseen character U+001B"),
        (("--name", "x", "--trajectories", "nowhere/x.zip"), "cannot write nowhere/x.zip: give a file in"),
    ],
)
def test_bad_words_are_one_line(
    sway_results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    assert _call("submit", sway_results, "--out", tmp_path / "entries", *words) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "entries").exists()


def test_findings_leave_nothing(sway_results: Path, tmp_path: Path) -> None:
    """The task's file is not named, so that nothing can be checked against it."""
    found = gather_cells(sway_results)
    report = submit_entry(found, "sway", make_card(found), out=tmp_path / "entries", packed=tmp_path / "packed.zip")
    assert "is no task of this version" in report.findings[0].what
    assert list(tmp_path.iterdir()) == []


def test_an_open_entry_says_what_it_learnt_from(sway_results: Path, tiny_task: Path, tmp_path: Path) -> None:
    found = gather_cells(sway_results)
    submit_entry(
        found, "sway", make_card(found), out=tmp_path, packed=tmp_path / "p.zip", external=["AMASS"], tasks=[tiny_task]
    )
    entry = load_entry(tmp_path / "sway")
    assert (entry.division, entry.external) == ("open", ("AMASS",))


class _Response(io.BytesIO):
    def __init__(self, data: bytes = b"", headers: dict[str, str] | None = None) -> None:
        super().__init__(data)
        self.headers = headers or {}


def _serve(data: bytes, **headers: str) -> Any:
    def open_address(address: str) -> _Response:
        return _Response(data, {key.replace("_", "-"): value for key, value in headers.items()})

    return open_address


def _endless() -> Any:
    class Endless(_Response):
        def read(self, size: int | None = -1, /) -> bytes:
            return bytes(size or 1)

    return lambda address: Endless()


def test_fetch(tmp_path: Path) -> None:
    data = b"trajectories"
    trajectories = Trajectories(hashlib.sha256(data).hexdigest(), len(data), "https://example.org/t.zip")
    download(trajectories, tmp_path / "t.zip", _serve(data))
    assert (tmp_path / "t.zip").read_bytes() == data
    for served, message in (
        (_serve(b"other bytes!"), "with sha256"),
        (_serve(data[:5]), "5 bytes with sha256"),
        (_serve(data, Content_Length="9999"), "has 9999 bytes; the entry says 12"),
        (_endless(), "has more than the 12 bytes"),
    ):
        with pytest.raises(UserError, match=message):
            download(trajectories, tmp_path / "t.zip", served)


def test_a_server_that_speaks_no_http(tmp_path: Path) -> None:
    def open_address(address: str) -> Any:
        raise http.client.BadStatusLine("220 mail.example.org")

    with pytest.raises(UserError, match="cannot be fetched"):
        download(Trajectories("0" * 64, 1, "https://example.org/t.zip"), tmp_path / "t.zip", open_address)


@pytest.mark.parametrize("address", ["http://example.org/x", "file:///etc/passwd", "ftp://example.org/x", ""])
def test_only_https_is_fetched(tmp_path: Path, address: str) -> None:
    with pytest.raises(UserError):
        download(Trajectories("0" * 64, 1, address), tmp_path / "x")
    with pytest.raises(UserError):
        _HttpsOnly().redirect_request(None, None, 302, "", {}, address or "http://localhost/")


@pytest.fixture
def model(sway_results: Path) -> str:
    return f"{sway_results.parent}/sway.py:Sway"


@pytest.mark.slow
def test_rerun(forged: Forger, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "verify",
        forged.folder,
        "--trajectories",
        forged.packed,
        "--task",
        forged.task,
        "--rerun",
        "--model",
        model,
    ]
    assert _call(*words, "--cell", "cold-f0.2-s1", "--record") == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("sway: tiny reproduced: 1 of 6 ranked cells, off by 0 %, 20")
    assert "cold-f0.2-s1, trained again: reconstruction_error" in captured.err
    assert "times the public error on the same kinds of motion" in captured.err
    entry = load_entry(forged.folder)
    assert entry.level("tiny") == "reproduced"
    assert entry.record is not None
    assert [again.cell for again in entry.record.tasks["tiny"].rerun] == ["cold-f0.2-s1"]
    # What the training gave lies in the entry now, and is enough for whoever trains nothing.
    assert _call(*words[: words.index("--rerun")]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("sway: tiny reproduced: 1 of 6 ranked cells, off by 0 %, 20")
    assert "no cell was trained here" in " ".join(captured.err.split())
    assert _call(*words, "--cell", "cold-f9-s9") == 2
    assert "unknown finished cell of sway 'cold-f9-s9'" in capsys.readouterr().err
    # Without trajectories it is trained again all the same, and nothing more than that is known; the record stays, and
    # is more than what is at hand.
    at_hand = [word for word in words if word not in ("--trajectories", forged.packed)]
    record = (forged.folder / "level.json").read_bytes()
    assert _call(*at_hand, "--record", "--data-seed", 7) == 1
    captured = capsys.readouterr()
    assert "level.json: tiny: says reproduced; by what is at hand here it is claimed" in captured.out
    assert "what was trained again agrees" in captured.err
    assert (forged.folder / "level.json").read_bytes() == record
    (forged.folder / "level.json").unlink()
    shutil.rmtree(forged.folder / "reruns")
    # Trajectories that the code does not make: the model grown better overnight, with every number to match.
    path = Path(model.rpartition(":")[0])
    honest = path.read_text(encoding="utf-8")
    try:
        path.write_text(honest.replace("size = 0.5", "size = 3.0"), encoding="utf-8")
        # In processes of their own: this one keeps to the code that it has trained with.
        ended = [_elsewhere(*words), _elsewhere(*at_hand)]
    finally:
        path.write_text(honest, encoding="utf-8")
    for done in ended:
        assert done.returncode == 1
        assert ", trained again: " in done.stdout
        assert "passes" in done.stdout


def _elsewhere(*words: object) -> subprocess.CompletedProcess[str]:
    code = "from rae_bench.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True)


def test_pack_is_stored_zip(honest: Forger) -> None:
    with zipfile.ZipFile(honest.packed) as packed:
        assert {info.compress_type for info in packed.infolist()} == {zipfile.ZIP_STORED}
        assert {info.date_time for info in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize(
    "card", [[1], {"capabilities": 7}, {"capabilities": [1]}, {"authors": ["A"]}, {"learns": "yes"}]
)
def test_a_result_whose_card_is_none(sway_results: Path, tmp_path: Path, card: object) -> None:
    _edited(sway_results, tmp_path, {"card": card})
    with pytest.raises(UserError, match="its card is none"):
        make_card(gather_cells(tmp_path / "results"))


@pytest.mark.parametrize("identity", [{}, {"config": [1]}])
def test_a_result_without_options_is_none(sway_results: Path, tmp_path: Path, identity: dict[str, Any]) -> None:
    _edited(sway_results, tmp_path, {"identity": identity})
    with pytest.raises(UserError, match="holds no results of a model"):
        gather_cells(tmp_path / "results")


def _edited(results: Path, to: Path, change: dict[str, Any]) -> None:
    shutil.copytree(results, to / "results")
    for path in (to / "results").rglob("*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
