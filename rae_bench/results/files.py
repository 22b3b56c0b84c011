"""Cell results on disk, and the table of many results. A result is strict JSON, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np

from rae_bench.benchmark import other_version, version_of
from rae_bench.errors import UserError
from rae_bench.storage import read_json, whole_file

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "rae-bench.result/2"
SAME_IDENTITY = ("task", "data", "metrics")
"""The parts of a cell's identity that must be alike for two cells of a task to compare."""


def strict(value: Any) -> Any:
    """Make a value ready for JSON: numpy numbers become Python's, a zero has no sign, what is not finite is None."""
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(item) for item in value]
    if isinstance(value, np.ndarray):
        return strict(value.tolist())
    if isinstance(value, np.generic):
        return strict(value.item())
    if isinstance(value, float):
        return value + 0.0 if math.isfinite(value) else None
    return value


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON, whole or not at all."""
    with whole_file(path) as scratch:
        scratch.write_text(json.dumps(strict(value), indent=1, allow_nan=False) + "\n", encoding="utf-8")


class _Metric(msgspec.Struct):
    value: float | None
    unit: str
    direction: str


class _Result(msgspec.Struct):
    schema: str
    status: str
    model: str
    task: str
    regime: str
    fraction: float
    seed: Annotated[int, msgspec.Meta(ge=0)]
    identity: dict[str, Any]
    metrics: dict[str, _Metric]
    cost: dict[str, Any]
    reason: str
    budget: Literal["quick", "full"] = "full"


def read_result(path: Path) -> dict[str, Any] | None:
    """Return a cell result, or None if there is none. A result that cannot be read counts as none and is made again.

    Results of other benchmark versions are returned too, because a run says what changed. Code that compares results
    calls `check_result_version`.
    """
    try:
        result = read_json(path, "missing")
        read = msgspec.convert(result, _Result)
        if read.schema == SCHEMA and isinstance(read.identity.get("config"), str) and isinstance(result, dict):
            return result
    except (UserError, msgspec.ValidationError):
        pass
    return None


def check_result_version(result: Mapping[str, Any], path: Path) -> None:
    """Raise `UserError` if a result belongs to another version of the benchmark."""
    wrong = other_version(version_of(result), "this result")
    if wrong:
        raise UserError(f"{path}: {wrong}; run the cell again, or move the file away")


def budget_of_result(result: Mapping[str, Any]) -> str:
    """Return the budget of a result. It is `full` if the result names no budget, as in version 1."""
    return str(result.get("budget", "full"))


def basis(identity: Mapping[str, Any]) -> str:
    """Say in words what must be equal if two cells of a task are compared."""
    return ", ".join(f"{part} {part_hash(identity.get(part, '?'))[:8]}" for part in SAME_IDENTITY)


def without_data(words: str) -> str:
    """Return what `basis` says of everything but the data."""
    return ", ".join(part for part in words.split(", ") if not part.startswith("data "))


def part_hash(part: Any) -> str:
    """Return a part of an identity as one hash: versions are hashed together, hashes stay as they are."""
    return part if isinstance(part, str) else hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()


def load_results(folder: str | Path) -> pd.DataFrame:
    """Return all cell results under `folder` as a long table, with a row for each cell and metric.

    The columns are model, config, task, regime, fraction, seed, status, metric, value, unit, direction, path, budget
    (quick or full), basis, which says in words what must be alike for two cells to compare (see `basis`), track, and
    rig_height in metres (NaN where a result does not say it).

    Raises:
        UserError: a result belongs to another version of the benchmark.
    """
    import pandas as pd

    rows = []
    for path in sorted(Path(folder).rglob("*.json")):
        result = read_result(path)
        if result is None:
            continue
        check_result_version(result, path)
        head = {key: result[key] for key in ("model", "task", "regime", "fraction", "seed", "status")}
        head |= {"config": result["identity"]["config"][:8], "path": str(path)}
        head |= {"budget": budget_of_result(result), "basis": basis(result["identity"])}
        head["track"] = result.get("track", "")
        height = reported_number(result.get("rig_height"))
        head["rig_height"] = math.nan if height is None else height
        for name, entry in result["metrics"].items():
            rows.append({**head, "metric": name, **entry})
    columns = ["model", "config", "task", "regime", "fraction", "seed", "status", "metric", "value", "unit"]
    return pd.DataFrame(rows, columns=[*columns, "direction", "path", "budget", "basis", "track", "rig_height"])


def reported_number(value: Any) -> float | None:
    """Return a number that a model reports, such as a cost. Return None if it is not a number."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None
