"""Reading the thesis' Unity recordings: left-handed matrices worked out by hand, faults, and two real files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.faults import check_fault
from helpers.unity import NAMES, SKELETON, frames, joint, vector

from rae_bench.data.formats.joint_tree import JointTree
from rae_bench.data.formats.take import Take
from rae_bench.data.formats.unity import _quaternions, read_unity
from rae_bench.errors import UserError

R1 = [-1, 0, 1, 2, 3, 4, 5, 2, 7, 8, 9, 2, 11, -1, 13, 14, 15, -1, 17, 18, 19]
R3 = [-1, 0, 1, 2, 3, 4, 5, 6, 7, 6, 9, 6, 2, 12, 13, 14, 15, 16, 15, 18, 15, 2, 21, -1, 23, 24, 25, -1, 27, 28, 29]








def read(folder: Path, listed: Any, **options: Any) -> Take:
    path = folder / "clip.json"
    path.write_text(json.dumps({"timestamp": [0, 1], "frames": listed}))
    return read_unity(path, [SKELETON], **{"fps": 60, "root_path": "children", **options})


def test_left_handed_axes_worked_out_by_hand(tmp_path: Path) -> None:
    motion = read(tmp_path, frames()).motion
    assert motion.rig.joint_names == ("pelvis", *NAMES)
    assert motion.fps == 60
    # The left arm is at Unity's -x, hence at +x; after a quarter turn to the right the left arm points ahead.
    np.testing.assert_allclose(motion.positions[0, :, 2], [[0.5, 1, 0], [0, 1, 2.5]], atol=1e-6)
    np.testing.assert_allclose(motion.positions[0, :, 3], [[-0.5, 1, 0], [0, 1, 1.5]], atol=1e-6)
    np.testing.assert_allclose(motion.root_positions[0], [[0, 0, 0], [0, 0, 2]], atol=1e-6)
    ahead = motion.global_rotations[0, 1, 1]  # right is -x: a turn about the vertical by -90 degrees
    np.testing.assert_allclose(np.abs(ahead), [0.5**0.5, 0, 0.5**0.5, 0], atol=1e-6)
    assert ahead[0] * ahead[2] < 0


def test_what_the_file_lacks_has_to_be_given(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no frame rate in the file .*--recorded-fps"):
        read(tmp_path, frames(), fps=None)
    with pytest.raises(UserError, match=r"no root: .*--root-path fixed .*--root-path children"):
        read(tmp_path, frames(), root_path=None)
    with pytest.raises(UserError, match=r"travels 2 .*--root-path children"):
        read(tmp_path, frames(), root_path="fixed")
    with pytest.raises(UserError, match="none of fixed, children"):
        read(tmp_path, frames(), root_path="path")
    with pytest.raises(UserError, match="no skeleton file has 2 joints"):
        read(tmp_path, [{"joints": each["joints"][:2]} for each in frames()])
    still = read(tmp_path, frames()[:1], root_path="fixed")
    assert not still.motion.root_positions.any()


def test_bones_that_stretch_are_told(tmp_path: Path) -> None:
    listed = frames() * 2
    listed[3] = {"joints": [joint((0, 1, 2), 90), joint((0, 1, 2.7), 90), joint((0, 1, 1.5), 90)]}
    note = read(tmp_path, listed).notes[0]
    assert "bones stray by up to 20 % of the longest (arm_left)" in note.text


def broken(change: Any) -> list[dict[str, Any]]:
    listed = json.loads(json.dumps(frames()))
    change(listed)
    return listed  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ([], "frames is empty"),
        ([{"joints": []}], "0 joints in the first frame"),
        (broken(lambda f: f[1]["joints"].pop()), "frame 1: 2 joints, the first frame has 3"),
        (broken(lambda f: f[1]["joints"][2]["position"].update(x=1e300)), "frame 1, joint 2: its position or"),
        (broken(lambda f: f[1]["joints"][0]["rotMat"]["c0"].update(z=1)), "frame 1, joint 0: rotMat is no rotation"),
        (broken(lambda f: f[0]["joints"][0]["rotMat"].update(c1=vector(0, -1, 0))), "rotMat is no rotation"),
        (broken(lambda f: f[0]["joints"][1].pop("rotMat")), "field `rotMat` - at `$.frames[0].joints[1]`"),
        (broken(lambda f: f[0]["joints"][1]["position"].update(x="1")), "Expected `float`, got `str`"),
        (broken(lambda f: f[0]["joints"][1]["position"].update(x=float("nan"))), "not whole JSON"),
        ([{"joints": [joint((0, 0, 0))] * 1001}], "1001 joints in the first frame"),
    ],
)
def test_faults(tmp_path: Path, listed: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, listed)
    check_fault(caught, tmp_path / "clip.json", message)


def test_quaternions_of_matrices() -> None:
    from scipy.spatial.transform import Rotation

    turns = Rotation.concatenate(
        [Rotation.random(500, random_state=0), Rotation.from_rotvec(np.pi * np.eye(3)), Rotation.identity(1)]
    )
    same = np.abs((_quaternions(turns.as_matrix()) * turns.as_quat(scalar_first=True)).sum(-1))
    np.testing.assert_allclose(same, 1, atol=1e-12)


@pytest.mark.parametrize(("file", "parents"), [("R1_locomotion_00", R1), ("R3_locomotion_03", R3)])
def test_the_thesis_recordings(recordings: Path, file: str, parents: list[int]) -> None:
    path = recordings / "thesis_unity" / f"{file}.json"
    skeleton = JointTree(tuple(f"j{j}" for j in range(len(parents))), np.array(parents), "root")
    take = read_unity(path, [skeleton], fps=60, root_path="children")
    raw = json.loads(path.read_text())["frames"]
    places = [[each["position"] for each in frame["joints"]] for frame in raw]
    recorded = np.array([[[-p["x"], p["y"], p["z"]] for p in frame] for frame in places])
    assert take.motion.positions.shape[2] == len(parents) + 1
    assert take.notes == ()
    fitted = take.motion.positions[0]
    index = [take.motion.rig.index(f"j{j}") for j in range(len(parents))]
    assert np.abs(fitted[:, index] - recorded).max() < 1e-4
    quaternions = [[each["rotQuaternion"]["value"] for each in frame["joints"]] for frame in raw]
    # The same turns as the file's own quaternions, mirrored: x and the sense of turning change.
    told = np.array([[[q["w"], q["x"], -q["y"], -q["z"]] for q in frame] for frame in quaternions])
    assert np.abs((take.motion.global_rotations[0][:, index] * told).sum(-1)).min() > 1 - 1e-6
