"""Checks of an entry that need no data: missing cells, what cells depend on and cost, and numbers that cannot be."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from rae_bench.harness.identity import can_rescore, identity_changes
from rae_bench.harness.versions import cell_metric_versions, engine_versions
from rae_bench.leaderboard.entries.cells import EntryCell
from rae_bench.leaderboard.entries.entry import Entry
from rae_bench.leaderboard.entries.entry_files import ENTRY
from rae_bench.leaderboard.entries.finding import Finding, one_line
from rae_bench.leaderboard.entries.rules import REFERENCES, SEEDS, missing_cells
from rae_bench.leaderboard.entries.text import skeleton
from rae_bench.leaderboard.verify.copies import FLOOR, same_numbers, twins
from rae_bench.metrics import METRICS, primaries
from rae_bench.model.regimes import NO_REGIME, ZERO_SHOT, percent
from rae_bench.model.registry import CONTROLS, config_hash, list_models, resolve_model
from rae_bench.results.files import part_hash, reported_number
from rae_bench.results.rows import ERROR, track_of
from rae_bench.task.cells import TRUTH, fold_of
from rae_bench.task.task import Task

BOUNDS_BY_UNIT = {"%": (0.0, 100.0), "cm": (0.0, math.inf), "cm/s": (0.0, math.inf), "deg": (0.0, 180.0)}
BOUNDS_BY_NAME = {"adversarial_score": (-2.0, 2.0), "reconstruction_error_height": (0.0, math.inf)}
LARGEST_VALUE = 1e6
"""No metric is larger: ten kilometres, or as many degrees. A model that goes astray is at some hundred metres."""


def check_required(entry: Entry, task: Task) -> Iterator[Finding]:
    """Check that every required cell is there and that no seed was picked."""
    for key in missing_cells(entry, task):
        needed = f"an entry needs seeds {SEEDS} of every regime that its card says it can, a control one of each fold"
        mend = f"run it; {needed}, see docs"
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


def check_card(entry: Entry) -> Iterator[Finding]:
    """Check that the card is the one that the model carried as it ran: what it can do excuses cells."""
    if entry.card.model == TRUTH:
        return
    installed = _is_ours(entry) and entry.card.model in list_models()
    about = resolve_model(entry.card.model).about if installed else {}
    wanted = {"capabilities": sorted(about["capabilities"])} if installed and "capabilities" in about else {}
    for word, value in wanted.items():
        if sorted(getattr(entry.card, word)) != value:
            text = f"is not what {entry.card.model} of this installation has ({one_line(value, 100)})"
            yield Finding(f"{ENTRY}: card.{word}", text, "leave it as submit wrote it")
    for cell in entry.cells:
        ran = cell.result.get("card")
        for word in ("capabilities", "access", "learns"):
            said = ran.get(word) if isinstance(ran, Mapping) else None
            if said is None:
                yield Finding(f"{cell.where}: card", f"does not say {word}", "put the file there as run wrote it")
            elif said != getattr(entry.card, word):
                yield Finding(
                    f"{ENTRY}: card.{word}", f"is not what the model said as it ran ({one_line(said, 100)})",
                    "leave it as submit wrote it",
                )  # fmt: skip


def _is_ours(entry: Entry) -> bool:
    """Whether its cells say that the package's own code made them. A plug-in has a hash there, whatever its name is."""
    return all(not isinstance(cell.identity.get("model"), str) for cell in entry.cells)


def check_names(entry: Entry, others: Sequence[Entry]) -> Iterator[Finding]:
    """Check that neither name nor title is one that readers take for another entry's."""
    mine = {word: skeleton(word) for word in (entry.name, entry.card.title)}
    own = entry.card.model if _is_ours(entry) or entry.card.model == TRUTH else None
    kept = {skeleton(name): name for name in (*REFERENCES, *CONTROLS, TRUTH) if name != own}
    if skeleton(entry.name) in kept or skeleton(entry.card.title) in kept:
        name = kept.get(skeleton(entry.name)) or kept[skeleton(entry.card.title)]
        yield Finding(f"{ENTRY}: name", f"or title reads like '{name}', which is kept for that model", "choose another")
    for other in others:
        theirs = {word: skeleton(word) for word in (other.name, other.card.title)}
        if not set(mine.values()) & set(theirs.values()):
            continue
        if other.name.casefold() == entry.name.casefold():
            yield Finding("name", f"differs from that of the entry '{other.name}' in capitals alone", "choose another")
        elif entry.card.title != other.card.title or entry.card.authors != other.card.authors:
            yield Finding(
                f"{ENTRY}: card.title", f"or the name reads like those of the entry '{other.name}'", "choose others"
            )


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
        elif not low - 1e-9 <= value <= min(high + 1e-6, LARGEST_VALUE) or value < -LARGEST_VALUE:
            yield Finding(where, f"{value:g} is not within {low:g} to {min(high, LARGEST_VALUE):g}", again)
    share = cell.metrics.get("reconstruction_error_height", math.nan)
    error, height = cell.metrics.get(ERROR, math.nan), reported_number(cell.result.get("rig_height"))
    if height and abs(share - error / height) > 1e-4 * abs(share) + 1e-4:
        text = f"is {share:.4g} %, and {ERROR} of {error:.4g} cm on a rig of {height:.4g} m is {error / height:.4g} %"
        yield Finding(f"{cell.where}: reconstruction_error_height", text, again)
    share = min(share, error / height) if height and math.isfinite(error) and math.isfinite(share) else share
    if share < FLOOR and cell.result["model"] != TRUTH:
        yield Finding(
            cell.where, f"reconstruction error of {share:.3g} % of the rig's height is better than the truth allows",
            f"whoever does not know the truth is above {FLOOR:g} %; see docs/guides/submitting.md",
        )  # fmt: skip


def check_twins(entry: Entry, others: list[Entry]) -> Iterator[Finding]:
    """Check that no cell is another entry's."""
    mend = "submit your own cells; if yours came first, tell the maintainers"
    for other in others:
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
