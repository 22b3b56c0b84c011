"""Reading BVH: every trap that exporters set, every fault a file can have, and published positions of a real clip."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers.bvh import DUMMY, ROWS, SIX, SKELETON, XYZ, ZXY, bvh
from helpers.faults import check_fault

from rae_bench.data.formats.bvh import read_bvh
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.motion.resample import resample
from rae_bench.rigs.rig import make_rig


def read(tmp_path: Path, text: str, **options: object) -> Motion:
    path = tmp_path / "clip.bvh"
    path.write_bytes(text.encode())
    return read_bvh(path, **options)  # type: ignore[arg-type]


def check(motion: Motion) -> None:
    """The three frames of ROWS, worked out by hand: upright; all turned a quarter to the left; the spine alone so."""
    hips = [[0.10, 0.90, 0.00], [0.11, 0.91, 0.01], [0.12, 0.92, 0.02]]
    tips = [[0.10, 1.20, 0.00], [-0.19, 0.91, 0.01], [0.02, 1.12, 0.02]]
    assert motion.rig.joint_names == ("Hips", "Spine", "Spine_end")
    np.testing.assert_allclose(motion.positions[0, :, 0], hips, atol=1e-6)
    np.testing.assert_allclose(motion.positions[0, :, 2], tips, atol=1e-6)


def test_plain_file(tmp_path: Path) -> None:
    motion = read(tmp_path, bvh())
    check(motion)
    assert motion.fps == 30
    assert motion.rotations.dtype == np.float32
    assert motion.rig.parents.tolist() == [-1, 0, 1]
    # The root's position channels are absolute: its OFFSET of 5 6 7 has not been added.
    assert motion.rig.offsets[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace("Frames: ", "Frames:\t").replace("Time: ", "Time:\t"),
        lambda text: text.replace("Frames: ", "Frames:").replace("Frame Time: ", "Frame Time:"),
        lambda text: text.replace("\n", " \t\n"),
        lambda text: text.replace("ROOT Hips", "ROOT Hips # top").replace("JOINT Spine", "JOINT Spine // the back"),
        lambda text: text.replace("End Site", "END SITE"),
        lambda text: text.replace("End Site", "end site Top"),
        lambda text: text.replace("Zrotation", "ZROTATION").replace("OFFSET", "offset"),
        lambda text: text.replace("10 90 0 0", "1.0e+1 9E1 0.0 -0"),
        lambda text: text.replace("11 91 1 90", "11 91 1\n90"),
        lambda text: text.replace("MOTION", "\nMOTION\n").replace("Frame Time", "\nFrame Time"),
        lambda text: "\ufeff" + text + "\n\n",
        lambda text: text.replace("\n  {", " {"),
        lambda text: text.replace("Frame Time", "FrameTime"),
        lambda text: text.replace("Zrotation", "rotationZ").replace("Xposition", "positionX"),
        lambda text: "# made by hand\n" * 600 + text,
        lambda text: "\n".join(line.replace(" ", ";") if line[:1].isdigit() else line for line in text.split("\n")),
    ],
    ids=["crlf", "tabs", "frames-tab", "no-space", "trailing", "comments", "end-case", "end-name", "case", "exponents",
         "broken-row", "blank-lines", "bom", "brace-on-line", "one-word", "axis-last", "comments-first", "semicolons"],
)  # fmt: skip
def test_spellings(tmp_path: Path, change: object) -> None:
    check(read(tmp_path, change(bvh())))  # type: ignore[operator]


def test_channel_order_per_joint_and_positions_after_rotations(tmp_path: Path) -> None:
    skeleton = SKELETON.replace(f"6 {XYZ} {ZXY}", "6 Yrotation Zrotation Xrotation Zposition Xposition Yposition")
    skeleton = skeleton.replace(f"3 {ZXY}", "3 Xrotation Yrotation Zrotation")
    motion = read(tmp_path, bvh(["30 20 40 3 1 2 10 50 -70"], skeleton))
    np.testing.assert_allclose(motion.root_positions[0, 0], [0.01, 0.02, 0.03], atol=1e-7)
    turn = {axis: np.eye(3)["xyz".index(axis)] for axis in "xyz"}

    def compose(*angles: tuple[str, float]) -> np.ndarray:
        out = np.array([1.0, 0, 0, 0])
        for axis, degrees in angles:
            out = quat.mul(out, quat.from_axis_angle(turn[axis], np.radians(degrees)))
        return out

    expected = np.stack([compose(("y", 30), ("z", 20), ("x", 40)), compose(("x", 10), ("y", 50), ("z", -70))])
    assert quat.angle(motion.rotations[0, 0, :2].astype(float), expected).max() < 1e-6




def test_position_channels_that_repeat_the_offset_change_nothing(tmp_path: Path) -> None:
    rows = [" ".join([*row.split()[:6], "0 20.0000001 0", *row.split()[6:]]) for row in ROWS]
    check(read(tmp_path, bvh(rows, SIX)))


def test_position_channels_override_an_offset_that_they_hold_elsewhere(tmp_path: Path) -> None:
    rows = [" ".join([*row.split()[:6], "0 20 0", *row.split()[6:]]) for row in ROWS]
    check(read(tmp_path, bvh(rows, SIX.replace("OFFSET 0 20 0", "OFFSET 0 0 0"))))




def test_a_dummy_root_is_folded_into_the_joint_that_travels(tmp_path: Path) -> None:
    rows = [" ".join(["0 0 0 0 0 0", *row.split()[:6], "0 20 0", *row.split()[6:]]) for row in ROWS]
    check(read(tmp_path, bvh(rows, DUMMY)))


def test_folding_composes_a_dummy_root_that_moves_and_turns(tmp_path: Path) -> None:
    rows = [f"1 2 3 0 0 90 {x} 90 0 0 0 0 0 20 0 0 0 0" for x in (10, 20)]
    motion = read(tmp_path, bvh(rows, DUMMY))
    # A quarter turn about y takes the child's x = 10, 20 to z = -10, -20.
    np.testing.assert_allclose(motion.root_positions[0], [[0.01, 0.92, -0.07], [0.01, 0.92, -0.17]], atol=1e-6)
    assert motion.rig.joint_names[0] == "Hips"
    np.testing.assert_allclose(motion.rotations[0, 0, 0], quat.from_yaw(np.pi / 2), atol=1e-6)


def test_a_named_root_folds_what_is_above_it(tmp_path: Path) -> None:
    motion = read(tmp_path, bvh(), root="Spine")
    assert motion.rig.joint_names == ("Spine", "Spine_end")
    np.testing.assert_allclose(motion.positions[0], read(tmp_path, bvh()).positions[0, :, 1:], atol=1e-6)
    with pytest.raises(UserError, match="did you mean Spine"):
        read(tmp_path, bvh(), root="Spin")


def test_bones_that_stretch_are_refused(tmp_path: Path) -> None:
    twin = SIX.rstrip()[:-1] + "  JOINT Leg\n  {\n    OFFSET 0 -50 0\n    CHANNELS 0\n  }\n}\n"
    rows = [" ".join([*row.split()[:6], f"0 {20 + i} 0", *row.split()[6:]]) for i, row in enumerate(ROWS)]
    with pytest.raises(UserError, match=r"bones change length: Spine by 1 cm, 1\.2 % of the body; --median-bones"):
        read(tmp_path, bvh(rows, twin))
    with pytest.warns(UserWarning, match="Spine by 1 cm.* moves a joint by up to 1 cm"):
        motion = read(tmp_path, bvh(rows, twin), median_bones=True)
    np.testing.assert_allclose(motion.rig.offsets[1], [0, 0.21, 0], atol=1e-6)
    assert read(tmp_path, bvh(rows, twin), drop_joints=["Spine"]).rig.joint_names == ("Hips", "Leg")
    with pytest.raises(UserError, match="would drop the root 'Hips'"):
        read(tmp_path, bvh(rows, twin), drop_joints=["H*"])


def test_zero_length_end_sites_several_under_a_joint_and_names_with_spaces(tmp_path: Path) -> None:
    end = "    End Site\n    {\n      OFFSET 0 10 0\n    }\n"
    skeleton = SKELETON.replace(end, end.replace("10", "0") + end).replace("JOINT Spine", "JOINT Bip01 Spine")
    motion = read(tmp_path, bvh(skeleton=skeleton))
    assert motion.rig.joint_names == ("Hips", "Bip01 Spine", "Bip01 Spine_end", "Bip01 Spine_end2")
    assert np.isfinite(motion.positions).all()


def test_units_and_up_axis(tmp_path: Path) -> None:
    base = read(tmp_path, bvh())
    for unit, scale in (("m", 100), ("mm", 0.1), (0.056444, 5.6444)):
        scaled = read(tmp_path, bvh(), unit=unit)
        np.testing.assert_allclose(scaled.positions, base.positions * scale, rtol=1e-5, atol=1e-5)
    turned = read(tmp_path, bvh(), up="z").positions
    np.testing.assert_allclose(turned, base.positions[..., [0, 2, 1]] * np.float32([1, 1, -1]), atol=1e-6)
    for wrong in ("yard", -1.0):
        with pytest.raises(UserError, match="unit"):
            read(tmp_path, bvh(), unit=wrong)
    with pytest.raises(UserError, match="use y or z"):
        read(tmp_path, bvh(), up="x")


@pytest.mark.parametrize(
    ("time", "fps"),
    [("0.0083333", 120), ("0.008333", 120), ("0.0333333", 30), ("0.033", 30), ("1.66667e-2", 60), ("0.04", 25),
     ("0.0333667", 1 / 0.0333667), ("0.5", 2), ("1", 1), ("2.5", 0.4)],
)  # fmt: skip
def test_frame_time_is_rounded_as_far_as_its_digits_allow(tmp_path: Path, time: str, fps: float) -> None:
    assert read(tmp_path, bvh(time=time)).fps == pytest.approx(fps, abs=1e-9)


ODD = {  # what exporters do to a file's text, and what is told of it
    "mac": (lambda text: text.replace("\n", "\r").encode(), ""),
    "mixed line ends": (lambda text: text.replace("\n", "\r\n", 9).replace("\n", "\r", 12).encode(), ""),
    "dos end of file": (lambda text: text.encode() + b"\x1a\r\n" + b"\xe5" * 40, ""),
    "padded with zeros": (lambda text: text.encode() + b"\0" * 300, ""),
    "utf-8 mark": (lambda text: text.encode("utf-8-sig"), ""),
    "utf-16": (lambda text: text.replace("\n", "\r\n").encode("utf-16"), ""),
    "utf-16 without a mark": (lambda text: text.encode("utf-16-be"), ""),
    "utf-32": (lambda text: text.encode("utf-32"), ""),
    "one row more": (lambda text: text.replace("Frames: 3", "Frames: 2").encode(), "Frames says 2, 3 rows follow: all"),
    "one row less": (lambda text: text.replace("Frames: 3", "Frames: 4").encode(), "Frames says 4, 3 rows follow: all"),
    "no count": (lambda text: text.replace("Frames: 3", "Frames: 0").encode(), "Frames says 0, 3 rows follow: all"),
    "a count to come": (lambda text: text.replace("Frames: 3", "Frames: -1").encode(), "Frames says -1, 3 rows"),
    "decimal commas": (lambda text: decimal_commas(text).encode(), "decimal commas are read as points"),
    "one decimal comma": (lambda text: text.replace("10 90", "10,0 90").encode(), "decimal commas are read as points"),
    "commas between": (lambda text: commas_between(text, ",").encode(), ""),
    "commas and blanks between": (lambda text: commas_between(text, ", ").encode(), ""),
    "a footer": (lambda text: f"{text}END OF FILE\nby a tool, 2019\n".encode(), "line 22 is no row of motion"),
    "a part of a row more": (lambda text: f"{text}12 92 2".encode(), "line 22 is a part of a row beyond the last"),
    "comments": (lambda text: text.replace("11 91", "# second\n11 91").replace("0\n12", "0 // x\n12").encode(), ""),
}


def decimal_commas(text: str) -> str:
    head, rows = text.split("Frame Time: ")
    return f"{head}Frame Time: ".replace("20 0", "20,00 0") + rows.replace(".", ",").replace("10 90", "10,00 90")


def commas_between(text: str, comma: str) -> str:
    return "\n".join(line.replace(" ", comma) if line[:1].isdigit() else line for line in text.split("\n"))


@pytest.mark.parametrize("odd", ODD)
def test_what_exporters_do_to_the_text(tmp_path: Path, odd: str) -> None:
    change, told = ODD[odd]
    (tmp_path / "clip.bvh").write_bytes(change(bvh()))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check(read_bvh(tmp_path / "clip.bvh"))
    assert [told in str(each.message) for each in caught] == [True] * bool(told)


NAMES = {
    "shift_jis": ("腰", "左足首", "ソ右ひざ", "センター", "表示"),
    "gbk": ("骨盆", "左脚踝", "右手腕", "头", "脊椎"),
    "big5": ("骨盆", "左腳踝", "右手腕", "頭"),
    "cp949": ("골반", "왼쪽 발목", "오른손", "머리"),
    "euc_jp": ("腰", "左足首", "右ひざ", "頭"),
    "cp1252": ("Hüfte", "Linker Fuß", "Tête", "Genou droit élevé"),
    "cp1251": ("Таз", "Левая стопа", "Голова"),
    "utf-8": ("腰", "Hüfte", "голова"),
    "utf-16": ("腰", "Hüfte", "голова"),
}


@pytest.mark.parametrize("encoding", NAMES)
def test_names_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    names = NAMES[encoding]
    lines = ["HIERARCHY", f"ROOT {names[0]}", "{", "OFFSET 0 0 0", f"CHANNELS 6 {XYZ} {ZXY}"]
    for name in names[1:]:
        lines += [f"JOINT {name}", "{", "OFFSET 0 9 0", f"CHANNELS 3 {ZXY}", "}"]
    row = " ".join(["1"] * (3 + 3 * len(names)))
    text = "\n".join([*lines, "}", "MOTION", "Frames: 2", "Frame Time: 0.04", row, row, ""])
    (tmp_path / "clip.bvh").write_bytes(text.encode(encoding))
    told = [] if encoding.startswith("utf") else ["its names are not in UTF-8; they are read as"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        motion = read_bvh(tmp_path / "clip.bvh")
    assert motion.rig.joint_names == names
    assert [words in str(each.message) for words, each in zip(told, caught, strict=True)] == [True] * len(told)


def test_names_in_no_known_encoding_stay_apart(tmp_path: Path) -> None:
    text = bvh().encode().replace(b"Hips", b"H\x81\x8d").replace(b"Spine", b"H\x81\x8f")
    (tmp_path / "clip.bvh").write_bytes(text)
    with pytest.warns(UserWarning, match="read as"):
        assert len(set(read_bvh(tmp_path / "clip.bvh").rig.joint_names)) == 3


@pytest.mark.parametrize(
    ("written", "name"),
    [("Arm #7", "Arm #7"), ("Arm #left", "Arm #left"), ("Arm # 7", "Arm # 7"), ("Arm#7", "Arm#7"), ("#7", "#7"),
     ("Arm # of the left", "Arm"), ("Arm // left", "Arm"), ("Arm//left", "Arm//left"), ("Arm (1) [x]", "Arm (1) [x]")],
)  # fmt: skip
def test_number_signs_in_names(tmp_path: Path, written: str, name: str) -> None:
    assert read(tmp_path, bvh().replace("JOINT Spine", f"JOINT {written}")).rig.joint_names[1] == name


def test_names_that_stand_twice_and_names_of_end_sites(tmp_path: Path) -> None:
    """A joint keeps the name that the file gives it, whatever an End Site before it would be called."""
    with pytest.warns(UserWarning, match="names that stand twice got a number: Hips2"):
        assert read(tmp_path, bvh().replace("JOINT Spine", "JOINT Hips")).rig.joint_names[:2] == ("Hips", "Hips2")
    end = "    End Site\n    {\n      OFFSET 0 10 0\n    }\n"
    tip = end + f"    JOINT Spine_end\n    {{\n      OFFSET 0 1 0\n      CHANNELS 3 {ZXY}\n    }}\n"
    motion = read(tmp_path, bvh([f"{row} 0 0 0" for row in ROWS], SKELETON.replace(end, tip)))
    assert motion.rig.joint_names == ("Hips", "Spine", "Spine_end2", "Spine_end")
    assert read(tmp_path, bvh().replace("ROOT Hips", 'ROOT "Hips"')).rig.joint_names[0] == "Hips"


def test_a_second_root_that_is_no_body_is_left_out(tmp_path: Path) -> None:
    prop = f"ROOT Prop\n{{\nOFFSET 0 0 0\nCHANNELS 3 {XYZ}\n}}\n"
    text = bvh([f"{row} 1 2 3" for row in ROWS], SKELETON + prop)
    with pytest.raises(UserError, match=r"a second ROOT 'Prop'; .*--drop-joints 'Prop'"):
        read(tmp_path, text)
    check(read(tmp_path, text, drop_joints=["Prop"]))
    assert read(tmp_path, text, drop_joints=["Hips"]).rig.joint_names == ("Prop",)


@pytest.mark.parametrize(("scale", "told"), [("1", ""), ("1.2", "scale channels from 1 to 1.2 are passed over")])
def test_scale_channels_are_passed_over(tmp_path: Path, scale: str, told: str) -> None:
    skeleton = SKELETON.replace(f"CHANNELS 3 {ZXY}", f"CHANNELS 6 {ZXY} Xscale Yscale Zscale")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check(read(tmp_path, bvh([f"{row} 1 1 {scale}" for row in ROWS], skeleton)))
    assert [told in str(each.message) for each in caught] == [True] * bool(told)


def test_angles_in_radians_are_told(tmp_path: Path) -> None:
    def turning(size: float) -> str:
        rows = sliding(0, 0, 0).splitlines()[-40:]
        turned = [row.split() for row in rows]
        for frame, row in enumerate(turned):
            for column in (3, 9, 15, 21):
                row[column] = f"{size * np.sin(frame / 5):.4f}"
            row[5] = "0"
        return bvh([" ".join(row) for row in turned], SLIDERS)

    with pytest.warns(UserWarning, match="no angle is beyond 0.6 degrees: are they radians"):
        read(tmp_path, turning(0.6))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(tmp_path, turning(35))


@pytest.mark.parametrize(("away", "words"), [(0.0, "are zero"), (0.5, "are near zero")])
def test_position_channels_that_say_how_far_a_joint_is_displaced(tmp_path: Path, away: float, words: str) -> None:
    """Some writers put zeros where others repeat the OFFSET: taken as places they would make a heap."""
    leg = "  JOINT Leg\n  {\n    OFFSET 0 -50 0\n    CHANNELS 3 Xposition Yposition Zposition\n  }\n}\n"
    skeleton = SIX.rstrip()[:-1] + leg
    rows = [" ".join([*row.split()[:6], f"0 {away} 0", *row.split()[6:], "0 0 0"]) for row in ROWS]
    with pytest.warns(UserWarning, match=f"the position channels of Spine, Leg {words}: taken as displacements"):
        motion = read(tmp_path, bvh(rows, skeleton))
    offsets = np.array([[0, 0, 0], [0, 0.2 + away / 100, 0], [0, 0.1, 0], [0, -0.5, 0]])
    np.testing.assert_allclose(motion.rig.offsets, offsets, atol=1e-6)


def test_a_joint_with_zeros_among_others_with_places(tmp_path: Path) -> None:
    leg = "  JOINT Leg\n  {\n    OFFSET 0 -50 0\n    CHANNELS 3 Xposition Yposition Zposition\n  }\n}\n"
    rows = [" ".join([*row.split()[:6], "0 20 0", *row.split()[6:], "0 0 0"]) for row in ROWS]
    with pytest.warns(UserWarning, match="the position channels of Leg are zero"):
        motion = read(tmp_path, bvh(rows, SIX.rstrip()[:-1] + leg))
    np.testing.assert_allclose(motion.rig.offsets[[1, 3]], [[0, 0.2, 0], [0, -0.5, 0]], atol=1e-6)


SLIDERS = "HIERARCHY\nROOT Hips\n{\nOFFSET 0 0 0\nCHANNELS 6 " + f"{XYZ} {ZXY}\n" + "".join(
    f"JOINT {name}\n{{\nOFFSET {x} {y} 0\nCHANNELS 6 {XYZ} {ZXY}\nEnd Site\n{{\nOFFSET 0 {y} 0\n}}\n}}\n"
    for name, x, y in (("Head", 0, 40), ("LeftLeg", 10, -45), ("RightLeg", -10, -45))
) + "}\n"  # fmt: skip


def sliding(*far: float, frames: int = 40) -> str:
    """Head, LeftLeg and RightLeg slide by so many units to either side of their OFFSETs."""
    rows = []
    for frame in range(frames):
        wave = np.sin(2 * np.pi * frame / 20)
        places = [(0, 40 + far[0] * wave, 0), (10, -45 + far[1] * wave, 0), (-10, -45 + far[2] * wave, 0)]
        rows.append(f"{frame} 90 0 0 0 {frame} " + " ".join(f"{x} {y} {z} 0 0 0" for x, y, z in places))
    return bvh(rows, SLIDERS)


def test_position_channels_elsewhere_than_the_offsets_are_told(tmp_path: Path) -> None:
    text = sliding(0, 0, 0).replace("OFFSET 10 -45 0", "OFFSET 10 -40 0")
    with pytest.warns(UserWarning, match=r"position channels differ from OFFSETs \(LeftLeg by 5 cm\): they are taken"):
        motion = read(tmp_path, text)
    np.testing.assert_allclose(motion.positions, read(tmp_path, sliding(0, 0, 0)).positions, atol=1e-5)


def test_bones_that_slide_a_little_are_held_at_their_median(tmp_path: Path) -> None:
    still = read(tmp_path, sliding(0, 0, 0))
    with pytest.warns(UserWarning, match=r"slide \(LeftLeg by 1 cm, Head by 5 mm\).* by up to 1 cm \(0\.5"):
        motion = read(tmp_path, sliding(0.5, 1, 0))
    assert motion.rig.joint_names == still.rig.joint_names
    np.testing.assert_allclose(motion.positions, still.positions, atol=1e-5)


def test_all_bones_that_slide_far_are_named_at_once(tmp_path: Path) -> None:
    words = r"bones change length: RightLeg by 9 cm, LeftLeg by 7 cm, Head by 4 cm, .* % of the body; --median-bones"
    with pytest.raises(UserError, match=words):
        read(tmp_path, sliding(4, 7, 9))
    with pytest.warns(UserWarning, match="by up to 9 cm"):
        np.testing.assert_allclose(
            read(tmp_path, sliding(4, 7, 9), median_bones=True).positions, read(tmp_path, sliding(0, 0, 0)).positions,
            atol=1e-5,
        )  # fmt: skip
    assert len(read(tmp_path, sliding(4, 0, 0), drop_joints=["Head"]).rig) == 5


def test_offsets_of_zero_and_positions_that_hold_the_skeleton(tmp_path: Path) -> None:
    text = re.sub(r"(CHANNELS|OFFSET) (-?\d+) (-?\d+) 0\nCHANNELS", r"OFFSET 0 0 0\nCHANNELS", sliding(0, 0, 0))
    assert "OFFSET 0 0 0\nCHANNELS 6" in text
    motion = read(tmp_path, text)
    pick = [motion.rig.index(name) for name in ("Hips", "Head", "LeftLeg", "RightLeg")]
    still = read(tmp_path, sliding(0, 0, 0))
    there = [still.rig.index(name) for name in ("Hips", "Head", "LeftLeg", "RightLeg")]
    np.testing.assert_allclose(motion.positions[:, :, pick], still.positions[:, :, there], atol=1e-5)


def test_a_body_far_from_the_origin_is_no_larger(tmp_path: Path) -> None:
    """Hips that travel below a node at the origin say nothing of the body's size."""
    skeleton = f"HIERARCHY\nROOT Dummy\n{{\nOFFSET 0 0 0\nCHANNELS 3 {ZXY}\n" + SLIDERS.split("\n", 1)[1].replace(
        "ROOT", "JOINT"
    ) + "}\n"  # fmt: skip
    rows = []
    for row in sliding(0, 2.2, 0).splitlines()[-40:]:
        numbers = row.split()
        rows.append(" ".join(["0 0 0", str(float(numbers[0]) + 5000), *numbers[1:]]))
    with pytest.raises(UserError, match=r"LeftLeg by 2\.2 cm, 1\.2 % of the body"):
        read(tmp_path, bvh(rows, skeleton))


def test_a_dummy_root_is_folded_where_a_face_bone_slides(tmp_path: Path) -> None:
    """The joint that slides hangs deeper than the one that travels, and is no root."""
    brow = f"JOINT Brow\n{{\nOFFSET 0 5 0\nCHANNELS 3 {XYZ}\n}}\n"
    skeleton = f"HIERARCHY\nROOT Dummy\n{{\nOFFSET 0 0 0\nCHANNELS 3 {ZXY}\n" + SLIDERS.split("\n", 1)[1].replace(
        "ROOT", "JOINT"
    ).replace("End Site", f"{brow}End Site", 1) + "}\n"  # fmt: skip
    rows = []
    for frame, row in enumerate(sliding(0, 0, 0).splitlines()[-40:]):
        numbers = row.split()
        rows.append(" ".join(["0 0 0", *numbers[:12], f"0 {5 + 0.5 * np.sin(frame)} 0", *numbers[12:]]))
    with pytest.warns(UserWarning, match="slide .Brow by"):
        motion = read(tmp_path, bvh(rows, skeleton))
    assert motion.rig.joint_names[0] == "Hips"
    pick = [motion.rig.index(name) for name in ("Hips", "Head", "LeftLeg", "RightLeg")]
    still = read(tmp_path, sliding(0, 0, 0))
    there = [still.rig.index(name) for name in ("Hips", "Head", "LeftLeg", "RightLeg")]
    np.testing.assert_allclose(motion.positions[:, :, pick], still.positions[:, :, there], atol=1e-5)


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ("1", r"last 1 s \(1 fps\), which tools write that do not know the rate; say the rate with --recorded-fps"),
        ("30", "frames per second in place of seconds\\? --recorded-fps 30 reads it so"),
        ("29.97", "frames per second in place of seconds\\? --recorded-fps 29.97 "),
        ("120", "frames per second in place of seconds\\? --recorded-fps 120 "),
        ("33.3", "milliseconds in place of seconds\\? --recorded-fps 30 "),
        ("8.333", "milliseconds in place of seconds\\? --recorded-fps 120 "),
        ("0.0000333", "divided by 1000\\? --recorded-fps 30 "),
        ("3", "say the rate with --recorded-fps, such as"),
    ],
)
def test_a_frame_time_that_is_hardly_one_is_told(tmp_path: Path, time: str, words: str) -> None:
    with pytest.warns(UserWarning, match=words):
        read(tmp_path, bvh(time=time))


@pytest.mark.parametrize("time", ["1", "30", "0", "-0.04", "nan", "inf", "fast", "1e9"])
def test_the_rate_may_be_said(tmp_path: Path, time: str) -> None:
    motion = read(tmp_path, bvh(time=time), recorded_fps=24)
    assert motion.fps == 24
    check(motion)
    with pytest.warns(UserWarning, match="its Frame Time says 30 fps; it is read at 24 fps, as said"):
        read(tmp_path, bvh(), recorded_fps=24)
    motion = read(tmp_path, bvh().replace("Frame Time: 0.0333333\n", ""), recorded_fps=24)
    assert motion.fps == 24
    check(motion)


FAULTS = {
    "empty": ("  \n", "the file is empty"),
    "not bvh": ("BM\0\1 picture", "not a BVH file"),
    "no motion": (SKELETON, "no MOTION section"),
    "no frames line": (bvh().replace("Frames: 3\n", ""), ":18: 'Frames:' expected"),
    "no frame time": (bvh().replace("Frame Time: 0.0333333\n", ""), ":18: 'Frame Time:' expected"),
    "cut in the header": (SKELETON + "MOTION\nFrames: 3\n", "cut short"),
    "no rows": (bvh([], frames=3), "cut short: 0 whole rows of motion, Frames says 3"),
    "fewer rows": (bvh(frames=9), ":21: cut short: 3 whole rows of motion, Frames says 9"),
    "cut in a row": (bvh([*ROWS, "12 92"], frames=9), ":22: cut short: 3 whole rows"),
    "a row too short": (bvh([ROWS[0], "1 2 3", ROWS[2]]), ":20: 3 values in this row, the CHANNELS above make 9"),
    "a row too long": (bvh([ROWS[0], ROWS[1] + " 7", ROWS[2]]), ":20: 10 values in this row"),
    "all rows too long": (bvh([row + " 7" for row in ROWS]), ":19: 10 values in this row"),
    "nan": (bvh([ROWS[0], ROWS[1].replace("91", "nan"), ROWS[2]]), ":20: value 2 is 'nan', not a finite number"),
    "inf": (bvh([ROWS[0], ROWS[1].replace("91", "-1.#INF"), ROWS[2]]), ":20: value 2 is '-1.#INF'"),
    "word": (bvh([ROWS[0].replace("10", "ten"), *ROWS[1:]]), ":19: value 1 is 'ten'"),
    "commas in a comma": (bvh([ROWS[0].replace("10", "1,5,5"), *ROWS[1:]]), ":19: value 1 is '1,5,5'"),
    "frame time 0": (bvh(time="0"), ":18: Frame Time 0 is not the duration"),
    "frame time nan": (bvh(time="nan"), ":18: Frame Time"),
    "frame time word": (bvh(time="fast"), ":18: Frame Time 'fast' is not a number"),
    "frames 0": (bvh([]), "Frames is 0"),
    "frames word": (bvh().replace("Frames: 3", "Frames: many"), ":17: Frames 'many' is not a count"),
    "channel name": (bvh().replace("Xrotation", "Xrotatoin", 1), ":5: joint 'Hips': unknown channel 'xrotatoin'"),
    "channel count": (bvh().replace("CHANNELS 6", "CHANNELS 5"), ":5: joint 'Hips': CHANNELS"),
    "channels twice": (bvh().replace("JOINT", f"CHANNELS 3 {ZXY}\n  JOINT"), ":6: joint 'Hips': a second CHANNELS"),
    "too large": (bvh([ROWS[0].replace("10", "1e99"), *ROWS[1:]]), ":19: value 1 is '1e99', too large a number"),
    "channel twice": (bvh().replace("Xposition", "Yposition"), ":5: joint 'Hips': a channel stands twice"),
    "offset": (bvh().replace("OFFSET 0 20 0", "OFFSET 0 20"), ":8: joint 'Spine': OFFSET needs three numbers"),
    "no name": (bvh().replace("JOINT Spine", "JOINT"), ":6: JOINT without a name"),
    "second root": (bvh().replace("MOTION", "ROOT Other\n{\n}\nMOTION"), "a second ROOT 'Other'; a rig has one"),
    "git lfs": ("version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9\n", "a Git LFS pointer, not the"),
    "web page": ("\n<!DOCTYPE html>\n<html>404</html>\n", "a web page, not a recording"),
    "unclosed": (bvh().replace("}\nMOTION", "MOTION"), "joint 'Hips' is not closed"),
    "closed twice": (bvh().replace("MOTION", "}\nMOTION"), ":16: a '}' too many"),
    "unknown word": (bvh().replace("OFFSET 0 20 0", "LENGTH 20"), ":8: 'LENGTH 20' is none of"),
    "no channels": ("HIERARCHY\nROOT A\n{\n}\nMOTION\nFrames: 1\nFrame Time: 1\n", "no joint has CHANNELS"),
    "no joints": ("HIERARCHY\nMOTION\nFrames: 1\nFrame Time: 1\n", "no ROOT"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_line_that_names_file_and_place(tmp_path: Path, fault: str) -> None:
    text, message = FAULTS[fault]
    with pytest.raises(UserError) as caught:
        read(tmp_path, text)
    check_fault(caught, tmp_path / "clip.bvh", message)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_bvh(tmp_path / "nothing.bvh")
    with pytest.raises(UserError, match="cannot be read"):
        read_bvh(tmp_path)


def spin(fps: float, frames: int) -> Motion:
    """Turning at 90 degrees and travelling at 1 metre a second."""
    rig = make_rig("one", [("a", None, [0, 0, 0])], {})
    time = np.arange(frames) / fps
    rotations = quat.from_yaw(np.pi / 2 * time)[None, :, None]
    return make_motion(rig, fps, time[None, :, None] * [1.0, 0, 0], rotations, contacts=np.zeros((1, frames, 0)))


@pytest.mark.parametrize(("old", "new"), [(60, 30), (120, 30), (50, 30), (24, 30), (29.97, 30), (30, 60)])
def test_resampling_keeps_time(old: float, new: float) -> None:
    motion = resample(spin(old, 100), new)
    assert motion.fps == new
    assert 0 <= 99 / old - (motion.frames - 1) / new < 1 / new
    exact = spin(new, motion.frames)
    np.testing.assert_allclose(motion.root_positions, exact.root_positions, atol=1e-5)
    assert quat.angle(motion.rotations, exact.rotations).max() < 1e-5


def test_resampling_picks_frames_where_the_ratio_is_whole_and_pads_shorter_clips(tmp_path: Path) -> None:
    motion = spin(60, 101)
    half = resample(motion, 30)
    np.testing.assert_array_equal(half.root_positions, motion.root_positions[:, ::2])
    np.testing.assert_array_equal(half.rotations, motion.rotations[:, ::2])
    assert resample(motion, 60) is motion
    assert resample(spin(60, 1), 30).frames == 1
    with pytest.raises(UserError, match="not a frame rate"):
        resample(motion, 0)
    assert read(tmp_path, bvh(), fps=60).frames == 5


def test_published_positions_of_a_real_clip(recordings: Path) -> None:
    """Forward kinematics of a dog's clip equals the positions that others published, but for a shift over the floor."""
    motion = read_bvh(recordings / "dog_mann" / "D1_010_KAN01_002.bvh", unit="cm")
    text = (recordings / "dog_mann" / "golden_fk" / "D1_010_KAN01_002.joint_pos.txt").read_text(encoding="utf-8")
    golden = np.array([line.replace(",", " ").split() for line in text.splitlines()], float).reshape(-1, 27, 3)
    apart = motion.positions[0] - golden
    shift = apart.mean((0, 1)) * [1, 0, 1]
    assert motion.fps == 60
    assert np.abs(apart - shift).max() < 1e-4


def test_a_real_dummy_root(recordings: Path) -> None:
    motion = read_bvh(recordings / "human_bandai" / "dataset-1_walk_normal_001.bvh")
    assert motion.rig.joint_names[0] == "Hips"
    assert 0.85 < motion.root_positions[0, :, 1].min() < motion.root_positions[0, :, 1].max() < 0.96
    assert np.ptp(motion.root_positions[0, :, [0, 2]], axis=1).max() > 2
    # An independent path: the mean of the two toes follows the hips.
    toes = motion.positions[0][:, [motion.rig.index("Toes_L"), motion.rig.index("Toes_R")]].mean(1)
    assert np.abs(toes - motion.root_positions[0])[:, [0, 2]].max() < 0.7


@pytest.mark.parametrize(
    ("file", "unit", "fps", "low", "high"),
    [("human_cmu/02_01.bvh", 0.056444, 120, 0.85, 1.1), ("human_lafan1/walk4_subject1.bvh", "cm", 30, 0.4, 1.0)],
)
def test_other_real_files(recordings: Path, file: str, unit: str | float, fps: float, low: float, high: float) -> None:
    motion = read_bvh(recordings / file, unit=unit)
    assert motion.fps == fps
    assert low < np.median(motion.root_positions[0, :, 1]) < high
