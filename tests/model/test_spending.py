"""What a model declares of its training, and what a result says of the budget."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.running import run_cells
from helpers.tiny_model import OPTIONS, TinyModel, context

from rae_bench.errors import UserError
from rae_bench.model import Budget, Context, Domain


def ctx() -> Context:
    return Context("cold", 1.0, Budget(100, 1000), 0)


def test_nothing_declared() -> None:
    assert ctx().cost() == {
        "budget": {"updates": 100, "frames": 1000},
        "budget_status": "undeclared",
        "over_budget": False,
    }


def test_declared_figures_stand_in_the_cost() -> None:
    made = ctx()
    made.declare(updates=7, frames=np.int64(70), parameters=5, trained=3, kl=np.float32(0.5), kind="forest", whole=True)
    assert made.declared == {
        "updates": 7, "frames": 70, "parameters": 5, "trained": 3, "kl": 0.5, "kind": "forest", "whole": True,
    }  # fmt: skip
    cost = made.cost()
    assert cost.items() >= made.declared.items()
    assert (cost["budget_status"], cost["over_budget"]) == ("declared", False)
    made.declare(updates=8)
    assert made.declared["updates"] == 8
    assert made.declared["frames"] == 70


def test_half_a_budget_is_undeclared() -> None:
    for counts in ({"updates": 1}, {"frames": 1}, {"parameters": 4, "trained": 4}):
        made = ctx()
        made.declare(**counts)
        assert made.cost()["budget_status"] == "undeclared"


@pytest.mark.parametrize(
    ("counts", "over"),
    [
        ({"updates": 100, "frames": 1000}, False),
        ({"updates": 101, "frames": 1}, True),
        ({"updates": 1, "frames": 1001}, True),
        ({"frames": 1001}, True),
    ],
)
def test_over_budget(counts: dict[str, int], over: bool) -> None:
    made = ctx()
    made.declare(**counts)
    assert made.cost()["over_budget"] is over


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"core_seconds": 0.001}, "core_seconds cannot be a note: the harness measures it"),
        ({"total_core_seconds": 1}, "the harness measures it"),
        ({"peak_memory_mb": 1}, "the harness measures it"),
        ({"budget": 1}, "the harness measures it"),
        ({"enforced": True}, "the harness measures it"),
        ({"budget_status": "enforced"}, "the harness measures it"),
        ({"over_budget": False}, "the harness measures it"),
        ({"updates": -1}, "updates=-1; a whole number of at least 0"),
        ({"frames": 1.5}, "frames=1.5; a whole number"),
        ({"trained": True}, "trained=True; a whole number"),
        ({"history": [1, 2]}, "history is a list; a number, a text or a truth value is needed"),
    ],
)
def test_what_cannot_be_declared(figures: dict[str, Any], message: str) -> None:
    made = ctx()
    with pytest.raises(UserError, match=message):
        made.declare(**figures)
    assert not made.declared


def test_what_was_declared_is_read_only() -> None:
    with pytest.raises(TypeError):
        ctx().declared["updates"] = 1  # type: ignore[index]


def test_copies_of_a_context_share_what_is_declared() -> None:
    made = ctx()
    replace(made, seed=1).declare(updates=1, frames=2)
    assert made.declared == {"updates": 1, "frames": 2}


def test_two_trainings_under_one_budget_add_up(target: Domain) -> None:
    """A subclass that trains twice has spent twice as much, and says so."""
    made = context("cold", updates=3)
    for _ in range(2):
        TinyModel(**OPTIONS).adapt(target, made)
    assert made.declared["updates"] == 6
    assert (made.cost()["budget_status"], made.cost()["over_budget"]) == ("enforced", True)


def test_a_loop_beside_ours_comes_on_top(target: Domain) -> None:
    made = context("cold", updates=3)
    made.declare(updates=1, frames=10)
    TinyModel(**OPTIONS).adapt(target, made)
    assert (made.declared["updates"], made.declared["frames"]) == (4, 3 * 16 + 10)
    assert made.cost()["budget_status"] == "declared"


PLUGIN = '''
import json
import numpy as np
from rae_bench.model import ModelCard, Trajectory

class Base:
    card = ModelCard(name="m", authors="a", licence="MIT", description="d", capabilities=frozenset({"finetune"}))
    def pretrain(self, source, ctx): pass
    def adapt(self, target, ctx): pass
    def generate(self, prompt, ctx):
        root = np.repeat(prompt.history.root_positions[None, :, -1:], prompt.frames.max(), 2)
        return Trajectory(root, np.repeat(prompt.history.rotations[None, :, -1:], prompt.frames.max(), 2))
    def save(self, folder): folder.mkdir(parents=True, exist_ok=True)
    def load(self, folder): pass

class Greedy(Base):
    def pretrain(self, source, ctx): ctx.declare(updates=ctx.budget.updates, frames=ctx.budget.frames)
    def adapt(self, target, ctx): ctx.declare(updates=10 * ctx.budget.updates, frames=1, kind="greedy")

class Cheat(Base):
    def adapt(self, target, ctx): ctx.declare(core_seconds=0.001)
'''


def test_results_say_how_a_budget_was_kept(tiny_task: Path, tmp_path: Path) -> None:
    file = tmp_path / "plugin.py"
    file.write_text(PLUGIN)

    def results(name: str) -> dict[str, dict[str, Any]]:
        outcome = run_cells(
            f"{file}:{name}", str(tiny_task), out=tmp_path / name, regimes=("cold", "finetune"), controls=False,
            workers=1,
        )  # fmt: skip
        return {r["regime"]: r for r in outcome.results}

    silent = results("Base")["cold"]["cost"]
    assert (silent["budget_status"], silent["over_budget"]) == ("undeclared", False)
    greedy = results("Greedy")["finetune"]["cost"]
    assert (greedy["budget_status"], greedy["over_budget"]) == ("declared", True)
    assert (greedy["updates"], greedy["budget"]["updates"], greedy["kind"]) == (100, 10, "greedy")
    assert (greedy["pretrain_budget_status"], greedy["pretrain_over_budget"]) == ("declared", False)
    assert greedy["core_seconds"] > 0
    cheat = results("Cheat")["cold"]
    assert cheat["status"] == "failed"
    assert "core_seconds cannot be a note: the harness measures it" in cheat["reason"]
