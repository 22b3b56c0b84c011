"""Which format a folder of recordings holds, and which of its files are recordings."""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from rae_bench.data.formats.smpl import is_smpl
from rae_bench.data.importing.recipe import BVH_FILES, Recipe
from rae_bench.errors import UserError
from rae_bench.files import regular

PATTERNS = {
    "bvh": BVH_FILES,
    "gltf": ("**/*.[gG][lL][bB]", "**/*.[gG][lL][tT][fF]", "**/*.[vV][rR][mM]"),
    "smpl": ("**/*.npz",),
    "npz": ("*.npz",),
    "deepmimic": ("**/*.json",),
    "unity": ("**/*.json",),
}
"""Globs of the files of each format where no `include` names them; of the JSON files, those that look like it."""
DEEPER = "**/"
"""In front of such a glob where only folders within the folder hold files of that format."""
_LEFT_BY_SYSTEMS = ("._", "__MACOSX")
"""How parts of paths begin that macOS leaves beside files, with their names but nothing of their content."""
CHARACTERS = "character"
"""What `detect_format` calls DeepMimic's character files, which hold no motion."""
_KEYS = {b'"Skeleton"': CHARACTERS, b'"Frames"': "deepmimic", b'"timestamp"': "unity", b'"frames"': "unity"}
_SHARED = ("smpl", "deepmimic", "unity")
"""Formats whose files have a suffix that others have too: only those that look like them are read."""
ELSEWHERE = {
    (".fbx",): "FBX is read by way of glTF: --convert does that with Blender, FBX2glTF or assimp, where one is there",
    (".pkl",): "pickles can run code and are not read; docs/guides/importing.md says how to make npz of them",
    (".zip", ".7z", ".rar", ".gz", ".tar", ".tgz"): "unpack the archive and give its folder",
    (".amc", ".asf"): "convert ASF/AMC to BVH first (amc2bvh, Blender)",
    (".c3d", ".trc"): "these hold markers: solve a skeleton for them first, and export BVH",
    (".dae", ".usd", ".usda", ".usdc", ".vmd", ".bip", ".htr", ".blend", ".max", ".ma", ".mb"): "export BVH from them",
}
"""Suffixes of files that are not read, and what to do with them."""
_HEAD = 1 << 16
NO_FORMAT = "no recordings: neither *.bvh, *.glb, *.gltf nor *.npz, nor *.json of DeepMimic or the thesis' recorder"


def detect_format(path: Path) -> str | None:
    """Return the format of a file by its first bytes: one of `FORMATS`, or `CHARACTERS`; None where they fit none."""
    try:
        with regular(path) as file:
            head = file.read(_HEAD)
    except OSError:
        return None
    if head[:4] == b"PK\x03\x04":
        return "smpl" if is_smpl(path) else "npz"
    if head[:4] == b"glTF":
        return "gltf"
    if b"HIERARCHY" in head.replace(b"\0", b"").upper():
        return "bvh"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"{":
        return None
    if path.suffix.lower() == ".gltf":
        return "gltf"
    return next((name for key, name in _KEYS.items() if key in head), None)


def resolve_recipe(folder: Path, recipe: Recipe) -> tuple[Recipe, list[str]]:
    """Return the recipe with its format, files and unit made explicit, and the files.

    Args:
        folder: where the files lie.
        recipe: as it was given.

    Returns:
        The recipe, and the files relative to the folder, in sorted order.

    Raises:
        UserError: There is no such folder, no file matches, or there are files of more than one format.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such file or folder")
    chosen = recipe.include or tuple(glob.escape(name) for name in recipe.files)
    recipe = replace(recipe, include=chosen)
    form = recipe.format if recipe.format != "auto" else _format(folder, recipe)
    include = recipe.include or _patterns(folder, form, recipe.exclude)
    files = _matching(folder, include, recipe.exclude)
    if (recipe.files or not chosen) and form in _SHARED:
        files = [file for file in files if detect_format(folder / file) == form]
    if not files:
        inside = sorted({path.suffix or path.name for path in folder.iterdir()})
        holds = f"it holds {', '.join(inside[:6])}" if inside else "it is empty"
        but = f" but not {', '.join(recipe.exclude)}" if recipe.exclude else ""
        shown = ", ".join(include).replace(BVH_FILES[0], "*.bvh")
        named = f"no file matches {shown}{but}"
        wanted = named if chosen or recipe.exclude or recipe.format != "auto" else NO_FORMAT
        advice = _advice([str(path) for path in folder.rglob("*")])
        raise UserError("; ".join([f"{folder}: {wanted} ({holds})", *advice]))
    for file in files:
        if not _is_text(file):
            shown = file.encode("utf-8", "backslashreplace").decode("utf-8")
            raise UserError(f"{folder}: the name of '{shown}' is not UTF-8; rename the file (convmv does many at once)")
        for text in _advice([file]):
            raise UserError(f"{folder / file}: {text}")
    unit = recipe.unit or ("cm" if form == "bvh" else "m")
    up = recipe.up or ("z" if form == "smpl" else "y")
    return replace(recipe, format=form, include=tuple(include), unit=unit, up=up), files


def _is_text(name: str) -> bool:
    """Return whether a name can stand in tables and pages: Python keeps bytes that are no UTF-8 as surrogates."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _advice(files: Sequence[str]) -> list[str]:
    """Return what to do with files that no reader takes, by their suffixes."""
    there = {PurePath(file).suffix.lower() for file in files}
    return [text for suffixes, text in ELSEWHERE.items() if there.intersection(suffixes)]


def _format(folder: Path, recipe: Recipe) -> str:
    """Return the one format of a folder's files; BVH where there is none, so that the complaint is about that."""
    if recipe.include:
        files = _matching(folder, recipe.include, recipe.exclude)
        found = {form for file in files if (form := detect_format(folder / file))}
        if not found and (advice := _advice(files)):
            raise UserError(f"{folder / files[0]}: {advice[0]}")
    else:
        found = {
            form
            for form in ("bvh", "npz")
            if _matching(folder, _patterns(folder, form, recipe.exclude), recipe.exclude)
        }
        if any(is_smpl(folder / file) for file in _matching(folder, PATTERNS["smpl"], recipe.exclude)):
            found = found - {"npz"} | {"smpl"}
        models = _matching(folder, PATTERNS["gltf"], recipe.exclude)
        if any("/" not in file for file in models) or (models and not found):
            found.add("gltf")
        if not found:
            files = _matching(folder, PATTERNS["unity"], recipe.exclude)
            found = {form for file in files if (form := detect_format(folder / file))}
    found.discard(CHARACTERS)
    if len(found) > 1:
        raise UserError(f"{folder}: holds {' and '.join(sorted(found))} files; choose one with --format")
    return found.pop() if found else "bvh"


def _patterns(folder: Path, form: str, exclude: Sequence[str]) -> tuple[str, ...]:
    """Return the globs of a format's files: those of the folder itself, or of all within where it holds none."""
    deeper = tuple(pattern if pattern.startswith(DEEPER) else DEEPER + pattern for pattern in PATTERNS[form])
    here = _matching(folder, PATTERNS[form], exclude)
    return PATTERNS[form] if here or not _matching(folder, deeper, exclude) else deeper


def files_deeper(folder: Path, recipe: Recipe) -> int:
    """Return how many files like those of a resolved recipe lie in folders within the folder, and are not read."""
    if recipe.include != PATTERNS[recipe.format] or recipe.include[0].startswith(DEEPER):
        return 0
    deeper = _matching(folder, tuple(DEEPER + pattern for pattern in recipe.include), recipe.exclude)
    return len(deeper) - len(_matching(folder, recipe.include, recipe.exclude))


def _matching(folder: Path, include: Sequence[str], exclude: Sequence[str]) -> list[str]:
    """Return the files that match a glob of `include` and none of `exclude`, relative to the folder, sorted."""
    found: set[Path] = set()
    for pattern in include:
        try:
            if ".." in PurePath(pattern).parts:
                raise ValueError
            found |= {path for path in folder.glob(pattern) if path.is_file()}
        except (ValueError, NotImplementedError):  # an empty one, "a**", "/a": what pathlib does not take
            raise UserError(f"{folder}: include '{pattern}' is no name or pattern of files in this folder") from None
    files = sorted(path.relative_to(folder).as_posix() for path in found)
    files = [file for file in files if not any(part.startswith(_LEFT_BY_SYSTEMS) for part in PurePath(file).parts)]
    return [file for file in files if not any(fnmatch.fnmatch(file, pattern) for pattern in exclude)]


def skeleton_files(folder: Path, recipe: Recipe) -> list[Path]:
    """Return the files of names and parents that a resolved recipe needs.

    DeepMimic's character files are found in the folder where the recipe does not name them.

    Raises:
        UserError: A file that the recipe names is not there.
    """
    if not recipe.skeleton and recipe.format == "deepmimic":
        found = [folder / file for file in _matching(folder, PATTERNS["deepmimic"], ())]
        return [path for path in found if detect_format(path) == CHARACTERS]
    paths = []
    for name in recipe.skeleton:
        path = folder / name if (folder / name).is_file() else Path(name)
        if not path.is_file():
            raise UserError(f"skeleton {name}: no such file, neither in {folder} nor from here")
        paths.append(path)
    return paths
