"""NPSS: do the joints swing at the right frequencies, at whatever time? (Gopalakrishnan et al. 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rae_bench.metrics.base import MetricInfo, Sums

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion
    from rae_bench.objectives.objectives import Objectives


def power(signals: np.ndarray) -> np.ndarray:
    """Return |DFT|^2 over the last axis of real signals (..., T), at frequencies 0 to T // 2: (..., T // 2 + 1)."""
    # numpy's transform computes in float64 before its version 2.
    from scipy.fft import rfft

    spectrum = rfft(signals)
    return spectrum.real**2 + spectrum.imag**2


def real_power(signals: np.ndarray) -> np.ndarray:
    """Return LaFAN1's power, of the real part only, so that a sine and a cosine of one frequency differ."""
    from scipy.fft import rfft

    return rfft(signals).real ** 2


def spectral_distance(generated: np.ndarray, truth: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the earth mover's distance between normalised power spectra, in bins, and the truth's power, both (...).

    The distance is over all T frequencies as published, with the negative ones, which mirror the others. A channel
    without power is constant and counts as if all its power were at frequency 0.

    Args:
        generated, truth: (..., T // 2 + 1) power.
        frames: T.
    """
    totals = [_total(spectrum, frames) for spectrum in (generated, truth)]
    shares = [_share(spectrum, total) for spectrum, total in zip((generated, truth), totals, strict=True)]
    difference = np.subtract(*shares)
    up = np.cumsum(difference, axis=-1)
    # On the way down from the highest frequency, as much is left out as was gained on the way up.
    down = up[..., : (frames - 1) // 2] - difference[..., :1]
    return np.abs(up).sum(-1) + np.abs(down).sum(-1), totals[1]


def _total(spectrum: np.ndarray, frames: int) -> np.ndarray:
    """Return the power over all T frequencies of a half spectrum."""
    return spectrum.sum(-1) + spectrum[..., 1 : (frames + 1) // 2].sum(-1)


def _share(spectrum: np.ndarray, total: np.ndarray) -> np.ndarray:
    share = spectrum / np.where(total > 0, total, 1)[..., None]
    share[..., 0] += total == 0
    return share


def npss(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Return the spectral distance of the parent-relative joint rotations, weighted by the truth's power.

    Channels are quaternion components, continuous over time; their power does not depend on the quaternion's sign. The
    root's rotation is taken relative to its heading, so the direction of north does not matter.
    """
    totals, weights = np.zeros((2, len(truth), 1))
    for length in np.unique(truth.lengths[truth.lengths > 0]):
        clips = np.flatnonzero(truth.lengths == length)
        made, true = (power(_channels(motion, clips, int(length))) for motion in (generated, truth))
        distance, weight = spectral_distance(made, true, int(length))
        totals[clips, 0] = (distance * weight).sum(1, dtype=np.float64)
        weights[clips, 0] = weight.sum(1, dtype=np.float64)
    return Sums(totals, weights)


def _channels(motion: Motion, clips: np.ndarray, length: int) -> np.ndarray:
    """Return the channels of clips of one length, (N, 4 J, T) float32."""
    from rae_bench.kinematics import quat

    root = int(np.flatnonzero(motion.rig.parents < 0)[0])
    rotations = motion.rotations[clips, :length]
    facing = motion.root.rotation[clips, :length]
    rotations[:, :, root] = quat.continuous(quat.mul(quat.inverse(facing), rotations[:, :, root]), axis=1)
    return np.ascontiguousarray(rotations.reshape(len(clips), length, -1).swapaxes(1, 2))


METRICS = (
    MetricInfo(
        name="npss", label="NPSS", unit="", digits=3, direction="lower", category="reconstruction",
        source="Gopalakrishnan et al. 2019",
        description="earth mover's distance between power spectra of joint rotations, weighted by the truth's power",
        measure=npss,
    ),
)
