"""What recorders, exporters and sets do to files, as a user meets it: one test for each case.

The cases are figures that walk; where their joints are is computed with scipy, beside the reader.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from helpers.figures import MAN, MAN_ENDS, Figure, Joint, both_sides, mirrored, walking

from rae_bench.cli.data import data
from rae_bench.data.corpus import Corpus
from rae_bench.data.store import load_domain
from rae_bench.task.split import make_folds


@pytest.fixture(autouse=True)
def _home(home_folder: Path) -> None:
    """Domains are kept in a folder of the test."""


def put(folder: Path, **files: Figure | str | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for name, file in files.items():
        content = file.text() if isinstance(file, Figure) else file
        (folder / f"{name}.bvh").write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def run(path: Path, *options: str) -> Result:
    return CliRunner().invoke(data, ["import", str(path), "--name", "it", *options])


def imported(path: Path, *options: str) -> tuple[Corpus, dict[str, Any], str]:
    """The domain, its report as numbers, and all that the report tells, as text."""
    result = run(path, *options, "--json")
    assert result.exit_code == 0, result.exception
    report = json.loads(result.stdout)
    return load_domain("it"), report, " / ".join([*report["warnings"], *report["fixed"], *report["dropped"]])


def refusal(path: Path, *options: str) -> str:
    result = run(path, *options)
    assert result.exit_code != 0
    assert "\n" not in str(result.exception)
    return str(result.exception)


def meets(corpus: Corpus, figure: Figure, clip: int = 0, start: int = 0, **tolerance: float) -> None:
    """The clip's joints lie where scipy puts the figure's, or near, but for the level of the ground."""
    motion = corpus.motion
    length = int(motion.lengths[clip])
    lift = np.array([0, corpus.provenance["raised"], 0])
    for name, place in figure.world().items():
        there = motion.positions[clip, :length, motion.rig.index(name)] - lift
        off = float(np.abs(there - place[start : start + length]).max())
        assert off < tolerance.get(name, 2e-5), (name, off)


def test_01_one_row_more_than_frames_says(tmp_path: Path) -> None:
    figure = walking()
    corpus, _, told = imported(put(tmp_path / "in", a=figure.text(frames=149)))
    assert "a.bvh: Frames says 149, 150 rows follow: all of them are read" in told
    meets(corpus, figure)


def brow(figure: Figure, far: float) -> Figure:
    """A face bone that slides."""
    head = [name for name, _, _ in figure.joints].index("Head")
    joints = [*figure.joints[: head + 1], ("Brow", "Head", (0, 8, 9)), *figure.joints[head + 1 :]]
    angles = np.insert(figure.angles, head + 1, 0, axis=1)
    wave = np.sin(2 * np.pi * np.arange(len(figure.root)) / 50)[:, None]
    return replace(figure, joints=joints, angles=angles, places={"Brow": np.array([0, 8, 9]) + [0, far, 0] * wave})


@pytest.mark.parametrize("far", [0.6, 6.0])
def test_02_a_face_bone_that_slides_is_dropped(far: float, tmp_path: Path) -> None:
    figures = [walking(seed=n) for n in range(3)]
    folder = put(tmp_path / "in", **{f"w{n}": brow(figure, far) for n, figure in enumerate(figures)})
    corpus, report, told = imported(folder, "--drop-joints", "Brow")
    assert "1 of 25 joints: Brow" in told
    assert "slide" not in told
    assert report["joints"] == 24
    for n, figure in enumerate(figures):
        meets(corpus, figure, n)
    if far < 1:
        corpus, report, told = imported(folder)
        assert report["joints"] == 25
        assert "position channels slide (Brow by " in told
        meets(corpus, figures[1], 1)
    else:
        assert "bones change length: Brow by 5.99 cm, " in refusal(folder)


def shrugging(figure: Figure, far: float) -> Figure:
    """Shoulders slide up and down in position channels."""
    wave = np.sin(2 * np.pi * np.arange(len(figure.root)) / 50)[:, None]
    at = {name: offset for name, _, offset in figure.joints}
    return replace(figure, places={f"{s}Arm": np.array(at[f"{s}Arm"]) + [0, far, 0] * wave for s in ("Left", "Right")})


def test_03_shoulders_slide(tmp_path: Path) -> None:
    figure = walking()
    arms = {f"{side}{part}": 0.012 for side in ("Left", "Right") for part in ("Arm", "ForeArm", "Hand")}
    corpus, _, told = imported(put(tmp_path / "in", a=shrugging(figure, 1.1)))
    assert "slide (LeftArm by 1.1" in told
    assert "which moves a joint by up to 1.1" in told
    meets(corpus, shrugging(figure, 1.1), **arms)
    far = put(tmp_path / "far", a=shrugging(figure, 4))
    assert "bones change length: LeftArm by 3.99 cm" in (text := refusal(far))
    assert "--median-bones" in text
    assert "by up to 3.99 cm" in imported(far, "--median-bones")[2]


def test_04_a_frame_time_of_1(tmp_path: Path) -> None:
    figure = walking()
    folder = put(tmp_path / "in", a=figure.text(time="1.0"), b=walking(seed=1).text(time="1.0"))
    assert "frames last 1 s (1 fps), which tools write that do not know the rate" in (text := refusal(folder))
    assert "--recorded-fps" in text
    assert "2 of 2 files" in text
    corpus, report, _ = imported(folder, "--recorded-fps", "30")
    assert (report["recorded_fps"], report["seconds"]) == ([30], 10)
    meets(corpus, figure)


@pytest.mark.parametrize("change", [
    lambda text: text.replace("\n", "\r").encode(),
    lambda text: text.replace("\n", "\r\n").encode(),
    lambda text: text.encode() + b"\x1a",
    lambda text: text.replace("\n", "\r\n").encode("utf-16"),
], ids=["05_mac", "windows", "13_dos_end_of_file", "utf-16"])  # fmt: skip
def test_05_13_line_ends_and_ends_of_file(change: Any, tmp_path: Path) -> None:
    figure = walking()
    corpus, _, _ = imported(put(tmp_path / "in", a=change(figure.text())))
    meets(corpus, figure)


def test_06_decimal_commas(tmp_path: Path) -> None:
    figure = walking()
    head, rows = figure.text().split("Frame Time: ")
    corpus, _, told = imported(put(tmp_path / "in", a=f"{head}Frame Time: {rows.replace('.', ',')}"))
    assert "decimal commas are read as points" in told
    meets(corpus, figure)
    corpus, _, _ = imported(put(tmp_path / "all", a=figure.text().replace(".", ",")))
    meets(corpus, figure)


def test_07_an_actor_calibrated_for_each_take(tmp_path: Path) -> None:
    """Hips 9 to 11.4 cm wide."""
    takes = {}
    for n in range(4):
        figure = walking(seed=n)
        wide = [(a, b, (x * (1 + 0.267 * n / 3), y, z) if a.endswith("UpLeg") else (x, y, z))
                for a, b, (x, y, z) in figure.joints]  # fmt: skip
        takes[f"k{n}"] = replace(figure, joints=wide)
    folder = put(tmp_path / "in", **takes)
    assert "offset of LeftUpLeg differs by" in (text := refusal(folder))
    assert "--median-bones makes one skeleton of them, if it is one character" in text
    corpus, report, told = imported(folder, "--median-bones")
    assert report["groups"] == 4
    assert "bones differ between files, most LeftUpLeg, 1.2 cm off in k0.bvh: the median of all is used" in told
    middle = corpus.motion.rig.offsets[corpus.motion.rig.index("LeftUpLeg")]
    np.testing.assert_allclose(middle, [0.102, -0.03, 0], atol=1e-4)
    legs = {f"{side}{part}": 0.013 for side in ("Left", "Right") for part in ("UpLeg", "Leg", "Foot", "Toe")}
    meets(corpus, takes["k3"], 3, **legs)


def test_07_another_unit_is_no_other_calibration(tmp_path: Path) -> None:
    folder = put(tmp_path / "in", a=walking(), b=walking(seed=1), c=walking(scale=0.01, seed=2))
    for options in ((), ("--median-bones",)):
        assert "c.bvh (its bones are 0.01 times as long: another unit?)" in refusal(folder, *options)


BIRD: list[Joint] = [
    ("Pelvis", "", (0, 31, 0)),
    ("Spine", "Pelvis", (0, 4, 6)),
    ("Neck", "Spine", (0, 9, 6)),
    ("Head", "Neck", (0, 9, 4)),
    ("Tail", "Pelvis", (0, 2, -9)),
    *both_sides(
        ("L_Thigh", "Pelvis", (5, -3, 0)),
        ("L_Calf", "L_Thigh", (0, -11, 4)),
        ("L_Foot", "L_Calf", (0, -14, -4)),
        ("L_Toe3", "L_Foot", (0, -2, -3)),
        ("L_Toe0", "L_Foot", (-1.5, -2, 4)),
        ("L_Toe1", "L_Foot", (0, -2, 4)),
        ("L_Toe2", "L_Foot", (1.5, -2, 4)),
    ),
]
BIRD_ENDS = {f"{side}_Toe{n}": (0.0, -0.5, -2.0 if n == 3 else 3.0) for side in "LR" for n in range(4)}


def test_08_a_bird_stands_on_front_toes(tmp_path: Path) -> None:
    takes = {f"b{n}": walking(BIRD, BIRD_ENDS, speed=30 + 5 * n, seed=n) for n in range(3)}
    _, report, told = imported(put(tmp_path / "in", **takes))
    assert list(report["contact_share"]) == ["L_Toe1", "R_Toe1"]
    assert "swapped" not in told
    assert "--unit" not in told


def test_09_a_man_in_inches(tmp_path: Path) -> None:
    takes = {f"w{n}": walking(scale=1 / 2.54, seed=n) for n in range(3)}
    _, _, told = imported(put(tmp_path / "in", **takes))
    assert "it stands 67" in told
    assert "inches? --unit 0.0254 makes it 1.71 m" in told
    assert "--unit" not in imported(put(tmp_path / "in"), "--unit", "0.0254")[2]


def test_10_a_spider(tmp_path: Path) -> None:
    legs: list[Joint] = []
    for n in range(4):
        z = 12 - 8 * n
        legs += both_sides(
            (f"L_Leg{n}1", "Body", (6, 0, z)),
            (f"L_Leg{n}2", f"L_Leg{n}1", (14, 9, z / 3)),
            (f"L_Leg{n}3", f"L_Leg{n}2", (12, -29, z / 3)),
        )
    figure = walking([("Body", "", (0, 20, 0)), *legs], {}, speed=20)
    _, report, told = imported(put(tmp_path / "in", a=figure))
    heights = np.stack(list(figure.world().values()))[..., 1]
    assert report["height"] == pytest.approx(np.median(np.ptp(heights, axis=0)), rel=0.1)
    assert "no feet were found by name: contacts and the metrics of feet fall away" in told


def test_11_position_channels_of_zeros(tmp_path: Path) -> None:
    figure = walking()
    zeros = {name: np.zeros((len(figure.root), 3)) for name, parent, _ in figure.joints if parent}
    corpus, _, told = imported(put(tmp_path / "in", a=replace(figure, places=zeros)))
    assert "the position channels of Spine, Chest, Neck and 15 more are zero: taken as displacements" in told
    meets(corpus, figure)


def test_12_copies_count_as_one(tmp_path: Path) -> None:
    """Mirrored, under another name, with fewer digits, cut, and shifted in time."""
    takes = [walking(seconds=6, seed=n) for n in range(3)]
    first = takes[0]
    cut = replace(first, root=first.root[25:], angles=first.angles[25:])
    folder = put(
        tmp_path / "in", take0=takes[0], take1=takes[1], take2=takes[2], take0_mirror=mirrored(takes[0]),
        take1_mirror=mirrored(takes[1]), take2_mirror=mirrored(takes[2]), again=takes[0], cut=cut,
        rounded=replace(takes[1], angles=takes[1].angles.round(2), root=takes[1].root.round(2)),
        windows=takes[2].text().replace("\n", "\r\n"),
    )  # fmt: skip
    corpus, report, told = imported(folder, "--minimum-seconds", "1")
    assert report["groups"] == 3
    assert "the same motion, or its mirror image, is in two groups, which count as one" in told
    of = dict(zip(corpus.takes, corpus.groups, strict=True))
    assert of["take0"] == of["take0_mirror"] == of["again"] == of["cut"]
    assert of["take1"] == of["take1_mirror"] == of["rounded"]
    assert of["take2"] == of["take2_mirror"] == of["windows"]
    assert "copies of takes then stand on both sides of what is held out: remove" in run(folder).output


def test_19_a_name_space_of_its_own_for_each_file(tmp_path: Path) -> None:
    takes = [walking(seed=n) for n in range(4)]

    def spaced(figure: Figure, space: str) -> Figure:
        return figure.called({name: f"{space}:{name}" for name, _, _ in figure.joints})

    folder = put(
        tmp_path / "in", a=spaced(takes[0], "mixamorig"), b=spaced(takes[1], "mixamorig"),
        c=spaced(takes[2], "mixamorig1"), d=takes[3],
    )  # fmt: skip
    corpus, report, _ = imported(folder)
    assert (report["files"], report["joints"]) == (4, 24)
    assert corpus.motion.rig.joint_names[0] == "mixamorig:Hips"
    for n, figure in enumerate(takes):
        meets(corpus, spaced(figure, "mixamorig"), n)


def test_the_root_may_be_named(tmp_path: Path) -> None:
    """A node above the hips that stands still, and hips that hardly move."""
    figure = walking(speed=0)
    still = replace(figure, root=figure.root * [0.01, 0, 0.01] + [0, 91, 0])
    joints = [("World", "", (0.0, 0.0, 0.0)), ("Hips", "World", (0.0, 91.0, 0.0)), *still.joints[1:]]
    whole = replace(
        still, joints=joints, angles=np.insert(still.angles, 0, 0, axis=1), root=np.zeros_like(still.root),
        places={"Hips": still.root},
    )  # fmt: skip
    folder = put(tmp_path / "in", a=whole)
    corpus, _, _ = imported(folder, "--root", "Hips")
    assert corpus.motion.rig.joint_names[0] == "Hips"
    meets(corpus, still)
    assert "did you mean Hips" in refusal(folder, "--root", "Hip")


def test_a_root_in_another_unit_than_the_bones(tmp_path: Path) -> None:
    figure = walking()
    folder = put(tmp_path / "in", a=replace(figure, root=figure.root / 100))
    assert "the root moves as if its path were in a unit 100 times that of the bones" in imported(folder)[2]
    assert "as if its path" not in imported(put(tmp_path / "right", a=figure))[2]


def test_files_that_differ_in_the_case_of_their_suffix(tmp_path: Path) -> None:
    folder = put(tmp_path / "in", a=walking())
    (folder / "a.BVH").write_text(walking(seed=1).text())
    corpus, _, _ = imported(folder)
    assert corpus.ids == ("a.BVH#0", "a.bvh#0")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a.zip"], "it holds .zip); unpack the archive and give its folder"),
        (["a.asf", "a.amc"], "it holds .amc, .asf); convert ASF/AMC to BVH first"),
        (["a.c3d"], "these hold markers"),
        (["a.dae"], "export BVH from them"),
    ],
)
def test_formats_that_are_not_read(names: list[str], words: str, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"PK\3\4")
    assert words in refusal(tmp_path)
    assert words.rpartition("; ")[2] in refusal(tmp_path / names[0])


def test_other_things_under_the_name_of_a_recording(tmp_path: Path) -> None:
    folder = put(tmp_path / "in", a=walking(), b=gzip.compress(walking().text().encode()))
    assert "b.bvh: packed with gzip; unpack it first" in refusal(folder)
    put(folder, b=walking().text().split("MOTION")[0])
    assert "b.bvh: no MOTION section; " in (text := refusal(folder))
    assert "--exclude 'b.bvh' leaves it out" in text
    assert imported(folder, "--exclude", "b.bvh")[1]["files"] == 1
    assert "nowhere: no such file or folder" in refusal(tmp_path / "nowhere")


def test_a_unit_by_another_name(tmp_path: Path) -> None:
    folder = put(tmp_path / "in", a=walking(scale=1 / 2.54))
    assert imported(folder, "--unit", "Inches")[1]["height"] == pytest.approx(1.7, rel=0.1)


@pytest.mark.parametrize("rate", [1 / 30, 1.0])
def test_an_npz_whose_rate_is_none(rate: float, tmp_path: Path) -> None:
    figure = walking()
    names = [name for name, _, _ in figure.joints]
    parents = [names.index(parent) if parent else -1 for _, parent, _ in figure.joints]
    positions = np.stack(list(figure.world().values()), 1)
    np.savez(tmp_path / "a.npz", positions=positions, names=np.array(names), parents=np.array(parents), fps=rate)
    words = "frames per second in place of seconds? --recorded-fps 30" if rate < 1 else "frames last 1 s"
    assert words in refusal(tmp_path)
    assert imported(tmp_path, "--recorded-fps", "30")[1]["recorded_fps"] == [30]


def test_a_take_in_which_nothing_moves(tmp_path: Path) -> None:
    figure = walking()
    still = replace(figure, root=np.tile(figure.root[:1], (90, 1)), angles=np.zeros_like(figure.angles[:90]))
    corpus, _, told = imported(put(tmp_path / "in", a=still, b=still))
    assert "18 of 18 joints never turn" in told
    assert np.isfinite(corpus.motion.positions).all()


JAPANESE = {
    "Spine": "上半身", "Chest": "上半身2", "Neck": "首", "Head": "頭", "Hips": "センター",
    **{f"{side}{part}": f"{sign}{name}" for side, sign in (("Left", "左"), ("Right", "右")) for part, name in (
        ("Arm", "腕"), ("ForeArm", "ひじ"), ("Hand", "手首"), ("UpLeg", "足"), ("Leg", "ひざ"), ("Foot", "足首"),
        ("Toe", "つま先"))},
}  # fmt: skip


def test_14_names_in_shift_jis(tmp_path: Path) -> None:
    figure = walking().called(JAPANESE)
    corpus, _, told = imported(put(tmp_path / "in", a=figure.text().encode("shift_jis")))
    assert "its names are not in UTF-8; they are read as Shift-JIS" in told
    assert {"左足", "右足", "左足首"} < set(corpus.motion.rig.joint_names)
    meets(corpus, figure)


def test_15_number_signs_in_names(tmp_path: Path) -> None:
    figure = walking().called({name: f"{name} #{n}" for n, (name, _, _) in enumerate(MAN)})
    corpus, report, _ = imported(put(tmp_path / "in", a=figure))
    assert report["joints"] == 24
    meets(corpus, figure)


def test_16_two_long_takes(tmp_path: Path) -> None:
    takes = {f"t{n}": walking(seconds=20, speed=100 + 20 * n, seed=n) for n in range(2)}
    result = run(put(tmp_path / "in", **takes))
    assert "fewer than 5 groups: runs hold out blocks of time and rank nothing; --group-by" in result.output
    corpus = load_domain("it")
    folds = make_folds(corpus.groups, corpus.actions, corpus.takes, corpus.motion.lengths, corpus.motion.fps)
    assert folds.blocks
    assert set(folds.of.tolist()) >= set(range(5))


def test_17_seconds_in_a_roles_file(tmp_path: Path) -> None:
    folder = put(tmp_path / "in", w0=walking(seconds=7))
    roles = 'seconds = 2.0\nminimum_seconds = 1.0\n[roles]\npelvis = "Hips"\nhead = "Head"\nleft_foot = "LeftFoot"\n'
    (folder / "roles.toml").write_text(roles)
    _, report, told = imported(folder, "--roles", str(folder / "roles.toml"))
    assert report["segments"] == 4
    assert "no joint touches the ground" in told


def test_18_the_ball_is_called_fore_foot(tmp_path: Path) -> None:
    figure = walking().called({f"{side}Toe": f"{side}ForeFoot" for side in ("Left", "Right")})
    _, report, _ = imported(put(tmp_path / "in", a=figure))
    assert list(report["contact_share"]) == ["LeftForeFoot", "RightForeFoot"]


def test_19_siblings_in_another_order_and_end_sites_that_differ(tmp_path: Path) -> None:
    takes = [walking(seed=n) for n in range(4)]
    order = [0, *range(1, 5), *range(12, 19), *range(5, 12)]  # the right side first

    def other(figure: Figure) -> Figure:
        return replace(figure, joints=[MAN[j] for j in order], angles=figure.angles[:, order])

    without = replace(takes[3], ends={name: at for name, at in MAN_ENDS.items() if name != "Head"})
    folder = put(tmp_path / "in", a0=takes[0], a1=takes[1], b0=other(takes[2]), b1=other(without))
    corpus, report, _ = imported(folder)
    assert (report["files"], report["groups"], report["joints"]) == (4, 4, 24)
    for n, figure in enumerate(takes):
        meets(corpus, figure, n)
    np.testing.assert_allclose(corpus.motion.rig.offsets[corpus.motion.rig.index("Head_end")], [0, 0.18, 0], atol=1e-5)
