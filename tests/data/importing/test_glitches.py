"""Jumps, single-frame spikes and frozen frames: found by frame where they were put, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rae_bench.data.formats.bvh import read_bvh
from rae_bench.data.formats.take import Note
from rae_bench.data.importing.glitches import Glitch, find_glitches, glitch_notes
from rae_bench.kinematics import quat
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.rigs.rig import make_rig


def swing(frames: int = 120, jump: int = 0, spike: int | None = None) -> Motion:
    """Two bones that swing and travel; the first `jump` frames lie half a metre aside, one frame's elbow is bent."""
    rig = make_rig("a", [("top", None, [0, 0, 0]), ("mid", "top", [0, -0.5, 0]), ("tip", "mid", [0, -0.5, 0])], {})
    time = np.arange(frames) / 60
    angle = np.stack([np.sin(3 * time), np.cos(4 * time), 0 * time], -1)
    if spike is not None:
        angle[spike, 1] += 1.0
    root = np.stack([time, 1 + 0 * time, 0 * time], -1)
    root[:jump, 2] += 0.5
    rotations = quat.from_axis_angle(np.array([0, 0, 1.0]), angle)
    return make_motion(rig, 60, root[None], rotations[None], contacts=np.zeros((1, frames, 0)))


def notes_on(motion: Motion, skipped: int = 0) -> list[Note]:
    return glitch_notes(find_glitches(motion, skipped), "f")


def test_smooth_motion_has_no_glitch() -> None:
    assert notes_on(swing()) == []
    assert notes_on(swing(5, jump=1)) == []


@pytest.mark.parametrize("jump", [1, 2])
def test_a_jump_at_the_start(jump: int) -> None:
    notes = notes_on(swing(jump=jump))
    assert len(notes) == 1
    assert f"frame {jump} lies 50.2 cm from the one before" in notes[0].text
    assert f"--skip-frames {jump} " in notes[0].text


@pytest.mark.parametrize("frame", [30, 31, 118])
def test_a_spike_by_frame_and_joint(frame: int) -> None:
    note = notes_on(swing(spike=frame))[0]
    assert note.kind == "spike f"
    assert f" {frame} (tip 4" in note.text  # a radian of a half-metre bone: 48 cm
    assert f" {frame + 7} (tip" in notes_on(swing(spike=frame), skipped=7)[0].text


def test_frames_that_repeat() -> None:
    motion = swing()
    order = np.concatenate([np.arange(40), np.full(5, 40), np.arange(45, 120)])
    frozen = make_motion(
        motion.rig, 60, motion.root_positions[:, order], motion.rotations[:, order], contacts=np.zeros((1, 120, 0))
    )
    events = find_glitches(frozen, skipped=2)
    assert Glitch("frozen", 42, "", frames=5) in events
    text = next(note.text for note in glitch_notes(events, "f") if note.kind == "frozen")
    assert "nothing moves for 5 frames from 42 on" in text
    still = make_motion(
        motion.rig,
        60,
        motion.root_positions[:, order * 0],
        motion.rotations[:, order * 0],
        contacts=np.zeros((1, 120, 0)),
    )
    assert find_glitches(still) == []


def test_a_real_dog_whose_first_frames_jump(recordings: Path) -> None:
    motion = read_bvh(recordings / "dog_labrador" / "dog_back_001.bvh")
    notes = notes_on(motion)
    assert "--skip-frames 2 " in notes[0].text  # its README: the first two frames jump
    steps = np.linalg.norm(np.diff(motion.positions[0, :10], axis=0), axis=-1).mean(1)
    assert steps[1] > 5 * steps[2:].max()
    assert not any(note.kind.startswith("jump") for note in notes_on(motion.cut(2)))
