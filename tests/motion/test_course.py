"""The course: smooth, straight where the motion is, and no sign of the steps."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.walking import noisy, walk

from rae_bench.motion.course import course_of, frames_ahead
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.rigs.file import load_rig


def carried(x: np.ndarray, z: np.ndarray, yaw: np.ndarray, fps: float = 30.0) -> Motion:
    """One clip of a rest pose that is carried along (T,)."""
    from rae_bench.kinematics import quat

    rig = load_rig("r4")
    turns = np.tile(rig.rest, (1, len(x), 1, 1))
    turns[0, :, 0] = quat.mul(quat.from_yaw(yaw), turns[0, :, 0])
    root = np.stack([x, np.full_like(x, rig.rest_global[0][0, 1]), z], -1)[None]
    return make_motion(rig, fps, root, turns)


def test_a_straight_walk_stays_one_and_goes_on_after_its_end() -> None:
    t = np.arange(90) / 30
    course = course_of(carried(0.5 * t, 1.2 * t, np.full_like(t, 0.3)))[0]
    ahead = np.arange(90 + frames_ahead(30)) / 30
    pelvis = course[0, :2]
    np.testing.assert_allclose(course[:, 0] - pelvis[0], 0.5 * ahead, atol=1e-4)
    np.testing.assert_allclose(course[:, 1] - pelvis[1], 1.2 * ahead, atol=1e-4)
    np.testing.assert_allclose(course[:, 2], 0.3, atol=1e-4)


def test_sway_at_the_rate_of_steps_is_gone() -> None:
    t = np.arange(240) / 30
    course = course_of(carried(0.1 * np.sin(2 * np.pi * 1.0 * t), 1.2 * t, np.zeros_like(t)))[0, :240]
    assert np.abs(course[60:180, 0]).max() < 0.1 * 0.01  # a Gaussian of 0.5 s leaves exp(-2 (0.5 pi)^2) of 1 Hz


def test_turning_on_and_on_has_no_jump() -> None:
    t = np.arange(150) / 30
    course = course_of(carried(0 * t, 0 * t, 4 * t))[0]
    np.testing.assert_allclose(np.diff(course[:, 2]), 4 / 30, atol=1e-4)


def test_padding_and_other_clips_do_not_enter() -> None:
    motion = noisy(walk(3, 80, seed=2), 1.0)
    short = make_motion(
        motion.rig, motion.fps, motion.root_positions, motion.rotations, lengths=np.array([80, 50, 1]),
        contacts=motion.contacts,
    )  # fmt: skip
    course = course_of(short)
    alone = course_of(short[[1]].cut(0, 50))
    np.testing.assert_allclose(course[1, : 50 + frames_ahead(30)], alone[0], atol=1e-6)
    assert course[2] == pytest.approx(np.broadcast_to(course[2, :1], course[2].shape))
    assert np.isfinite(course).all()
