"""Roll-outs that are one program are those that are generated one by one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.lessons import Lessons, adapted

from rae_bench.baselines.cores import rtn
from rae_bench.model import Context, Prompt
from rae_bench.model.engine.learn import seed_of
from rae_bench.model.features import to_motion


@pytest.mark.parametrize("name", ["mvae", "rtn", "fc+rtn"])  # noise anew for each frame; held, with a memory
def test_samples_are_those_one_by_one(
    name: str, lessons: Lessons, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rtn, "NOISE", 5.0)  # it has noise only while a target is far, and little after six updates
    (lesson,) = asked = lessons(name, [4])
    (model,) = adapted(asked)
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


@pytest.mark.parametrize("name", ["fe", "nsm", "rtn", "mvae", "anyrig"])
@pytest.mark.parametrize("samples", [1, 3])
def test_cells_are_generated_alike_in_any_company(name: str, samples: int, lessons: Lessons, prompt: Prompt) -> None:
    models, asked = adapted(lessons(name, [1, 2, 4, 5, 6, 7])), replace(prompt, num_samples=samples)
    ctxs = [Context.to_generate("cold", seed, "cpu", 1) for seed in (3, 3, 8, 3, 3, 3)]
    together = type(models[0]).generate_together(models, asked, ctxs)
    assert len(together) == 6
    for model, ctx, made in zip(models, ctxs, together, strict=True):
        alone = model.generate(asked, ctx)
        np.testing.assert_array_equal(alone.root_positions, made.root_positions)
        np.testing.assert_array_equal(alone.rotations, made.rotations)
    assert not np.array_equal(together[0].rotations, together[1].rotations)


def test_one_program_is_the_plain_way(lessons: Lessons, prompt: Prompt) -> None:
    for name in ("fe", "nsm", "omg-lstm"):
        (model,) = adapted(lessons(name, [4]))
        made = model.generate(prompt, Context.to_generate("cold", 4, "cpu", 1))
        root, turns = to_motion(model._roll_out(prompt, None, torch.device("cpu")), prompt.rig)
        np.testing.assert_allclose(made.root_positions[0], root, atol=5e-6)
        np.testing.assert_allclose(made.rotations[0], turns, atol=2e-6)
