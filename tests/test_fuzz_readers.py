"""Damaged and hostile files: every reader gives a motion or one line that names the file, soon and in little memory.

The default run takes a few hundred cases of each; `-m slow` takes more than 10,000.
"""

from __future__ import annotations

import io
import json
import re
import resource
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_bvh import DUMMY, SIX, SKELETON, bvh
from test_deepmimic import ROWS, character
from test_positions import NAMES, PARENTS, body
from test_unity import SKELETON as UNITY_SKELETON
from test_unity import frames

from rae_bench.data.bvh import read_bvh
from rae_bench.data.deepmimic import Character, read_character, read_deepmimic
from rae_bench.data.positions import fit_points, read_points
from rae_bench.data.skeleton import read_skeleton
from rae_bench.data.unity import read_unity
from rae_bench.errors import UserError
from rae_bench.motion import Motion

SECONDS = 5.0
"""Far above what any of these small files takes, and far below what a loop over a huge count would."""


def npz(compress: bool = True) -> bytes:
    file = io.BytesIO()
    save = np.savez_compressed if compress else np.savez
    save(file, points=body(6).astype(np.float32), names=np.array(NAMES), parents=PARENTS, fps=30.0)
    return file.getvalue()


def read_npz(path: Path) -> Motion:
    return fit_points([read_points(path)])[0].motion


@pytest.fixture(scope="module")
def figure(tmp_path_factory: pytest.TempPathFactory) -> Character:
    return read_character(character(tmp_path_factory.mktemp("figure")))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "clip"


TOML = 'virtual_root = "p"\njoints = [{ name = "a", parent = "p" }, { name = "b", parent = "a" }]\n'
BVH_ROW = "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"
GOOD = {
    "bvh": bvh().encode(),
    "bvh6": bvh([" ".join(BVH_ROW.split()[:12])] * 2, SIX).encode(),
    "bvh dummy": bvh([BVH_ROW] * 2, DUMMY).encode(),
    "npz": npz(),
    "npz stored": npz(compress=False),
    "deepmimic": json.dumps({"Loop": "wrap", "Frames": ROWS}).encode(),
    "character": b"",
    "unity": json.dumps({"timestamp": [0, 1], "frames": frames()}).encode(),
    "skeleton": TOML.encode(),
}
READERS: dict[str, Callable[[Path], object]] = {
    "bvh": read_bvh,
    "bvh6": read_bvh,
    "bvh dummy": read_bvh,
    "npz": read_npz,
    "npz stored": read_npz,
    "character": read_character,
    "unity": lambda path: read_unity(path, [UNITY_SKELETON], fps=30, root_path="children").motion,
    "skeleton": read_skeleton,
}


@pytest.fixture(scope="module")
def readers(figure: Character) -> dict[str, tuple[bytes, Callable[[Path], object]]]:
    read: dict[str, Callable[[Path], object]] = {
        **READERS,
        "deepmimic": lambda path: read_deepmimic(path, [figure]).motion,
    }
    good = {**GOOD, "character": figure.path.read_bytes()}
    return {name: (good[name], read[name]) for name in good}


def survives(data: bytes, read: Callable[[Path], object], path: Path) -> None:
    """Reads `data`: a finite motion, or a `UserError` of one line that begins with the file."""
    path.write_bytes(data)
    started = time.process_time()
    try:
        got = read(path)
    except UserError as error:
        got = str(error)
    if isinstance(got, str):
        assert got.startswith(str(path))
        assert "\n" not in got
        assert len(got) < 1000
    if isinstance(got, Motion):
        assert np.isfinite(got.root_positions).all()
        assert np.isfinite(got.rotations).all()
        assert np.isfinite(got.positions).all()
    assert time.process_time() - started < SECONDS


MANY = [pytest.param(60, id="few"), pytest.param(4000, id="many", marks=pytest.mark.slow)]
FORMATS = list(GOOD)
QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


@pytest.mark.parametrize("form", FORMATS)
def test_the_undamaged_file_is_read(form: str, readers: dict, place: Path) -> None:  # type: ignore[type-arg]
    data, read = readers[form]
    place.write_bytes(data)
    read(place)


@pytest.mark.parametrize("every", [pytest.param(13, id="few"), pytest.param(1, id="many", marks=pytest.mark.slow)])
@pytest.mark.parametrize("form", FORMATS)
def test_cut_short_at_any_byte(form: str, every: int, readers: dict, place: Path) -> None:  # type: ignore[type-arg]
    data, read = readers[form]
    for size in range(0, len(data), every * max(1, len(data) // 1500)):
        survives(data[:size], read, place)


@pytest.mark.parametrize("count", MANY)
@pytest.mark.parametrize("form", FORMATS)
def test_flipped_dropped_and_doubled_bytes(form: str, count: int, readers: dict, place: Path) -> None:  # type: ignore[type-arg]
    data, read = readers[form]
    rng = np.random.default_rng(0)
    for _ in range(count):
        damaged = bytearray(data)
        for _ in range(rng.integers(1, 6)):
            at = int(rng.integers(0, len(damaged)))
            match rng.integers(0, 4):
                case 0:
                    damaged[at] = int(rng.integers(0, 256))
                case 1:
                    del damaged[at : at + int(rng.integers(1, 40))]
                case 2:
                    damaged[at:at] = damaged[at : at + int(rng.integers(1, 200))]
                case 3:
                    damaged[at:at] = rng.bytes(int(rng.integers(1, 20)))
            if not damaged:
                break
        survives(bytes(damaged), read, place)


WORDS = [
    "nan",
    "inf",
    "-inf",
    "1e308",
    "-1e308",
    "1e-308",
    "99999999999999999999",
    "-1",
    "0",
    "",
    "null",
    "{}",
    "[]",
    '"x"',
    "²",
]


@pytest.mark.parametrize("count", MANY)
@pytest.mark.parametrize("form", [form for form in FORMATS if form not in ("npz", "npz stored", "skeleton")])
def test_wrong_and_huge_numbers(form: str, count: int, readers: dict, place: Path) -> None:  # type: ignore[type-arg]
    data, read = readers[form]
    text = data.decode()
    spots = [match.span() for match in re.finditer(r"-?\d+(\.\d+)?(e-?\d+)?", text)]
    rng = np.random.default_rng(1)
    for _ in range(count):
        start, stop = spots[rng.integers(0, len(spots))]
        survives((text[:start] + WORDS[rng.integers(0, len(WORDS))] + text[stop:]).encode(), read, place)


@pytest.mark.parametrize("count", MANY)
@pytest.mark.parametrize("form", FORMATS)
def test_binary_junk(form: str, count: int, readers: dict, place: Path) -> None:  # type: ignore[type-arg]
    data, read = readers[form]

    @settings(max_examples=count // 2, deadline=None, suppress_health_check=QUIET, database=None, derandomize=True)
    @given(st.binary(max_size=300), st.sampled_from([0, 10, 60]))
    def junk(noise: bytes, keep: int) -> None:
        survives(data[:keep] + noise, read, place)

    junk()


@pytest.mark.parametrize("count", MANY)
def test_arrays_of_any_shape_and_kind(count: int, place: Path) -> None:
    kinds = ["<f4", "<f8", "<i8", "|u1", "<U5", "|S3", "|b1", "<c16", "<M8[s]"]

    @settings(max_examples=count, deadline=None, suppress_health_check=QUIET, database=None, derandomize=True)
    @given(
        st.lists(st.integers(0, 5), min_size=1, max_size=4),
        st.sampled_from(kinds),
        st.sampled_from(["points", "names", "parents", "fps"]),
        st.integers(0, 2**32 - 1),
    )
    def arrays(shape: list[int], kind: str, name: str, seed: int) -> None:
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        values = np.frombuffer(np.random.default_rng(seed).bytes(size), np.uint8)
        if kind[1] == "U":
            values = np.zeros(size, np.uint8)  # most bytes are no text, and numpy itself fails to show them
        whole = {"points": body(3), "names": np.array(NAMES), "parents": PARENTS, "fps": np.array(30.0)}
        file = io.BytesIO()
        np.savez(file, **{**whole, name: values.view(kind).reshape(shape)})  # type: ignore[arg-type]
        survives(file.getvalue(), read_npz, place)

    arrays()


@pytest.mark.parametrize("count", MANY)
def test_points_of_any_value(count: int, place: Path) -> None:
    @settings(max_examples=count, deadline=None, suppress_health_check=QUIET, database=None, derandomize=True)
    @given(st.lists(st.floats(width=32), min_size=1, max_size=30), st.lists(st.integers(-3, 9), min_size=8, max_size=8))
    def values(numbers: list[float], parents: list[int]) -> None:
        points = np.resize(np.array(numbers, np.float32), (3, 8, 3))
        file = io.BytesIO()
        np.savez(file, points=points, names=np.array(NAMES), parents=np.array(parents), fps=30.0)
        survives(file.getvalue(), lambda path: fit_points([read_points(path, root_path="children")])[0].motion, place)

    values()


def test_headers_that_lie(place: Path) -> None:
    """Counts that no memory holds, in every format, cost neither memory nor time."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    huge = 10**12
    shapes = [
        "(1000000000000, 8, 3)",
        "(-1, 8, 3)",
        "(99999999999999999999999, 8, 3)",
        "(" * 3000,
        "(1,) * 9",
        "(1.5, 8, 3)",
    ]
    for shape in shapes:
        header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
        array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 24
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("points.npy", array)
        survives(file.getvalue(), read_npz, place)
    survives(bvh(frames=huge).encode(), read_bvh, place)
    survives(bvh(skeleton=SKELETON.replace("CHANNELS 6", f"CHANNELS {'9' * 5000}")).encode(), read_bvh, place)
    survives(bvh(skeleton=SKELETON.replace("CHANNELS 6", "CHANNELS ²")).encode(), read_bvh, place)
    survives(bvh(frames="9" * 5000).encode(), read_bvh, place)  # type: ignore[arg-type]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


@pytest.mark.parametrize("depth", [100, 2000, 200_000])
def test_deep_nesting(depth: int, figure: Character, place: Path) -> None:
    nest = "".join(f"JOINT j{i}\n{{\nOFFSET 0 1 0\n" for i in range(depth))
    deep = SKELETON.replace("    End Site", nest + "    End Site").replace("    }\n", "    }\n" + "}\n" * depth, 1)
    survives(bvh(skeleton=deep).encode(), read_bvh, place)
    survives(b'{"Frames": ' + b"[" * depth, lambda path: read_deepmimic(path, [figure]), place)
    survives(b'{"other": ' + b'{"a":' * depth, lambda path: read_unity(path, [], fps=1, root_path="fixed"), place)
    survives(b'{"Skeleton": {"Joints": ' + b"[" * depth, read_character, place)
    survives(b"joints = " + b"[" * depth, read_skeleton, place)
    survives(b"joints = " + b"{a=" * depth, read_skeleton, place)
