"""NPSS: do the joints swing at the right frequencies, whatever the moment? (Gopalakrishnan et al. 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rae_bench.metrics.base import MetricInfo, Sums

if TYPE_CHECKING:
    from rae_bench.motion import Motion
    from rae_bench.objectives import Objectives


def power(signals: np.ndarray) -> np.ndarray:
    """|DFT over time|^2 of (N, T, D), (N, T, D): all T frequencies, the negative ones too."""
    # numpy's transform computes in float64 before its version 2.
    from scipy.fft import rfft

    frames = signals.shape[1]
    half = rfft(signals, axis=1)
    half = half.real**2 + half.imag**2
    return np.concatenate([half, half[:, 1 : (frames + 1) // 2][:, ::-1]], 1)


def real_power(signals: np.ndarray) -> np.ndarray:
    """LaFAN1's own: the real part only. A sine and a cosine of one frequency then differ."""
    return np.fft.fft(signals, axis=1).real ** 2


def spectral_distance(generated: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Earth mover's distance between normalised power spectra, in bins, and the truth's power, both (N, D).

    A channel without power is constant: all that it has sits at frequency 0.

    Args:
        generated, truth: (N, T, D) power.
    """
    shares = [_share(spectrum) for spectrum in (generated, truth)]
    return np.abs(np.cumsum(shares[0] - shares[1], axis=1)).sum(1), truth.sum(1)


def _share(spectrum: np.ndarray) -> np.ndarray:
    total = spectrum.sum(1, keepdims=True)
    share = spectrum / np.where(total > 0, total, 1)
    share[:, :1] += total == 0
    return share


def npss(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Spectral distance of the joints' rotations to their parents, weighted by the truth's power.

    Channels are quaternion components, continuous over time; their power does not depend on the sign of the whole. The
    root's rotation is taken relative to its heading, so that it does not matter where north is.
    """
    totals, weights = np.zeros((2, len(truth), 1))
    for length in np.unique(truth.lengths[truth.lengths > 0]):
        clips = np.flatnonzero(truth.lengths == length)
        spectra = [power(_channels(motion, clips, int(length))) for motion in (generated, truth)]
        distance, weight = spectral_distance(*spectra)
        totals[clips, 0] = (distance * weight).sum(1, dtype=np.float64)
        weights[clips, 0] = weight.sum(1, dtype=np.float64)
    return Sums(totals, weights)


def _channels(motion: Motion, clips: np.ndarray, length: int) -> np.ndarray:
    """(N, T, 4 J) float32."""
    from rae_bench.kinematics import quat

    root = int(np.flatnonzero(motion.rig.parents < 0)[0])
    rotations = motion.rotations[clips, :length]
    facing = motion.root.rotation[clips, :length]
    rotations[:, :, root] = quat.continuous(quat.mul(quat.inverse(facing), rotations[:, :, root]), axis=1)
    return rotations.reshape(len(clips), length, -1)


METRICS = (
    MetricInfo(
        "npss",
        "",
        "lower",
        "reconstruction",
        False,
        "Gopalakrishnan et al. 2019",
        "earth mover's distance between power spectra of joint rotations, weighted by the truth's power",
        npss,
    ),
)
