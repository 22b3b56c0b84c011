"""Which format a folder holds, a domain for each skeleton, and every folder of the real recordings by one command."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from helpers.bvh import bvh
from helpers.deepmimic import ROWS, character
from helpers.documents import import_commands
from helpers.places import DOCS
from helpers.recordings import RECIPE, header, walk

from rae_bench.cli.data import data
from rae_bench.data.importing.detect import detect_format, resolve_recipe
from rae_bench.data.importing.file_names import labels_by_name, mirrored_by_name
from rae_bench.data.importing.recipe import Recipe
from rae_bench.data.importing.recordings import import_folder, import_skeletons
from rae_bench.data.store import load_domain
from rae_bench.errors import UserError


def test_formats_are_told_apart(tmp_path: Path) -> None:
    def is_a(content: bytes, form: str | None) -> None:
        (tmp_path / "x").write_bytes(content)
        assert detect_format(tmp_path / "x") == form

    is_a(bvh().encode(), "bvh")
    is_a(b"PK\x03\x04...", "npz")
    is_a(b'\xef\xbb\xbf {"Loop": "wrap", "Frames": []}', "deepmimic")
    is_a(b'{"timestamp": [0], "frames": []}', "unity")
    is_a(b'{"frames": []}', "unity")
    is_a(b'{"Skeleton": {}}', "character")
    is_a(b'[{"file": "a", "frames": 3}]', None)
    is_a(b"", None)
    assert detect_format(tmp_path / "none") is None


def test_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "motions").mkdir()
    character(tmp_path)
    for name in ("motions/a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps({"Frames": ROWS}))
    (tmp_path / "manifest.json").write_text('[{"file": "b.json"}]')
    recipe, files = resolve_recipe(tmp_path, Recipe())
    assert (recipe.format, recipe.unit, files) == ("deepmimic", "m", ["b.json", "motions/a.json"])
    with pytest.raises(UserError, match="root is for bvh, gltf files; these are deepmimic"):
        import_folder(tmp_path, Recipe(root="Hips"), "x")
    np.savez(tmp_path / "c.npz", a=np.zeros(3))
    assert resolve_recipe(tmp_path, Recipe())[0].format == "npz"
    assert resolve_recipe(tmp_path, Recipe(format="deepmimic"))[1] == files
    (tmp_path / "d.bvh").write_text(bvh())
    with pytest.raises(UserError, match="holds bvh and npz files; choose one with --format"):
        resolve_recipe(tmp_path, Recipe())
    recipe, files = resolve_recipe(tmp_path, Recipe(include=("*.bvh",)))
    assert (recipe.format, recipe.unit, files) == ("bvh", "cm", ["d.bvh"])
    with pytest.raises(UserError, match="unknown format 'bvhh'; did you mean bvh"):
        Recipe.from_table({"format": "bvhh"})


@pytest.mark.parametrize("pattern", ["/etc/*", "../*.bvh", "", "a**", "walks/../../*"])
def test_only_files_of_the_folder_are_chosen(pattern: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for place in (tmp_path, tmp_path / "a"):
        (place / "x.bvh").write_text(bvh())
    with pytest.raises(UserError, match="is no name or pattern of files in this folder"):
        resolve_recipe(tmp_path / "a", Recipe(include=(pattern,)))


def test_a_folder_without_recordings(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no recordings: neither \*\.bvh, \*\.glb, \*\.gltf nor .*\(it is empty\)"):
        resolve_recipe(tmp_path, Recipe())
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(UserError, match=r"no recordings: .*\(it holds \.txt\)"):
        resolve_recipe(tmp_path, Recipe())
    with pytest.raises(UserError, match=r"no file matches \*\.npz \(it holds"):
        resolve_recipe(tmp_path, Recipe(format="npz"))
    (tmp_path / "a.bvh").write_text(bvh())
    with pytest.raises(UserError, match=r"no file matches \*\.bvh but not a\* \(it holds"):
        resolve_recipe(tmp_path, Recipe(exclude=("a*",)))


def test_files_in_folders_within_the_folder(tmp_path: Path) -> None:
    """100STYLE has a folder for each style, CMU one for each subject; macOS leaves files beside them."""
    names = ("Angry/Angry_FW.bvh", "Old/Old_FW.Bvh", "Old/Old_BW.BVH", "__MACOSX/Old/._Old_BW.BVH", "Old/._a.bvh")
    for n, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(header() + walk(3, 30, 50.0 + 9 * n) if "._" not in name else "\0\5\x16\7")
    recipe, files = resolve_recipe(tmp_path, Recipe())
    assert (recipe.format, files) == ("bvh", ["Angry/Angry_FW.bvh", "Old/Old_BW.BVH", "Old/Old_FW.Bvh"])
    corpus = import_folder(tmp_path, RECIPE, "x")
    assert corpus.provenance["styles"] == {"Angry/Angry_FW": "Angry", "Old/Old_BW": "Old", "Old/Old_FW": "Old"}
    assert corpus.groups == ("Angry/Angry_FW", "Old/Old_BW", "Old/Old_FW")
    (tmp_path / "idle.bvh").write_text(header() + walk(3, 30, 40.0))
    corpus = import_folder(tmp_path, RECIPE, "x")
    assert corpus.takes == ("idle",)
    told = f"3 files in folders within {tmp_path.name}: --include '**/*.bvh' reads them too"
    assert told in corpus.provenance["dropped"]


@pytest.mark.parametrize(
    ("stems", "sessions", "styles", "told"),
    [
        (["01/01_01", "01/01_02", "07/07_01"], ["01", "01", "07"], [None] * 3, "2 subjects by the names of files: 01,"),
        (["02_01", "02_04", "16_01"], ["02", "02", "16"], [None] * 3, "2 subjects"),
        (["walk1_subject1", "run2_subject5", "aim1_subject5"], ["subject1", "subject5", "subject5"], [None] * 3, "2 "),
        (["Actor_02/a", "Actor_03/a"], ["Actor_02", "Actor_03"], [None] * 2, "2 subjects"),
        (["S1/walk/a", "S2/walk/a"], ["S1", "S2"], ["walk", "walk"], "2 subjects"),
        (["day1_a", "day2_a", "day2_b"], ["day1", "day2", "day2"], [None] * 3, "2 sessions by"),
        (["Angry/FW", "Old/FW"], [None] * 2, ["Angry", "Old"], ""),
        (["walk", "run", "walk2"], [None] * 3, [None] * 3, ""),
        (["walk_01", "run_01"], [None] * 2, [None] * 2, ""),
        (["subject1_a", "subject1_b"], [None] * 2, [None] * 2, ""),  # one subject tells nothing apart
        (["daylight_1", "holiday2", "subtle 3", "factor4"], [None] * 4, [None] * 4, ""),
    ],
)
def test_what_names_of_files_tell(
    stems: list[str], sessions: list[str | None], styles: list[str | None], told: str
) -> None:
    labels, text = labels_by_name(stems)
    assert [label.get("session") for label in labels] == sessions
    assert [label.get("style") for label in labels] == styles
    assert text.startswith(told)
    assert bool(text) == bool(told)


def test_mirror_images_by_name() -> None:
    stems = ["walk", "walk_mirror", "run_M", "run", "jumpMirrored", "jump", "mirror_hop", "hop", "mirrored/skip",
             "skip", "mirror", "room", "a/turn", "a/turn-flipped", "alone_mirrored"]  # fmt: skip
    assert mirrored_by_name(stems) == {
        "walk_mirror": "walk", "run_M": "run", "jumpMirrored": "jump", "mirror_hop": "hop", "mirrored/skip": "skip",
        "a/turn-flipped": "a/turn",
    }  # fmt: skip


def test_groups_by_names_files_or_segments(tmp_path: Path) -> None:
    for n in range(4):
        (tmp_path / f"walk{n}_subject{n // 2}.bvh").write_text(header() + walk(6, 30, 50.0 + 9 * n))
    options = {"names": {"subject0", "subject1"}, "file": {f"walk{n}_subject{n // 2}" for n in range(4)}}
    for key, groups in options.items():
        corpus = import_folder(tmp_path, replace(RECIPE, group_by=key), "x", seconds=3)
        assert set(corpus.groups) == groups
        assert bool(corpus.provenance["grouped_by"]) == (key == "names")
    segments = import_folder(tmp_path, replace(RECIPE, group_by="segment"), "x", seconds=3)
    assert set(segments.groups) <= set(segments.ids)
    pattern = replace(RECIPE, group_pattern=r"(walk\d)")
    assert set(import_folder(tmp_path, pattern, "x", seconds=3).groups) == {f"walk{n}" for n in range(4)}


def test_seconds_in_a_roles_file(tmp_path: Path, home_folder: Path) -> None:
    (tmp_path / "a.bvh").write_text(header() + walk(7, 30))

    def imported(roles: str, *options: str) -> Result:
        (tmp_path / "roles.toml").write_text(roles)
        words = ["import", str(tmp_path), "--name", "x", "--roles", str(tmp_path / "roles.toml"), *options]
        return CliRunner().invoke(data, words)

    assert imported('seconds = 2\nminimum_seconds = 1.0\n[roles]\npelvis = "Hips"').exit_code == 0
    assert len(load_domain("x").motion) == 4
    assert imported("seconds = 2\nminimum_seconds = 1.0", "--minimum-seconds", "1.5").exit_code == 0
    assert len(load_domain("x").motion) == 3
    for roles, words in (('seconds = "2"', "seconds = '2' needs to be a number"), ("second = 2", "did you mean")):
        result = imported(roles)
        assert words in str(result.exception), result.output


def test_the_report_ends_with_the_next_commands(tmp_path: Path, home_folder: Path) -> None:
    (tmp_path / "a.bvh").write_text(header() + walk(7, 30))
    result = CliRunner().invoke(data, ["import", str(tmp_path), "--name", "x"])
    assert "fewer than 5 segments: no run can hold a fifth out" in result.output
    (tmp_path / "a.bvh").write_text(header() + walk(27, 30))
    result = CliRunner().invoke(data, ["import", str(tmp_path), "--name", "x"])
    assert result.stdout.splitlines()[-2:] == [
        "next          rae-bench data report x --page x.html",
        "              rae-bench run --model fe --source r1 --target x",
    ]
    assert "fewer than 5 groups: runs hold out blocks of time" in result.output


def test_one_file_and_what_the_command_refuses(
    tmp_path: Path, home_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a[1]", "b"):
        (tmp_path / f"{name}.bvh").write_text(header() + walk(3, 30))

    def run(*words: str) -> Result:
        return CliRunner().invoke(data, ["import", *words, "--json"])

    result = run(str(tmp_path / "a[1].bvh"), "--name", "one")
    assert result.exit_code == 0, result.exception
    assert load_domain("one").groups == ("a[1]",)
    (tmp_path / "taken").write_text("a file where the domains' folder should be")
    for words, home, message in (
        (("--name", "one", "--include", "b*"), "", "is a file; --include chooses from a folder"),
        (("--name", "quad"), "", "a built-in rig has it; choose another"),
        (("--name", "../one"), "", "use letters, digits"),
        (("--name", "one", "--seconds", "nan"), "", "--minimum-seconds 2 needs to lie between 0 and --seconds nan"),
        (("--name", "one", "--seconds", "inf"), "", "needs to lie between 0 and --seconds inf"),
        (("--name", "one"), str(tmp_path / "taken"), "cannot keep the domain in .*RAE_BENCH_HOME=DIR"),
    ):
        with monkeypatch.context() as patch:
            if home:
                patch.setenv("RAE_BENCH_HOME", home)
            error = run(str(tmp_path / "b.bvh"), *words).exception
        assert isinstance(error, UserError), (words, error)
        assert re.search(message, str(error)), error


def test_a_deepmimic_folder(tmp_path: Path) -> None:
    character(tmp_path)
    for name in "ab":
        (tmp_path / f"{name}.json").write_text(json.dumps({"Frames": [ROWS[0]] * 40}))
    recipe = Recipe(roles={"pelvis": "root", "head": "head"})
    corpus = import_folder(tmp_path, recipe, "x")
    assert corpus.motion.rig.joint_names == ("root", "knee", "ankle", "chest", "head")
    (tmp_path / "figure.json").write_text((tmp_path / "figure.json").read_text().replace("0.3", "0.4"))
    again = import_folder(tmp_path, recipe, "x")
    assert again.identity != corpus.identity  # the character decides the content too
    with pytest.raises(UserError, match=r"skeleton none\.toml: no such file"):
        import_folder(tmp_path, Recipe(skeleton=("none.toml",)), "x")


def test_a_domain_for_each_skeleton(tmp_path: Path) -> None:
    motion = walk(3, 30)
    for name, text in (
        ("a", header()),
        ("b", header(head=61)),
        ("c", header()),
        ("d", header(rename=("Head", "Skull"))),
    ):
        (tmp_path / f"{name}[1].bvh").write_text(text + (walk(3, 30, 50.0) if name == "c" else motion))
    with pytest.raises(UserError, match=r"b\[1\].bvh \(offset of Head differs by 1 cm\).*--per-skeleton"):
        import_folder(tmp_path, RECIPE, "x")
    recipe = Recipe(contact_joints=RECIPE.contact_joints)
    corpora = import_skeletons(tmp_path, recipe, "x")
    assert [corpus.name for corpus in corpora] == ["x-1", "x-2", "x-3"]
    assert [corpus.groups for corpus in corpora] == [("a[1]", "c[1]"), ("b[1]",), ("d[1]",)]
    assert "head" not in corpora[2].motion.rig.roles
    for name in ("b[1].bvh", "d[1].bvh"):
        (tmp_path / name).unlink()
    assert [corpus.name for corpus in import_skeletons(tmp_path, recipe, "x")] == ["x"]


def test_frames_are_skipped_at_the_start_of_every_file(tmp_path: Path) -> None:
    (tmp_path / "a.bvh").write_text(header() + walk(3, 30))
    whole = import_folder(tmp_path, RECIPE, "x")
    cut = import_folder(tmp_path, Recipe.from_table({"roles": {"pelvis": "Hips"}, "skip_frames": 7}), "x")
    assert cut.motion.frames == whole.motion.frames - 7
    np.testing.assert_array_equal(cut.motion.root_positions[0], whole.motion.root_positions[0, 7:])
    with pytest.raises(UserError, match="90 frames, skip_frames = 90 leaves none"):
        import_folder(tmp_path, Recipe(skip_frames=90), "x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"up": [0, 0, 0]}, "up"),
        ({"up": [1, 2]}, "up"),
        ({"up": "w"}, "up"),
        ({"skip_frames": -1}, "skip_frames"),
        ({"skip_frames": True}, "skip_frames"),
        ({"recorded_fps": 0}, "recorded_fps"),
        ({"fixed_base": 1}, "fixed_base"),
        ({"skeleton": "a.toml"}, "skeleton"),
        ({"root_path": 3}, "root_path"),
        ({"format": 3}, "format"),
    ],
)
def test_recipe_faults(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=rf"a\.toml: .*{message}"):
        Recipe.from_table(change, "a.toml")


def imported(words: list[str], recordings: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.chdir(DOCS.parent)
    return CliRunner().invoke(data, ["import", str(recordings / words[3].split("/", 1)[1]), *words[4:]])


WHOLE = {"dog_full": "dog_mann", "human_full": "human_bandai"}
"""Folders that hold the recordings of another, and more of the same source."""


def test_every_folder_has_a_command(recordings: Path) -> None:
    # Larger copies of a set (dog_full) are read as the set is.
    assert {words[3] for words in import_commands()} == {
        f"$DATA/{each.name}" for each in recordings.iterdir() if each.is_dir() and each.name not in WHOLE
    }


@pytest.mark.slow
@pytest.mark.parametrize("folder", WHOLE)
def test_more_of_a_source_is_the_same_skeleton(folder: str, recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def files(folder: str) -> set[str]:
        return {path.name for path in (recordings / folder).glob("*.bvh")}

    assert files(folder) > files(WHOLE[folder])
    options = ["--name", folder, "--manifest", "manifest.json", "--json"]
    result = imported(["", "", "", f"$DATA/{folder}", *options], recordings, monkeypatch)
    assert result.exit_code == 0, result.exception
    ((joints, pelvis, noticed),) = DOMAINS[WHOLE[folder]]
    report = json.loads(result.stdout)
    assert report["joints"] == joints
    assert report["pelvis_height"] == pytest.approx(pelvis, rel=0.05)
    assert noticed in " ".join(report["warnings"]), report["warnings"]


DOMAINS = {  # folder: (joints, pelvis height in metres, what the summary has to notice) of each domain
    "human_bandai": [(26, 0.9, "joints of zero length: Head_end")],
    "dog_mann": [(27, 0.45, "joints of zero length: Spine")],
    "dog_labrador": [(37, 0.55, "dog_quad_walkrun_001.bvh: joints leave their path for single frames: 652 (b__Neck1")],
    "human_lafan1": [(27, 0.88, "joints of zero length")],
    "human_cmu": [(38, 1.03, "LHipJoint"), (38, 0.94, "lowerback")],
    "deepmimic": [(23, 0.6, "by up to 0.17"), (15, 0.77, "by up to 0.42")],
    "insect_fly": [(31, 9e-4, "bone lengths vary by 5.6 %"), (31, 9.2e-4, "bone lengths vary by 5.9 %")],
    "insect_stick": [(41, 5.7e-3, "bone lengths vary by 0.0001")],
    "arm_mouse": [(4, 0, "bone lengths vary by 1")],
    "quadruped_mouse": [(34, 0.013, "bone lengths vary by 13 % (Forepaw_R 1.1e+02 %)")],
    "thesis_unity": [(22, 0.94, "left_toe"), (32, 0.94, "left_toe")],
}


@pytest.mark.parametrize("words", import_commands(), ids=lambda words: words[3])
def test_every_folder_of_recordings_imports(
    words: list[str], recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = imported([*words, "--json"], recordings, monkeypatch)
    assert result.exit_code == 0, result.exception
    report = json.loads(result.stdout)
    reports = report if isinstance(report, list) else [report]
    expected = DOMAINS[words[3].split("/")[1]]
    assert len(reports) == len(expected)
    for each, (joints, pelvis, noticed) in zip(reports, expected, strict=True):
        assert each["joints"] == joints
        assert each["pelvis_height"] == pytest.approx(pelvis, rel=0.05, abs=5e-4)
        assert noticed in " ".join(each["warnings"]), each["warnings"]
        assert "below the feet" not in " ".join(each["warnings"])
        motion = load_domain(each["name"]).motion
        assert np.isfinite(motion.positions).all()
        assert motion.rig.roles


def test_traps_that_stop_an_import(recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(folder: str, message: str, *options: str) -> None:
        error = imported(["", "", "", f"$DATA/{folder}", "--name", "x", *options], recordings, monkeypatch).exception
        assert isinstance(error, UserError), error
        assert re.search(message, str(error)), str(error)

    fails("dog_labrador", "offset of b_Tail002 differs by 0.84 cm")
    fails("human_cmu", r"1 of 4 files .*02_01.bvh \(lacks LeftHip")
    fails("deepmimic", "3 of 17 files have another skeleton")
    fails("insect_fly", "several arrays of positions|no root: 6 joints")
    fails("insect_stick", "several arrays of positions")
    fails("insect_stick", "no frame rate", "--points", "body_positions")
    fails("arm_mouse", "no parents", "--points", "body_positions")
    fails("quadruped_mouse", "no parents")
    fails("thesis_unity", "no frame rate")
