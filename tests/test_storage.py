"""Files and folders appear whole or not at all, and what killed processes left is put right or removed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rae_bench import storage
from rae_bench.storage import alive, list_domains, remove_leftovers, whole_file, whole_folder


def test_a_file_appears_only_when_its_block_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    with whole_file(path) as scratch:
        scratch.write_text("one", encoding="utf-8")
        assert not path.exists()
        assert str(os.getpid()) in scratch.name
    assert path.read_text(encoding="utf-8") == "one"

    def fail() -> None:
        with whole_file(path) as scratch:
            scratch.write_text("tw", encoding="utf-8")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail()
    assert path.read_text(encoding="utf-8") == "one"
    assert os.listdir(path.parent) == ["a.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in folders")
@pytest.mark.parametrize("link", [False, True])
def test_a_file_does_not_take_the_place_of_a_device(tmp_path: Path, link: bool) -> None:
    """Whoever may write to /dev would lose /dev/full by `-o /dev/full`. A pipe stands for it here."""
    pipe = path = tmp_path / "pipe"
    os.mkfifo(pipe)
    if link:
        path = tmp_path / "link"
        path.symlink_to(pipe)
    with pytest.raises(OSError, match="no regular file"), whole_file(path):
        pass
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert path.is_symlink() == link
    assert sorted(os.listdir(tmp_path)) == sorted({"pipe", path.name})


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


def test_cleaning_takes_what_dead_processes_left_and_nothing_else(tmp_path: Path) -> None:
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
        remove_leftovers(tmp_path)
        assert scratch.exists()
    assert sorted(os.listdir(tmp_path)) == [".tmp-00000000-1-of-another-machine", ".tmp-odd", "kept.json", "mine"]
    remove_leftovers(tmp_path / "nowhere")


def test_scratch_is_gone_after_its_block_and_so_are_those_of_the_killed(tmp_path: Path) -> None:
    code = "import os\nfrom rae_bench.storage import scratch\nwith scratch():\n    os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    assert len(os.listdir(tmp_path)) == 1
    code = "from rae_bench.storage import scratch\nwith scratch() as folder:\n    (folder / 'x').touch()"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, check=True)
    assert os.listdir(tmp_path) == []


def test_a_file_has_the_permissions_of_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without asking for the umask, which can only be asked for by changing it: for all threads."""
    (tmp_path / "plain").touch()
    monkeypatch.setattr(os, "umask", None)
    with whole_file(tmp_path / "whole") as scratch:
        scratch.write_text("x", encoding="utf-8")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


KILLS = """
import os, shutil, signal, sys
from itertools import count
from pathlib import Path
from rae_bench import storage

STEPS = ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "open", "os.listdir", "os.scandir")
left = None  # steps until this process dies, or is interrupted

def watch(event, arguments):
    global left
    if left is not None and event in STEPS:
        if left == 0:
            left = None
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise KeyboardInterrupt
        left -= 1

def ends(act, steps):
    "Do it in a process of its own, which ends before that step; whether it came to its end all the same."
    global left
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    code = 1
    try:
        left = steps
        act()
        code = 0
    except KeyboardInterrupt:
        pass
    finally:
        os._exit(code)

def make(text):
    with storage.whole_folder(folder) as part:
        part.mkdir()
        for name in "abc":
            (part / name).write_text(text)

def found():
    return {path.name: path.read_text() for path in folder.glob("*")}

how, folder = sys.argv[1], Path(sys.argv[2]) / "f"
old, new = dict.fromkeys("abc", "old"), dict.fromkeys("abc", "new")
make("old")
sys.addaudithook(watch)
kept, spare = folder.parent, Path(sys.argv[2] + "-spare")
shutil.copytree(kept, spare)
seen = set()

def put_back(place):
    shutil.rmtree(kept)
    shutil.copytree(place, kept)

for first in count():
    put_back(spare)
    whole = ends(lambda: make("new"), first)
    broken = Path(f"{spare}-{first}")
    shutil.copytree(kept, broken)
    for second in count():
        put_back(broken)
        cleaned = ends(lambda: storage.remove_leftovers(kept), second)
        storage.remove_leftovers(kept)
        assert found() in (old, new), (first, second, found())
        assert os.listdir(kept) == ["f"], (first, second, os.listdir(kept))
        seen |= set(found().values())
        if cleaned:
            break
    put_back(broken)  # without cleaning, the next maker
    assert ends(lambda: make("new"), None)
    assert found() == new
    assert os.listdir(kept) == ["f"], os.listdir(kept)
    if whole:
        break
assert seen == {"old", "new"}
print(first)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.parametrize("how", ["kill", "interrupt"])
def test_no_end_at_any_step_loses_both_versions_of_a_folder(how: str, tmp_path: Path) -> None:
    """Neither of the replacement, nor of the cleaning after it."""
    code = [sys.executable, "-c", KILLS, how, str(tmp_path / "kept")]
    (tmp_path / "kept").mkdir()
    done = subprocess.run(code, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 6  # steps of a replacement


def _left_between_the_renames(parent: Path, maker: str, old: str) -> None:
    """What a maker that was killed there leaves of `parent`/f."""
    for version, text in (("part", "new"), ("replaced/f", old)):
        folder = parent / maker / version
        folder.mkdir(parents=True)
        (folder / "a").write_text(text, encoding="utf-8")


def test_a_version_comes_back_whoever_moved_it_aside(tmp_path: Path) -> None:
    """Another container's rubbish stays for a week; a folder that is missing is needed now."""
    maker = ".tmp-00000000-1-a"
    _left_between_the_renames(tmp_path, maker, "old")
    remove_leftovers(tmp_path)
    assert (tmp_path / "f" / "a").read_text(encoding="utf-8") == "old"
    assert (tmp_path / maker / "part").is_dir()
    with whole_folder(tmp_path / "f") as part:
        part.mkdir()
    assert sorted(os.listdir(tmp_path)) == [maker, "f"]


def test_the_newest_version_comes_back(tmp_path: Path) -> None:
    makers = [f".tmp-00000000-{number}-a" for number in range(4)]
    for maker, hour in zip(makers, (2, 4, 1, 3), strict=True):
        _left_between_the_renames(tmp_path, maker, f"moved at {hour}")
        os.utime(tmp_path / maker / "replaced", (hour * 3600, hour * 3600))
    remove_leftovers(tmp_path)
    assert (tmp_path / "f" / "a").read_text(encoding="utf-8") == "moved at 4"


def test_a_maker_whose_old_version_was_put_back_meanwhile_replaces_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others clean between its two renames, and one of them even makes a version of its own."""
    folder = tmp_path / "f"
    with whole_folder(folder) as part:
        part.mkdir()
        (part / "old").touch()
    rename, between = Path.rename, [lambda: remove_leftovers(tmp_path), lambda: folder.mkdir()]

    def watched(path: Path, target: Path) -> Path:
        gone = path == folder
        result = rename(path, target)
        if gone and between:
            between.pop(0)()
            if folder.exists():
                (folder / "of another").touch()
        return result

    with whole_folder(folder) as part:
        part.mkdir()
        (part / "new").touch()
        monkeypatch.setattr(Path, "rename", watched)
    assert not between
    assert os.listdir(folder) == ["new"]
    assert os.listdir(tmp_path) == ["f"]


def test_a_link_to_a_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "f").symlink_to(tmp_path / "elsewhere")
    with whole_folder(tmp_path / "f") as part:
        part.mkdir()
    assert not (tmp_path / "f").is_symlink()
    assert (tmp_path / "elsewhere").is_dir()


def test_a_domain_that_a_killed_import_moved_aside_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAE_BENCH_HOME", str(tmp_path))
    aside = tmp_path / "domains" / ".tmp-00000000-1-a"
    (aside / "part").mkdir(parents=True)
    (aside / "replaced" / "man").mkdir(parents=True)
    (aside / "replaced" / "man" / "corpus.json").touch()
    assert list_domains() == ["man"]


ELSEWHERE = """
import os, sys
from pathlib import Path
real = os.readlink
os.readlink = lambda path, **more: "pid:[1]" if str(path) == "/proc/self/ns/pid" else real(path, **more)
from rae_bench.storage import whole_file, whole_folder
with whole_file(Path(sys.argv[1]) / "a.json"), whole_folder(Path(sys.argv[1]) / "b") as part:
    part.mkdir()
    (part / "c").touch()
    os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="pid namespaces are Linux'")
def test_what_another_container_writes_stays_until_it_is_old(tmp_path: Path) -> None:
    """Its host may have our name, and its process ids are not ours: one that is dead here may live there."""
    subprocess.run([sys.executable, "-c", ELSEWHERE, str(tmp_path)], check=False)
    made = sorted(os.listdir(tmp_path))
    assert len(made) == 2
    remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == made

    old = time.time() - 8 * 24 * 3600
    everything = list(tmp_path.rglob("*"))
    inside = next(path for path in everything if path.name == "c")
    for path in everything:
        if path != inside:
            os.utime(path, (old, old))
    remove_leftovers(tmp_path)
    assert inside.exists()  # its folder is old, but not all that it holds
    os.utime(inside, (old, old))
    remove_leftovers(tmp_path)
    assert os.listdir(tmp_path) == []


NAMESPACE = """
import os, sys
from pathlib import Path
from rae_bench.storage import whole_folder
child = os.fork()
while child == 0 and os.getpid() != int(sys.argv[2]):  # until this namespace has counted so far
    if child := os.fork():
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
if child:
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
with whole_folder(Path(sys.argv[1]) / "f") as part:
    part.mkdir()
    print("made", flush=True)
    sys.stdin.read()
os._exit(0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="pid namespaces are Linux'")
def test_a_living_process_of_another_container_keeps_its_files(tmp_path: Path) -> None:
    """A real pid namespace, under the same host name; its process has an id that is nobody's here."""
    unshare = ["unshare", "--pid", "--fork", "--mount-proc"]
    try:
        subprocess.run([*unshare, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no pid namespace may be made here")
    pid = next(pid for pid in range(2, 1000) if not alive(pid))
    command = [*unshare, sys.executable, "-c", NAMESPACE, str(tmp_path), str(pid)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "made\n"
        assert f"-{pid}-" in os.listdir(tmp_path)[0]
        remove_leftovers(tmp_path)
        maker.communicate()
    assert maker.returncode == 0
    assert os.listdir(tmp_path) == ["f"]


def test_no_process_is_asked_on_windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Signal 0 is Ctrl-C there."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(os, "kill", None)
    assert alive(os.getpid())
    with whole_folder(tmp_path / "f") as part:
        part.mkdir()
        remove_leftovers(tmp_path)
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("platform", ["darwin", "linux"])
def test_machines_of_one_name_are_told_apart(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By their network card, or as copies of one image by their boot."""
    here = storage._prefix()
    monkeypatch.setattr(sys, "platform", platform)
    one = storage._prefix()
    assert (one == here) == (platform == "linux")
    monkeypatch.setattr(storage.uuid, "getnode", lambda: 7)
    monkeypatch.setattr(Path, "read_text", lambda self, **_: "another boot")
    assert storage._prefix() != one
