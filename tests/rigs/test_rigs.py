"""Built-in rigs and rig files: shape, sides, round trip, and what is said of a malformed one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rae_bench.errors import UserError
from rae_bench.motion.root import heading_angle
from rae_bench.rigs.builtin import builtin_rigs
from rae_bench.rigs.file import load_rig, read_rig, rig_to_toml
from rae_bench.rigs.rig import ROLES, Rig

BIPEDS = {"r1": (31, 0.175), "r2": (31, 0.191), "r3": (29, 0.189), "r4": (24, 0.210), "r5": (32, 0.169)}


@pytest.fixture(params=builtin_rigs())
def rig(request: pytest.FixtureRequest) -> Rig:
    return load_rig(request.param)


def test_all_rigs_are_listed() -> None:
    assert {*BIPEDS, "quad", "hexapod", "arm"} <= set(builtin_rigs())


@pytest.mark.parametrize("name", BIPEDS)
def test_bipeds_have_the_thesis_joint_counts_and_bone_lengths(name: str) -> None:
    joints, bone = BIPEDS[name]
    rig = load_rig(name)
    assert len(rig) == joints
    assert np.linalg.norm(rig.offsets[1:], axis=1).mean() == pytest.approx(bone, abs=5e-4)
    assert 1.4 < rig.height < 2.0
    assert set(rig.roles) == {"pelvis", "head", "left_hand", "right_hand", "left_foot", "right_foot"}


def test_other_rigs_fill_their_roles() -> None:
    assert set(load_rig("quad").roles) == set(ROLES[:6])
    assert 27 <= len(load_rig("quad")) <= 31
    assert set(load_rig("hexapod").roles) == set(ROLES)
    arm = load_rig("arm")
    assert arm.fixed_base
    assert set(arm.roles) == {"pelvis", "right_hand"}
    assert len(arm.contact_joints) == 0
    assert (np.ptp(arm.limits, axis=2) > 0).any(1).sum() == 7


def test_rest_stands_on_its_contact_joints_facing_forward(rig: Rig) -> None:
    positions, rotations = rig.rest_global
    assert heading_angle(positions, rotations, rig) == pytest.approx(0, abs=1e-6)
    if len(rig.contact_joints):
        np.testing.assert_allclose(positions[rig.contact_joints, 1], 0, atol=1e-4)
    np.testing.assert_allclose(rotations, np.tile(np.float32([1, 0, 0, 0]), (len(rig), 1)), atol=1e-7)


def test_left_and_right_are_mirror_images(rig: Rig) -> None:
    mirrored = rig.rest_global[0][rig.mirror] * np.float32([-1, 1, 1])
    np.testing.assert_allclose(rig.rest_global[0], mirrored, atol=1e-6)
    np.testing.assert_array_equal(rig.mirror[rig.mirror], np.arange(len(rig)))
    flipped = rig.limits[rig.mirror].copy()
    flipped[:, 1:] = -flipped[:, 1:, ::-1]
    if rig.name != "arm":
        np.testing.assert_allclose(rig.limits, flipped, atol=1e-6)
        left = [rig.roles[role] for role in ROLES if role.startswith("left") and role in rig.roles]
        assert (rig.rest_global[0][left, 0] > 0.02).all()


def test_rest_lies_within_limits(rig: Rig) -> None:
    assert (rig.limits[..., 0] <= 0).all()
    assert (rig.limits[..., 1] >= 0).all()


@pytest.mark.parametrize("name", BIPEDS)
def test_arms_hang_out_from_the_body(name: str) -> None:
    rig = load_rig(name)
    hand = rig.roles["left_hand"]
    shoulder = rig.parents[rig.parents[hand]]
    x, y, _ = rig.rest_global[0][hand] - rig.rest_global[0][shoulder]
    assert 18 < np.degrees(np.arctan2(x, -y)) < 46


def test_rig_files_round_trip(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / f"{rig.name}.toml"
    path.write_text(rig_to_toml(rig), encoding="utf-8")
    back = read_rig(path)
    assert back.content_hash == rig.content_hash
    assert back.joint_names == rig.joint_names
    assert dict(back.roles) == dict(rig.roles)
    assert back.description == rig.description
    for field in ("parents", "offsets", "contact_joints", "limits", "mirror", "rest"):
        np.testing.assert_allclose(getattr(back, field), getattr(rig, field), atol=1e-6)


GOOD = {
    "hips": '{ name = "hips", offset = [0, 1, 0] }',
    "spine": '{ name = "spine", parent = "hips", offset = [0, 0.3, 0] }',
    "head": '{ name = "head", parent = "spine", offset = [0, 0.3, 0] }',
}
ROLE_LINES = 'pelvis = "hips"\nhead = "head"'


def _file(folder: Path, joints: dict[str, str], roles: str = ROLE_LINES, extra: str = "") -> Path:
    path = folder / "odd.toml"
    path.write_text(
        f'name = "odd"\njoints = [{", ".join(joints.values())}]\n{extra}\n[roles]\n{roles}\n', encoding="utf-8"
    )
    return path


def test_the_good_file_reads(tmp_path: Path) -> None:
    assert len(read_rig(_file(tmp_path, GOOD))) == 3


@pytest.mark.parametrize(
    ("change", "roles", "extra", "joint", "fault"),
    [
        ({"spine": '{ name = "spine", parent = "head", offset = [0, 1, 0] }'}, ROLE_LINES, "", "spine", "cycle"),
        ({"spine": '{ name = "spine", offset = [0, 1, 0] }'}, ROLE_LINES, "", "spine", "second root"),
        ({}, ROLE_LINES + '\ntail = "spine"', "", "spine", "unknown role 'tail'"),
        ({}, ROLE_LINES + '\nleft_hand = "claw"', "", "claw", "does not exist"),
        ({}, 'pelvis = "hips"\nhead = "hips"', "", "hips", "two roles"),
        ({"more": '{ name = "spine", parent = "hips", offset = [0, 1, 0] }'}, ROLE_LINES, "", "spine", "twice"),
        ({"head": '{ name = "head", parent = "spine", offset = [0, nan, 0] }'}, ROLE_LINES, "", "head", "not finite"),
        ({"head": '{ name = "head", parent = "spine", offset = [0, 1] }'}, ROLE_LINES, "", "head", "3 numbers"),
        ({"head": '{ name = "head", parent = "neck", offset = [0, 1, 0] }'}, ROLE_LINES, "", "head", "'neck' does not"),
        (
            {
                "spine": '{ name = "spine", parent = "hips", offset = [0, 0, 0] }',
                "head": '{ name = "head", parent = "spine", offset = [0, 0, 0] }',
            },
            ROLE_LINES,
            "",
            "head",
            "zero-length",
        ),
        (
            {"head": '{ name = "head", parent = "spine", offset = [0, 1, 0], limits = { x = [30, -30] } }'},
            ROLE_LINES,
            "",
            "head",
            "from 30 down to -30",
        ),
        (
            {"head": '{ name = "head", parent = "spine", offset = [0, 1, 0], rest = [1, 1, 0, 0] }'},
            ROLE_LINES,
            "",
            "head",
            "unit quaternion",
        ),
        ({}, ROLE_LINES, 'contact_joints = ["toe"]', "toe", "contact_joints"),
        ({}, ROLE_LINES, 'mirror = [["hips", "toe"]]', "toe", "mirror pair"),
    ],
)
def test_a_malformed_rig_is_refused_in_one_line(
    change: dict[str, str], roles: str, extra: str, joint: str, fault: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        read_rig(_file(tmp_path, GOOD | change, roles, extra))
    message = str(caught.value)
    assert "\n" not in message
    assert "odd.toml" in message
    assert f"'{joint}'" in message
    assert fault in message


def test_unknown_names_get_a_suggestion() -> None:
    with pytest.raises(UserError, match="did you mean quad"):
        load_rig("quadd")
    with pytest.raises(UserError, match="no such rig file"):
        load_rig("nowhere.toml")
