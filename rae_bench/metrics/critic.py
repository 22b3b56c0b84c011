"""Adversarial score: can a small critic tell generated windows of motion from real ones?

A classifier two-sample test (Lopez-Paz and Oquab 2017) with a fixed recipe, small enough to be solved in closed form:

1. Each frame becomes a vector that means the same on every rig: key-joint positions and velocities in root space,
   speeds pooled over joints, the height and skating of the feet. Lengths are shares of the rig's height.
2. Half-second windows keep mean and standard deviation of that vector, and the mean of a few random ReLU features of
   it (a random one-layer convolution), which see how the parts go together.
3. A Fisher discriminant is fitted to the real and generated windows of all folds but one and scores the fold left out.
   A clip's real and generated windows share a fold.
4. The critic sees every window through Gaussian noise of a fixed share of the real windows' spread. Its discriminant is
   the best linear rule under that noise, and the area under the ROC curve is the expected one, in closed form:
   AUC = mean over pairs of Phi((s_generated - s_real) / (sqrt(2) noise |w|)).

Without the noise a constant offset of a tenth of a millimetre in something that never varies is a perfect give-away,
and every model scores 1. With it the score grows with the size of the difference, and copies score exactly 0.
AUCs are taken within folds, then averaged over folds and repeats, before the absolute value: pooling scores of
different folds biases the AUC below one half (Airola et al. 2011), and the absolute value of a noisy number is biased
upwards. What remains of that bias is what `null_interval` measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rae_bench.metrics.base import MetricInfo

if TYPE_CHECKING:
    from rae_bench.model import Trajectory
    from rae_bench.motion import Motion

WINDOW = 0.5
STRIDE = 0.25
"""Seconds."""
FOLDS = 5
REPEATS = 4
"""Critics, each with its own folds and random features, that are averaged."""
HIDDEN = 32
"""Random features a critic."""
NOISE = 3.0
"""Standard deviations of the real windows. At 3, holding a pose scores near 1, a slow error of 6 degrees 0.5."""
CLIP = 5.0
"""Standard deviations beyond which a descriptor counts no further: no single outlier sets the discriminant."""
MIN_SPREAD = 0.05
"""Heights and heights a second: spread that a descriptor is credited with even where the real motion has none."""
MIN_DESCRIPTOR_SPREAD = 0.5
"""The same for window descriptors, in standard deviations of frames."""
LAG = 0.1
"""Seconds over which speeds are taken. From frame to frame they would show little but jitter, and differ with fps."""
LOW = 0.03
"""Heights over its stance height below which a foot that moves skates."""
ACCELERATION = 0.03
"""Seconds in which an acceleration is read as a change of speed; longer makes the critic see little but jitter."""
TURNING = 0.1
"""Heights: the reach at which a joint's turning is read as a speed."""
NULL_DRAWS = 40


@dataclass(frozen=True, eq=False)
class Windows:
    """Descriptors of windows.

    Attributes:
        frames: (W, L, D) float64 frame vectors of each window.
        clips: (W,) int, the clip each window is from.
    """

    frames: np.ndarray
    clips: np.ndarray


def frame_vectors(motion: Motion, stance_height: np.ndarray) -> np.ndarray:
    """What the critic sees of each frame, (N, T, D) float64, in heights and seconds, independent of joint order.

    Args:
        stance_height: (C,) metres, height of each contact joint when it stands.
    """
    from rae_bench.kinematics import quat, velocities

    rig, fps = motion.rig, motion.fps
    height = max(rig.height, 1e-6)
    keys = rig.key_joints[rig.role_mask]
    positions = motion.positions.astype(np.float64)
    speed = _rate(positions, fps) / height
    change = _rate(speed, fps)
    local = motion.root.points_in(positions[:, :, keys]) / height
    moving = motion.root.vectors_in(speed[:, :, keys])
    turns = quat.angle(motion.rotations[:, :-1], motion.rotations[:, 1:]).mean(-1) * fps
    turns = np.concatenate([turns[:, :1], turns], 1) if turns.shape[1] else np.zeros(motion.valid.shape)
    lead = local.shape[:2]
    parts = [
        local.reshape(*lead, -1),
        moving.reshape(*lead, -1),
        np.linalg.norm(speed, axis=-1).mean(-1)[..., None],
        ACCELERATION * np.linalg.norm(change, axis=-1).mean(-1)[..., None],
        TURNING * turns[..., None],
    ]
    feet = rig.contact_joints
    if len(feet):
        above = (positions[:, :, feet, 1] - stance_height) / height
        sliding = np.linalg.norm(velocities(positions[:, :, feet], fps)[..., [0, 2]], axis=-1) / height
        skate = sliding * np.clip(1 - above / LOW, 0, 1)
        parts += [above.mean(-1)[..., None], above.min(-1)[..., None], skate.mean(-1)[..., None]]
    return np.concatenate(parts, -1)


def _rate(values: np.ndarray, fps: float) -> np.ndarray:
    """Change of (N, T, ...) over the last `LAG` seconds, per second; over what there is at a clip's beginning."""
    frame = np.arange(values.shape[1])
    before = np.maximum(frame - max(round(LAG * fps), 1), 0)
    elapsed = np.maximum(frame - before, 1) / fps
    rate = (values - values[:, before]) / elapsed.reshape(-1, *[1] * (values.ndim - 2))
    return np.concatenate([rate[:, 1:2], rate[:, 1:]], 1) if len(frame) > 1 else rate


def cut_windows(vectors: np.ndarray, lengths: np.ndarray, fps: float) -> Windows:
    """Overlapping windows of (N, T, D) within the clips' lengths; a clip that is too short repeats its last frame."""
    size, stride = max(round(WINDOW * fps), 1), max(round(STRIDE * fps), 1)
    starts = [np.arange(0, max(length - size, 0) + 1, stride) if length else np.empty(0, int) for length in lengths]
    clips = np.repeat(np.arange(len(lengths)), [len(s) for s in starts])
    if not len(clips):
        return Windows(np.zeros((0, size, vectors.shape[-1])), clips)
    frame = np.minimum(np.concatenate(starts)[:, None] + np.arange(size), np.asarray(lengths)[clips][:, None] - 1)
    return Windows(vectors[clips[:, None], frame], clips)


def _deal(windows: Windows, clips: int, rng: np.random.Generator) -> np.ndarray:
    """(clips,) fold of each clip: sorted along a random direction of what they contain, then dealt in turn.

    That depends on the clips' content and not on their order, and gives every fold some of everything.
    """
    means = np.zeros((clips, windows.frames.shape[-1]))
    np.add.at(means, windows.clips, windows.frames.mean(1))
    means /= np.maximum(np.bincount(windows.clips, minlength=clips), 1)[:, None]
    means = (means - means.mean(0)) / (means.std(0) + MIN_SPREAD)
    order = np.argsort(means @ rng.standard_normal(means.shape[1]), kind="stable")
    folds = np.empty(clips, int)
    folds[order] = np.arange(clips) % min(FOLDS, clips)
    return folds


def _scale(values: np.ndarray, real: np.ndarray, least: float) -> np.ndarray:
    """Standardised by real training values, over all axes but the last, with a least spread, and clipped."""
    flat = real.reshape(-1, real.shape[-1])
    spread = np.sqrt(flat.var(0) + least**2)
    return np.clip((values - flat.mean(0)) / spread, -CLIP, CLIP)


def _describe(frames: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """(W, 2 D + H) mean, standard deviation and mean random feature of windows (W, L, D)."""
    hidden = np.maximum(frames @ weights + bias, 0).mean(1)
    return np.concatenate([frames.mean(1), frames.std(1), hidden], -1)


def _pair_auc(real: np.ndarray, fake: np.ndarray, noise: float) -> float:
    """Chance that a generated window scores above a real one when both scores carry Gaussian `noise`."""
    from scipy.special import ndtr

    return float(ndtr((fake[:, None] - real[None, :]) / (np.sqrt(2) * max(noise, 1e-12))).mean())


def critic_auc(real: Windows, fake: Windows, clips: int, seed: int) -> float:
    """Cross-fitted AUC of the critic, the mean over folds and repeats.

    Args:
        real, fake: windows; a clip number names the same pair of clips in both.
        clips: how many pairs there are.

    Returns:
        0.5 where fewer than two clips have windows: nothing can be held out.
    """
    if clips < 2 or not len(real.clips) or not len(fake.clips):
        return 0.5
    aucs, sizes = [], []
    for repeat in range(REPEATS):
        rng = np.random.default_rng([seed, repeat])
        folds = _deal(real, clips, rng)
        width = real.frames.shape[-1]
        weights = rng.standard_normal((width, HIDDEN)) / np.sqrt(width)
        bias = rng.standard_normal(HIDDEN)
        for fold in range(folds.max() + 1):
            real_out, fake_out = folds[real.clips] == fold, folds[fake.clips] == fold
            reference = real.frames[~real_out]
            if not len(reference) or not real_out.any() or not fake_out.any() or fake_out.all():
                continue
            x_real = _describe(_scale(real.frames, reference, MIN_SPREAD), weights, bias)
            x_fake = _describe(_scale(fake.frames, reference, MIN_SPREAD), weights, bias)
            x_fake = _scale(x_fake, x_real[~real_out], MIN_DESCRIPTOR_SPREAD)
            x_real = _scale(x_real, x_real[~real_out], MIN_DESCRIPTOR_SPREAD)
            difference = x_fake[~fake_out].mean(0) - x_real[~real_out].mean(0)
            within = (np.cov(x_real[~real_out].T, bias=True) + np.cov(x_fake[~fake_out].T, bias=True)) / 2
            w = np.linalg.solve(within + NOISE**2 * np.eye(len(difference)), difference)
            aucs.append(_pair_auc(x_real[real_out] @ w, x_fake[fake_out] @ w, NOISE * float(np.linalg.norm(w))))
            sizes.append(int(real_out.sum()))
    return float(np.average(aucs, weights=sizes)) if aucs else 0.5


def _windows(motion: Motion, stance_height: np.ndarray) -> Windows:
    return cut_windows(frame_vectors(motion, stance_height), motion.lengths, motion.fps)


def critic_score(generated: Motion, truth: Motion, seed: int = 0) -> float:
    """2 |AUC - 0.5| of the critic between windows of `generated` and `truth`, clip by clip."""
    from rae_bench.motion import stance_heights

    height = stance_heights(truth.positions, truth.rig, truth.lengths)
    return 2 * abs(critic_auc(_windows(truth, height), _windows(generated, height), len(truth), seed) - 0.5)


def adversarial(trajectory: Trajectory, truth: Motion, seed: int = 0) -> dict[str, float]:
    """The adversarial score of a trajectory: 0 where the critic cannot tell it from the truth, 1 where it always can.

    Args:
        trajectory: (S, N, T, ...) frames after the history; the score is the mean over samples.
        truth: N clips of the same frames.
        seed: of the critics' folds and random features.

    Returns:
        {"adversarial_score": value}; 0 for fewer than two clips, where nothing can be held out.
    """
    from rae_bench.metrics.evaluation import samples

    return {"adversarial_score": float(np.mean([critic_score(g, truth, seed) for g in samples(trajectory, truth)]))}


def null_interval(truth: Motion, seed: int = 0, *, level: float = 0.95, draws: int = NULL_DRAWS) -> tuple[float, float]:
    """Where the score of real motion against other real motion falls: (0, the `level` quantile).

    The truth's clips are split at random into two halves, one of which plays the generated clips, `draws` times. Half
    the clips make for a noisier critic than all of them, so the interval errs on the wide side; and other clips differ
    more from the truth than their own continuations do. A score inside it is no evidence against a model.
    """
    half = len(truth) // 2
    if half < 2:
        return 0.0, 1.0
    from rae_bench.motion import stance_heights

    windows = _windows(truth, stance_heights(truth.positions, truth.rig, truth.lengths))
    rng = np.random.default_rng([seed, 1])
    scores = []
    for _ in range(draws):
        order = rng.permutation(len(truth))
        real, fake = _pick(windows, order[:half]), _pick(windows, order[half : 2 * half])
        scores.append(2 * abs(critic_auc(real, fake, half, seed) - 0.5))
    return 0.0, float(np.quantile(scores, level))


def _pick(windows: Windows, clips: np.ndarray) -> Windows:
    """The windows of some clips, renumbered in their order."""
    number = np.full(max(int(windows.clips.max(initial=0)), int(clips.max())) + 1, -1)
    number[clips] = np.arange(len(clips))
    keep = number[windows.clips] >= 0
    return Windows(windows.frames[keep], number[windows.clips[keep]])


METRICS = (
    MetricInfo(
        "adversarial_score",
        "",
        "lower",
        "adversarial",
        True,
        "classifier two-sample test (Lopez-Paz and Oquab 2017)",
        "2 |AUC - 0.5| of a small critic, cross-fitted by clip: 0 cannot tell, 1 always",
    ),
)
