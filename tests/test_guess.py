"""Roles and contacts from names: the spellings of ten rigs, as their descriptions name the joints."""

from __future__ import annotations

import numpy as np
import pytest

from rae_bench.data.guess import guess_roles, word_pairs, words
from rae_bench.rig import Rig, load_rig, make_rig
from rae_bench.rigs import builtin_rigs


def rig_of(text: str) -> Rig:
    """ "a b(a) c(b)": names with their parents; a `!` makes an End Site of some length."""
    joints = []
    for entry in text.split():
        name, _, parent = entry.rstrip(")!").partition("(")
        length = 0.1 if "end" not in name or entry.endswith("!") else 0
        joints.append((name, parent or None, [0, length, 0]))
    return make_rig("r", joints, {})


def sides(text: str, left: str = "Left", right: str = "Right") -> str:
    return f"{text} {text.replace(left, right)}"


CASES = {
    "mixamo": (
        "mixamorig:Hips mixamorig:Spine(mixamorig:Hips) mixamorig:Head(mixamorig:Spine) "
        + sides(
            "mixamorig:LeftHand(mixamorig:Spine) mixamorig:LeftHandIndex1(mixamorig:LeftHand) "
            "mixamorig:LeftUpLeg(mixamorig:Hips) mixamorig:LeftFoot(mixamorig:LeftUpLeg) "
            "mixamorig:LeftToeBase(mixamorig:LeftFoot)"
        ),
        ("mixamorig:Hips", "mixamorig:Head", "mixamorig:LeftHand", "mixamorig:LeftFoot"),
        "mixamorig:LeftToeBase",
    ),
    "underscores": (
        "root Hips(root) Neck(Hips) Head(Neck) "
        + sides("Shoulder_L(Hips) Hand_L(Shoulder_L) UpperLeg_L(Hips) Foot_L(UpperLeg_L) Toes_L(Foot_L)", "_L", "_R"),
        ("Hips", "Head", "Hand_L", "Foot_L"),
        "Toes_L",
    ),
    "3dsmax": (
        "Hips Head(Hips) LHipJoint(Hips) RHipJoint(Hips) "
        + sides("LeftWrist(Hips) LeftAnkle(Hips) LeftToe(LeftAnkle)")
        + " lhand(LeftWrist) rhand(RightWrist)",
        ("Hips", "Head", "LeftWrist", "LeftAnkle"),
        "LeftToe",
    ),
    "deepmimic": (
        "root chest(root) neck(chest) "
        + sides("left_wrist(chest) left_hip(root) left_ankle(left_hip)", "left", "right"),
        ("root", "neck", "left_wrist", "left_ankle"),
        "left_ankle",
    ),
    "end sites": (
        "Hips Head(Hips) " + sides("LeftHand(Hips) LeftFoot(Hips) LeftFoot_end(LeftFoot)!"),
        ("Hips", "Head", "LeftHand", "LeftFoot"),
        "LeftFoot_end",
    ),
    "end sites of no length": (
        "Hips Head(Hips) " + sides("LeftHand(Hips) LeftFoot(Hips) LeftFoot_end(LeftFoot)"),
        ("Hips", "Head", "LeftHand", "LeftFoot"),
        "LeftFoot",
    ),
    "biped": (
        "Bip01 b_Pelvis(Bip01) b_Head(b_Pelvis) Bip01_HeadNub(b_Head) "
        + sides(
            "Bip01_L_Hand(b_Pelvis) Bip01_L_Foot(b_Pelvis) Bip01_L_Toe0(Bip01_L_Foot) "
            "Bip01_L_Toe0Nub(Bip01_L_Toe0)",
            "L_",
            "R_",
        ),
        ("b_Pelvis", "b_Head", "Bip01_L_Hand", "Bip01_L_Foot"),
        "Bip01_L_Toe0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_people(case: str) -> None:
    text, (pelvis, head, hand, foot), touching = CASES[case]
    rig = rig_of(text)
    roles, contacts = guess_roles(rig)
    assert (roles["pelvis"], roles["head"], roles["left_hand"], roles["left_foot"]) == (pelvis, head, hand, foot)
    assert len(roles) == 6
    assert len(contacts) == 2
    assert touching in contacts


DOG = "Hips Head(Hips) " + sides(
    "LeftArm(Hips) LeftHand(LeftArm) LeftFinger(LeftHand) LeftLeg(Hips) LeftFoot(LeftLeg) LeftToe(LeftFoot) "
    "LeftToe002(LeftToe)"
)


def test_hands_that_walk_are_feet() -> None:
    rig = rig_of(DOG)
    heights = np.array(
        [0.5 if n == "Hips" else 0.02 if ("Toe" in n or "Finger" in n) else 0.2 for n in rig.joint_names]
    )
    positions = np.stack([0 * heights, heights, 0 * heights], -1)[None]
    roles, contacts = guess_roles(rig, positions)
    assert roles["left_hand"] == "LeftFinger"
    assert roles["right_foot"] == "RightToe"
    assert sorted(contacts) == ["LeftFinger", "LeftToe", "RightFinger", "RightToe"]
    positions[:, [rig.index("LeftFinger"), rig.index("RightFinger")], 1] = 0.4  # begging
    roles, contacts = guess_roles(rig, positions)
    assert roles["left_hand"] == "LeftHand"
    assert sorted(contacts) == ["LeftToe", "RightToe"]


def test_six_legs() -> None:
    fly = "root " + " ".join(f"{s}{p}_coxa(root) {s}{p}_claw({s}{p}_coxa)" for s in "LR" for p in "FMH")
    roles, contacts = guess_roles(rig_of(fly))
    assert roles["left_hand"] == "LF_claw"
    assert roles["left_mid"] == "LM_claw"
    assert roles["right_foot"] == "RH_claw"
    assert len(contacts) == 6
    names = ["04-t1-l", *(f"{20 + i}-{p}-{s}-claws-l" for i, (p, s) in enumerate((p, s) for p in "fmh" for s in "lr"))]
    stick = make_rig("s", [(n, None if i == 0 else names[0], [0, 0.1, 0]) for i, n in enumerate(names)], {})
    roles, _ = guess_roles(stick)
    assert (roles["left_hand"], roles["right_foot"]) == ("20-f-l-claws-l", "25-h-r-claws-l")
    assert word_pairs(names) == [
        ("20-f-l-claws-l", "21-f-r-claws-l"),
        ("22-m-l-claws-l", "23-m-r-claws-l"),
        ("24-h-l-claws-l", "25-h-r-claws-l"),
    ]


def test_an_arm_and_a_rig_of_no_known_words() -> None:
    assert guess_roles(rig_of("scapula elbow(scapula) wrist(elbow)")) == (
        {"pelvis": "scapula", "right_hand": "wrist"},
        [],
    )
    assert guess_roles(rig_of("a b(a) 1(b)")) == ({"pelvis": "a"}, [])


def test_words() -> None:
    assert words(["b__LeftToe002", "LHipJoint", "mixamorig:RightFoot"]) == [
        ("b", "left", "toe", "002"),
        ("l", "hip", "joint"),
        ("right", "foot"),
    ]
    assert words(["lowerback"]) == [("lowerback",)]


@pytest.mark.parametrize("name", sorted(builtin_rigs()))
def test_built_in_rigs(name: str) -> None:
    """The built-in rigs' own roles, wherever the guess names any."""
    rig = load_rig(name)
    roles, _ = guess_roles(rig, rig.rest_global[0][None])
    for role in ("left_foot", "right_foot", "head"):
        if role in roles and role in rig.roles:
            guessed, real = rig.index(roles[role]), rig.roles[role]
            assert rig.ancestors[guessed, real] or rig.ancestors[real, guessed]
