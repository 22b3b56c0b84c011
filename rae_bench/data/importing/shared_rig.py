"""The skeleton that recordings share, or in what they differ."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rae_bench.data.formats.take import Take
from rae_bench.data.importing.joint_names import mirror_pairs
from rae_bench.data.importing.recipe import Recipe
from rae_bench.data.wording import first_few
from rae_bench.errors import UserError, unknown
from rae_bench.motion.motion import Motion
from rae_bench.rigs.rig import Rig, make_rig
from rae_bench.rigs.tree import joint_list

SAME_OFFSET = 2e-3
"""Skeletons whose offsets differ by less than this share of the longest bone are one: some files of the human set put a
knee 0.4 mm beside the others'."""
NOTED = 1e-4
"""Metres: smaller differences between files are not worth a word."""
ROUNDING = 1e-5
"""Bones keep their lengths that vary by no more than this share: files round, and fits compute in single precision."""


def without_joints(take: Motion, patterns: Sequence[str]) -> Motion:
    """Return a one-clip motion without the joints that match a pattern, and without what hangs on them.

    Raises:
        UserError: A pattern matches no joint, or would drop the root.
    """
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
    joints = joint_list(rig.joint_names, rig.parents, rig.offsets)
    return replace(
        take,
        rig=make_rig(rig.name, [joints[j] for j in keep], {}),
        rotations=take.rotations[:, :, keep],
    )


def _is_end(rig: Rig) -> np.ndarray:
    """Return which joints are End Sites, (J,) bool; some exporters forget their lengths."""
    leaf = ~np.isin(np.arange(len(rig)), rig.parents)
    return leaf & np.array([bool(re.search(r"_end\d*$", joint)) for joint in rig.joint_names])


def shared_rig(
    takes: Sequence[Motion], files: Sequence[str], folder: Path, recipe: Recipe, name: str
) -> tuple[Rig, list[str]]:
    """Return the skeleton that all takes share, with roles and mirror map, and what had to be mended for it.

    Args:
        takes: motions of one clip each.
        files: their names.
        folder: where they lie, for messages.
        recipe: roles and contact joints.
        name: name of the rig.

    Raises:
        UserError: Files have another skeleton than the rest, or the recipe names joints that it lacks.
    """
    majority = Counter(take.rig.joint_names for take in takes).most_common(1)[0][0]
    model = next(take.rig for take in takes if take.rig.joint_names == majority)
    differing = [
        f"{file} ({text})"
        for take, file in zip(takes, files, strict=True)
        if (text := rig_difference(take.rig, model))
    ]
    if differing:
        raise UserError(
            f"{folder}: {len(differing)} of {len(files)} files have another skeleton than the rest: "
            f"{first_few(differing, 3)}; import each (--per-skeleton), or use include, exclude, drop_joints"
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
    rig = make_rig(
        name,
        joint_list(model.joint_names, model.parents, offsets),
        recipe.roles,
        contact_joints=recipe.contact_joints,
        mirror=mirror_pairs(model.joint_names),
        fixed_base=recipe.fixed_base,
        description=f"from the recordings in {folder.name}",
    )
    return rig, fixed


def rig_difference(rig: Rig, model: Rig) -> str:
    """Return what keeps `rig` from being the same skeleton as `model`, in a few words; "" where nothing does."""
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


def bone_drift(takes: Sequence[Take], rig: Rig) -> dict[str, dict[str, float]]:
    """Return joint -> how its bone differs: `spread` over time, a share, and `apart` between files, in metres.

    Args:
        takes: recordings as they were read; of the spread, the worst file's counts.
        rig: the rig that they share; only its joints whose bones differ are returned.
    """
    lengths: dict[str, list[float]] = {}
    spread: dict[str, float] = {}
    for take in takes:
        for joint, offset in zip(take.motion.rig.joint_names, take.motion.rig.offsets, strict=True):
            lengths.setdefault(joint, []).append(float(np.linalg.norm(offset)))
        for joint, share in take.spread.items():
            spread[joint] = max(share, spread.get(joint, 0.0))
    drift = {}
    for joint, each in lengths.items():
        share, apart = spread.get(joint, 0.0), float(np.ptp(each))
        drift[joint] = {
            "spread": share if share > ROUNDING else 0.0,
            "apart": apart if apart > ROUNDING * max(each) else 0.0,
        }
    return {joint: drift[joint] for joint in rig.joint_names[1:] if joint in drift and any(drift[joint].values())}
