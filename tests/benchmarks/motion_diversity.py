"""How far test motion lies from training motion: the distance of windows of a second to the nearest training window.

    python tests/benchmarks/motion_diversity.py quad r1 r2:reach human2dog

A name is a built-in rig, a rig and its motion, or a task, whose target is measured. Each line has the mean distance at
5, 20 and 100 % of the training motion over five seeds, in shares of the pose spread. With regular motion the numbers
are small, and they fall little with more data.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from rae_bench.motion.motion import Motion
from rae_bench.rigs.builtin import builtin_rigs
from rae_bench.task.named import load_task
from rae_bench.task.sides import Side, load_side
from rae_bench.task.task import Protocol

FRACTIONS = (0.05, 0.2, 1.0)
WINDOW, SAMPLED = 1.0, 10.0
"""Seconds of a window, and poses a second that are compared."""
TEST_EVERY, TRAIN_EVERY = 0.5, 0.1
"""Seconds between the starts of two windows. Training windows start more often: a shift in time is no difference."""


def cut(motion: Motion, every: float) -> tuple[np.ndarray, np.ndarray]:
    """Return windows (W, poses, J * 3) of joint positions in root space, in metres, and the clip of each (W,).

    Args:
        motion: all clips.
        every: seconds between the starts of two windows of a clip.
    """
    local = motion.root.points_in(motion.positions).astype(np.float32)
    local = local.reshape(*local.shape[:2], -1)
    size, step = round(WINDOW * motion.fps), max(round(motion.fps / SAMPLED), 1)
    windows, clips = [], []
    for clip, length in enumerate(motion.lengths):
        for start in range(0, int(length) - size + 1, max(round(every * motion.fps), 1)):
            windows.append(local[clip, start : start + size : step])
            clips.append(clip)
    return np.stack(windows), np.array(clips)


def nearest(test: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return the root mean square distance (W,) over poses and joints of each test window to the nearest other one."""
    a, b = test.reshape(len(test), -1), train.reshape(len(train), -1)
    squared = (b * b).sum(1) + (a * a).sum(1)[:, None] - 2 * a @ b.T
    return np.sqrt(np.maximum(squared.min(1), 0) / test.shape[1])


def curve(side: Side, seeds: int = 5) -> list[float]:
    """Return the mean over seeds of the distances at each of `FRACTIONS`, in shares of the pose spread."""
    asked, clips_asked = cut(side.motion, TEST_EVERY)
    windows, clips = cut(side.motion, TRAIN_EVERY)
    rows = []
    for seed in range(seeds):
        test = asked[np.isin(clips_asked, side.split(seed).test)]
        whole = windows[np.isin(clips, side.fraction(seed, 1.0))]
        spread = float(np.sqrt(whole.reshape(-1, whole.shape[-1]).var(0).sum()))
        parts = (windows[np.isin(clips, side.fraction(seed, fraction))] for fraction in FRACTIONS)
        rows.append([float(nearest(test, part).mean()) / spread for part in parts])
    return [float(value) for value in np.mean(rows, 0)]


def side_of(name: str) -> Side:
    """Return the side that a name of the command line means."""
    rig, _, motion = name.partition(":")
    if rig in builtin_rigs():
        protocol = Protocol()
        table: dict[str, Any] = {"kind": "builtin", "rig": rig, "motion": motion or "locomotion"}
        return Side(load_side(table, protocol), protocol)
    task = load_task(name)
    return Side(load_side(task.target, task.protocol), task.protocol)


if __name__ == "__main__":
    for asked in sys.argv[1:]:
        print(f"{asked:20s}", " ".join(f"{value:.2f}" for value in curve(side_of(asked))), flush=True)
