"""The door for people who write models: everything that a plug-in needs comes from here, and from nowhere else.

Names load on first use, so that a model without torch needs none. docs/develop/design.md 5 is the contract,
docs/guides/model.md says what a model sees and how to port one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

FEATURES_VERSION = 2
"""Covers states, control, changes, statistics and what a network reads of a frame: raise it when these numbers move."""
TRAINING_VERSION = 6
"""Covers batches, schedule, optimiser, loss, roll-out and `TrainConfig`: raise it when these numbers move."""

if TYPE_CHECKING:
    from rae_bench.data.retarget import retarget
    from rae_bench.errors import UserError, unknown
    from rae_bench.kinematics import quat
    from rae_bench.kinematics.inverse import solve_ik
    from rae_bench.model.api import Budget, Context, Domain, Model, ModelCard, Prompt
    from rae_bench.model.config import MODES, TrainConfig, train_config, train_values
    from rae_bench.model.control import (
        CONTROL,
        CONTROL_SCALE,
        CONTROL_SIZE,
        FLAGS,
        PATH,
        PATH_SIZE,
        ControlTargets,
        Target,
        control_targets,
        control_vector,
    )
    from rae_bench.model.engine.linear import Linear
    from rae_bench.model.features import (
        Layout,
        Skeleton,
        advance,
        changes,
        frame_of,
        make_skeleton,
        states,
        to_motion,
    )
    from rae_bench.model.lightning import LightningModel
    from rae_bench.model.outputs import follow, next_pose
    from rae_bench.model.step import KEYS, Carry, Draws, Frame, Next, Normal, StepNetwork
    from rae_bench.model.streams import Batch, Window, WindowSet, statistics, windows
    from rae_bench.model.training import Sizes, sizes_for, warm_adamw, window_loss
    from rae_bench.model.trajectory import Trajectory
    from rae_bench.motion.motion import Motion, make_motion
    from rae_bench.motion.root import velocities
    from rae_bench.objectives.objectives import KINDS, Objectives, key_transforms
    from rae_bench.objectives.path import HORIZONS, RootPath
    from rae_bench.objectives.phases import local_phases
    from rae_bench.rigs.rig import ROLES, Rig

_NAMES = {
    "rae_bench.data.retarget": ("retarget",),
    "rae_bench.errors": ("UserError", "unknown"),
    "rae_bench.kinematics": ("quat",),
    "rae_bench.kinematics.inverse": ("solve_ik",),
    "rae_bench.model.api": ("Budget", "Context", "Domain", "Model", "ModelCard", "Prompt"),
    "rae_bench.model.config": ("MODES", "TrainConfig", "train_config", "train_values"),
    "rae_bench.model.control": (
        "CONTROL",
        "CONTROL_SCALE",
        "CONTROL_SIZE",
        "FLAGS",
        "PATH",
        "PATH_SIZE",
        "ControlTargets",
        "Target",
        "control_targets",
        "control_vector",
    ),
    "rae_bench.model.engine.linear": ("Linear",),
    "rae_bench.model.features": (
        "Layout",
        "Skeleton",
        "advance",
        "changes",
        "frame_of",
        "make_skeleton",
        "states",
        "to_motion",
    ),
    "rae_bench.model.lightning": ("LightningModel",),
    "rae_bench.model.outputs": ("follow", "next_pose"),
    "rae_bench.model.step": ("KEYS", "Carry", "Draws", "Frame", "Next", "Normal", "StepNetwork"),
    "rae_bench.model.streams": ("Batch", "Window", "WindowSet", "statistics", "windows"),
    "rae_bench.model.training": ("Sizes", "sizes_for", "warm_adamw", "window_loss"),
    "rae_bench.model.trajectory": ("Trajectory",),
    "rae_bench.motion.motion": ("Motion", "make_motion"),
    "rae_bench.motion.root": ("velocities",),
    "rae_bench.objectives.objectives": ("KINDS", "Objectives", "key_transforms"),
    "rae_bench.objectives.path": ("HORIZONS", "RootPath"),
    "rae_bench.objectives.phases": ("local_phases",),
    "rae_bench.rigs.rig": ("ROLES", "Rig"),
}
"""Module -> what the door offers of it. No name is that of a module of `rae_bench.model`: importing the module would
put it in the name's place."""
_MODULES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'rae_bench.model' has no attribute '{name}'")
    module = importlib.import_module(_MODULES[name])
    return importlib.import_module("rae_bench.kinematics.quat") if name == "quat" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "CONTROL",
    "CONTROL_SCALE",
    "CONTROL_SIZE",
    "FLAGS",
    "HORIZONS",
    "KEYS",
    "KINDS",
    "MODES",
    "PATH",
    "PATH_SIZE",
    "ROLES",
    "Batch",
    "Budget",
    "Carry",
    "Context",
    "ControlTargets",
    "Domain",
    "Draws",
    "Frame",
    "Layout",
    "LightningModel",
    "Linear",
    "Model",
    "ModelCard",
    "Motion",
    "Next",
    "Normal",
    "Objectives",
    "Prompt",
    "Rig",
    "RootPath",
    "Sizes",
    "Skeleton",
    "StepNetwork",
    "Target",
    "TrainConfig",
    "Trajectory",
    "UserError",
    "Window",
    "WindowSet",
    "advance",
    "changes",
    "control_targets",
    "control_vector",
    "follow",
    "frame_of",
    "key_transforms",
    "local_phases",
    "make_motion",
    "make_skeleton",
    "next_pose",
    "quat",
    "retarget",
    "sizes_for",
    "solve_ik",
    "states",
    "statistics",
    "to_motion",
    "train_config",
    "train_values",
    "unknown",
    "velocities",
    "warm_adamw",
    "window_loss",
    "windows",
]
