"""Damaged and hostile files: every reader takes them or says what is wrong in one line that names the file, soon and
in little memory.

Cases are counted. The default run takes some hundred of each reader; `-m slow -s` takes more than 10,000 and prints how
many were read and how many refused.
"""

from __future__ import annotations

import io
import json
import re
import resource
import shutil
import signal
import struct
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.bvh import DUMMY, SIX, SKELETON, bvh
from helpers.deepmimic import ROWS, character
from helpers.gltf import Scene, glb, turned
from helpers.positions import NAMES, PARENTS, body
from helpers.smpl import walk
from helpers.unity import SKELETON as UNITY_SKELETON
from helpers.unity import frames

from rae_bench.benchmark import BENCHMARK_VERSION
from rae_bench.data.corpus import Corpus, ReachTargets, load_corpus, save_corpus
from rae_bench.data.formats.bvh import read_bvh
from rae_bench.data.formats.deepmimic import read_character, read_deepmimic
from rae_bench.data.formats.fit_points import fit_points
from rae_bench.data.formats.gltf_file import linked_files
from rae_bench.data.formats.gltf_read import read_gltf
from rae_bench.data.formats.joint_tree import read_joint_tree
from rae_bench.data.formats.positions import read_points, write_npz
from rae_bench.data.formats.smpl import PARENTS as PARENTS_OF_SMPL
from rae_bench.data.formats.smpl import average_body, is_smpl, read_smpl, read_smpl_body
from rae_bench.data.formats.unity import read_unity
from rae_bench.data.importing.file_list import download_addresses
from rae_bench.data.importing.labels import read_labels
from rae_bench.data.importing.recipe import Recipe, read_roles
from rae_bench.errors import UserError
from rae_bench.harness.kept import FACTS, RIG, read_kept
from rae_bench.model.api import Trajectory
from rae_bench.motion.course import course_of
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.written import read_objectives
from rae_bench.results.files import read_result
from rae_bench.results.trajectories import load_trajectory, save_trajectory
from rae_bench.rigs.file import read_rig, rig_to_toml
from rae_bench.rigs.rig import Rig
from rae_bench.task.named import load_task

SECONDS = 5.0
"""Far above what any of these small files takes, and far below what a loop over a huge count would. What takes longer
is interrupted, so that a loop without end fails its test instead of holding it up."""
MEMORY = 512 << 20
"""Bytes that a case may ask for beyond what the process holds: a claimed count that is believed asks for more."""


@dataclass(frozen=True)
class Reader:
    """A reader under test.

    Attributes:
        good: a file that it takes.
        read: takes the path of the damaged file.
        beside: further files of the same folder, {name: content}.
        name: of the file.
        arrays: of an npz, to be exchanged one by one.
        body: of a .glb, the bytes behind its text.
    """

    good: bytes
    read: Callable[[Path], Any]
    beside: dict[str, bytes] | None = None
    name: str = "clip"
    arrays: dict[str, np.ndarray] | None = None
    body: bytes | None = None


def zipped(arrays: dict[str, Any], compress: bool = True) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(file, **arrays)
    return file.getvalue()


def unzipped(data: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)


BVH_ROW = "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"
TOML = 'virtual_root = "p"\njoints = [{ name = "a", parent = "p" }, { name = "b", parent = "a" }]\n'
ROLES = """unit = "cm"
up = [0, 0, 1]
recorded_fps = 100
skip_frames = 2
fixed_base = true
group_by = "segment"
action_pattern = "(.+?)\\\\d*"
contact_joints = ["Toes_L", "Toes_R"]
include = ["*.bvh"]
skeleton = ["a.toml"]
[roles]
pelvis = "Hips"
head = "Head"
[files]
"a.bvh" = { bytes = 12, sha256 = "%s", session = "S", action = "walk" }
""" % ("ab" * 32)
TASK = f"""title = "A"
description = "B."
demo = true
[source]
kind = "builtin"
rig = "r1"
motion = "locomotion"
clips = 24
sweep = true
[target]
kind = "recordings"
folder = "takes"
download = {{ "*" = "https://host/{{name}}" }}
{ROLES.replace("[roles]", "[target.roles]").replace("[files]", "[target.files]")}
[protocol]
fps = 60
seconds = 4.0
fractions = [0.1, 0.2]
default_fraction = 0.1
roles = ["pelvis", "head"]
[budget]
full_updates = 100
quick_updates = 10
"""
OBJECTIVES = """seconds = 4.0
[[objectives]]
role = "pelvis"
time = 1.0
position = [0.0, 0.9, 1.5]
heading = 30
kind = "keyframe"
[[objectives]]
role = "left_foot"
time = 2
position = [0.1, 0.0, 1.5]
rotation = [1, 0, 0, 0]
kind = "contact"
[walk]
stride = 0.9
duty = 0.65
touch_downs = { left_foot = 0.0, left_hand = 0.25, right_foot = 0.5, right_hand = 0.75 }
"""
FIGURE = """name = "figure"
description = "Two legs."
fixed_base = false
joints = [
  { name = "hips", offset = [0, 0, 0] },
  { name = "head", parent = "hips", offset = [0, 0.5, 0], rest = [1, 0, 0, 0] },
  { name = "left", parent = "hips", offset = [0.1, -0.9, 0], limits = { x = [-30, 30], y = [-180, 180] } },
  { name = "right", parent = "hips", offset = [-0.1, -0.9, 0], limits = {} },
]
contact_joints = ["left", "right"]
mirror = [["left", "right"]]
[roles]
pelvis = "hips"
head = "head"
left_foot = "left"
right_foot = "right"
"""
MANIFEST = [{"file": "a.bvh", "session": "S", "action": "walk", "style": "sad", "frames": 3}, {"file": "b.bvh"}]


def read_npz(path: Path) -> Motion:
    return fit_points([read_points(path)])[0].motion


def read_bvh_text(folder: Path) -> Motion:
    (folder / "a.bvh").write_text(bvh())
    return read_bvh(folder / "a.bvh")


def read_animations(path: Path) -> Motion:
    linked_files(path)
    takes = read_gltf(path)
    assert all(finite(take.motion) for take in takes)
    return takes[0].motion


def read_smpl_body_first(path: Path) -> Any:
    is_smpl(path)
    return read_smpl(path, average_body())


def small_scene() -> Scene:
    """A little of all that animations are made of."""
    rng = np.random.default_rng(0)
    scene = Scene()
    scene.node("top", scale=[0.01] * 3, rotation=[-0.5, 0.5, 0.5, 0.5])
    scene.node("hips", "top", matrix=[1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 90, 0, 1])
    scene.node("leg_l", "hips", translation=[9, -80, 0])
    scene.node("head", "hips", translation=[0, 50, 0])
    scene.node("head_end", "head", translation=[0, 20, 0])
    sparse = {
        "count": 1,
        "indices": {"bufferView": scene.view(b"\x02"), "componentType": 5121},
        "values": {"bufferView": scene.view(np.array([0, 0, 9000, 0], "<i2").tobytes())},
    }
    packed = scene.accessor(np.full((4, 4), 9000), "<i2", normalized=True, sparse=sparse)
    times = np.arange(4) / 30
    scene.animate("walk", {
        ("top", "translation"): (times, rng.normal(size=(4, 3))),
        ("leg_l", "rotation"): (times, packed),
        ("head", "rotation"): (times[::3], turned(rng, 6), "CUBICSPLINE"),
    })  # fmt: skip
    steps = times, turned(rng, 4), "STEP"
    scene.animate("wait", {("hips", "rotation"): steps, ("leg_l", "scale"): ([0], np.ones((1, 3)))})
    scene.skin(["hips", "leg_l", "head"])
    return scene


def read_side(path: Path) -> object:
    task = load_task(path)
    for side in (task.source, task.target):
        if side["kind"] == "recordings":
            Recipe.from_table(side, path.name)
            download_addresses(side, path.name)
    return task


def small_corpus(rig: Rig) -> Corpus:
    rest = np.tile(rig.rest, (3, 5, 1, 1))
    motion = make_motion(rig, 30, np.ones((3, 5, 3)), rest, contacts=np.zeros((3, 5, len(rig.contact_joints)), bool))
    frames, places = np.zeros((3, 2), np.int32), np.zeros((3, 2, 3), np.float32)
    turns, never = np.zeros((3, 2, 4), np.float32), np.zeros((3, 2), bool)
    targets = ReachTargets(frames.astype(np.int8), frames, frames, places, turns, never)
    words = ("a", "b", "c")
    course = course_of(motion)
    return Corpus("small", motion, words, words, words, words, course, "0" * 64, {"raised": 0.1}, targets=targets)


def kept_facts() -> dict[str, Any]:
    return {
        "schema": "rae-bench.adapted/2",
        "benchmark": BENCHMARK_VERSION,
        "task": "t",
        "budget": "quick",
        "model": "fe",
        "options": {"width": 8},
        "regime": "cold",
        "fraction": 0.05,
        "seed": 0,
        "track": "limbs",
        "identity": {"package": "0.1.0"},
        "fps": 30.0,
        "history": 1.0,
        "stance_heights": [0.01, 0.02],
        "raised": 0.0,
    }


RESULT = {
    "schema": "rae-bench.result/2",
    "benchmark": BENCHMARK_VERSION,
    "budget": "quick",
    "status": "ok",
    "model": "fe",
    "task": "t",
    "regime": "cold",
    "fraction": 0.05,
    "seed": 0,
    "identity": {"config": "0" * 64},
    "metrics": {"reconstruction_error": {"value": 1.5, "unit": "cm", "direction": "lower"}},
    "cost": {},
    "reason": "",
}


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reader]:
    folder = tmp_path_factory.mktemp("good")
    figure = read_character(character(folder))
    (folder / "figure.toml").write_text(FIGURE)
    rig = read_rig(folder / "figure.toml")
    save_corpus(small_corpus(rig), folder / "corpus")
    corpus = {path.name: path.read_bytes() for path in (folder / "corpus").iterdir()}
    rotations = np.tile(rig.rest, (1, 2, 4, 1, 1))
    lengths = np.array([4, 3])
    save_trajectory(folder / "made.npz", Trajectory(np.ones((1, 2, 4, 3)), rotations), rig, 30.0, lengths)
    kept = {FACTS: json.dumps(kept_facts()).encode(), RIG: rig_to_toml(rig).encode()}
    points = {"points": body(6).astype(np.float32), "names": np.array(NAMES), "parents": PARENTS, "fps": np.array(30.0)}

    def within(files: dict[str, bytes], name: str, read: Callable[[Path], Any]) -> Reader:
        beside = {other: content for other, content in files.items() if other != name}
        arrays = unzipped(files[name]) if name.endswith(".npz") else None
        return Reader(files[name], lambda path: read(path.parent), beside, name, arrays)

    made = (folder / "made.npz").read_bytes()
    scene = small_scene()
    for suffix in (".glb", ".gltf"):
        scene.write(folder / f"a{suffix}")
    turns = walk(6, joints=24)
    split = {"body_pose": turns["poses"][:, 3:66], "global_orient": turns["poses"][:, :3], "trans": turns["trans"],
             "fps": np.array([30])}  # fmt: skip
    surface = {"v_template": np.random.default_rng(0).normal(size=(52, 3)), "J_regressor": np.eye(52),
               "kintree_table": np.stack([np.r_[PARENTS_OF_SMPL[:22], np.full(30, 20)], np.arange(52)])}  # fmt: skip
    surface["kintree_table"][0, 40:] = 21
    write_npz(folder / "whole.npz", read_bvh_text(folder))
    whole = unzipped((folder / "whole.npz").read_bytes())
    return {
        "bvh": Reader(bvh().encode(), read_bvh),
        "bvh, six channels": Reader(bvh([" ".join(BVH_ROW.split()[:12])] * 2, SIX).encode(), read_bvh),
        "bvh, dummy root": Reader(bvh([BVH_ROW] * 2, DUMMY).encode(), read_bvh),
        "npz of positions": Reader(zipped(points), read_npz, arrays=points),
        "npz of positions, stored": Reader(zipped(points, compress=False), read_npz, arrays=points),
        "deepmimic": Reader(
            json.dumps({"Loop": "wrap", "Frames": ROWS}).encode(),
            lambda path: read_deepmimic(path, [figure], loop_seconds=1),
        ),
        "character": Reader(figure.path.read_bytes(), read_character),
        "unity": Reader(
            json.dumps({"timestamp": [0, 1], "frames": frames()}).encode(),
            lambda path: read_unity(path, [UNITY_SKELETON], fps=30, root_path="children"),
        ),
        "skeleton": Reader(TOML.encode(), read_joint_tree),
        "roles": Reader(ROLES.encode(), lambda path: Recipe.from_table(read_roles(path), str(path))),
        "manifest": Reader(
            json.dumps(MANIFEST).encode(),
            lambda path: read_labels(path.parent, Recipe(manifest=path.name)),
        ),
        "rig": Reader(FIGURE.encode(), read_rig),
        "task": Reader(TASK.encode(), read_side, name="clip.toml"),
        "objectives and walk": Reader(OBJECTIVES.encode(), read_objectives),
        "domain: corpus.json": within(corpus, "corpus.json", load_corpus),
        "domain: motion.npz": within(corpus, "motion.npz", load_corpus),
        "domain: rig.toml": within(corpus, "rig.toml", load_corpus),
        "kept model: facts": within(kept, FACTS, read_kept),
        "kept model: rig": within(kept, RIG, read_kept),
        "trajectory": Reader(made, load_trajectory, arrays=unzipped(made)),
        "result": Reader(json.dumps(RESULT).encode(), read_result),
        "glb": Reader((folder / "a.glb").read_bytes(), read_animations, name="clip.glb", body=scene.body),
        "gltf": Reader((folder / "a.gltf").read_bytes(), read_animations, name="clip.gltf"),
        "smpl": Reader(zipped(turns), read_smpl_body_first, arrays=turns),
        "smpl, split": Reader(zipped(split, compress=False), read_smpl_body_first, arrays=split),
        "smpl body": Reader(zipped(surface), lambda path: read_smpl_body(path), arrays=surface),
        "npz with rotations": Reader(zipped(whole), read_npz, arrays=whole),
    }


READERS = [
    "bvh",
    "bvh, six channels",
    "bvh, dummy root",
    "npz of positions",
    "npz of positions, stored",
    "deepmimic",
    "character",
    "unity",
    "skeleton",
    "roles",
    "manifest",
    "rig",
    "task",
    "objectives and walk",
    "domain: corpus.json",
    "domain: motion.npz",
    "domain: rig.toml",
    "kept model: facts",
    "kept model: rig",
    "trajectory",
    "result",
    "glb",
    "gltf",
    "smpl",
    "smpl, split",
    "smpl body",
    "npz with rotations",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def put(reader: Reader, place: Path) -> Path:
    """A folder with the files beside the one that is damaged; the path of that one."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name, content in (reader.beside or {}).items():
        (place / name).write_bytes(content)
    return place / reader.name


@contextmanager
def little_memory() -> Iterator[None]:
    """What asks for more than `MEMORY` within the block gets a MemoryError, which no reader may let happen."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def little_time() -> Iterator[None]:
    """What computes for more than `SECONDS` within the block is interrupted by an error that no reader expects."""

    def late(number: int, frame: Any) -> None:
        raise AssertionError(f"still at work after {SECONDS} core-seconds")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def finite(motion: Motion) -> bool:
    return all(np.isfinite(a).all() for a in (motion.root_positions, motion.rotations, motion.positions))


def survives(data: bytes, read: Callable[[Path], Any], path: Path) -> bool:
    """Reads `data`: something finite, or a `UserError` of one line that begins with the file. Whether it was read."""
    path.write_bytes(data)
    try:
        with little_time():
            got = read(path)
    except UserError as error:
        text = str(error)
        assert text.startswith((str(path), path.name, str(path.parent))), text
        assert "\n" not in text, text
        assert len(text) < 1000, text
        got = None
    motion = getattr(got, "motion", got)
    if isinstance(motion, Motion):
        assert finite(motion)
    if isinstance(got, Trajectory):
        assert np.isfinite(got.root_positions).all()
        assert np.isfinite(got.rotations).all()
    return got is not None


VALUES = [
    *("nan", "inf", "-inf", "NaN", "Infinity", "1e308", "-1e308", "1e-308", "1e400", "9" * 20, "9" * 5000, "-1", "0"),
    *("", "null", "true", "{}", "[]", "[[]]", "[1, 2]", '{"a": 1}', "{ a = 1 }", '"x"', '""', '"\\u0000"', "²", "'"),
    *("1979-05-27", "2.5", "00:00:00", '"' + "x" * 3000 + '"', "\t", "\n", "[", "{", '"'),
]
TOKEN = re.compile(r'"[^"\n]*"|-?\d+(?:\.\d+)?(?:e-?\d+)?|\w+')
NESTS = ["[", "{", '{"a":', "{a=", "JOINT j { OFFSET 0 0 0 ", "[[", "(", "a."]


def damaged(reader: Reader, rng: np.random.Generator) -> bytes:
    """One way of many to damage a file: bytes, lines, values, names that stand twice or point in a circle, nesting."""
    data = bytearray(reader.good)
    kind = rng.integers(0, 10)
    if reader.arrays is not None and kind >= 4:
        return exchanged(reader.arrays, rng)
    if kind == 0:
        return bytes(data[: rng.integers(0, len(data))])
    if kind == 1:
        return bytes(data[: rng.integers(0, 60)]) + rng.bytes(int(rng.integers(0, 300)))
    if kind <= 3:
        for _ in range(rng.integers(1, 6)):
            at = int(rng.integers(0, len(data)))
            match rng.integers(0, 4):
                case 0:
                    data[at] = int(rng.integers(0, 256))
                case 1:
                    del data[at : at + int(rng.integers(1, 40))]
                case 2:
                    data[at:at] = data[at : at + int(rng.integers(1, 200))]
                case 3:
                    data[at:at] = rng.bytes(int(rng.integers(1, 20)))
            if not data:
                break
        return bytes(data)
    if reader.body is None:
        return damaged_text(reader.good.decode(), kind, rng)
    size = int.from_bytes(reader.good[12:16], "little")
    text = damaged_text(reader.good[20 : 20 + size].decode(), kind, rng)
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(reader.body)) + struct.pack("<I4s", len(text), b"JSON")
    return head + text + struct.pack("<I4s", len(reader.body), b"BIN\0") + reader.body


def damaged_text(text: str, kind: int, rng: np.random.Generator) -> bytes:
    """One way of many to damage a text: lines, nesting, values."""
    good = text
    if kind == 4:
        lines = text.splitlines(keepends=True)
        for _ in range(rng.integers(1, 4)):
            i, j = rng.integers(0, len(lines), 2)
            match rng.integers(0, 3):
                case 0:
                    lines.insert(i, lines[j])
                case 1:
                    lines[i], lines[j] = lines[j], lines[i]
                case 2:
                    lines[i] = ""
        return "".join(lines).encode()
    if kind == 5:
        at = int(rng.integers(0, len(text)))
        nest = NESTS[rng.integers(0, len(NESTS))] * int(10 ** rng.uniform(0, 4))
        return (text[:at] + nest + text[at:]).encode()
    spots = [match.span() for match in TOKEN.finditer(text)]
    for start, stop in sorted((spots[i] for i in set(rng.integers(0, len(spots), rng.integers(1, 3)))), reverse=True):
        other = spots[rng.integers(0, len(spots))]
        new = VALUES[rng.integers(0, len(VALUES))] if kind < 8 else good[slice(*other)]
        text = text[:start] + new + text[stop:]
    return text.encode()


KINDS = ["<f4", "<f8", ">f8", "<f2", "<i8", "<i2", "|i1", "|u1", "<u8", "<U5", "|S3", "|b1", "<c16", "<M8[s]"]


def exchanged(arrays: dict[str, np.ndarray], rng: np.random.Generator) -> bytes:
    """The npz with one array of another shape, kind or content, or with a header that lies, or without it."""
    name = list(arrays)[rng.integers(0, len(arrays))]
    array, rest = arrays[name], {key: value for key, value in arrays.items() if key != name}
    match rng.integers(0, 5):
        case 0:
            return zipped(rest, compress=False)
        case 1:
            shape = rng.integers(0, 6, rng.integers(0, 5))
            kind = np.dtype(KINDS[rng.integers(0, len(KINDS))])
            raw = rng.bytes(int(np.prod(shape)) * kind.itemsize)
            if kind.kind == "U":
                raw = bytes(len(raw))  # most bytes are no text, and numpy itself fails to show them
            return zipped({**rest, name: np.frombuffer(raw, kind).reshape(shape)}, compress=False)
        case 2:
            changed = np.array(array).reshape(-1)
            if changed.dtype.kind in "fiu" and len(changed):
                values = [np.nan, np.inf, -np.inf, 1e30, -1e30, 1e9, -1, 0, 1e-40, 127]
                with np.errstate(all="ignore"):
                    for at in rng.integers(0, len(changed), rng.integers(1, 4)):
                        changed[at] = np.array(values[rng.integers(0, len(values))]).astype(changed.dtype)
            elif len(changed):
                changed[rng.integers(0, len(changed))] = changed[rng.integers(0, len(changed))]
            return zipped({**rest, name: changed.reshape(array.shape)}, compress=False)
        case 3:
            axis = int(rng.integers(0, max(array.ndim, 1)))
            return zipped(
                {**rest, name: np.roll(array[..., None], 1, axis) if array.ndim < 2 else array.swapaxes(0, axis)}
            )
    shapes = ["(1000000000000, 8, 3)", "(-1, 8, 3)", f"({'9' * 23}, 8, 3)", "(" * 3000, "(1,) * 9", "(1.5, 3)", "()"]
    descr = ["<f8", "|O", "<V8", "<U1000000", "f8,(1000000,)f8", array.dtype.str][rng.integers(0, 6)]
    shape = [*shapes, str(array.shape)][rng.integers(0, len(shapes) + 1)]
    header = f"{{'descr': '{descr}', 'fortran_order': {bool(rng.integers(0, 2))}, 'shape': {shape}, }}\n".encode()
    version = int(rng.integers(0, 5))
    lying = b"\x93NUMPY" + bytes([version, 0]) + len(header).to_bytes(2, "little") + header + array.tobytes()
    file = io.BytesIO(zipped(rest, compress=False))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}.npy", lying)
    return file.getvalue()


def test_a_reader_without_end_or_measure_would_be_noticed(
    readers: dict[str, Reader], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "SECONDS", 0.3)

    def forever(path: Path) -> None:
        while True:
            path.exists()

    def greedy(path: Path) -> np.ndarray:
        return np.ones(2 * MEMORY, np.uint8)

    def undeclared(path: Path) -> None:
        raise KeyError(path)

    path = put(readers["bvh"], place)
    for read, error in ((forever, AssertionError), (greedy, MemoryError), (undeclared, KeyError)):
        with pytest.raises(error), little_memory():
            survives(b"x", read, path)
    with pytest.raises(AssertionError):
        survives(b"x", lambda _: (_ for _ in ()).throw(UserError("no file is named")), path)


def test_every_reader_is_listed(readers: dict[str, Reader]) -> None:
    assert list(readers) == READERS


@pytest.mark.parametrize("name", READERS)
def test_the_undamaged_file_is_read(name: str, readers: dict[str, Reader], place: Path) -> None:
    assert survives(readers[name].good, readers[name].read, put(readers[name], place))


@pytest.mark.parametrize("count", [pytest.param(80, id="few"), pytest.param(10_000, id="many", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", READERS)
def test_damaged_files(name: str, count: int, readers: dict[str, Reader], place: Path) -> None:
    """`count` cases of damage and, when there are many, the file cut short at every byte."""
    reader = readers[name]
    path, size = put(reader, place), len(reader.good)
    rng = np.random.default_rng(READERS.index(name))
    cuts = range(size) if count >= 10_000 else range(0, size, max(1, size // 60))
    started, read = time.process_time(), 0
    with little_memory():
        for stop in cuts:
            read += survives(reader.good[:stop], reader.read, path)
        for _ in range(count):
            read += survives(damaged(reader, rng), reader.read, path)
    cases = len(cuts) + count
    print(f"\n{name}: {cases} cases, {read} read, {cases - read} refused, {time.process_time() - started:.0f} s")
    assert cases >= count
    assert read < cases * 0.7  # it is not the undamaged file over and over


NUMBERS = [0, 1, 2, 3, 4, 5, 7, 40, -1, 0.5, -0.5, 1e-30, 1e8, 1e30, -1e30, 2**31, 10**12, 5120, 5121, 5123, 5125, 5126]
LABELS = ["rotation", "translation", "scale", "weights", "STEP", "LINEAR", "CUBICSPLINE", "VEC4", "VEC3", "SCALAR"]


def renumbered(document: dict[str, Any], body: bytes, rng: np.random.Generator) -> bytes:
    """The .glb with other numbers or words in its document, and at times other bytes behind it: JSON all the same."""
    spots: list[tuple[Any, Any]] = []

    def walk_down(at: Any) -> None:
        for key, value in at.items() if isinstance(at, dict) else enumerate(at):
            spots.append((at, key))
            if isinstance(value, dict | list):
                walk_down(value)

    walk_down(document)
    for _ in range(rng.integers(1, 4)):
        at, key = spots[rng.integers(0, len(spots))]
        match rng.integers(0, 8):
            case 0 if isinstance(at, dict):
                at.pop(key, None)
            case 1 if isinstance(at, list):
                at.append(json.loads(json.dumps(at[rng.integers(0, len(at))]))) if at else None
            case _:
                kinds = LABELS if isinstance(at, dict) and isinstance(at.get(key), str) else NUMBERS
                if not isinstance(at[key] if isinstance(at, list) else at.get(key), dict | list):
                    at[key] = kinds[rng.integers(0, len(kinds))]
    raw = bytearray(body)
    for _ in range(rng.integers(0, 3)):
        start = int(rng.integers(0, len(raw)))
        raw[start : start + 4] = struct.pack("<f", [np.nan, np.inf, 1e30, -1, 0, 1e-30, 5][rng.integers(0, 7)])
    return glb(document, bytes(raw[: len(body)]))


@pytest.mark.parametrize("count", [pytest.param(99, id="few"), pytest.param(10_000, id="many", marks=pytest.mark.slow)])
def test_gltf_documents_with_other_numbers(count: int, place: Path) -> None:
    scene = small_scene()
    good, rng = json.dumps(scene.whole()), np.random.default_rng(8)
    path, read = put(Reader(b"", read_animations, name="clip.glb"), place), 0
    with little_memory():
        for _ in range(count):
            read += survives(renumbered(json.loads(good), scene.body, rng), read_animations, path)
    print(f"\nglb of other numbers: {count} cases, {read} read, {count - read} refused")
    assert 0.1 * count < read < 0.9 * count


def test_counts_that_no_memory_holds(readers: dict[str, Reader], place: Path) -> None:
    """Refused before anything of their size is made: the peak is measured."""
    huge = 10**12
    path = put(readers["bvh"], place)
    cases = [bvh(frames=n).encode() for n in (huge, 10**8)]
    cases += [
        bvh(skeleton=SKELETON.replace("CHANNELS 6", f"CHANNELS {word}")).encode()
        for word in ("9" * 5000, "²", str(huge))
    ]
    cases.append(bvh(frames="9" * 5000).encode())  # type: ignore[arg-type]
    tracemalloc.start()
    try:
        for case in cases:
            assert not survives(case, read_bvh, path)
        for name in ("npz of positions", "trajectory", "domain: motion.npz"):
            reader = readers[name]
            path = put(reader, place)
            for key, array in reader.arrays.items():  # type: ignore[union-attr]
                header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({huge}, 8, 3), }}\n".encode()
                lying = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + array.tobytes()
                file = io.BytesIO(zipped({k: v for k, v in reader.arrays.items() if k != key}))  # type: ignore[union-attr]
                with zipfile.ZipFile(file, "a") as archive:
                    archive.writestr(f"{key}.npy", lying)
                assert not survives(file.getvalue(), reader.read, path), (name, key)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("depth", [100, 2000, 200_000])
def test_deep_nesting(depth: int, readers: dict[str, Reader], place: Path) -> None:
    nest = "".join(f"JOINT j{i}\n{{\nOFFSET 0 1 0\n" for i in range(depth))
    deep = SKELETON.replace("    End Site", nest + "    End Site").replace("    }\n", "    }\n" + "}\n" * depth, 1)
    survives(bvh(skeleton=deep).encode(), read_bvh, put(readers["bvh"], place))
    for name in READERS:
        if readers[name].arrays is None and not name.startswith("bvh"):
            path = put(readers[name], place)
            for text in ("[" * depth, '{"a":' * depth, '{"Frames": ' + "[" * depth, "joints = " + "[" * depth):
                assert not survives(text.encode(), readers[name].read, path)
            assert not survives(f"joints = {'{a=' * depth}".encode(), readers[name].read, path)


def test_keys_of_many_dots(readers: dict[str, Reader], place: Path) -> None:
    """Refused at once: their parser takes time that grows with the square of the dots."""
    for name in ("skeleton", "roles", "rig", "task", "objectives and walk"):
        path = put(readers[name], place)
        for text in ("a." * 20_000 + "b = 1", "[" + '"a" . ' * 20_000 + "b]", "x = { " + "a." * 20_000 + "b = 1 }"):
            assert not survives(text.encode(), readers[name].read, path)
        assert not survives(b"a" * 2_000_000, readers[name].read, path)
