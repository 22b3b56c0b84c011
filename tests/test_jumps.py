"""Jumps at the start of a file and single-frame spikes: found by frame where they were put, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rae_bench.data.bvh import read_bvh
from rae_bench.data.jumps import jumps_and_spikes
from rae_bench.kinematics import quat
from rae_bench.motion import Motion, make_motion
from rae_bench.rig import make_rig


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


def test_smooth_motion_is_not_noticed() -> None:
    assert jumps_and_spikes(swing(), "f") == []
    assert jumps_and_spikes(swing(5, jump=1), "f") == []


@pytest.mark.parametrize("jump", [1, 2])
def test_a_jump_at_the_start(jump: int) -> None:
    notes = jumps_and_spikes(swing(jump=jump), "f")
    assert len(notes) == 1
    assert f"frame {jump} lies 50 cm from the one before" in notes[0].text
    assert f"--skip-frames {jump} " in notes[0].text


@pytest.mark.parametrize("frame", [30, 31, 118])
def test_a_spike_by_frame_and_joint(frame: int) -> None:
    note = jumps_and_spikes(swing(spike=frame), "f")[0]
    assert note.kind == "spike f"
    assert f" {frame} (tip 4" in note.text  # a radian of a half-metre bone: 48 cm
    assert f" {frame + 7} (tip" in jumps_and_spikes(swing(spike=frame), "f", skipped=7)[0].text


def test_a_real_dog_whose_first_frames_jump(recordings: Path) -> None:
    motion = read_bvh(recordings / "dog_labrador" / "dog_back_001.bvh")
    notes = jumps_and_spikes(motion, "f")
    assert "--skip-frames 2 " in notes[0].text  # its README: the first two frames jump
    steps = np.linalg.norm(np.diff(motion.positions[0, :10], axis=0), axis=-1).mean(1)
    assert steps[1] > 5 * steps[2:].max()
    assert not any(note.kind.startswith("jump") for note in jumps_and_spikes(motion.cut(2), "f"))
