"""Plug-ins that want a good score without learning: what they do, so that a score which they lead is a warning."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.games import Drift, Kernel, Locked
from helpers.tiny_model import context, side

from rae_bench.baselines.controls import Interpolate
from rae_bench.metrics import evaluate


@pytest.mark.parametrize("track", ["limbs", "control"])
def test_they_go_on_from_the_history(track: str) -> None:
    target = side("quad", track)
    split = target.split(0)
    exam, domain = target.held_out_clips(split.test), target.domain(split.train)
    errors = {}
    for cls in (Interpolate, Drift, Locked, Kernel):
        model, ctx = cls(), context("cold")
        model.adapt(domain, ctx)
        made = model.generate(exam.prompt, ctx)
        assert made.rotations.shape[1:] == exam.truth.rotations.shape
        np.testing.assert_allclose(np.linalg.norm(made.rotations, axis=-1), 1, atol=1e-4)
        errors[cls.__name__] = evaluate(made, exam.truth, exam.objectives)
    if track == "control":
        slides = {name: values["foot_sliding_lowest"] for name, values in errors.items()}
        assert slides["Locked"] < slides["Interpolate"]
