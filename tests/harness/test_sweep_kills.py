"""Sweeps whose driver, workers, nodes and Ray head are killed, again and again, end like undisturbed ones."""

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
from helpers.plugins import write_plugins
from helpers.running import run_cells
from helpers.sweeps import LOGIC, MODELS, check_whole, scrubbed

from rae_bench.harness.run import Outcome
from rae_bench.results.files import read_result

ASKED = {"seeds": 6, "fractions": [0.02, 0.05, 0.2, 0.5, 1.0], "regimes": ("cold", "frozen")}
CELLS = 60
KILLS = 4
"""In each round, of which no part of Ray is spared; a killed worker leaves the sweep running."""
GROUPS = ("driver", "worker", "head")


def _command(*more: str) -> list[str]:
    program = "from rae_bench.cli import main; main()"
    return [sys.executable, "-P", "-c", program, "sweep", "--ray-address", "local", *more]


def _finished(out: Path) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in out.rglob("*-s*.json") if read_result(p)}


def _processes_of(pid: int) -> list[str]:
    """Command lines of what a sweep of that process id started: they name its scratch folder."""
    from rae_bench import storage

    name = storage._prefix().replace(f"-{os.getpid()}-", f"-{pid}-")
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_text()
        except OSError:
            continue
        if name in line:
            found.append(line)
    return found


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
    return write_plugins(tmp_path_factory, MODELS)


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
    check_whole(out, json.loads(stdout), CELLS, kept, *undisturbed)


if sys.platform != "linux":  # processes are found in /proc
    pytestmark = pytest.mark.skip(reason="needs /proc")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_ended_sweep_is_taken_up_again(number: int, plugin: Path, tiny_task: Path, tmp_path: Path) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    command = _command(
        "--model", f"{plugin}:Base", "--task", str(tiny_task), "--seeds", "4", "--fractions", "5%", "--regimes",
        "cold,frozen", "--out", str(out), "--set", f"log={log}", "--set", "nap=1", "--json",
    )  # fmt: skip
    first = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    until = time.monotonic() + 120
    while time.monotonic() < until and len(_finished(out)) < 3:
        time.sleep(0.05)
    first.send_signal(number)
    _, stderr = first.communicate(timeout=60)
    finished = _finished(out)
    assert 3 <= len(finished) < 24
    if number == signal.SIGINT:
        assert first.returncode == 130, stderr
        assert stderr.splitlines()[-1].startswith("rae-bench: interrupted")
        assert "Traceback" not in stderr
    deadline = time.monotonic() + 20
    while _processes_of(first.pid) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not _processes_of(first.pid)

    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    results = json.loads(ended.stdout)
    assert {r["status"] for r in results} == {"ok"}
    assert len(results) == 24  # of each seed two that learn, three controls and the truth
    assert all(path.stat().st_mtime_ns == at for path, at in finished.items())  # not run again
    reference = run_cells(
        f"{plugin}:Base", str(tiny_task), seeds=4, regimes=LOGIC, out=tmp_path / "reference",
        options={"log": str(log), "nap": 1}, workers=2,
    )  # fmt: skip
    for planned, result in reference.found():
        assert scrubbed(out / planned.path.relative_to(tmp_path / "reference")) == {
            key: value for key, value in result.items() if key != "cost"
        }


@pytest.mark.slow
def test_two_nodes_of_which_one_dies(plugin: Path, tiny_task: Path, tmp_path: Path) -> None:
    """The cluster's second node is killed in the middle; what ran there is done on the first."""
    code = f"""
import os, shutil, tempfile
folder = tempfile.mkdtemp(prefix="rae-", dir="/tmp")
os.environ |= {{"RAY_AUTH_MODE": "disabled", "RAY_TMPDIR": folder}}
from ray.cluster_utils import Cluster
from rae_bench.harness.events import Answered
from rae_bench.harness.jobs import Done
from rae_bench.harness.sweep import make_specs, sweep_specs
head = {{"num_cpus": 1, "include_dashboard": False}}
nodes = Cluster(initialize_head=True, head_node_args=head)
second = nodes.add_node(num_cpus=1)
done = []
def observe(event):
    if isinstance(event, Answered) and isinstance(event.answer, Done):
        done.append(event.job.name)
        if len(done) == 6:
            nodes.remove_node(second, allow_graceful=False)
specs = make_specs(
    ["{plugin}:Base"], ["{tiny_task}"], seeds=4, regimes=["cold", "frozen"], fractions=[0.05], out="{tmp_path}/out",
    options={{"log": "{tmp_path}/log", "nap": 1}},
)
(outcome,) = sweep_specs(specs, ray_address=nodes.address, observe=observe)
nodes.shutdown()
shutil.rmtree(folder, ignore_errors=True)
assert not outcome.failed, outcome.failed
assert len(outcome.results) == 24, len(outcome.results)  # as above
assert len(done) == len(set(done))
"""
    ended = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == 0, ended.stderr
    assert len({line for line in (tmp_path / "log").read_text().splitlines() if line.startswith("adapt")}) == 8
