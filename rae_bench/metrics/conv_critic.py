"""The thesis' adversarial error, on request: a convolutional least-squares critic, trained for each rig and seed.

The critic sees a window as an image of frames x features and is trained to say 1 of real training motion and 0 of
generated motion (LSGAN, Mao et al. 2017). The thesis trained it against an autoencoder's output, so its scores depended
on that; here it is trained against what all models of a seed generated, and scores clips that it has not seen.
Channels, windows, batches and updates are ours: the thesis does not state them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rae_bench.metrics.base import MetricInfo

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion

SECONDS, LEAST_FRAMES = 1.0, 17
"""Length of a window, and the fewest frames that two convolutions and two poolings leave anything of."""
STRIDE = 0.5
"""Seconds between the beginnings of two windows."""
CHANNELS = (8, 16)
UPDATES, BATCH, RATE = 100, 32, 1e-3
"""Optimiser steps, windows of each kind in a step, learning rate."""
HALVES = 2
THESIS_ERROR = "thesis_adversarial_error"


def images(motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Return windows as images, (W, L, 12 J) float32, and the clip of each, (W,).

    A row is the thesis' pose of a frame: of each joint the position (3), the first two columns of the rotation (6) and
    the velocity (3), in root space, metres and seconds. A clip shorter than a window repeats its last frame.
    """
    from rae_bench.kinematics import quat
    from rae_bench.motion.root import velocities

    root = motion.root
    turns = quat.to_matrix(root.rotations_in(motion.global_rotations))[..., :2]
    parts = (root.points_in(motion.positions), turns, root.vectors_in(velocities(motion.positions, motion.fps)))
    rows = np.concatenate([part.reshape(*motion.valid.shape, -1) for part in parts], -1).astype(np.float32)
    size = max(round(SECONDS * motion.fps), LEAST_FRAMES)
    step = max(round(STRIDE * motion.fps), 1)
    starts = [np.arange(0, max(int(n) - size, 0) + 1, step) for n in motion.lengths]
    clips = np.repeat(np.arange(len(motion)), [len(s) for s in starts])
    frame = np.concatenate(starts)[:, None] + np.arange(size)
    return rows[clips[:, None], np.minimum(frame, motion.lengths[clips][:, None] - 1)], clips


def make_critic(frames: int, features: int) -> Any:
    """Return the thesis' critic as a torch module: (B, 1, frames, features) -> (B, 1).

    It is [3x3 convolution, 3x3 max-pooling, batch normalisation, ELU] twice, then a linear layer.
    """
    from torch import nn

    layers: list[nn.Module] = []
    before = 1
    for channels in CHANNELS:
        # The normalisation takes a bias out again: its gradient would be rounding, which Adam makes large.
        convolution = nn.Conv2d(before, channels, 3, bias=False)
        layers += [convolution, nn.MaxPool2d(3), nn.BatchNorm2d(channels), nn.ELU()]
        before = channels
        frames, features = (frames - 2) // 3, (features - 2) // 3
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * frames * features, 1))


def train_critic(real: np.ndarray, generated: np.ndarray, seed: int, updates: int) -> Any:
    """Train a critic on images (W, L, F) by 0.5 (D(real) - 1)^2 + 0.5 D(generated)^2, and return it for evaluation.

    Each step draws `BATCH` windows of each kind, so both weigh alike however many there are.
    """
    import torch

    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        critic = make_critic(*real.shape[1:])
        optimizer = torch.optim.AdamW(critic.parameters(), lr=RATE)
        for _ in range(updates):
            chosen = [windows[rng.integers(len(windows), size=BATCH)] for windows in (real, generated)]
            said = critic(torch.from_numpy(np.concatenate(chosen))[:, None])[:, 0]
            loss = 0.5 * ((said[:BATCH] - 1) ** 2).mean() + 0.5 * (said[BATCH:] ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return critic.eval()


def thesis_errors(
    real: Motion,
    generated: Sequence[Motion],
    judged: Sequence[Motion] = (),
    *,
    groups: Sequence[str] = (),
    seed: int = 0,
    updates: int | None = None,
) -> list[float]:
    """Return the mean of 0.5 (D(x) - 1)^2 over windows of each motion: 0 looks real, 0.125 undecided, 0.5 generated.

    There are two critics, each trained on the generated motion of half of the groups and judging the other half.

    Args:
        real: training motion of the rig.
        generated: what models made, N clips each, the same held-out clips in all. Critics are trained on these.
        judged: N clips each that no critic is trained on, such as the truth.
        groups: N names; clips of one group are not divided, unless there is only one. Each clip is one where none.
        seed: of initialisation and batches.
        updates: of each critic; None for `UPDATES`.

    Returns:
        an error for each of `generated`, then for each of `judged`.
    """
    import torch

    known, _ = images(real)
    mean, spread = known.mean((0, 1)), known.std((0, 1))
    spread = np.where(spread > 1e-6, spread, 1)
    part = _halves(groups, len(generated[0]))
    sets = [((found - mean) / spread, part[clips]) for found, clips in map(images, (*generated, *judged))]
    known = (known - mean) / spread
    totals, counts = np.zeros(len(sets)), np.zeros(len(sets))
    for half in range(HALVES):
        made = np.concatenate([found[half_of != half] for found, half_of in sets[: len(generated)]])
        if not len(made):
            continue
        critic = train_critic(known, made, seed + half, updates or UPDATES)
        for k, (found, half_of) in enumerate(sets):
            left_out = found[half_of == half]
            if len(left_out):
                with torch.no_grad():
                    said = critic(torch.from_numpy(left_out)[:, None]).numpy()
                totals[k] += float((0.5 * (said - 1) ** 2).sum())
                counts[k] += len(left_out)
    return [float(total / count) if count else 0.125 for total, count in zip(totals, counts, strict=True)]


def _halves(groups: Sequence[str], count: int) -> np.ndarray:
    """Return 0 or 1 for each of N clips: groups in the order of their names, in turn."""
    names = np.asarray(groups) if len(set(groups)) > 1 else np.arange(count)
    return np.unique(names, return_inverse=True)[1] % HALVES


METRICS = (
    MetricInfo(
        name=THESIS_ERROR, label="thesis' critic", unit="", digits=3, direction="lower", category="adversarial",
        source="thesis' adversarial error (LSGAN, Mao et al. 2017)",
        description="0.5 (D - 1)^2 of a convolutional critic against all models of a seed; only with --metrics thesis",
        version=2,
    ),
)
