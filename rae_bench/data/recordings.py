"""From a folder of recordings to a corpus: one skeleton, one frame rate, segments, groups, contacts; and its cache."""

from __future__ import annotations

import fnmatch
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
from rae_bench.data.formats import read_takes, settle, skeleton_files
from rae_bench.data.guess import guess_roles, word_pairs
from rae_bench.data.jumps import find_events
from rae_bench.data.listed import check_listed
from rae_bench.data.noticed import bone_drift, hardly_move, look, stands_oddly, told
from rae_bench.data.recipe import Recipe, read_roles
from rae_bench.data.resample import resample
from rae_bench.data.source import as_length, first_few
from rae_bench.data.standing import ground_shift, mirror_pairs, with_rest
from rae_bench.data.suspicions import suspicions
from rae_bench.errors import UserError, unknown
from rae_bench.motion import Motion, find_contacts, make_motion, stance_heights
from rae_bench.rig import Rig, make_rig
from rae_bench.rigs import builtin_rigs
from rae_bench.storage import home, list_domains, read_json

__all__ = [
    "Recipe",
    "check_name",
    "import_folder",
    "import_skeletons",
    "list_domains",
    "load_domain",
    "load_recording",
    "read_roles",
    "save_domain",
    "summarise",
]

IMPORT_VERSION = 1
"""Part of a corpus' identity: raised when the same files and recipe would give another corpus."""
FPS, SECONDS, MINIMUM_SECONDS = 30.0, 5.0, 2.0
SAME_OFFSET = 2e-3
"""Skeletons whose offsets differ by less than this share of the longest bone are one: some files of the human set put a
knee 0.4 mm beside the others'."""

NOTED = 1e-4
"""Metres: smaller differences between files are not worth a word."""
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
    takes = [_without_joints(take, recipe.drop_joints) for take in takes]
    events = [find_events(take, recipe.skip_frames) for take in takes]
    looks = [look(take, file, some) for take, file, some in zip(takes, files, events, strict=True)]
    seen = [(*take.notes, *more) for take, more in zip(read, looks, strict=True)]
    raw = takes
    takes = [resample(take, recipe.fps or fps) for take in takes]
    guessed = not recipe.roles
    if guessed:
        recipe = _guess(recipe, takes)
    rig, fixed = _one_rig(takes, files, folder, recipe, name)
    takes = [replace(take, rig=rig) for take in takes]
    shift = ground_shift(takes)
    if shift:
        lift = np.array([0, shift, 0], np.float32)
        takes = [replace(take, root_positions=take.root_positions + lift) for take in takes]
        fixed.append(f"{'raised' if shift > 0 else 'lowered'} by {as_length(abs(shift))} so that the ground lies at 0")
    rig, take, frame = with_rest(takes)
    takes = [replace(t, rig=rig) for t in takes]

    stems = [str(PurePosixPath(file).with_suffix("")) for file in files]
    motion, owners, dropped = _segments(takes, stems, seconds, minimum_seconds)
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
        rig = _without_joints(take.motion, recipe.drop_joints).rig
        same = next((k for k, known in enumerate(rigs) if not _difference(rig, known)), None)
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


def check_name(name: str) -> None:
    """Refuses what no domain may be called: a path, or a built-in rig, whose own motion could no longer be named."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise UserError(f"domain name '{name}': use letters, digits, '-', '_' and '.'")
    if name in builtin_rigs():
        raise UserError(f"domain name '{name}': a built-in rig has it; choose another")


def save_domain(corpus: Corpus) -> Path:
    """Keep a corpus as the domain of its name, in place of an older one; returns its folder."""
    check_name(corpus.name)
    folder = home() / "domains" / corpus.name
    try:
        save_corpus(corpus, folder)
    except OSError as error:
        text = f"cannot keep the domain in {folder} ({error.strerror or error})"
        raise UserError(f"{text}; RAE_BENCH_HOME=DIR names another place") from None
    return folder


def load_domain(name: str) -> Corpus:
    """An imported domain by name."""
    known = list_domains()
    if name not in known:
        if not known:
            raise UserError(f"unknown domain '{name}'; none is imported yet: rae-bench data import DIR --name {name}")
        raise unknown("domain", name, known)
    return load_corpus(home() / "domains" / name)


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
        "version": IMPORT_VERSION,
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


def _without_joints(take: Motion, patterns: Sequence[str]) -> Motion:
    """A one-clip motion without the joints that match, and without what hangs on them."""
    if not patterns:
        return take
    rig = take.rig
    gone = np.zeros(len(rig), bool)
    for pattern in patterns:
        hit = np.array([fnmatch.fnmatchcase(joint, pattern) for joint in rig.joint_names])
        if not hit.any():
            raise UserError(f"drop_joints: {unknown('joint', pattern, rig.joint_names)}")
        gone |= hit
    keep = np.flatnonzero(~(rig.ancestors & gone).any(1))
    if gone[0]:
        raise UserError(f"drop_joints would drop the root '{rig.joint_names[0]}' and with it everything")
    names = [rig.joint_names[j] for j in keep]
    parents = [None if rig.parents[j] < 0 else rig.joint_names[rig.parents[j]] for j in keep]
    return replace(
        take,
        rig=make_rig(rig.name, list(zip(names, parents, rig.offsets[keep], strict=True)), {}),
        rotations=take.rotations[:, :, keep],
    )


def _is_end(rig: Rig) -> np.ndarray:
    """(J,) bool: End Sites, whose lengths some exporters forget."""
    leaf = ~np.isin(np.arange(len(rig)), rig.parents)
    return leaf & np.array([bool(re.search(r"_end\d*$", joint)) for joint in rig.joint_names])


def _one_rig(
    takes: Sequence[Motion], files: Sequence[str], folder: Path, recipe: Recipe, name: str
) -> tuple[Rig, list[str]]:
    """The skeleton that all takes share, with roles and mirror map, and what had to be mended for it."""
    majority = Counter(take.rig.joint_names for take in takes).most_common(1)[0][0]
    model = next(take.rig for take in takes if take.rig.joint_names == majority)
    differing = [
        f"{file} ({text})"
        for take, file in zip(takes, files, strict=True)
        if (text := _difference(take.rig, model))
    ]
    if differing:
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise UserError(
            f"{folder}: {len(differing)} of {len(files)} files have another skeleton than the rest: "
            f"{', '.join(differing[:3])}{more}; import each (--per-skeleton), or use include, exclude, drop_joints"
        )
    fixed = []
    lengths = np.stack([take.rig.offsets for take in takes])
    offsets = np.median(lengths, axis=0)
    ends = _is_end(model)
    for j in np.flatnonzero(ends):
        # A zero length says that the exporter did not know it, so the files that name one are believed.
        known = lengths[np.abs(lengths[:, j]).max(-1) > 0, j]
        offsets[j] = np.median(known, axis=0) if len(known) else 0
    apart = np.abs(lengths - offsets).max((0, 2))
    if apart[ends].max(initial=0) > NOTED:
        fixed.append("End Sites differ between files: the median of those that are not zero is used")
    if apart[~ends].max() > NOTED:
        worst = int(np.where(ends, 0, apart).argmax())
        fixed.append(f"{model.joint_names[worst]} is up to {1000 * apart[worst]:.1f} mm off in some files: median used")
    for role, joint in recipe.roles.items():
        if joint not in model.joint_names:
            raise UserError(f"{folder}: role {role}: {unknown('joint', joint, model.joint_names)}")
    for joint in recipe.contact_joints:
        if joint not in model.joint_names:
            raise UserError(f"{folder}: contact_joints: {unknown('joint', joint, model.joint_names)}")
    parents = [None if p < 0 else model.joint_names[p] for p in model.parents]
    rig = make_rig(
        name,
        list(zip(model.joint_names, parents, offsets, strict=True)),
        recipe.roles,
        contact_joints=recipe.contact_joints,
        mirror=mirror_pairs(model.joint_names) or word_pairs(model.joint_names),
        fixed_base=recipe.fixed_base,
        description=f"from the recordings in {folder.name}",
    )
    return rig, fixed


def _difference(rig: Rig, model: Rig) -> str:
    """What keeps `rig` from being the same skeleton as `model`, in a few words; "" where nothing does."""
    missing = [joint for joint in model.joint_names if joint not in rig.joint_names]
    extra = [joint for joint in rig.joint_names if joint not in model.joint_names]
    if missing or extra:
        texts = [f"{word} {', '.join(some[:3])}" for word, some in (("lacks", missing), ("has", extra)) if some]
        return " and ".join(texts)
    if rig.joint_names != model.joint_names or (rig.parents != model.parents).any():
        return "joints hang together otherwise"
    apart = np.abs(rig.offsets - model.offsets).max(-1)
    apart[_is_end(model)] = 0
    worst = int(apart.argmax())
    if apart[worst] <= SAME_OFFSET * float(np.linalg.norm(model.offsets, axis=-1).max()):
        return ""
    return f"offset of {model.joint_names[worst]} differs by {100 * apart[worst]:.2g} cm"


def _segments(
    takes: Sequence[Motion], stems: Sequence[str], seconds: float, minimum_seconds: float
) -> tuple[Motion, list[tuple[int, int]], list[str]]:
    """Takes cut into segments: the motion, (take, running number) of each segment, and what was dropped and why."""
    rig, fps = takes[0].rig, takes[0].fps
    size, least = max(1, round(seconds * fps)), max(1, round(minimum_seconds * fps))
    everything = np.concatenate([take.positions[0] for take in takes])
    stance = stance_heights(everything[None], rig, np.array([len(everything)]))
    owners: list[tuple[int, int]] = []
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    dropped, lost, tails = [], 0, 0
    for t, take in enumerate(takes):
        contacts = find_contacts(take.positions, rig, fps, take.lengths, stance=stance)
        total = int(take.lengths[0])
        if total < least:
            dropped.append(f"{stems[t]}: {total / fps:.2f} s, shorter than {minimum_seconds:g} s")
            continue
        for k, start in enumerate(range(0, total, size)):
            stop = min(start + size, total)
            if stop - start < least:
                lost, tails = lost + stop - start, tails + 1
                continue
            owners.append((t, k))
            parts.append((take.root_positions[0, start:stop], take.rotations[0, start:stop], contacts[0, start:stop]))
    if lost:
        dropped.append(f"ends of {tails} recordings, {lost / fps:.1f} s in all, shorter than {minimum_seconds:g} s")
    if not parts:
        return takes[0], owners, dropped
    lengths = np.array([len(part[0]) for part in parts])
    width = int(lengths.max())
    root, rotations, contacts = (
        np.stack([np.concatenate([part[i], np.repeat(part[i][-1:], width - len(part[i]), 0)]) for part in parts])
        for i in range(3)
    )
    return make_motion(rig, fps, root, rotations, lengths=lengths, contacts=contacts), owners, dropped


def summarise(corpus: Corpus) -> dict[str, Any]:
    """What a person wants to see after an import: counts, heights in metres, speeds in m/s, contact shares (0 to 1)."""
    motion = corpus.motion
    rig = motion.rig
    pelvis = motion.positions[:, :, rig.roles.get("pelvis", 0)]
    step = np.linalg.norm(np.diff(pelvis[..., [0, 2]], axis=1), axis=-1) * motion.fps
    real = motion.valid[:, 1:]
    actions = np.array(corpus.actions)
    by_action = {}
    for action in sorted(set(corpus.actions)):
        steps = step[actions == action][real[actions == action]]
        by_action[action] = float(steps.mean()) if len(steps) else 0.0  # a segment of one frame goes nowhere
    shares = motion.contacts[motion.valid].mean(0)
    return {
        "name": corpus.name,
        "source": corpus.provenance.get("source", ""),
        "licence": corpus.provenance.get("licence", ""),
        "segments": len(motion),
        "frames": motion.frames,
        "seconds": motion.frames / motion.fps,
        "fps": motion.fps,
        "recorded_fps": corpus.provenance.get("recorded_fps", []),
        "files": len(corpus.provenance.get("files", {})),
        "joints": len(rig),
        "groups": len(set(corpus.groups)),
        "roles": {role: rig.joint_names[joint] for role, joint in rig.roles.items()},
        "height": rig.height,
        "pelvis_height": float(np.median(pelvis[..., 1][motion.valid])),
        "speed": by_action,
        "contact_share": {
            rig.joint_names[joint]: float(share) for joint, share in zip(rig.contact_joints, shares, strict=True)
        },
        "rest_pose": corpus.provenance.get("rest_pose", ""),
        "dropped": list(corpus.provenance.get("dropped", [])),
        "fixed": list(corpus.provenance.get("fixed", [])),
        "guessed": bool(corpus.provenance.get("guessed", False)),
        "noticed": list(corpus.provenance.get("noticed", [])),
    }
