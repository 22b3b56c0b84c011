"""Reading DeepMimic clips: a character and rows worked out by hand, faults, and the published clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.deepmimic import HALF, ROWS, UNIT, character, row
from helpers.faults import check_fault

from rae_bench.data.formats.deepmimic import read_character, read_deepmimic
from rae_bench.data.formats.take import Take
from rae_bench.errors import UserError
from rae_bench.kinematics import quat


def read(folder: Path, rows: Any = ROWS, **options: Any) -> Take:
    path = folder / "clip.json"
    path.write_text(json.dumps({"Loop": "wrap", "Frames": rows}))
    return read_deepmimic(path, [read_character(character(folder))], **options)


def test_rows_worked_out_by_hand(tmp_path: Path) -> None:
    take = read(tmp_path)
    motion = take.motion
    assert motion.fps == 10
    assert motion.rig.joint_names == ("root", "knee", "ankle", "chest", "head")
    ankle, head = motion.positions[0, :, 2], motion.positions[0, :, 4]
    # The root's own attachment of (9, 9, 9) is not added; a knee bent a quarter turn about z takes -y to +x.
    np.testing.assert_allclose(ankle, [[0, 0.1, 0], [1.4, 0.5, 0], [2, 0.1, 0]], atol=1e-6)
    # Last: the chest turns a quarter about z (+y to -x), then the root a quarter about y (-x to +z).
    np.testing.assert_allclose(head, [[0, 1.5, 0], [1, 1.5, 0], [2, 1.3, 0.2]], atol=1e-6)
    assert take.notes[0].text == "quaternions were not of unit length, by up to 2 (chest, frame 2): normalised"
    np.testing.assert_allclose(np.linalg.norm(motion.rotations, axis=-1), 1, atol=1e-6)
    assert read(tmp_path, ROWS[:2]).notes == ()


def test_uneven_frames_are_resampled(tmp_path: Path) -> None:
    times = [0, 0.1, 0.2, 0.4, 0.5]
    rows = [row(0.2 if t == 0.2 else 0.1, [t, 1, 0], quat.from_yaw(np.array(t)).tolist(), 0, UNIT) for t in times]
    take = read(tmp_path, rows)
    assert take.motion.fps == 10
    np.testing.assert_allclose(take.motion.root_positions[0, :, 0], [0, 0.1, 0.2, 0.3, 0.4, 0.5], atol=1e-6)
    turned = quat.from_yaw(np.arange(6) / 10)
    assert quat.angle(take.motion.rotations[0, :, 0].astype(float), turned).max() < 1e-6
    assert "frames last 0.1 to 0.2 s: resampled to 10 fps" in take.notes[0].text


def test_z_up(tmp_path: Path) -> None:
    np.testing.assert_allclose(read(tmp_path, up="z").motion.root_positions[0, 1], [1, 0, -1], atol=1e-6)


def test_cycles_are_played_on(tmp_path: Path) -> None:
    """Two steps of 0.1 s: one goes 1 m ahead, the second, turned by a quarter, 1 m in the direction then faced."""
    motion = read(tmp_path, loop_seconds=0.7).motion
    assert motion.frames == 7
    # The cycle goes from x = 0 to x = 2 and ends turned from +Z to +X, so that the next one goes along -z, then -x.
    expected = [[0, 1, 0], [1, 1, 0], [2, 1, 0], [2, 1, -1], [2, 1, -2], [1, 1, -2], [0, 1, -2]]
    np.testing.assert_allclose(motion.root_positions[0], expected, atol=1e-6)
    quarter = np.array([HALF, 0, HALF, 0])
    for frame, turns in enumerate([0, 0, 1, 1, 2, 2, 3]):
        expected_turn = np.array(UNIT)
        for _ in range(turns):
            expected_turn = quat.mul(quarter, expected_turn)
        assert quat.angle(motion.rotations[0, frame, 0].astype(float), expected_turn) < 1e-3
    knee = motion.rotations[0, :, 1].astype(float)
    assert quat.angle(knee[1], knee[[3, 5]]).max() < 1e-6
    once = read(tmp_path).motion
    assert once.frames == 3
    assert read(tmp_path, loop_seconds=0.2).motion.frames == 3
    (tmp_path / "clip.json").write_text(json.dumps({"Loop": "none", "Frames": ROWS}))
    whole = read_deepmimic(tmp_path / "clip.json", [read_character(character(tmp_path))], loop_seconds=9)
    assert whole.motion.frames == 3


def changed(frame: int, column: int, value: float) -> list[list[float]]:
    rows = [list(each) for each in ROWS]
    rows[frame][column] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "Frames is empty"),
        ([[]], "no character file fits rows of 0 numbers (known: figure.json (17))"),
        ([ROWS[0], ROWS[1][:-1]], "frame 1: 16 numbers, the first frame has 17"),
        ([each[:-1] for each in ROWS], "no character file fits rows of 16 numbers"),
        (changed(1, 2, 1e300), "frame 1: number 2 is 1e+300"),
        ([[*ROWS[0][:4], 0, 0, 0, 0, *ROWS[0][8:]]], "frame 0: the quaternion of 'root' is 0"),
        (changed(0, 0, 0), "frame 0: lasts 0 s"),
        (changed(1, 0, -1), "frame 1: lasts -1 s"),
        (changed(0, 0, 1e-5) * 9, "no even rate fits"),
        (changed(1, 1, "far"), "not as expected: Expected `float`, got `str` - at `$.Frames[1][1]`"),
        (3, "not as expected"),
    ],
)
def test_faults(tmp_path: Path, rows: Any, message: str) -> None:
    if message == "no even rate fits":
        rows = [*([row(1e-5, [0, 1, 0], UNIT, 0, UNIT)] * 3), row(900, [0, 1, 0], UNIT, 0, UNIT), ROWS[2]]
    with pytest.raises(UserError) as caught:
        read(tmp_path, rows)
    check_fault(caught, tmp_path / "clip.json", message)


@pytest.mark.parametrize("text", ["[1,", '{"Frames": [[NaN]]}', "\xff", "[" * 100_000, "null"])
def test_broken_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "clip.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"clip\.json: "):
        read_deepmimic(tmp_path / "clip.json", [])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"knee": {"Type": "prismatic"}}, "joint 'knee': type 'prismatic'"),
        ({"knee": {"Type": "none"}}, "joint 'knee': type 'none'"),
        ({"root": {"Type": "fixed"}}, "joint 'root': type 'fixed'"),
        ({"knee": {"Parent": 7}}, "joint 'knee': parent 7"),
        ({"knee": {"Parent": 2}}, "joint 'knee': its parents form a cycle"),
        ({"knee": {"Parent": -1}}, "one root"),
        ({"knee": {"ID": 3}}, "joint 'knee': ID 3, but it stands at place 1"),
        ({"knee": {"Name": "root"}}, "a second joint called 'root'"),
        ({"knee": {"AttachThetaX": 1}}, "AttachTheta is not 0"),
        ({"knee": {"AttachX": 1e99}}, "no place"),
        ({"knee": {"AttachX": "1"}}, "not as expected"),
    ],
)
def test_character_faults(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=r"figure\.json: ") as caught:
        read_character(character(tmp_path, **changes))
    assert message in str(caught.value)


def test_the_published_clips(recordings: Path) -> None:
    folder = recordings / "deepmimic"
    characters = [read_character(path) for path in sorted((folder / "characters").glob("*.json"))]
    takes = {path.stem: read_deepmimic(path, characters) for path in (folder / "motions").glob("*.json")}
    listed = {Path(e["file"]).stem: e for e in json.loads((folder / "manifest.json").read_text()) if "rig" in e}
    assert len(takes) == len(listed) == 17
    for name, take in takes.items():
        motion = take.motion
        assert len(motion.rig) == (15 if name.startswith("humanoid3d") else 23)
        lost = listed[name]["seconds"] - (motion.frames - 1) / motion.fps  # the manifest has two digits
        assert -0.006 < lost < 1 / motion.fps + 0.006
    # Its README: the norm is off by up to 0.42 in `kick`; feet reach 3 to 6 cm; forward displacements.
    assert "by up to 0.42" in takes["humanoid3d_kick"].notes[0].text
    for name, distance, seconds in (
        ("humanoid3d_walk", 1.24, 1.27),
        ("humanoid3d_run", 2.85, 0.8),
        ("dog3d_canter", 2.27, 0.45),
    ):
        motion = takes[name].motion
        path = motion.root_positions[0]
        assert path[-1, 0] - path[0, 0] == pytest.approx(distance, abs=0.02)
        assert (motion.frames - 1) / motion.fps == pytest.approx(seconds, abs=0.01)
    walk = takes["humanoid3d_walk"].motion
    feet = walk.positions[0][:, [walk.rig.index("left_ankle"), walk.rig.index("right_ankle")], 1]
    assert 0.03 < feet.min() < 0.06
    assert "resampled to 60 fps" in " ".join(note.text for note in takes["humanoid3d_roll"].notes)
