"""SMPL's turns put on a body: against matrices joint by joint, in every layout that files have; pickles are refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.smpl import places, walk

from rae_bench.data.formats.archive import UNPICKLE
from rae_bench.data.formats.smpl import JOINTS, PARENTS, average_body, is_smpl, read_smpl, read_smpl_body
from rae_bench.data.importing.guess_roles import guess_roles
from rae_bench.errors import UserError
from rae_bench.rigs.file import rig_to_toml
from rae_bench.rigs.rig import make_rig
from rae_bench.rigs.tree import joint_list

UPRIGHT = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
"""From the file's axes, z up, to ours: z becomes y, and what pointed along -y points along z."""
SIZE = 1.5
"""Metres from sole to head."""


def saved(path: Path, arrays: dict[str, Any], **other: Any) -> Path:
    np.savez(path, **{key: value for key, value in (arrays | other).items() if value is not None})
    return path


def found(path: Path, **options: Any) -> np.ndarray:
    motion = read_smpl(path, average_body(), **options).motion
    return motion.positions[0][:, [motion.rig.index(joint) for joint in JOINTS]]


@pytest.mark.parametrize("joints", [22, 24, 52, 55])
def test_positions_are_those_of_matrices_joint_by_joint(joints: int, tmp_path: Path) -> None:
    """22: the body alone; 24: SMPL, whose hands turn what hangs on them and nothing does; 52: SMPL+H; 55: SMPL-X."""
    arrays = walk(90, joints=joints)
    path = saved(tmp_path / "a.npz", arrays)
    take = read_smpl(path, average_body())
    assert take.motion.fps == 120
    np.testing.assert_allclose(found(path), places(arrays) @ UPRIGHT.T, atol=1e-5 * SIZE)
    kinds = {note.kind for note in take.notes}
    assert kinds == ({"body", "fingers"} if joints > 24 else {"body"})
    assert any("betas" in note.text for note in take.notes)


def test_the_body_stands_and_faces_where_it_goes(tmp_path: Path) -> None:
    arrays = walk(120, heading=0.3)
    points = found(saved(tmp_path / "a.npz", arrays))
    height = dict(zip(JOINTS, points[0, :, 1], strict=True))
    assert height["head"] > height["pelvis"] > height["left_knee"] > height["left_foot"]
    across = points[0, JOINTS.index("left_hip")] - points[0, JOINTS.index("right_hip")]
    ahead = points[-1, 0] - points[0, 0]
    assert np.dot(np.cross(across, [0, 1, 0]), ahead) > 0  # the left side is to the left of where it walks


def test_other_layouts_of_the_same_motion(tmp_path: Path) -> None:
    arrays = walk(40, joints=52)
    whole = found(saved(tmp_path / "a.npz", arrays))
    turns = arrays["poses"].reshape(40, 52, 3)
    split = {"poses": None, "trans": None, "mocap_framerate": None, "fps": np.array([120]), "transl": arrays["trans"]}
    for name, other in {
        "single": {"poses": arrays["poses"].astype(np.float32)},
        "axes": {"poses": turns},
        "split": {**split, "global_orient": turns[:, 0], "body_pose": turns[:, 1:22].reshape(40, 63)},
        "split axes": {**split, "global_orient": turns[:, :1], "body_pose": turns[:, 1:22]},
        "rate": {"mocap_framerate": None, "mocap_frame_rate": np.array(120)},
    }.items():
        path = saved(tmp_path / f"{name}.npz", arrays, **other)
        assert is_smpl(path), name
        np.testing.assert_allclose(found(path), whole, atol=1e-5, err_msg=name)
    upright = arrays["trans"] @ UPRIGHT.T
    path = saved(tmp_path / "y.npz", arrays, trans=upright)
    np.testing.assert_allclose(found(path, up="y")[:, 0], whole[:, 0], atol=1e-6)


def test_what_is_missing_or_wrong_is_named(tmp_path: Path) -> None:
    arrays = walk(20)
    for other, message in (
        ({"trans": None}, "no array 'trans'; it holds poses"),
        ({"trans": np.zeros((19, 3))}, r"'trans' has shape \[19, 3\]"),
        ({"mocap_framerate": None}, "no frame rate in the file; give it with --recorded-fps"),
        ({"mocap_framerate": np.array(0.0)}, "mocap_framerate 0.0 is not a frame rate"),
        ({"poses": np.zeros((20, 60))}, "turns of 20 joints in 20 frames; SMPL has at least 22"),
        ({"poses": np.zeros((20, 67))}, "turns of 22.3333 joints"),
        ({"poses": np.zeros((0, 66)), "trans": np.zeros((0, 3))}, "in 0 frames"),
        ({"poses": np.full((20, 156), np.nan)}, "no place and no turn"),
        ({"poses": None, "global_orient": np.zeros((20, 3)), "body_pose": np.zeros((19, 63))}, "do not fit together"),
    ):
        path = saved(tmp_path / "bad.npz", arrays, **other)
        with pytest.raises(UserError, match=message) as error:
            read_smpl(path, average_body())
        assert str(error.value).startswith(str(path))
    assert read_smpl(saved(tmp_path / "b.npz", arrays, mocap_framerate=None), average_body(), fps=60).motion.fps == 60


def test_pickled_arrays_are_passed_over_unless_they_are_needed(tmp_path: Path) -> None:
    arrays = walk(20)
    whole = found(saved(tmp_path / "a.npz", arrays))
    path = saved(tmp_path / "gender.npz", arrays, gender=np.array("male", object), labels=np.array([{}, None]))
    np.testing.assert_array_equal(found(path), whole)
    pickled = np.empty(20, object)
    pickled[:] = list(arrays["poses"])
    path = saved(tmp_path / "IN.npz", arrays, poses=pickled)
    assert is_smpl(path)
    with pytest.raises(UserError, match=r"IN.npz: array 'poses' holds Python objects \(a pickle\), which can run code"):
        read_smpl(path, average_body())
    # The command that the message names makes a file that is read.
    command = UNPICKLE.partition('python -c "')[2].rstrip('"')
    subprocess.run([sys.executable, "-c", command], cwd=tmp_path, check=True)
    np.testing.assert_allclose(found(tmp_path / "OUT.npz"), whole, atol=1e-6)


def test_a_body_model_of_the_users_own_gives_the_bones(tmp_path: Path) -> None:
    """A surface whose every 4 vertices surround a joint: the regressor gives the joints back."""
    rng = np.random.default_rng(0)
    for count in (24, 52):
        joints = rng.normal(size=(count, 3))
        around = rng.normal(size=(count, 4, 3))
        around -= around.mean(1, keepdims=True)
        surface = (joints[:, None] + around).reshape(-1, 3)
        regressor = np.kron(np.eye(count), np.full(4, 0.25))
        tree = np.concatenate([PARENTS[:22], np.arange(count - 22)])
        tree[22:24] = 20, 21
        tree[[0]] = -1
        np.savez(
            tmp_path / "model.npz", v_template=surface, J_regressor=regressor,
            kintree_table=np.stack([tree, np.arange(count)]).astype(np.int64), dict=np.array({}, object),
        )  # fmt: skip
        body = read_smpl_body(tmp_path / "model.npz")
        np.testing.assert_allclose(body.pelvis, joints[0], atol=1e-12)
        np.testing.assert_allclose(body.offsets[1:22], (joints - joints[tree])[1:22], atol=1e-12)
        arrays = walk(10, joints=52)
        motion = read_smpl(saved(tmp_path / "a.npz", arrays), body).motion
        order = [motion.rig.index(joint) for joint in JOINTS]
        np.testing.assert_allclose(motion.positions[0][:, order], places(arrays, body) @ UPRIGHT.T, atol=1e-5)
    np.savez(tmp_path / "less.npz", v_template=np.zeros((4, 3)), J_regressor=np.zeros((5, 4)))
    with pytest.raises(UserError, match="J_regressor has 5 joints"):
        read_smpl_body(tmp_path / "less.npz")


def test_a_rig_file_gives_the_bones(tmp_path: Path) -> None:
    offsets = average_body().offsets * 1.1
    rig = make_rig("mine", joint_list(JOINTS, PARENTS, offsets), {})
    (tmp_path / "mine.toml").write_text(rig_to_toml(rig))
    np.testing.assert_allclose(read_smpl_body(tmp_path / "mine.toml").offsets, offsets, atol=1e-6)
    short = make_rig("short", [("pelvis", None, [0, 0, 0]), ("head", "pelvis", [0, 1, 0])], {})
    (tmp_path / "short.toml").write_text(rig_to_toml(short))
    with pytest.raises(UserError, match=r"short\.toml: no joint left_hip"):
        read_smpl_body(tmp_path / "short.toml")


def test_the_average_body_has_a_persons_measures() -> None:
    """Drillis and Contini's shares of 1.7 m: thigh 0.245, shank 0.246, upper arm 0.186, forearm 0.146."""
    body = average_body()
    length = dict(zip(JOINTS, np.linalg.norm(body.offsets, axis=-1) / 1.7, strict=True))
    for joint, share in {"knee": 0.245, "ankle": 0.246, "elbow": 0.186, "wrist": 0.146}.items():
        assert length[f"left_{joint}"] == pytest.approx(share, abs=1e-3)
        assert length[f"right_{joint}"] == pytest.approx(length[f"left_{joint}"], abs=1e-12)


def test_roles_are_guessed_right() -> None:
    rig = make_rig("smpl", joint_list(JOINTS, PARENTS, average_body().offsets), {})
    roles, touching = guess_roles(rig)
    sides = {f"{side}_{role}": f"{side}_{joint}" for side in ("left", "right") for role, joint in (
        ("hand", "wrist"), ("foot", "ankle"))}  # fmt: skip
    assert roles == {"pelvis": "pelvis", "head": "head", **sides}
    assert touching == ["left_foot", "right_foot"]


def test_positions_are_no_smpl(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", poses=np.zeros((4, 24, 3)), names=np.array(["a"]))
    assert not is_smpl(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04 no archive")
    assert not is_smpl(tmp_path / "b.npz")
    assert not is_smpl(tmp_path / "c.npz")
