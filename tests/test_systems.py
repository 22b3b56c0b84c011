"""The package starts on systems that lack what POSIX and Linux have, and the tests know what they may skip."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.made_entries import make_entry

ROOT = Path(__file__).resolve().parents[1]
OTHER_SYSTEM = """
import os, signal, sys

for name in ("resource", "fcntl", "grp", "pwd", "termios"):
    sys.modules[name] = None
for name in ("sched_getaffinity", "geteuid", "getpgid", "killpg", "O_NOFOLLOW"):
    delattr(os, name)

def uname():
    # numpy and others for Linux call it.
    assert not sys._getframe(1).f_globals["__name__"].startswith("rae_bench"), "os.uname is missing on Windows"
    return real_uname()

def kill(pid, number):
    assert number > 1, "Ctrl-C and Ctrl-Break on Windows"
    real_kill(pid, number)

def watch(event, arguments):
    # Windows tells the peak of memory by a call of its own.
    path = str(arguments[0]) if event == "open" else ""
    if path.startswith("/proc/") and path != "/proc/self/status":
        raise FileNotFoundError(path)

real_kill, os.kill = os.kill, kill
real_uname, os.uname = os.uname, uname
sys.addaudithook(watch)
"""
"""Run by each Python process as it starts, the workers of `run` among them."""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of processes on a system without Linux' and POSIX' own."""
    folder = tmp_path_factory.mktemp("system")
    (folder / "sitecustomize.py").write_text(OTHER_SYSTEM, encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(folder)}


def call(*words: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-P", *words], capture_output=True, text=True, check=False, **more)  # type: ignore[call-overload,no-any-return]


def test_the_package_can_be_called_as_a_module(tmp_path: Path) -> None:
    done = call("-m", "rae_bench", "--version", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("rae-bench, version ")


IMPORTS = """
import importlib, pkgutil, sys
assert sys.modules["fcntl"] is None
import rae_bench
for found in pkgutil.walk_packages(rae_bench.__path__, "rae_bench."):
    if found.name != "rae_bench.__main__":
        importlib.import_module(found.name)
        print(found.name)
"""


def test_every_module_imports_elsewhere(elsewhere: dict[str, str], tmp_path: Path) -> None:
    done = call("-c", IMPORTS, env=elsewhere, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "rae_bench.harness.cell" in done.stdout
    assert "rae_bench.cli.verify" in done.stdout


def test_an_entry_is_verified_elsewhere(elsewhere: dict[str, str], tmp_path: Path) -> None:
    """Its numbers are made up, so there are findings and no trace of an error."""
    entry = make_entry(tmp_path / "entries", "fe", tasks=["biped2quad"])
    done = call("-m", "rae_bench", "verify", str(entry), env={**elsewhere, "PYTHONIOENCODING": "cp1252"}, cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1].partition(" ")[0]) == (1, "fe:"), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", [["list"], ["show", "rig", "quad"], ["leaderboard", "show", "--folder", str(ROOT / "leaderboard")]]
)
def test_commands_start_elsewhere(words: list[str], elsewhere: dict[str, str], tmp_path: Path) -> None:
    """With a code page that lacks most signs, too."""
    page = {"encoding": "cp1252", "env": {**elsewhere, "PYTHONIOENCODING": "cp1252"}}
    done = call("-m", "rae_bench", *words, cwd=tmp_path, **page)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_a_run_works_elsewhere(elsewhere: dict[str, str], tiny_task: Path, tmp_path: Path) -> None:
    words = ["--model", "fe", "--task", str(tiny_task), "--regimes", "cold,frozen", "--fractions", "5%"]
    more = ["--workers", "1", "--out", "out", "--json"]
    done = call("-m", "rae_bench", "run", *words, *more, env=elsewhere, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert [result["status"] for result in results if result["model"] == "fe"] == ["ok"] * 2
    assert {result["status"] for result in results} == {"ok"}
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("environment", "code", "word"),
    [
        ({}, 0, "no recordings here: RAE_BENCH_DATA names no folder of them"),
        ({"RAE_BENCH_DATA": "/nowhere"}, 0, "no recordings here: RAE_BENCH_DATA=/nowhere: no such folder"),
        ({"RAE_BENCH_REQUIRE_RECORDINGS": "1"}, 1, "no recordings, which RAE_BENCH_REQUIRE_RECORDINGS=1 asks for"),
    ],
)
def test_recordings_that_are_not_there(environment: dict[str, str], code: int, word: str) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAE_BENCH_")}
    words = ["-rsf", "-p", "no:cacheprovider", "tests/data/importing/test_glitches.py", "-k", "real_dog"]
    done = call("-m", "pytest", *words, env=inherited | environment, cwd=ROOT)
    assert done.returncode == code, done.stdout
    assert word in done.stdout


PYTHON = """#!/bin/sh
case "$*" in
  *"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *pytest*) echo "recordings: $RAE_BENCH_DATA required: $RAE_BENCH_REQUIRE_RECORDINGS" ;;
esac
"""


@pytest.mark.skipif(os.name != "posix", reason=".ci/run is a shell script")
@pytest.mark.parametrize(
    ("unpack", "code", "said"),
    [
        (None, 0, "recordings:  required: \n"),
        ("echo /some/where", 0, "recordings: /some/where required: 1\n"),
        ("exit 1", 1, ""),
    ],
)
def test_ci_requires_recordings_where_they_lie_beside_the_checkout(
    unpack: str | None, code: int, said: str, tmp_path: Path
) -> None:
    """The script itself, among programs that only say what they are asked."""
    scripts = {
        "clone/.ci/run": (ROOT / ".ci" / "run").read_text(encoding="utf-8"),
        "bin/python": PYTHON,
        "bin/chromium": "#!/bin/sh\n",
        "bin/npm": "#!/bin/sh\nexit 1\n",
    }
    if unpack is not None:
        scripts["shared/recordings/unpack"] = f"#!/bin/sh\n{unpack}\n"
    for name, text in scripts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAE_BENCH_")}
    programs = tmp_path / "bin"
    environment = inherited | {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHON": str(programs / "python")}
    done = subprocess.run(
        [tmp_path / "clone" / ".ci" / "run"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert done.stdout.partition("== pytest\n")[2] == said
