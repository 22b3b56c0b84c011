"""How fast BVH is read, beside plain `float()` and two published readers on the same text.

    python -m pytest -m slow -s tests/benchmarks/test_bvh_speed.py

Core-seconds, the quietest of several; the others read fewer frames of the same file.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rae_bench.data.formats.bvh import read_bvh

FRAMES, JOINTS = 100_000, 31


def text_of(frames: int) -> str:
    """A chain of 31 joints whose angles wander, with six decimals, as exporters write them."""
    lines = ["HIERARCHY"]
    for j in range(JOINTS):
        rotations = "Zrotation Xrotation Yrotation"
        channels = f"6 Xposition Yposition Zposition {rotations}" if j == 0 else f"3 {rotations}"
        lines += [f"{'JOINT' if j else 'ROOT'} joint{j}", "{", f"OFFSET 0 {10 if j else 0} 0", f"CHANNELS {channels}"]
    lines += ["End Site", "{", "OFFSET 0 5 0", "}", *["}"] * JOINTS]
    rng = np.random.default_rng(0)
    values = np.cumsum(rng.standard_normal((frames, 3 * JOINTS + 3), np.float32) * 0.7, axis=0, dtype=np.float32)
    values = (values + 180) % 360 - 180
    row = " ".join(["%.6f"] * values.shape[1])
    return "\n".join(
        [*lines, "MOTION", f"Frames: {frames}", "Frame Time: 0.0333333", *(row % tuple(v) for v in values)]
    )


def quietest(work: Callable[[], Any], times: int) -> float:
    """Core-seconds."""
    spent = []
    for _ in range(times):
        started = time.process_time()
        work()
        spent.append(time.process_time() - started)
    return min(spent)


@pytest.mark.slow
def test_bvh_of_100_000_frames(tmp_path: Path, benchmark: Any) -> None:
    import bvh
    import bvhio

    from rae_bench.data.formats import bvh_numbers as ours

    path, part = tmp_path / "long.bvh", tmp_path / "part.bvh"
    path.write_text(text_of(FRAMES) + "\n")
    part.write_text(text_of(1000) + "\n")
    size, small = path.stat().st_size / 1e6, part.stat().st_size / 1e6
    block = path.read_bytes().split(b"Frame Time: 0.0333333\n")[1]

    def parse() -> None:
        ours._numbers(block, 0, FRAMES, 3 * JOINTS + 3, ours.Source(path))

    def plain() -> np.ndarray:
        rows = part.read_text().split("Frame Time: 0.0333333\n")[1].splitlines()
        return np.array([[float(word) for word in row.split()] for row in rows])

    def package() -> list[list[float]]:
        read = bvh.Bvh(part.read_text())
        return [[float(word) for word in frame] for frame in read.frames]

    numbers = plain()
    np.testing.assert_allclose(package(), numbers)
    first, _ = ours._numbers(
        part.read_bytes().split(b"Frame Time: 0.0333333\n")[1], 0, 1000, 3 * JOINTS + 3, ours.Source(part)
    )
    np.testing.assert_allclose(first, numbers, rtol=0, atol=1e-9)

    speeds = {
        "motion block": size / quietest(parse, 5),
        "read_bvh, to a Motion": size / benchmark.pedantic(lambda: quietest(lambda: read_bvh(path), 1), rounds=3),
        "float()": small / quietest(plain, 5),
        "bvh": small / quietest(package, 3),
        "bvhio": small / quietest(lambda: bvhio.readAsBvh(str(part)), 3),
    }
    print(f"\n{FRAMES} frames x {JOINTS} joints, {size:.0f} MB, MB per core-second:")
    whole = speeds["read_bvh, to a Motion"]
    for name, speed in speeds.items():
        print(f"  {name:<24}{speed:8.2f}   {whole / speed:6.1f} times as fast is read_bvh")
    words = "import sys, pandas, rae_bench as rb; [rb.read_bvh(path) for path in sys.argv[1:]]; "
    words += "print(int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) / 1024)"
    peak, idle = (
        float(subprocess.run([sys.executable, "-c", words, *more], capture_output=True, text=True, check=True).stdout)
        for more in ([str(path)], [])
    )
    print(f"  peak memory of a process that reads it {peak:.0f} MiB, of one that does not {idle:.0f} MiB")
    assert peak - idle < 8 * size
    # Seen: 4, 7.6 and 10 times as fast.
    assert speeds["motion block"] > 2 * speeds["float()"]
    assert whole > 3 * speeds["bvh"]
    assert whole > 4 * speeds["bvhio"]
