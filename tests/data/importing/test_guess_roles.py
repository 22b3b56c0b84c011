"""Roles and contacts from names: the spellings of ten rigs, as their descriptions name the joints."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rae_bench.data.importing.guess_roles import guess_roles
from rae_bench.data.importing.joint_names import pairs_by_spelling, pairs_by_words, words
from rae_bench.rigs.builtin import builtin_rigs
from rae_bench.rigs.file import load_rig
from rae_bench.rigs.rig import Rig, make_rig


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


BODY = ["pelvis", "spine", "neck", "head", "collar", "upper", "fore", "hand", "thigh", "shin", "foot", "toe"]
PARENTS = [None, 0, 1, 2, 1, 4, 5, 6, 0, 8, 9, 10]
SPELLINGS = {  # the joints of BODY; what is written once for both sides has {left|right}
    "biovision": "Hips Chest Neck Head {Left|Right}Collar {Left|Right}UpArm {Left|Right}LowArm {Left|Right}Hand "
    "{Left|Right}UpLeg {Left|Right}LowLeg {Left|Right}Foot {Left|Right}Toe",
    "acclaim": "root lowerback lowerneck head {l|r}clavicle {l|r}humerus {l|r}radius {l|r}wrist "
    "{l|r}femur {l|r}tibia {l|r}foot {l|r}toes",
    "unreal": "pelvis spine_01 neck_01 head clavicle_{l|r} upperarm_{l|r} lowerarm_{l|r} hand_{l|r} "
    "thigh_{l|r} calf_{l|r} foot_{l|r} ball_{l|r}",
    "maya": "Root_M Spine1_M Neck_M Head_M {L|R}_Scapula {L|R}_Shoulder {L|R}_Elbow {L|R}_Wrist "
    "{L|R}_Hip {L|R}_Knee {L|R}_Ankle {L|R}_Toes",
    "blender": "hips spine neck head shoulder.{L|R} upper_arm.{L|R} forearm.{L|R} hand.{L|R} "
    "thigh.{L|R} shin.{L|R} foot.{L|R} toe.{L|R}",
    "smpl": "Pelvis Spine1 Neck Head {L|R}_Collar {L|R}_Shoulder {L|R}_Elbow {L|R}_Wrist "
    "{L|R}_Hip {L|R}_Knee {L|R}_Ankle {L|R}_Foot",
    "kinect": "SpineBase SpineMid Neck Head Clav{Left|Right} Shoulder{Left|Right} Elbow{Left|Right} Wrist{Left|Right} "
    "Hip{Left|Right} Knee{Left|Right} Ankle{Left|Right} Foot{Left|Right}",
    "optitrack": "A1:Hip A1:Ab A1:Neck A1:Head A1:{L|R}Shoulder A1:{L|R}UArm A1:{L|R}FArm A1:{L|R}Hand "
    "A1:{L|R}Thigh A1:{L|R}Shin A1:{L|R}Foot A1:{L|R}Toe",
    "daz": "hip abdomenLower neck head {l|r}Collar {l|r}Shldr {l|r}ForeArm {l|r}Hand "
    "{l|r}Thigh {l|r}Shin {l|r}Foot {l|r}Toe",
    "vrm": "J_Bip_C_Hips J_Bip_C_Spine J_Bip_C_Neck J_Bip_C_Head J_Bip_{L|R}_Shoulder J_Bip_{L|R}_UpperArm "
    "J_Bip_{L|R}_LowerArm J_Bip_{L|R}_Hand J_Bip_{L|R}_UpperLeg J_Bip_{L|R}_LowerLeg "
    "J_Bip_{L|R}_Foot J_Bip_{L|R}_ToeBase",
    "capitals": "HIPS SPINE NECK HEAD {L|R}COLLAR {L|R}SHOULDER {L|R}ELBOW {L|R}WRIST "
    "{L|R}HIP {L|R}KNEE {L|R}ANKLE {L|R}TOE",
    "no capitals": "hips spine neck head {left|right}shoulder {left|right}arm {left|right}forearm {left|right}hand "
    "{left|right}upleg {left|right}leg {left|right}foot {left|right}toebase",
    "japanese": "センター 上半身 首 頭 {左|右}肩 {左|右}腕 {左|右}ひじ {左|右}手首 "
    "{左|右}足 {左|右}ひざ {左|右}足首 {左|右}つま先",
    "chinese": "骨盆 脊椎 颈 头 {左|右}肩 {左|右}上臂 {左|右}前臂 {左|右}手 "
    "{左|右}大腿 {左|右}小腿 {左|右}脚踝 {左|右}脚趾",
    "korean": "골반 척추 목 머리 {왼|오른}쪽어깨 {왼|오른}팔 {왼|오른}팔꿈치 {왼|오른}손목 "
    "{왼|오른}다리 {왼|오른}무릎 {왼|오른}발목 {왼|오른}발가락",
    "lt": "hips spine neck head clavicle_{lt|rt} upperarm_{lt|rt} forearm_{lt|rt} hand_{lt|rt} "
    "thigh_{lt|rt} shin_{lt|rt} foot_{lt|rt} toe_{lt|rt}",
}  # fmt: skip
FOUR_LEGS = {
    "paws": "hips spine neck head front_{left|right}_shoulder front_{left|right}_arm front_{left|right}_wrist "
    "front_{left|right}_paw hind_{left|right}_thigh hind_{left|right}_shin hind_{left|right}_ankle "
    "hind_{left|right}_paw",
    "back": "Root Spine Neck Head {Left|Right}FrontHip {Left|Right}FrontLeg {Left|Right}FrontFoot {Left|Right}FrontToe "
    "{Left|Right}BackHip {Left|Right}BackLeg {Left|Right}BackFoot {Left|Right}BackToe",
    "hooves": "Pelvis Spine Neck Head Shoulder_{L|R} Humerus_{L|R} Carpus_{L|R} Hoof_Front_{L|R} "
    "Hip_{L|R} Femur_{L|R} Hock_{L|R} Hoof_Hind_{L|R}",
    "robot": "base spine neck head F{L|R}_hip F{L|R}_thigh F{L|R}_calf F{L|R}_foot "
    "R{L|R}_hip R{L|R}_thigh R{L|R}_calf R{L|R}_foot",
    "other robot": "base spine neck head {L|R}F_HAA {L|R}F_HFE {L|R}F_KFE {L|R}F_FOOT "
    "{L|R}H_HAA {L|R}H_HFE {L|R}H_KFE {L|R}H_FOOT",
    "hands that walk": "Hips Spine Neck Head {Left|Right}Shoulder {Left|Right}Arm {Left|Right}Hand {Left|Right}Finger "
    "{Left|Right}UpLeg {Left|Right}Leg {Left|Right}Foot {Left|Right}Toe",
}  # fmt: skip


def spelled(text: str, side: int, sizes: dict[str, float]) -> tuple[Rig, list[str], np.ndarray]:
    """The rig of a spelling, the names on one side (0 left, 1 right), and its rest pose with what `sizes` says."""
    sided = [[re.sub(r"\{(\w+)\|(\w+)\}", rf"\{k + 1}", word) for word in text.split()] for k in (0, 1)]
    joints = []
    for k in (0, 1):
        for j, name in enumerate(sided[k]):
            if j > 3 or k == 0:
                parent = PARENTS[j]
                height = sizes.get(BODY[j], -0.1 if j > 3 else 0.1)
                joints.append((name, None if parent is None else sided[k][parent], [0.1 - 0.2 * k, height, 0]))
    rig = make_rig("r", joints, {})
    heights = rig.rest_global[0][None] * np.float32([1, 1, 1])
    return rig, sided[side], heights - np.float32([0, 1, 0]) * heights[..., 1].min()


@pytest.mark.parametrize("case", SPELLINGS)
def test_spellings_of_people(case: str) -> None:
    for side, word in enumerate(("left", "right")):
        rig, names, pose = spelled(SPELLINGS[case], side, {"thigh": 0, "shin": -0.4, "foot": -0.4})
        roles, contacts = guess_roles(rig, pose)
        found = [roles.get(role) for role in ("pelvis", "head", f"{word}_hand", f"{word}_foot")]
        assert found == [names[BODY.index(part)] for part in ("pelvis", "head", "hand", "foot")]
        assert len(roles) == 6
        assert names[BODY.index("toe")] in contacts
        assert len(contacts) == 2
    assert len(pairs_by_spelling(rig.joint_names) or pairs_by_words(rig.joint_names)) == 8


@pytest.mark.parametrize("case", FOUR_LEGS)
def test_spellings_of_four_legs(case: str) -> None:
    for side, word in enumerate(("left", "right")):
        rig, names, pose = spelled(FOUR_LEGS[case], side, {"hand": -0.1})
        pose[0, [rig.index(n) for n in (names[BODY.index("hand")], names[BODY.index("toe")])], 1] = 0.02
        roles, contacts = guess_roles(rig, pose)
        found = [roles.get(role) for role in ("pelvis", "head", f"{word}_hand", f"{word}_foot")]
        assert found == [names[BODY.index(part)] for part in ("pelvis", "head", "hand", "toe")]
        assert {names[BODY.index("hand")], names[BODY.index("toe")]} < set(contacts)
        assert len(contacts) == 4


def test_a_word_is_split_only_where_the_other_side_is_there() -> None:
    assert words(["leftwrist", "rightwrist", "lowerback", "lfemur", "rfemur", "light", "right"]) == [
        ("left", "wrist"),
        ("right", "wrist"),
        ("lowerback",),
        ("l", "femur"),
        ("r", "femur"),
        ("light",),
        ("right",),
    ]
    assert words(["leftwrist"]) == [("leftwrist",)]


def test_the_ball_of_a_foot_is_its_toe_where_no_toe_is_named() -> None:
    for toe, touching in (("", "Ball"), (" LeftToe(LeftBall) RightToe(RightBall)", "Toe")):
        rig = rig_of("Hips " + sides("LeftFoot(Hips) LeftBall(LeftFoot)") + toe)
        assert guess_roles(rig)[1] == [f"Left{touching}", f"Right{touching}"]


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


@pytest.mark.parametrize("first", [3, 0, 2])
def test_a_bird_stands_on_its_front_toes(first: int) -> None:
    """One toe of four points back; in whatever order they are listed."""
    ways = {0: (-0.02, -0.02, 0.04), 1: (0, -0.02, 0.04), 2: (0.02, -0.02, 0.04), 3: (0, -0.02, -0.03)}
    joints: list[tuple[str, str | None, object]] = [("Pelvis", None, [0, 0, 0])]
    for side, x in (("L", 0.05), ("R", -0.05)):
        joints.append((f"{side}_Foot", "Pelvis", [x, -0.3, 0]))
        joints += [(f"{side}_Toe{n}", f"{side}_Foot", ways[n]) for n in sorted(ways, key=lambda n: n != first)]
    assert guess_roles(make_rig("bird", joints, {}))[1] == ["L_Toe1", "R_Toe1"]
    names = {f"{side}_Toe3": f"{side}_Toe" for side in "LR"}  # the back toe has the shortest name
    joints = [(names.get(name, name), parent, offset) for name, parent, offset in joints]
    assert guess_roles(make_rig("bird", joints, {}))[1] == ["L_Toe1", "R_Toe1"]


@pytest.mark.parametrize(
    ("below", "touching"),
    [
        ("{}ForeFoot({}Foot)", "LeftForeFoot"),
        ("{}Ball({}Foot)", "LeftBall"),
        ("{}Metatarsal({}Foot) {}Toe(LeftMetatarsal)", "LeftToe"),
        ("Left_Fore_Foot({}Foot)", "Left_Fore_Foot"),
    ],
)
def test_the_ball_of_a_foot(below: str, touching: str) -> None:
    left = "LeftFoot(Hips) " + below.replace("{}", "Left")
    _, contacts = guess_roles(rig_of(f"Hips Head(Hips) LeftForeArm(Hips) RightForeArm(Hips) {sides(left)}"))
    assert contacts == [touching, touching.replace("Left", "Right")]


def test_a_fore_foot_of_four_legs_is_a_hand() -> None:
    text = "Hips Head(Hips) " + sides("LeftForeFoot(Hips) LeftHindFoot(Hips)")
    assert guess_roles(rig_of(text))[0]["left_hand"] == "LeftForeFoot"


def test_the_lower_joint_touches_the_ground_where_names_say_nothing() -> None:
    """An ankle 8 cm above the ground, and below it a joint whose name says nothing."""
    joints: list[tuple[str, str | None, object]] = [("Hips", None, [0, 0, 0])]
    for side, x in (("Left", 0.1), ("Right", -0.1)):
        joints += [(f"{side}Ankle", "Hips", [x, -0.8, 0]), (f"{side}Bone7", f"{side}Ankle", [0, -0.07, 0.12])]
    rig = make_rig("r", joints, {})
    positions = rig.rest_global[0][None]
    assert guess_roles(rig, positions)[1] == ["LeftBone7", "RightBone7"]
    assert guess_roles(rig)[1] == ["LeftAnkle", "RightAnkle"]


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
    assert pairs_by_words(names) == [
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
