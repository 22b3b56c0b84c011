"""Recordings cut into segments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rae_bench.motion.contacts import find_contacts, stance_heights
from rae_bench.motion.motion import Motion, make_motion


def cut_segments(
    takes: Sequence[Motion], stems: Sequence[str], seconds: float, minimum_seconds: float
) -> tuple[Motion, list[tuple[int, int]], list[str]]:
    """Cut takes into segments.

    Args:
        takes: motions of one clip each, on one rig, at one rate.
        stems: names of the takes.
        seconds: length of a segment.
        minimum_seconds: shorter remainders and takes are dropped.

    Returns:
        The segments; (take, running number) of each; what was dropped and why, in words.
    """
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
