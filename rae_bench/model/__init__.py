"""The door for people who write models: everything that a plug-in needs comes from here, and from nowhere else.

Names load on first use, so that a model without torch needs none. docs/design.md 5 is the contract.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

FEATURES_VERSION = 1
"""Covers states, control, changes, statistics and what a network reads of a frame: raise it when these numbers move."""
TRAINING_VERSION = 1
"""Covers batches, schedule, optimiser, loss, roll-out and `TrainConfig`: raise it when these numbers move."""

if TYPE_CHECKING:
    from rae_bench.errors import UserError
    from rae_bench.model.api import Budget, Context, Domain, Model, ModelCard, Prompt, Trajectory
    from rae_bench.model.config import TrainConfig
    from rae_bench.model.control import CONTROL_SIZE, Targets, control_vector, targets
    from rae_bench.model.features import Layout, Skeleton, advance, changes, frame_of, make_skeleton, states, to_motion
    from rae_bench.model.lightning import LightningModel
    from rae_bench.model.step import Carry, Frame, Next, Normal, StepNetwork
    from rae_bench.model.training import Sizes

_PLACES = {
    "Budget": "api",
    "CONTROL_SIZE": "control",
    "Carry": "step",
    "Context": "api",
    "Domain": "api",
    "Frame": "step",
    "Layout": "features",
    "LightningModel": "lightning",
    "Model": "api",
    "ModelCard": "api",
    "Next": "step",
    "Normal": "step",
    "Prompt": "api",
    "Sizes": "training",
    "Skeleton": "features",
    "StepNetwork": "step",
    "Targets": "control",
    "TrainConfig": "config",
    "Trajectory": "api",
    "advance": "features",
    "changes": "features",
    "control_vector": "control",
    "frame_of": "features",
    "make_skeleton": "features",
    "states": "features",
    "targets": "control",
    "to_motion": "features",
}

__all__ = [
    "CONTROL_SIZE",
    "Budget",
    "Carry",
    "Context",
    "Domain",
    "Frame",
    "Layout",
    "LightningModel",
    "Model",
    "ModelCard",
    "Next",
    "Normal",
    "Prompt",
    "Sizes",
    "Skeleton",
    "StepNetwork",
    "Targets",
    "TrainConfig",
    "Trajectory",
    "UserError",
    "advance",
    "changes",
    "control_vector",
    "frame_of",
    "make_skeleton",
    "states",
    "targets",
    "to_motion",
]


def __getattr__(name: str) -> Any:
    if name == "UserError":
        return importlib.import_module("rae_bench.errors").UserError
    if name in _PLACES:
        return getattr(importlib.import_module(f"rae_bench.model.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'rae_bench.model' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
