"""Fifteen SIGKILLs over every command that writes: nothing that was finished is lost, nothing is half written."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from helpers.bvh import bvh
from helpers.forger import MODEL
from helpers.made_entries import make_entry

from rae_bench.data.corpus import load_corpus
from rae_bench.leaderboard.board.build import read_board, stale_files
from rae_bench.leaderboard.entries.entry import load_entry
from rae_bench.results.files import read_result
from rae_bench.storage import home, remove_leftovers

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="needs SIGKILL and /proc")]
KILLS = 3
"""For each of the five commands."""


def _command(*words: object) -> list[str]:
    return [sys.executable, "-P", "-c", "from rae_bench.cli import main; main()", *map(str, words)]


def _hashes(folder: Path) -> dict[str, str]:
    """Of all files that are no scratch."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def _end(process: subprocess.Popen[str]) -> None:
    """Kill a command and wait until the processes that it started have seen it."""
    process.send_signal(signal.SIGKILL)
    process.communicate()
    time.sleep(0.5)


def _killed(
    command: Sequence[str], rng: random.Random, begun: Callable[[], bool], check: Callable[[], None], span: float = 1.5
) -> int:
    """Run a command and kill it some time after `begun` is true, `KILLS` times; check after each; let it end at last.

    Returns:
        How many times it was alive to be killed. It is called again as often as it was faster than its killer.
    """
    kills = 0
    for _ in range(4 * KILLS):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 120
        while process.poll() is None and not begun() and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, span))
        if process.poll() is None:
            kills += 1
        _end(process)
        check()
        if kills == KILLS:
            break
        span *= 0.6
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return kills


def _finished(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in out.rglob("*-s*.json") if read_result(path)}


@pytest.mark.parametrize("name", ["run", "sweep"])
def test_cells(name: str, tiny_task: Path, tmp_path: Path) -> None:
    rng, out = random.Random(name), tmp_path / "out"
    (tmp_path / "sway.py").write_text(MODEL.replace("capabilities=frozenset()", "capabilities=frozenset(['frozen'])"))
    command = _command(
        name, "--model", f"{tmp_path}/sway.py:Sway", "--task", tiny_task, "--seeds", "5", "--fractions", "5%,20%,50%",
        "--regimes", "cold,frozen", "--out", out, "--workers", "2", "--json",
    )  # fmt: skip
    kept: dict[Path, int] = {}
    goal = [2]

    def begun() -> bool:
        return len(_finished(out)) >= goal[0]

    def check() -> None:
        now = _finished(out)
        assert all(now.get(path) == at for path, at in kept.items()), "a finished cell was lost or run again"
        for path in now:
            if json.loads(path.read_text())["status"] == "ok":
                assert path.with_suffix(".csv").stat().st_size
        kept.update(now)
        goal[0] = len(now) + 3

    assert _killed(command, rng, begun, check, 0.5) == KILLS
    check()
    assert {json.loads(path.read_text())["status"] for path in _finished(out)} == {"ok"}
    assert not list(out.rglob(".*")), "something was left half written"


def test_submit(sway_results: Path, tiny_task: Path, tmp_path: Path) -> None:
    """The entry that is there stays whole while it is replaced, and so does the packed file."""
    task = tmp_path / "tiny.toml"
    task.write_text(tiny_task.read_text(encoding="utf-8") + "\n[ranking]\nfractions = [0.05, 0.2]\n", encoding="utf-8")
    words = ("submit", sway_results, "--name", "sway", "--task", task, "--out", tmp_path / "entries",
             "--trajectories", tmp_path / "packed.zip", "--replace")  # fmt: skip
    first = subprocess.run(_command(*words), capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    whole, packed = _hashes(tmp_path / "entries"), (tmp_path / "packed.zip").read_bytes()

    def check() -> None:
        remove_leftovers(tmp_path / "entries")
        remove_leftovers(tmp_path)
        assert _hashes(tmp_path / "entries") == whole
        assert (tmp_path / "packed.zip").read_bytes() == packed
        load_entry(tmp_path / "entries" / "sway")

    began = time.monotonic()
    assert _killed(_command(*words), random.Random(0), lambda: time.monotonic() > began, check, 8.0) == KILLS
    check()
    assert not list((tmp_path / "entries").glob(".*"))


def test_leaderboard_build(tmp_path: Path) -> None:
    """The committed files are those of the entries of before or of now, each whole; so are the pages."""
    board = tmp_path / "leaderboard"
    for name in ("truth", "hold", "fe"):
        make_entry(board / "entries", name)
    command = _command("leaderboard", "build", "--folder", board)
    assert subprocess.run(command, capture_output=True).returncode == 0
    before = _hashes(board)
    make_entry(board / "entries", "mann", 0.7)
    other = tmp_path / "other"
    os.makedirs(other)
    (other / "entries").symlink_to(board / "entries")
    assert subprocess.run(_command("leaderboard", "build", "--folder", other), capture_output=True).returncode == 0
    after = {name: digest for name, digest in _hashes(other).items() if not name.startswith("entries/")}

    def check() -> None:
        remove_leftovers(board)
        now = _hashes(board)
        for name, digest in before.items():
            if not name.startswith("entries/") and name in after:
                assert now.get(name) in (digest, after[name]), name

    assert _killed(command, random.Random(1), lambda: True, check, 4.0) == KILLS
    assert stale_files(read_board(board), board) == {}
    assert not list(board.glob(".*"))


def test_data_import(tmp_path: Path) -> None:
    """A domain that is there stays whole while it is imported again."""
    rows = [f"{10 + 0.1 * n:.3f} 90 {0.2 * n:.3f} {n % 7} {n % 5} 0 0 0 {n % 3}" for n in range(400)]
    takes = tmp_path / "takes"
    takes.mkdir()
    for take in range(6):
        (takes / f"walk{take}.bvh").write_text(bvh([*rows[take:], *rows[:take]]))
    command = _command("data", "import", takes, "--name", "killed")
    first = subprocess.run(command, capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    folder = home() / "domains" / "killed"
    identity = load_corpus(folder).identity

    def check() -> None:
        remove_leftovers(folder.parent)
        assert load_corpus(folder).identity == identity

    assert _killed(command, random.Random(2), lambda: True, check, 4.0) == KILLS
    check()
    assert not list(folder.parent.glob(".*"))
