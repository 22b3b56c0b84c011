"""Presets: options of a model in a file that `run --preset` takes, with how they were found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rae_bench.errors import UserError, check_keys
from rae_bench.storage import read_toml, whole_file


@dataclass(frozen=True)
class Preset:
    """Options of a model.

    Attributes:
        trials: how many configurations were tried before these were chosen; a cell's card says it.
        task: whose source they were tuned on.
        error: reconstruction error on that source's val segments, cm.
        budget: of that task, with which they were tuned; empty where that is not known.
    """

    model: str
    options: Mapping[str, Any]
    trials: int = 0
    task: str = ""
    error: float = 0.0
    budget: str = ""


def write_preset(preset: Preset, path: Path) -> None:
    """Write a preset as TOML."""
    lines = [
        f"model = {json.dumps(preset.model)}",
        "",
        "[tuning]",
        f"task = {json.dumps(preset.task)}            # on the source's val segments",
        f"budget = {json.dumps(preset.budget)}",
        f"trials = {preset.trials}",
        f"reconstruction_error = {preset.error:.6g}   # cm",
        "",
        "[options]",
        *(f"{key} = {json.dumps(value)}" for key, value in sorted(preset.options.items())),
    ]
    with whole_file(path) as scratch:
        scratch.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_preset(path: Path) -> Preset:
    """Read what `write_preset` wrote. Raises `UserError` where the file is missing or not a preset."""
    table = read_toml(path, "no such preset file; rae-bench tune makes one")
    check_keys(table, ("model", "tuning", "options"), str(path))
    tuning, options = table.get("tuning", {}), table.get("options", {})
    if not isinstance(table.get("model"), str) or not isinstance(tuning, dict) or not isinstance(options, dict):
        raise UserError(f"{path}: a preset needs `model`, a name, and a table [options]")
    trials = tuning.get("trials", 0)
    if isinstance(trials, bool) or not isinstance(trials, int) or trials < 0:
        raise UserError(f"{path}: [tuning]: trials = {trials!r} needs to be a whole number")
    task, budget = (str(tuning.get(key, "")) for key in ("task", "budget"))
    return Preset(table["model"], options, trials, task, budget=budget)
