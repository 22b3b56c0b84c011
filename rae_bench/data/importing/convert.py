"""FBX to glTF by a converter that the user has: Blender, FBX2glTF or assimp."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rae_bench.errors import UserError
from rae_bench.files import copy
from rae_bench.storage import whole_folder

LONGEST = 600.0
"""Seconds that a converter may take for a file."""
_BLENDER = """
import bpy, sys
source, target = sys.argv[-2:]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.fbx(filepath=source)
bpy.ops.export_scene.gltf(filepath=target, export_format="GLB", export_animations=True)
"""


@dataclass(frozen=True)
class Converter:
    """A program that turns FBX into .glb.

    Attributes:
        program: its name on the path.
        arguments: makes the words after it of the FBX file and the .glb file.
        unit: of the .glb files that it makes.
    """

    program: str
    arguments: Callable[[str, str], Sequence[str]]
    unit: str = "m"


CONVERTERS = (
    Converter(
        "blender",
        lambda source, target: [
            *("--background", "--factory-startup", "--disable-autoexec", "--python-exit-code", "1"),
            *("--python-expr", _BLENDER, "--", source, target),
        ],
    ),
    # It samples at 24 fps unless it is told; 60 is the most that it can.
    Converter(
        "FBX2glTF",
        lambda source, target: ["--binary", "--anim-framerate", "bake60", "--input", source, "--output", target],
    ),
    # It leaves lengths as FBX has them.
    Converter("assimp", lambda source, target: ["export", source, target], unit="cm"),
)
"""From the most faithful down; the first that is there is taken."""


def find_converter() -> tuple[Converter, str]:
    """Return the first converter on the path, and where it is.

    Raises:
        UserError: There is none.
    """
    for converter in CONVERTERS:
        place = shutil.which(converter.program)
        if place:
            return converter, place
    names = ", ".join(converter.program for converter in CONVERTERS)
    raise UserError(f"no converter for FBX on the path ({names}); install Blender, or export .glb instead of FBX")


def convert_folder(source: Path, into: Path, tell: Callable[[str], None]) -> tuple[int, str]:
    """Convert the FBX files of a folder, and of those within it, to .glb files in another folder.

    Args:
        source: a folder, or one file.
        into: where the .glb files go, under the same names; the folder is replaced when all are made.
        tell: is given the name of each file before its turn.

    Returns:
        How many files there are, and their unit.

    Raises:
        UserError: There is no FBX file, no converter, or it fails on a file; that file is named.
    """
    base = source.parent if source.is_file() else source
    files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    files = [path for path in files if path.suffix.lower() == ".fbx"]
    if not files:
        raise UserError(f"{source}: no FBX file to convert")
    converter, program = find_converter()
    with whole_folder(into) as scratch:
        for file in files:
            tell(str(file))
            target = scratch / file.relative_to(base).with_suffix(".glb")
            target.parent.mkdir(parents=True, exist_ok=True)
            _convert(converter, program, file, target)
    return len(files), converter.unit


def _convert(converter: Converter, program: str, source: Path, target: Path) -> None:
    """Convert one file."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made.glb"
        words = [program, *converter.arguments(str(source.resolve()), str(made))]
        try:
            done = subprocess.run(
                words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=LONGEST, check=False
            )
        except subprocess.TimeoutExpired:
            raise UserError(f"{source}: {converter.program} did not finish within {LONGEST:g} s") from None
        except OSError as error:
            raise UserError(f"{source}: {converter.program} does not start ({error.strerror})") from None
        if done.returncode or not made.is_file():
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
            raise UserError(f"{source}: {converter.program} cannot convert it: {said[-1][:200] if said else 'no word'}")
        copy(made, target)
