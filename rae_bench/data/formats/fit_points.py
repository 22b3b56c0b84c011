"""Skeletons and motion fitted to measured points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rae_bench.data.formats.positions import Points
from rae_bench.data.formats.take import Note, Take
from rae_bench.kinematics.fit import fit_bones
from rae_bench.motion.motion import make_motion
from rae_bench.rigs.rig import make_rig
from rae_bench.rigs.tree import joint_list

SAME_LENGTH = 0.02
"""Files whose median bone lengths differ by less than this share of the longest bone are of one skeleton."""
LOOSE = 0.15
"""Bones that vary by more than this share of their length are hardly rigid; a note says so."""


def fit_points(recordings: Sequence[Points]) -> list[Take]:
    """Fit a motion to each recording; those of one skeleton share its bones and its rest pose.

    Returns:
        Takes in the order given; notes say how much the bones varied and how well the fit meets the points.
    """
    takes: list[Take | None] = [None] * len(recordings)
    for i, points in enumerate(recordings):
        if points.rotations is not None and points.offsets is not None:
            joints = joint_list(points.names, points.parents, points.offsets)
            rig = make_rig(points.path.stem, joints, {}, where=str(points.path))
            motion = make_motion(rig, points.fps, points.positions[None, :, 0], points.rotations[None])
            takes[i] = Take(motion, points.notes)
    to_fit = [i for i, take in enumerate(takes) if take is None]
    for chosen in _same_skeleton([recordings[i] for i in to_fit]):
        group = [to_fit[k] for k in chosen]
        parts = [recordings[i] for i in group]
        names, parents = parts[0].names, parts[0].parents
        offsets, rotations = fit_bones(np.concatenate([part.positions for part in parts]), parents)
        rig = make_rig(parts[0].path.stem, joint_list(names, parents, offsets), {}, where=str(parts[0].path))
        start = 0
        for i, part in zip(group, parts, strict=True):
            frames = len(part.positions)
            motion = make_motion(rig, part.fps, part.positions[None, :, 0], rotations[None, start : start + frames])
            start += frames
            notes, spread = _noise(part, motion.positions[0])
            takes[i] = Take(motion, (*part.notes, *notes), spread)
    return [take for take in takes if take is not None]


def _same_skeleton(recordings: Sequence[Points]) -> list[list[int]]:
    """Return groups of indices of recordings with the same names, parents and, but for noise, bone lengths."""
    groups: list[list[int]] = []
    lengths = [np.median(np.linalg.norm(points.bones, axis=-1), axis=0) for points in recordings]
    for i, points in enumerate(recordings):
        for group in groups:
            first = recordings[group[0]]
            if points.names != first.names or (points.parents != first.parents).any():
                continue
            if np.abs(lengths[i] - lengths[group[0]]).max() <= SAME_LENGTH * lengths[group[0]].max():
                group.append(i)
                break
        else:
            groups.append([i])
    return groups


def _noise(points: Points, fitted: np.ndarray) -> tuple[list[Note], dict[str, float]]:
    """Return a note on how much the bones varied and how far the fit lies from the points, and the spread by joint.

    Args:
        points: as they were measured.
        fitted: (T, J, 3) metres, world, of the fitted motion.
    """
    lengths = np.linalg.norm(points.bones[:, 1:], axis=-1)
    middle = np.median(lengths, axis=0)
    real = middle > 1e-3 * middle.max(initial=1e-12)
    if not real.any():
        return [], {}
    spread = np.where(real, lengths.std(0) / np.where(real, middle, 1), 0)
    worst = int(spread.argmax())
    apart = np.linalg.norm(fitted - points.positions, axis=-1)[:, 1:] / middle[real].mean()
    typical, most = np.percentile(apart, [50, 95])
    text = (
        f"bone lengths vary by {100 * np.median(spread[real]):.2g} % ({points.names[worst + 1]} "
        f"{100 * spread[worst]:.2g} %); the fit lies {100 * typical:.2g} % of a mean bone from the points "
        f"(95 % within {100 * most:.2g} %)"
    )
    if np.median(spread[real]) > LOOSE:
        text += "; these are hardly rigid bones"
    by_joint = dict(zip(points.names[1:], spread.tolist(), strict=True))
    return [Note("noise", text, float(typical))], by_joint
