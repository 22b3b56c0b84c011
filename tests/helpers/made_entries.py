"""Entries that nobody ran: the form of real ones, with given numbers or with numbers from a seeded generator."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.benchmark import BENCHMARK_VERSION
from rae_bench.leaderboard.entries.card import Card, Trajectories
from rae_bench.leaderboard.entries.entry import load_entry, write_entry_file
from rae_bench.leaderboard.entries.entry_files import CELLS, RERUNS
from rae_bench.leaderboard.entries.level import SCHEMA as LEVEL_SCHEMA
from rae_bench.leaderboard.entries.level import Again, Record, TaskLevel, write_record
from rae_bench.leaderboard.entries.rules import TASKS, CellKey, required_cells
from rae_bench.leaderboard.verify.recorded import machine_of
from rae_bench.leaderboard.verify.tolerances import largest_share
from rae_bench.metrics import METRICS, primaries
from rae_bench.model.registry import CONTROLS
from rae_bench.results.clips import read_clips, write_clips
from rae_bench.results.files import SCHEMA, write_json
from rae_bench.task.cells import FOLDS, cell_name
from rae_bench.task.named import load_task

HEIGHT = 1.5
HASHES = {"package": "0.1.0", "engine": "e" * 64, "model": "a" * 64, "config": "44136fa3", "metrics": "c" * 64,
          "data": "d" * 64}  # fmt: skip
LEVELS = {  # reconstruction cm, sliding cm/s, objective or path cm, adversarial
    "truth": (0.0, 0.0, 0.0, 0.0), "hold": (5.2, 0.0, 180.0, 0.92), "interpolate": (4.8, 67.0, 0.0, 0.95),
    "nearest": (5.3, 39.0, 117.0, 0.32), "model": (1.5, 5.0, 1.8, 0.2),
}  # fmt: skip


def write_cell(
    entry: Path,
    card: Card,
    task: str,
    key: CellKey,
    metrics: Mapping[str, float],
    clips: Mapping[str, np.ndarray],
    *,
    identity: Mapping[str, str],
    cost: Mapping[str, Any],
    track: str | None = None,
) -> None:
    """Write a finished cell of an entry and its table of clips of one fold, of which every two are a group."""
    path = entry / CELLS / task / f"{cell_name(*key)}.json"
    facts = {
        name: {"value": value, "unit": METRICS[name].unit, "direction": METRICS[name].direction}
        for name, value in metrics.items()
    }
    result = {
        "schema": SCHEMA, "benchmark": BENCHMARK_VERSION, "budget": "full", "status": "ok",
        "model": card.model, "task": task, "regime": key.regime,
        "fraction": key.fraction, "seed": key.seed, "fps": 30.0, "rig_height": HEIGHT, "options": {},
        "identity": dict(identity),
        "metrics": facts, "reason": "", "cost": {
            "core_seconds": 30.0, "ms_per_frame": 1.5, "parameters": 338178, "trained": 338178,
            "peak_memory_mb": 700.0, "total_core_seconds": 40.0, "budget_status": "enforced", **cost,
        },
        "environment": {"python": "3.11.7", "machine": "x86_64", "numpy": "2.4.6", "torch": "2.13.0", "threads": 1},
    }  # fmt: skip
    write_json(path, result if track is None else result | {"track": track})
    count = len(next(iter(clips.values())))
    fold = key.seed % 5
    names = [f"clip-{fold}-{i}" for i in range(count)], [f"g{fold}-{i // 2}" for i in range(count)], ["walk"] * count
    write_clips(path.with_suffix(".csv"), *names, clips)


def write_entry(
    entries: Path,
    name: str,
    cells: Mapping[tuple[str, str, float, int], Mapping[str, float]],
    *,
    regime: str = "finetune",
    clips: int = 6,
    card: Mapping[str, Any] | None = None,
    identity: Mapping[str, str] | None = None,
    external: Iterable[str] = (),
    **cost: Any,
) -> Path:
    """Write an entry with given numbers to `entries/<name>`.

    Args:
        cells: (task, regime, fraction, seed) -> metrics. Every clip has the same values, so that means are known.
        card: what differs from the usual card; `model` is the entry's name unless given.
        identity: what differs from the usual identity.
        cost: more costs of every cell.
    """
    facts = {
        "title": name, "authors": "A. Author", "model": name, "config": "44136fa3",
        "capabilities": ["frozen", "finetune", "cold-long"],
    } | dict(card or {})  # fmt: skip
    made = Card(**facts)
    for (task, *key), metrics in cells.items():
        cell = CellKey(*key)
        known = HASHES | {"config": made.config, "task": "t", "split": f"s{cell.fraction}"} | dict(identity or {})
        values = {metric: np.full(clips, value) for metric, value in metrics.items()}
        write_cell(entries / name, made, task, cell, metrics, values, identity=known, cost=cost)
    packed = None if made.model == "truth" else Trajectories("0" * 64, 1)
    division = "open" if any(external) else "closed"
    write_entry_file(entries / name, made, division, list(external), regime, packed)
    return entries / name


def make_entry(
    entries: Path, name: str, skill: float = 1.0, *, regime: str = "finetune", tasks: Sequence[str] = TASKS,
    seeds: int = 3, gain: float = 1.2, card: dict[str, str] | None = None, model: str = "",
    leave_out: Sequence[str] = (),
) -> Path:  # fmt: skip
    """Write a complete entry: errors are `skill` times the usual ones, the transfer is `gain` times better than cold.

    Args:
        leave_out: names of cells that it lacks.
    """
    fixed = name in ("truth", *CONTROLS)
    facts = {"title": name, "authors": "nobody", "model": model or name, "config": "44136fa3", "learns": not fixed}
    if not fixed:
        facts["capabilities"] = ["frozen", "finetune", "cold-long"] + (["zero-shot"] if regime == "zero-shot" else [])
    declared = "none" if fixed else regime
    made = Card(**(facts | (card or {})))
    for task in map(load_task, tasks):
        measured = tuple(primaries(task.protocol.track).values())
        rows = {(key.regime, key.fraction) for key in required_cells(Card(**facts), declared, task)}
        keys = {CellKey(*row, seed) for row in rows for seed in range(seeds if not fixed else FOLDS)}
        for key in sorted(keys):
            if cell_name(*key) in leave_out:
                continue
            numbers = [float(value) for value in _level(name, skill, key, gain)]
            level = dict(zip(measured, numbers, strict=True))
            rng = np.random.default_rng(zlib.crc32(f"{name} {task.name} {cell_name(*key)}".encode()))
            spread = np.exp(0.1 * rng.standard_normal((10, 3)))
            spread /= spread.mean(0)  # a result is the mean of its clips
            clips = {metric: level[metric] * spread[:, i] for i, metric in enumerate(measured[:3])}
            identity = HASHES | {"task": task.content_hash, "split": "f" * 64}
            cost = {"pretrain_core_seconds": 60.0}
            track = task.protocol.track
            write_cell(entries / name, made, task.name, key, level, clips, identity=identity, cost=cost, track=track)
    packed = None if name == "truth" else Trajectories("d" * 64, 1000)
    write_entry_file(entries / name, made, "closed", [], declared, packed)
    return entries / name


def _level(name: str, skill: float, key: CellKey, gain: float) -> np.ndarray:
    if name in LEVELS:
        return np.array(LEVELS[name])
    rng = np.random.default_rng([zlib.crc32(f"{name} {key.regime} {key.fraction}".encode()), key.seed])
    better = {"finetune": gain, "frozen": gain / 1.8, "cold-long": 1.1, "zero-shot": 0.4}.get(key.regime, 1.0)
    share = (max(key.fraction, 0.02) / 0.05) ** -0.18
    level = np.array(LEVELS["model"]) * skill * share / better * np.exp(0.04 * rng.standard_normal(4))
    return np.minimum(level, [np.inf, np.inf, np.inf, 1.0])


def write_rerun(folder: Path, task: str, cell: str, factor: float = 1.0, date: str = "2026-01-01") -> Again:
    """Write what training a cell of an entry again gave: its numbers times `factor`, and times of its own.

    Returns:
        what a record says of it.
    """
    name = f"{RERUNS}/{task}/{cell}.json"
    own = folder / CELLS / task / f"{cell}.json"
    result = json.loads(own.read_text(encoding="utf-8"))
    for fact in result["metrics"].values():
        fact["value"] *= factor
    result["cost"] |= {"core_seconds": 31.25, "total_core_seconds": 41.5}
    result["environment"] |= {"system": "Linux"}
    write_json(folder / name, result)
    table = read_clips(own.with_suffix(".csv"))
    scaled = {metric: factor * values for metric, values in table.values.items()}
    write_clips((folder / name).with_suffix(".csv"), table.clips, table.groups, table.actions, scaled)
    entry = load_entry(folder)
    (mine,) = (one for one in entry.of(task) if one.name == cell)
    (found,) = (one for one in entry.reruns if (one.task, one.name) == (task, cell))
    return Again(cell, largest_share(mine, found.metrics), date, machine_of(found.result), found.sha256)


def write_reproduced(folder: Path, task: str, rerun: Sequence[Again], clips: tuple[int, int] = (35, 1057)) -> None:
    """Write a record that says that a task is reproduced."""
    level = TaskLevel("reproduced", load_entry(folder).hash_of(task), "0.1.0", clips, list(rerun))
    write_record(folder, Record(LEVEL_SCHEMA, {task: level}))
