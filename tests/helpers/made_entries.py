"""Entries that nobody ran: the form of real ones, numbers from a seeded generator, for tests."""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rae_bench.leaderboard.entries.entry import Card, Trajectories
from rae_bench.leaderboard.entries.rules import required_cells
from rae_bench.leaderboard.entries.writing import write_entry_file
from rae_bench.metrics import METRICS
from rae_bench.model.registry import CONTROLS
from rae_bench.task.cells import cell_name
from rae_bench.task.task import Task, load_task

TASKS = ("biped2quad", "reach-biped2monster")
HASHES = {"package": "0.1.0", "engine": "e" * 64, "model": "a" * 64, "config": "44136fa3", "metrics": "c" * 64}
LEVELS = {  # reconstruction cm, sliding cm/s, objective cm, adversarial
    "truth": (0.0, 0.0, 0.0, 0.0), "hold": (5.2, 0.0, 180.0, 0.92), "interpolate": (4.8, 67.0, 0.0, 0.95),
    "nearest": (5.3, 39.0, 117.0, 0.32), "model": (1.5, 5.0, 1.8, 0.2),
}  # fmt: skip
NAMES = ("reconstruction_error", "foot_sliding", "objective_error", "adversarial_score")
CLIPS = [(f"walk-{n:02d}", f"walk/{n % 5}") for n in range(10)]


def make_entry(
    folder: Path, name: str, skill: float = 1.0, *, regime: str = "finetune", tasks: Sequence[str] = TASKS,
    seeds: int = 3, gain: float = 1.2, card: dict[str, str] | None = None, model: str = "",
    leave_out: Sequence[str] = (),
) -> Path:  # fmt: skip
    """Write an entry. Errors are `skill` times the middle model's; the transfer is `gain` times better than cold."""
    fixed = name in ("truth", *CONTROLS)
    model = model or name
    facts = {"title": name, "authors": "nobody", "model": model, "config": "44136fa3", "learns": not fixed}
    if not fixed:
        facts["capabilities"] = ["frozen", "finetune", "cold-long"] + (["zero-shot"] if regime == "zero-shot" else [])
    packed = None if name == "truth" else Trajectories("d" * 64, 1000)
    entry = folder / name
    write_entry_file(entry, Card(**(facts | (card or {}))), "closed", [], "none" if fixed else regime, packed)
    for task in map(load_task, tasks):
        keys = {
            (key.regime, key.fraction, seed)
            for key in required_cells(Card(**facts), "none" if fixed else regime, task)
            for seed in (range(seeds) if not fixed else (0,))
        }
        for key in sorted(keys):
            if cell_name(*key) not in leave_out:
                _cell(entry, model, task, *key, level=_level(name, skill, key, gain))
    return entry


def _level(name: str, skill: float, key: tuple[str, float, int], gain: float) -> np.ndarray:
    regime, fraction, seed = key
    if name in LEVELS:
        return np.array(LEVELS[name])
    rng = np.random.default_rng([zlib.crc32(f"{name} {regime} {fraction}".encode()), seed])
    better = {"finetune": gain, "frozen": gain / 1.8, "cold-long": 1.1, "zero-shot": 0.4}.get(regime, 1.0)
    share = (max(fraction, 0.02) / 0.05) ** -0.18
    level = np.array(LEVELS["model"]) * skill * share / better * np.exp(0.04 * rng.standard_normal(4))
    return np.minimum(level, [np.inf, np.inf, np.inf, 1.0])


def _cell(entry: Path, model: str, task: Task, regime: str, fraction: float, seed: int, *, level: np.ndarray) -> None:
    values = dict(zip(NAMES, map(float, level), strict=True)) | {"truth_contact_speed": 78.0}
    result = {
        "schema": "rae-bench.result/2", "status": "ok", "model": model, "task": task.name, "regime": regime,
        "fraction": fraction, "seed": seed, "fps": task.protocol.fps, "options": {},
        "identity": HASHES | {"task": task.content_hash, "data": "d" * 64, "split": "f" * 64},
        "metrics": {
            n: {"value": v, "unit": METRICS[n].unit, "direction": METRICS[n].direction} for n, v in values.items()
        },
        "cost": {"core_seconds": 30.0, "pretrain_core_seconds": 60.0, "parameters": 338178, "trained": 338178,
                 "ms_per_frame": 1.5, "peak_memory_mb": 700.0, "enforced": True},
        "environment": {"python": "3.11.7", "machine": "x86_64", "numpy": "2.4.6", "torch": "2.13.0", "threads": 1},
        "reason": "", "card": {},
    }  # fmt: skip
    path = entry / "cells" / task.name / f"{cell_name(regime, fraction, seed)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result), encoding="utf-8")
    rng = np.random.default_rng(zlib.crc32(f"{entry.name} {task.name} {path.stem}".encode()))
    with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", "group", "action", *NAMES[:3]])
        for clip, group in CLIPS:
            row = level[:3] * np.exp(0.1 * rng.standard_normal(3))
            writer.writerow([clip, group, clip.split("-")[0], *(f"{v:.6g}" for v in row)])
