"""What continuous integration does with the entries of a pull request."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / ".github" / "scripts" / "verify-changed"
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
    subprocess.run([*GIT, "add", "leaderboard"], cwd=tmp_path, check=True)
    subprocess.run([*GIT, "commit", "-q", "-m", "entry"], cwd=tmp_path, check=True)
    environment = os.environ | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", SCRIPT, "HEAD~1"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0
    assert f"called: verify leaderboard/entries/mine{' --fetch' if fetches else ''}\n" in done.stdout
