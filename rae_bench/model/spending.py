"""What training used: figures that a model declares, and those that `LightningModel` counts itself."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from rae_bench.errors import UserError

COUNTS = ("updates", "frames", "parameters", "trained")
"""What `Context.declare` has arguments for: whole numbers."""
BUDGETED = ("updates", "frames")
"""Which of them a budget limits."""
MEASURED = (
    "budget",
    "budget_status",
    "core_seconds",
    "enforced",
    "generate_seconds",
    "generated_clips",
    "ms_per_frame",
    "optimizer_steps",
    "over_budget",
    "peak_memory_mb",
    "pretrain_budget_status",
    "pretrain_core_seconds",
    "pretrain_generated_clips",
    "pretrain_over_budget",
    "target_frames",
    "target_segments",
    "total_core_seconds",
    "trained_together",
)
"""Names in a result's `cost` that the harness fills in: no model can declare them. Older results have `enforced` too,
which said whether `budget_status` is that."""


class Spending:
    """What has been declared and counted in one context. Copies of the context share it."""

    def __init__(self) -> None:
        self._declared: dict[str, Any] = {}
        self._counted: dict[str, int] = {}

    def figures(self) -> Mapping[str, Any]:
        """Everything by name, read-only: updates and frames add up, of other names what was declared counts."""
        both = {name: self._counted[name] + self._declared.get(name, 0) for name in BUDGETED if name in self._counted}
        return MappingProxyType({**self._counted, **self._declared, **both})

    def declare(self, counts: Mapping[str, Any]) -> None:
        """Take counts over; None leaves one out. Raises `UserError` where one is no whole number of at least 0."""
        for name, value in counts.items():
            if value is None:
                continue
            whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if not whole or value < 0:
                raise UserError(f"ctx.declare: {name}={value!r}; a whole number of at least 0 is needed")
            self._declared[name] = int(value)

    def note(self, notes: Mapping[str, Any]) -> None:
        """Take further figures over. Raises `UserError` where one has a name of the harness's or is no plain value."""
        for name, value in notes.items():
            if name in MEASURED or name in COUNTS:
                reason = "the harness measures it" if name in MEASURED else "that is the name of a count"
                raise UserError(f"ctx.declare: {name} cannot be a note: {reason}; choose another name")
            plain = value.item() if isinstance(value, np.generic) else value
            if not isinstance(plain, (bool, int, float, str)):
                kind = type(value).__name__
                raise UserError(f"ctx.declare: {name} is a {kind}; a number, a text or a truth value is needed")
            self._declared[name] = plain

    def count(self, *, updates: int, frames: int, parameters: int, trained: int) -> None:
        """What a training of `LightningModel`, which keeps to the budget, has used. Several trainings add up."""
        before = self._counted
        self._counted = {
            "updates": updates + before.get("updates", 0),
            "frames": frames + before.get("frames", 0),
            "parameters": parameters,
            "trained": trained,
        }

    def cost(self, *, updates: int, frames: int) -> dict[str, Any]:
        """What a result says of training under a budget of so many updates and frames, see `Context.cost`."""
        budget = {"updates": updates, "frames": frames}
        figures = self.figures()
        enforced = bool(self._counted) and not any(name in self._declared for name in BUDGETED)
        known = all(name in figures for name in BUDGETED)
        return {
            "budget": budget,
            **figures,
            "budget_status": "enforced" if enforced else "declared" if known else "undeclared",
            "over_budget": any(figures.get(name, 0) > most for name, most in budget.items()),
        }
