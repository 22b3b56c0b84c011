"""Each core, with the windows that it takes by default: fifty updates of a cell are the same in any company."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from helpers.lessons import FRAMES, Lessons
from torch import Tensor

from rae_bench.baselines.catalogue import parts
from rae_bench.model import Budget
from rae_bench.model.engine.learn import Lesson, learn

UPDATES = 50


@pytest.mark.slow
@pytest.mark.parametrize("core", sorted(parts("cores")))
def test_fifty_updates_in_a_group_and_alone(core: str, lessons: Lessons) -> None:
    def trained(cells: Sequence[int]) -> list[Lesson]:
        found = lessons(core, cells)
        for lesson in found:
            lesson.ctx = replace(lesson.ctx, budget=Budget(UPDATES, UPDATES * FRAMES))
        learn(found)
        return found

    (alone,), group = trained([7]), trained([3, 7, 12])
    assert alone.ctx.declared["updates"] == UPDATES
    assert alone.ctx.declared == group[1].ctx.declared
    assert torch.equal(weights(alone), weights(group[1]))
    assert not torch.equal(weights(alone), weights(group[0]))


def weights(lesson: Lesson) -> Tensor:
    return torch.cat([value.flatten() for value in lesson.networks[0].state_dict().values()])
