"""Local phases of contact patterns whose phase is known."""

import numpy as np
import pytest
from scipy import signal

from rae_bench.data.generators.locomotion.locomotion import generate_locomotion
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.objectives.phases import WINDOW, butterworth, fit_phases, local_phases, there_and_back
from rae_bench.rigs.file import load_rig
from rae_bench.rigs.rig import ROLES

FPS = 30.0


def square(period: float, frames: int, duty: float = 0.5, offset: float = 0.0) -> np.ndarray:
    """(1, T, 1) contact in the first `duty` of each period of seconds."""
    return ((np.arange(frames) / FPS / period + offset) % 1 < duty).astype(np.float32)[None, :, None]


def fitted(contacts: np.ndarray, past_only: bool = False) -> np.ndarray:
    """(N, T, K, 2) with all speeds 1."""
    lengths = np.full(len(contacts), contacts.shape[1])
    return fit_phases(contacts, np.ones_like(contacts), lengths, FPS, past_only=past_only)


@pytest.mark.parametrize("period", [0.4, 0.5, 0.6, 0.8, 1.0])
@pytest.mark.parametrize("past_only", [False, True])
def test_square_wave_has_its_frequency(period: float, past_only: bool) -> None:
    """Over whole cycles the phase advances at 1 / T, within 2 %, and frame by frame it does not run backwards."""
    frames = 301
    pair = fitted(square(period, frames), past_only)[0, 40:-40, 0]
    phase = np.unwrap(np.arctan2(pair[:, 0], pair[:, 1])) / (2 * np.pi)
    seconds = (len(phase) - 1) / FPS
    assert (phase[-1] - phase[0]) / seconds == pytest.approx(1 / period, rel=0.02)
    advance = np.diff(phase) * FPS * period
    # From the past alone a window that holds one period does not tell where within it the signal will turn next.
    assert advance.min() > (-0.5 if past_only and period >= WINDOW else 0)
    assert advance.mean() == pytest.approx(1, rel=0.02)


def test_phase_says_where_in_the_cycle() -> None:
    """The middle of a stance is a quarter of the sine's cycle: sin 1, cos 0."""
    pair = fitted(square(0.8, 241))[0, :, 0]
    phase = np.arctan2(pair[:, 0], pair[:, 1]) / (2 * np.pi) % 1
    middle = np.flatnonzero(np.abs((np.arange(241) / FPS / 0.8) % 1 - 0.25) < 0.01)
    middle = middle[(middle > 30) & (middle < 210)]
    assert len(middle) > 2
    np.testing.assert_allclose(phase[middle], 0.25, atol=0.05)


def test_amplitude_is_that_of_the_wave_times_the_speed() -> None:
    contacts = square(0.5, 121)
    speeds = np.full_like(contacts, 3.0)
    pair = fit_phases(contacts, speeds, np.array([121]), FPS, past_only=False)
    size = np.linalg.norm(pair, axis=-1)[0, 30:-30, 0]
    np.testing.assert_allclose(size, 3, rtol=0.15)


@pytest.mark.parametrize("past_only", [False, True])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constant_contact_has_no_phase(past_only: bool, value: float) -> None:
    pair = fitted(np.full((2, 50, 3), value, np.float32), past_only)
    assert (pair == 0).all()


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_short_clips_are_finite(frames: int) -> None:
    assert np.isfinite(fitted(square(0.5, frames))).all()
    assert np.isfinite(fitted(square(0.5, frames), past_only=True)).all()


def test_past_only_does_not_look_ahead() -> None:
    window = round(WINDOW * FPS)
    contacts = square(0.6, 120)
    changed = contacts.copy()
    at = 70
    changed[:, at + 1 :] = 1 - changed[:, at + 1 :]
    before, after = fitted(contacts, past_only=True), fitted(changed, past_only=True)
    np.testing.assert_array_equal(before[:, window : at + 1], after[:, window : at + 1])
    assert np.abs(before - after)[:, at + 1 :].max() > 0.1
    centred = np.abs(fitted(contacts) - fitted(changed))
    assert centred[:, at - 5 : at + 1].max() > 0.1  # the other kind does, or this test would show nothing


@pytest.fixture(scope="module")
def walk() -> Motion:
    return generate_locomotion(load_rig("quad"), clips=6, seconds=3.0).motion


@pytest.mark.parametrize("history", [20, 30, 45])
def test_the_cut_history_gives_the_phase_of_its_last_frame(walk: Motion, history: int) -> None:
    """What a prompt holds is what training on whole clips saw."""
    whole = local_phases(walk, past_only=True)
    alone = local_phases(walk.cut(0, history), past_only=True)
    if history >= round(WINDOW * FPS):
        np.testing.assert_allclose(alone[:, -1], whole[:, history - 1], atol=1e-5)
    assert np.isfinite(alone).all()


def test_only_limbs_with_contacts_have_phases(walk: Motion) -> None:
    phases = local_phases(walk)
    feet = [ROLES.index(role) for role in ("left_hand", "right_hand", "left_foot", "right_foot")]
    assert phases.shape == (6, 90, 8, 2)
    assert np.abs(phases[:, :, feet]).max() > 0.1
    assert not np.delete(phases, feet, axis=2).any()


def test_clips_do_not_touch_each_other(walk: Motion) -> None:
    """A shorter clip's padding and its neighbours in the batch leave its phases as they are."""
    short = walk[[0]].cut(0, 70)
    padded = make_motion(
        walk.rig,
        FPS,
        walk.root_positions[:2],
        walk.rotations[:2],
        lengths=np.array([70, 90]),
        contacts=walk.contacts[:2],
    )
    np.testing.assert_allclose(local_phases(padded)[0, :70], local_phases(short)[0], atol=1e-5)


@pytest.mark.parametrize(("cutoff", "window", "padding"), [(4 / 15, 30, 9), (0.05, 5, 4), (0.99, 60, 9), (0.5, 1, 0)])
def test_the_filter_is_that_of_scipy(cutoff: float, window: int, padding: int) -> None:
    b, a = butterworth(cutoff)
    np.testing.assert_allclose((b, a), signal.butter(3, cutoff), atol=1e-14)
    x = np.random.default_rng(0).normal(size=(7, window, 2))
    expected = signal.filtfilt(b, a, x, axis=1, padlen=padding)
    np.testing.assert_allclose(there_and_back(b, a, x, padding), expected, atol=1e-10)
