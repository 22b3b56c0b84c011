"""Folders of glTF, SMPL and npz files as domains: the same motion gives the same domain, whatever file it came in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from helpers.gltf import Scene
from helpers.smpl import walk

import rae_bench as rb
from rae_bench.cli.data import data
from rae_bench.data.formats.export import export_clips
from rae_bench.data.formats.smpl import JOINTS, PARENTS, average_body
from rae_bench.data.generators.locomotion.locomotion import load_locomotion
from rae_bench.data.importing.detect import detect_format, resolve_recipe
from rae_bench.data.importing.recipe import Recipe
from rae_bench.data.importing.recordings import import_folder, import_skeletons
from rae_bench.data.store import load_domain
from rae_bench.errors import UserError
from rae_bench.motion.motion import Motion
from rae_bench.rigs.file import load_rig, rig_to_toml
from rae_bench.rigs.rig import make_rig
from rae_bench.rigs.tree import joint_list


@pytest.fixture(scope="module")
def walks() -> Motion:
    return load_locomotion(load_rig("r2"), clips=24).motion[:6]


def folder_of(walks: Motion, folder: Path, suffix: str) -> Path:
    folder.mkdir()
    for clip in range(len(walks)):
        export_clips(folder / f"walk{clip}{suffix}", walks, [clip])
    return folder


def test_the_same_motion_in_any_format_is_the_same_domain(walks: Motion, tmp_path: Path) -> None:
    corpora = {
        suffix: import_folder(folder_of(walks, tmp_path / suffix[1:], suffix), Recipe(), "walks")
        for suffix in (".bvh", ".glb", ".npz")
    }
    height = walks.rig.height
    for suffix, corpus in corpora.items():
        assert corpus.ids == tuple(f"walk{clip}#0" for clip in range(6)), suffix
        assert corpus.motion.rig.joint_names == walks.rig.joint_names
        assert corpus.motion.rig.roles == corpora[".bvh"].motion.rig.roles
        # The writers keep the walk's place; the importer may lift it onto the ground.
        lift = corpus.motion.root_positions[0, 0] - walks.root_positions[0, 0]
        found = corpus.motion.positions - lift
        np.testing.assert_allclose(found, walks.positions, atol=1e-5 * height, err_msg=suffix)
        np.testing.assert_array_equal(corpus.motion.contacts, corpora[".bvh"].motion.contacts)
    turns = [corpus.motion.global_rotations for corpus in corpora.values()]
    for each in turns[1:]:
        np.testing.assert_allclose(np.abs((each * turns[0]).sum(-1)), 1, atol=1e-5)


def test_takes_of_a_file_share_a_group_where_files_are_enough(tmp_path: Path) -> None:
    """Pieces of one recording never stand on both sides of a split; in few files every take stands for itself."""
    walks = load_locomotion(load_rig("r2"), clips=24).motion
    for n in range(5):
        rb.write_glb(tmp_path / f"r{n}.glb", walks, [2 * n, 2 * n + 1], names=["piece_0", "piece_1"])
    names = [f"r{n}" for n in range(5) for _ in range(2)]
    assert import_folder(tmp_path, Recipe(), "many").groups == tuple(names)
    few = Recipe(exclude=("r4.glb",))
    assert import_folder(tmp_path, few, "few").groups == tuple(
        f"{name}/piece_{k % 2}" for k, name in enumerate(names[:8])
    )
    assert import_folder(tmp_path, replace(few, group_by="file"), "asked").groups == tuple(names[:8])


def test_each_animation_of_a_file_is_a_take(walks: Motion, tmp_path: Path) -> None:
    names = [f"Armature|{word}" for word in ("walk", "run", "walk")]
    rb.write_glb(tmp_path / "hero.glb", walks, [0, 1, 2], names=names)
    rb.write_glb(tmp_path / "extra.glb", walks, [3])
    corpus = import_folder(tmp_path, Recipe(), "hero")
    assert corpus.ids == ("extra#0", "hero/walk#0", "hero/run#0", "hero/walk_2#0")
    assert corpus.groups == ("extra", "hero/walk", "hero/run", "hero/walk_2")
    assert corpus.actions == ("extra", "walk", "run", "walk_2")
    assert [each["file"] for each in corpus.provenance["recordings"]] == [
        "extra.glb", "hero.glb, walk", "hero.glb, run", "hero.glb, walk_2"
    ]  # fmt: skip
    assert set(corpus.provenance["files"]) == {"extra.glb", "hero.glb"}
    assert any("and 1 more files" in text for text in corpus.provenance["warnings"])
    taller = replace(walks, rig=replace(walks.rig, offsets=walks.rig.offsets * 1.2))
    rb.write_glb(tmp_path / "tall.glb", taller, [0, 1], names=["a", "b"])
    short, tall = import_skeletons(tmp_path, Recipe(), "both")
    assert tall.ids == ("tall/a#0", "tall/b#0")
    assert len(short.ids) == 4


def test_a_buffer_beside_the_file_counts_in_the_identity(walks: Motion, tmp_path: Path) -> None:
    rb.write_glb(tmp_path / "a.glb", walks)
    raw = (tmp_path / "a.glb").read_bytes()
    size = int.from_bytes(raw[12:16], "little")
    body = raw[28 + size :]
    (tmp_path / "a.bin").write_bytes(body)
    (tmp_path / "a.gltf").write_bytes(raw[20 : 20 + size].replace(b'"buffers":[{', b'"buffers":[{"uri":"a.bin",'))
    (tmp_path / "a.glb").unlink()
    first = import_folder(tmp_path, Recipe(), "a")
    np.testing.assert_allclose(first.motion.rotations[0], walks.rotations[0], atol=1e-6)
    (tmp_path / "a.bin").write_bytes(body + b"more")  # nothing of the document reads it
    assert import_folder(tmp_path, Recipe(), "a").identity != first.identity


def test_amass_folders_are_read_with_their_subjects(tmp_path: Path) -> None:
    for subject, rate in (("s1", 120.0), ("s2", 100.0)):
        (tmp_path / subject).mkdir()
        np.savez(tmp_path / subject / "neutral_stagei.npz", betas=np.zeros(16), gender=np.array("male"))
        for number in (1, 2):
            arrays = walk(600, rate, speed=0.7 + 0.3 * number + (subject == "s2") / 10, heading=number)
            np.savez(tmp_path / subject / f"walk{number}_poses.npz", **arrays)
    recipe, files = resolve_recipe(tmp_path, Recipe())
    assert (recipe.format, recipe.up, recipe.unit) == ("smpl", "z", "m")
    assert files == [f"{subject}/walk{number}_poses.npz" for subject in ("s1", "s2") for number in (1, 2)]
    corpus = import_folder(tmp_path, Recipe(group_pattern="(.+?)/"), "amass")
    assert set(corpus.groups) == {"s1", "s2"}
    assert corpus.motion.rig.roles.keys() == {"pelvis", "head", *(f"{s}_{p}" for s in ("left", "right")
                                                                  for p in ("hand", "foot"))}  # fmt: skip
    assert 1.4 < corpus.motion.rig.height < 1.6  # to the joint in the skull
    said = " ".join(corpus.provenance["warnings"])
    assert "30 joints of fingers and face are left out" in said
    assert "no bone lengths: they are those of a body of average proportions" in said
    assert "lies down" not in said
    pelvis = corpus.motion.positions[:, :, corpus.motion.rig.roles["pelvis"]]
    np.testing.assert_allclose(pelvis[:, -1, 1], 0.94, atol=0.03)
    tall = make_rig("tall", joint_list(JOINTS, PARENTS, 1.2 * average_body().offsets), {})
    (tmp_path / "tall.toml").write_text(rig_to_toml(tall))
    taller = import_folder(tmp_path, Recipe(skeleton=("tall.toml",)), "amass")
    assert taller.motion.rig.height == pytest.approx(1.2 * corpus.motion.rig.height, rel=1e-3)
    assert taller.identity != corpus.identity
    with pytest.raises(UserError, match="2 skeleton files; SMPL recordings are read on one body"):
        import_folder(tmp_path, Recipe(skeleton=("tall.toml", "tall.toml")), "amass")


def test_formats_are_told_apart(walks: Motion, tmp_path: Path) -> None:
    scene = Scene()
    scene.node("Skeleton")  # the word that marks DeepMimic's characters
    scene.write(tmp_path / "a.gltf")
    assert detect_format(tmp_path / "a.gltf") == "gltf"
    np.savez(tmp_path / "b.npz", **walk(10))
    assert detect_format(tmp_path / "b.npz") == "smpl"
    export_clips(tmp_path / "c.npz", walks, [0])
    assert detect_format(tmp_path / "c.npz") == "npz"
    with pytest.raises(UserError, match="holds gltf and smpl files; choose one with --format"):
        resolve_recipe(tmp_path, Recipe())
    (tmp_path / "a.gltf").unlink()
    assert resolve_recipe(tmp_path, Recipe(format="npz", include=("c.npz",)))[1] == ["c.npz"]
    other = tmp_path / "other"
    (other / "props").mkdir(parents=True)
    rb.write_bvh(other / "walk.bvh", walks)
    scene.write(other / "props" / "sword.glb")
    assert resolve_recipe(other, Recipe())[1] == ["walk.bvh"]  # models in a folder below are not what is meant
    with pytest.raises(UserError, match=r"sword\.glb: holds no animation; .*--exclude"):
        import_folder(other / "props", Recipe(), "props")
    pickles = tmp_path / "pickles"
    pickles.mkdir()
    (pickles / "gBR.pkl").write_bytes(b"\x80\x03}q\x00.")
    for recipe in (Recipe(), Recipe(include=("*.pkl",))):
        with pytest.raises(UserError, match=r"pickles can run code and are not read; docs/guides/importing\.md"):
            resolve_recipe(pickles, recipe)


def run(*words: str) -> str:
    result = CliRunner().invoke(data, list(words), catch_exceptions=True)
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exit_code == 0, result.exception
    return result.stdout


def test_import_report_and_export_again(walks: Motion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user: a .glb in, a report, an npz out, and that in."""
    monkeypatch.setenv("RAE_BENCH_HOME", str(tmp_path / "home"))
    rb.write_glb(tmp_path / "hero.glb", walks, range(6), names=[f"walk {n}" for n in range(6)])
    assert "6 in 6 groups" in run("import", str(tmp_path / "hero.glb"), "--name", "hero")
    report = run("report", "hero")
    rows = [line for line in report.splitlines() if line.startswith("hero.glb, walk 3")]
    assert rows
    assert rows[0].split()[3:7] == ["150", "30", "5.0", "1"]
    run("export", "hero", "--clip", "hero/walk 3#0", "--to", str(tmp_path / "out.npz"))
    run("import", str(tmp_path / "out.npz"), "--name", "again")
    hero, again = load_domain("hero").motion, load_domain("again").motion
    np.testing.assert_allclose(again.positions[0], hero.positions[3], atol=1e-5 * hero.rig.height)
    with pytest.raises(UserError, match="an npz file holds one clip, not 6"):
        run("export", "hero", "--clip", "*", "--to", str(tmp_path / "all.npz"))
    with pytest.raises(UserError, match="root is for bvh, gltf files; these are npz"):
        run("import", str(tmp_path / "out.npz"), "--name", "again", "--root", "pelvis")
