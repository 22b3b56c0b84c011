"""Groups on a GPU, where there is one: what the CPU learns, recorded or call by call."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from helpers.lessons import FRAMES, Lessons, adapted
from my_model import MyModel
from torch import Tensor, nn

from rae_bench.model import Budget, Context, LightningModel, ModelCard, Prompt, Sizes
from rae_bench.model.engine import group, learn, recording
from rae_bench.model.engine.learn import Lesson

from .test_learn import VARIANTS, losses_of, weights

UPDATES = 12
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


@pytest.fixture(autouse=True)
def every_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learn, "REPORTED", 1)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[recording.Recording]:
    """The recordings that were begun."""
    made: list[recording.Recording] = []

    def make(*given: Any) -> recording.Recording:
        made.append(recording.Recording(*given))
        return made[-1]

    monkeypatch.setattr(group, "Recording", make)
    return made


def on(device: str, lessons: list[Lesson], updates: int = UPDATES) -> list[Lesson]:
    for lesson in lessons:
        lesson.ctx = replace(lesson.ctx, device=device, budget=Budget(updates, updates * FRAMES))
    return lessons


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
def test_a_gpu_learns_what_the_cpu_learns(
    name: str, options: dict[str, Any], lessons: Lessons, recorded: list[recording.Recording]
) -> None:
    here = losses_of(on("cpu", lessons(name, [3, 7], **options)))
    there = losses_of(on("cuda", lessons(name, [3, 7], **options)))
    assert len(here[0]) == len(there[0]) == UPDATES
    # Centres as published say nothing: rounding decides the signs of their gradients, and so Adam's steps.
    near = 0.05 if options.get("mode") == "paper" else 1e-4
    torch.testing.assert_close(torch.tensor(there), torch.tensor(here), rtol=near, atol=1e-4)
    assert all(bool(one.why_not) == (name == "anyrig") for one in recorded)  # its inverse waits for the device


@pytest.mark.parametrize("model", ["fe", "mvae", "rtn", MyModel])
def test_recorded_updates_are_those_call_by_call(
    model: str | type[LightningModel], lessons: Lessons, recorded: list[recording.Recording],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    replayed = on("cuda", lessons(model, [3, 7]))
    a = losses_of(replayed)
    assert recorded[0]._graph is not None
    monkeypatch.setattr(recording, "WARM", UPDATES)
    called = on("cuda", lessons(model, [3, 7]))
    b = losses_of(called)
    assert recorded[1]._graph is None
    torch.testing.assert_close(torch.tensor(a), torch.tensor(b), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(weights(replayed[0]), weights(called[0]), rtol=1e-2, atol=1e-4)


class Waits(LightningModel):
    """Puts a constant on the device in each frame, from memory that a graph cannot read later."""

    card = ModelCard(name="waits")

    def network(self, sizes: Sizes) -> nn.Module:
        return Waiting(sizes)


class Waiting(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.codec = nn.Linear(sizes.pose, 16)
        self.core = nn.Linear(16 + sizes.control, sizes.change)

    def forward(self, pose: Tensor, control: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        scale = torch.full((16,), 2.0).to(pose.device)
        return 0.01 * self.core(torch.cat([self.codec(pose) * scale, control], -1)), phase


def test_what_cannot_be_recorded_is_done_call_by_call(lessons: Lessons, recorded: list[recording.Recording]) -> None:
    here, there = losses_of(on("cpu", lessons(Waits, [3, 7]))), losses_of(on("cuda", lessons(Waits, [3, 7])))
    torch.testing.assert_close(torch.tensor(there), torch.tensor(here), rtol=1e-4, atol=1e-4)
    assert recorded[0].why_not
    assert recorded[0]._graph is None


def test_what_does_not_fit_is_halved(lessons: Lessons, monkeypatch: pytest.MonkeyPatch) -> None:
    together, sizes = learn.train_together, []

    def small(lot: list[Lesson], device: torch.device) -> None:
        sizes.append(len(lot))
        if len(lot) > 2:
            torch.empty(1 << 50, dtype=torch.uint8, device=device)
        together(lot, device)

    monkeypatch.setattr(learn, "train_together", small)
    trained = on("cuda", lessons("fe", range(5)))
    learn.learn(trained)
    assert sizes == [5, 2, 3, 1, 2]
    assert all(lesson.ctx.declared["updates"] == UPDATES for lesson in trained)


@pytest.mark.parametrize("name", ["fe", "nsm", "rtn", "mvae", "anyrig"])
def test_a_gpu_generates_what_the_cpu_generates(name: str, lessons: Lessons, prompt: Prompt) -> None:
    models, asked = adapted(lessons(name, [3, 7, 8])), replace(prompt, num_samples=2)
    near = 1e-3 if name == "anyrig" else 1e-4  # least squares in each frame make more of rounding
    here, there = (
        models[0].generate_together(models, asked, [Context.to_generate("cold", 0, device, 1)] * 3)
        for device in ("cpu", "cuda")
    )
    for a, b in zip(here, there, strict=True):
        torch.testing.assert_close(torch.tensor(b.root_positions), torch.tensor(a.root_positions), rtol=0, atol=near)
        torch.testing.assert_close(torch.tensor(b.rotations), torch.tensor(a.rotations), rtol=0, atol=near)
