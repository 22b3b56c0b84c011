"""From a folder of BVH files to a corpus: a walking stick figure written by the test, then the real recordings."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from helpers.recordings import RECIPE, TABLE, header, walk

from rae_bench.cli.data import data
from rae_bench.data.corpus import Corpus
from rae_bench.data.importing import recordings as imports
from rae_bench.data.importing.domain_report import domain_summary
from rae_bench.data.importing.joint_names import pairs_by_spelling
from rae_bench.data.importing.recipe import Recipe, read_roles
from rae_bench.data.importing.recordings import import_folder, load_recording
from rae_bench.data.importing.rest_pose import ground_shift
from rae_bench.data.store import load_domain, save_domain
from rae_bench.errors import UserError
from rae_bench.motion.contacts import find_contacts
from rae_bench.motion.root import heading_angle
from rae_bench.storage import list_domains


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three takes of a walk: 13 s, 6 s and 1 s."""
    folder = tmp_path_factory.mktemp("walks")
    for stem, seconds, end, speed in (
        ("S1_walk01", 13, 0.0, 60.0), ("S1_walk02", 6, 8.0, 42.0), ("S2_short", 1, 0.0, 60.0)
    ):  # fmt: skip
        (folder / f"{stem}.bvh").write_text(header(end) + walk(seconds, 60, speed))
    (folder / "notes.txt").write_text("not motion")
    return folder


@pytest.fixture(scope="module")
def walked(walks: Path) -> Corpus:
    return import_folder(walks, RECIPE, "stick")


def test_segments_groups_and_provenance(walked: Corpus) -> None:
    assert walked.ids == ("S1_walk01#0", "S1_walk01#1", "S1_walk01#2", "S1_walk02#0")
    assert walked.motion.lengths.tolist() == [150, 150, 90, 150]
    assert walked.groups == ("S1_walk01", "S1_walk01", "S1_walk01", "S1_walk02")
    assert walked.motion.fps == 30
    assert walked.provenance["source"].startswith("walks")
    assert "/" not in json.dumps(walked.provenance).replace("m/s", "")
    assert walked.provenance["dropped"][0].startswith("S2_short: 1.00 s")
    assert any("End Sites" in text for text in walked.provenance["fixed"])
    assert walked.motion.rig.offsets[walked.motion.rig.index("Head_end")].tolist() == pytest.approx([0, 0.08, 0])


def test_rest_pose_stands_and_faces_ahead(walked: Corpus) -> None:
    rig = walked.motion.rig
    positions, rotations = rig.rest_global
    assert heading_angle(positions, rotations, rig) == pytest.approx(0, abs=1e-5)
    feet = positions[[rig.index("LeftToe"), rig.index("RightToe")]]
    np.testing.assert_allclose(feet[:, [1, 2]], np.tile(feet[0, [1, 2]], (2, 1)), atol=0.01)
    assert feet[0, 0] > 0.05 > -0.05 > feet[1, 0]  # left is +X of one who faces +Z
    assert rig.height == pytest.approx(0.86 + 0.6 + 0.08 + 0.08, abs=0.1)
    # In the file the figure faces +X.
    assert walked.motion.root.yaw[0, 100] == pytest.approx(np.pi / 2, abs=1e-3)


def test_contacts_follow_the_planted_feet(walked: Corpus) -> None:
    motion = walked.motion
    assert motion.contacts[0, :25].all()  # stands
    moving = motion.contacts[1]
    assert moving.mean(0) == pytest.approx([0.6, 0.6], abs=0.08)
    assert moving.any(1).all()
    toes = motion.positions[1][:, motion.rig.contact_joints]
    slide = np.linalg.norm(np.diff(toes, axis=0), axis=-1)[moving[1:] & moving[:-1]]
    assert np.median(slide) < 1e-4


def test_actions_groups_and_styles(walks: Path, tmp_path: Path) -> None:
    for path in walks.glob("*.bvh"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    entry = {"file": "S1_walk01.bvh", "session": "monday", "action": "man_walk07", "style": "sad"}
    listed = [entry, {"file": "other.bvh"}]
    (tmp_path / "m.json").write_text(json.dumps(listed))
    corpus = import_folder(tmp_path, replace(RECIPE, manifest="m.json", action_pattern=r"_([a-z]+)\d*$"), "stick")
    assert corpus.groups == ("monday", "monday", "monday", "S1_walk02")
    assert set(corpus.actions) == {"walk"}
    assert corpus.provenance["styles"] == {"S1_walk01": "sad"}
    corpus = import_folder(tmp_path, replace(RECIPE, group_pattern=r"^(S\d)_"), "stick", seconds=4, minimum_seconds=1)
    assert set(corpus.groups) == {"S1", "S2"}
    assert corpus.ids[:4] == ("S1_walk01#0", "S1_walk01#1", "S1_walk01#2", "S1_walk01#3")
    assert corpus.motion.lengths.max() == 120
    for key, word in (("group_pattern", "file 'S1_walk01'"), ("action_pattern", "does not match")):
        with pytest.raises(UserError, match=word):
            import_folder(tmp_path, replace(RECIPE, **{key: "(X)"}), "stick")  # type: ignore[arg-type]


def test_rate_unit_and_choice_of_files(walks: Path) -> None:
    corpus = import_folder(walks, replace(RECIPE, fps=60.0, unit="mm", exclude=("*02*",)), "stick")
    assert corpus.motion.fps == 60
    assert set(corpus.groups) == {"S1_walk01"}
    assert corpus.motion.rig.height == pytest.approx(0.15, abs=0.02)
    fewer = import_folder(walks, replace(RECIPE, drop_joints=("*_end",), skip_frames=3), "stick")
    assert fewer.motion.rotations.shape[2] == 10
    assert fewer.provenance["dropped"][:2] == [
        "5 of 15 joints: Head_end, LeftHand_end, RightHand_end, LeftToe_end, RightToe_end",
        "the first 3 frames of every file",
    ]


@pytest.mark.parametrize("rate", [0, 1e-300, 1e9, float("nan"), "x"])
def test_rates_that_are_none(rate: object) -> None:
    for key in ("fps", "recorded_fps"):
        table = {"kind": "recordings", "folder": "f", key: rate}
        with pytest.raises(UserError, match="needs to be a number of frames per second"):
            Recipe.from_table(table, "a.toml")


def test_segments_of_one_frame_go_nowhere(walks: Path) -> None:
    corpus = import_folder(walks, replace(RECIPE, fps=0.1), "slow")
    assert corpus.motion.lengths.max() == 1
    assert set(domain_summary(corpus)["speed"].values()) == {0.0}


def test_ground_is_brought_to_zero(tmp_path: Path) -> None:
    (tmp_path / "a.bvh").write_text(header() + walk(4, 30, floor=-40))
    corpus = import_folder(tmp_path, RECIPE, "sunk")
    toes = corpus.motion.positions[:, :, corpus.motion.rig.contact_joints, 1]
    assert np.percentile(toes, 5) == pytest.approx(0, abs=0.01)
    assert "raised by 40 cm" in corpus.provenance["fixed"][0]
    assert ground_shift([corpus.motion]) == 0
    (tmp_path / "a.bvh").write_text(header() + walk(4, 30, floor=3))
    assert import_folder(tmp_path, RECIPE, "even").provenance["fixed"] == []  # the sole is below the joint


def test_identity_and_cache(walks: Path, home_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_recording("stick", walks, RECIPE)
    monkeypatch.setattr(imports, "read_takes", lambda *_, **__: pytest.fail("not from the cache"))
    second = load_recording("stick", walks, replace(RECIPE, licence="other words"))
    monkeypatch.undo()
    assert (home_folder / "recordings" / f"stick-{first.identity[:16]}").is_dir()
    assert first.identity == second.identity
    assert first.ids == second.ids
    np.testing.assert_array_equal(first.motion.rotations, second.motion.rotations)
    assert first.motion.rig.content_hash == second.motion.rig.content_hash
    for other in (replace(RECIPE, unit="m"), replace(RECIPE, fps=60.0)):
        assert imports._identify(walks, other, 30, 5, 2)[2] != first.identity
    for path in walks.glob("*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert imports._identify(tmp_path, RECIPE, 30, 5, 2)[2] == first.identity  # where it lies does not matter
    with (tmp_path / "S1_walk02.bvh").open("a") as file:
        file.write("\n")
    assert imports._identify(tmp_path, RECIPE, 30, 5, 2)[2] != first.identity


def test_a_damaged_cache_is_made_again(walks: Path, home_folder: Path) -> None:
    corpus = load_recording("torn", walks, RECIPE)
    (home_folder / "recordings" / f"torn-{corpus.identity[:16]}" / "motion.npz").write_bytes(b"torn")
    assert load_recording("torn", walks, RECIPE).ids == corpus.ids


def test_named_domains(walked: Corpus) -> None:
    save_domain(replace(walked, name="stickman"))
    save_domain(replace(walked, name="stickman"))
    assert "stickman" in list_domains()
    assert load_domain("stickman").identity == walked.identity
    with pytest.raises(UserError, match="did you mean stickman"):
        load_domain("stikman")
    with pytest.raises(UserError, match="domain name"):
        save_domain(replace(walked, name="../escape"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rolse": {}}, "unknown key 'rolse'; did you mean roles"),
        ({"roles": {"left_fot": "A"}}, "unknown role 'left_fot'; did you mean left_foot"),
        ({"roles": ["Hips"]}, "roles"),
        ({"unit": "ells"}, "unknown unit 'ells'"),
        ({"unit": True}, "unit"),
        ({"up": "x"}, "up"),
        ({"fps": 0}, "fps"),
        ({"fps": "30"}, "fps"),
        ({"contact_joints": "LeftToe"}, "contact_joints"),
        ({"group_pattern": "(["}, "not a regular expression"),
        ({"group_pattern": "abc"}, "with a group"),
        ({"manifest": 3}, "manifest"),
    ],
)
def test_recipe_faults(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=r"a\.toml: ") as caught:
        Recipe.from_table({**TABLE, **change}, "a.toml")
    assert message in str(caught.value)


def folder_with(tmp_path: Path, **files: str) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for stem, text in files.items():
        (folder / f"{stem}.bvh").write_text(text)
    return folder


def test_folder_faults(tmp_path: Path, walks: Path) -> None:
    def fails(folder: Path, *words: str, recipe: Recipe = RECIPE) -> None:
        with pytest.raises(UserError) as caught:
            import_folder(folder, recipe, "x")
        assert all(word in str(caught.value) for word in words), str(caught.value)
        assert "\n" not in str(caught.value)

    fails(tmp_path / "none", "no such file or folder")
    empty = folder_with(tmp_path)
    fails(empty, "no recordings: neither *.bvh", "it is empty")
    (empty / "a.txt").write_text("")
    fails(empty, "it holds .txt")
    fails(walks, "role head", "unknown joint 'Haed'; did you mean Head", recipe=replace(RECIPE, roles={"head": "Haed"}))
    fails(walks, "contact_joints", "did you mean LeftToe", recipe=replace(RECIPE, contact_joints=("LeftTo",)))
    fails(walks, "drop_joints", "did you mean Head", recipe=replace(RECIPE, drop_joints=("Haed",)))
    fails(walks, "drop the root", recipe=replace(RECIPE, drop_joints=("Hips",)))
    fails(walks, "no such manifest", recipe=replace(RECIPE, manifest="none.json"))
    fails(walks, "not a JSON file", recipe=replace(RECIPE, manifest="notes.txt"))
    fails(walks, "no recording is as long as 2 s", recipe=replace(RECIPE, include=("*short*.bvh",)))


def test_skeletons_that_differ_are_named(tmp_path: Path) -> None:
    motion = walk(3, 30)
    files = {"a": header() + motion, "b": header(5) + motion, "c": header(head=61) + motion}
    folder = folder_with(tmp_path, **files, d=header(rename=("Head", "Skull")) + motion)
    with pytest.raises(UserError) as caught:
        import_folder(folder, RECIPE, "x")
    for words in ("2 of 4 files", "c.bvh (offset of Head differs by 1 cm)", "d.bvh (lacks Head and has Sk"):
        assert words in str(caught.value)
    recipe = replace(RECIPE, exclude=("[cd].bvh",))
    assert len(import_folder(folder, recipe, "x").motion) == 2


def test_mirror_pairs() -> None:
    names = ["Hips", "LeftLeg", "RightLeg", "Hand_L", "Hand_R", "L_Toe", "R_Toe", "b__LeftFinger", "b_RightFinger"]
    names += ["Bip01 L Thigh", "Bip01 R Thigh", "eye.l", "eye.r", "LowerBack", "Ball", "RHip", "LHip", "tail_left"]
    assert pairs_by_spelling(names) == [
        ("LeftLeg", "RightLeg"),
        ("Hand_L", "Hand_R"),
        ("L_Toe", "R_Toe"),
        ("b__LeftFinger", "b_RightFinger"),
        ("Bip01 L Thigh", "Bip01 R Thigh"),
        ("eye.l", "eye.r"),
        ("LHip", "RHip"),
    ]


def test_contacts_of_padded_and_flickering_clips(walked: Corpus) -> None:
    rig = walked.motion.rig
    positions = np.repeat(rig.rest_global[0][None, None], 40, axis=1)
    positions[0, 20, rig.index("LeftToe"), 1] += 0.3
    contacts = find_contacts(positions, rig, 30, np.array([40]))
    assert contacts[0, :18].all()
    assert not contacts[0, 20, 0]
    positions[0, :, :, 2] += np.arange(40)[:, None] / 30  # slides as a whole, so nothing stands
    assert not find_contacts(positions, rig, 30, np.array([40])).any()
    clipped = positions[[0, 0]].copy()
    clipped[1, 10:] = clipped[1, 9]
    assert not find_contacts(clipped, rig, 30, np.array([40, 10])).any()


def command(*words: str) -> Result:
    return CliRunner().invoke(data, ["import", *words])


def test_command(walks: Path, tmp_path: Path, home_folder: Path) -> None:
    roles = tmp_path / "roles.toml"
    table = "\n".join(f'{role} = "{joint}"' for role, joint in TABLE["roles"].items())  # type: ignore[attr-defined]
    roles.write_text(f'unit = "m"\ncontact_joints = ["LeftToe", "RightToe"]\n[roles]\n{table}\n')
    result = command(str(walks), "--name", "cli", "--unit", "cm", "--fps", "20", "--roles", str(roles))
    assert result.exit_code == 0, result.output
    for words in ("3 of walks", "4 in 2 groups", "at 20 fps", "LeftToe", "height", "m/s", "S2_short: 1.00 s"):
        assert words in result.output
    assert load_domain("cli").motion.fps == 20
    report = json.loads(command(str(walks), "--name", "cli", "--unit", "0.01", "--roles", str(roles), "--json").stdout)
    assert report["segments"] == 4
    assert report["speed"]["S1_walk01"] == pytest.approx(0.6 * 12 / 13, abs=0.05)
    guessed = command(str(walks), "--name", "guessed")
    assert "left_hand LeftHand" in guessed.output
    assert "on the ground LeftToe, RightToe; both guessed from names" in guessed.output
    assert load_domain("guessed").motion.rig.roles == load_domain("cli").motion.rig.roles
    with pytest.raises(UserError, match="no such roles file"):
        read_roles(tmp_path / "no.toml")
    roles.write_text("[roles")
    with pytest.raises(UserError, match="not a TOML file"):
        read_roles(roles)


def task_recipe(side: str, folder: Path) -> Recipe:
    """The recipe of one side of `human2dog`, for those of its files that a smaller folder holds."""
    text = (resources.files("rae_bench.tasks") / "human2dog.toml").read_text(encoding="utf-8")
    table = {key: value for key, value in tomllib.loads(text)[side].items() if key != "actions"}
    table["files"] = {name: listed for name, listed in table["files"].items() if (folder / name).exists()}
    return Recipe.from_table(table)


@pytest.fixture(scope="module")
def human(recordings: Path) -> Corpus:
    folder = recordings / "human_bandai"
    return import_folder(folder, task_recipe("source", folder), "human")


@pytest.fixture(scope="module")
def dog(recordings: Path) -> Corpus:
    folder = recordings / "dog_mann"
    return import_folder(folder, task_recipe("target", folder), "dog")


def stands_ahead(corpus: Corpus) -> None:
    rig = corpus.motion.rig
    positions, rotations = rig.rest_global
    assert heading_angle(positions, rotations, rig) == pytest.approx(0, abs=1e-4)
    for left, right in (("left_hand", "right_hand"), ("left_foot", "right_foot")):
        assert positions[rig.roles[left], 0] - positions[rig.roles[right], 0] > 0.05
        assert abs(positions[rig.roles[left], 2] - positions[rig.roles[right], 2]) < 0.08
    assert positions[rig.contact_joints, 1].max() < 0.04
    assert rig.mirror[rig.roles["left_foot"]] == rig.roles["right_foot"]


def share(corpus: Corpus, low: float, high: float) -> np.ndarray:
    """Share of frames in contact, per contact joint, where the pelvis goes at `low` to `high` metres a second."""
    motion = corpus.motion
    pelvis = motion.positions[:, :, motion.rig.roles["pelvis"]][..., [0, 2]]
    speed = np.linalg.norm(np.gradient(pelvis, axis=1), axis=-1) * motion.fps
    chosen = motion.valid & (speed > low) & (speed < high)
    return np.asarray(motion.contacts[chosen].mean(0))


def test_real_people(human: Corpus) -> None:
    rig = human.motion.rig
    assert rig.joint_names[0] == "Hips"
    pelvis = rig.rest_global[0][rig.roles["pelvis"], 1]
    assert 0.87 < pelvis < 0.94
    assert 1.4 < rig.height < 1.6
    assert len(set(human.groups)) == 39
    stands_ahead(human)
    speeds = domain_summary(human)["speed"]
    assert 0.9 < speeds["walk"] < 1.4
    assert 1.5 < speeds["run"] < 3.5
    assert share(human, 0, 0.1) == pytest.approx([0.95, 0.95], abs=0.06)
    assert share(human, 0.8, 1.5) == pytest.approx([0.55, 0.55], abs=0.07)
    assert share(human, 2.5, 9) == pytest.approx([0.2, 0.2], abs=0.1)


def test_a_real_dog(dog: Corpus) -> None:
    rig = dog.motion.rig
    assert 0.4 < rig.rest_global[0][rig.roles["pelvis"], 1] < 0.48
    assert rig.rest_global[0][rig.roles["head"], 2] > 0.4  # head first
    assert len(set(dog.groups)) == 15
    assert set(dog.actions) == {"walk", "run", "turn", "sit", "lie", "stand", "jump"}
    stands_ahead(dog)
    assert share(dog, 0, 0.1).min() > 0.9
    assert share(dog, 0.3, 1.5) == pytest.approx([0.47] * 4, abs=0.08)
    # It walks as it looks.
    motion = dog.motion
    forward = np.stack([np.sin(motion.root.yaw), np.cos(motion.root.yaw)], -1)
    velocity = np.gradient(motion.root_positions[..., [0, 2]], axis=1) * motion.fps
    speed = np.linalg.norm(velocity, axis=-1)
    fast = motion.valid & (speed > 0.8)
    assert np.median((forward * velocity).sum(-1)[fast] / speed[fast]) > 0.95
    assert np.degrees(np.abs(np.angle(np.exp(1j * np.diff(motion.root.yaw, axis=1))))[motion.valid[:, 1:]]).max() < 40
