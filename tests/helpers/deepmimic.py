"""DeepMimic files that tests write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

JOINTS = [  # name, type, parent, attachment
    ("root", "none", -1, (9, 9, 9)),
    ("knee", "revolute", 0, (0, -0.5, 0)),
    ("ankle", "fixed", 1, (0, -0.4, 0)),
    ("chest", "spherical", 0, (0, 0.3, 0)),
    ("head", "spherical", 3, (0, 0.2, 0)),
]


HALF = 0.5**0.5


def character(folder: Path, **changes: Any) -> Path:
    joints = []
    for number, (name, kind, parent, at) in enumerate(JOINTS):
        joint: dict[str, Any] = {"ID": number, "Name": name, "Type": kind, "Parent": parent, "TorqueLim": 3}
        joint |= {f"Attach{axis}": value for axis, value in zip("XYZ", at, strict=True)}
        joints.append(joint | changes.get(name, {}))
    path = folder / "figure.json"
    path.write_text(json.dumps({"Skeleton": {"Joints": joints}, "BodyDefs": []}))
    return path


def row(seconds: float, root: list[float], turn: list[float], knee: float, chest: list[float]) -> list[float]:
    return [seconds, *root, *turn, knee, *chest, 1, 0, 0, 0]


UNIT = [1.0, 0, 0, 0]


ROWS = [
    row(0.1, [0, 1, 0], UNIT, 0, UNIT),
    row(0.1, [1, 1, 0], UNIT, np.pi / 2, UNIT),
    row(0, [2, 1, 0], [HALF, 0, HALF, 0], 0, [3 * HALF, 0, 0, 3 * HALF]),
]
