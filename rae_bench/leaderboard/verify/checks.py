"""Checks of an entry that need no data: which cells there are, what they depend on, what they cost, what cannot be."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import combinations
from typing import Any

from rae_bench.harness.identity import changes, part_hash
from rae_bench.harness.versions import engine_versions, metric_versions
from rae_bench.leaderboard.board.benchmark import REFERENCES
from rae_bench.leaderboard.entries import files
from rae_bench.leaderboard.entries.entry import TRUTH, Entry, EntryCell
from rae_bench.leaderboard.entries.finding import Finding, plain
from rae_bench.leaderboard.entries.rules import SEEDS, missing_cells
from rae_bench.leaderboard.verify.copies import FLOOR, same_numbers, twins
from rae_bench.metrics import METRICS, PRIMARY
from rae_bench.model.registry import config_hash
from rae_bench.task.cells import budget_of
from rae_bench.task.task import Task

BOUNDS = {"%": (0.0, 100.0), "cm": (0.0, math.inf), "cm/s": (0.0, math.inf), "deg": (0.0, 180.0)}
BOUNDED = {"adversarial_score": (0.0, 1.0), "reconstruction_error_height": (0.0, math.inf)}
MORE_COSTS = ("pretrain_core_seconds", "generate_seconds", "parameters", "trained")
"""Costs that not every model says, and the table shows."""
PRETRAINED = ("frozen", "finetune", "zero-shot")
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
    """All cells were made by the engine and metrics of today, and by one model with its options and its card."""
    here = {"engine": engine_versions(), "metrics": metric_versions()}
    if entry.name in REFERENCES and entry.card.model != entry.name:
        yield Finding(
            f"{files.ENTRY}: name", f"'{entry.name}' is kept for the reference entry of the model of that name",
            "choose another, and rename the folder",
        )  # fmt: skip
    for cell in entry.cells:
        if config_hash(cell.result.get("options", {})) != entry.card.config:
            yield Finding(f"{cell.where}: options", "are not those of its config", "run it again, and do not edit it")
        ran = cell.result.get("card")
        for word in ("capabilities", "access", "learns"):
            if isinstance(ran, Mapping) and word in ran and ran[word] != getattr(entry.card, word):
                yield Finding(
                    f"{files.ENTRY}: card.{word}", f"is not what the model said as it ran ({plain(ran[word], 100)})",
                    "leave it as submit wrote it",
                )  # fmt: skip
        mends = {"engine": "run it again", "metrics": "rae-bench rescore makes it anew from its trajectories"}
        for part, mend in mends.items():
            changed = changes(cell.identity, here, (part,))
            if changed:
                text = plain(", ".join(changed), 100)
                yield Finding(cell.where, f"was made by another version of rae-bench (made -> here: {text})", mend)
    for part in ("model", "options"):
        found = {part_hash(cell.identity.get(part)) for cell in entry.cells}
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
    for name in MORE_COSTS:
        if name in cost and not (_number(cost[name]) and cost[name] >= 0):
            yield Finding(f"{cell.where}: cost.{name}", f"is {plain(cost[name], 40)}", "run the cell again")
    if cell.regime in PRETRAINED and "pretrain_core_seconds" not in cost:
        yield Finding(f"{cell.where}: cost.pretrain_core_seconds", "is missing", "run the cell again")
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
    """No cell is another entry's."""
    mend = "submit your own cells; if yours came first, tell the maintainers"
    for other in others:
        if other.name.casefold() == entry.name.casefold():
            yield Finding("name", f"differs from that of the entry '{other.name}' in capitals alone", "choose another")
        packed = (entry.trajectories, other.trajectories)
        if packed[0] and packed[1] and packed[0].sha256 == packed[1].sha256:
            yield Finding("trajectories", f"are those of the entry '{other.name}'", mend)
        for task in entry.tasks:
            for mine, theirs in twins(_metrics(entry, task), _metrics(other, task)):
                yield Finding(mine, f"has the numbers of {theirs} of the entry '{other.name}'", mend)


def _metrics(entry: Entry, task: str) -> dict[str, Mapping[str, float]]:
    # Yardsticks of the truth are alike in every cell; directions tell them apart.
    return {
        c.where: {k: v for k, v in c.metrics.items() if k in METRICS and METRICS[k].direction != "none"}
        for c in entry.of(task)
        if c.status == "ok" and c.regime != "none"
    }


def _same_cells(entry: Entry) -> list[tuple[EntryCell, EntryCell]]:
    """Pairs of an entry's cells of one task that have the same numbers, but for the critics', which go by the seed."""
    out = []
    for task in entry.tasks:
        numbers = {
            where: {name: value for name, value in metrics.items() if METRICS[name].compare is None}
            for where, metrics in _metrics(entry, task).items()
        }
        cells = [cell for cell in entry.of(task) if cell.where in numbers]
        out += [(a, b) for a, b in combinations(cells, 2) if same_numbers(numbers[a.where], numbers[b.where])]
    return out


def check_own_copies(entry: Entry) -> tuple[list[Finding], list[str]]:
    """Cells that are another cell of the same entry: findings, and notes on what an honest model may do too.

    A model without chance has the same numbers in every seed; where only some are the same, one is a copy. One that
    makes nothing of its source has the same in two regimes, one that makes nothing of more data the same at two
    fractions, or without any (zero-shot); both at once are no training.
    """
    findings, notes = [], []
    rows: dict[tuple[str, str, float], int] = defaultdict(int)
    for cell in entry.cells:
        if cell.status == "ok" and cell.regime != "none":
            rows[cell.task, cell.regime, cell.fraction] += 1
    same = _same_cells(entry)
    seeds = [(a, b) for a, b in same if (a.regime, a.fraction) == (b.regime, b.fraction)]
    if len(seeds) < sum(count * (count - 1) // 2 for count in rows.values()):
        mend = "run both again"
        findings = [
            Finding(b.where, f"has the numbers of seed {a.seed}, while other seeds of the entry differ", mend)
            for a, b in seeds
        ]
    elif seeds:
        notes.append("every seed has the same numbers: there is no chance in it, or one run was handed in as several")
    for a, b in same:
        what = f"has the numbers of {a.name}"
        if a.regime != b.regime and a.fraction != b.fraction and "zero-shot" not in (a.regime, b.regime):
            findings.append(Finding(b.where, f"{what}, another regime and fraction", "run it again"))
        elif (a.regime, a.fraction) != (b.regime, b.fraction):
            notes.append(f"{b.where} {what}: what differs between them taught it nothing")
    return findings, notes
