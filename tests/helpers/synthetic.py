"""Entries for tests that need no training: `from synthetic import write_entry`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.leaderboard.entries.entry import Card, Trajectories
from rae_bench.leaderboard.entries.files import CELLS
from rae_bench.leaderboard.entries.writing import write_entry_file
from rae_bench.results.files import SCHEMA, write_clips, write_json
from rae_bench.task.cells import cell_name

PRIMARIES = {
    "reconstruction_error": ("cm", "lower"),
    "foot_sliding": ("cm/s", "lower"),
    "objective_error": ("cm", "lower"),
    "adversarial_score": ("", "lower"),
    "truth_contact_speed": ("cm/s", "none"),
}


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
    """Write an entry of the right form to `entries/<name>`.

    Args:
        cells: (task, regime, fraction, seed) -> metrics; every clip, of which every two are a group, has the same
            values, so that means are known.
        card: what differs from the usual card; `model` is the entry's name unless given.
        identity: what differs from the usual identity.
        cost: more costs of every cell.
    """
    folder = entries / name
    facts = {
        "title": name, "authors": "A. Author", "model": name, "config": "44136fa3",
        "capabilities": ["frozen", "finetune", "cold-long"],
    } | dict(card or {})  # fmt: skip
    made = Card(**facts)
    for (task, how, fraction, seed), metrics in cells.items():
        path = folder / CELLS / task / f"{cell_name(how, fraction, seed)}.json"
        known = {"package": "0.1.0", "engine": "e", "model": "m", "task": "t", "data": "d", "split": f"s{fraction}"}
        result = {
            "schema": SCHEMA, "status": "ok", "model": made.model, "task": task, "regime": how, "fraction": fraction,
            "seed": seed, "fps": 30.0, "options": {},
            "identity": known | {"metrics": "n", "config": made.config} | dict(identity or {}),
            "metrics": {
                key: {"value": value, "unit": PRIMARIES.get(key, ("", ""))[0],
                      "direction": PRIMARIES.get(key, ("", "lower"))[1]}
                for key, value in metrics.items()
            },
            "cost": {"core_seconds": 10.0, "ms_per_frame": 1.0, "parameters": 1000, "trained": 1000,
                     "peak_memory_mb": 500.0, "total_core_seconds": 20.0, "enforced": True, **cost},
            "environment": {"python": "3.11.0", "machine": "x86_64", "threads": 1, "device": "cpu"}, "reason": "",
        }  # fmt: skip
        write_json(path, result)
        ids = [f"clip-{i}" for i in range(clips)]
        values = {key: np.full(clips, value) for key, value in metrics.items()}
        write_clips(path.with_suffix(".csv"), ids, [f"g{i // 2}" for i in range(clips)], ["walk"] * clips, values)
    packed = None if made.model == "truth" else Trajectories("0" * 64, 1)
    write_entry_file(folder, made, "open" if any(external) else "closed", list(external), regime, packed)
    return folder
