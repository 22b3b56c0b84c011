"""Reading glTF: conventions of exporters against matrices node by node, files of real programs, and refusals."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.gltf import Scene, about, glb, turned
from helpers.places import TESTS
from scipy.spatial.transform import Rotation

import rae_bench as rb
from rae_bench.data.formats import gltf_read
from rae_bench.data.formats.gltf_file import linked_files
from rae_bench.data.formats.gltf_read import read_gltf
from rae_bench.data.formats.take import Take
from rae_bench.data.generators.locomotion.locomotion import load_locomotion
from rae_bench.data.importing.guess_roles import guess_roles
from rae_bench.errors import UserError
from rae_bench.rigs.builtin import builtin_rigs
from rae_bench.rigs.file import load_rig

FRAMES, FPS = 40, 30
TIMES = np.arange(FRAMES) / FPS
BODY = (
    ("Hips", None, (0, 95, 0)),
    ("Spine", "Hips", (0, 20, 1)),
    ("Head", "Spine", (0, 35, 0)),
    ("Hand{L}", "Spine", (45, 20, 0)),
    ("Hand{R}", "Spine", (-45, 20, 0)),
    ("Leg{L}", "Hips", (9, -5, 0)),
    ("Foot{L}", "Leg{L}", (0, -80, 0)),
    ("Leg{R}", "Hips", (-9, -5, 0)),
    ("Foot{R}", "Leg{R}", (0, -80, 0)),
)
"""In centimetres, y up."""


def named(prefix: str = "", left: str = "_L", right: str = "_R") -> list[tuple[str, str | None, np.ndarray]]:
    def spelled(name: str) -> str:
        return prefix + name.replace("{L}", left).replace("{R}", right)

    return [(spelled(name), spelled(up) if up else None, np.array(offset, float)) for name, up, offset in BODY]


def swinging(names: list[str], root: str, place: np.ndarray, rng: np.random.Generator) -> dict[Any, Any]:
    """Tracks: smooth turns of all joints, and a root that travels around `place`, one key a frame."""
    tracks: dict[Any, Any] = {}
    for name in names:
        ends = turned(rng, 3)
        tracks[name, "rotation"] = TIMES, slerped(ends)
    steps = np.cumsum(rng.normal(size=(FRAMES, 3)), 0)
    tracks[root, "translation"] = TIMES, place + steps * np.linalg.norm(place) / 100
    return tracks


def slerped(ends: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Slerp

    return Slerp([0, TIMES[-1] / 2, TIMES[-1]], Rotation.from_quat(ends))(TIMES).as_quat()


def blender(rng: np.random.Generator) -> Scene:
    """An armature of a Z-up FBX: -90 degrees about x and 0.01; a skin beside it; every bone has all three tracks; the
    first key at frame 1; names with a point."""
    scene = Scene()
    scene.node("Armature", rotation=about("x", -90), scale=[0.01] * 3)
    bones = named(left=".L", right=".R")
    for name, parent, offset in bones:
        # In the armature z is up: (x, y, z) there is (x, -z, y) of a y-up body.
        turned_offset = offset[[0, 2, 1]] * [1, -1, 1]
        scene.node(name, parent or "Armature", translation=turned_offset.tolist())
    tracks = swinging([name for name, _, _ in bones], "Hips", np.array([0, 0, 95.0]), rng)
    for name, parent, offset in bones:
        if parent:
            tracks[name, "translation"] = TIMES, np.tile(offset[[0, 2, 1]] * [1, -1, 1], (FRAMES, 1))
        tracks[name, "scale"] = TIMES, 1 + 1e-6 * rng.normal(size=(FRAMES, 3))
    scene.animate("Armature|Walk", {key: (times + 1 / 24, *rest) for key, (times, *rest) in tracks.items()})
    scene.skin([name for name, _, _ in bones])
    return scene


def mixamo(rng: np.random.Generator) -> Scene:
    """A Mixamo file: a root node, `mixamorig:` names, end nodes outside the skin, constant tracks as steps."""
    scene = Scene()
    scene.node("RootNode")
    scene.node("Armature", "RootNode", scale=[0.01] * 3)
    bones = named("mixamorig:", "Left", "Right")
    for name, parent, offset in bones:
        scene.node(name, parent or "Armature", translation=offset.tolist())
    scene.node("mixamorig:HeadTop_End", "mixamorig:Head", translation=[0, 18, 0])
    scene.node("sword", "mixamorig:HandRight", translation=[0, 40, 0])
    tracks = swinging([name for name, _, _ in bones[:-1]], bones[0][0], bones[0][2], rng)
    tracks[bones[-1][0], "rotation"] = [0.0], turned(rng, 1), "STEP"
    scene.animate("mixamo.com", tracks)
    scene.skin([name for name, _, _ in bones])
    return scene


def maya(rng: np.random.Generator) -> Scene:
    """Groups above the root, one a matrix; a joint of the file that no skin names; sparse keys of cubic splines and
    steps; a shift in a static group between joints."""
    scene = Scene()
    matrix = np.eye(4)
    matrix[:3, :3] = 0.01 * Rotation.from_euler("y", 30, degrees=True).as_matrix()
    matrix[:3, 3] = [1, 0, -2]
    scene.node("Group", matrix=matrix.T.ravel().tolist())
    scene.node("Reference", "Group", translation=[0, 3, 0])
    bones = named("rig:", "Left", "Right")
    for name, parent, offset in bones:
        above = parent or "Reference"
        if name == "rig:Head":
            scene.node("offset_grp", above, translation=[0, 5, 0], rotation=about("z", 20))
            above = "offset_grp"
        scene.node(name, above, translation=offset.tolist())
    keys = np.array([0, 0.4, 0.7, 1.3])
    tracks: dict[Any, Any] = {}
    for number, (name, _, offset) in enumerate(bones):
        if number % 2:
            tracks[name, "rotation"] = keys, turned(rng, 4), "STEP"
        else:
            values = np.stack([rng.normal(size=(4, 4)), turned(rng, 4), rng.normal(size=(4, 4))], 1)
            tracks[name, "rotation"] = keys, values.reshape(-1, 4), "CUBICSPLINE"
        if number == 0:
            tangents = rng.normal(size=(2, 4, 3)) * 20
            places = offset + np.cumsum(rng.normal(size=(4, 3)) * 9, 0)
            values = np.stack([tangents[0], places, tangents[1]], 1)
            tracks[name, "translation"] = keys, values.reshape(-1, 3), "CUBICSPLINE"
    scene.animate("Take 001", tracks)
    scene.skin([name for name, _, _ in bones if not name.endswith("Spine")])
    return scene


def three(rng: np.random.Generator) -> Scene:
    """three.js: no skin, names without colons, a group that scales, every track with its own keys, two animations."""
    scene = Scene()
    scene.node("AuxScene")
    scene.node("Group", "AuxScene", scale=[0.01] * 3)
    bones = named("mixamorig", "Left", "Right")
    for name, parent, offset in bones:
        matrix = np.eye(4)
        matrix[:3, 3] = offset
        parts = {"matrix": matrix.T.ravel().tolist()} if name.endswith("Head") else {"translation": offset.tolist()}
        scene.node(name, parent or "Group", **parts)
    for clip in ("idle", "walk"):
        tracks: dict[Any, Any] = {}
        for name, parent, offset in bones:
            if name.endswith("Head"):
                continue
            kept = np.unique(np.concatenate([[0, FRAMES - 1], rng.choice(FRAMES, 12)]))
            tracks[name, "rotation"] = TIMES[kept], turned(rng, len(kept))
            if parent is None:
                tracks[name, "translation"] = TIMES[kept], offset + rng.normal(size=(len(kept), 3))
        scene.animate(clip, tracks)
    return scene


def unreal(rng: np.random.Generator) -> Scene:
    """A root on the ground that stays, a pelvis that carries the body, handles of inverse kinematics beside it."""
    scene = Scene()
    scene.node("root", scale=[0.01] * 3)
    bones = [(name.lower(), up and up.lower(), offset) for name, up, offset in named("", "_l", "_r")]
    bones = [("pelvis" if name == "hips" else name, "pelvis" if up == "hips" else up, o) for name, up, o in bones]
    for name, parent, offset in bones:
        scene.node(name, parent or "root", translation=offset.tolist())
    scene.node("ik_foot_root", "root")
    scene.node("ik_foot_l", "ik_foot_root", translation=[9, 0, 0])
    scene.node("ik_hand_gun", "root", translation=[0, 100, 0])
    tracks = swinging([name for name, _, _ in bones], "pelvis", bones[0][2], rng)
    tracks["ik_foot_l", "translation"] = TIMES, 10 * rng.normal(size=(FRAMES, 3))
    scene.animate("MM_Walk_Fwd", tracks)
    scene.skin(["root", *(name for name, _, _ in bones), "ik_foot_root", "ik_foot_l", "ik_hand_gun"])
    return scene


def assimp(rng: np.random.Generator) -> Scene:
    """assimp: the parts of an FBX joint's transform are nodes of their own, each with a track."""
    scene = Scene()
    scene.node("RootNode", scale=[0.01] * 3)
    bones = named("", "Left", "Right")
    tracks: dict[Any, Any] = {}
    for name, parent, offset in bones:
        above = parent or "RootNode"
        for part in ("Translation", "PreRotation", "Rotation"):
            pivot = f"{name}_$AssimpFbx$_{part}"
            key, value = ("translation", offset) if part == "Translation" else ("rotation", turned(rng, 1)[0])
            scene.node(pivot, above, **{key: value.tolist()})
            above = pivot
        scene.node(name, above)
        tracks[f"{name}_$AssimpFbx$_Rotation", "rotation"] = TIMES, slerped(turned(rng, 3))
    steps = np.cumsum(rng.normal(size=(FRAMES, 3)), 0)
    tracks["Hips_$AssimpFbx$_Translation", "translation"] = TIMES, bones[0][2] + steps
    scene.animate("", tracks)
    return scene


CONVENTIONS = {each.__name__: each for each in (blender, mixamo, maya, three, unreal, assimp)}
ROOTS = {"mixamo": "mixamorig:Hips", "maya": "rig:Hips", "three": "mixamorigHips", "unreal": "pelvis"}


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
@pytest.mark.parametrize("name", CONVENTIONS)
def test_every_convention_is_read(name: str, suffix: str, tmp_path: Path) -> None:
    scene = CONVENTIONS[name](np.random.default_rng(3))
    takes = read_gltf(scene.write(tmp_path / f"a{suffix}"))
    assert len(takes) == len(scene.tracks)
    start = 1 / 24 if name == "blender" else 0
    for take, animation in zip(takes, scene.tracks, strict=True):
        motion = take.motion
        names = list(motion.rig.joint_names)
        assert names[0] == ROOTS.get(name, "Hips")
        assert motion.fps == FPS
        assert motion.frames == FRAMES
        expected = scene.places(animation, names, start + TIMES)
        np.testing.assert_allclose(motion.positions[0], expected, atol=1e-5 * 1.7)
        if name == "unreal":
            assert not any("ik" in joint for joint in names)
            assert any("left out beside it: ik_foot_root, ik_foot_l, ik_hand_gun" in note.text for note in take.notes)
        else:
            assert "sword" not in names
            assert len(names) == len(BODY) + (name == "mixamo")
        # What hangs on a joint turns with it: a point in each joint's axes is where the node's matrix puts it.
        turns = motion.global_rotations[0]
        for j, joint in enumerate(names):
            for t in (0, 17):
                axes = scene.place(animation, joint, start + TIMES[t])[:3, :3]
                axes = axes / np.linalg.norm(axes, axis=0)
                found = Rotation.from_quat(turns[t, j], scalar_first=True).as_matrix()
                np.testing.assert_allclose(found, axes, atol=2e-5)
        roles, touching = guess_roles(motion.rig)
        assert {role.partition("_")[2] or role for role in roles} == {"pelvis", "head", "hand", "foot"}
        assert len(touching) == 2
        for role in ("left_hand", "right_hand", "left_foot", "right_foot"):
            side, part = role.split("_")
            bare = roles[role].lower().replace(part, "").replace("mixamorig", "").replace("rig:", "").strip("_.:")
            assert bare in (side, side[0])


@pytest.mark.parametrize("name", builtin_rigs())
def test_what_is_written_comes_back(name: str, tmp_path: Path) -> None:
    rig = load_rig(name)
    if len(rig.contact_joints):
        motion = load_locomotion(rig, clips=24).motion
    else:
        turns = np.roll(turned(np.random.default_rng(0), 8 * 30 * len(rig)), 1, -1).reshape(8, 30, len(rig), 4)
        motion = rb.make_motion(rig, 30, np.zeros((8, 30, 3)), turns, contacts=np.zeros((8, 30, 0), bool))
    rb.write_glb(tmp_path / "a.glb", motion, [1, 5, 7], names=["one", "two", "two"])
    takes = read_gltf(tmp_path / "a.glb")
    assert [take.name for take in takes] == ["one", "two", "two_2"]
    for take, clip in zip(takes, [1, 5, 7], strict=True):
        assert take.motion.rig.joint_names == rig.joint_names
        assert take.motion.fps == motion.fps
        length = motion.lengths[clip]
        np.testing.assert_allclose(take.motion.positions[0], motion.positions[clip, :length], atol=1e-5 * rig.height)
        np.testing.assert_allclose(take.motion.rig.offsets[1:], rig.offsets[1:], atol=1e-6)


def file_of(program: str) -> Path:
    return TESTS / "data" / "formats" / "gltf" / f"{program}.glb"


PROGRAMS = ["blender-5.0", "blender-5.0-skin", "blender-5.0-fbx", "fbx2gltf-0.9.7", "three-0.187", "assimp-5.2"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_files_of_real_programs(program: str) -> None:
    """Twelve frames of a built-in figure that went through each program; gltf/README.md says how they were made."""
    truth = rb.read_bvh(TESTS / "data" / "formats" / "gltf" / "walk.bvh")
    [take] = read_gltf(file_of(program), unit="cm" if program.startswith("assimp") else "m")
    motion = take.motion
    assert motion.fps == truth.fps
    assert motion.rig.joint_names[0] == truth.rig.joint_names[0]
    shared = [joint for joint in truth.rig.joint_names if joint in motion.rig.joint_names]
    assert len(shared) == len(truth.rig)
    found = motion.positions[0][:, [motion.rig.index(joint) for joint in shared]].reshape(-1, 3)
    wanted = truth.positions[0][: motion.frames, [truth.rig.index(joint) for joint in shared]].reshape(-1, 3)
    # Importers turn the figure about the vertical; shapes and path are compared.
    turn, _ = Rotation.align_vectors(wanted - wanted.mean(0), found - found.mean(0))
    np.testing.assert_allclose(turn.apply([0, 1, 0]), [0, 1, 0], atol=1e-4)
    np.testing.assert_allclose(turn.apply(found - found.mean(0)), wanted - wanted.mean(0), atol=1e-5 * 1.7)


def two_bones(**track: Any) -> Scene:
    scene = Scene()
    scene.node("a")
    scene.node("b", "a", translation=[0, 1, 0])
    scene.node("c", "b", translation=[0, 1, 0])
    scene.animate("clip", {("a", "rotation"): (TIMES, slerped(turned(np.random.default_rng(0), 3))), **track})
    return scene


def only(path: Path, **options: Any) -> Take:
    [take] = read_gltf(path, **options)
    return take


def test_turns_take_the_short_way_between_keys(tmp_path: Path) -> None:
    """Keys a second apart, the second as -q: halfway it is turned by half, at thirty frames a second."""
    scene = Scene()
    scene.node("a")
    scene.node("b", "a", translation=[1, 0, 0])
    scene.animate("clip", {("a", "rotation"): ([0, 1], np.array([about("z", 0), np.negative(about("z", 90))]))})
    motion = only(scene.write(tmp_path / "a.glb")).motion
    assert motion.fps == 30
    assert motion.frames == 31
    np.testing.assert_allclose(motion.positions[0, 15, 1], [np.sqrt(0.5), np.sqrt(0.5), 0], atol=1e-6)


@pytest.mark.parametrize(("dtype", "most"), [("<i1", 127), ("<u1", 255), ("<i2", 32767), ("<u2", 65535)])
def test_whole_numbers_are_shares(dtype: str, most: int, tmp_path: Path) -> None:
    turns = np.abs(turned(np.random.default_rng(2), FRAMES))
    scene = two_bones()
    packed = np.round(turns * most)
    output = scene.accessor(packed, dtype, normalized=True)
    scene.animate("packed", {("b", "rotation"): (TIMES, output)})
    take = read_gltf(scene.write(tmp_path / "a.glb"))[1]
    wanted = Rotation.from_quat(packed).as_matrix() @ [0, 1, 0] + [0, 1, 0]
    np.testing.assert_allclose(take.motion.positions[0, :, 2], wanted, atol=1e-5)


def test_sparse_and_interleaved_arrays(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    scene = two_bones()
    places = rng.normal(size=(FRAMES, 3)).astype(np.float32)
    both = np.concatenate([places, rng.normal(size=(FRAMES, 5)).astype(np.float32)], 1)  # of 32 bytes, 12 are places
    view = scene.view(both.tobytes(), byteStride=32)
    entry = {"componentType": 5126, "count": FRAMES, "type": "VEC3"}
    scene.document["accessors"].append({**entry, "bufferView": view})
    interleaved = len(scene.document["accessors"]) - 1
    at, new = np.array([3, 17, 30], "<u2"), rng.normal(size=(3, 3)).astype(np.float32)
    sparse = {
        "count": 3,
        "indices": {"bufferView": scene.view(at.tobytes()), "componentType": 5123},
        "values": {"bufferView": scene.view(new.tobytes())},
    }
    scene.document["accessors"] += [{**entry, "bufferView": view, "sparse": sparse}, {**entry, "sparse": sparse}]
    changed, blank = places.copy(), np.zeros((FRAMES, 3))
    changed[at], blank[at] = new, new
    for number, wanted in enumerate((places, changed, blank)):
        scene.animate(f"clip {number}", {("a", "translation"): (TIMES, interleaved + number)})
        take = read_gltf(scene.write(tmp_path / "a.glb"))[-1]
        np.testing.assert_allclose(take.motion.positions[0, :, 0], wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("times", "rate", "even"),
    [
        (np.arange(50) / 30, 30, True),
        (np.arange(50) / 29.97, 29.97, True),
        (np.round(np.arange(90) / 60, 3), 60, True),  # milliseconds
        (np.arange(20000, dtype=np.float32) / np.float32(120), 120, True),  # single precision, near three minutes
        (np.array([0, 1, 2, 5, 6, 9, 12, 13]) / 24, 24, True),  # keys that were found to be needed
        (np.array([0, 0.5, 1, 1.5]), 30, True),  # set by hand
        (np.array([0, 1 / 7, 2 / 7, 5 / 7]), 35, True),
        (np.cumsum([0, 0.03, 0.041, 0.0337, 0.0513]), 60, False),
        (np.array([2.0]), 30, True),
    ],
)
def test_rates_are_those_of_the_keys(times: np.ndarray, rate: float, even: bool, tmp_path: Path) -> None:
    scene = Scene()
    scene.node("a")
    scene.node("b", "a", translation=[1, 0, 0])
    turns = np.array([about("z", 3.0 * k) for k in range(len(times))])
    scene.animate("clip", {("a", "rotation"): (times, turns)})
    if len(times) == 1:
        scene.animate("moves", {("a", "rotation"): (TIMES, slerped(turned(np.random.default_rng(0), 3)))})
    take = read_gltf(scene.write(tmp_path / "a.glb"))[0]
    assert take.motion.fps == pytest.approx(rate, rel=1e-6)
    assert any(note.kind == "uneven" for note in take.notes) != even
    assert take.motion.frames == int((times[-1] - times[0]) * rate + 0.05) + 1
    if even:  # keys on frames keep their values
        at = np.round((times - times[0]) * rate).astype(int)
        angles = np.radians(3.0 * np.arange(len(times)))
        wanted = np.stack([np.cos(angles), np.sin(angles), 0 * angles], -1)
        np.testing.assert_allclose(take.motion.positions[0, at, 1], wanted, atol=1e-5)
    assert only_rate(scene, tmp_path, 50) == 50


def test_keys_that_hold_still_make_joints_too(tmp_path: Path) -> None:
    """Without skins, a clip in which one arm moves has the skeleton of a clip in which all does."""
    scene = three(np.random.default_rng(0))
    names = [node["name"] for node in scene.nodes[2:]]
    still = {(name, "rotation"): (TIMES[:2], np.tile([0, 0, 0, 1.0], (2, 1))) for name in names if "Head" not in name}
    arm = Scene()
    arm.nodes = json.loads(json.dumps(scene.nodes))
    waved = slerped(turned(np.random.default_rng(1), 3))
    arm.animate("wave", still | {("mixamorigHandLeft", "rotation"): (TIMES, waved)})
    whole = read_gltf(scene.write(tmp_path / "a.glb"))[0].motion.rig
    waving = only(arm.write(tmp_path / "b.glb")).motion.rig
    assert waving.joint_names == whole.joint_names
    # A pose is no motion.
    pose = Scene()
    pose.nodes = json.loads(json.dumps(scene.nodes))
    pose.animate("pose", still)
    with pytest.raises(UserError, match="no animation moves anything"):
        read_gltf(pose.write(tmp_path / "c.glb"))


def only_rate(scene: Scene, folder: Path, fps: float) -> float:
    return read_gltf(scene.write(folder / "b.glb"), fps=fps)[0].motion.fps


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    scene = mixamo(np.random.default_rng(0))
    scene.node("Camera", camera=0)
    weights = scene.accessor(np.zeros(FRAMES))
    animation = scene.document["animations"][0]
    animation["samplers"].append({"input": animation["samplers"][0]["input"], "output": weights})
    for path, node in (("weights", {"node": 1}), ("pointer", {})):
        animation["channels"].append({"sampler": len(animation["samplers"]) - 1, "target": {"path": path, **node}})
    scene.animate("camera", {("Camera", "translation"): (TIMES, np.random.default_rng(0).normal(size=(FRAMES, 3)))})
    take = only(scene.write(tmp_path / "a.glb"))
    said = " | ".join(note.text for note in take.notes)
    assert "not the body's surface and 1 tracks of morph targets and 1 tracks of other properties" in said
    assert "animation 'camera' moves no joint of the skeleton: left out" in said


def test_joints_that_slide_stay_at_their_median_and_it_is_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    scene = two_bones()
    slides = np.array([0, 1, 0]) + 0.03 * rng.normal(size=(FRAMES, 3))
    scene.animate("slides", {("c", "translation"): (TIMES, slides)})
    takes = read_gltf(scene.write(tmp_path / "a.glb"))
    whole = np.concatenate([np.tile([0, 1, 0], (FRAMES, 1)), slides])
    np.testing.assert_allclose(takes[0].motion.rig.offsets[2], np.median(whole, 0), atol=1e-6)
    stray = np.abs(whole - np.median(whole, 0)).max()
    [note] = [note for note in takes[0].notes if note.kind == "slides"]
    assert f"1 joints slide in their parents, by up to {100 * stray:.2g} cm ('c')" in note.text
    assert takes[0].spread["c"] > 0
    far = two_bones()
    far.node("prop", "a", translation=[0.5, 0, 0])
    far.animate("away", {("prop", "translation"): (TIMES, 3 * rng.normal(size=(FRAMES, 3)))})
    path = far.write(tmp_path / "b.glb")
    with pytest.raises(UserError, match=r"'prop' moves by up to .* m in its parent 'a'.*--drop-joints"):
        read_gltf(path)
    assert len(read_gltf(path, loose=["pr*"])) == 2


def test_a_scale_that_changes_is_told_and_one_that_shears_refused(tmp_path: Path) -> None:
    scene = two_bones()
    scene.animate("grows", {("a", "scale"): (TIMES, np.linspace(1, 1.2, FRAMES)[:, None] * np.ones(3)),
                            ("a", "rotation"): (TIMES, slerped(turned(np.random.default_rng(0), 3)))})  # fmt: skip
    take = read_gltf(scene.write(tmp_path / "a.glb"))[0]
    assert any("the scale of 'a' changes by" in note.text for note in take.notes)
    np.testing.assert_allclose(np.linalg.norm(take.motion.rig.offsets[1]), 1.1, atol=1e-6)
    for scale, word in (([1, 1, 2], "shears"), ([-1, 1, 1], "mirrors"), ([1, 0, 1], "mirrors or flattens")):
        nodes = [dict(node) for node in scene.nodes]
        nodes[1]["scale"] = scale
        with pytest.raises(UserError, match=f"node 'b' is scaled by .*{word}.*apply the scale"):
            read_gltf(scene.write(tmp_path / "b.glb", nodes=nodes))
        nodes[1]["scale"] = [1, 1, 1]
        nodes[2]["scale"] = scale  # nothing hangs on it
        assert read_gltf(scene.write(tmp_path / "c.glb", nodes=nodes))


def test_two_bodies_in_a_file_need_a_choice(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scene = Scene()
    scene.node("World")
    tracks: dict[Any, Any] = {}
    for prefix in ("anna:", "ben:"):
        bones = named(prefix)
        for name, parent, offset in bones:
            scene.node(name, parent or "World", translation=(offset / 100).tolist())
        tracks |= swinging([name for name, _, _ in bones], bones[0][0], bones[0][2] / 100, rng)
        scene.skin([name for name, _, _ in bones])
    scene.animate("dance", tracks)
    path = scene.write(tmp_path / "a.glb")
    with pytest.raises(UserError, match=r"holds 2 skeletons, 'anna:Hips' \(9 joints\), 'ben:Hips' .*--root"):
        read_gltf(path)
    motion = only(path, root="ben:Hips").motion
    assert all(name.startswith("ben:") for name in motion.rig.joint_names)
    wanted = scene.places("dance", motion.rig.joint_names, TIMES)
    np.testing.assert_allclose(motion.positions[0], wanted, atol=1e-5)
    with pytest.raises(UserError, match="did you mean ben:Hips"):
        read_gltf(path, root="ben:Hip")


def test_names_that_stand_twice_or_not_at_all(tmp_path: Path) -> None:
    scene = two_bones()
    nodes = [{**node, "name": name} for node, name in zip(scene.nodes, ["x", "", "x"], strict=True)]
    assert only(scene.write(tmp_path / "a.glb", nodes=nodes)).motion.rig.joint_names == ("x", "node_1", "x_2")


def test_units_and_axes_can_be_given(tmp_path: Path) -> None:
    path = blender(np.random.default_rng(0)).write(tmp_path / "a.glb")
    plain, other = only(path).motion.positions, only(path, unit=2.0, up="z").motion.positions
    turned_plain = 2 * plain[..., [0, 2, 1]] * [1, 1, -1]
    np.testing.assert_allclose(other, turned_plain, atol=1e-5)


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Sets a value in a document; a path such as "accessors/0/count"."""

    def apply(document: dict[str, Any]) -> None:
        *above, last = path.split("/")
        at: Any = document
        for word in above:
            at = at[int(word) if isinstance(at, list) else word]
        at[int(last) if isinstance(at, list) else last] = value

    return apply


WRONG = [
    ("asset", {"version": "1.0"}, "glTF 1.0; version 2 is read"),
    ("asset", {"version": "2.0", "minVersion": "3.0"}, "glTF 3.0"),
    ("asset", 1, r"not as expected: .*\$.asset"),
    ("extensionsRequired", ["EXT_meshopt_compression"], "packed by EXT_meshopt_compression; unpack it: npx"),
    ("animations", [], "holds no animation"),
    ("nodes/0/children", [9], "node 0: its child 9 is not there"),
    ("nodes/2/children", [0], "hangs on itself"),
    ("nodes/2/children", [1], "node 1 hangs on two others"),
    ("nodes/1/translation", [0, 1e30, 0], "node 'b': its translation is no number that can be"),
    ("nodes/1/translation", [0, 1], r"not as expected: .*nodes\[1\].translation"),
    ("nodes/1/rotation", [0, 0, 0, 0], "node 'b': its rotation is a quaternion of 0"),
    ("nodes/1/matrix", [1] * 16, "node 'b': its matrix shears or flattens"),
    ("nodes/1/matrix", [1] * 4, "node 'b': its matrix is none"),
    ("animations/0/channels/0/sampler", 7, "names a node or a sampler that is not there"),
    ("animations/0/channels/0/target/node", 70, "names a node or a sampler that is not there"),
    ("animations/0/channels/0/target/path", "weights", "no animation"),
    ("animations/0/samplers/0/interpolation", "BEZIER", "no interpolation of glTF: 'BEZIER'"),
    ("animations/0/samplers/0/output", 99, "accessor 99 of 2"),
    ("animations/0/samplers/0/output", 0, "40 keys, but 40 values of 1 numbers for a rotation"),
    ("accessors/0/count", 10**12, "many times the bytes"),
    ("accessors/0/count", 41, "reach beyond the 160 bytes of their view"),
    ("accessors/0/count", 0, "accessor 0: 0 elements"),
    ("accessors/0/byteOffset", -4, "reach beyond"),
    ("accessors/0/componentType", 5124, "SCALAR of 5124 is no kind of glTF"),
    ("accessors/1/bufferView", None, "a quaternion of 0"),
    ("accessors/1/sparse", {"count": 99, "indices": {"bufferView": 0, "componentType": 5123},
                            "values": {"bufferView": 0}}, "its sparse part is damaged"),
    ("bufferViews/1/byteOffset", 10**6, "reaches to byte .* of a buffer that has"),
    ("bufferViews/0/buffer", 3, "buffer 3 of 1"),
    ("bufferViews/0/extensions", {"EXT_meshopt_compression": {}}, "packed by meshopt"),
    ("buffers/0/byteLength", 10**9, "the document says 1000000000; the file is cut short"),
    ("skins", [{"joints": [5]}], "a skin names a joint that is not there"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "message"), WRONG)
def test_what_is_wrong_is_named(path: str, value: Any, message: str, tmp_path: Path) -> None:
    scene = two_bones()
    document = json.loads(json.dumps(scene.whole()))
    change(path, value)(document)
    file = tmp_path / "a.glb"
    file.write_bytes(glb(document, scene.body))
    with pytest.raises(UserError, match=message) as error:
        read_gltf(file)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)


def test_a_lone_key_far_off_makes_no_long_motion(tmp_path: Path) -> None:
    scene = Scene()
    scene.node("a")
    scene.node("b", "a", translation=[1, 0, 0])
    scene.animate("clip", {("a", "rotation"): ([0, 1e8], turned(np.random.default_rng(0), 2))})
    with pytest.raises(UserError, match=r"animation 'clip' lasts 1e\+08 s, far more than its keys account for"):
        read_gltf(scene.write(tmp_path / "a.glb"))


def test_only_regular_files_of_the_folder_are_opened(tmp_path: Path) -> None:
    scene = two_bones()
    folder, outside = tmp_path / "in", tmp_path / "secret.bin"
    folder.mkdir()
    outside.write_bytes(scene.body)
    (folder / "my part.bin").write_bytes(scene.body)
    (folder / "link.bin").symlink_to(outside)
    (folder / "near.bin").symlink_to(folder / "my part.bin")
    os.mkfifo(folder / "pipe.bin")

    def with_buffer(uri: str) -> Path:
        return scene.write(folder / "a.gltf", buffers=[{"byteLength": len(scene.body), "uri": uri}])

    whole = only(with_buffer("my%20part.bin"))
    assert linked_files(folder / "a.gltf") == [folder / "my part.bin"]
    np.testing.assert_array_equal(whole.motion.positions, only(scene.write(folder / "b.glb")).motion.positions)
    for uri, message in (
        ("../secret.bin", "is no file of this folder"),
        ("%2e%2e/secret.bin", "is no file of this folder"),
        (str(outside), "is no file of this folder"),
        (f"file://{outside}", "is no file of this folder"),
        ("https://host/a.bin", "is no file of this folder"),
        ("link.bin", "is no file of this folder"),
        ("near.bin", "is no file of this folder"),
        ("pipe.bin", "is no file of this folder"),
        (".", "is no file of this folder"),
        ("a%00b", "is no file of this folder"),
        ("none.bin", "'none.bin' is not there"),
        ("data:application/octet-stream;base64,AAAA!", "damaged base64"),
        ("data:text/plain,abc", "is not base64"),
    ):
        with pytest.raises(UserError, match=message) as error:
            read_gltf(with_buffer(uri))
        assert "\n" not in str(error.value)


def test_frames_are_computed_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = maya(np.random.default_rng(0)).write(tmp_path / "a.glb")
    whole = only(path).motion.positions
    monkeypatch.setattr(gltf_read, "CHUNK", 7)
    np.testing.assert_allclose(only(path).motion.positions, whole, atol=1e-6)
