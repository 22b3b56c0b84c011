"""Writing glTF: an independent reader finds the same positions, Khronos' validator nothing, and the body is closed."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.spatial.transform import Rotation, Slerp

import rae_bench as rb
from rae_bench.cli.data import data
from rae_bench.data.formats.gltf_write import body_mesh
from rae_bench.data.generators.locomotion.locomotion import load_locomotion
from rae_bench.errors import UserError
from rae_bench.harness.run import Outcome
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.results.trajectories import load_trajectory
from rae_bench.rigs.builtin import builtin_rigs
from rae_bench.rigs.file import load_rig
from rae_bench.rigs.rig import make_rig

TYPES = {5126: ("<f4", 4), 5123: ("<u2", 2)}
WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


def read(path: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The document and its accessors, by the specification's chapters 3.6 and 4.4 alone."""
    raw = path.read_bytes()
    magic, version, total = struct.unpack_from("<4sII", raw)
    assert (magic, version, total) == (b"glTF", 2, len(raw))
    size, kind = struct.unpack_from("<I4s", raw, 12)
    assert kind == b"JSON"
    assert size % 4 == 0
    document = json.loads(raw[20 : 20 + size])
    length, kind = struct.unpack_from("<I4s", raw, 20 + size)
    assert kind == b"BIN\0"
    body = raw[28 + size : 28 + size + length]
    arrays = []
    for accessor in document["accessors"]:
        view = document["bufferViews"][accessor["bufferView"]]
        dtype, width = TYPES[accessor["componentType"]]
        assert view["byteOffset"] % width == 0
        part = body[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        arrays.append(np.frombuffer(part, dtype).reshape(accessor["count"], WIDTHS[accessor["type"]]))
    return document, arrays


def worlds(document: dict[str, Any], arrays: list[np.ndarray], animation: int | None, time: float = 0) -> np.ndarray:
    """(J, 4, 4) of the skin's joints, node by node, at a time between or on keys."""
    nodes = [dict(node) for node in document["nodes"]]
    if animation is not None:
        moves = document["animations"][animation]
        for channel in moves["channels"]:
            sampler = moves["samplers"][channel["sampler"]]
            times, values = arrays[sampler["input"]][:, 0], arrays[sampler["output"]].astype(float)
            path, node = channel["target"]["path"], nodes[channel["target"]["node"]]
            if path == "rotation":
                node[path] = Slerp(times, Rotation.from_quat(values))(time).as_quat() if len(times) > 1 else values[0]
            else:
                node[path] = [np.interp(time, times, column) for column in values.T]
    parents = {child: n for n, node in enumerate(nodes) for child in node.get("children", [])}

    def world(n: int) -> np.ndarray:
        local = np.eye(4)
        local[:3, :3] = Rotation.from_quat(nodes[n].get("rotation", [0, 0, 0, 1])).as_matrix()
        local[:3, 3] = nodes[n].get("translation", [0, 0, 0])
        return world(parents[n]) @ local if n in parents else local

    return np.stack([world(n) for n in document["skins"][0]["joints"]])


def moving(name: str, clips: int = 24) -> Motion:
    rig = load_rig(name)
    if len(rig.contact_joints):
        return load_locomotion(rig, clips=clips).motion
    rng = np.random.default_rng(5)
    turns = Rotation.from_rotvec(rng.normal(size=(60 * len(rig), 3))).as_quat(scalar_first=True)
    nobody = np.zeros((2, 30, 0), bool)
    return make_motion(rig, 30, np.zeros((2, 30, 3)), turns.reshape(2, 30, len(rig), 4), contacts=nobody)


@pytest.mark.parametrize("name", builtin_rigs())
def test_positions_come_back(name: str, tmp_path: Path) -> None:
    motion = moving(name)
    picked = [1, len(motion) - 1]
    rb.write_glb(tmp_path / "a.glb", motion, picked, names=["one", "two"])
    document, arrays = read(tmp_path / "a.glb")
    assert [node["name"] for node in document["nodes"][:-1]] == list(motion.rig.joint_names)
    assert [each["name"] for each in document["animations"]] == ["one", "two"]
    for k, clip in enumerate(picked):
        times = arrays[document["animations"][k]["samplers"][0]["input"]][:, 0]
        assert len(times) == motion.lengths[clip]
        for t in (0, 7, len(times) - 1):
            assert times[t] == pytest.approx(t / motion.fps, abs=1e-6)
            found = worlds(document, arrays, k, float(times[t]))[:, :3, 3]
            np.testing.assert_allclose(found, motion.positions[clip, t], atol=1e-5)
    # Halfway between two frames players turn along the short arc, so that positions lie between.
    between = worlds(document, arrays, 0, float(times[7] + times[8]) / 2)[:, :3, 3]
    step = np.abs(motion.positions[1, 8] - motion.positions[1, 7]).max()
    assert np.abs(between - motion.positions[1, 7]).max() <= step + 1e-5


def test_the_body_is_bound_to_the_rest_pose(tmp_path: Path) -> None:
    """At rest skinning moves no vertex; in motion a bone's ends are its joints."""
    motion = moving("quad")
    rb.write_glb(tmp_path / "a.glb", motion)
    document, arrays = read(tmp_path / "a.glb")
    shape = document["meshes"][0]["primitives"][0]["attributes"]
    points, joints = arrays[shape["POSITION"]], arrays[shape["JOINTS_0"]][:, 0]
    np.testing.assert_array_equal(arrays[shape["WEIGHTS_0"]], np.tile([1, 0, 0, 0], (len(points), 1)))
    bind = arrays[document["skins"][0]["inverseBindMatrices"]].reshape(-1, 4, 4).transpose(0, 2, 1)
    whole = np.concatenate([points, np.ones((len(points), 1))], 1)

    def skinned(poses: np.ndarray) -> np.ndarray:
        return np.einsum("vab,vb->va", (poses @ bind)[joints], whole)[:, :3]

    np.testing.assert_allclose(skinned(worlds(document, arrays, None)), points, atol=1e-5)
    low = document["accessors"][shape["POSITION"]]["min"]
    np.testing.assert_array_equal(low, points.min(0))
    assert abs(low[1]) < 0.02  # it stands on the ground, but for half a knob
    moved = skinned(worlds(document, arrays, 0, 1.0)).reshape(-1, 24, 3)
    bones = np.flatnonzero(motion.rig.parents >= 0)  # the quadruped has no bone without length
    at = motion.positions[0, 30]
    np.testing.assert_allclose(moved[: len(bones), 0], at[motion.rig.parents[bones]], atol=2e-5)
    np.testing.assert_allclose(moved[: len(bones), 3], at[bones], atol=2e-5)


@pytest.mark.parametrize("name", ["r4", "arm"])
def test_the_body_is_closed_and_seen_from_outside(name: str) -> None:
    points, normals, owners = body_mesh(load_rig(name))
    triangles = points.reshape(-1, 8, 3, 3)
    middle = triangles.mean((1, 2))
    out = np.einsum("bti,bti->bt", triangles.mean(2) - middle[:, None], normals.reshape(-1, 8, 3, 3)[:, :, 0])
    assert (out > 0).all()
    # Every edge of a part is walked once in each direction.
    for part in np.round(triangles, 7)[:3]:
        edges = [(tuple(t[k]), tuple(t[(k + 1) % 3])) for t in part for k in range(3)]
        assert sorted(edges) == sorted((b, a) for a, b in edges)
    assert len(owners) == len(points) == 24 * len(triangles)


def test_names_from_everywhere_and_bones_without_length(tmp_path: Path) -> None:
    rig = make_rig("ü", [("Hüfte", None, [0, 1, 0]), ('"</b>', "Hüfte", [0, 0, 0]), ("脚", "Hüfte", [0, -1, 0])], {})
    nobody = np.zeros((1, 1, 0), bool)
    motion = make_motion(rig, 60, np.ones((1, 1, 3)), np.tile([1.0, 0, 0, 0], (1, 1, 3, 1)), contacts=nobody)
    rb.write_glb(tmp_path / "a.glb", motion)
    document, arrays = read(tmp_path / "a.glb")
    assert [node["name"] for node in document["nodes"][:3]] == ["Hüfte", '"</b>', "脚"]
    np.testing.assert_allclose(worlds(document, arrays, 0)[:, 1, 3], [1, 1, 0])
    assert np.isfinite(arrays[document["meshes"][0]["primitives"][0]["attributes"]["NORMAL"]]).all()


def test_refusals_leave_nothing(tmp_path: Path) -> None:
    motion = moving("arm")
    path = tmp_path / "no.glb"
    for clips, change, message in (
        ([2], {}, "clip 2 of a motion that has 2"),
        ([], {}, "no clip"),
        ([0], {"lengths": np.array([0, 3])}, "has no frame"),
        ([0], {"root_positions": motion.root_positions * np.nan}, "not finite"),
    ):
        with pytest.raises(UserError, match=message):
            rb.write_glb(path, replace(motion, **change), clips)
    assert not list(tmp_path.iterdir())


def test_real_files(recordings: Path, tmp_path: Path) -> None:
    motion = rb.read_bvh(recordings / "dog_mann" / "D1_008_KAN01_001.bvh")
    rb.write_glb(tmp_path / "a.glb", motion)
    document, arrays = read(tmp_path / "a.glb")
    for t in (0, 100, int(motion.lengths[0]) - 1):
        found = worlds(document, arrays, 0, t / motion.fps)[:, :3, 3]
        np.testing.assert_allclose(found, motion.positions[0, t], atol=1e-5)


VALIDATE = """
const fs = require("fs"), validator = require("gltf-validator");
validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1])), { maxIssues: 9 })
  .then((report) => console.log(JSON.stringify(report.issues)));
"""


def test_khronos_validator_finds_nothing(tmp_path: Path) -> None:
    """`npm install gltf-validator`, with NODE_PATH naming its node_modules."""
    node = shutil.which("node")
    if node is None or subprocess.run([node, "-e", "require('gltf-validator')"], capture_output=True).returncode:
        pytest.skip("no gltf-validator: npm install gltf-validator, and NODE_PATH=.../node_modules")
    for name in ("quad", "arm"):
        rb.write_glb(tmp_path / "a.glb", moving(name), [0, 1], names=["a", "a"])
        done = subprocess.run(
            [node, "-e", VALIDATE, str(tmp_path / "a.glb")], capture_output=True, text=True, check=True
        )
        issues = json.loads(done.stdout)
        assert issues["messages"] == []


def exported(*words: str) -> str:
    result = CliRunner().invoke(data, ["export", *words], catch_exceptions=True)
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exit_code == 0, result.exception
    return result.stdout


def test_a_domain_may_lie_beside_a_folder_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever imports the folder `arm` as `arm` goes on in the folder that holds it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "arm").mkdir()
    (tmp_path / "arm" / "notes.json").write_text("[]")
    exported("arm", "--clip", "level-1-point-1*", "--to", "a.glb")
    (tmp_path / "leg").mkdir()
    with pytest.raises(UserError, match="leg: no cell results"):
        exported("leg", "--to", "b.glb")


def test_the_command_writes_clips_of_a_domain(tmp_path: Path) -> None:
    told = exported("arm", "--clip", "level-1-point-1*", "--to", str(tmp_path / "a.glb"))
    document, _ = read(tmp_path / "a.glb")
    names = [each["name"] for each in document["animations"]]
    assert len(names) == len(told.splitlines()) > 1
    assert all(name.startswith("level-1-point-1") for name in names)
    exported("arm", "--clip", names[0], "--to", str(tmp_path / "a.BVH"), "--unit", "m")
    assert rb.read_bvh(tmp_path / "a.BVH", unit="m").frames > 30
    for words, message in (
        (["arm", "--to", "a.glb"], "choose with --clip"),
        (["arm", "--clip", "level-1-point-1*", "--to", "a.bvh"], "a BVH file holds one clip, not"),
        (["arm", "--clip", names[0] + "0", "--to", "a.glb"], f"did you mean .*{names[0]}"),
        (["arm", "--to", "a.fbx"], r"\.bvh, \.glb or \.npz"),
        (["arm", "--to", "nowhere/a.glb"], "in a folder that is there"),
        (["arm", "--regime", "cold", "--to", "a.glb"], "no result folder"),
        (["quda", "--to", "a.glb"], "did you mean quad"),
        (["arm", "--unit", "ell", "--to", "a.bvh"], "unknown unit"),
    ):
        with pytest.raises(UserError, match=message):
            exported(*words[:-1], str(tmp_path / words[-1]))
    assert sorted(os.listdir(tmp_path)) == ["a.BVH", "a.glb"]


def test_the_command_writes_roll_outs(tiny_run: Outcome, tiny_task: Path, tmp_path: Path) -> None:
    cell = next(p for p in tiny_run.cells if p.cell.regime == "frozen")
    folder, exam = cell.path.parent, tiny_run.target.held_out_clips(tiny_run.target.split(0).test)
    made = load_trajectory(cell.path.with_suffix(".npz"))
    words = [str(folder), "--task", str(tiny_task), "--clip", exam.ids[0]]
    exported(*words, "--regime", "frozen", "--to", str(tmp_path / "a.glb"))
    document, arrays = read(tmp_path / "a.glb")
    root = arrays[document["animations"][0]["samplers"][0]["output"]]
    length = int(exam.truth.lengths[0])
    np.testing.assert_allclose(root, made.root_positions[0, 0, :length], atol=1e-6)
    exported(*words, "--regime", "truth", "--with-history", "--to", str(tmp_path / "a.bvh"))
    back = rb.read_bvh(tmp_path / "a.bvh")
    past = exam.prompt.history.positions[0]
    assert back.frames == length + len(past)
    np.testing.assert_allclose(back.positions[0, : len(past)], past, atol=1e-4)
    np.testing.assert_allclose(back.positions[0, len(past) :], exam.truth.positions[0, :length], atol=1e-4)
    with pytest.raises(UserError, match=r"choose with --regime: truth, cold, frozen"):
        exported(*words, "--to", str(tmp_path / "b.glb"))
