"""The pages of docs/develop about adding things: their files are written, their commands run, as they stand there.

A page is played in a copy of the repository, where a contributor would be. A block without a language is commands, one
a line. Any other belongs to the file named last before it: it is written where there is none, and is an excerpt of
one that is there; a row of a table goes below the row named last, into the file named before that.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.documents import Block, blocks, commands_on, text_of
from helpers.places import DOCS, ROOT

from rae_bench.cli import main
from rae_bench.storage import home

COPIED = ("rae_bench", "baselines", "tasks", "tests", "docs")
PAGES = tuple(sorted(str(page.relative_to(ROOT)) for page in (DOCS / "develop").glob("add-a-*.md")))

LONG = {
    "rae-bench check model fe+my-core": "trains an LSTM ten times: 20 s",
    "python -m pytest tests/baselines/test_pairs.py -k my-core": "10 s, and done for every core there is",
    "rae-bench run --model fe+my-core --task biped2quad": "trains",
    "rae-bench run --model fe --task quad2hexapod": "trains",
    "rae-bench run --model fe --source r1 --target stick": "makes all motion of two rigs",
    "python -m pytest tests/metrics/test_evaluation.py": "6 s, and done for every metric there is",
    "rae-bench check metrics": "3 s on a tiny task, a minute as printed",
}
"""Commands that are left to the slow test, and why."""
SMALLER = {
    "--task biped2quad": "--task tiny.toml --workers 1",
    "check metrics": "check metrics --task tiny.toml",
    "--target stick": "--target stick --dry-run",
}
"""What is put in place of what stands in a command, so that it takes seconds: all that is not as printed, with ..."""
FEWER = {
    "[protocol]\n": "[budget]\nfull_updates = 6\nquick_updates = 6\n\n[protocol]\n", 'rig = "': 'clips = 24\nrig = "',
}  # fmt: skip
"""... what is put into the file of a task."""


def write(block: Block, clone: Path) -> None:
    """Do with a block of a file what the page means."""
    if block.language == "markdown":
        path, row = clone / block.names[-2], f"| `{block.names[-1]}` |"
        lines = path.read_text(encoding="utf-8").splitlines()
        at = next(n for n, line in enumerate(lines) if line.startswith(row))
        path.write_text("\n".join([*lines[: at + 1], block.text.rstrip(), *lines[at + 1 :]]) + "\n", encoding="utf-8")
        return
    path, text = clone / block.names[-1], block.text
    if path.exists():
        assert_excerpt(text, path.read_text(encoding="utf-8"))
        return
    if path.parent.name == "tasks":
        for old, new in FEWER.items():
            assert old in text
            text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def assert_excerpt(text: str, whole: str) -> None:
    """Lines follow upon each other as they do in the file; `...` stands for any lines, or none."""
    parts = re.split(r"^ *\.\.\.\n", text, flags=re.MULTILINE)
    at = 0
    for part in parts:
        found = f"\n{whole}".find(f"\n{part}", at)
        assert found >= 0, f"not in the file, or not in this order:\n{part}"
        at = found + len(part)


def there(command: str, clone: Path) -> str:
    """Run a command in the copy with its package."""
    words = shlex.split(command)
    programs = {
        "rae-bench": [sys.executable, "-c", "from rae_bench.cli import main; main()"],
        "python": [sys.executable],
        "cp": ["cp"],
    }
    done = subprocess.run(
        [*programs[words[0]], *words[1:]],
        cwd=clone, env=os.environ | {"PYTHONPATH": str(clone)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def here(command: str, clone: Path) -> str:
    """Run a command in this process, where torch is imported, with the package that it has: for pages without ours."""
    words = shlex.split(command)
    assert words[0] == "rae-bench"
    with pytest.raises(SystemExit) as ended:
        main(words[1:])
    assert not ended.value.code, command
    return ""


def play(page: str, clone: Path, run: Callable[[str, Path], str] = there, *, long: bool = False) -> dict[str, str]:
    """What each command of a page said."""
    said = {}
    for block in blocks(text_of(page)):
        if block.language:
            write(block, clone)
            continue
        for command in block.text.splitlines():
            if long or command not in LONG:
                small = command
                for old, new in SMALLER.items():
                    small = small.replace(old, new)
                said[command] = run(small, clone)
    return said


@pytest.fixture
def clone(tmp_path: Path, tiny_task: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the repository, laid out so that it can be imported, and a home without the domains of other tests."""
    generated = home() / "generated"
    generated.mkdir(parents=True, exist_ok=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "generated").symlink_to(generated)
    monkeypatch.setenv("RAE_BENCH_HOME", str(tmp_path / "home"))
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("pyproject.toml", "README.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("baselines", "tasks"):
        (tmp_path / "rae_bench" / name).symlink_to(tmp_path / name)
    shutil.copy(tiny_task, tmp_path / "tiny.toml")
    return tmp_path


def test_the_lists_are_of_these_pages() -> None:
    assert len(PAGES) == 5
    assert set(LONG) <= {command for page in PAGES for command in commands_on(page)}
    everything = " ".join(command for page in PAGES for command in commands_on(page))
    assert all(old in everything for old in SMALLER)


def test_a_model(clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(clone)
    play("docs/develop/add-a-model.md", clone, here)
    said = capsys.readouterr().out
    assert "ok    no_future_objectives" in said
    assert "FAIL" not in said
    table = {line.split()[0]: line.split() for line in said.splitlines() if line.startswith(("hold ", "full "))}
    assert float(table["full"][5]) < 0.5 * float(table["hold"][3])  # objective, cm: it goes where it is asked to


def test_a_core(clone: Path) -> None:
    said = play("docs/develop/add-a-core-or-codec.md", clone)
    assert "  my-core " in said["rae-bench list models"]
    assert said["python tests/golden/update.py my-core"] == "my-core: version 3, new\n"


def test_a_task(clone: Path) -> None:
    said = play("docs/develop/add-a-task.md", clone)
    assert "rig hexapod" in said["rae-bench show task quad2hexapod"]


def test_a_rig(clone: Path) -> None:
    said = play("docs/develop/add-a-rig.md", clone)
    assert said["rae-bench show rig stick"].splitlines()[1].startswith("15 joints, 27 degrees of freedom")
    assert (clone / "stick-view.html").stat().st_size > 100_000


def test_a_metric(clone: Path) -> None:
    """Its own test finds it; that of docs/reference/metrics.md, that it is registered, and where its line stands."""
    play("docs/develop/add-a-metric.md", clone)
    there("python -m pytest tests/golden/test_golden.py -k heading_error", clone)
    file = clone / "rae_bench/metrics/heading.py"
    file.write_text(file.read_text(encoding="utf-8").replace("np.degrees(np.abs", "1.001 * np.degrees(np.abs"), "utf-8")
    with pytest.raises(AssertionError, match="heading_error: its numbers moved, and its version is still 1"):
        there("python tests/golden/update.py heading_error", clone)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if LONG.keys() & set(commands_on(page))])
def test_a_whole_page(page: str, clone: Path) -> None:
    play(page, clone, long=True)


def test_an_excerpt_that_has_rotted_is_found() -> None:
    whole = "a\nb\n    c\nd\n"
    for good in ("a\nb\n", "...\n    c\n...\n", "a\n    ...\nd\n"):
        assert_excerpt(good, whole)
    for bad in ("a\n    c\n", "b\n...\na\n", "e\n", "c\n"):
        with pytest.raises(AssertionError, match="not in the file"):
            assert_excerpt(bad, whole)
