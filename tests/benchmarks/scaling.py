"""How cost grows with segments and with cells: runs both at four sizes, prints core-seconds and draws them.

    python tests/benchmarks/scaling.py docs/reports/scaling.png

A minute or two of two cores for segments, three for cells; each size in a fresh
result folder, segments in a fresh cache too.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rae_bench.viewer.plots import make_axes, save_figure

SEGMENTS, CELLS = (60, 120, 240, 480), (6, 12, 24, 48)
TASK = """
title = "Scaling"
source = {{ kind = "builtin", rig = "r4", clips = {clips} }}
target = {{ kind = "builtin", rig = "quad", clips = {clips} }}
budget = {{ full_updates = 12, quick_updates = 10 }}
"""


def cost_of(arguments: Sequence[str], scratch: Path, home: str) -> float:
    """Core-seconds of a command, of all the processes that it waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    program = [sys.executable, "-P", "-c", "from rae_bench.cli import main; main()", *arguments]
    environment = {**os.environ, "RAE_BENCH_HOME": str(scratch / home), "OMP_NUM_THREADS": "1"}
    subprocess.run(program, check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(scratch: Path) -> tuple[list[float], list[float]]:
    """Core-seconds of a run over so many clips a rig, and of a run with so many cells."""
    by_segments, by_cells = [], []
    for clips in SEGMENTS:
        task = scratch / f"clips{clips}.toml"
        task.write_text(TASK.format(clips=clips), encoding="utf-8")
        asked = ["run", "--model", "fe", "--task", str(task), "--regimes", "full", "--workers", "1"]
        by_segments.append(cost_of([*asked, "--out", str(scratch / f"s{clips}")], scratch, f"home{clips}"))
        print(f"{clips} clips a rig: {by_segments[-1]:.1f} core-seconds", flush=True)
    task = scratch / f"clips{SEGMENTS[0]}.toml"
    for cells in CELLS:
        asked = ["run", "--model", "fe", "--task", str(task), "--regimes", "cold", "--seeds", str(cells)]
        by_cells.append(cost_of([*asked, "--out", str(scratch / f"c{cells}")], scratch, f"home{SEGMENTS[0]}"))
        print(f"{cells} cells: {by_cells[-1]:.1f} core-seconds", flush=True)
    return by_segments, by_cells


def main(path: Path) -> None:
    """Measure, print, draw."""
    with tempfile.TemporaryDirectory() as scratch:
        costs = measure(Path(scratch))
    figure, axes = make_axes(1, 2, (8, 3.2))
    drawn = ((SEGMENTS, "clips a rig"), (CELLS, "cells"))
    for axis, (sizes, name), seconds in zip(np.ravel(axes), drawn, costs, strict=True):
        slope, fixed = np.polyfit(sizes, seconds, 1)
        axis.plot(sizes, seconds, "o")
        axis.plot([0, sizes[-1]], [fixed, fixed + slope * sizes[-1]], "-", lw=1)
        axis.set(xlabel=name, ylabel="core-seconds", xlim=0, ylim=0, title=f"{fixed:.1f} s + {slope:.3f} s each")
    save_figure(figure, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
