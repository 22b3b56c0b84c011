"""The path's metrics, against a filter written out and against roots whose error is known."""

import numpy as np
import pytest
from helpers.walking import as_trajectory, walk
from scipy.ndimage import gaussian_filter1d

from rae_bench.kinematics import quat
from rae_bench.metrics import evaluate, evaluate_clips
from rae_bench.metrics.path import low_pass, path_velocity
from rae_bench.motion.course import SMOOTHING
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.keyframes import keyframe_objectives

FRAMES = 150


def _moved(motion: Motion, offset: np.ndarray, turn: np.ndarray | None = None) -> Motion:
    """The root carried by `offset` (T, 3) metres and turned by `turn` (T,) radians."""
    q = motion.rotations.copy()
    if turn is not None:
        q[:, :, 0] = quat.mul(quat.from_yaw(turn).astype(np.float32), q[:, :, 0])
    root = motion.root_positions + offset
    return make_motion(motion.rig, motion.fps, root, q, lengths=motion.lengths, contacts=motion.contacts)


def _values(generated: Motion, truth: Motion) -> dict[str, float]:
    return evaluate(as_trajectory(generated), truth, keyframe_objectives(truth))


def _turning(speed: float = 1.2, frames: int = FRAMES) -> Motion:
    """Bodies whose roots go round corners: their paths change direction."""
    base = walk(3, frames)
    time = np.arange(frames) / 30
    place = np.stack([np.sin(speed * time), 0 * time, 1 - np.cos(speed * time)], -1)
    still = base.root_positions * np.array([0, 1, 0])
    return make_motion(base.rig, 30, still + place, base.rotations, contacts=base.contacts)


def test_the_truth_scores_exactly_zero() -> None:
    truth = _turning()
    values = _values(truth, truth)
    assert values["path_error"] == 0
    assert values["path_heading_error"] == pytest.approx(0, abs=1e-5)
    assert values["response_lag"] == 0


def test_the_filter_is_the_gaussian_of_half_a_second() -> None:
    values = np.random.default_rng(0).standard_normal((2, 40, 2))
    before = np.zeros((2, 90, 2))
    after = np.repeat(values[:, -1:], 90, 1)
    expected = gaussian_filter1d(np.concatenate([before, values, after], 1), SMOOTHING * 30, axis=1, truncate=4)
    assert low_pass(values, 30) == pytest.approx(expected[:, 90:130], abs=1e-12)


def test_a_constant_drift_is_measured_and_the_stride_is_not() -> None:
    truth = walk(3, FRAMES)
    time = np.arange(FRAMES) / 30
    away = 0.3 * time[:, None] * np.array([0.6, 0, 0.8])
    drifted = _values(_moved(truth, away), truth)["path_error"]
    # The drift of 30 cm/s, averaged over 5 s; the last half second is smoothed toward its end.
    assert drifted == pytest.approx(100 * np.mean(np.linalg.norm(away, axis=-1)), rel=0.02)
    sway = 0.1 * np.sin(2 * np.pi * 2 * time)[:, None] * np.array([1, 0, 0])
    assert _values(_moved(truth, sway), truth)["path_error"] < 0.5
    assert _values(_moved(truth, np.full((FRAMES, 3), [0, 0.3, 0])), truth)["path_error"] == pytest.approx(0, abs=1e-4)


def test_standing_still_misses_the_path() -> None:
    truth = walk(3, FRAMES)
    still = make_motion(
        truth.rig, 30, np.repeat(truth.root_positions[:, :1], FRAMES, 1), truth.rotations, contacts=truth.contacts
    )
    assert _values(still, truth)["path_error"] > 100


def test_heading_is_measured_in_degrees_and_past_half_a_turn() -> None:
    truth = walk(3, FRAMES)
    ramp = np.minimum(np.arange(FRAMES) / 30, 1)  # turns for a second, then stays
    nothing = np.zeros((FRAMES, 3))
    for degrees in (40, 170):
        turned = _moved(truth, nothing, np.radians(degrees) * ramp)
        expected = degrees * low_pass(ramp[None, :, None], 30).mean()
        clips = evaluate_clips(as_trajectory(turned), truth, keyframe_objectives(truth))["path_heading_error"]
        assert clips == pytest.approx([expected] * 3, rel=0.01)
    whole = _values(_moved(truth, nothing, 2 * np.pi * ramp), truth)["path_heading_error"]
    assert whole < 60  # a whole turn too many faces as it should


@pytest.mark.parametrize("frames", [6, 15, 20])
def test_lag_is_what_the_root_comes_late_by(frames: int) -> None:
    truth = _turning(frames=220)
    late = np.maximum(np.arange(220) - frames, 0)
    generated = make_motion(
        truth.rig, 30, truth.root_positions[:, late], truth.rotations[:, late], contacts=truth.contacts
    )
    assert _values(generated, truth)["response_lag"] == pytest.approx(1000 * frames / 30, abs=25)
    early = np.minimum(np.arange(220) + 6, 219)
    ahead = make_motion(
        truth.rig, 30, truth.root_positions[:, early] + truth.root_positions[:, :1] - truth.root_positions[:, 6:7],
        truth.rotations, contacts=truth.contacts,
    )  # fmt: skip
    assert _values(ahead, truth)["response_lag"] == pytest.approx(-200, abs=40)


def test_no_lag_where_the_path_does_not_change() -> None:
    straight = walk(3, FRAMES)
    assert "response_lag" not in _values(straight, straight)
    both = np.concatenate([straight.root_positions, _turning().root_positions])
    q = np.concatenate([straight.rotations, _turning().rotations])
    mixed = make_motion(straight.rig, 30, both, q)
    clips = evaluate_clips(as_trajectory(mixed), mixed, keyframe_objectives(mixed))["response_lag"]
    assert np.isnan(clips[:3]).all()
    assert (clips[3:] == 0).all()


def test_the_path_goes_on_at_its_ends_as_it_came() -> None:
    truth = walk(3, FRAMES)
    speed = np.linalg.norm(path_velocity(truth), axis=-1)
    steady = np.linalg.norm(np.diff(truth.root_positions[..., [0, 2]], axis=1), axis=-1) * 30
    assert speed == pytest.approx(steady, rel=0.02)
