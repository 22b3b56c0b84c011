"""A sweep of sixty cells whose driver, workers and Ray head are killed again and again ends like an undisturbed one."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from test_sweep import MODELS, _command, _finished, _processes_of, scrubbed

from rae_bench.protocol.run import Outcome, run_cells

ASKED = {"seeds": 6, "fractions": [0.02, 0.05, 0.2, 0.5, 1.0], "regimes": ("cold", "frozen")}
CELLS = 60
KILLS = 4
"""In each round, of which no part of Ray is spared; a killed worker leaves the sweep running."""
GROUPS = ("driver", "worker", "head")


def _victim(kind: str, driver: int) -> int | None:
    """Process id of what is to be killed; None where it is not there just now."""
    if kind == "driver":
        return driver
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found[int(folder.name)] = ((folder / "cmdline").read_text(), (folder / "stat").read_text())
        except OSError:
            continue
    ours = set(_processes_of(driver))
    if kind == "head":
        return next((pid for pid, (line, _) in found.items() if line in ours and "gcs_server" in line), None)
    raylets = {pid for pid, (line, _) in found.items() if line in ours and "raylet" in line.split("\0")[0]}
    working = [
        pid
        for pid, (line, stat) in found.items()
        if line.startswith(("ray::cold-", "ray::frozen-")) and int(stat.rpartition(")")[2].split()[1]) in raylets
    ]
    return working[0] if working else None


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plugins") / "models.py"
    path.write_text(MODELS, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def undisturbed(plugin: Path, tiny_task: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    out = tmp_path_factory.mktemp("undisturbed")
    return out, run_cells(f"{plugin}:Base", str(tiny_task), out=out, workers=2, **ASKED)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_killed_again_and_again(
    seed: int, plugin: Path, tiny_task: Path, undisturbed: tuple[Path, Outcome], tmp_path: Path
) -> None:
    rng, out = random.Random(seed), tmp_path / "out"
    command = _command(
        "--model", f"{plugin}:Base", "--task", str(tiny_task), "--seeds", str(ASKED["seeds"]), "--fractions",
        "2%,5%,20%,50%,100%", "--regimes", "cold,frozen", "--out", str(out), "--json",
    )  # fmt: skip
    kills: Counter[str] = Counter()
    kept: dict[Path, int] = {}
    kinds = [*rng.sample(GROUPS, 3), rng.choice(GROUPS)]
    while True:
        driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while kinds and driver.poll() is None:
            goal = len(_finished(out)) + rng.randint(2, 9)
            while driver.poll() is None and len(_finished(out)) < goal:
                time.sleep(0.05)
            time.sleep(rng.uniform(0, 0.3))
            victim = _victim(kinds[-1], driver.pid) if driver.poll() is None else None
            if victim is None:
                continue
            kept |= _finished(out)
            os.kill(victim, signal.SIGKILL)
            kills[kinds.pop()] += 1
        stdout, stderr = driver.communicate(timeout=300)
        if driver.returncode == 0:
            break
        assert kills["driver"] + kills["head"], stderr
    print(f"\nround {seed}: killed {dict(kills)}")
    assert sum(kills.values()) == KILLS
    results = json.loads(stdout)
    assert {r["status"] for r in results} == {"ok"}
    assert sum(r["regime"] != "none" for r in results) == CELLS
    assert all(path.stat().st_mtime_ns == at for path, at in kept.items()), "a finished cell was run again"
    there, reference = undisturbed
    for planned, result in reference.found():
        same = scrubbed(out / planned.path.relative_to(there))
        assert same == {key: value for key, value in result.items() if key != "cost"}
    assert not [p for p in out.rglob("*") if p.name.startswith(".")], "something was left half written"


if sys.platform != "linux":  # processes are found in /proc
    pytestmark = pytest.mark.skip(reason="needs /proc")
