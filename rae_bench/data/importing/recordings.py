"""From a folder of recordings to a corpus: one skeleton, one frame rate, segments, groups, contacts; and its cache."""

from __future__ import annotations

import glob
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from rae_bench.data.corpus import Corpus, load_corpus, save_corpus
from rae_bench.data.formats.source import as_length, first_few
from rae_bench.data.importing import VERSION
from rae_bench.data.importing.detect import read_takes, settle, skeleton_files
from rae_bench.data.importing.file_list import check_listed
from rae_bench.data.importing.guess import guess_roles
from rae_bench.data.importing.jumps import find_events
from rae_bench.data.importing.recipe import Recipe
from rae_bench.data.importing.remarks import bone_drift, hardly_move, look, stands_oddly, told
from rae_bench.data.importing.segments import cut
from rae_bench.data.importing.shared_rig import difference, one_rig, without_joints
from rae_bench.data.importing.standing import ground_shift, with_rest
from rae_bench.data.importing.suspicions import suspicions
from rae_bench.errors import UserError
from rae_bench.motion.motion import Motion
from rae_bench.motion.resample import resample
from rae_bench.rigs.rig import Rig
from rae_bench.storage import home, read_json

FPS, SECONDS, MINIMUM_SECONDS = 30.0, 5.0, 2.0
EVENTS = 200
"""Faults kept of each file."""


def import_folder(
    folder: Path,
    recipe: Recipe,
    name: str,
    *,
    fps: float = FPS,
    seconds: float = SECONDS,
    minimum_seconds: float = MINIMUM_SECONDS,
) -> Corpus:
    """All recordings of a folder as one corpus.

    Every file is read, checked to have the same skeleton and resampled; the standing rest pose, the ground and the
    contacts are found over all of them; then they are cut into segments.

    Args:
        folder: where the files lie.
        recipe: how to read them.
        name: domain name.
        fps: frame rate, unless the recipe names one.
        seconds: length of a segment.
        minimum_seconds: shorter remainders and recordings are dropped.

    Raises:
        UserError: one line; what is wrong with the folder, a file or the recipe.
    """
    recipe, hashes, identity = _identify(folder, recipe, fps, seconds, minimum_seconds)
    entries = read_manifest(folder, recipe)
    files = list(hashes)
    read = read_takes(folder, files, recipe)
    takes = [take.motion for take in read]
    recorded = sorted({round(take.fps, 3) for take in takes})
    whole = takes[0].rig.joint_names
    takes = [without_joints(take, recipe.drop_joints) for take in takes]
    events = [find_events(take, recipe.skip_frames) for take in takes]
    looks = [look(take, file, some) for take, file, some in zip(takes, files, events, strict=True)]
    seen = [(*take.notes, *more) for take, more in zip(read, looks, strict=True)]
    raw = takes
    takes = [resample(take, recipe.fps or fps) for take in takes]
    guessed = not recipe.roles
    if guessed:
        recipe = _guess(recipe, takes)
    rig, fixed = one_rig(takes, files, folder, recipe, name)
    takes = [replace(take, rig=rig) for take in takes]
    shift = ground_shift(takes)
    if shift:
        lift = np.array([0, shift, 0], np.float32)
        takes = [replace(take, root_positions=take.root_positions + lift) for take in takes]
        fixed.append(f"{'raised' if shift > 0 else 'lowered'} by {as_length(abs(shift))} so that the ground lies at 0")
    rig, take, frame = with_rest(takes)
    takes = [replace(t, rig=rig) for t in takes]

    stems = [str(PurePosixPath(file).with_suffix("")) for file in files]
    motion, owners, dropped = cut(takes, stems, seconds, minimum_seconds)
    if recipe.skip_frames:
        dropped.insert(0, f"the first {recipe.skip_frames} frames of every file")
    if recipe.drop_joints:
        gone = [joint for joint in whole if joint not in rig.joint_names]
        dropped.insert(0, f"{len(gone)} of {len(whole)} joints: {first_few(gone)}")
    if not owners:
        text = f"no recording is as long as {minimum_seconds:g} s"
        raise UserError(f"{folder}: {text}; --minimum-seconds keeps shorter ones")
    ids = tuple(f"{stems[owner]}#{k}" for owner, k in owners)
    provenance: dict[str, Any] = {
        "source": folder.name,
        "licence": recipe.licence,
        "citation": recipe.citation,
        "files": hashes,
        "fps": motion.fps,
        "recorded_fps": recorded,
        "rest_pose": f"{files[take]}, frame {frame} at {motion.fps:g} fps, turned to face +Z",
        "dropped": dropped,
        "fixed": fixed,
        "noticed": [
            *told(seen, files),
            *stands_oddly(motion),
            *suspicions(motion, recipe.unit or "m", recipe.up),
            *hardly_move(motion, ids),
        ],
        "guessed": guessed,
        "raised": float(shift),
        "unit": recipe.unit,
        "recordings": [
            {"file": file, "frames": take.frames, "fps": take.fps, "events": [asdict(event) for event in some[:EVENTS]]}
            for file, take, some in zip(files, raw, events, strict=True)
        ],
        "bones": bone_drift(read, rig),
    }
    styles = {stem: entries[file]["style"] for stem, file in zip(stems, files, strict=True) if "style" in entries[file]}
    if styles:
        provenance["styles"] = styles
    group_of = [_group(stem, entries[file], recipe) for stem, file in zip(stems, files, strict=True)]
    if recipe.group_by == "segment":
        provenance["noticed"].append(
            "every segment is a group of its own: what is held out lies a segment away, in time, from training"
        )
    action_of = [_action(stem, entries[file], recipe) for stem, file in zip(stems, files, strict=True)]
    return Corpus(
        name=name,
        motion=motion,
        ids=ids,
        groups=ids if recipe.group_by == "segment" else tuple(group_of[owner] for owner, _ in owners),
        actions=tuple(action_of[owner] for owner, _ in owners),
        identity=identity,
        provenance=provenance,
    )


def import_skeletons(folder: Path, recipe: Recipe, name: str, **options: float) -> list[Corpus]:
    """`import_folder` once for each skeleton of a folder: NAME-1, NAME-2, ... by first file; NAME if there is one."""
    recipe, files = settle(folder, recipe)
    rigs: list[Rig] = []
    members: list[list[str]] = []
    for file, take in zip(files, read_takes(folder, files, recipe), strict=True):
        rig = without_joints(take.motion, recipe.drop_joints).rig
        same = next((k for k, known in enumerate(rigs) if not difference(rig, known)), None)
        if same is None:
            rigs.append(rig)
            members.append([file])
        else:
            members[same].append(file)
    names = [name] if len(members) == 1 else [f"{name}-{k}" for k in range(1, len(members) + 1)]
    return [
        import_folder(folder, replace(recipe, include=tuple(glob.escape(file) for file in some)), each, **options)
        for each, some in zip(names, members, strict=True)
    ]


def load_recording(
    name: str,
    folder: Path,
    recipe: Recipe,
    *,
    fps: float = FPS,
    seconds: float = SECONDS,
    minimum_seconds: float = MINIMUM_SECONDS,
) -> Corpus:
    """`import_folder`, kept under `home()/recordings` for as long as neither files nor recipe change."""
    identity = _identify(folder, recipe, fps, seconds, minimum_seconds)[2]
    cached = home() / "recordings" / f"{name}-{identity[:16]}"
    if (cached / "corpus.json").exists():
        try:
            corpus = load_corpus(cached)
            if corpus.identity == identity:
                return corpus
        except UserError:
            pass  # damaged: made again below
    corpus = import_folder(folder, recipe, name, fps=fps, seconds=seconds, minimum_seconds=minimum_seconds)
    save_corpus(corpus, cached)
    return corpus


def _identify(
    folder: Path, recipe: Recipe, fps: float, seconds: float, minimum_seconds: float
) -> tuple[Recipe, dict[str, str], str]:
    """The settled recipe, file (relative, with forward slashes) -> sha256, and the identity of the corpus they make."""
    if folder.is_dir():
        check_listed(folder, recipe.files)
    recipe, files = settle(folder, recipe)
    hashes = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files}
    manifest = folder / recipe.manifest if recipe.manifest else None
    decides: dict[str, Any] = {
        "version": VERSION,
        "files": hashes,
        "manifest": hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest and manifest.is_file() else None,
        "recipe": recipe.options(),
        "fps": float(recipe.fps or fps),
        "seconds": float(seconds),
        "minimum_seconds": float(minimum_seconds),
    }
    skeletons = [hashlib.sha256(path.read_bytes()).hexdigest() for path in skeleton_files(folder, recipe)]
    if skeletons:
        decides["skeletons"] = skeletons
    if recipe.files:
        decides["words"] = {file: dict(recipe.files[file].words) for file in files}
    return recipe, hashes, hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def read_manifest(folder: Path, recipe: Recipe) -> dict[str, dict[str, str]]:
    """File -> its session, action and style, by the recipe's list and manifest; empty where they do not name it."""
    entries = {name: dict(file.words) for name, file in recipe.files.items()}
    if recipe.manifest:
        path = folder / recipe.manifest
        listed = read_json(path, "no such manifest")
        if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
            raise UserError(f"{path}: a list of objects with the key 'file' is needed")
        for entry in listed:
            words = {key: str(entry[key]) for key in ("session", "action", "style") if key in entry}
            entries[str(entry.get("file", ""))] = words
    return _Entries(entries)


class _Entries(dict[str, dict[str, str]]):
    def __missing__(self, key: str) -> dict[str, str]:
        return {}


def _group(stem: str, entry: Mapping[str, str], recipe: Recipe) -> str:
    if recipe.group_pattern:
        match = re.search(recipe.group_pattern, stem)
        if match is None or match[1] is None:
            raise UserError(f"group_pattern '{recipe.group_pattern}' does not match the file '{stem}'")
        return match[1]
    return entry.get("session", stem)


def _action(stem: str, entry: Mapping[str, str], recipe: Recipe) -> str:
    text = entry.get("action", stem)
    if recipe.action_pattern:
        match = re.search(recipe.action_pattern, text)
        if match is None or match[1] is None:
            raise UserError(f"action_pattern '{recipe.action_pattern}' does not match '{text}' of the file '{stem}'")
        return match[1]
    return text


def _guess(recipe: Recipe, takes: Sequence[Motion]) -> Recipe:
    """The recipe with roles, and contact joints where it names none, guessed from the names of most takes' rig."""
    majority = Counter(take.rig.joint_names for take in takes).most_common(1)[0][0]
    alike = [take for take in takes if take.rig.joint_names == majority]
    roles, contacts = guess_roles(alike[0].rig, np.concatenate([take.positions[0] for take in alike]))
    touching = recipe.contact_joints or (() if recipe.fixed_base else tuple(contacts))
    return replace(recipe, roles=roles, contact_joints=touching)
