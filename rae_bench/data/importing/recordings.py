"""From a folder of recordings to a corpus, and the cache that keeps it. docs/guides/importing.md has the steps."""

from __future__ import annotations

import glob
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from rae_bench.data.corpus import Corpus, load_corpus, save_corpus
from rae_bench.data.formats.gltf_file import linked_files
from rae_bench.data.formats.take import Note, Take, merged_notes
from rae_bench.data.importing import VERSION, actions
from rae_bench.data.importing.copies import without_copies
from rae_bench.data.importing.detect import DEEPER, files_deeper, resolve_recipe, skeleton_files
from rae_bench.data.importing.domain_warnings import domain_warnings
from rae_bench.data.importing.file_list import check_files
from rae_bench.data.importing.frame_cuts import read_frame_cuts
from rae_bench.data.importing.glitches import Glitch, find_glitches, recording_notes
from rae_bench.data.importing.guess_roles import guess_roles
from rae_bench.data.importing.labels import read_labels, take_actions, take_groups, take_names
from rae_bench.data.importing.readers import Say, quiet, read_takes
from rae_bench.data.importing.recipe import Recipe
from rae_bench.data.importing.rest_pose import ground_shift, with_rest_pose
from rae_bench.data.importing.segments import cut_segments
from rae_bench.data.importing.shared_rig import all_slides, bone_drift, matched, rig_difference, shared_rig
from rae_bench.data.wording import as_length, first_few
from rae_bench.errors import UserError
from rae_bench.files import digest
from rae_bench.motion.motion import Motion
from rae_bench.motion.resample import resample
from rae_bench.rigs.rig import Rig
from rae_bench.storage import home

FPS, SECONDS, MINIMUM_SECONDS = 30.0, 5.0, 2.0
"""Frames per second, length of a segment, and length below which a remainder is dropped, where nothing else is said."""
MOST_GLITCHES = 200
"""Glitches that are kept of each file."""
INCOMPLETE = "the set is not whole"
"""How a warning begins that tells of files that are not there."""


def import_folder(
    folder: Path,
    recipe: Recipe,
    name: str,
    *,
    fps: float = FPS,
    seconds: float = SECONDS,
    minimum_seconds: float = MINIMUM_SECONDS,
    say: Say = quiet,
) -> Corpus:
    """Import all recordings of a folder as one corpus.

    Every file is read, checked to have the same skeleton, and resampled. The standing rest pose, the ground and the
    contacts are found over all of them. Then they are cut into segments.

    Args:
        folder: where the files lie.
        recipe: how to read them.
        name: name of the domain.
        fps: frame rate, unless the recipe names one.
        seconds: length of a segment.
        minimum_seconds: shorter remainders and recordings are dropped.
        say: is told what is being done.

    Raises:
        UserError: One line says what is wrong with the folder, a file or the recipe.
    """
    recipe, hashes, identity = _identify(folder, recipe, fps, seconds, minimum_seconds)
    labels, told = read_labels(folder, recipe, list(hashes))
    sources, takes = read_takes(folder, list(hashes), recipe, say)
    say(f"looking for glitches, the rest pose and the ground in {len(takes)} recordings")
    files = [f"{file}, {take.name}" if take.name else file for file, take in zip(sources, takes, strict=True)]
    recorded = matched([take.motion for take in takes])
    glitches = [find_glitches(motion, take.first_frame) for motion, take in zip(recorded, takes, strict=True)]
    motions = [resample(motion, recipe.fps or fps) for motion in recorded]
    guessed = not recipe.roles
    if guessed:
        recipe = _with_guessed_roles(recipe, motions)
    motions, mended, raised, rest_pose = _on_one_rig(motions, files, folder, recipe, name, all_slides(takes))

    called = take_names(sources, takes, files)
    stems = [each.stem for each in called]
    motion, course, owners, dropped = cut_segments(motions, stems, seconds, minimum_seconds)
    if not owners:
        text = f"no recording is as long as {minimum_seconds:g} s"
        raise UserError(f"{folder}: {text}; --minimum-seconds keeps shorter ones")
    ids = tuple(f"{stems[owner]}#{k}" for owner, k in owners)
    group_of, mirrored = take_groups(called, labels, recipe)
    told = "; ".join(text for text in (told, mirrored) if text)
    if recipe.action_by == "motion":
        done = actions.find_actions(motion, course)
    else:
        action_of = take_actions(called, labels, recipe)
        done = tuple(action_of[owner] for owner, _ in owners)
    say("looking for copies")
    groups, copied = without_copies(
        motion, ids if recipe.group_by == "segment" else [group_of[owner] for owner, _ in owners], ids
    )
    warnings = [
        *copied,
        *merged_notes(_notes(takes, files, glitches), files),
        *domain_warnings(motion, recipe.unit or "m", recipe.up or "y", ids, raised),
    ]
    if len(files) < recipe.whole_set:
        warnings.append(f"{INCOMPLETE}: {len(files)} of its {recipe.whole_set} files are in the folder {folder.name}")
    if recipe.group_by == "segment":
        warnings.append(
            "every segment is a group by itself: what is held out lies a segment away, in time, from training"
        )
    provenance: dict[str, Any] = {
        "source": folder.resolve().name,
        "licence": recipe.licence,
        "citation": recipe.citation,
        "files": hashes,
        "fps": motion.fps,
        "recorded_fps": sorted({round(take.motion.fps, 3) for take in takes}),
        "rest_pose": rest_pose,
        "dropped": [*_left_out(folder, recipe, sources, takes), *dropped],
        "fixed": mended,
        "warnings": warnings,
        "guessed": guessed,
        "grouped_by": told,
        "raised": raised,
        "unit": recipe.unit,
        "recordings": [
            {
                "file": file,
                "take": stem,
                "frames": each.frames,
                "fps": each.fps,
                "events": [asdict(g) for g in found[:MOST_GLITCHES]],
            }
            for file, stem, each, found in zip(files, stems, recorded, glitches, strict=True)
        ],
        "bones": bone_drift(takes, motion.rig),
    }
    styles = {
        stem: labels[file]["style"] for stem, file in zip(stems, sources, strict=True) if "style" in labels[file]
    }
    if styles:
        provenance["styles"] = styles
    return Corpus(
        name=name,
        motion=motion,
        ids=ids,
        groups=groups,
        actions=done,
        takes=tuple(stems[owner] for owner, _ in owners),
        course=course,
        identity=identity,
        provenance=provenance,
    )


def import_skeletons(
    folder: Path, recipe: Recipe, name: str, *, say: Say = quiet, **options: float
) -> list[Corpus]:
    """Import a folder once for each skeleton in it, as NAME-1, NAME-2, ... by first file; as NAME if there is one.

    Args:
        folder: where the files lie.
        recipe: how to read them.
        name: name of the domains.
        say: is told what is being done.
        options: fps, seconds and minimum_seconds, as `import_folder` takes them.

    Raises:
        UserError: as `import_folder` does.
    """
    recipe, files = resolve_recipe(folder, recipe)
    sources, takes = read_takes(folder, files, recipe, say)
    slides = all_slides(takes)
    rigs: list[Rig] = []
    members: list[list[str]] = []
    for file, take in zip(sources, takes, strict=True):
        rig = take.motion.rig
        differs = (rig_difference(rig, known, recipe.median_bones, slides) for known in rigs)
        same = next((k for k, text in enumerate(differs) if not text), None)
        if same is None:
            rigs.append(rig)
            members.append([file])
        elif file not in members[same]:  # takes of one file are of one skeleton
            members[same].append(file)
    names = [name] if len(members) == 1 else [f"{name}-{k}" for k in range(1, len(members) + 1)]
    of_one = [replace(recipe, include=tuple(glob.escape(file) for file in alike)) for alike in members]
    return [import_folder(folder, one, each, say=say, **options) for each, one in zip(names, of_one, strict=True)]


def load_recording(
    name: str,
    folder: Path,
    recipe: Recipe,
    *,
    fps: float = FPS,
    seconds: float = SECONDS,
    minimum_seconds: float = MINIMUM_SECONDS,
) -> Corpus:
    """Import a folder as `import_folder` does, and keep the corpus under `home()/recordings`.

    The kept corpus is returned for as long as neither the files nor the recipe change.
    """
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
    """Return the resolved recipe, file -> sha256 (paths relative, with forward slashes), and the corpus' identity."""
    if folder.is_dir():
        check_files(folder, recipe.files)
    recipe, files = resolve_recipe(folder, recipe)
    hashes = {file: _sha256(folder / file) for file in files}
    manifest = folder / recipe.manifest if recipe.manifest else None
    decides: dict[str, Any] = {
        "version": VERSION,
        "files": hashes,
        "manifest": _sha256(manifest) if manifest and manifest.is_file() else None,
        "recipe": recipe.options(),
        "fps": float(recipe.fps or fps),
        "seconds": float(seconds),
        "minimum_seconds": float(minimum_seconds),
    }
    skeletons = [_sha256(path) for path in skeleton_files(folder, recipe)]
    if skeletons:
        decides["skeletons"] = skeletons
    if recipe.frame_cuts and (folder / recipe.frame_cuts).is_file():
        decides["frame_cuts"] = _sha256(folder / recipe.frame_cuts)
    if recipe.action_by == "motion":
        decides["actions"] = actions.VERSION
    if recipe.format == "gltf":
        decides["groups"] = "files"  # domains that were kept before this was so are made again
        beside = {path for file in files for path in linked_files(folder / file)}
        if beside:
            decides["beside"] = sorted(_sha256(path) for path in beside)
    if recipe.files:
        decides["words"] = {file: dict(recipe.files[file].labels) for file in files}
    return recipe, hashes, hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    """Return the sha256 of a file. Raise `UserError` where it cannot be read or is too large."""
    try:
        return digest(path)[0]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _with_guessed_roles(recipe: Recipe, motions: Sequence[Motion]) -> Recipe:
    """Return the recipe with roles, and contact joints where it names none, guessed from the rig that most have."""
    majority = Counter(motion.rig.joint_names for motion in motions).most_common(1)[0][0]
    alike = [motion for motion in motions if motion.rig.joint_names == majority]
    roles, contacts = guess_roles(alike[0].rig, np.concatenate([motion.positions[0] for motion in alike]))
    touching = recipe.contact_joints or (() if recipe.fixed_base else tuple(contacts))
    return replace(recipe, roles=roles, contact_joints=touching)


def _on_one_rig(
    motions: Sequence[Motion],
    files: Sequence[str],
    folder: Path,
    recipe: Recipe,
    name: str,
    slides: Mapping[str, float],
) -> tuple[list[Motion], list[str], float, str]:
    """Put all motions on one rig with a standing rest pose, and on a ground at height 0.

    Returns:
        The motions; what had to be mended, in words; metres by which all were raised; where the rest pose comes from.
    """
    rig, mended = shared_rig(motions, files, folder, recipe, name, slides)
    motions = [replace(motion, rig=rig) for motion in motions]
    shift = ground_shift(motions)
    if shift:
        lift = np.array([0, shift, 0], np.float32)
        motions = [replace(motion, root_positions=motion.root_positions + lift) for motion in motions]
        mended.append(f"{'raised' if shift > 0 else 'lowered'} by {as_length(abs(shift))} so that the ground lies at 0")
    rig, take, frame = with_rest_pose(motions)
    rest_pose = f"{files[take]}, frame {frame} at {motions[0].fps:g} fps, turned to face +Z"
    return [replace(motion, rig=rig) for motion in motions], mended, float(shift), rest_pose


def _notes(
    takes: Sequence[Take], files: Sequence[str], glitches: Sequence[Sequence[Glitch]]
) -> list[list[Note]]:
    """Return for each file the notes of its reader, then those on its motion."""
    parts = zip(takes, files, glitches, strict=True)
    return [[*take.notes, *recording_notes(take.motion, file, found)] for take, file, found in parts]


def _left_out(folder: Path, recipe: Recipe, files: Sequence[str], takes: Sequence[Take]) -> list[str]:
    """Return what the recipe leaves out of the folder and of every file, in words."""
    lines = []
    take = takes[0]
    if count := files_deeper(folder, recipe):
        glob = "**/*.bvh" if recipe.format == "bvh" else f"{DEEPER}{recipe.include[0]}"
        lines.append(f"{count} files in folders within {folder.resolve().name}: --include '{glob}' reads them too")
    if take.dropped:
        whole = len(take.dropped) + len(take.motion.rig)
        lines.append(f"{len(take.dropped)} of {whole} joints: {first_few(take.dropped)}")
    if recipe.skip_frames:
        first = "first frame" if recipe.skip_frames == 1 else f"first {recipe.skip_frames} frames"
        lines.append(f"the {first} of every file")
    if recipe.frame_cuts:
        cuts = read_frame_cuts(folder / recipe.frame_cuts)
        uncut = [file for file in files if PurePosixPath(file).stem not in cuts]
        more = f"; it does not list {len(uncut)} files, which are whole: {first_few(uncut)}" if uncut else ""
        lines.append(f"first and last frames of {len(files) - len(uncut)} files, by {recipe.frame_cuts}{more}")
    return lines
