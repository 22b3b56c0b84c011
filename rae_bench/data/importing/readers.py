"""The readers of all formats: from a folder's files to a `Take` each."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import overload

from rae_bench.data.formats.bvh import read_bvh_take
from rae_bench.data.formats.deepmimic import read_character, read_deepmimic
from rae_bench.data.formats.fit_points import fit_points
from rae_bench.data.formats.gltf_read import read_gltf
from rae_bench.data.formats.joint_tree import read_joint_tree
from rae_bench.data.formats.positions import read_points
from rae_bench.data.formats.smpl import average_body, read_smpl, read_smpl_body
from rae_bench.data.formats.take import Take
from rae_bench.data.formats.units import rate_doubt
from rae_bench.data.formats.unity import read_unity
from rae_bench.data.importing.detect import skeleton_files
from rae_bench.data.importing.frame_cuts import read_frame_cuts
from rae_bench.data.importing.recipe import Recipe
from rae_bench.data.importing.shared_rig import without_joints
from rae_bench.errors import UserError, unknown

Say = Callable[[str], None]
"""Is called with what is being done, in words."""


def quiet(text: str) -> None:
    """Say nothing."""


class _ToldPaths(Sequence[Path]):
    """Paths of files; whoever goes through them says which one it has come to."""

    def __init__(self, paths: Sequence[Path], say: Say) -> None:
        self._paths, self._say = paths, say

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Path]: ...
    def __getitem__(self, index: int | slice) -> Path | Sequence[Path]:
        return self._paths[index]

    def __iter__(self) -> Iterator[Path]:
        for number, path in enumerate(self._paths, 1):
            self._say(f"reading {number} of {len(self)}: {path.name}")
            yield path


def read_takes(
    folder: Path, files: Sequence[str], recipe: Recipe, say: Say = quiet
) -> tuple[list[str], list[Take]]:
    """Read the takes of a folder's files, in metres with y up, at the file's rate, without joints to be dropped.

    A glTF file may hold several, and each has a name then; all other files hold one.

    Args:
        folder: where the files lie.
        files: relative to the folder.
        recipe: how to read them, as `resolve_recipe` returns it.
        say: is told which file is being read.

    Returns:
        The file of each take, and the takes.

    Raises:
        UserError: One line names the file, the place and what to do.
    """
    for key, forms in _FORMATS_WITH.items():
        if getattr(recipe, key) not in (None, ()) and recipe.format not in forms:
            raise UserError(f"{folder}: {key} is for {', '.join(forms)} files; these are {recipe.format}")
    paths = _ToldPaths([folder / file for file in files], say)
    if recipe.format == "gltf":
        of_file, takes = _read_gltf_files(files, paths, recipe)
    else:
        of_file, takes = list(files), _READERS[recipe.format](folder, paths, recipe)
    takes = [without_joints(take, recipe.drop_joints) for take in takes]
    for pattern in recipe.drop_joints:
        if not any(fnmatch.fnmatchcase(joint, pattern) for take in takes for joint in take.dropped):
            raise UserError(f"drop_joints: {unknown('joint', pattern, takes[0].motion.rig.joint_names)}")
    if recipe.recorded_fps is None:
        rates = {folder / file: take.motion.fps for file, take in zip(of_file, takes, strict=True)}
        odd = {path: doubt for path, fps in rates.items() if (doubt := rate_doubt(fps))}
        for path, doubt in odd.items():
            more = f" ({len(odd)} of {len(paths)} files have such a rate)" if len(odd) > 1 else ""
            raise UserError(f"{path}: {doubt}{more}")
    return of_file, _without_frames(folder, of_file, takes, recipe)


def _without_frames(folder: Path, files: Sequence[str], takes: Sequence[Take], recipe: Recipe) -> list[Take]:
    """Return the takes without the frames that `skip_frames` and `frame_cuts` leave out."""
    cuts = read_frame_cuts(folder / recipe.frame_cuts) if recipe.frame_cuts else {}
    kept = []
    for file, take in zip(files, takes, strict=True):
        start, stop = cuts.get(PurePosixPath(file).stem, (0, None))
        start = max(start, recipe.skip_frames)
        if start >= take.motion.frames:
            key = f"frame_cuts = {recipe.frame_cuts}" if start > recipe.skip_frames else f"skip_frames = {start}"
            raise UserError(f"{folder / file}: {take.motion.frames} frames, {key} leaves none")
        kept.append(replace(take, motion=take.motion.cut(start, stop), first_frame=start))
    if cuts and not any(PurePosixPath(file).stem in cuts for file in files):
        raise UserError(f"{folder / str(recipe.frame_cuts)}: lists none of the files, such as {files[0]}")
    return kept


def _read_bvh_files(folder: Path, paths: Sequence[Path], recipe: Recipe) -> list[Take]:
    def read(root: str | None) -> list[Take]:
        return [
            read_bvh_take(
                path,
                unit=recipe.unit or "cm",
                up=recipe.up or "y",
                root=root,
                recorded_fps=recipe.recorded_fps,
                drop_joints=recipe.drop_joints,
                median_bones=recipe.median_bones,
            )
            for path in paths
        ]

    takes = read(recipe.root)
    root = _root_of_all(takes)
    return takes if root is None else read(root)


def _root_of_all(takes: Sequence[Take]) -> str | None:
    """Return the joint to make the root of all takes, None where they have one root or no joint will do.

    A joint that carries the path in most files may stand still in some; the deepest of the roots fits all.
    """
    roots = Counter(take.motion.rig.joint_names[0] for take in takes)
    deepest = min(takes, key=lambda take: len(take.motion.rig)).motion.rig.joint_names[0]
    return deepest if len(roots) > 1 and all(deepest in take.motion.rig.joint_names for take in takes) else None


def _read_gltf_files(
    files: Sequence[str], paths: Sequence[Path], recipe: Recipe
) -> tuple[list[str], list[Take]]:
    """Return the file of each take, and the takes."""

    def read(root: str | None) -> list[list[Take]]:
        return [
            read_gltf(
                path,
                unit=recipe.unit or "m",
                up=recipe.up or "y",
                fps=recipe.recorded_fps,
                root=root,
                loose=recipe.drop_joints,
            )
            for path in paths
        ]

    by_file = read(recipe.root)
    root = _root_of_all([takes[0] for takes in by_file])
    sizes = [len(takes[0].motion.rig) for takes in by_file]
    if root is not None and 2 * min(sizes) > max(sizes):  # in a file without skins an arm alone may move
        by_file = read(root)
    of_file = [file for file, takes in zip(files, by_file, strict=True) for _ in takes]
    return of_file, [take for takes in by_file for take in takes]


def _read_smpl_files(folder: Path, paths: Sequence[Path], recipe: Recipe) -> list[Take]:
    bodies = [read_smpl_body(path) for path in skeleton_files(folder, recipe)]
    if len(bodies) > 1:
        raise UserError(f"{folder}: {len(bodies)} skeleton files; SMPL recordings are read on one body")
    body = bodies[0] if bodies else average_body()
    return [read_smpl(path, body, up=recipe.up or "z", fps=recipe.recorded_fps) for path in paths]


def _read_npz_files(folder: Path, paths: Sequence[Path], recipe: Recipe) -> list[Take]:
    trees = [read_joint_tree(path) for path in skeleton_files(folder, recipe)]
    read = [
        read_points(
            path,
            unit=recipe.unit or "m",
            up=recipe.up or "y",
            fps=recipe.recorded_fps,
            points=recipe.points,
            trees=trees,
            root_path=recipe.root_path,
        )
        for path in paths
    ]
    return fit_points(read)


def _read_deepmimic_files(folder: Path, paths: Sequence[Path], recipe: Recipe) -> list[Take]:
    characters = [read_character(path) for path in skeleton_files(folder, recipe)]
    return [
        read_deepmimic(path, characters, up=recipe.up or "y", fps=recipe.recorded_fps, loop_seconds=recipe.loop_seconds)
        for path in paths
    ]


def _read_unity_files(folder: Path, paths: Sequence[Path], recipe: Recipe) -> list[Take]:
    trees = [read_joint_tree(path) for path in skeleton_files(folder, recipe)]
    return [
        read_unity(
            path,
            trees,
            fps=recipe.recorded_fps,
            root_path=recipe.root_path,
            unit=recipe.unit or "m",
            up=recipe.up or "y",
        )
        for path in paths
    ]


_READERS = {
    "bvh": _read_bvh_files,
    "smpl": _read_smpl_files,
    "npz": _read_npz_files,
    "deepmimic": _read_deepmimic_files,
    "unity": _read_unity_files,
}
_FORMATS_WITH = {
    "root": ("bvh", "gltf"),
    "root_path": ("npz", "unity"),
    "points": ("npz",),
    "skeleton": ("smpl", "npz", "unity", "deepmimic"),
    "loop_seconds": ("deepmimic",),
}
"""Formats for which a key of the recipe means something."""
