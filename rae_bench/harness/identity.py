"""What a result depends on, as hashes: a finished cell is run again only when one of them changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rae_bench.model.registry import config_hash, source_hash
from rae_bench.task.sides import Side
from rae_bench.task.task import Task

ENGINE = (
    "kinematics",
    "model",
    "motion",
    "objectives",
    "rigs",
    "harness/cell.py",
    "task/cells.py",
    "task/sides.py",
    "task/split.py",
)
"""Files between the data and a trajectory, whoever the model is."""


@lru_cache(maxsize=4)
def _hash_of(parts: tuple[str, ...]) -> str:
    package = Path(str(resources.files("rae_bench")))
    digest = hashlib.sha256()
    for part in parts:
        path = package / part
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def installation() -> dict[str, str]:
    """The parts of an identity that the installed package decides."""
    return {"package": version("rae-bench"), "engine": _hash_of(ENGINE), "metrics": _hash_of(("metrics",))}


def identity(
    spec: str, options: Mapping[str, Any], task: Task, sources: Sequence[Side], target: Side, fraction: float
) -> dict[str, str]:
    """Hashes of everything that decides a cell's numbers, besides regime and seed, which name it.

    `split` covers the sources' training segments, the target's fraction and its test segments.
    """
    split = hashlib.sha256()
    for side, part in (
        *((source, source.split.train) for source in sources),
        (target, target.fraction(fraction)),
        (target, target.held_out(fraction)),
    ):
        split.update(side.hash_of(part).encode())
    data = hashlib.sha256("".join(side.corpus.identity for side in (*sources, target)).encode())
    here = installation()
    return {
        "package": here["package"],
        "engine": here["engine"],
        "model": source_hash(spec),
        "config": config_hash(options),
        "task": task.content_hash,
        "data": data.hexdigest(),
        "split": split.hexdigest(),
        "metrics": here["metrics"],
    }


def stale_parts(old: Mapping[str, Any], new: Mapping[str, str]) -> list[str]:
    """Names of the parts of an identity that changed."""
    return [key for key in new if old.get(key) != new[key]]
