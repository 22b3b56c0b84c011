"""What moves as no body does: files whose first frames jump, and joints that leave their path for one frame."""

from __future__ import annotations

from pathlib import PurePath

import numpy as np
from scipy import ndimage

from rae_bench.data.source import Note
from rae_bench.motion import Motion

FIRST = 2
"""Frames at the start of a file that exporters are known to leave in another pose."""
JUMP = 3.0
"""A first step is a jump where the body's joints go this many times as far as in the file's fastest hundredth."""
SPIKE = 12.0
"""A spike is this many times as far off the line between its neighbours as the frames around it usually are."""
SPIKE_SHARE = 0.03
"""... and this share of the body's size."""
SHOWN = 6


def jumps_and_spikes(motion: Motion, file: str | PurePath, skipped: int = 0) -> list[Note]:
    """Notes on one recording at its own rate; frames count from 0.

    Args:
        motion: one clip.
        skipped: frames of the file that come before it.
    """
    positions = motion.positions[0]
    if len(positions) < 8:
        return []
    notes = []
    size = float(np.median(np.linalg.norm(np.ptp(positions, axis=1), axis=-1)))
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=-1)
    mean = steps.mean(1)
    usual = float(np.percentile(mean[FIRST:], 99))
    jumping = [t for t in range(FIRST) if mean[t] > JUMP * usual and mean[t] > 0.01 * size]
    if jumping:
        last = jumping[-1]
        joint, number = int(steps[last].argmax()), last + 1 + skipped
        text = (
            f"frame {number} lies {_length(mean[last])} from the one before on average "
            f"({motion.rig.joint_names[joint]} {_length(steps[last, joint])}): --skip-frames {number} drops it"
        )
        notes.append(Note(f"jump {file}", text, float(mean[last])))
    inner = positions[jumping[-1] + 1 :] if jumping else positions
    first = len(positions) - len(inner)
    off = np.linalg.norm(inner[1:-1] - (inner[:-2] + inner[2:]) / 2, axis=-1)
    around = ndimage.median_filter(off, size=(11, 1), mode="mirror")
    spiky = (off > SPIKE_SHARE * size) & (off > SPIKE * around)
    if spiky.any():
        frames = np.flatnonzero(spiky.any(1))
        worst = frames[np.argsort(-np.where(spiky, off, 0).max(1)[frames], kind="stable")][:SHOWN]
        told = []
        for t in sorted(worst):
            joint = int(np.where(spiky[t], off[t], 0).argmax())
            told.append(f"{t + 1 + first + skipped} ({motion.rig.joint_names[joint]} {_length(off[t, joint])})")
        more = f" and {len(frames) - len(worst)} more" if len(frames) > len(worst) else ""
        text = f"joints leave their path for single frames: {', '.join(told)}{more}"
        notes.append(Note(f"spike {file}", text, float(off[spiky].max())))
    return notes


def _length(metres: float) -> str:
    return f"{100 * metres:.2g} cm" if metres >= 0.01 else f"{1000 * metres:.2g} mm"
