"""What a model process says of its training, and what its driver takes over of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.running import run_cells

from rae_bench.harness.isolation.messages import Circumstances
from rae_bench.harness.isolation.remote import taken_over
from rae_bench.model.spending import MEASURED

ASKED = Circumstances("cold", 0, 0.05, updates=100, frames=12_800)
HONEST = {"updates": 100, "frames": 12_800, "budget_status": "declared", "optimizer_steps": 100, "note": "fine"}

MODELS = '''
import numpy as np

from rae_bench.model import ModelCard, Trajectory


class Base:
    card = ModelCard(name="base")

    def pretrain(self, source, ctx): ...

    def adapt(self, target, ctx): ...

    def generate(self, prompt, ctx):
        frames, past = int(prompt.frames.max()), prompt.history
        return Trajectory(
            np.repeat(past.root_positions[None, :, -1:], frames, 2), np.repeat(past.rotations[None, :, -1:], frames, 2)
        )

    def save(self, folder): ...

    def load(self, folder): ...


class Cooks(Base):
    """Puts what it likes into its context's account, past the checks of `declare`."""

    def adapt(self, target, ctx):
        sum(range(3_000_000))
        ctx._spending._declared |= {
            "core_seconds": 0.001, "target_frames": 1, "target_segments": 1, "over_budget": False, "updates": 1,
            "frames": 1, "peak_memory_mb": 0.1, "total_core_seconds": 0.001, "generated_clips": 0, "ms_per_frame": 1e-9,
            "budget_status": "enforced", "optimizer_steps": 0, "budget": {"updates": 10**9, "frames": 10**9},
        }


class Overspends(Base):
    """Takes ten times the updates, and declares the budget."""

    def adapt(self, target, ctx):
        import torch

        weight = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([weight], 0.1)
        ctx.declare(updates=ctx.budget.updates, frames=ctx.budget.frames)
        for _ in range(10 * ctx.budget.updates):
            optimizer.step()


class Peeks(Base):
    """Makes the target's motion again, test clips included."""

    def adapt(self, target, ctx):
        from rae_bench.data.generators.locomotion.locomotion import generate_locomotion

        ctx.declare(updates=0, frames=0)
        self.known = generate_locomotion(target.rig, clips=24)
'''


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plugin") / "models.py"
    path.write_text(MODELS, encoding="utf-8")
    return path


def _cost(spec: str, task: Path, out: Path) -> dict[str, Any]:
    outcome = run_cells(spec, str(task), out=out, regimes=["cold"], seeds=1, controls=False, workers=1)
    (result,) = outcome.results
    assert result["status"] == "ok", result["reason"]
    cost: dict[str, Any] = result["cost"]
    return cost


def test_the_driver_takes_no_figure_of_the_harness_from_a_model_process() -> None:
    """Nor one that is no plain value."""
    for name in MEASURED:
        got = taken_over(HONEST | {name: 12345.0}, ASKED)
        assert got.get(name) != 12345.0, name
    assert "odd" not in taken_over(HONEST | {"odd": {"a": 1}}, ASKED)
    assert taken_over(HONEST, ASKED) == HONEST | {
        "budget": {"updates": 100, "frames": 12_800}, "over_budget": False
    }  # fmt: skip


@pytest.mark.parametrize("said", [{"updates": 101}, {"frames": 12_801}, {"optimizer_steps": 101}, {"updates": "few"}])
def test_the_driver_tells_itself_whether_a_budget_was_exceeded(said: dict[str, Any]) -> None:
    assert taken_over(HONEST | said | {"over_budget": False}, ASKED)["over_budget"]
    assert taken_over(HONEST | {"budget_status": "settled"}, ASKED)["budget_status"] == "undeclared"


def test_cooked_accounts(plugin: Path, tiny_task: Path, tmp_path: Path) -> None:
    cost = _cost(f"{plugin}:Cooks", tiny_task, tmp_path)
    assert cost["core_seconds"] > 0.01
    assert cost["total_core_seconds"] > cost["core_seconds"]
    assert cost["target_frames"] > 1
    assert cost["peak_memory_mb"] > 10
    assert cost["ms_per_frame"] > 1e-6
    assert cost["budget"]["updates"] < 10**9


def test_motion_that_a_model_makes_is_counted(plugin: Path, tiny_task: Path, tmp_path: Path) -> None:
    cost = _cost(f"{plugin}:Peeks", tiny_task, tmp_path)
    assert cost["generated_clips"] == 24
    assert not cost["over_budget"]


@pytest.mark.slow
def test_updates_are_counted_where_torch_makes_them(plugin: Path, tiny_task: Path, tmp_path: Path) -> None:
    """The import of torch in `adapt` itself is seen too."""
    cost = _cost(f"{plugin}:Overspends", tiny_task, tmp_path)
    assert cost["optimizer_steps"] == 10 * cost["budget"]["updates"]
    assert cost["over_budget"]
