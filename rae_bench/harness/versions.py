"""Versions of the pieces that make the numbers of a cell.

A version is an integer beside the code that it covers. Whoever moves a number raises it, and results of the older
version are stale. `tests/golden` fails where numbers move and the version does not. Nothing here imports torch.
"""

from __future__ import annotations

from rae_bench import kinematics, model, motion, objectives, task
from rae_bench.data import importing, retarget
from rae_bench.data.generators import locomotion, reach
from rae_bench.data.importing import actions
from rae_bench.metrics.catalogue import METRICS
from rae_bench.model.registry import resolve_model


def engine_versions() -> dict[str, int]:
    """Versions of all that lies between a task and a trajectory, whoever the model is."""
    return {
        "kinematics": kinematics.VERSION,
        "motion": motion.VERSION,
        "preparation": importing.VERSION,
        "objectives": objectives.OBJECTIVES_VERSION,
        "phases": objectives.PHASES_VERSION,
        "features": model.FEATURES_VERSION,
        "training": model.TRAINING_VERSION,
        "split": task.SPLIT_VERSION,
    }


def generator_versions() -> dict[str, int]:
    """Versions of what the identity of a corpus has besides: built-in motion, retargeting, actions by motion.

    For `tests/golden`.
    """
    return {
        "locomotion": locomotion.LOCOMOTION_VERSION,
        "sweep": locomotion.SWEEP_VERSION,
        "reach": reach.REACH_VERSION,
        "retarget": retarget.RETARGET_VERSION,
        "actions": actions.VERSION,
    }


def metric_versions() -> dict[str, int]:
    """Version of every metric, by name. For `tests/golden`."""
    return {name: info.version for name, info in METRICS.items()}


def cell_metric_versions() -> dict[str, int]:
    """Version of every metric that a cell may have; metrics of transfer are computed from many cells."""
    return {name: info.version for name, info in METRICS.items() if info.category != "transfer"}


def model_versions(spec: str) -> dict[str, int]:
    """Versions of the parts of a reference entry, by name: `{"fe": 1, "omg-moe": 1, "pair": 1}`, `{"hold": 1}`.

    For `tests/golden`. Empty for a plug-in: its code has no version that a test would pin.

    Raises:
        UserError: there is no such model.
    """
    found = resolve_model(spec).identity
    return {} if isinstance(found, str) else found
