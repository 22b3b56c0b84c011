"""Checks of an entry that need no data: which cells there are, what they depend on, what they cost, what cannot be."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from rae_bench.leaderboard.copies import FLOOR, twins
from rae_bench.leaderboard.entry import TRUTH, Entry, EntryCell
from rae_bench.leaderboard.finding import Finding, plain
from rae_bench.leaderboard.rules import SEEDS, missing_cells
from rae_bench.metrics import METRICS, PRIMARY
from rae_bench.protocol.cell import budget_of
from rae_bench.protocol.identity import installation
from rae_bench.protocol.task import Task

BOUNDS = {"%": (0.0, 100.0), "cm": (0.0, math.inf), "cm/s": (0.0, math.inf), "deg": (0.0, 180.0)}
BOUNDED = {"adversarial_score": (0.0, 1.0), "reconstruction_error_height": (0.0, math.inf)}
COSTS = ("core_seconds", "total_core_seconds", "peak_memory_mb", "ms_per_frame")


def check_required(entry: Entry, task: Task) -> Iterator[Finding]:
    """Every required cell is there, and no seed was picked."""
    for key in missing_cells(entry, task):
        name = f"{task.name} {key.regime} {100 * key.fraction:g} %, seed {key.seed}"
        yield Finding(
            name, "is missing", f"run it; an entry needs seeds {SEEDS} of every regime its card says it can, see docs"
        )
    seeds: dict[tuple[str, float], set[int]] = defaultdict(set)
    for cell in entry.of(task.name):
        if cell.status == "ok":
            seeds[cell.regime, cell.fraction].add(cell.seed)
    for (regime, fraction), found in seeds.items():
        if len(found) <= max(found):
            yield Finding(
                f"{task.name} {regime} {100 * fraction:g} %", f"has the seeds {sorted(found)}",
                f"seeds are prescribed: 0 to {max(found)} without a gap",
            )  # fmt: skip


def check_identity(entry: Entry) -> Iterator[Finding]:
    """All cells were made with this version of the package, one engine and one model."""
    here = installation()
    for cell in entry.cells:
        for part in ("package", "metrics"):
            if cell.identity.get(part) != here[part]:
                yield Finding(
                    cell.where, f"was made with other {part} ({plain(cell.identity.get(part), 12)}; "
                    f"here {here[part][:12]})", "run it again with this version of rae-bench",
                )  # fmt: skip
    for part in ("engine", "model"):
        found = {cell.identity.get(part) for cell in entry.cells}
        if len(found) > 1:
            yield Finding("cells", f"were made with {len(found)} versions of the {part}", "run them again, all alike")


def check_numbers(cell: EntryCell) -> Iterator[Finding]:
    """Metrics are known, finite, and within what they can be."""
    again = "run the cell again, and do not edit it"
    if cell.status != "ok":
        return
    for name in PRIMARY.values():
        if name in METRICS and name not in cell.metrics and METRICS[name].category != "transfer":
            yield Finding(cell.where, f"lacks {name}", again)
    for name, value in cell.metrics.items():
        where = f"{cell.where}: {plain(name, 60)}"
        if name not in METRICS:
            yield Finding(where, "is no metric", again)
            continue
        facts = cell.result["metrics"][name]
        info = METRICS[name]
        if (facts["unit"], facts["direction"]) != (info.unit, info.direction):
            yield Finding(where, f"has the unit '{plain(facts['unit'], 12)}', {facts['direction']}", again)
        low, high = BOUNDED.get(name) or BOUNDS.get(info.unit, (-math.inf, math.inf))
        if not math.isfinite(value):
            yield Finding(where, "is not finite", again)
        elif not low - 1e-9 <= value <= high + 1e-6:
            yield Finding(where, f"{value:g} is not within {low:g} to {high:g}", again)
    share = cell.metrics.get("reconstruction_error_height", math.nan)
    if share < FLOOR and cell.result["model"] != TRUTH:
        yield Finding(
            cell.where, f"reconstruction error of {share:.3g} % of the rig's height is better than the truth allows",
            f"whoever does not know the truth is above {FLOOR:g} %; see docs/submitting.md",
        )  # fmt: skip


def check_cost(cell: EntryCell, task: Task) -> Iterator[Finding]:
    """Costs are there, positive, and within the task's budget."""
    if cell.status != "ok":
        return
    cost = cell.result["cost"]
    names = COSTS if cell.result["model"] != TRUTH else ("total_core_seconds", "peak_memory_mb")
    for name in names:
        if not _number(cost.get(name)) or cost[name] <= 0:
            yield Finding(f"{cell.where}: cost.{name}", f"is {plain(cost.get(name), 40)}", "run the cell again")
    if all(map(_number, map(cost.get, names))) and cost.get("core_seconds", 0) > cost["total_core_seconds"] + 0.1:
        yield Finding(f"{cell.where}: cost", "core_seconds exceed total_core_seconds", "run the cell again")
    if cell.result["model"] == TRUTH:
        return
    budget = asdict(budget_of(cell.regime, cell.fraction, task.protocol))
    if cost.get("budget") != budget:
        yield Finding(
            f"{cell.where}: cost.budget", f"is {plain(cost.get('budget'), 80)}; the task's is {budget}",
            "train within the task's budget",
        )  # fmt: skip
    for name in ("updates", "frames"):
        if name in cost and not (_number(cost[name]) and 0 <= cost[name] <= budget[name]):
            yield Finding(
                f"{cell.where}: cost.{name}", f"is {plain(cost[name], 40)}, more than the budget of {budget[name]}",
                "train within the task's budget",
            )  # fmt: skip


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def check_twins(entry: Entry, others: list[Entry]) -> Iterator[Finding]:
    """No cell is another entry's, nor another seed's of the same entry where seeds matter."""
    mend = "submit your own cells; if yours came first, tell the maintainers"
    for other in others:
        packed = (entry.trajectories, other.trajectories)
        if packed[0] and packed[1] and packed[0].sha256 == packed[1].sha256:
            yield Finding("trajectories", f"are those of the entry '{other.name}'", mend)
        for task in entry.tasks:
            for mine, theirs in twins(_metrics(entry, task), _metrics(other, task)):
                yield Finding(mine, f"has the numbers of {theirs} of the entry '{other.name}'", mend)
    yield from _same_seeds(entry)


def _metrics(entry: Entry, task: str) -> dict[str, Mapping[str, float]]:
    # Yardsticks of the truth are alike in every cell; directions tell them apart.
    return {
        c.where: {k: v for k, v in c.metrics.items() if k in METRICS and METRICS[k].direction != "none"}
        for c in entry.of(task)
        if c.status == "ok" and c.regime != "none"
    }


def _same_seeds(entry: Entry) -> Iterator[Finding]:
    """A model without chance gives the same in every seed of every row; where only some are the same, one is a copy."""
    rows: dict[tuple[str, str, float], list[EntryCell]] = defaultdict(list)
    for cell in entry.cells:
        if cell.status == "ok":
            rows[cell.task, cell.regime, cell.fraction].append(cell)
    same = []
    differ = False
    for cells in rows.values():
        for i, cell in enumerate(cells):
            for other in cells[:i]:
                if dict(cell.metrics) == dict(other.metrics):
                    same.append((cell, other))
                else:
                    differ = True
    for cell, other in same if differ else ():
        yield Finding(
            cell.where, f"has the numbers of seed {other.seed}, while other seeds of the entry differ",
            "run both again",
        )  # fmt: skip
