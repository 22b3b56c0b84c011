"""Adapted models that outlive their cell: what `run --keep` leaves beside a result, and `generate` reads."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rae_bench.benchmark import BENCHMARK_VERSION, version_of
from rae_bench.errors import UserError
from rae_bench.files import read_text
from rae_bench.harness.doubts import trained_range
from rae_bench.objectives.tracks import TRACKS
from rae_bench.rigs.file import read_rig, rig_to_toml
from rae_bench.rigs.rig import Rig
from rae_bench.storage import read_json, whole_folder

if TYPE_CHECKING:
    from rae_bench.task.cells import Cell
    from rae_bench.task.sides import Side
    from rae_bench.task.task import Task

SCHEMA = "rae-bench.adapted/2"
FACTS = "adapted.json"
RIG = "rig.toml"


@dataclass(frozen=True, eq=False)
class Kept:
    """A kept model, all but its weights.

    Attributes:
        folder: where `Model.load` finds the rest.
        model, options: what `make_model` takes.
        task, budget: on which it was trained; empty where that was not written down.
        fps, history: frames per second, and seconds of motion that the model is given to start from.
        stance: (C,) metres, how high each contact joint stands.
        raised: metres by which the recordings were lifted when they were imported.
        track: what it was taught to be asked.
        trained: speeds, heights and reach of what it was trained on, as `trained_range` returns them; {} of models that
            were kept before this was written down.
    """

    folder: Path
    model: str
    options: Mapping[str, Any]
    task: str
    budget: str
    regime: str
    fraction: float
    seed: int
    rig: Rig
    fps: float
    history: float
    stance: np.ndarray
    raised: float
    track: str
    trained: Mapping[str, Any] = field(default_factory=dict)


def kept_folder(path: Path) -> Path:
    """Where the model of the cell whose result is `path` is kept."""
    return path.with_name(f"{path.stem}-model")


def keep_model(
    save: Callable[[Path], object], cell: Cell, task: Task, target: Side, path: Path, identity: Mapping[str, str]
) -> None:
    """Keep an adapted model beside its result `path`, whole or not at all.

    Args:
        save: writes the model to a folder that is not there yet.
    """
    from rae_bench.results.files import strict

    facts = {
        "schema": SCHEMA,
        "model": cell.model,
        "options": dict(cell.options),
        "benchmark": BENCHMARK_VERSION,
        "task": task.name,
        "budget": task.budget,
        "regime": cell.regime,
        "fraction": cell.fraction,
        "seed": cell.seed,
        "identity": dict(identity),
        "fps": target.protocol.fps,
        "history": target.protocol.history,
        "stance_heights": target.stance,
        "raised": target.corpus.provenance.get("raised", 0.0),
        "track": target.protocol.track,
        "trained": trained_range(target.motion[target.fraction(cell.seed, cell.fraction)]),
    }
    with whole_folder(kept_folder(path)) as part:
        save(part)
        (part / RIG).write_text(rig_to_toml(target.corpus.motion.rig), encoding="utf-8")
        (part / FACTS).write_text(json.dumps(strict(facts), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def is_kept(path: Path, identity: Mapping[str, str]) -> bool:
    """Whether the model of the result `path` is there and depends on the same things."""
    try:
        facts = json.loads(read_text(kept_folder(path) / FACTS))
        return facts["schema"] == SCHEMA and facts["identity"] == dict(identity)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def read_kept(folder: Path) -> Kept:
    """What `keep_model` left, without the weights. Raises `UserError` where it is not there or damaged."""
    remedy = "rae-bench run --keep makes one, in <cell>-model/ beside the results"
    facts = read_json(folder / FACTS, f"no kept model here; {remedy}")
    if not isinstance(facts, dict) or facts.get("schema") != SCHEMA:
        raise UserError(f"{folder / FACTS}: another schema than {SCHEMA}; run the cell again with --keep")
    if version_of(facts) != BENCHMARK_VERSION:
        raise UserError(
            f"{folder / FACTS}: kept by benchmark version {str(version_of(facts))[:20]}, whose models this version "
            "would give other inputs; run the cell again with --keep"
        )
    rig = read_rig(folder / RIG)
    try:
        kept = Kept(
            folder,
            str(facts["model"]),
            dict(facts["options"]),
            str(facts.get("task", "")),
            str(facts.get("budget", "")),
            str(facts["regime"]),
            float(facts["fraction"]),
            int(facts["seed"]),
            rig,
            float(facts["fps"]),
            float(facts["history"]),
            np.array(facts["stance_heights"], float),
            float(facts["raised"]),
            str(facts["track"]),
            _trained(facts.get("trained", {})),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{folder / FACTS}: damaged ({error}); run the cell again with --keep") from None
    numbers = np.array([kept.fps, kept.history, kept.raised, *kept.stance.ravel()])
    sound = kept.track in TRACKS and np.isfinite(numbers).all() and 0 < kept.fps <= 1000 and 0 < kept.history <= 60
    if not sound or kept.stance.shape != rig.contact_joints.shape or math.isnan(kept.fraction):
        raise UserError(f"{folder / FACTS}: damaged (its numbers make no sense); run the cell again with --keep")
    return kept


def _trained(found: Any) -> dict[str, Any]:
    """Return what `trained_range` wrote, checked; ValueError or TypeError where it is something else."""
    if not found:
        return {}
    table: dict[str, Any] = {
        "speed": float(found["speed"]),
        "reach": {str(role): float(far) for role, far in dict(found["reach"]).items()},
        "heights": {str(role): [float(low), float(high)] for role, (low, high) in dict(found["heights"]).items()},
    }
    numbers = [table["speed"], *table["reach"].values(), *(h for pair in table["heights"].values() for h in pair)]
    if not np.isfinite(numbers).all() or table["speed"] < 0:
        raise ValueError("what it was trained on makes no sense")
    return table
