"""Where the time of a default run goes, sampled over all its processes with py-spy (pip install py-spy).

    python tests/benchmarks/profile_run.py [rae-bench arguments; `run --model fe --task biped2quad` by default]

Runs with a fresh cache and result folder, prints core-seconds and share of each part. A sample belongs to the first
part whose name is found in its stack, so that importing a library inside training counts as importing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

RATE = 50
PARTS = {
    "waiting": (("_read", "worker.py"), ("_read", "served.py"), ("_listen", "")),
    "imports": (("", "<frozen importlib"),),
    "training: updates": (("run", "engine/group.py"),),
    "training: its data": (("learn", "engine/learn.py"),),
    "roll-out": (("generate", "model/lightning.py"),),
    "controls": (("", "baselines/controls.py"),),
    "critic and coverage": (("adversarial", "metrics/evaluation.py"),),
    "other metrics": (("measure", "evaluation.py"), ("one_step_error", "one_step.py"), ("write_clips", "clips.py")),
    "data": (("", "rae_bench/data/"), ("", "rae_bench/task/"), ("", "isolation/arrays.py")),
    "pictures and page": (("", "plots.py"), ("", "rae_bench/viewer/")),
}
"""A part is told by a function and the file that it is in."""


def part_of(stack: str) -> str:
    """The part that a sampled stack, outermost frame first, belongs to."""
    frames = [frame.rpartition(" (") for frame in stack.split(";")]
    for part, marks in PARTS.items():
        for function, file in marks:
            if any(function in ("", name.rpartition(".")[2]) and file in place for name, _, place in frames):
                return part
    return "the rest"


def main(arguments: list[str]) -> None:
    """Run, sample, print."""
    with tempfile.TemporaryDirectory() as scratch:
        raw, out = Path(scratch, "samples"), Path(scratch, "results")
        program = "from rae_bench.cli import main; main()"
        command = [sys.executable, "-c", program, *arguments, "--out", str(out)]
        sampler = ["py-spy", "record", "--subprocesses", "--format", "raw", "--rate", str(RATE), "--full-filenames"]
        started = time.perf_counter()
        subprocess.run(
            [*sampler, "--output", str(raw), "--", *command], check=True, stdout=subprocess.DEVNULL,
            env={**os.environ, "RAE_BENCH_HOME": str(Path(scratch, "home"))},
        )  # fmt: skip
        wall = time.perf_counter() - started
        parts: Counter[str] = Counter()
        for line in raw.read_text(encoding="utf-8").splitlines():
            stack, _, count = line.rpartition(" ")
            parts[part_of(stack)] += int(count)
    del parts["waiting"]
    total = sum(parts.values())
    print(f"{' '.join(arguments)}: {wall:.0f} s, {total / RATE:.0f} core-seconds sampled")
    for part, count in parts.most_common():
        print(f"  {part:<18} {count / RATE:7.1f} s {count / total:6.1%}")


if __name__ == "__main__":
    main(sys.argv[1:] or ["run", "--model", "fe", "--task", "biped2quad"])
