"""Cell results on disk: strict JSON, whole or not at all, and the table of many."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from rae_bench.errors import UserError
from rae_bench.storage import read_json, whole_file

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "rae-bench.result/2"


def strict(value: Any) -> Any:
    """JSON-ready: numpy numbers become Python's, what is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(item) for item in value]
    if isinstance(value, np.ndarray):
        return strict(value.tolist())
    if isinstance(value, np.generic):
        return strict(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: Path, value: Any) -> None:
    """Strict JSON, atomically."""
    with whole_file(path) as scratch:
        scratch.write_text(json.dumps(strict(value), indent=1, allow_nan=False) + "\n", encoding="utf-8")


class _Result(msgspec.Struct):
    schema: str
    status: str
    model: str
    task: str
    regime: str
    fraction: float
    seed: int
    identity: dict[str, Any]
    metrics: dict[str, dict[str, Any]]


def read_result(path: Path) -> dict[str, Any] | None:
    """A cell result, or None where there is none (or an unreadable one, which is made again)."""
    try:
        result = read_json(path, "missing")
        if msgspec.convert(result, _Result).schema == SCHEMA and isinstance(result, dict):
            return result
    except (UserError, msgspec.ValidationError):
        pass
    return None


def write_clips(
    path: Path, ids: list[str], groups: list[str], actions: list[str], values: Mapping[str, np.ndarray]
) -> None:
    """Per-clip metrics as CSV: clip, group, action, a column a metric; empty where a clip has nothing to measure."""
    import csv

    with whole_file(path) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", "group", "action", *values])
        for n, names in enumerate(zip(ids, groups, actions, strict=True)):
            row = [float(column[n]) for column in values.values()]
            writer.writerow([*names, *(f"{v:.6g}" if math.isfinite(v) else "" for v in row)])






def basis(identity: Mapping[str, Any]) -> str:
    """What must be alike for two cells of a task to compare, in words."""
    parts = {part: identity.get(part, "?") for part in ("task", "data", "metrics")}
    return ", ".join(f"{part} {_short(value)}" for part, value in parts.items())


def _short(part: Any) -> str:
    """Eight characters that stand for a part of an identity."""
    text = part if isinstance(part, str) else hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()
    return text[:8]


def load_results(folder: str | Path) -> pd.DataFrame:
    """All cell results under `folder`, long: one row per cell and metric.

    Columns: model, config, task, regime, fraction, seed, status, metric, value, unit, direction, path, and basis: in
    words, what must be alike for two cells to compare (task, data, versions of the metrics).
    """
    import pandas as pd

    rows = []
    for path in sorted(Path(folder).rglob("*.json")):
        result = read_result(path)
        if result is None:
            continue
        head = {key: result[key] for key in ("model", "task", "regime", "fraction", "seed", "status")}
        head |= {"config": result["identity"]["config"][:8], "path": str(path), "basis": basis(result["identity"])}
        for name, entry in result["metrics"].items():
            rows.append({**head, "metric": name, **entry})
    columns = ["model", "config", "task", "regime", "fraction", "seed", "status", "metric", "value", "unit"]
    return pd.DataFrame(rows, columns=[*columns, "direction", "path", "basis"])


def load_clips(results: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One metric of every clip of the finished cells in `results`, from the CSV files beside them.

    Args:
        results: as from `load_results`.

    Returns:
        The columns of `results`, with `clip`, `group` and each clip's `value` (NaN where it has nothing to measure), a
        row a clip; no row where the metric is none of single clips.

    Raises:
        UserError: a file that is missing or damaged, or from before groups stood in it.
    """
    import pandas as pd

    cells = results[(results["metric"] == metric) & (results["status"] == "ok")]
    tables = []
    for cell in cells.to_dict("records"):
        path = Path(str(cell["path"])).with_suffix(".csv")
        try:
            clips = pd.read_csv(path, dtype={"clip": str, "group": str, "action": str}, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: not a readable table of clips ({error})") from None
        if not {"clip", "group"} <= set(clips):
            raise UserError(f"{path}: has no column 'group', so it is of an older version; run the cell again")
        if metric in clips:
            values = pd.to_numeric(clips[metric], errors="coerce")
            tables.append(clips[["clip", "group"]].assign(**{str(k): v for k, v in cell.items()}).assign(value=values))
    return pd.concat(tables, ignore_index=True) if tables else cells.iloc[:0].assign(clip="", group="")
