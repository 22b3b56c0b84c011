"""Results on disk."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rae_bench.benchmark import BENCHMARK_VERSION
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.model.api import Trajectory
from rae_bench.results.files import SCHEMA, load_results, read_result, reported_number, strict, write_json
from rae_bench.results.trajectories import load_trajectory, save_trajectory
from rae_bench.rigs.file import load_rig
from rae_bench.storage import whole_file
from rae_bench.task.cells import cell_name


def test_strict() -> None:
    value = {"a": np.float32(0.5), 1: [np.int64(3), float("nan")], "b": (math.inf, np.array([1.0, -np.inf])), "c": None}
    assert strict(value) == {"a": 0.5, "1": [3, None], "b": [None, [1.0, None]], "c": None}
    json.dumps(strict(value), allow_nan=False)


def test_json_has_null_for_what_is_not_finite(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "cell.json"
    write_json(path, {"value": float("nan"), "flag": np.bool_(True)})

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not strict JSON")

    assert json.loads(path.read_text(), parse_constant=refuse) == {"value": None, "flag": True}


def test_files_are_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "cell.json"

    def interrupted() -> None:
        with whole_file(path) as scratch:
            scratch.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    path.write_text("old")
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_have_the_usual_rights(tmp_path: Path) -> None:
    """Not those of a temporary file, which nobody else may read."""
    plain = tmp_path / "plain"
    plain.write_text("")
    write_json(tmp_path / "a.json", {})
    assert (tmp_path / "a.json").stat().st_mode == plain.stat().st_mode


def trajectory(frames: int = 20, joints: int | None = None) -> Trajectory:
    rng = np.random.default_rng(0)
    joints = joints or len(load_rig("quad"))
    rotations = quat.normalize(rng.normal(size=(1, 3, frames, joints, 4)))
    return Trajectory(rng.normal(size=(1, 3, frames, 3)).astype(np.float32), rotations.astype(np.float32))


def test_trajectory_round_trip(tmp_path: Path) -> None:
    path, made = tmp_path / "t.npz", trajectory()
    save_trajectory(path, made, load_rig("quad"), 30.0, np.array([20, 20, 12]))
    read = load_trajectory(path)
    valid = np.arange(made.root_positions.shape[2]) < np.array([20, 20, 12])[:, None]
    np.testing.assert_array_equal(read.root_positions[:, valid], made.root_positions[:, valid])
    np.testing.assert_array_equal(read.root_positions[:, 2, 12:], made.root_positions[:, 2, 11:12].repeat(8, 1))
    np.testing.assert_allclose(read.rotations[:, valid], made.rotations[:, valid], atol=2e-7)
    assert read.rotations.dtype == read.root_positions.dtype == np.float32


def test_lengths_of_quaternions_do_not_matter(tmp_path: Path) -> None:
    path, made = tmp_path / "t.npz", trajectory()
    save_trajectory(path, replace(made, rotations=made.rotations * 1.005), load_rig("quad"), 30.0, np.array([20] * 3))
    np.testing.assert_allclose(load_trajectory(path).rotations, made.rotations, atol=2e-7)


def test_trajectories_are_no_pickles(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    save_trajectory(path, trajectory(), load_rig("quad"), 30.0, np.array([20, 20, 20]))
    with np.load(path, allow_pickle=False) as arrays:
        assert set(arrays.files) == {"root_positions", "rotations", "lengths", "fps", "rig"}
        assert arrays["rotations"].dtype == np.float32
        assert all(arrays[name].dtype != object for name in arrays.files)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "keys", "objects"])
def test_damaged_trajectories(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "t.npz"
    save_trajectory(path, trajectory(), load_rig("quad"), 30.0, np.array([20, 20, 20]))
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("not an archive")
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:500])
    elif damage == "keys":
        np.savez(path, other=np.zeros(3))
    else:
        np.savez(path, root_positions=np.array([{}], dtype=object), rotations=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="not a readable trajectory"):
        load_trajectory(path)


def test_missing_trajectory(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a readable trajectory"):
        load_trajectory(tmp_path / "none.npz")


def result(model: str, regime: str, value: float) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "benchmark": BENCHMARK_VERSION,
        "status": "ok",
        "model": model,
        "task": "biped2quad",
        "regime": regime,
        "fraction": 0.05,
        "seed": 0,
        "identity": {"config": "0123456789abcdef"},
        "metrics": {
            "a": {"value": value, "unit": "cm", "direction": "lower"},
            "b": {"value": float("nan"), "unit": "", "direction": "higher"},
        },
        "cost": {},
        "environment": {},
        "reason": "",
    }


def test_results_are_a_long_table(tmp_path: Path) -> None:
    for model, regime, value in (("fe", "cold", 3.0), ("fe", "frozen", 2.0), ("hold", "none", 5.0)):
        write_json(tmp_path / model / "biped2quad" / f"{cell_name(regime, 0.05, 0)}.json", result(model, regime, value))
    (tmp_path / "fe" / "pretrained.json").write_text("{}")  # not a result: other files may lie about
    (tmp_path / "fe" / "broken.json").write_text("{")
    table = load_results(tmp_path)
    assert len(table) == 6
    values = table[table.metric == "a"].set_index(["model", "regime"]).value
    assert values.to_dict() == {("fe", "cold"): 3.0, ("fe", "frozen"): 2.0, ("hold", "none"): 5.0}
    assert table[table.metric == "b"].value.isna().all()
    assert set(table.config) == {"01234567"}
    assert set(table.columns) == {
        *("model", "config", "task", "regime", "fraction", "seed", "status"),
        *("metric", "value", "unit", "direction", "path", "budget", "basis", "track", "rig_height"),
    }


def test_no_results_are_an_empty_table_with_columns(tmp_path: Path) -> None:
    table = load_results(tmp_path)
    assert len(table) == 0
    assert "metric" in table.columns


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"schema": "other/1"}', '"word"'])
def test_what_is_no_result_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cell.json"
    path.write_text(text)
    assert read_result(path) is None
    assert read_result(tmp_path / "none.json") is None


def test_cell_names() -> None:
    assert cell_name("cold", 0.05, 3) == "cold-f0.05-s3"
    assert cell_name("cold-long", 1.0, 0) == "cold-long-f1-s0"


@pytest.mark.parametrize("value", [True, "3", None, math.nan, math.inf, [1]])
def test_a_report_that_is_no_number_is_none(value: object) -> None:
    assert reported_number(value) is None
    assert reported_number(3) == 3.0
