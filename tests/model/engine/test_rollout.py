"""Samples that are generated as one program are those that are generated one by one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.lessons import Lessons

from rae_bench.model import Domain, Prompt
from rae_bench.model.engine.learn import learn, seed_of
from rae_bench.model.features import to_motion
from rae_bench.task.sides import cut_clips


@pytest.fixture(scope="module")
def prompt(domains: list[Domain]) -> Prompt:
    domain = domains[10]
    names = (list(domain.ids[:3]), list(domain.groups[:3]), ["a", "b", "c"])
    return cut_clips(domain.motion[:3].cut(0, 60), 30, *names, domain.objectives[:3].cut(0, 60)).prompt


@pytest.mark.parametrize("name", ["mvae", "rtn", "fc+rtn"])  # noise anew for each frame; held, with a memory
def test_samples_are_those_one_by_one(name: str, lessons: Lessons, prompt: Prompt) -> None:
    (lesson,) = asked = lessons(name, [4])
    learn(asked)
    model: Any = lesson.model
    model._network, model._normal = lesson.networks[0], lesson.normals[0]
    made = model.generate(replace(prompt, num_samples=7), lesson.ctx)
    assert made.rotations.shape[:3] == (7, 3, 30)
    fewer = model.generate(replace(prompt, num_samples=3), lesson.ctx)
    np.testing.assert_array_equal(fewer.root_positions, made.root_positions[:3])
    np.testing.assert_array_equal(fewer.rotations, made.rotations[:3])
    for sample in (0, 6):
        draw = torch.Generator().manual_seed(seed_of(lesson.ctx.seed, 3, sample))
        apart = np.abs(made.rotations[sample] - made.rotations[3]).max()  # what another sample's noise would do
        root, turns = to_motion(model._roll_out(prompt, draw, torch.device("cpu")), prompt.rig)
        np.testing.assert_allclose(made.root_positions[sample], root, atol=5e-6)
        np.testing.assert_allclose(made.rotations[sample], turns, atol=2e-6)
        assert apart > 1e-5
    assert not np.array_equal(made.rotations[0], made.rotations[6])
