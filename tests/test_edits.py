"""What makes results stale: real edits of a copy of the package, seen by real commands."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import pytest
from helpers.places import ROOT, TESTS

ENTRIES = sorted(path.name for path in (ROOT / "leaderboard" / "entries").iterdir())
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package as a wheel lays it out, to be edited."""
    left_out = shutil.ignore_patterns("__pycache__")
    for source, target in (("rae_bench", "."), ("baselines", "baselines"), ("tasks", "tasks")):
        shutil.copytree(ROOT / source, tmp_path / "rae_bench" / target, dirs_exist_ok=True, ignore=left_out)
    return tmp_path


@pytest.fixture
def run(copy: Path) -> Run:
    """Run Python with the copy in place of the installed package."""

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(copy), str(TESTS)])}
        return subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environment, cwd=copy)

    where = call("-c", "from rae_bench import baselines as a, errors as b; print(a.__file__, b.__file__)")
    assert where.stdout.split() == [str(copy / f"rae_bench/{name}.py") for name in ("baselines/__init__", "errors")]
    return call


def edit_words(path: Path) -> None:
    """Give a file another comment and other docstrings, and move its lines."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    lines = text.splitlines(keepends=True)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0].lineno - 1
            lines[first] = re.sub(r'"""(?=[^"])', '"""Edited. ', lines[first], count=1)
    path.write_text("".join(lines) + "\n\n# An edit of a comment.\n", encoding="utf-8")
    assert ast.dump(ast.parse(path.read_text(encoding="utf-8"))) != ast.dump(tree)


def verify(run: Run, entry: str) -> subprocess.CompletedProcess[str]:
    return run("-m", "rae_bench", "verify", str(ROOT / "leaderboard" / "entries" / entry))


@pytest.mark.parametrize(
    "entries", [pytest.param(["fe", "truth"]), pytest.param(ENTRIES, marks=pytest.mark.slow)], ids=["two", "all"]
)
def test_words_and_the_version_of_the_package_leave_the_board_fresh(entries: list[str], copy: Path, run: Run) -> None:
    files = sorted((copy / "rae_bench").rglob("*.py"))
    for path in files:
        edit_words(path)
    assert len(files) > 200
    installed = distribution("rae-bench").read_text("entry_points.txt")
    assert installed is not None
    facts = copy / "rae_bench-9.9.9.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: rae-bench\nVersion: 9.9.9\n", encoding="utf-8")
    (facts / "entry_points.txt").write_text(installed, encoding="utf-8")
    assert run("-m", "rae_bench", "--version").stdout.split()[-1] == "9.9.9"
    for entry in entries:
        done = verify(run, entry)
        assert (done.returncode, "mend:" in done.stdout) == (0, False), done.stdout + done.stderr


def test_a_formula_that_moves_is_named_and_its_version_makes_cells_stale(copy: Path, run: Run) -> None:
    metric = copy / "rae_bench" / "metrics" / "reconstruction.py"
    text = metric.read_text(encoding="utf-8")
    edited = text.replace("CENTIMETRES * ", "1.001 * CENTIMETRES * ", 1)
    assert edited != text
    metric.write_text(edited, encoding="utf-8")
    golden = run("-c", "from golden.check import Golden; print(Golden().complaint('reconstruction_error'))")
    assert "reconstruction_error" in golden.stdout, golden.stderr
    assert "version" in golden.stdout.lower()
    assert verify(run, "fe").returncode == 0  # nobody can see it but the golden test

    raised = edited.replace('name="reconstruction_error", ', 'name="reconstruction_error", version=2, ', 1)
    assert raised != edited
    metric.write_text(raised, encoding="utf-8")
    stale = verify(run, "fe")
    assert stale.returncode == 1, stale.stdout + stale.stderr
    assert "reconstruction_error 1 -> 2" in stale.stdout
    assert "rescore" in stale.stdout
