"""A corpus: the segments of one rig before they are split, and how it is kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rae_bench.data.formats.archive import Archive
from rae_bench.data.formats.source import Source
from rae_bench.errors import UserError
from rae_bench.motion.course import frames_ahead
from rae_bench.motion.motion import Motion
from rae_bench.rigs.file import read_rig, rig_to_toml
from rae_bench.rigs.rig import ROLES
from rae_bench.storage import read_json, whole_folder

SCHEMA = "rae-bench.corpus/2"
OFF_UNIT = 1e-2
"""Rotations whose length is off by more than this were damaged."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """All segments of one rig.

    Attributes:
        name: domain name.
        motion: N segments.
        ids: N unique names of segments, the same in every run.
        groups: N names of groups; a group (recording session, take, combination of built-in motion) is in one fold.
        actions: N words for what is done, such as "walk", for break-downs.
        takes: N names of what each segment was cut from, by which fractions are drawn; a clip of built-in motion is a
            take of its own.
        course: (N, T + A, 3) float32 low-passed root position and heading of each segment and of a second after it,
            see `rae_bench.motion.course.course_of`; made over the whole take before it was cut.
        identity: sha256 of what decides the content: file hashes and import options of recordings; rig, generator
            version and parameters of built-in motion, whose last bits may differ between machines.
        provenance: where it comes from, its licence, what was mended; for people.
        exact_contacts: whether the motion's contacts are known; otherwise they were found by looking at it, a frame
            ahead too.
        targets: those of reaching clips, None elsewhere.
        combinations: of built-in motion, the names of all groups that it has on whatever rig, in a fixed order; () of
            recordings.
    """

    name: str
    motion: Motion
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    actions: tuple[str, ...]
    takes: tuple[str, ...]
    course: np.ndarray
    identity: str
    provenance: Mapping[str, Any] = field(default_factory=dict)
    exact_contacts: bool = False
    targets: ReachTargets | None = None
    combinations: tuple[str, ...] = ()

    def __getitem__(self, segments: Sequence[int] | np.ndarray) -> Corpus:
        """Return the corpus of some of the segments, with the same name and identity."""
        pick = np.asarray(segments, int)
        return replace(
            self,
            motion=self.motion[pick],
            course=self.course[pick],
            targets=None if self.targets is None else self.targets[pick],
            ids=tuple(self.ids[i] for i in pick),
            groups=tuple(self.groups[i] for i in pick),
            actions=tuple(self.actions[i] for i in pick),
            takes=tuple(self.takes[i] for i in pick),
        )

    def __repr__(self) -> str:
        return f"Corpus('{self.name}', {len(self.ids)} segments in {len(set(self.groups))} groups, {self.motion!r})"


SWAPPED = {"left_hand": "left_foot", "right_hand": "right_foot"}
"""Roles that take each other's joint in `with_swapped_roles`."""


def with_swapped_roles(corpus: Corpus) -> Corpus:
    """Return the same motion on a rig whose hands are called feet and whose feet are called hands.

    Targets follow their joint. Sides, pelvis and head keep their names, so that the height and an upright body's
    heading stay what they are.
    """
    names = {**SWAPPED, **{new: old for old, new in SWAPPED.items()}}
    rig = corpus.motion.rig
    roles = {names.get(role, role): joint for role, joint in rig.roles.items()}
    swapped = replace(rig, roles={role: roles[role] for role in ROLES if role in roles})
    targets = corpus.targets
    if targets is not None:
        slots = np.array([ROLES.index(names.get(role, role)) for role in ROLES] + [-1], targets.slots.dtype)
        targets = replace(targets, slots=slots[targets.slots])
    identity = hashlib.sha256(f"{corpus.identity} swapped roles".encode()).hexdigest()
    return replace(corpus, motion=replace(corpus.motion, rig=swapped), identity=identity, targets=targets)


def save_corpus(corpus: Corpus, folder: Path, *, packed: bool = True) -> None:
    """Write `rig.toml`, `corpus.json` and `motion.npz` under `folder`; the folder appears whole or not at all.

    Args:
        packed: whether the numbers are compressed. Files of built-in motion are half as large then, or a third, and
            take as long to write as the motion takes to make.
    """
    with whole_folder(folder) as part:
        part.mkdir()
        motion, targets = corpus.motion, corpus.targets.arrays() if corpus.targets else {}
        (part / "rig.toml").write_text(rig_to_toml(motion.rig), encoding="utf-8")
        of_targets: dict[str, Any] = {f"target_{name}": array for name, array in targets.items()}
        save = np.savez_compressed if packed else np.savez
        save(
            part / "motion.npz",
            lengths=motion.lengths.astype(np.int32),
            root_positions=motion.root_positions,
            rotations=motion.rotations,
            contacts=motion.contacts,
            course=corpus.course,
            **of_targets,
        )
        meta = {
            "schema": SCHEMA,
            "name": corpus.name,
            "fps": motion.fps,
            "ids": corpus.ids,
            "groups": corpus.groups,
            "actions": corpus.actions,
            "takes": corpus.takes,
            "combinations": corpus.combinations,
            "identity": corpus.identity,
            "provenance": dict(corpus.provenance),
            "exact_contacts": corpus.exact_contacts,
        }
        (part / "corpus.json").write_text(json.dumps(meta, indent=1, allow_nan=False), encoding="utf-8")


class _Meta(msgspec.Struct):
    schema: str
    name: str
    fps: float
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    actions: tuple[str, ...]
    takes: tuple[str, ...]
    combinations: tuple[str, ...]
    identity: str
    provenance: dict[str, Any]
    exact_contacts: bool


def load_corpus(folder: Path) -> Corpus:
    """Read what `save_corpus` wrote.

    Raises:
        UserError: Files are missing or damaged.
    """

    def fault(text: object) -> UserError:
        return UserError(f"{folder}: not a readable corpus ({text}); import or generate it again")

    try:
        found = read_json(folder / "corpus.json", "missing")
        if not isinstance(found, dict) or found.get("schema") != SCHEMA:
            raise fault(f"another schema than {SCHEMA}, which this version reads")
        meta, rig = msgspec.convert(found, _Meta), read_rig(folder / "rig.toml")
        if not 0 < meta.fps <= 1e5:
            raise fault("its frame rate makes no sense")
        archive = Archive(Source(folder / "motion.npz"))
        count = len(meta.ids)
        root = archive.checked("root_positions", (count, None, 3), "f")
        frames = root.shape[1]
        motion = Motion(
            rig,
            meta.fps,
            archive.checked("lengths", (count,), "iu").astype(int),
            root,
            archive.checked("rotations", (count, frames, len(rig), 4), "f"),
            archive.checked("contacts", (count, frames, len(rig.contact_joints)), "b"),
        )
        course = archive.checked("course", (count, frames + frames_ahead(meta.fps), 3), "f")
        targets = _read_targets(archive, count) if "target_slots" in archive else None
    except (UserError, msgspec.ValidationError) as error:
        raise fault(error) from None
    named = {len(names) for names in (meta.groups, meta.actions, meta.takes, set(meta.ids))}
    if named != {count} or not count:
        raise fault("ids, groups, actions and takes do not belong together")
    if motion.lengths.min() < 1 or motion.lengths.max() > frames:
        raise fault("the lengths of its segments make no sense")
    if np.abs(np.linalg.norm(motion.rotations, axis=-1) - 1).max() > OFF_UNIT:
        raise fault("its rotations are not of unit length")
    return Corpus(
        meta.name,
        motion,
        meta.ids,
        meta.groups,
        meta.actions,
        meta.takes,
        course,
        meta.identity,
        meta.provenance,
        meta.exact_contacts,
        targets,
        meta.combinations,
    )


def _read_targets(archive: Archive, count: int) -> ReachTargets:
    """Read the targets of `count` clips."""
    events = archive.checked("target_slots", (count, None), "i").shape[1]
    wide = {"positions": (3,), "rotations": (4,)}
    kinds = {"positions": "f", "rotations": "f", "respawned": "b"}
    return ReachTargets(
        **{
            field.name: archive.checked(
                f"target_{field.name}", (count, events, *wide.get(field.name, ())), kinds.get(field.name, "i")
            )
            for field in fields(ReachTargets)
        }
    )


@dataclass(frozen=True, eq=False)
class ReachTargets:
    """Up to E targets in each of N clips; those of one hand follow one another.

    Attributes:
        slots: (N, E) int8, role slot of the hand that reaches; -1 where there is no target.
        starts: (N, E) int32, the frame from which the target is there.
        arrivals: (N, E) int32, the last frame of the contact; the target is gone after it.
        positions: (N, E, 3) float32 metres, world.
        rotations: (N, E, 4) float32 world, relative to the rest pose.
        respawned: (N, E) bool, whether the spawn point was out of reach and the target is the nearest place that was
            not.
    """

    slots: np.ndarray
    starts: np.ndarray
    arrivals: np.ndarray
    positions: np.ndarray
    rotations: np.ndarray
    respawned: np.ndarray

    def __getitem__(self, clips: slice | Sequence[int] | np.ndarray) -> ReachTargets:
        """Return the targets of some of the clips."""
        pick = clips if isinstance(clips, slice) else np.asarray(clips, int)
        return ReachTargets(*(array[pick] for array in self.arrays().values()))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all fields by name, to be saved."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
