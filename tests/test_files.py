"""Files that anybody may have put there: pipes, devices and links without end are refused wherever we read."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
from helpers.bvh import bvh
from helpers.places import ROOT

from rae_bench import files
from rae_bench.cli import main
from rae_bench.data.formats.bvh import read_bvh
from rae_bench.errors import UserError
from rae_bench.leaderboard.board.build import load_board
from rae_bench.results.clips import read_clips
from rae_bench.results.files import read_result
from rae_bench.results.trajectories import load_trajectory
from rae_bench.rigs.file import read_rig
from rae_bench.storage import read_json, read_toml
from rae_bench.task.named import load_task

ZERO = Path("/dev/zero")
pytestmark = pytest.mark.skipif(not ZERO.exists() or not hasattr(os, "mkfifo"), reason="needs /dev/zero and pipes")


def _special(folder: Path, kind: str, name: str) -> Path:
    path = folder / name
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(ZERO)
    return path


@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.parametrize(
    ("read", "name"),
    [
        (lambda path: read_json(path, "missing"), "manifest.json"), (lambda path: read_toml(path, "missing"), "x.toml"),
        (read_bvh, "walk.bvh"), (load_board, "board.json"), (read_clips, "x.csv"), (load_trajectory, "x.npz"),
        (read_rig, "rig.toml"), (load_task, "task.toml"),
    ],
)  # fmt: skip
def test_special_files_are_refused_in_one_line(tmp_path: Path, kind: str, read: object, name: str) -> None:
    path = _special(tmp_path, kind, name)
    with pytest.raises(UserError, match="no regular file") as caught:
        read(path)  # type: ignore[operator]
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_special_files_among_results_count_as_none(tmp_path: Path, kind: str) -> None:
    assert read_result(_special(tmp_path, kind, "cold-f0.05-s0.json")) is None


def test_commands_end_at_special_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each would wait or read for ever; what lies beside the special file is sound."""
    takes, results = tmp_path / "takes", tmp_path / "results"
    for folder in (takes, results):
        folder.mkdir()
    for take in range(5):
        (takes / f"walk{take}.bvh").write_text(bvh([f"{10 + n} 90 {take} 0 0 0 0 0 0" for n in range(90)]))
    (takes / "manifest.json").symlink_to(ZERO)
    os.mkfifo(results / "cold-f0.05-s0.json")
    for words, what in (
        ("leaderboard diff /dev/zero /dev/zero", "/dev/zero"), ("show task /dev/zero/x.toml", "/dev/zero"),
        (f"data import {takes} --name x --manifest manifest.json", "manifest.json: cannot be read (no regular file)"),
        (f"rescore {results}", "cold-f0.05-s0.json: no regular file"),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            main(words.split())
        assert ended.value.code == 2, words
        said = capsys.readouterr().err.strip()
        assert what in said
        assert len(said.splitlines()) <= 2


def test_a_file_that_grows_while_it_is_read_is_cut_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"0" * 10)
    assert files.read_bytes(path, 10) == b"0" * 10
    assert files.digest(path, 10)[1] == 10
    for call in (lambda: files.read_bytes(path, 9), lambda: files.digest(path, 9),
                 lambda: files.copy(path, tmp_path / "y", 9)):  # fmt: skip
        with pytest.raises(OSError, match="more than the 9 bytes that are read"):
            call()


def test_links_are_followed_only_where_they_may_be(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("text")
    (tmp_path / "link").symlink_to("x")
    assert files.read_text(tmp_path / "link") == "text"
    with pytest.raises(OSError, match="no regular file"):
        files.read_bytes(tmp_path / "link", 10, follow=False)
    with pytest.raises(OSError, match="no file name"):
        files.read_bytes(tmp_path / "a\0b", 10)


ALLOWED = {
    "files",  # the helper itself
    "storage", "harness.machine", "harness.ray.cluster",  # /proc
    "viewer.page", "viewer.report_page", "rigs.builtin", "leaderboard.site.write",  # files of the package
    "leaderboard.verify.known_sources",  # the same
    "model.lightning", "baselines.feedforward", "baselines.controls",  # copies that the harness made of a folder
    "baselines.match", "baselines.patches",  # the same
    "baselines.catalogue",  # files of the package
    "notebook.page",  # of what has just been written
}  # fmt: skip
"""Modules that read files in other ways, and why they may."""


def test_nothing_reads_files_in_another_way() -> None:
    """`open` of a path for reading, `read_text` and `read_bytes` are in the helper and in the modules above alone."""
    found = set()
    for folder in ("rae_bench", "baselines"):
        for path in (ROOT / folder).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removeprefix("rae_bench.")
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    method = node.func.attr
                    own = isinstance(node.func.value, ast.Name) and node.func.value.id in ("files", "entry_files")
                    modes = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
                    opens = method == "open" and (modes == ["rb"] or modes == ["r"])
                    if (method in ("read_text", "read_bytes") and not own) or opens or method == "copyfile":
                        found.add(module)
    assert found - ALLOWED == {"leaderboard.submission"}  # of what it has just packed itself
    assert found >= ALLOWED - {"files"}
