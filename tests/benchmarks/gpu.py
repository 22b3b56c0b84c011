"""What a GPU gives, in under ten minutes: `python tests/benchmarks/gpu.py speed` and `... row OUT`.

`speed` times updates of groups of 1 to 240 cells of `mann` on `quad`, recorded as CUDA graphs and call by call, and the
same of the CPU. `row` runs a whole row of the board end to end: `mann` on `biped2quad`, full budget, three fractions,
three regimes, five seeds. Its results go to OUT; `... compare OUT CPU` sets them beside those of a CPU, cell by cell.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from rae_bench.model import Budget, Context
from rae_bench.model.engine import learn as engine
from rae_bench.model.engine import recording
from rae_bench.model.engine.learn import Lesson, learn
from rae_bench.model.registry import make_model
from rae_bench.task.named import load_task
from rae_bench.task.sides import load_sides

FRAMES, FULL = 128, 3200
EVERY, ROUNDS = 40, 4
"""Updates between two looks at the clock, and how many such rounds are timed."""


def seconds_an_update(model: str, cells: int, device: str) -> float:
    """Seconds of an update of so many cells together, the best of some rounds."""
    _, target = load_sides(load_task("biped2quad"))
    updates, seen = EVERY * (ROUNDS + 1) + 1, []

    def note(update: int, updates: int, loss: float) -> None:
        seen.append(time.perf_counter())

    lessons: list[Lesson] = []
    domains = [target.domain(target.fraction(seed, share)) for share in (0.05, 0.2, 1.0) for seed in range(5)]
    for cell in range(cells):
        domain = domains[cell % 15]
        budget = Budget(updates, updates * FRAMES)
        ctx = Context("cold", 1.0, budget, cell, device, progress=None if cell else note)
        lessons.append(Lesson(make_model(model, {}), (domain,), ctx))
    engine.REPORTED = EVERY
    learn(lessons)
    return float(np.diff(seen)[1 : ROUNDS + 1].min()) / EVERY


def speed() -> None:
    """Print a table."""
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name(0)}, {torch.get_num_threads()} threads")
    print(f"cells a minute: of {FULL} updates, the full budget")
    print(f"{'model':6} {'cells':>5} {'how':>12} {'ms an update':>13} {'cells a minute':>15} {'memory':>10}")
    warm = recording.WARM
    plans = [(model, cells, "recorded") for model, cells in (("mann", 1), ("mann", 15), ("mann", 60), ("mann", 240))]
    plans += [("mann", 15, "call by call"), ("mann", 15, "cpu"), ("fe", 15, "recorded"), ("fe", 60, "recorded")]
    for model, cells, how in plans:
        recording.WARM = 10**9 if how == "call by call" else warm
        took = seconds_an_update(model, cells, "cpu" if how == "cpu" else "cuda")
        memory = "" if how == "cpu" else f"{torch.cuda.max_memory_reserved() / 2**30:.1f} GiB"
        minute = 60 * cells / took / FULL
        print(f"{model:6} {cells:5} {how:>12} {1000 * took:13.2f} {minute:15.1f} {memory:>10}", flush=True)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def row(out: Path) -> None:
    """Run a row of the board, and say what it took."""
    began = time.perf_counter()
    command = [
        sys.executable, "-m", "rae_bench", "sweep", "--model", "mann", "--task", "biped2quad", "--budget", "full",
        "--regimes", "cold,frozen,finetune", "--fractions", "5%,20%,100%", "--seeds", "5", "--out", str(out),
        "--accelerator", "gpu", "--workers", "8",
    ]  # fmt: skip
    subprocess.run(command, check=True)
    print(f"a row of the board, with all metrics and controls: {time.perf_counter() - began:.0f} s")


def compare(ours: Path, theirs: Path) -> None:
    """Print how metrics of two folders of results differ, cell by cell."""
    found: dict[str, list[tuple[float, float]]] = {}
    for path in sorted(ours.glob("mann-*/*/*.json")):
        other = theirs / path.relative_to(ours)
        if not other.exists():
            continue
        a, b = (json.loads(p.read_text(encoding="utf-8")) for p in (path, other))
        if a["status"] == b["status"] == "ok":
            for name in a["metrics"].keys() & b["metrics"].keys():
                found.setdefault(name, []).append((a["metrics"][name]["value"], b["metrics"][name]["value"]))
    for name, pairs in sorted(found.items()):
        gap = np.subtract(*np.array(pairs, float).T)
        spread = gap.std(ddof=1) / len(gap) ** 0.5
        print(f"{name:36} {np.mean(pairs):10.4g}  difference {gap.mean():+.4g} ± {spread:.2g} (n = {len(gap)})")


if __name__ == "__main__":
    {"speed": speed, "row": row, "compare": compare}[sys.argv[1]](*map(Path, sys.argv[2:]))
