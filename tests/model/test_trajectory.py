"""What is wrong with a trajectory, found in one place."""

from typing import Any

import numpy as np
import pytest

from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.model import Trajectory
from rae_bench.model.trajectory import trajectory_fault

SHAPE = {"samples": 2, "clips": 3, "frames": 5, "joints": 4}


def arrays() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    rotations = quat.normalize(random.normal(size=(2, 3, 5, 4, 4))).astype(np.float32)
    return random.normal(size=(2, 3, 5, 3)).astype(np.float32), rotations


def test_a_good_trajectory_comes_back() -> None:
    root, rotations = arrays()
    made = Trajectory.checked(Trajectory(root, rotations), "it has", **SHAPE, unit_tolerance=1e-3, farthest=1000)
    assert made.root_positions is root
    assert made.rotations is rotations


def changed(name: str, change: Any) -> Any:
    root, rotations = arrays()
    both = {"root_positions": root, "rotations": rotations}
    both[name] = change(both[name])
    return Trajectory(**both)


def put(array: np.ndarray, place: tuple[int, ...], value: float) -> np.ndarray:
    array[place] = value
    return array


@pytest.mark.parametrize(
    ("name", "change", "kind", "place", "text"),
    [
        ("rotations", lambda a: a.tolist(), "type", (), "as list; a numpy float32 array is needed"),
        ("root_positions", lambda a: a.astype(float), "type", (), "as float64 array; a numpy float32"),
        ("rotations", lambda a: a[..., 0], "shape", (), r"of shape \(2, 3, 5, 4\); .* = \(2, 3, 5, 4, 4\) is needed"),
        ("root_positions", lambda a: a[:1], "shape", (), r"of shape \(1, 3, 5, 3\); .* = \(2, 3, 5, 3\)"),
        ("rotations", lambda a: a[:, :, :, :3], "shape", (), r"of shape \(2, 3, 5, 3, 4\)"),
        ("rotations", lambda a: put(a, (1, 2, 3, 1, 0), np.nan), "finite", (2, 3, 1), "in clip 2 from frame 3 on"),
        ("root_positions", lambda a: put(a, (0, 1, 4, 2), np.inf), "finite", (1, 4), "that are not finite"),
        ("root_positions", lambda a: put(a, (1, 0, 2, 0), -1001), "far", (0, 2), "more than 1000 m away, in clip 0"),
        ("rotations", lambda a: put(a, (0, 0, 3, 2), 0.6), "unit", (0, 3, 2), "in clip 0, frame 3, joint 2: a length"),
        ("rotations", lambda a: put(a, (0, 0, 3, 2, 1), 1e30), "unit", (0, 3, 2), "a length is off by inf"),
    ],
)
def test_faults(name: str, change: Any, kind: str, place: tuple[int, ...], text: str) -> None:
    given = changed(name, change)
    fault = trajectory_fault(given, **SHAPE, unit_tolerance=1e-3, farthest=1000)
    assert fault is not None
    assert (fault.kind, fault.array, fault.place) == (kind, name, place)
    with pytest.raises(UserError, match=f"^model 'm': generate gave {name} .*{text}"):
        Trajectory.checked(given, "model 'm': generate gave", **SHAPE, unit_tolerance=1e-3, farthest=1000)


def test_the_first_clip_is_named_whatever_the_sample() -> None:
    given = changed("rotations", lambda a: put(put(a, (0, 2, 0, 0), np.nan), (1, 1, 4, 3), np.nan))
    fault = trajectory_fault(given)
    assert fault is not None
    assert fault.place == (1, 4, 3)


def test_frames_past_a_clips_length_may_be_anything() -> None:
    given = changed("root_positions", lambda a: put(a, (slice(None), 1, slice(2, None)), np.nan))
    assert trajectory_fault(given, lengths=np.array([5, 2, 5])) is None
    assert trajectory_fault(given, lengths=np.array([5, 3, 5])) is not None


def test_what_is_not_asked_for_is_not_looked_at() -> None:
    given = changed("rotations", lambda a: 2 * a)
    assert trajectory_fault(given) is None
    assert trajectory_fault(given, unit_tolerance=0.01) is not None
    root, rotations = arrays()
    double = Trajectory(root.astype(float), rotations.astype(float))
    assert trajectory_fault(double, single_precision=False) is None


def test_both_arrays_must_agree() -> None:
    root, rotations = arrays()
    fault = trajectory_fault(Trajectory(root, rotations[:, :, :4]))
    assert fault is not None
    assert "(S, N, T, ...) = (2, 3, 5, J, 4) is needed" in fault.text


def test_something_else_than_a_trajectory() -> None:
    with pytest.raises(UserError, match="gave root_positions as NoneType"):
        Trajectory.checked(None, "it gave")
