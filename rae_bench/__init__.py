"""rae-bench: transfer learning of motion synthesis across character rigs.

Attributes load on first use, so `import rae_bench` is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rae_bench import metrics
    from rae_bench.data.bvh import read_bvh
    from rae_bench.data.bvh_write import write_bvh
    from rae_bench.data.gltf_write import write_glb
    from rae_bench.errors import UserError
    from rae_bench.lightning_model import LightningModel
    from rae_bench.model import ModelCard
    from rae_bench.motion import Motion, make_motion
    from rae_bench.protocol.run import run
    from rae_bench.protocol.sweep import sweep
    from rae_bench.protocol.task import Task, load_task
    from rae_bench.results import load_results
    from rae_bench.rig import Rig, load_rig
    from rae_bench.testing import check_model

_PLACES = {
    "LightningModel": "rae_bench.lightning_model",
    "ModelCard": "rae_bench.model",
    "Motion": "rae_bench.motion",
    "Rig": "rae_bench.rig",
    "Task": "rae_bench.protocol.task",
    "UserError": "rae_bench.errors",
    "check_model": "rae_bench.testing",
    "load_results": "rae_bench.results",
    "load_rig": "rae_bench.rig",
    "load_task": "rae_bench.protocol.task",
    "make_motion": "rae_bench.motion",
    "read_bvh": "rae_bench.data.bvh",
    "run": "rae_bench.protocol.run",
    "sweep": "rae_bench.protocol.sweep",
    "write_bvh": "rae_bench.data.bvh_write",
    "write_glb": "rae_bench.data.gltf_write",
}

__all__ = [
    "LightningModel",
    "ModelCard",
    "Motion",
    "Rig",
    "Task",
    "UserError",
    "check_model",
    "load_results",
    "load_rig",
    "load_task",
    "make_motion",
    "metrics",
    "read_bvh",
    "run",
    "sweep",
    "write_bvh",
    "write_glb",
]


def __getattr__(name: str) -> Any:
    if name == "metrics":
        return importlib.import_module("rae_bench.metrics")
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'rae_bench' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
