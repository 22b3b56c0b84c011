"""What a result depends on: a finished cell is run again only when one of these changed.

Integer versions stand for the pieces of code that make numbers. Each is pinned by a golden test, which fails where the
numbers move and the version does not (docs/develop/design.md 7.1). Content hashes stand for the task, the data, the
split and the model's options. Comments, docstrings, the layout of the package and its version are not in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rae_bench.benchmark import BENCHMARK_VERSION, version_of
from rae_bench.harness.versions import cell_metric_versions, engine_versions
from rae_bench.model.regimes import is_retargeted
from rae_bench.model.registry import ModelRef, config_hash
from rae_bench.task.cells import Cell
from rae_bench.task.sides import Side
from rae_bench.task.task import Task

Identity = Mapping[str, Any]
"""`benchmark`: version of its rules. `engine`, `metrics`: {piece: version}. `model`: {part: version}, or the hash of a
plug-in's code. `config`: short hash of the options as they were given; `options`, `task`, `data`, `split`: sha256."""
NOT_RECOMPUTED = ("one_step_error",)
"""Metrics of motion that is not among the trajectories: single frames from true histories."""
PRETRAINING = ("benchmark", "engine", "model", "options", "task", "data")
"""What pre-training depends on: all but the target's fraction, its test clips and the metrics."""


def identity(
    model: ModelRef | None, options: Mapping[str, Any], task: Task, sources: Sequence[Side], target: Side,
    cell: Cell,
) -> dict[str, Any]:
    """What decides a cell's numbers, besides regime and seed, which name it.

    `split` covers the sources' training segments, the target's fraction and its test segments, all of the cell's seed.

    Args:
        model: None for the truth.
    """
    return {
        **installation(model, options),
        "config": config_hash(options),
        "task": task.content_hash,
        "data": data_hash(sources, target, cell.regime),
        "split": split_hash([source.hash_of(source.split(cell.seed).train) for source in sources], target, cell),
    }


def split_hash(trained: Sequence[str], target: Side, cell: Cell) -> str:
    """Return what tells the segments of a cell from others, sha256.

    Args:
        trained: the hash of each source's training segments.
        target, cell: the fraction and the test segments are those of the cell.
    """
    parts = target.fraction(cell.seed, cell.fraction), target.held_out(cell.seed, cell.fraction)
    return _joined((*trained, *map(target.hash_of, parts)))


def data_hash(sources: Sequence[Side], target: Side, regime: str) -> str:
    """Return what tells the motion of both sides from other motion under the same names, sha256."""
    rig = target.corpus.motion.rig if is_retargeted(regime) else None
    return corpora_hash([side.identity_on(rig) for side in sources], target)


def corpora_hash(sources: Sequence[str], target: Side) -> str:
    """Return `data_hash` of the sources' identities, those of their retargeted corpora where they are retargeted."""
    return _joined((*sources, target.corpus.identity))


def _joined(texts: Sequence[str]) -> str:
    return hashlib.sha256("".join(texts).encode()).hexdigest()


def installation(model: ModelRef | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of an identity that the installed code decides."""
    code: dict[str, Any] = {
        "benchmark": BENCHMARK_VERSION, "engine": engine_versions(), "metrics": cell_metric_versions(),
    }  # fmt: skip
    if model is None:
        return code | {"model": {}, "options": _hash({})}
    return code | {"model": model.identity, "options": _hash(model.resolved(options))}


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def identity_changes(old: Identity, new: Identity, parts: Sequence[str] | None = None) -> list[str]:
    """What of an identity changed, in words: `benchmark 1 -> 2`, `metric foot_sliding 1 -> 2`, `task`.

    Args:
        parts: that are looked at; all by default.
    """
    out = []
    for part in new if parts is None else parts:
        before, now = old.get(part), new[part]
        if before == now:
            continue
        if part == "benchmark":
            out.append(f"benchmark {version_of(old)} -> {now}")
        elif isinstance(before, Mapping) and isinstance(now, Mapping):
            word = "metric " if part == "metrics" else ""
            out += [
                f"{word}{piece} {before.get(piece, 'none')} -> {now.get(piece, 'none')}"
                for piece in sorted({*before, *now})
                if before.get(piece) != now.get(piece)
            ]
        else:
            out.append(part)
    return out


def pretraining_changes(old: Identity, new: Identity) -> list[str]:
    """What changed of that which pre-training depends on."""
    return identity_changes(old, new, PRETRAINING)


def only_metrics_changed(old: Identity, new: Identity) -> bool:
    """Whether a result is stale by its metrics alone, so that `rescore` mends it without training."""
    rest = [part for part in new if part != "metrics"]
    return not identity_changes(old, new, rest) and old.get("metrics") != new["metrics"] and can_rescore(old, new)


def can_rescore(old: Identity, new: Identity) -> bool:
    """Whether trajectories are enough to make a result's metrics those of today."""
    made = old.get("metrics")
    return isinstance(made, Mapping) and all(made.get(name) == new["metrics"][name] for name in NOT_RECOMPUTED)
