"""Checks of what a cell cost: present, within the task's budget, and possible at all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rae_bench.leaderboard.entries.cells import EntryCell
from rae_bench.leaderboard.entries.finding import Finding, one_line
from rae_bench.model.regimes import NO_REGIME, is_pretrained
from rae_bench.results.files import reported_number
from rae_bench.task.cells import TRUTH, budget_of
from rae_bench.task.task import Task

REQUIRED_COSTS = ("core_seconds", "total_core_seconds", "peak_memory_mb", "ms_per_frame")
"""The costs that every finished cell says."""
OPTIONAL_COSTS = ("pretrain_core_seconds", "generate_seconds", "parameters", "trained")
"""The costs that not every model says."""
KNOWN_STATUS = ("enforced", "declared")
"""What `budget_status` may be on the board."""
LEAST_UPDATE = 2e-5
"""Core-seconds that an optimiser step takes at least: the emptiest step of numpy or torch takes some microseconds."""
LEAST_LATENCY = 1e-4
"""Milliseconds a frame. A held pose takes 0.01 and more."""
LEAST_MEMORY = 10.0
"""MB. Python with numpy alone takes more than 20."""
MOST = {"core_seconds": 1e8, "total_core_seconds": 1e8, "pretrain_core_seconds": 1e8, "generate_seconds": 1e8,
        "peak_memory_mb": 1e8, "ms_per_frame": 1e6, "parameters": 1e12, "trained": 1e12}  # fmt: skip
AGAIN = "run the cell again"
WITHIN = "train within the task's budget"


def check_cost(cell: EntryCell, task: Task) -> Iterator[Finding]:
    """Check that costs are there, positive, possible, and within the task's budget."""
    if cell.status != "ok":
        return
    cost = cell.result["cost"]
    names = REQUIRED_COSTS if cell.result["model"] != TRUTH else ("total_core_seconds", "peak_memory_mb")
    for name in names:
        if (reported_number(cost.get(name)) or 0) <= 0:
            yield Finding(f"{cell.where}: cost.{name}", f"is {one_line(cost.get(name), 40)}", AGAIN)
    for name in OPTIONAL_COSTS:
        value = reported_number(cost.get(name))
        if name in cost and (value is None or value < 0):
            yield Finding(f"{cell.where}: cost.{name}", f"is {one_line(cost[name], 40)}", AGAIN)
    if is_pretrained(cell.regime) and "pretrain_core_seconds" not in cost:
        yield Finding(f"{cell.where}: cost.pretrain_core_seconds", "is missing", AGAIN)
    if cell.result["model"] == TRUTH:
        return
    yield from _check_possible(cell, cost)
    yield from _check_budget(cell, cost, task)


def _check_possible(cell: EntryCell, cost: Mapping[str, Any]) -> Iterator[Finding]:
    def number(name: str) -> float:
        found = reported_number(cost.get(name))
        return math.nan if found is None else found

    for name, most in MOST.items():
        if number(name) > most:
            yield Finding(f"{cell.where}: cost.{name}", f"is {number(name):g}, more than any cell takes", AGAIN)
    total = number("total_core_seconds")
    for name in ("core_seconds", "generate_seconds"):
        if number(name) > total + 0.1:
            yield Finding(f"{cell.where}: cost", f"{name} exceed total_core_seconds", AGAIN)
    least = LEAST_UPDATE * number("updates")
    if number("core_seconds") < least:
        text = f"is {number('core_seconds'):g}, less than {number('updates'):,.0f} updates take anywhere ({least:.2g})"
        yield Finding(f"{cell.where}: cost.core_seconds", text, AGAIN)
    memory = max(LEAST_MEMORY, 4e-6 * number("parameters") if "parameters" in cost else 0.0)
    for name, value in {"ms_per_frame": LEAST_LATENCY, "peak_memory_mb": memory}.items():
        if 0 < number(name) < value:
            yield Finding(f"{cell.where}: cost.{name}", f"is {number(name):g}, less than any cell takes", AGAIN)
    if number("trained") > number("parameters"):
        yield Finding(f"{cell.where}: cost", "more parameters trained than there are", AGAIN)


def _check_budget(cell: EntryCell, cost: Mapping[str, Any], task: Task) -> Iterator[Finding]:
    budget = asdict(budget_of(cell.regime, cell.fraction, task.protocol))
    if cost.get("budget") != budget:
        yield Finding(
            f"{cell.where}: cost.budget", f"is {one_line(cost.get('budget'), 80)}; the task's is {budget}", WITHIN
        )
    for name in ("updates", "frames", "optimizer_steps"):
        value, most = reported_number(cost.get(name)), budget.get(name, budget["updates"])
        if name in cost and (value is None or not 0 <= value <= most):
            yield Finding(
                f"{cell.where}: cost.{name}", f"is {one_line(cost[name], 40)}, more than the budget of {most}", WITHIN
            )
    if cell.regime == NO_REGIME:
        return
    for prefix in ("", "pretrain_") if is_pretrained(cell.regime) else ("",):
        status, over = cost.get(f"{prefix}budget_status"), cost.get(f"{prefix}over_budget")
        if status not in KNOWN_STATUS:
            yield Finding(
                f"{cell.where}: cost.{prefix}budget_status", f"is {one_line(status, 40)}: nobody says what was used",
                "declare updates and frames by ctx.declare, and run it again",
            )  # fmt: skip
        if over is not False:
            yield Finding(f"{cell.where}: cost.{prefix}over_budget", f"is {one_line(over, 40)}", WITHIN)
        made = cost.get(f"{prefix}generated_clips", 0)
        if made != 0:
            yield Finding(
                f"{cell.where}: cost.{prefix}generated_clips",
                f"is {one_line(made, 40)}: the model's process made built-in motion, which no fraction counts",
                "learn from what pretrain and adapt are given alone",
            )  # fmt: skip


STATUSES = ("enforced", "declared", "undeclared", "exceeded")
"""What the board says of an entry's budgets, from the best to the worst."""


def budget_status(cells: Sequence[EntryCell]) -> str:
    """Return the worst of `STATUSES` over the finished cells that learn; `enforced` where there is none."""
    worst = 0
    for cell in cells:
        cost = cell.result["cost"]
        if cell.status != "ok" or cell.regime == NO_REGIME:
            continue
        for prefix in ("", "pretrain_"):
            said = cost.get(f"{prefix}budget_status", "" if not prefix else "enforced")
            worst = max(worst, STATUSES.index(said) if said in KNOWN_STATUS else 2)
            worst = max(worst, 3 if cost.get(f"{prefix}over_budget", False) is not False else 0)
    return STATUSES[worst]
