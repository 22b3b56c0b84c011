"""Writing BVH: reading it back gives the same motion, on every rig, and angles do not jump."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rae_bench as rb
from rae_bench.data.formats.bvh_write import continuous_angles, end_sites
from rae_bench.data.generators.locomotion.locomotion import load_locomotion
from rae_bench.kinematics import quat
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.rigs.builtin import builtin_rigs
from rae_bench.rigs.file import load_rig
from rae_bench.rigs.rig import make_rig

WALKERS = [name for name in builtin_rigs() if not load_rig(name).fixed_base]


def check_round_trip(path: Path, motion: Motion, clip: int = 0, unit: str = "cm") -> tuple[float, float]:
    rb.write_bvh(path, motion, clip, unit=unit)
    back = rb.read_bvh(path, unit=unit)
    frames = int(motion.lengths[clip])
    assert back.rig.joint_names == motion.rig.joint_names
    assert back.rig.parents.tolist() == motion.rig.parents.tolist()
    assert back.fps == pytest.approx(motion.fps, rel=1e-6)
    assert int(back.lengths[0]) == frames
    moves = ~end_sites(motion.rig)  # End Sites have no channels
    metres = float(np.abs(back.positions[0] - motion.positions[clip, :frames]).max())
    radians = float(quat.angle(back.rotations[0], motion.rotations[clip, :frames])[:, moves].max())
    assert metres < 1e-4
    assert radians < 1e-3
    return metres, radians


@pytest.mark.parametrize("name", WALKERS)
def test_locomotion(name: str, tmp_path: Path) -> None:
    motion = load_locomotion(load_rig(name), clips=24).motion
    for clip, unit in ((0, "cm"), (23, "m")):
        check_round_trip(tmp_path / f"{clip}.bvh", motion, clip, unit)


@pytest.mark.parametrize("name", builtin_rigs())
def test_random_rotations(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rig = load_rig(name)
    q = quat.normalize(rng.normal(size=(2, 40, len(rig), 4)))
    contacts = np.zeros((2, 40, len(rig.contact_joints)), bool)
    motion = make_motion(rig, 29.97, rng.normal(size=(2, 40, 3)), q, lengths=np.array([40, 17]), contacts=contacts)
    check_round_trip(tmp_path / "a.bvh", motion, 0)
    check_round_trip(tmp_path / "b.bvh", motion, 1, "mm")


@pytest.mark.parametrize("name", ["dog_mann/D1_008_KAN01_001", "human_bandai/dataset-1_walk_normal_001"])
def test_real_files(name: str, recordings: Path, tmp_path: Path) -> None:
    check_round_trip(tmp_path / "again.bvh", rb.read_bvh(recordings / f"{name}.bvh"))


@pytest.mark.parametrize(
    ("file", "unit"),
    [
        ("dog_mann/D1_010_KAN01_002.bvh", "cm"),
        ("dog_labrador/dog_back_001.bvh", "cm"),
        ("human_bandai/dataset-1_walk_normal_001.bvh", "cm"),
        ("human_lafan1/push1_subject2.bvh", "cm"),
        ("human_cmu/02_01.bvh", 0.056444),
    ],
)
def test_what_was_read_and_written_reads_the_same(
    file: str, unit: str | float, recordings: Path, tmp_path: Path
) -> None:
    """To 1e-6 (radians, metres); positions in double precision, for single has 5e-7 m at six metres from the origin."""
    first = rb.read_bvh(recordings / file, unit=unit)
    rb.write_bvh(tmp_path / "again.bvh", first)
    again = rb.read_bvh(tmp_path / "again.bvh")
    assert again.rig.joint_names == first.rig.joint_names
    assert np.abs(again.rig.offsets - first.rig.offsets)[1:].max() < 1e-6
    assert np.abs(again.root_positions - first.root_positions).max() < 1e-6
    assert quat.angle(again.rotations.astype(float), first.rotations.astype(float)).max() < 1e-6
    places = [
        m.rig.forward_kinematics(m.rotations.astype(float), m.root_positions.astype(float))[0] for m in (first, again)
    ]
    assert np.abs(places[1] - places[0]).max() < 1e-6


def test_end_sites(tmp_path: Path) -> None:
    joints = [
        ("Hips", None, (0, 1, 0)),
        ("Arm", "Hips", (0, 0.5, 0)),
        ("Arm_end", "Arm", (0.1, 0, 0)),
        ("Arm_end2", "Arm", (0.2, 0, 0)),
        ("Leg", "Hips", (0, -0.5, 0)),
        ("Arm_end3", "Leg", (0, -0.5, 0)),
        ("Tail", "Hips", (0, 0, -0.3)),
    ]
    rig = make_rig("ends", joints, {})
    assert [rig.joint_names[j] for j in np.flatnonzero(end_sites(rig))] == ["Arm_end", "Arm_end2"]
    rest = np.tile(quat.IDENTITY, (1, 1, len(rig), 1))
    motion = make_motion(rig, 30, np.ones((1, 1, 3)), rest, contacts=np.zeros((1, 1, 0), bool))
    check_round_trip(tmp_path / "ends.bvh", motion)
    text = (tmp_path / "ends.bvh").read_text(encoding="utf-8")
    assert text.count("End Site") == 2
    assert text.count("CHANNELS 6 ") == 1
    assert "JOINT Arm_end3" in text


def test_angles_run_on() -> None:
    """A joint that turns on about each axis, through half turns and through the pole where z and y are one."""
    turns = np.linspace(0, 6 * np.pi, 300)
    axes = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0], [0.6, 0.8, 0], [0.48, 0.6, 0.64]])
    q = quat.from_axis_angle(axes, np.repeat(turns[:, None], len(axes), 1))
    angles = continuous_angles(q)
    assert np.abs(np.diff(angles[:, :3], axis=0)).max() < 6
    np.testing.assert_allclose(angles[-1, 0], [1080, 0, 0], atol=1e-3)
    assert np.abs(np.diff(angles, axis=0)).max() < 181  # near the pole angles are fast, but never half a turn too many
    again = quat.from_euler("ZXY", np.moveaxis(angles, -1, 0))
    assert quat.angle(again, q).max() < 1e-6


@pytest.mark.parametrize("pole", [90.0, -90.0])
def test_angles_at_the_pole(pole: float) -> None:
    away = np.array([[2.0], [1], [0], [0], [1]])
    q = quat.from_euler("ZXY", [30 + 0 * away, pole - np.sign(pole) * away, 20 + 0 * away])
    angles = continuous_angles(q)
    assert quat.angle(quat.from_euler("ZXY", np.moveaxis(angles, -1, 0)), q).max() < 1e-6
    assert np.abs(np.diff(angles, axis=0)).max() < 1.01


def test_refusals(tmp_path: Path) -> None:
    rig = load_rig("quad")
    rest = np.tile(rig.rest, (1, 2, 1, 1))
    contacts = np.zeros((1, 2, len(rig.contact_joints)), bool)
    motion = make_motion(rig, 30, np.zeros((1, 2, 3)), rest, contacts=contacts)
    path = tmp_path / "no.bvh"
    with pytest.raises(rb.UserError, match="clip 1 of a motion that has 1"):
        rb.write_bvh(path, motion, 1)
    with pytest.raises(rb.UserError, match="unknown unit"):
        rb.write_bvh(path, motion, unit="ells")
    with pytest.raises(rb.UserError, match="not finite"):
        rb.write_bvh(path, replace(motion, root_positions=motion.root_positions * np.nan))
    assert not list(tmp_path.iterdir())
