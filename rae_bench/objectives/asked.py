"""What a track asks of true motion (docs/develop/design.md 4.4)."""

from __future__ import annotations

import numpy as np

from rae_bench.data.corpus import ReachTargets
from rae_bench.motion.motion import Motion
from rae_bench.objectives.keyframes import keyframe_objectives
from rae_bench.objectives.limbs import limb_objectives
from rae_bench.objectives.objectives import Objectives, no_objectives
from rae_bench.objectives.path import RootPath, path_of
from rae_bench.objectives.tracks import CONTROL, LIMBS


def asked_of(
    track: str, motion: Motion, course: np.ndarray, targets: ReachTargets | None = None
) -> tuple[Objectives, RootPath | None]:
    """Return the objectives and the path that a track gives of true motion; no path but in `control`.

    Args:
        track: one of `TRACKS`.
        motion: N clips, T frames.
        course: (N, T + A, 3) of the clips, see `rae_bench.motion.course`.
        targets: those of reaching clips, None elsewhere.

    Returns:
        Objectives of shape (N, T, 8, ...), in the world, and the path of T rows.
    """
    if track == CONTROL:
        return no_objectives(*motion.root_positions.shape[:2]), path_of(course, motion.fps, motion.rig.height)
    make = limb_objectives if track == LIMBS else keyframe_objectives
    return make(motion, targets), None
