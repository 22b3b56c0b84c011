"""Checks of an entry that need no data: missing cells, what cells depend on and cost, and numbers that cannot be."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import combinations

from rae_bench.harness.identity import can_rescore, identity_changes
from rae_bench.harness.versions import cell_metric_versions, engine_versions
from rae_bench.leaderboard.entries.entry import Entry, EntryCell
from rae_bench.leaderboard.entries.entry_files import ENTRY
from rae_bench.leaderboard.entries.finding import Finding, one_line
from rae_bench.leaderboard.entries.rules import REFERENCES, SEEDS, missing_cells
from rae_bench.leaderboard.verify.copies import FLOOR, same_numbers, twins
from rae_bench.metrics import METRICS, primaries
from rae_bench.model.regimes import NO_REGIME, ZERO_SHOT, is_pretrained, percent
from rae_bench.model.registry import config_hash
from rae_bench.results.files import part_hash, reported_number
from rae_bench.results.rows import track_of
from rae_bench.task.cells import TRUTH, budget_of, fold_of
from rae_bench.task.task import Task

BOUNDS_BY_UNIT = {"%": (0.0, 100.0), "cm": (0.0, math.inf), "cm/s": (0.0, math.inf), "deg": (0.0, 180.0)}
BOUNDS_BY_NAME = {"adversarial_score": (-2.0, 2.0), "reconstruction_error_height": (0.0, math.inf)}
REQUIRED_COSTS = ("core_seconds", "total_core_seconds", "peak_memory_mb", "ms_per_frame")
"""The costs that every finished cell says."""
OPTIONAL_COSTS = ("pretrain_core_seconds", "generate_seconds", "parameters", "trained")
"""The costs that not every model says."""


def check_required(entry: Entry, task: Task) -> Iterator[Finding]:
    """Check that every required cell is there and that no seed was picked."""
    for key in missing_cells(entry, task):
        mend = f"run it; an entry needs seeds {SEEDS} of every regime that its card says it can, see docs"
        yield Finding(f"{task.name} {key}", "is missing", mend)
    seeds: dict[tuple[str, float], set[int]] = defaultdict(set)
    for cell in entry.of(task.name):
        if cell.status == "ok":
            seeds[cell.regime, cell.fraction].add(cell.seed)
    for (regime, fraction), found in seeds.items():
        if len(found) <= max(found):
            yield Finding(
                f"{task.name} {regime} {percent(fraction)}", f"has the seeds {sorted(found)}",
                f"seeds are prescribed: 0 to {max(found)} without a gap",
            )  # fmt: skip


def check_identity(entry: Entry) -> Iterator[Finding]:
    """Check that the engine and metrics of today made all cells, and one model with its options and its card."""
    here = {"engine": engine_versions(), "metrics": cell_metric_versions()}
    if entry.name in REFERENCES and entry.card.model != entry.name:
        yield Finding(
            f"{ENTRY}: name", f"'{entry.name}' is kept for the reference entry of the model of that name",
            "choose another, and rename the folder",
        )  # fmt: skip
    for cell in entry.cells:
        if config_hash(cell.result.get("options", {})) != entry.card.config:
            yield Finding(f"{cell.where}: options", "are not those of its config", "run it again, and do not edit it")
        ran = cell.result.get("card")
        for word in ("capabilities", "access", "learns"):
            if isinstance(ran, Mapping) and word in ran and ran[word] != getattr(entry.card, word):
                yield Finding(
                    f"{ENTRY}: card.{word}", f"is not what the model said as it ran ({one_line(ran[word], 100)})",
                    "leave it as submit wrote it",
                )  # fmt: skip
        for part in here:
            changed = identity_changes(cell.identity, here, (part,))
            if changed:
                enough = part == "metrics" and can_rescore(cell.identity, here)
                mend = "rae-bench rescore makes it anew from its trajectories" if enough else "run it again"
                text = one_line(", ".join(changed), 100)
                yield Finding(cell.where, f"was made by another version of rae-bench (made -> here: {text})", mend)
    for part in ("model", "options"):
        found = {part_hash(cell.identity.get(part)) for cell in entry.cells}
        if len(found) > 1:
            yield Finding("cells", f"were made with {len(found)} versions of the {part}", "run them again, all alike")


def check_numbers(cell: EntryCell) -> Iterator[Finding]:
    """Check that metrics are known, finite, and within their bounds."""
    again = "run the cell again, and do not edit it"
    if cell.status != "ok":
        return
    for name in primaries(track_of([cell.result])).values():
        if name not in cell.metrics:
            yield Finding(cell.where, f"lacks {name}", again)
    for name, value in cell.metrics.items():
        where = f"{cell.where}: {one_line(name, 60)}"
        if name not in METRICS:
            yield Finding(where, "is no metric", again)
            continue
        facts = cell.result["metrics"][name]
        info = METRICS[name]
        if (facts["unit"], facts["direction"]) != (info.unit, info.direction):
            yield Finding(where, f"has the unit '{one_line(facts['unit'], 12)}', {facts['direction']}", again)
        low, high = BOUNDS_BY_NAME.get(name) or BOUNDS_BY_UNIT.get(info.unit, (-math.inf, math.inf))
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
    """Check that costs are there, positive, and within the task's budget."""
    if cell.status != "ok":
        return
    cost = cell.result["cost"]
    names = REQUIRED_COSTS if cell.result["model"] != TRUTH else ("total_core_seconds", "peak_memory_mb")
    for name in names:
        if (reported_number(cost.get(name)) or 0) <= 0:
            yield Finding(f"{cell.where}: cost.{name}", f"is {one_line(cost.get(name), 40)}", "run the cell again")
    for name in OPTIONAL_COSTS:
        value = reported_number(cost.get(name))
        if name in cost and (value is None or value < 0):
            yield Finding(f"{cell.where}: cost.{name}", f"is {one_line(cost[name], 40)}", "run the cell again")
    if is_pretrained(cell.regime) and "pretrain_core_seconds" not in cost:
        yield Finding(f"{cell.where}: cost.pretrain_core_seconds", "is missing", "run the cell again")
    known = {name: reported_number(cost.get(name)) for name in ("core_seconds", "total_core_seconds")}
    if (known["core_seconds"] or 0) > (known["total_core_seconds"] or math.inf) + 0.1:
        yield Finding(f"{cell.where}: cost", "core_seconds exceed total_core_seconds", "run the cell again")
    if cell.result["model"] == TRUTH:
        return
    budget = asdict(budget_of(cell.regime, cell.fraction, task.protocol))
    if cost.get("budget") != budget:
        yield Finding(
            f"{cell.where}: cost.budget", f"is {one_line(cost.get('budget'), 80)}; the task's is {budget}",
            "train within the task's budget",
        )  # fmt: skip
    for name in ("updates", "frames"):
        value = reported_number(cost.get(name))
        if name in cost and (value is None or not 0 <= value <= budget[name]):
            yield Finding(
                f"{cell.where}: cost.{name}", f"is {one_line(cost[name], 40)}, more than the budget of {budget[name]}",
                "train within the task's budget",
            )  # fmt: skip


def check_twins(entry: Entry, others: list[Entry]) -> Iterator[Finding]:
    """Check that no cell is another entry's."""
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
    """Return cell -> the metrics of an entry's finished cells that say something of a model."""
    # Yardsticks of the truth, which have no direction, are alike in every cell.
    return {
        c.where: {k: v for k, v in c.metrics.items() if k in METRICS and METRICS[k].direction != "none"}
        for c in entry.of(task)
        if c.status == "ok" and c.regime != NO_REGIME
    }


def _same_cells(entry: Entry) -> list[tuple[EntryCell, EntryCell]]:
    """Return pairs of an entry's cells of a task with the same numbers, without critics, which depend on the seed."""
    out = []
    for task in entry.tasks:
        numbers = {
            where: {name: value for name, value in metrics.items() if METRICS[name].compare is None}
            for where, metrics in _metrics(entry, task).items()
        }
        cells = [cell for cell in entry.of(task) if cell.where in numbers]
        out += [(a, b) for a, b in combinations(cells, 2) if same_numbers(numbers[a.where], numbers[b.where])]
    return out


def check_copies_within(entry: Entry) -> tuple[list[Finding], list[str]]:
    """Find cells that are copies of another cell of the entry.

    Each fold has other test clips, so that cells of two folds never have the same numbers. Within a fold a model
    without chance has them in every seed; where only some are the same, one is a copy. A model that learns nothing from
    its source has the same numbers in two regimes. A model that learns nothing from more data has the same numbers at
    two fractions, or without any data (zero-shot). Both at once are not possible by training.

    Returns:
        Findings, and notes on what an honest model may do too.
    """
    findings, notes = [], []
    rows: dict[tuple[str, str, float, int], int] = defaultdict(int)
    for cell in entry.cells:
        if cell.status == "ok" and cell.regime != NO_REGIME:
            rows[cell.task, cell.regime, cell.fraction, fold_of(cell.seed)] += 1
    alike = _same_cells(entry)
    other = [(a, b) for a, b in alike if fold_of(a.seed) != fold_of(b.seed)]
    findings += [
        Finding(b.where, f"has the numbers of {a.name}, which was tested on other clips", "run both again")
        for a, b in other
    ]
    same = [pair for pair in alike if pair not in other]
    seeds = [(a, b) for a, b in same if (a.regime, a.fraction) == (b.regime, b.fraction)]
    if len(seeds) < sum(count * (count - 1) // 2 for count in rows.values()):
        mend = "run both again"
        findings += [
            Finding(b.where, f"has the numbers of seed {a.seed}, while other seeds of the entry differ", mend)
            for a, b in seeds
        ]
    elif seeds:
        notes.append("seeds of one fold have the same numbers: there is no chance in it, or one run stands for all")
    for a, b in same:
        what = f"has the numbers of {a.name}"
        if a.regime != b.regime and a.fraction != b.fraction and ZERO_SHOT not in (a.regime, b.regime):
            findings.append(Finding(b.where, f"{what}, another regime and fraction", "run it again"))
        elif (a.regime, a.fraction) != (b.regime, b.fraction):
            notes.append(f"{b.where} {what}: what differs between them taught it nothing")
    return findings, notes
