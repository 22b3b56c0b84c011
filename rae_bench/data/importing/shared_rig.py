"""The skeleton that recordings share, or in what they differ."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from rae_bench.data.formats.bvh_text import END
from rae_bench.data.formats.take import Take
from rae_bench.data.importing.joint_names import mirror_pairs
from rae_bench.data.importing.recipe import Recipe
from rae_bench.data.wording import as_length, first_few
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


def without_joints(take: Take, patterns: Sequence[str]) -> Take:
    """Return a take without the joints that match a pattern, and without what hangs on them.

    Raises:
        UserError: A pattern would drop the root.
    """
    motion = take.motion
    rig = motion.rig
    gone = np.array([any(fnmatch.fnmatchcase(joint, pattern) for pattern in patterns) for joint in rig.joint_names])
    if not gone.any():
        return take
    gone = (rig.ancestors & gone).any(1)
    if gone[0]:
        raise UserError(f"drop_joints would drop the root '{rig.joint_names[0]}' and with it everything")
    keep = np.flatnonzero(~gone)
    joints = joint_list(rig.joint_names, rig.parents, rig.offsets)
    motion = replace(
        motion,
        rig=make_rig(rig.name, [joints[j] for j in keep], {}),
        rotations=motion.rotations[:, :, keep],
    )
    return replace(take, motion=motion, dropped=tuple(rig.joint_names[j] for j in np.flatnonzero(gone)))


def matched(motions: Sequence[Motion]) -> list[Motion]:
    """Return motions with their joints in one order, and with the End Sites of all, where they are of one skeleton.

    Exporters list siblings in another order, forget End Sites, and put a name space of their own before names
    ("mixamorig1:Hips"). An End Site that is added has no length. Motions of another skeleton than most have are
    returned as they are.

    Args:
        motions: one clip each.
    """
    trees = [_tree(motion.rig) for motion in motions]
    common = Counter(trees).most_common(1)[0][0]
    if any(tree != common for tree in trees):
        motions = [_without_name_space(motion, common) for motion in motions]
        trees = [_tree(motion.rig) for motion in motions]
    alike = [motion.rig for motion, tree in zip(motions, trees, strict=True) if tree == common]
    order = Counter(rig.joint_names for rig in alike).most_common(1)[0][0]
    model = next(rig for rig in alike if rig.joint_names == order)
    joints = joint_list(model.joint_names, model.parents, model.offsets)
    for rig in alike:
        there = {name for name, _, _ in joints}
        lacking = [j for j in np.flatnonzero(_is_end(rig)) if rig.joint_names[j] not in there]
        joints += [(rig.joint_names[j], rig.joint_names[rig.parents[j]], np.zeros(3)) for j in lacking]
    if len(joints) > len(model):
        model = make_rig(model.name, joints, {})
    return [
        _in_order(motion, model) if tree == common and motion.rig.joint_names != model.joint_names else motion
        for motion, tree in zip(motions, trees, strict=True)
    ]


def _without_name_space(motion: Motion, common: frozenset[tuple[str, str]]) -> Motion:
    """Return a motion with the names of a tree that it has but for what stands before a colon; else as it is."""
    rig = motion.rig
    known = {name.rpartition(":")[2]: name for name, _ in common}

    def renamed(name: str) -> str:
        bare, end, number = name.rpartition(":")[2].partition(END)
        return known.get(bare + end + number) or known.get(bare, bare) + end + number

    names = [renamed(name) for name in rig.joint_names]
    if len(known) < len(common) or len(set(names)) < len(names):
        return motion
    other = make_rig(rig.name, joint_list(names, rig.parents, rig.offsets), {})
    return replace(motion, rig=other) if _tree(other) == common else motion


def _in_order(motion: Motion, model: Rig) -> Motion:
    """Return a motion with the joints of `model`, by name; those that it lacks do not turn and have no length."""
    rig = motion.rig
    pick = [rig.joint_names.index(name) if name in rig.joint_names else -1 for name in model.joint_names]
    there = np.array(pick) >= 0
    rotations = np.where(there[:, None], motion.rotations[:, :, pick], np.array([1, 0, 0, 0], np.float32))
    offsets = np.where(there[:, None], rig.offsets[pick], 0)
    same = make_rig(rig.name, joint_list(model.joint_names, model.parents, offsets), {})
    return replace(motion, rig=same, rotations=rotations)


def _tree(rig: Rig) -> frozenset[tuple[str, str]]:
    """Return (name, parent's name) of all joints but End Sites."""
    ends = _is_end(rig)
    return frozenset(
        (name, rig.joint_names[parent] if parent >= 0 else "")
        for name, parent, end in zip(rig.joint_names, rig.parents, ends, strict=True)
        if not end
    )


def _is_end(rig: Rig) -> np.ndarray:
    """Return which joints are End Sites, (J,) bool; some exporters forget their lengths."""
    leaf = ~np.isin(np.arange(len(rig)), rig.parents)
    return leaf & np.array([bool(re.search(r"_end\d*$", joint)) for joint in rig.joint_names])


def shared_rig(
    takes: Sequence[Motion],
    files: Sequence[str],
    folder: Path,
    recipe: Recipe,
    name: str,
    slides: Mapping[str, float] = MappingProxyType({}),
) -> tuple[Rig, list[str]]:
    """Return the skeleton that all takes share, with roles and mirror map, and what had to be mended for it.

    Args:
        takes: motions of one clip each.
        files: their names.
        folder: where they lie, for messages.
        recipe: roles and contact joints.
        name: name of the rig.
        slides: joint -> metres by which it strays in some file; files may differ so much in its place.

    Raises:
        UserError: Files have another skeleton than the rest, or the recipe names joints that it lacks.
    """
    majority = Counter(take.rig.joint_names for take in takes).most_common(1)[0][0]
    model = next(take.rig for take in takes if take.rig.joint_names == majority)
    differing = {
        file: text
        for take, file in zip(takes, files, strict=True)
        if (text := rig_difference(take.rig, model, recipe.median_bones, slides))
    }
    if differing:
        texts = [f"{file} ({text})" for file, text in differing.items()]
        alike = all(text.startswith(_OFFSET_OF) for text in differing.values())
        advice = "--median-bones makes one skeleton of them, if it is one character; else " if alike else ""
        raise UserError(
            f"{folder}: {len(differing)} of {len(files)} files have another skeleton than the rest: "
            f"{first_few(texts, 3)}; {advice}import each (--per-skeleton), or use include, exclude, drop_joints"
        )
    fixed = []
    lengths = np.stack([take.rig.offsets for take in takes])
    offsets = np.median(lengths, axis=0)
    ends = _is_end(model)
    for j in np.flatnonzero(ends):
        # A zero length says that the exporter did not know it, so the files that name one are believed.
        known = lengths[np.abs(lengths[:, j]).max(-1) > 0, j]
        offsets[j] = np.median(known, axis=0) if len(known) else 0
    apart = np.linalg.norm(lengths - offsets, axis=-1)
    if apart[:, ends].max(initial=0) > NOTED:
        fixed.append("End Sites differ between files: the median of those that are not zero is used")
    apart[:, ends] = 0
    if apart.max() > NOTED:
        file, worst = divmod(int(apart.argmax()), len(model))
        off = float((apart @ model.ancestors.T.astype(float)).max())
        fixed.append(
            f"bones differ between files, most {model.joint_names[worst]}, {as_length(float(apart.max()))} off in "
            f"{files[file]}: the median of all is used, which moves a joint by up to {as_length(off)}"
        )
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
        description=f"from the recordings in {folder.resolve().name}",
    )
    return rig, fixed


_OFFSET_OF = "offset of "
SCALED = 1.25
"""A skeleton whose bones are longer or shorter by this factor is of another character, or in another unit."""


def rig_difference(
    rig: Rig, model: Rig, median_bones: bool = False, slides: Mapping[str, float] = MappingProxyType({})
) -> str:
    """Return what keeps `rig` from being the same skeleton as `model`, in a few words; "" where nothing does.

    Joints are compared by name, whatever their order; End Sites are not compared.

    Args:
        rig: a skeleton.
        model: another one.
        median_bones: whether bones of other lengths are the same skeleton too, unless all are longer or shorter.
        slides: joint -> metres by which its place may differ besides.
    """
    names, known = (
        [joint for joint, end in zip(each.joint_names, _is_end(each), strict=True) if not end] for each in (rig, model)
    )
    missing, extra = [j for j in known if j not in names], [j for j in names if j not in known]
    if missing or extra:
        texts = [f"{word} {', '.join(some[:3])}" for word, some in (("lacks", missing), ("has", extra)) if some]
        return " and ".join(texts)
    if _tree(rig) != _tree(model):
        odd = sorted(_tree(rig) - _tree(model))[0]
        return f"{odd[0]} hangs on {odd[1] or 'nothing'}"
    here, there = (each.offsets[[each.joint_names.index(joint) for joint in known]] for each in (rig, model))
    total = np.linalg.norm(there, axis=-1).sum()
    scale = float(np.linalg.norm(here, axis=-1).sum() / total) if total > 0 else 1.0
    if not 1 / SCALED < scale < SCALED:
        return f"its bones are {scale:.3g} times as long: another unit?"
    apart = np.abs(here - there).max(-1) - [2 * slides.get(joint, 0) for joint in known]
    worst = int(apart.argmax())
    if median_bones or apart[worst] <= SAME_OFFSET * float(np.linalg.norm(model.offsets, axis=-1).max()):
        return ""
    return f"{_OFFSET_OF}{known[worst]} differs by {100 * np.abs(here - there)[worst].max():.2g} cm"


def all_slides(takes: Sequence[Take]) -> dict[str, float]:
    """Return joint -> metres by which it strays in the file where it does so most."""
    slides: dict[str, float] = {}
    for take in takes:
        for joint, far in take.slides.items():
            slides[joint] = max(far, slides.get(joint, 0.0))
    return slides


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
