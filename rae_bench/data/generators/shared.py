"""What all built-in motions share: their size, random numbers and names, and how they are made block by block."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence

import numpy as np

from rae_bench.errors import UserError
from rae_bench.rigs.rig import Rig

BLOCK = 24
"""Clips that are made at a time, so that the memory of long corpora stays flat."""


MOTION_MADE = "rae_bench.motion_made"
"""The audit event of `tell_of_motion`."""


def tell_of_motion(motion: str, clips: int) -> None:
    """Tell whoever listens in this process (`sys.addaudithook`) that so many clips of a built-in motion are made."""
    sys.audit(MOTION_MADE, motion, clips)


def check_size(motion: str, clips: int, seconds: float, fps: float) -> None:
    """Raise `UserError` unless there is at least one clip of two frames."""
    if clips < 1 or round(seconds * fps) < 2:
        raise UserError(
            f"{motion} needs at least 1 clip of 2 frames; asked for {clips} of {seconds:g} s at {fps:g} fps"
        )


def corpus_identity(*parts: object) -> str:
    """Return the sha256 of all that decides a corpus; floats and integers are told apart."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def random_numbers(rig: Rig, seed: int, clips: int, count: int) -> np.ndarray:
    """Return the random numbers of all clips, (clips, count) in [0, 1).

    Two rigs get other numbers by one seed: a transferred model would meet its training clips again.
    """
    return np.random.default_rng([seed, int(rig.content_hash[:12], 16)]).random((clips, count))


def occurrences(names: Sequence[str]) -> list[int]:
    """Return for each name how often it has occurred so far, itself included."""
    seen: dict[str, int] = {}
    counts = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        counts.append(seen[name])
    return counts


def in_blocks(make: Callable[[slice], tuple[np.ndarray, ...]], clips: int) -> list[np.ndarray]:
    """Return arrays over all clips, made `BLOCK` clips at a time.

    Args:
        make: returns arrays whose first axis is that of the clips in a slice.
        clips: how many.
    """
    blocks = [make(slice(start, start + BLOCK)) for start in range(0, clips, BLOCK)]
    return [np.concatenate(parts) for parts in zip(*blocks, strict=True)]
