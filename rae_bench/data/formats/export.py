"""Writing clips for other programs; the ending of the file's name says the format."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from rae_bench.data.formats.bvh_write import write_bvh
from rae_bench.data.formats.gltf_write import write_glb
from rae_bench.data.formats.positions import write_npz
from rae_bench.data.wording import first_few
from rae_bench.errors import UserError, unknown
from rae_bench.motion.motion import Motion

SUFFIXES = (".bvh", ".glb", ".npz")
"""Endings of the formats that are written."""


def check_place(path: Path) -> None:
    """Raise `UserError` unless `path` may be a file in a folder where files may be made."""
    if path.is_dir() or not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        raise UserError(f"cannot write {path}: give a file in a folder that is there and may be written to")


def check_writable(path: Path) -> None:
    """Raise `UserError` unless `path` names a format that is written, in a folder where files may be made."""
    check_place(path)
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"cannot write {path}: give a name that ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")


def export_clips(
    path: Path, motion: Motion, clips: Sequence[int] = (0,), *, names: Sequence[str] = (), unit: str | float = "cm"
) -> None:
    """Write clips of a motion as .bvh or .npz, which hold one, or as .glb, where each is an animation.

    Args:
        path: the file.
        motion: metres, y up.
        clips: which of its clips.
        names: one for each clip.
        unit: of a BVH file; that of the others is the metre.

    Raises:
        UserError: The file cannot be written, or is no .glb file for more than one clip.
    """
    check_writable(path)
    suffix = path.suffix.lower()
    if suffix == ".glb":
        write_glb(path, motion, clips, names=names)
    elif len(clips) != 1:
        kind, which = "a BVH" if suffix == ".bvh" else "an npz", first_few(names, 4) if names else "counted from 0"
        raise UserError(f"{path}: {kind} file holds one clip, not {len(clips)} ({which}); choose one, or write .glb")
    elif suffix == ".bvh":
        write_bvh(path, motion, clips[0], unit=unit)
    else:
        write_npz(path, motion, clips[0])


def matching_clips(patterns: Sequence[str], ids: Sequence[str], actions: Sequence[str]) -> list[int]:
    """Return the clips whose id or action matches any glob, in their order.

    Raises:
        UserError: A glob matches nothing, or there is none at all for more than one clip.
    """
    if not patterns and len(ids) > 1:
        some = ", ".join(ids[:4])
        raise UserError(f"{len(ids)} clips: choose with --clip, by name, action or glob ({some} ...; '*' for all)")
    for pattern in patterns:
        if not any(fnmatchcase(word, pattern) for word in (*ids, *actions)):
            raise unknown("clip or action", pattern, {*actions, *ids})
    wanted = patterns or ["*"]
    return [n for n in range(len(ids)) if any(fnmatchcase(w, p) for w in (ids[n], actions[n]) for p in wanted)]
