"""Whether a model's cells can train as one program, as a trial tells."""

from __future__ import annotations

import numpy as np
import torch

from rae_bench.model.api import Budget, Context, Domain
from rae_bench.model.engine.group import CannotGroup
from rae_bench.model.engine.learn import Lesson, Trains, seeded, train_together
from rae_bench.model.regimes import COLD
from rae_bench.motion.motion import make_motion
from rae_bench.objectives.objectives import no_objectives
from rae_bench.objectives.phases import local_phases
from rae_bench.rigs.file import load_rig

FRAMES = 128
"""Of the update that is tried, where the model does not say."""


def why_alone(model: Trains) -> str:
    """Do an update of two cells of a model on a character that stands. Returns why that is impossible; "" if it is not.

    The model itself stays as it is.
    """
    here, config = torch.device("cpu"), model.config
    frames = config.windows * (config.length - 1) or FRAMES
    domain = _standing(max(config.length, 2))
    lessons = [Lesson(model, (domain,), Context(COLD, 1.0, Budget(1, frames), seed)) for seed in (0, 1)]
    for lesson in lessons:
        with seeded(lesson.seed, here):
            lesson.prepare()
    try:
        train_together(lessons, here)
    except CannotGroup as error:
        return str(error)
    return ""


def _standing(frames: int) -> Domain:
    """A segment in which a character stands."""
    rig = load_rig("quad")
    motion = make_motion(
        rig, 30.0, np.tile(rig.rest_global[0][:1], (1, frames, 1)), np.tile(rig.rest, (1, frames, 1, 1))
    )
    objectives = no_objectives(1, frames)
    return Domain("standing", rig, motion, objectives, local_phases(motion, objectives), ("a",), ("a",))
