"""Recordings of the Unity recorder that tests write."""

from __future__ import annotations

from typing import Any

import numpy as np

from rae_bench.data.formats.joint_tree import JointTree

NAMES = ("spine", "arm_left", "arm_right")


PARENTS = np.array([-1, 0, 0])


SKELETON = JointTree(NAMES, PARENTS, "pelvis")


def vector(x: float, y: float, z: float) -> dict[str, float]:
    return {"x": x, "y": y, "z": z}


def joint(place: tuple[float, float, float], degrees: float = 0) -> dict[str, Any]:
    """A joint turned about the vertical: in Unity, from forward (z) towards right (x)."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    forward, up, right = vector(s, 0, c), vector(0, 1, 0), vector(c, 0, -s)
    return {"key": False, "isLeft": 0, "position": vector(*place), "rotMat": {"c0": forward, "c1": up, "c2": right}}


def frames() -> list[dict[str, Any]]:
    """A figure that faces forward with its arms to its sides, then turns a quarter to its right and steps ahead."""
    still = [joint((0, 1, 0)), joint((-0.5, 1, 0)), joint((0.5, 1, 0))]
    turned = [joint((0, 1, 2), 90), joint((0, 1, 2.5), 90), joint((0, 1, 1.5), 90)]
    return [{"joints": still, "targetsPositions": []}, {"joints": turned}]
