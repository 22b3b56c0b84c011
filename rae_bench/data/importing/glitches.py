"""Glitches of single recordings: first frames that jump, joints off their path for one frame, frames that repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from scipy import ndimage

from rae_bench.data.formats.take import Note
from rae_bench.data.wording import as_length, first_few
from rae_bench.motion.motion import Motion

FIRST = 2
"""Frames at the start of a file that exporters are known to leave in another pose."""
JUMP = 3.0
"""A first step is a jump where the body's joints go this many times as far as in the file's fastest hundredth."""
SPIKE = 12.0
"""A spike is this many times as far off the line between its neighbours as the frames around it usually are."""
SPIKE_SHARE = 0.03
"""... and this share of the body's size."""
SHADOW = 0.6
"""A frame is a spike only where it is this share as far off the line as the frames beside it are."""
SAME, FROZEN = 1e-7, 3
"""Frames repeat where no joint goes further than `SAME` x the body's size; `FROZEN` of them in a row are reported."""
SHOWN = 6
"""Spikes of a file that are named in a note."""


@dataclass(frozen=True)
class Glitch:
    """One fault of a recording.

    Attributes:
        kind: "jump", "spike" or "frozen".
        frame: where it begins, counted from 0 in the file.
        joint: the joint that it concerns most.
        metres: how far the joint goes.
        frames: how many frames stand still.
    """

    kind: str
    frame: int
    joint: str
    metres: float = 0.0
    frames: int = 1


def find_glitches(motion: Motion, skipped: int = 0) -> list[Glitch]:
    """Return the jumps, spikes and frozen stretches of one recording at the file's rate.

    Args:
        motion: one clip.
        skipped: frames of the file that come before it.
    """
    positions = motion.positions[0]
    if len(positions) < 8:
        return []
    names = motion.rig.joint_names
    glitches = []
    size = float(np.median(np.linalg.norm(np.ptp(positions, axis=1), axis=-1)))
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=-1)
    mean = steps.mean(1)
    usual = float(np.percentile(mean[FIRST:], 99))
    jumping = [t for t in range(FIRST) if mean[t] > JUMP * usual and mean[t] > 0.01 * size]
    for t in jumping:
        glitches.append(Glitch("jump", t + 1 + skipped, names[int(steps[t].argmax())], float(mean[t])))
    first = jumping[-1] + 1 if jumping else 0
    inner = positions[first:]
    off = np.linalg.norm(inner[1:-1] - (inner[:-2] + inner[2:]) / 2, axis=-1)
    around = ndimage.median_filter(off, size=(11, 1), mode="mirror")
    beside = ndimage.maximum_filter(off, footprint=[[1], [0], [1]], mode="mirror")
    # A frame beside a spike lies half as far off the line to it.
    spiky = np.where((off > SPIKE_SHARE * size) & (off > SPIKE * around) & (off > SHADOW * beside), off, 0)
    for t in np.flatnonzero(spiky.any(1)).tolist():
        joint = int(spiky[t].argmax())
        glitches.append(Glitch("spike", t + 1 + first + skipped, names[joint], float(spiky[t, joint])))
    same = steps.max(1) < SAME * size
    if same.mean() < 0.5:  # a take of somebody who does nothing is no dropout
        edges = np.flatnonzero(np.diff(np.concatenate([[0], same.astype(np.int8), [0]])))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            if stop - start >= FROZEN:
                glitches.append(Glitch("frozen", int(start) + skipped, "", frames=int(stop - start) + 1))
    return glitches


def glitch_notes(glitches: Sequence[Glitch], file: str | PurePath) -> list[Note]:
    """Return one note for each kind of a file's glitches."""
    notes = []
    jumps = [glitch for glitch in glitches if glitch.kind == "jump"]
    if jumps:
        last = jumps[-1]
        text = (
            f"frame {last.frame} lies {as_length(last.metres)} from the one before on average "
            f"({last.joint} most): --skip-frames {last.frame} drops it"
        )
        notes.append(Note(f"jump {file}", text, last.metres))
    spikes = [glitch for glitch in glitches if glitch.kind == "spike"]
    if spikes:
        worst = sorted(spikes, key=lambda glitch: -glitch.metres)[:SHOWN]
        by_frame = sorted(worst, key=lambda glitch: glitch.frame)
        where = ", ".join(f"{each.frame} ({each.joint} {as_length(each.metres)})" for each in by_frame)
        more = f" and {len(spikes) - len(worst)} more" if len(spikes) > len(worst) else ""
        text = f"joints leave their path for single frames: {where}{more}"
        notes.append(Note(f"spike {file}", text, worst[0].metres))
    frozen = [glitch for glitch in glitches if glitch.kind == "frozen"]
    if frozen:
        longest = max(frozen, key=lambda glitch: glitch.frames)
        text = f"nothing moves for {longest.frames} frames from {longest.frame} on: a gap in the capture?"
        more = f" ({len(frozen)} such stretches)" if len(frozen) > 1 else ""
        notes.append(Note("frozen", text + more, longest.frames))
    return notes


def recording_notes(take: Motion, file: str, glitches: Sequence[Glitch]) -> list[Note]:
    """Return notes on what is odd about a recording of whatever format.

    Args:
        take: one clip at the file's own rate.
        file: its name.
        glitches: what `find_glitches` found in it.
    """
    notes = glitch_notes(glitches, file)
    rig = take.rig
    flat = [joint for joint, offset in zip(rig.joint_names[1:], rig.offsets[1:], strict=True) if not offset.any()]
    if flat:
        text = f"joints of zero length: {first_few(flat, 4)}; harmless unless a foot is among them"
        notes.append(Note("zero", text, len(flat)))
    return notes
