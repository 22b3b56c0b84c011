"""Paths that a person writes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.from_written import to_path
from rae_bench.objectives.path import GRAIN
from rae_bench.objectives.written import check_objectives
from rae_bench.rigs.file import load_rig

POINT = {"time": 2.0, "position": [0.0, 2.0]}


def standing(yaw: float = 0.0, at: tuple[float, float] = (0.0, 0.0)) -> Motion:
    """A second of standing somewhere, facing somewhere."""
    rig = load_rig("r4")
    turns = np.tile(rig.rest, (1, 30, 1, 1))
    turns[0, :, 0] = quat.mul(quat.from_yaw(np.full(30, yaw)), turns[0, :, 0])
    hips = quat.rotate(quat.from_yaw(np.array(yaw)), rig.rest_global[0][0])
    return make_motion(rig, 30.0, np.tile(hips + np.array([at[0], 0, at[1]]), (1, 30, 1)), turns)


def written(*points: dict[str, Any], seconds: float = 2.0) -> Any:
    return check_objectives({"seconds": seconds, "path": list(points)}, "p.toml")


@pytest.mark.parametrize("yaw", [0.0, 1.2, -2.5])
def test_a_point_straight_ahead(yaw: float) -> None:
    past = standing(yaw, (1.0, -2.0))
    path = to_path(written(POINT), 30.0, past)
    assert path.positions.shape == (1, 90, 3, 2)
    start = past.root.origin[0, -1, [0, 2]]
    ahead = np.array([np.sin(yaw), np.cos(yaw)])
    np.testing.assert_allclose(path.positions[0, -1, -1] - start, 2 * ahead, atol=0.02)
    off = (path.positions[0] - start) @ np.array([ahead[1], -ahead[0]])
    assert np.abs(off).max() < 0.75 * GRAIN * past.rig.height
    np.testing.assert_allclose(np.cos(path.headings - past.root.yaw[0, -1]), 1, atol=1e-4)
    speed = np.diff(path.positions[0, :, 0] @ ahead)
    assert speed.min() > -1e-4


def test_it_faces_where_it_goes_or_as_it_is_told() -> None:
    left = to_path(written({"time": 2.0, "position": [2.0, 0.0]}), 30.0, standing())
    assert left.headings[0, -1, -1] == pytest.approx(np.pi / 2, abs=0.05)
    told = to_path(written({"time": 2.0, "position": [2.0, 0.0], "heading": 0}), 30.0, standing())
    assert np.abs(told.headings).max() < 0.02


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"path": [POINT], "objectives": [{}]}, "excludes"),
        ({"path": [POINT], "walk": {}}, "excludes"),
        ({}, r"no \[\[objectives\]\] and no \[\[path\]\]"),
        ({"path": POINT}, "tables, each under its own"),
        ({"path": [{"time": 1.0}]}, "path point 1: no `position`"),
        ({"path": [POINT, {**POINT, "time": 3.0}]}, "path point 2: time = 3 "),
        ({"path": [POINT, POINT]}, "two points of the path at 2 s"),
        ({"path": [{**POINT, "position": [0, 1, 2]}]}, "a list of 2 numbers"),
        ({"path": [{**POINT, "position": [0, 1e9]}]}, "farther away"),
        ({"path": [{**POINT, "role": "head"}]}, "role"),
    ],
)
def test_faulty_paths(table: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_objectives({"seconds": 2.0, **table}, "p.toml")
