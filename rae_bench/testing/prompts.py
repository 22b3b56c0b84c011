"""Prompts with other clips, objectives or another path than those of a test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rae_bench.kinematics import quat
from rae_bench.model.api import Prompt
from rae_bench.objectives.objectives import CONTACT, KEYFRAME, Objectives
from rae_bench.objectives.path import RootPath


def only(prompt: Prompt, clips: np.ndarray) -> Prompt:
    """Some clips as they would come alone, with objectives that are no longer than theirs."""
    part = prompt[clips]
    rows = part.history.root_positions.shape[1] + int(part.frames.max())
    path = None if part.path is None else part.path.cut(0, rows)
    return replace(part, objectives=part.objectives.cut(0, rows), path=path)


def with_other_objectives(prompt: Prompt, row: int) -> Prompt:
    """The same prompt, whose objectives are elsewhere, turned, later and of another kind in the rows from `row` on."""
    old = prompt.objectives
    late = np.arange(old.kinds.shape[1])[:, None] >= row
    moved = old.positions + np.float32(prompt.rig.height) * np.array([0.7, 0.2, -0.5], np.float32)
    turned = quat.mul(np.broadcast_to(quat.from_yaw(np.array(1.0)), old.rotations.shape), old.rotations)
    kinds = np.where(old.kinds == CONTACT, KEYFRAME, np.where(old.kinds == KEYFRAME, CONTACT, old.kinds))
    new = Objectives(
        np.where(late[..., None], moved, old.positions).astype(np.float32),
        np.where(late[..., None], turned, old.rotations).astype(np.float32),
        np.where(late, old.arrivals + 5, old.arrivals).astype(old.arrivals.dtype),
        np.where(late, kinds, old.kinds).astype(old.kinds.dtype),
    )
    return replace(prompt, objectives=new)


def with_other_path(prompt: Prompt, row: int) -> Prompt:
    """The same prompt, whose path is elsewhere and faces elsewhere in the rows from `row` on."""
    assert prompt.path is not None
    old = prompt.path
    late = np.arange(old.headings.shape[1])[:, None] >= row
    moved = old.positions + np.float32(prompt.rig.height) * np.array([0.7, -0.5], np.float32)
    new = RootPath(
        np.where(late[..., None], moved, old.positions).astype(np.float32),
        np.where(late, old.headings + 1, old.headings).astype(np.float32),
    )
    return replace(prompt, path=new)
