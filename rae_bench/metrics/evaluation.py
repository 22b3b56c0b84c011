"""From a trajectory to numbers: every metric that needs only the trajectory, the truth and the objectives."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from rae_bench.errors import UserError
from rae_bench.metrics.base import Sums
from rae_bench.metrics.catalogue import METRICS

if TYPE_CHECKING:
    from rae_bench.model.api import Trajectory
    from rae_bench.motion.motion import Motion
    from rae_bench.objectives.objectives import Objectives


def samples(trajectory: Trajectory, truth: Motion) -> list[Motion]:
    """Return each sample of a trajectory as a motion with the truth's lengths and contacts.

    Rotations are scaled to unit length. Frames past a clip's length repeat its last frame; no metric reads them.

    Raises:
        UserError: a clip has no frames, shapes do not fit the truth, or a value within the clips is not finite.
    """
    from rae_bench.kinematics import quat
    from rae_bench.motion.motion import make_motion

    if not truth.lengths.all():
        raise UserError(f"truth: clip {int(truth.lengths.argmin())} has no frames; leave it out")
    root, rotations = np.asarray(trajectory.root_positions), np.asarray(trajectory.rotations)
    for name, array, expected in (
        ("root positions", root, truth.root_positions.shape),
        ("rotations", rotations, truth.rotations.shape),
    ):
        if array.shape[1:] != expected or not len(array):
            raise UserError(f"trajectory: {name} have shape {array.shape}; {('S', *expected)} fits the truth")
        if not np.isfinite(array[:, truth.valid]).all():
            clip = int(np.argwhere(~np.isfinite(array) & truth.valid[None, ..., *[None] * (array.ndim - 3)])[0, 1])
            raise UserError(f"trajectory: {name} of clip {clip} are not finite")
    return [
        make_motion(truth.rig, truth.fps, r, quat.normalize(q), lengths=truth.lengths, contacts=truth.contacts)
        for r, q in zip(root, rotations, strict=True)
    ]


def measure(trajectory: Trajectory, truth: Motion, objectives: Objectives) -> dict[str, Sums]:
    """Return the sums of every metric of one trajectory, by name, averaged over its samples."""
    # Copies, so that what metrics share lasts no longer than this call: a caller may write into an array afterwards.
    # Kinematics stay with the original for the next call.
    _ = truth.root
    truth, objectives = copy(truth), copy(objectives)
    infos = [info for info in METRICS.values() if info.measure is not None]
    found: dict[str, list[Sums]] = {info.name: [] for info in infos}
    motions = samples(trajectory, truth)
    for generated in motions:
        for info in infos:
            assert info.measure is not None
            found[info.name].append(info.measure(generated, truth, objectives))
    if len(motions) > 1:
        found |= {info.name: [info.spread(motions, truth)] for info in METRICS.values() if info.spread is not None}
    # What is measured depends on the truth alone, so all samples have the same weights.
    return {
        name: Sums(np.mean([s.totals for s in sums], 0), sums[0].weights, sums[0].empty)
        for name, sums in found.items()
        if sums[0].measured or not METRICS[name].optional
    }


def evaluate(trajectory: Trajectory, truth: Motion, objectives: Objectives) -> dict[str, float]:
    """Return every metric of a trajectory that is measured clip by clip; `adversarial` returns the others.

    Each is a mean over all clips at once: over frames for the reconstruction errors, over joints in stance for sliding,
    over objectives of a role and then over roles for the objective errors. So a long clip counts for more.

    Args:
        trajectory: (S, N, T, ...) frames after the history only; metrics are averaged over the S samples.
        truth: N clips of the same T frames; `lengths` gives the real frames of each, `contacts` the stances.
        objectives: rows for the same frames. Row t is current when frame t + 1 is made; arrivals index these frames.

    Returns:
        {name: value}, all finite, in the order of `METRICS`. Horizons beyond every clip are left out. Any other metric
        that has nothing to measure (no foot, no objective) is 0, and a ratio is 1.
    """
    return {name: sums.value() for name, sums in measure(trajectory, truth, objectives).items()}


def evaluate_clips(trajectory: Trajectory, truth: Motion, objectives: Objectives) -> dict[str, np.ndarray]:
    """Return the metrics of `evaluate` for each clip: {name: (N,) float64}, NaN where it has nothing to measure."""
    return {name: sums.per_clip() for name, sums in measure(trajectory, truth, objectives).items()}


def adversarial(trajectory: Trajectory, truth: Motion, seed: int = 0) -> dict[str, float]:
    """Return every metric that compares all windows of a trajectory with real ones: critics and distances.

    Args:
        trajectory: (S, N, T, ...) frames after the history; values are means over samples.
        truth: N clips of the same frames.
        seed: of the critics' folds and random features.

    Returns:
        {name: value}. With fewer than two clips nothing can be held out, and the values are those of a perfect model.
    """
    from rae_bench.metrics.windows import windows_of
    from rae_bench.motion.contacts import stance_heights

    height = stance_heights(truth.positions, truth.rig, truth.lengths)
    real = windows_of(truth, height)
    generated = [windows_of(motion, height) for motion in samples(trajectory, truth)]
    return {
        info.name: float(np.mean([info.compare(real, fake, len(truth), seed) for fake in generated]))
        for info in METRICS.values()
        if info.compare is not None
    }
