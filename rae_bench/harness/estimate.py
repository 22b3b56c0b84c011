"""How long jobs take, from what earlier cells cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rae_bench.files import read_text
from rae_bench.harness.cell import COST_FILE
from rae_bench.harness.jobs import AnyJob, PretrainJob
from rae_bench.model.regimes import NO_REGIME
from rae_bench.results.files import read_result


def estimate(jobs: Sequence[AnyJob]) -> dict[str, float]:
    """{job name: core-seconds} of the jobs whose like has been done in the same result folder.

    Training takes so many seconds an update, as the same model with the same options took on this task or, where it has
    not been run on it, on others. What a cell takes besides (data, generation, metrics) is the mean of those cells.
    """
    known: dict[Path, tuple[float | None, float | None]] = {}
    out = {}
    for job in jobs:
        pretrains = isinstance(job, PretrainJob)
        folder = Path(job.folder if isinstance(job, PretrainJob) else job.path).parent
        if folder not in known:
            known[folder] = _rates([folder])
            if known[folder][0] is None:
                known[folder] = _rates([path for path in folder.parent.glob("*") if path.is_dir()])
        rate, besides = known[folder]
        if pretrains:
            besides = 0.0
        if besides is not None and (rate is not None or not job.updates):
            out[job.name] = job.updates * (rate or 0.0) + besides
    return out


def _rates(folders: Sequence[Path]) -> tuple[float | None, float | None]:
    """Core-seconds of an update, and of a cell besides its training; None where nothing has been measured."""
    seconds, updates = 0.0, 0.0
    besides = []
    for folder in folders:
        for path in folder.glob("*.json"):
            result = read_result(path)
            if result is None or result["status"] != "ok" or "total_core_seconds" not in result["cost"]:
                continue
            cost = result["cost"]
            trained = _number(cost.get("core_seconds"))
            besides.append(_number(cost["total_core_seconds"]) - trained)
            if result["regime"] != NO_REGIME:
                seconds += trained
                updates += _number(cost["budget"]["updates"])
        for path in folder.glob(f"pretrained-*/{COST_FILE}"):
            with suppress(OSError, ValueError, KeyError):
                cost = json.loads(read_text(path))["cost"]
                if _number(cost.get("updates")):
                    seconds += _number(cost["core_seconds"])
                    updates += _number(cost["updates"])
    return seconds / updates if updates else None, sum(besides) / len(besides) if besides else None


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
