"""Two runs on one folder, and a full disk: each cell is done once, and no cell is lost to another one's trouble."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.plugins import HOLDS, write_plugins
from helpers.running import cell_job, pretrain_job, run_cells

from rae_bench.harness import run as run_module
from rae_bench.harness.claims import FOLDER, Claims, remove_claims
from rae_bench.harness.events import Elsewhere, Event

MODEL = HOLDS + '''
import os, time


class Base(Holds):
    def save(self, folder):
        folder.mkdir(parents=True)

    def load(self, folder):
        pass


class Slow(Base):
    """Says which cells it adapts, and takes its time."""

    def adapt(self, target, ctx):
        with open(self.log, "a") as file:
            file.write(f"{ctx.regime} {ctx.fraction} {ctx.seed}\\n")
        time.sleep(0.5)


class Full(Base):
    """On a disk that is full whenever it adapts to a twentieth."""

    def adapt(self, target, ctx):
        if ctx.fraction < 0.1:
            raise OSError(28, "No space left on device")
'''


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plugins(tmp_path_factory, MODEL)


HOLDER = """
import sys, time
from rae_bench.harness.claims import Claims
sys.path.insert(0, sys.argv[2])
from helpers.running import cell_job
claims = Claims()
assert claims.take(cell_job(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_claim_dies_with_its_process(tmp_path: Path) -> None:
    job = cell_job(tmp_path / "cold-f0.05-s0.json")
    tests = str(Path(__file__).parents[1])
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, job.name, tests], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with Claims() as claims:
        assert not claims.take(job)
        assert claims.take(pretrain_job(tmp_path / "pretrained-s0"))
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert claims.take(job)
        assert claims.take(job)  # ours already
    holder.stdout.close()
    assert not any(tmp_path.iterdir())


def test_files_of_dead_claims_are_removed_and_held_ones_are_not(tmp_path: Path) -> None:
    held, dead = cell_job(tmp_path / "a.json"), tmp_path / FOLDER / "b.json.lock"
    with Claims() as claims:
        assert claims.take(held)
        dead.touch()
        remove_claims([tmp_path, tmp_path / "not there"])
        assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["a.json.lock"]
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), NotImplementedError("flock")])
def test_without_locks_there_are_no_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with Claims() as claims:
        assert claims.take(cell_job(tmp_path / "a.json"))


def test_two_runs_on_one_folder_do_each_cell_once(plugin: Path, tiny_task: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    seen: list[Event] = []

    def work(observe: Callable[[Event], None]) -> None:
        run_cells(
            f"{plugin}:Slow", str(tiny_task), out=tmp_path / "out", regimes=["cold"], fractions=[0.05, 0.5, 1.0],
            seeds=2, options={"log": str(log)}, workers=1, observe=observe,
        )  # fmt: skip

    threads = [threading.Thread(target=work, args=(seen.append,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = log.read_text().splitlines()
    assert len(lines) == len(set(lines)) == 6
    assert any(isinstance(event, Elsewhere) for event in seen)
    assert not list((tmp_path / "out").rglob(".*"))


def test_a_full_disk_costs_its_cells_alone(
    plugin: Path, tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the note that a cell failed can be written; the cells that fit are finished."""

    def write_json(path: Path, value: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(run_module, "write_json", write_json)
    outcome = run_cells(
        f"{plugin}:Full", str(tiny_task), out=tmp_path / "out", regimes=["cold"], fractions=[0.05, 0.5, 1.0],
        workers=1, controls=False,
    )  # fmt: skip
    assert sorted((r["fraction"], r["status"]) for r in outcome.results) == [(0.5, "ok"), (1.0, "ok")]
    assert [reason.partition("\n")[0] for reason in outcome.failed.values()] == [
        "No space left on device"
    ]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a small file system in memory")
def test_a_run_on_a_disk_that_fills_up_ends_in_one_line(tiny_task: Path, tmp_path: Path) -> None:
    """A real one of 600 KB: some cells fit, the others are named, and nothing half written stays."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none", disk], capture_output=True).returncode:
        pytest.skip("may not mount a file system here")
    try:
        program = "from rae_bench.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-P", "-c", program, "run", "--model", "fe", "--task", str(tiny_task), "--seeds", "5",
             "--out", str(disk), "--workers", "1"], capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        assert done.returncode == 1, done.stderr
        assert "No space left on device" in done.stderr
        assert [p for p in disk.rglob("*-s*.json") if p.stat().st_size]
        assert not list(disk.rglob(".*"))
    finally:
        for _ in range(20):
            if not subprocess.run(["umount", disk], capture_output=True).returncode:
                break
            time.sleep(0.5)
        os.rmdir(disk)
