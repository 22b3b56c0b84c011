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
from helpers.running import do_here, plan_cells

from rae_bench.leaderboard.submission import gather_cells, make_card, submit_entry

ENTRIES = ("fe", "truth")
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


@pytest.fixture(scope="module")
def made(tiny_task: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of real entries, made by the package as it is."""
    place = tmp_path_factory.mktemp("entries")
    asked = {"fractions": [0.05, 0.2], "budget": "full", "out": place / "results"}
    do_here(plan_cells("fe", str(tiny_task), seeds=3, **asked), lambda job: job.model == "fe")
    do_here(plan_cells("fe", str(tiny_task), seeds=5, **asked), lambda job: job.model == "truth")  # it has every fold
    for name in ENTRIES:
        found = gather_cells(place / "results", model=name)
        report = submit_entry(
            found, name, make_card(found), out=place / "entries", packed=place / f"{name}.zip", tasks=[tiny_task]
        )
        assert report.findings == []
    return place / "entries"


@pytest.fixture
def verify(made: Path, tiny_task: Path, run: Run) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Verify an entry with the copy of the package."""
    return lambda entry: run("-m", "rae_bench", "verify", str(made / entry), "--task", str(tiny_task))


def test_words_and_the_version_of_the_package_leave_entries_fresh(copy: Path, run: Run, verify: Run) -> None:
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
    assert ", version 9.9.9," in run("-m", "rae_bench", "--version").stdout
    for entry in ENTRIES:
        done = verify(entry)
        assert (done.returncode, "mend:" in done.stdout) == (0, False), done.stdout + done.stderr


def test_a_formula_that_moves_is_named_and_its_version_makes_cells_stale(copy: Path, run: Run, verify: Run) -> None:
    metric = copy / "rae_bench" / "metrics" / "reconstruction.py"
    text = metric.read_text(encoding="utf-8")
    edited = text.replace("CENTIMETRES * ", "1.001 * CENTIMETRES * ", 1)
    assert edited != text
    metric.write_text(edited, encoding="utf-8")
    golden = run("-c", "from golden.check import Golden; print(Golden().complaint('reconstruction_error'))")
    assert "reconstruction_error" in golden.stdout, golden.stderr
    assert "version" in golden.stdout.lower()
    assert verify("fe").returncode == 0  # nobody can see it but the golden test

    raised = edited.replace('name="reconstruction_error", ', 'name="reconstruction_error", version=2, ', 1)
    assert raised != edited
    metric.write_text(raised, encoding="utf-8")
    stale = verify("fe")
    assert stale.returncode == 1, stale.stdout + stale.stderr
    assert "reconstruction_error 1 -> 2" in stale.stdout
    assert "rescore" in stale.stdout
