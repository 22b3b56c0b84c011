"""Local motion phases: where each limb stands in its own contact cycle.

After Starke et al. 2020 ("Local Motion Phases for Learning Multi-Contact Character Movements",
doi:10.1145/3386569.3392450, section 4): each contact signal is centred on its local mean and low-pass filtered, and in
a window around every frame the sinusoid A sin(2 pi (F t - S)) + B that fits it best gives the phase. Their evolutionary
search is replaced by least squares over a grid of frequencies, which is deterministic and one matrix product for all
frames. A hand's contact is its target, as in the thesis.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from rae_bench.motion.motion import Motion
from rae_bench.objectives.objectives import TARGET, Objectives, key_transforms, slot_contacts

FREQUENCIES = np.geomspace(0.4, 4.0, 64)
"""Hz; neighbours are 3.7 % apart, so the nearest lies within 1.9 %."""
WINDOW = 1.0
"""Seconds of signal behind a fit; as long as the history that a model is given."""
CUTOFF = 4.0
"""Hz of the low-pass filter."""
CHUNK = 4096
"""Rows that are fitted at a time, so that (rows, frequencies) stays in the cache."""
TOUCH = 0.1 / 1.75
"""Rig heights from its target at which a hand touches it: the thesis' 0.1 m on a person."""
RIDGE = 0.02
"""Keeps the amplitude of slow sinusoids bounded where the window holds less than a period."""


def local_phases(motion: Motion, objectives: Objectives | None = None, *, past_only: bool = False) -> np.ndarray:
    """Return the phase vectors a (sin 2 pi phi, cos 2 pi phi) of all role slots.

    The amplitude a is that of the fitted sinusoid (1 for a square wave) times the joint's largest speed in the window,
    in rig heights a second. A role is in contact while a contact joint of it stands, or while it touches its target.
    Slots that have neither, and limbs that stay in one contact state, are zero.

    Args:
        motion: N clips, T frames.
        objectives: of the same frames or more; the targets among them count. None where there are none.
        past_only: fit frame t to frames up to t alone (the first second shares one window); otherwise the window is
            centred.

    Returns:
        (N, T, 8, 2) float32.
    """
    rig, fps = motion.rig, motion.fps
    contacts = slot_contacts(motion.contacts, rig)
    keys = key_transforms(motion.positions, motion.global_rotations, rig)[0]
    speed = np.linalg.norm(np.diff(keys, axis=1, prepend=keys[:, :1]), axis=-1) * (fps / rig.height)
    if objectives is not None:
        contacts = contacts | touches(keys, objectives, TOUCH * rig.height)
    phases = np.zeros((*contacts.shape, 2), np.float32)
    slots = np.flatnonzero(contacts.any((0, 1)))  # a slot that is never in contact has no phase
    if not len(slots):
        return phases
    stands = contacts[..., slots].astype(np.float32)
    fitted = fit_phases(stands, speed[..., slots], motion.lengths, fps, past_only=past_only)
    phases[:, :, slots] = fitted
    return phases


def touches(keys: np.ndarray, objectives: Objectives, radius: float) -> np.ndarray:
    """Return whether key joints touch their targets, (N, T, 8) bool.

    Row t - 1 of the objectives says what frame t was to reach. So a touch is known as soon as its frame is there.

    Args:
        keys: (N, T, 8, 3) metres, positions of the key joints.
        objectives: of the same frames or more.
        radius: metres at which a joint touches its target.
    """
    frames = keys.shape[1]
    row = np.maximum(np.arange(frames) - 1, 0)
    near = np.linalg.norm(keys - objectives.positions[:, row], axis=-1) <= radius
    return near & (objectives.kinds[:, row] == TARGET)


def fit_phases(
    contacts: np.ndarray, speeds: np.ndarray, lengths: np.ndarray, fps: float, *, past_only: bool
) -> np.ndarray:
    """Return the phase vectors (N, T, K, 2) of K contact signals, as `local_phases` describes them.

    Args:
        contacts: (N, T, K) from 0 to 1.
        speeds: (N, T, K) speeds of the joints.
        lengths: (N,) real frames.
        fps: frames per second.
        past_only: see `local_phases`.
    """
    frames = contacts.shape[1]
    window = min(round(WINDOW * fps), frames)
    start = np.arange(frames) - (window - 1 if past_only else window // 2)
    start = np.clip(start, 0, np.maximum(np.asarray(lengths)[:, None] - window, 0))
    offset = np.arange(frames) - start

    taps = np.lib.stride_tricks.sliding_window_view(contacts, window, axis=1)
    clip = np.arange(len(contacts))[:, None]
    y = taps[clip, start]
    y = y - y.mean(-1, keepdims=True)
    basis, solve = _fits(window, float(fps))
    rows = y.reshape(-1, window)
    best = np.empty(len(rows), int)
    pair = np.empty((len(rows), 2), np.float32)
    for begin in range(0, len(rows), CHUNK):  # keeps (rows, frequencies) within the cache
        part = rows[begin : begin + CHUNK]
        coefficients = (part @ solve).reshape(len(part), -1, 2)
        explained = (coefficients * (part @ basis).reshape(coefficients.shape)).sum(-1)
        best[begin : begin + CHUNK] = pick = explained.argmax(-1)
        pair[begin : begin + CHUNK] = coefficients[np.arange(len(part)), pick]
    a, b = pair.T.reshape(2, *y.shape[:-1])
    turn = 2 * np.pi * FREQUENCIES[best].reshape(a.shape) * offset[..., None] / fps

    top = np.lib.stride_tricks.sliding_window_view(speeds, window, axis=1)[clip, start].max(-1)
    # The fundamental of a square wave that swings by +-1/2 has amplitude 2 / pi.
    size = np.minimum(np.hypot(a, b) * np.pi / 2, 1) * top
    phi = turn + np.arctan2(b, a)
    return (size[..., None] * np.stack([np.sin(phi), np.cos(phi)], -1)).astype(np.float32)


@lru_cache(maxsize=16)
def _fits(window: int, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the low-passed sine and cosine of every frequency, and the ridge solution of the fit to them.

    Args:
        window: W frames of signal.
        fps: frames per second.

    Returns:
        Two arrays (W, 2 F) for F frequencies.
    """
    t = np.arange(window) / fps
    angle = 2 * np.pi * FREQUENCIES[:, None] * t
    pair = np.stack([np.sin(angle), np.cos(angle)], -1)
    pair = pair - pair.mean(1, keepdims=True)
    gram = np.einsum("fti,ftj->fij", pair, pair) + RIDGE * window * np.eye(2)
    solve = np.einsum("fti,fij->ftj", pair, np.linalg.inv(gram))
    # Filtering the signal equals filtering what it is projected on, once instead of for every frame.
    b, a = butterworth(min(CUTOFF / (fps / 2), 0.99))
    low = [there_and_back(b, a, m, min(window - 1, 9)) for m in (pair, solve)]
    flat = [m.transpose(1, 0, 2).reshape(window, -1).astype(np.float32) for m in low]
    return flat[0], flat[1]


def butterworth(cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """Return numerator and denominator (4 each) of the low-pass Butterworth filter of third order.

    The same as `scipy.signal.butter(3, cutoff)`, whose package takes 0.7 s to import, in each process of a run.

    Args:
        cutoff: where half of the power passes, as a share of half the frame rate.
    """
    k = np.tan(np.pi * cutoff / 2)  # bilinear transform of 1 / ((s + 1) (s^2 + s + 1))
    square = 1 + k + k * k
    b = np.convolve(np.array([k, k]) / (1 + k), k * k * np.array([1, 2, 1]) / square)
    a = np.convolve([1, (k - 1) / (k + 1)], np.array([square, 2 * (k * k - 1), 1 - k + k * k]) / square)
    return b, a


def there_and_back(b: np.ndarray, a: np.ndarray, x: np.ndarray, padding: int) -> np.ndarray:
    """Return signals (F, W, M) filtered along W forwards and backwards, as `scipy.signal.filtfilt` does it.

    Args:
        b, a: numerator and denominator of the filter.
        x: the signals.
        padding: samples by which they are continued at both ends, turned about the end.
    """
    order = len(a) - 1
    companion = np.eye(order, k=1)
    companion[:, 0] = -a[1:]
    rest = np.linalg.solve(np.eye(order) - companion, b[1:] - a[1:] * b[0])  # the state that a constant leaves behind

    def once(values: np.ndarray) -> np.ndarray:
        state, out = rest[:, None, None] * values[0], np.empty_like(values)
        for t, value in enumerate(values):
            out[t] = b[0] * value + state[0]
            state = np.concatenate([state[1:], np.zeros_like(state[:1])])
            state += b[1:, None, None] * value - a[1:, None, None] * out[t]
        return out

    ends = x.swapaxes(0, 1)
    before, after = 2 * ends[:1] - ends[padding:0:-1], 2 * ends[-1:] - ends[-2 : -padding - 2 : -1]
    made = once(once(np.concatenate([before, ends, after]))[::-1])[::-1]
    return made[padding : len(made) - padding].swapaxes(0, 1)
