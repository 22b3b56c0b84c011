"""A corpus: the segments of one rig before they are split, and how they are kept on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.data.targets import Targets
from rae_bench.errors import UserError
from rae_bench.motion import Motion
from rae_bench.rig import ROLES, read_rig, rig_to_toml
from rae_bench.storage import sweep, whole_folder

SCHEMA = "rae-bench.corpus/1"


@dataclass(frozen=True, eq=False)
class Corpus:
    """All segments of one rig.

    Attributes:
        name: domain name.
        motion: N segments.
        ids: N unique segment ids, stable between runs.
        groups: N group names; a group (recording session, take, gait cell) never straddles a split.
        actions: N words for what is done ("walk"), for break-downs.
        identity: what decides the content, as a sha256: file hashes and import options of recordings; rig,
            generator version and parameters of built-in motion (whose last bits may differ between machines).
        provenance: where it comes from, licence, what was fixed; for people.
        exact_contacts: the motion's contacts are known; otherwise they were found by looking at it, a frame ahead too.
        targets: of reaching clips, None elsewhere.
    """

    name: str
    motion: Motion
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    actions: tuple[str, ...]
    identity: str
    provenance: Mapping[str, Any] = field(default_factory=dict)
    exact_contacts: bool = False
    targets: Targets | None = None


SWAPPED = {"left_hand": "left_foot", "right_hand": "right_foot"}


def with_swapped_roles(corpus: Corpus) -> Corpus:
    """The same motion on a rig whose hands are called feet and whose feet are called hands; targets follow their joint.

    Sides, pelvis and head keep their names, so that the height and an upright body's heading stay what they are.
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


def save_corpus(corpus: Corpus, folder: Path) -> None:
    """Write `rig.toml`, `corpus.json` and `motion.npz` under `folder`; the folder appears whole or not at all."""
    sweep(folder.parent)
    with whole_folder(folder) as part:
        part.mkdir()
        motion, targets = corpus.motion, corpus.targets.arrays() if corpus.targets else {}
        (part / "rig.toml").write_text(rig_to_toml(motion.rig), encoding="utf-8")
        np.savez_compressed(
            part / "motion.npz",
            lengths=motion.lengths.astype(np.int32),
            root_positions=motion.root_positions,
            rotations=motion.rotations,
            contacts=motion.contacts,
            **{f"target_{name}": array for name, array in targets.items()},  # type: ignore[arg-type]
        )
        meta = {
            "schema": SCHEMA,
            "name": corpus.name,
            "fps": motion.fps,
            "ids": corpus.ids,
            "groups": corpus.groups,
            "actions": corpus.actions,
            "identity": corpus.identity,
            "provenance": dict(corpus.provenance),
            "exact_contacts": corpus.exact_contacts,
        }
        (part / "corpus.json").write_text(json.dumps(meta, indent=1, allow_nan=False), encoding="utf-8")


def load_corpus(folder: Path) -> Corpus:
    """Read what `save_corpus` wrote. Raises `UserError` where files are missing or damaged."""
    try:
        meta = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
        if meta.get("schema") != SCHEMA:
            raise UserError(f"{folder}: schema {meta.get('schema')!r}, this version reads {SCHEMA}; import it again")
        rig, exact_contacts = read_rig(folder / "rig.toml"), bool(meta["exact_contacts"])
        with np.load(folder / "motion.npz", allow_pickle=False) as arrays:
            motion = Motion(
                rig,
                float(meta["fps"]),
                arrays["lengths"].astype(int),
                arrays["root_positions"],
                arrays["rotations"],
                arrays["contacts"],
            )
            targets = None
            if "target_slots" in arrays:
                targets = Targets(**{field.name: arrays[f"target_{field.name}"] for field in fields(Targets)})
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{folder}: not a readable corpus ({error}); import or generate it again") from None
    return Corpus(
        meta["name"],
        motion,
        tuple(meta["ids"]),
        tuple(meta["groups"]),
        tuple(meta["actions"]),
        meta["identity"],
        meta["provenance"],
        exact_contacts,
        targets,
    )
