"""What an import notices and leaves as it is, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rae_bench.data.formats.source import Note, Take, as_length, first_few
from rae_bench.data.importing.jumps import Event, event_notes
from rae_bench.motion.motion import Motion, joint_speeds, stance_heights
from rae_bench.rigs.rig import Rig

STILL = 0.15
"""Segments hardly move whose usual speed is below this share of the median segment's."""
ROUNDING = 1e-5
"""Bones keep their lengths that vary by no more than this share: files round, and fits compute in single precision."""
UNEVEN = 0.03
"""Left and right feet stand unevenly where they do so by more than this share of the rig's height."""


def look(take: Motion, file: str, events: Sequence[Event]) -> list[Note]:
    """What is odd about a recording of whatever format, one clip at its own rate, and the faults found in it."""
    notes = event_notes(events, file)
    rig = take.rig
    flat = [joint for joint, offset in zip(rig.joint_names[1:], rig.offsets[1:], strict=True) if not offset.any()]
    if flat:
        notes.append(Note("zero", f"joints of zero length: {first_few(flat, 4)}", len(flat)))
    return notes


def stands_oddly(motion: Motion) -> list[str]:
    """What is odd about how the whole domain stands."""
    rig = motion.rig
    lines: list[str] = []
    if len(rig.contact_joints) == 0:
        return lines
    heights = np.median(motion.positions[motion.valid][..., 1], axis=0)
    if heights[rig.roles.get("pelvis", 0)] <= heights[rig.contact_joints].min():
        lines.append("the pelvis lies below the feet: is --up the other way round?")
    never = rig.contact_joints[~motion.contacts[motion.valid].any(0)]
    if len(never):
        names = ", ".join(rig.joint_names[j] for j in never)
        lines.append(f"never on the ground: {names} (feet on a treadmill or a ball never stand still)")
    return lines


def hardly_move(motion: Motion, ids: Sequence[str]) -> list[str]:
    """Segments whose fastest joint is slow for most of their time beside what it is in the median segment."""
    if len(motion) < 2:
        return []
    speed = joint_speeds(motion.positions, motion.fps, motion.lengths).max(-1)
    usual = np.array([np.percentile(row[:size], 75) for row, size in zip(speed, motion.lengths, strict=True)])
    still = np.flatnonzero(usual < STILL * np.median(usual))
    if not len(still):
        return []
    listed = first_few([ids[n] for n in still.tolist()])
    return [f"{len(still)} of {len(motion)} segments hardly move: {listed}"]


def uneven_feet(motion: Motion) -> list[str]:
    """Left and right feet that stand at heights of their own, though both on one ground."""
    rig = motion.rig
    stance = dict(zip(rig.contact_joints.tolist(), stance_heights(motion.positions, rig, motion.lengths), strict=True))
    pairs = [(j, k) for j in stance if (k := int(rig.mirror[j])) in stance and j < k]
    apart = [abs(stance[j] - stance[k]) for j, k in pairs]
    if not apart or max(apart) < UNEVEN * rig.height:
        return []
    j, k = pairs[int(np.argmax(apart))]
    low, high = (j, k) if stance[j] < stance[k] else (k, j)
    names = rig.joint_names
    return [f"{names[low]} stands {as_length(max(apart))} lower than {names[high]}: one of them sinks?"]


def bone_drift(takes: Sequence[Take], rig: Rig) -> dict[str, dict[str, float]]:
    """Joint -> how its bone differs: `spread` over time as a share, in the worst file; `apart` metres between files.

    Args:
        takes: recordings as they were read.
        rig: what they were made to share; its joints are the ones told of, where anything is to be told.
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


def told(notes: Sequence[Sequence[Note]], files: Sequence[str]) -> list[str]:
    """Notes on files, one line for each kind: the worst file's words, and how many files share it."""
    kinds: dict[str, list[tuple[float, str]]] = {}
    for some, file in zip(notes, files, strict=True):
        for note in some:
            kinds.setdefault(note.kind, []).append((note.size, f"{file}: {note.text}"))
    lines = []
    for alike in kinds.values():
        worst = max(alike, key=lambda each: each[0])[1]
        lines.append(worst if len(alike) == 1 else f"{worst} (the worst of {len(alike)} files)")
    return lines
