"""The readers of all formats: from a folder's files to a `Take` each."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rae_bench.data.formats.bvh import read_bvh_take
from rae_bench.data.formats.deepmimic import read_character, read_deepmimic
from rae_bench.data.formats.joint_tree import read_joint_tree
from rae_bench.data.formats.positions import fit_points, read_points
from rae_bench.data.formats.take import Take
from rae_bench.data.formats.units import rate_doubt
from rae_bench.data.formats.unity import read_unity
from rae_bench.data.importing.detect import skeleton_files
from rae_bench.data.importing.recipe import Recipe
from rae_bench.data.importing.shared_rig import without_joints
from rae_bench.errors import UserError, unknown


def read_takes(folder: Path, files: Sequence[str], recipe: Recipe) -> list[Take]:
    """Read a take for each file of a folder, in metres with y up, at the file's rate, without joints to be dropped.

    Args:
        folder: where the files lie.
        files: relative to the folder.
        recipe: how to read them, as `resolve_recipe` returns it.

    Raises:
        UserError: One line names the file, the place and what to do.
    """
    for key, forms in _FORMATS_WITH.items():
        if getattr(recipe, key) not in (None, ()) and recipe.format not in forms:
            raise UserError(f"{folder}: {key} is for {' and '.join(forms)} files; these are {recipe.format}")
    paths = [folder / file for file in files]
    takes = [without_joints(take, recipe.drop_joints) for take in _READERS[recipe.format](folder, paths, recipe)]
    for pattern in recipe.drop_joints:
        if not any(fnmatch.fnmatchcase(joint, pattern) for take in takes for joint in take.dropped):
            raise UserError(f"drop_joints: {unknown('joint', pattern, takes[0].motion.rig.joint_names)}")
    if recipe.recorded_fps is None:
        odd = {path: doubt for path, take in zip(paths, takes, strict=True) if (doubt := rate_doubt(take.motion.fps))}
        for path, doubt in odd.items():
            more = f" ({len(odd)} of {len(paths)} files have such a rate)" if len(odd) > 1 else ""
            raise UserError(f"{path}: {doubt}{more}")
    if not recipe.skip_frames:
        return takes
    cut = []
    for path, take in zip(paths, takes, strict=True):
        if take.motion.frames <= recipe.skip_frames:
            raise UserError(f"{path}: {take.motion.frames} frames, skip_frames = {recipe.skip_frames} leaves none")
        cut.append(replace(take, motion=take.motion.cut(recipe.skip_frames)))
    return cut


def _read_bvh_files(folder: Path, paths: Sequence[Path], recipe: Recipe) -> list[Take]:
    def read(root: str | None) -> list[Take]:
        return [
            read_bvh_take(
                path,
                unit=recipe.unit or "cm",
                up=recipe.up,
                root=root,
                recorded_fps=recipe.recorded_fps,
                drop_joints=recipe.drop_joints,
                median_bones=recipe.median_bones,
            )
            for path in paths
        ]

    takes = read(recipe.root)
    roots = Counter(take.motion.rig.joint_names[0] for take in takes)
    if len(roots) > 1:
        # A joint that carries the path in most files may stand still in some; the deepest of the roots fits all.
        deepest = min(takes, key=lambda take: len(take.motion.rig)).motion.rig.joint_names[0]
        if all(deepest in take.motion.rig.joint_names for take in takes):
            takes = read(deepest)
    return takes


def _read_npz_files(folder: Path, paths: Sequence[Path], recipe: Recipe) -> list[Take]:
    trees = [read_joint_tree(path) for path in skeleton_files(folder, recipe)]
    read = [
        read_points(
            path,
            unit=recipe.unit or "m",
            up=recipe.up,
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
        read_deepmimic(path, characters, up=recipe.up, fps=recipe.recorded_fps, loop_seconds=recipe.loop_seconds)
        for path in paths
    ]


def _read_unity_files(folder: Path, paths: Sequence[Path], recipe: Recipe) -> list[Take]:
    trees = [read_joint_tree(path) for path in skeleton_files(folder, recipe)]
    return [
        read_unity(
            path, trees, fps=recipe.recorded_fps, root_path=recipe.root_path, unit=recipe.unit or "m", up=recipe.up
        )
        for path in paths
    ]


_READERS = {
    "bvh": _read_bvh_files,
    "npz": _read_npz_files,
    "deepmimic": _read_deepmimic_files,
    "unity": _read_unity_files,
}
_FORMATS_WITH = {
    "root": ("bvh",),
    "root_path": ("npz", "unity"),
    "points": ("npz",),
    "skeleton": ("npz", "unity", "deepmimic"),
    "loop_seconds": ("deepmimic",),
}
"""Formats for which a key of the recipe means something."""
