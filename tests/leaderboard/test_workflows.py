"""What continuous integration does with the entries of a pull request."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.made_entries import make_entry
from helpers.places import ROOT

from rae_bench.leaderboard.board.build import read_board, write_board

SCRIPTS = ROOT / ".github" / "scripts"
GIT = ("git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")


@pytest.mark.parametrize(
    ("line", "fetches"),
    [('url = ""', False), ('url = "https://example.org/t"', True), ("url='https://example.org/t'", True)],
)
def test_trajectories_are_fetched_however_their_address_is_written(tmp_path: Path, line: str, fetches: bool) -> None:
    """`rae-bench` is a stand-in that says how it is called."""
    program = tmp_path / "bin" / "rae-bench"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "called: $@"\n')
    program.chmod(0o755)
    subprocess.run([*GIT, "init", "-q", "."], cwd=tmp_path, check=True)
    subprocess.run([*GIT, "commit", "-q", "--allow-empty", "-m", "base"], cwd=tmp_path, check=True)
    path = tmp_path / "leaderboard" / "entries" / "mine" / "entry.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f"[trajectories]\n{line}\n")
    (path.parents[1] / ".gitkeep").touch()  # in the folder of the entries, and no entry
    subprocess.run([*GIT, "add", "leaderboard"], cwd=tmp_path, check=True)
    subprocess.run([*GIT, "commit", "-q", "-m", "entry"], cwd=tmp_path, check=True)
    environment = os.environ | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", SCRIPTS / "verify-changed", "HEAD~1"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout == f"== mine\ncalled: verify leaderboard/entries/mine{' --fetch' if fetches else ''}\n"


def test_a_preview_says_what_moved(tmp_path: Path) -> None:
    """A pull request with one entry more, with the real command: the board of before is that of the base."""
    board = tmp_path / "leaderboard"
    for name in ("truth", "hold", "fe"):
        make_entry(board / "entries", name)
    write_board(read_board(board), board)
    subprocess.run([*GIT, "init", "-q", "."], cwd=tmp_path, check=True)
    for name in ("base", "pull"):
        subprocess.run([*GIT, "add", "leaderboard"], cwd=tmp_path, check=True)
        subprocess.run([*GIT, "commit", "-q", "-m", name], cwd=tmp_path, check=True)
        make_entry(board / "entries", "mann", 0.7)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", SCRIPTS / "build-preview", "HEAD~1", "preview"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    preview = tmp_path / "preview"
    assert "mann" in (preview / "moved.md").read_text()
    assert "| mann |" in (preview / "README.md").read_text()
    assert (preview / "site" / "entries" / "mann.html").exists()
    assert not (preview / "entries").exists()
