"""Files and folders appear whole or not at all, and what killed processes left is swept away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rae_bench.storage import sweep, whole_file, whole_folder


def test_a_file_appears_only_when_its_block_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    with whole_file(path) as scratch:
        scratch.write_text("one", encoding="utf-8")
        assert not path.exists()
        assert str(os.getpid()) in scratch.name
    assert path.read_text(encoding="utf-8") == "one"
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()

    def fail() -> None:
        with whole_file(path) as scratch:
            scratch.write_text("tw", encoding="utf-8")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail()
    assert path.read_text(encoding="utf-8") == "one"
    assert os.listdir(path.parent) == ["a.json"]


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    for text in ("one", "two"):
        with whole_folder(folder) as part:
            part.mkdir()
            (part / text).touch()
        assert os.listdir(folder) == [text]

    def fail() -> None:
        with whole_folder(folder) as part:
            part.mkdir()
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail()
    assert os.listdir(folder) == ["two"]
    assert os.listdir(tmp_path) == ["f"]


def test_two_makers_of_one_folder_do_not_meet(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    with whole_folder(folder) as part:
        part.mkdir()
        with whole_folder(folder) as other:
            other.mkdir()
            (other / "theirs").touch()
    assert os.listdir(tmp_path) == ["f"]


def test_sweep_takes_what_dead_processes_left_and_nothing_else(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from rae_bench.storage import whole_file, whole_folder\n"
        "folder = Path(sys.argv[1])\n"
        "with whole_file(folder / 'a.json'), whole_folder(folder / 'b') as part:\n"
        "    part.mkdir()\n"
        "    (part / 'c').touch()\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    dead = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert dead.returncode == -9
    assert len(os.listdir(tmp_path)) == 2
    (tmp_path / "kept.json").touch()
    (tmp_path / ".tmp-00000000-1-of-another-machine").touch()
    (tmp_path / ".tmp-odd").touch()
    with whole_file(tmp_path / "mine") as scratch:
        sweep(tmp_path)
        assert scratch.exists()
    assert sorted(os.listdir(tmp_path)) == [".tmp-00000000-1-of-another-machine", ".tmp-odd", "kept.json", "mine"]
    sweep(tmp_path / "nowhere")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_scratch_is_gone_after_its_block_and_so_are_those_of_the_killed(tmp_path: Path) -> None:
    code = "import os\nfrom rae_bench.storage import scratch\nwith scratch():\n    os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    assert len(os.listdir(tmp_path)) == 1
    code = "from rae_bench.storage import scratch\nwith scratch() as folder:\n    (folder / 'x').touch()"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, check=True)
    assert os.listdir(tmp_path) == []
