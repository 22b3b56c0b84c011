"""rae-bench: transfer learning of motion synthesis across character rigs.

Attributes load on first use, so `import rae_bench` is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rae_bench import metrics
    from rae_bench.data.formats.bvh import read_bvh
    from rae_bench.data.formats.bvh_write import write_bvh
    from rae_bench.data.formats.gltf_write import write_glb
    from rae_bench.errors import UserError
    from rae_bench.model.api import ModelCard
    from rae_bench.model.lightning import LightningModel
    from rae_bench.motion.motion import Motion, make_motion
    from rae_bench.notebook.results import Results
    from rae_bench.notebook.run import run, sweep
    from rae_bench.results.clips import load_clips
    from rae_bench.results.files import load_results
    from rae_bench.rigs.file import load_rig
    from rae_bench.rigs.rig import Rig
    from rae_bench.task.named import load_task
    from rae_bench.task.task import Task
    from rae_bench.testing import check_model

_PLACES = {
    "LightningModel": "rae_bench.model",
    "ModelCard": "rae_bench.model",
    "Motion": "rae_bench.motion.motion",
    "Results": "rae_bench.notebook.results",
    "Rig": "rae_bench.rigs.rig",
    "Task": "rae_bench.task.task",
    "UserError": "rae_bench.errors",
    "check_model": "rae_bench.testing",
    "load_clips": "rae_bench.results.clips",
    "load_results": "rae_bench.results.files",
    "load_rig": "rae_bench.rigs.file",
    "load_task": "rae_bench.task.named",
    "make_motion": "rae_bench.motion.motion",
    "read_bvh": "rae_bench.data.formats.bvh",
    "run": "rae_bench.notebook.run",
    "sweep": "rae_bench.notebook.run",
    "write_bvh": "rae_bench.data.formats.bvh_write",
    "write_glb": "rae_bench.data.formats.gltf_write",
}

__all__ = [
    "LightningModel",
    "ModelCard",
    "Motion",
    "Results",
    "Rig",
    "Task",
    "UserError",
    "check_model",
    "load_clips",
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
