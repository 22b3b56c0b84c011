"""L2Q and L2P: the pose as one long vector, as in-betweening reports it (Harvey et al. 2020).

These are close to the published errors but not equal to them; `rae_bench.metrics.lafan1` has the published protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rae_bench.metrics.base import MetricInfo, Sums, length

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion
    from rae_bench.objectives.objectives import Objectives


def l2q(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Return the norm over joints and components of the difference of world quaternions, the nearer of q and -q."""
    from rae_bench.kinematics import quat

    return Sums.over(length(quat.chord(generated.global_rotations, truth.global_rotations)), truth.valid)


def l2p(generated: Motion, truth: Motion, objectives: Objectives) -> Sums:
    """Return the norm over joints and axes of the difference of world positions, in rig heights.

    Published L2P divides by the spread of the training positions, which differs between cells. Here the rig's height
    takes its place.
    """
    gap = (generated.positions - truth.positions).reshape(*truth.valid.shape, -1)
    return Sums.over(length(gap) / max(truth.rig.height, 1e-6), truth.valid)


METRICS = (
    MetricInfo(
        name="l2q", label="L2Q", unit="", digits=3, direction="lower", category="reconstruction",
        source="L2Q (Harvey et al. 2020), signs aligned",
        description="norm of the difference of all world quaternions of a pose", measure=l2q,
    ),
    MetricInfo(
        name="l2p", label="L2P", unit="h", digits=3, direction="lower", category="reconstruction",
        source="L2P (Harvey et al. 2020), in rig heights",
        description="norm of the difference of all world joint positions of a pose, in rig heights", measure=l2p,
    ),
)
