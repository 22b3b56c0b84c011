"""`doctor`, `-v`, completion and the last line of every command."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import click
import pytest

from rae_bench.cli import COMMANDS, cli, doctor
from rae_bench.cli.doctor import BROKEN, MISSING, OK, Condition, conditions, summary

Call = Callable[[list[str]], tuple[int, str, str]]


def by_name(data: Path | None, out: Path) -> dict[str, Condition]:
    """What doctor finds."""
    return {each.name: each for each in conditions(data, out)}


def test_everything_that_the_main_job_needs_is_here(tmp_path: Path, call: Call) -> None:
    found = by_name(None, tmp_path / "results")
    for name in ("python", "rae-bench", "libraries", "processors", "cache", "results", "domains"):
        assert found[name].state == OK, found[name]
    assert f"torch {metadata.version('torch')}" in found["libraries"].found
    assert str(tmp_path) in found["results"].found
    code, out, _ = call(["doctor", "--out", str(tmp_path), "--json"])
    assert code == 0
    assert [each["name"] for each in json.loads(out)] == list(found)


def test_each_thing_is_a_line_with_its_remedy(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAE_BENCH_DATA", raising=False)
    code, out, err = call(["doctor", "--out", str(tmp_path)])
    assert (code, err) == (0, "doctor: loading\n")
    *lines, _, last = out.splitlines()
    assert all(line.startswith((f"{OK} ", f"{MISSING} ")) for line in lines)
    assert "missing  dog_mann     for dog2labrador, dog2stick; rae-bench data get dog_mann" in lines
    assert last.startswith("ready for rae-bench run --model fe --task biped2quad")


def test_what_is_broken_is_told(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    found = by_name(tmp_path / "nowhere", tmp_path / "file")
    assert found["data folder"].state == BROKEN
    assert found["results"].state == BROKEN
    assert found["results"].remedy == "name another with --out"
    code, out, _ = call(["doctor", "--data", str(tmp_path / "nowhere")])
    assert code == 1
    assert out.splitlines()[-1] == "1 broken: mend these first"
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**9, 0, 10**9))
    assert by_name(None, tmp_path)["results"].found.endswith("1.0 GB free")
    assert by_name(None, tmp_path)["results"].remedy == "make room, or name another with --out"


def test_packages_that_lack_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    there = metadata.version

    def version(name: str) -> str:
        if name in ("scipy", "ray"):
            raise metadata.PackageNotFoundError(name)
        return there(name)

    monkeypatch.setattr(metadata, "version", version)
    found = {each.name: each for each in doctor._packages()}
    assert found["scipy"].state == BROKEN
    assert found["scipy"].remedy.startswith("pip install 'scipy")
    assert (found["ray"].state, found["ray"].remedy) == (MISSING, "pip install 'rae-bench[sweep]'")
    assert summary(list(found.values())) == "1 broken: mend these first"


def test_recordings_are_found_in_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "dog_mann").mkdir()
    found = by_name(tmp_path, tmp_path)
    assert found["data folder"].found == str(tmp_path)
    assert found["dog_mann"].state == OK
    assert found["human_full"].state == MISSING


def completions(*words: str) -> list[str]:
    """What bash would offer for the last of the words."""
    environment = os.environ | {
        "_RAE_BENCH_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(["rae-bench", *words]),
        "COMP_CWORD": str(len(words)),
    }  # fmt: skip
    code = "import sys; sys.argv = ['rae-bench']; from rae_bench.cli import main; main()"
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    return [line.partition(",")[2] for line in ended.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["run", "--model", "fe"], ["fe", "feedforward"]),
        (["sweep", "--model", "mann,fe"], ["mann,fe", "mann,feedforward"]),
        (["run", "--task", "human2d"], ["human2dog", "human2dog-deepmimic"]),
        (["run", "--source", "qu"], ["quad"]),
        (["show", "rig", "hex"], ["hexapod"]),
        (["show", "model", "omg"], ["omg-lstm", "omg-moe"]),
        (["tune", "--model", "mv"], ["mvae"]),
        (["doc"], ["doctor"]),
    ],
)
def test_names_are_completed(words: list[str], offered: list[str]) -> None:
    assert sorted(completions(*words)) == offered


def test_paths_are_left_to_the_shell() -> None:
    assert completions("run", "--model", "./my") == ["./my"]


def test_verbose_says_where_things_are_and_the_trace_of_an_error(call: Call) -> None:
    code, out, err = call(["-v", "show", "rig", "quda"])
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert lines[0].startswith(f"rae-bench {metadata.version('rae-bench')} in ")
    assert any(line.startswith("Traceback") for line in lines)
    assert lines[-1] == "rae-bench: unknown rig 'quda'; did you mean quad?"
    assert "Traceback" not in call(["show", "rig", "quda"])[2]


def commands(group: click.Group, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    """Every command, by its words."""
    found: dict[tuple[str, ...], click.Command] = {}
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            found |= commands(command, (*path, name))
        else:
            found[*path, name] = command
    return found


ENDS_BY_ITSELF = {
    ("submit",): "prints the git commands",
    ("tune",): "prints the command that tries what it found",
    ("leaderboard", "check"): "says to build where it is stale",
    ("leaderboard", "diff"): "prints Markdown for a pull request",
    ("check", "metrics"): "checks ourselves; nothing follows",
    ("check", "lafan1"): "checks ourselves; nothing follows",
    ("data", "export"): "the file is for another program",
}
"""Commands that do not call `next_steps`, and why."""


def test_every_command_ends_with_the_next_one() -> None:
    import inspect

    found = commands(cli)  # type: ignore[arg-type]
    assert {words[0] for words in found} == set(COMMANDS)
    lacking = []
    for words, command in found.items():
        module = inspect.getmodule(inspect.unwrap(command.callback))  # type: ignore[arg-type]
        if "next_steps(" not in inspect.getsource(module):  # type: ignore[arg-type]
            lacking.append(words)
    assert set(lacking) <= set(ENDS_BY_ITSELF)


def test_the_next_command_is_shown_at_a_terminal_only(call: Call) -> None:
    assert "next:" not in "".join(call(["show", "rig", "quad"])[1:])
    main, side = pty.openpty()
    code = "from rae_bench.cli import main; main(['show', 'rig', 'quad'])"
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=side, check=True)
    os.close(side)
    assert b"next: rae-bench view quad" in os.read(main, 4096)
    os.close(main)
