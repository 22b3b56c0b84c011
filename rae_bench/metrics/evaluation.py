"""From a trajectory to numbers: every metric that needs only the trajectory, the truth and the objectives."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from rae_bench.errors import UserError
from rae_bench.metrics.base import Sums
from rae_bench.metrics.catalogue import METRICS

if TYPE_CHECKING:
    from rae_bench.metrics.windows import RealWindows
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


def real_windows(
    truth: Motion, others: Motion, *, groups: Sequence[str] = (), other_groups: Sequence[str] = (), seed: int = 0
) -> RealWindows:
    """Return the real motion that `beside_real` puts generated motion beside; arguments are those of `adversarial`.

    What depends on real motion alone is computed once for each object, so cells of one fold and seed should share it.
    Callers must not write into the arrays of `truth` afterwards.
    """
    from rae_bench.metrics.windows import RealWindows, windows_of
    from rae_bench.motion.contacts import stance_heights

    if len(others) != len(truth) or (others.rig is not truth.rig and others.rig.joint_names != truth.rig.joint_names):
        raise UserError(
            f"adversarial: {len(others)} other clips on rig '{others.rig.name}'; {len(truth)} on rig "
            f"'{truth.rig.name}' are needed, one beside each clip of the truth"
        )
    # One ground for all, so that no kind is told by the height from which its feet were measured.
    both = (truth, others)
    frames = max(motion.positions.shape[1] for motion in both)
    padding = [((0, 0), (0, frames - motion.positions.shape[1]), (0, 0), (0, 0)) for motion in both]
    positions = np.concatenate([np.pad(m.positions, pad, "edge") for m, pad in zip(both, padding, strict=True)])
    height = stance_heights(positions, truth.rig, np.concatenate([truth.lengths, others.lengths]))
    return RealWindows(
        truth, height, windows_of(others, height), windows_of(truth, height),
        _numbers(groups, len(truth)), _numbers(other_groups, len(truth)), seed,
    )  # fmt: skip


def beside_real(trajectory: Trajectory, real: RealWindows) -> dict[str, float]:
    """Return what `adversarial` does, beside real motion that was prepared before."""
    from rae_bench.metrics.windows import Crowd, windows_of

    made = samples(trajectory, real.truth)
    crowd = Crowd(real, tuple(windows_of(motion, real.stance_height) for motion in made))
    return {info.name: info.compare(crowd) for info in METRICS.values() if info.compare is not None}


def adversarial(
    trajectory: Trajectory,
    truth: Motion,
    others: Motion,
    *,
    groups: Sequence[str] = (),
    other_groups: Sequence[str] = (),
    seed: int = 0,
) -> dict[str, float]:
    """Return every metric that compares all windows of a trajectory with real ones: critics and distances.

    Args:
        trajectory: (S, N, T, ...) frames after the history; values are means over samples.
        truth: N clips of the same frames.
        others: N other real clips, of which clip n is of the same action as clip n of the truth and of another group;
            `rae_bench.task.others.other_real_clips` picks them.
        groups: the N groups of the truth's clips; each clip is one by itself where there are none.
        other_groups: likewise of the others.
        seed: of the critics' folds and random features.

    Returns:
        {name: value}. The truth scores 0. A value below 0 says that the motion is nearer to the others than the truth
        is: it is chance, so average over seeds first, and then take the greater of it and 0 (`floored`). With fewer
        than two clips nothing can be held out, and the values are those of a perfect model.

    Raises:
        UserError: as many others as clips are needed, on the same rig, and as many groups.
    """
    return beside_real(
        trajectory, real_windows(truth, others, groups=groups, other_groups=other_groups, seed=seed)
    )


def _numbers(groups: Sequence[str], count: int) -> np.ndarray:
    """Return a number for each clip's group, (N,). Raise `UserError` where there are not as many groups as clips."""
    if not len(groups):
        return np.arange(count)
    if len(groups) != count:
        raise UserError(f"adversarial: {len(groups)} groups for {count} clips; name one for each")
    return np.unique(np.asarray(groups), return_inverse=True)[1]
