"""Whether a task is ranked: what is run for that, and the conditions of docs/develop/design.md 4.9 on its results."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rae_bench.errors import UserError
from rae_bench.metrics import primaries
from rae_bench.model.regimes import COLD, COLD_LONG, FULL, percent
from rae_bench.model.registry import CONTROLS
from rae_bench.results.rows import Row, rows
from rae_bench.statistics.headroom import (
    LEAST_END,
    LEAST_ERRORS,
    LEAST_RATIO,
    headroom,
    paired_standard_error,
    score_lead,
)
from rae_bench.task.cells import NEAREST, TRUTH
from rae_bench.task.contents import contents_of_fractions
from rae_bench.task.task import FULL_BUDGET, Task

if TYPE_CHECKING:
    from rae_bench.harness.run import Outcome
    from rae_bench.harness.spec import RunSpec, Seeds
    from rae_bench.task.sides import Side

FEEDFORWARD = "feedforward"
"""The reference entry whose own past is not fed back. A task that it leads needs no motion model."""
LEAST_GROUPS, LEAST_TAKES, LEAST_SECONDS = 3, 2, 30.0
"""What the smallest ranked fraction must hold: groups in built-in motion, takes in recordings, and seconds."""
Key = tuple[str, str, float]
"""Entry, row of a table and fraction; the row of a control is its name."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What the cells of a task have: by entry, row and fraction the values of every seed.

    Attributes:
        task: its name.
        seeds: those that every row has.
        fractions: below 1, ascending.
        learned: the entries that learn motion, in the order in which they were named; `feedforward` is not one.
        errors: (S, 3) primary errors without the adversarial one.
        scores: (S,) headline scores.
        reconstruction: (S,) the primary reconstruction error, cm.
        least: fraction -> fewest groups, takes and seconds that it holds with any seed.
        recorded: whether the target's motion was recorded, so that takes are counted.
        blocks: whether the target has too few groups and was cut into blocks.
    """

    task: str
    seeds: tuple[int, ...]
    fractions: tuple[float, ...]
    learned: tuple[str, ...]
    errors: Mapping[Key, np.ndarray]
    scores: Mapping[Key, np.ndarray]
    reconstruction: Mapping[Key, np.ndarray]
    least: Mapping[float, tuple[int, int, float]]
    recorded: bool
    blocks: bool


@dataclass(frozen=True)
class Condition:
    """One condition: its name, whether it holds, and the numbers in words."""

    name: str
    holds: bool
    words: str


@dataclass(frozen=True)
class Verdict:
    """What the rule says.

    Attributes:
        best: the two entries that score best at `full`, the better one first.
        ranked: the fractions at which the task is ranked, ascending; none where it is not ranked.
        headroom: fraction -> cold / full and the ends of its interval, of the two best entries.
        conditions: at the smallest fraction that may be ranked.
        unsettled: fractions at which the budget is not enough, or is not known to be.
        full_change: the share by which one more doubling changes `full`; NaN where it was not measured.
    """

    best: tuple[str, str]
    ranked: tuple[float, ...]
    headroom: Mapping[float, tuple[float, float, float]]
    conditions: tuple[Condition, ...]
    unsettled: tuple[float, ...] = ()
    full_change: float = math.nan


def ranking_specs(
    task: Task, models: Sequence[str], *, seeds: Seeds, out: Path, data_root: Path | None = None
) -> list[RunSpec]:
    """Return what is run: `cold` at every fraction, `full`, `cold-long` at the smallest one, the controls.

    `feedforward` runs `cold` and `full`. The controls run at `full` too.
    """
    from rae_bench.harness.sweep import make_specs

    fractions = _below_all(task)
    common: dict[str, Any] = {"budget": FULL_BUDGET, "seeds": seeds, "out": out, "data_root": data_root}
    names = [name for name in models if name != FEEDFORWARD]
    return [
        *make_specs(
            [*names, FEEDFORWARD], [task], regimes=(COLD, FULL), fractions=(*fractions, 1.0), controls=True, **common
        ),
        *make_specs(names, [task], regimes=(COLD_LONG,), fractions=fractions[:1], controls=False, **common),
    ]


def _below_all(task: Task) -> tuple[float, ...]:
    return tuple(sorted(f for f in task.protocol.fractions if f < 1))


def measured(task: Task, outcomes: Iterable[Outcome]) -> Measured:
    """Collect what `ranking_specs` asked for, once that has been run.

    Raises:
        UserError: rows that lack a seed which others have.
    """
    values: dict[Key, Row] = {}
    learned: list[str] = []
    target: Side | None = None
    by_model: dict[str, list[dict[str, Any]]] = {}
    for outcome in outcomes:
        target = target or outcome.target
        by_model.setdefault(outcome.plan.spec.model.name, []).extend(outcome.results)
    fixed = {
        (r["model"], r["fraction"], r["seed"]): r
        for found in by_model.values()
        for r in found
        if r["model"] in (TRUTH, *CONTROLS)
    }
    for name, found in by_model.items():
        own = [r for r in found if r["model"] not in (TRUTH, *CONTROLS) and r["status"] != "skipped"]
        if name != FEEDFORWARD:
            learned.append(name)
        for row in rows([*fixed.values(), *own]):
            if row.kind == "model":
                values[name, row.label, float(row.fraction or 0)] = row
            elif row.kind == "control":
                values[row.label, row.label, 1.0 if row.fraction is None else row.fraction] = row
    if target is None or not values:
        raise UserError(f"{task.name}: no finished cell to judge the task by")
    seeds = max((tuple(row.seeds) for row in values.values()), key=len)
    short = [f"{key[0]} {key[1]} {percent(key[2])}" for key, row in values.items() if tuple(row.seeds) != seeds]
    if short:
        raise UserError(f"{task.name}: seeds are missing of {', '.join(short)}; run the command again")
    names = primaries(task.protocol.track)
    kinds = [kind for kind in names if kind != "adversarial"]
    fractions = _below_all(task)
    return Measured(
        task.name, seeds, fractions, tuple(learned),
        {k: np.stack([np.asarray(r.values[names[kind]], float) for kind in kinds], 1) for k, r in values.items()},
        {k: np.asarray(r.values["score"], float) for k, r in values.items()},
        {k: np.asarray(r.values[names["reconstruction"]], float) for k, r in values.items()},
        {
            f: (min(c.groups for c in held), min(c.takes for c in held), min(c.seconds for c in held))
            for f, held in contents_of_fractions(target).items()
            if f in fractions
        },
        task.target["kind"] != "builtin",
        target.folds.blocks,
    )  # fmt: skip


def scores_at_full(found: Measured) -> dict[str, float]:
    """Return the mean score of every entry and control with all data."""
    return {key[0]: float(score.mean()) for key, score in found.scores.items() if key[2] == 1}


def best_two(found: Measured) -> tuple[str, str]:
    """Return the two entries that score best at `full`, the better one first.

    Raises:
        UserError: fewer than two entries that learn motion.
    """
    if len(found.learned) < 2:
        raise UserError("a task is judged by two entries at least; name more of them with --models")
    at_full = scores_at_full(found)
    a, b = sorted(found.learned, key=lambda name: (at_full[name], name))[:2]
    return a, b


def judge(found: Measured, unsettled: Sequence[float] = (), full_change: float = math.nan) -> Verdict:
    """Apply docs/develop/design.md 4.9.

    The conditions are those of the smallest fraction at which the budget is enough. Where they all hold, the task is
    ranked at it and at every larger fraction at which the budget is enough.

    Args:
        unsettled: fractions at which one more doubling of the budget changes `cold`, or is not known not to.
        full_change: the share by which it changes `full`. It is reported, and decides nothing.

    Raises:
        UserError: fewer than two entries that learn motion.
    """
    a, b = best_two(found)
    at_full, seeds = scores_at_full(found), found.seeds

    def errors(fraction: float) -> list[np.ndarray]:
        label = FULL if fraction == 1 else COLD
        return [found.errors[name, label, fraction] for name in (a, b)]

    room = {f: headroom(seeds, errors(f), errors(1.0)) for f in found.fractions}
    settled = [f for f in found.fractions if f not in unsettled]
    at = (settled or list(found.fractions))[0]
    ratio, low, high = room[at]
    noise = max(paired_standard_error(seeds, errors(f)[0], errors(f)[1], f) for f in (at, 1.0))
    conditions = [
        Condition("budget", bool(settled), _budget_words(found, settled, full_change)),
        Condition(
            "headroom", ratio >= LEAST_RATIO and low > LEAST_END,
            f"cold {percent(at)} / full is {ratio:.2f} [{low:.2f}, {high:.2f}]; "
            f"at least {LEAST_RATIO:g}, and the interval above {LEAST_END:g}",
        ),
        Condition(
            "resolution", math.log(max(ratio, 1e-9)) >= LEAST_ERRORS * noise,
            f"log {ratio:.2f} is {math.log(max(ratio, 1e-9)) / max(noise, 1e-12):.1f} standard errors ({noise:.3f}) "
            f"of a difference of {a} and {b}; at least {LEAST_ERRORS:g}",
        ),
        *(_beats_controls(found, name, at) for name in (a, b)),
        _led_by_learning(at_full, found.learned),
        _holds_enough(found, at),
    ]  # fmt: skip
    ranked = tuple(settled) if all(condition.holds for condition in conditions) else ()
    return Verdict((a, b), ranked, room, tuple(conditions), tuple(unsettled), full_change)


def _budget_words(found: Measured, settled: Sequence[float], full_change: float) -> str:
    if settled:
        words = f"one more doubling changes cold by less than 5 % at {', '.join(map(percent, settled))}"
        return words + ("" if math.isnan(full_change) else f", and full by {100 * full_change:+.1f} %")
    return f"not enough, or not measured, at {', '.join(map(percent, found.fractions))}"


def _beats_controls(found: Measured, name: str, fraction: float) -> Condition:
    """Return whether an entry's cold start at a fraction scores better than each control."""
    mine = found.scores[name, COLD, fraction]
    leads = {}
    for (label, _, share), scores in found.scores.items():
        if label in CONTROLS and (label != NEAREST or share == fraction):
            leads[label] = score_lead(found.seeds, mine, scores, fraction)
    closest = min(leads, key=lambda label: (leads[label].estimate, label))
    lead = leads[closest]
    return Condition(
        f"{name} beats the controls", lead.estimate > 0,
        f"cold {percent(fraction)} scores {mine.mean():.3f}, {closest} {mine.mean() + lead.estimate:.3f} "
        f"(ahead by {lead.estimate:+.3f} [{lead.low:+.3f}, {lead.high:+.3f}])",
    )  # fmt: skip


def _led_by_learning(at_full: Mapping[str, float], learned: Sequence[str]) -> Condition:
    leader = min(at_full, key=lambda name: (at_full[name], name))
    others = [name for name in at_full if name not in learned]
    words = f"{leader} leads with {at_full[leader]:.3f}"
    if others:
        first = min(others, key=lambda name: (at_full[name], name))
        words += f"; of the rows that learn no motion {first} is first with {at_full[first]:.3f}"
    return Condition("full is led by an entry", leader in learned, words)


def _holds_enough(found: Measured, fraction: float) -> Condition:
    groups, takes, seconds = found.least[fraction]
    count, least, word = (takes, LEAST_TAKES, "takes") if found.recorded else (groups, LEAST_GROUPS, "groups")
    words = f"{percent(fraction)} holds {count} {word} and {seconds:.0f} s or more; {least} and {LEAST_SECONDS:.0f} s"
    if found.blocks:
        words = "the target has fewer than five groups, and was cut into blocks"
    return Condition(
        "enough in the fraction", not found.blocks and count >= least and seconds >= LEAST_SECONDS, words
    )
