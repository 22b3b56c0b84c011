"""Groups of cells whose driver, workers and model processes are killed end as undisturbed ones do."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from helpers.places import TESTS
from helpers.plugins import write_plugins
from helpers.running import run_cells
from helpers.sweeps import check_whole

from rae_bench.harness.run import Outcome
from rae_bench.results.files import read_result

KINDS = {"driver": "", "worker": "rae_bench.harness.worker", "model": "rae_bench.harness.isolation.served"}
KILLS = 4
ASKED = {"seeds": 5, "fractions": [0.05, 1.0], "regimes": ("cold", "finetune")}
CELLS = 20

DEADLY = (TESTS / "my_model.py").read_text(encoding="utf-8") + '''

import os


class Deadly(MyModel):
    """Its process dies where it generates for one of the fractions."""

    card = ModelCard(name="deadly", authors="a", licence="MIT", description="d")

    def statistics(self, domain):
        self.few = len(domain) < 6
        return super().statistics(domain)

    def generate(self, prompt, ctx):
        if self.few:
            os._exit(3)
        return super().generate(prompt, ctx)
'''

if sys.platform != "linux":  # processes are found in /proc
    pytestmark = pytest.mark.skip(reason="needs /proc")


def _children(pid: int) -> dict[int, str]:
    """Command lines of all processes below one, by process id."""
    found: dict[int, tuple[int, str]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat, line = (folder / "stat").read_text(), (folder / "cmdline").read_text()
        except OSError:
            continue
        found[int(folder.name)] = int(stat.rpartition(")")[2].split()[1]), line
    below, wanted = {}, {pid}
    while wanted:
        wanted = {child for child, (parent, _) in found.items() if parent in wanted}
        below |= {child: found[child][1] for child in wanted}
    return below


def _finished(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in out.rglob("*-s*.json") if read_result(path)}


@pytest.fixture(scope="module")
def task(tiny_task: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose groups train for some seconds."""
    path = tmp_path_factory.mktemp("tasks") / "groups.toml"
    text = tiny_task.read_text(encoding="utf-8")
    path.write_text(text.replace("quick_updates = 10", "quick_updates = 80").replace("12", "100"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def undisturbed(task: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    out = tmp_path_factory.mktemp("undisturbed")
    return out, run_cells("fe", str(task), out=out, workers=1, **ASKED)


def _sweep(task: Path, out: Path, *more: str) -> Sequence[str]:
    program = "from rae_bench.cli import main; main()"
    return [
        sys.executable, "-P", "-c", program, "sweep", "--model", "fe", "--task", str(task), "--seeds", "5",
        "--fractions", "5%,100%", "--regimes", "cold,finetune", "--workers", "2", "--out", str(out), "--json", *more,
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_groups_that_are_killed(seed: int, task: Path, undisturbed: tuple[Path, Outcome], tmp_path: Path) -> None:
    """Nothing that has finished is lost or run twice, and every number is that of a run in other company."""
    rng, out = random.Random(seed), tmp_path / "out"
    kinds = [*KINDS, rng.choice([*KINDS])]
    rng.shuffle(kinds)
    kills: Counter[str] = Counter()
    kept: dict[Path, int] = {}
    while True:
        driver = subprocess.Popen(_sweep(task, out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        due = time.monotonic() + rng.uniform(6, 12)
        while kinds and driver.poll() is None:
            time.sleep(0.05)
            if time.monotonic() < due:
                continue
            below = {pid: line for pid, line in _children(driver.pid).items() if KINDS[kinds[-1]] in line}
            victim = driver.pid if kinds[-1] == "driver" else next(iter(below), None)
            if victim is None:
                continue
            kept |= _finished(out)
            os.kill(victim, signal.SIGKILL)
            kills[kinds.pop()] += 1
            due = time.monotonic() + rng.uniform(3, 9)
        stdout, stderr = driver.communicate(timeout=300)
        if driver.returncode == 0:
            break
        assert driver.returncode == -signal.SIGKILL, stderr
    print(f"\nround {seed}: killed {dict(kills)}")
    assert sum(kills.values()) == KILLS
    check_whole(out, json.loads(stdout), CELLS, kept, *undisturbed)


def test_a_deadly_cell_costs_itself_alone(
    tiny_task: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two cells of a fold train together; one ends the process where it generates, and the other one is made alone."""
    plugin = write_plugins(tmp_path_factory, DEADLY)
    outcome = run_cells(
        f"{plugin}:Deadly", str(tiny_task), out=tmp_path / "out", fractions=[0.05, 0.5], regimes=["cold"],
        controls=False, workers=1,
    )  # fmt: skip
    status = {r["fraction"]: r["status"] for r in outcome.results}
    assert status == {0.05: "failed", 0.5: "ok"}, outcome.failed
    (reason,) = outcome.failed.values()
    assert reason == "the model process ended with exit code 3"
