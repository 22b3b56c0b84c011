"""Recordings cut into segments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rae_bench.motion.contacts import find_contacts, stance_heights
from rae_bench.motion.course import course_of, frames_ahead
from rae_bench.motion.motion import Motion, make_motion


def cut_segments(
    takes: Sequence[Motion], stems: Sequence[str], seconds: float, minimum_seconds: float
) -> tuple[Motion, np.ndarray, list[tuple[int, int]], list[str]]:
    """Cut takes into segments.

    Args:
        takes: motions of one clip each, on one rig, at one rate.
        stems: names of the takes.
        seconds: length of a segment.
        minimum_seconds: shorter remainders and takes are dropped.

    Returns:
        The segments; their courses (N, T + A, 3), see `rae_bench.motion.course`; (take, running number) of each; what
        was dropped and why, in words.
    """
    rig, fps = takes[0].rig, takes[0].fps
    size, least = max(1, round(seconds * fps)), max(1, round(minimum_seconds * fps))
    everything = np.concatenate([take.positions[0] for take in takes])
    stance = stance_heights(everything[None], rig, np.array([len(everything)]))
    owners: list[tuple[int, int]] = []
    parts: list[tuple[np.ndarray, ...]] = []
    ahead = frames_ahead(fps)
    dropped, lost, tails = [], 0, 0
    for t, take in enumerate(takes):
        contacts = find_contacts(take.positions, rig, fps, take.lengths, stance=stance)
        total = int(take.lengths[0])
        if total < least:
            dropped.append(f"{stems[t]}: {total / fps:.2f} s, shorter than {minimum_seconds:g} s")
            continue
        course = course_of(take)[0]
        for k, start in enumerate(range(0, total, size)):
            stop = min(start + size, total)
            if stop - start < least:
                lost, tails = lost + stop - start, tails + 1
                continue
            owners.append((t, k))
            cut = slice(start, stop)
            arrays = (take.root_positions[0, cut], take.rotations[0, cut], contacts[0, cut])
            parts.append((*arrays, course[start : stop + ahead]))
    if lost:
        dropped.append(f"ends of {tails} recordings, {lost / fps:.1f} s in all, shorter than {minimum_seconds:g} s")
    if not parts:
        return takes[0], course_of(takes[0]), owners, dropped
    lengths = np.array([len(part[0]) for part in parts])
    width = int(lengths.max())

    def stacked(which: int, width: int) -> np.ndarray:
        arrays = (part[which] for part in parts)
        return np.stack([np.concatenate([a, np.repeat(a[-1:], width - len(a), 0)]) for a in arrays])

    root, rotations, contacts = (stacked(i, width) for i in range(3))
    motion = make_motion(rig, fps, root, rotations, lengths=lengths, contacts=contacts)
    return motion, stacked(3, width + ahead), owners, dropped
