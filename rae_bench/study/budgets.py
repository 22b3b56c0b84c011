"""How long a task must train until its data is what is short: errors of cold starts over a doubling series of updates.

docs/develop/design.md 4.3 has the rule. A cell of the series is an ordinary cell of the task with another full budget,
so a series goes on where an earlier one ended.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rae_bench.errors import UserError
from rae_bench.model.regimes import COLD, FULL, percent
from rae_bench.results.rows import ERROR, metric_values
from rae_bench.task.task import FULL_BUDGET, Task

if TYPE_CHECKING:
    from rae_bench.harness.run import Outcome
    from rae_bench.harness.spec import RunSpec, Seeds

START, CAP = 200, 3200
"""The fewest updates of a series, and the most that a task may have."""
ENOUGH = 0.05
"""A doubling that changes an error by less than this share, in either direction, shows that training was enough."""
COLUMNS = 5
"""Columns of a block of the table: what 80 characters hold."""


@dataclass(frozen=True, eq=False)
class Series:
    """Errors of cold starts of some models on one task.

    Attributes:
        task: its name.
        frames: of each update.
        updates: (B,) ascending, each twice the one before, but for the cap, which may be nearer.
        fractions: (F,) of the target's data, ascending; the last is 1, which is `full`.
        errors: model -> (B, F) reconstruction error, cm, the geometric mean over seeds; NaN where cells are missing.
        seeds: how many.
        cap: the most updates that may be chosen; `updates` may have one more doubling.
    """

    task: str
    frames: int
    updates: tuple[int, ...]
    fractions: tuple[float, ...]
    errors: Mapping[str, np.ndarray]
    seeds: int
    cap: int

    @property
    def mean(self) -> np.ndarray:
        """(B, F) cm: the geometric mean over models."""
        return np.asarray(np.exp(np.mean([np.log(table) for table in self.errors.values()], axis=0)))

    @property
    def changes(self) -> np.ndarray:
        """(B - 1, F): by which share the mean error changes with one more doubling; below 0 it falls."""
        mean = self.mean
        return np.asarray(mean[1:] / mean[:-1] - 1)


@dataclass(frozen=True)
class Choice:
    """The budget that the rule gives.

    Attributes:
        updates: of an adaptation.
        settled: whether one more doubling changes `cold` by less than `ENOUGH` at every fraction.
        unsettled: the fractions below 1 at which it changes more, or at which that is not known; not ranked.
        full_change: the share by which one more doubling changes `full`; NaN where that is not known.
    """

    updates: int
    settled: bool
    unsettled: tuple[float, ...]
    full_change: float


def doubling(start: int, cap: int) -> tuple[int, ...]:
    """Return the updates of a series: from `start` on doubled, up to the cap, which ends it.

    Raises:
        UserError: numbers that make no series.
    """
    if not 0 < start < cap:
        raise UserError(f"a series from {start} to {cap} updates: --start needs to be above 0 and below --cap")
    out = [start]
    while 2 * out[-1] < cap:
        out.append(2 * out[-1])
    return (*out, cap)


def with_updates(task: Task, updates: int) -> Task:
    """Return the task with another full budget, under another name unless it is the task's own."""
    if updates == task.protocol.full_updates:
        return task
    quick = min(task.protocol.quick_updates, updates)
    return replace(
        task, name=f"{task.name}-at-{updates}",
        protocol=replace(task.protocol, full_updates=updates, quick_updates=quick, budget=FULL_BUDGET),
    )  # fmt: skip


def series_specs(
    task: Task, models: Sequence[str], updates: Sequence[int], *, seeds: Seeds, out: Path, data_root: Path | None = None
) -> list[RunSpec]:
    """Return what is run for some numbers of updates: `cold` at every fraction of the task, and `full`."""
    from rae_bench.harness.sweep import make_specs

    return make_specs(
        models, [with_updates(task, number) for number in updates], regimes=(COLD, FULL), fractions="all",
        budget=FULL_BUDGET, seeds=seeds, out=out, data_root=data_root, controls=False,
    )  # fmt: skip


def read_series(
    task: Task, updates: Sequence[int], outcomes: Sequence[Outcome], *, seeds: int, cap: int
) -> Series:
    """Collect the errors of what `series_specs` asked for, once that has been run."""
    fractions = (*sorted(f for f in task.protocol.fractions if f < 1), 1.0)
    found: dict[tuple[str, int, float], list[float]] = {}
    for outcome in outcomes:
        number = outcome.task.protocol.full_updates
        for planned, result in outcome.found():
            if result["status"] == "ok":
                key = (outcome.plan.spec.model.name, number, planned.cell.fraction)
                found.setdefault(key, []).append(metric_values(result)[ERROR])
    names = [outcome.plan.spec.model.name for outcome in outcomes]

    def mean(key: tuple[str, int, float]) -> float:
        values = found.get(key, [])
        return math.exp(sum(map(math.log, values)) / seeds) if len(values) == seeds and min(values) > 0 else math.nan

    errors = {
        name: np.array([[mean((name, number, f)) for f in fractions] for number in updates])
        for name in dict.fromkeys(names)
    }
    return Series(task.name, task.protocol.frames_per_update, tuple(updates), fractions, errors, seeds, cap)


def choose(series: Series) -> Choice:
    """Return the smallest budget at which one more doubling changes `cold` at every fraction by less than `ENOUGH`.

    Where there is none up to the cap, the cap is chosen. A fraction that is not settled there is not ranked.
    """
    changes = series.changes
    doubled = [later == 2 * number for number, later in pairwise(series.updates)]
    for number, row, whole in zip(series.updates, changes, doubled, strict=False):
        if whole and number <= series.cap and bool((np.abs(row[:-1]) < ENOUGH).all()):
            return Choice(number, True, (), float(row[-1]))
    at = series.updates.index(series.cap)
    beyond = changes[at] if at < len(changes) and doubled[at] else np.full(len(series.fractions), np.nan)
    unsettled = tuple(f for f, c in zip(series.fractions[:-1], beyond, strict=False) if not abs(c) < ENOUGH)
    return Choice(series.cap, False, unsettled, float(beyond[-1]))


def table_lines(series: Series) -> list[str]:
    """Return the errors of every model, and the change of their mean by one more doubling; within 80 columns."""
    seeds = f"{series.seeds} seed{'s' if series.seeds > 1 else ''}"
    lines = [f"{series.task}: reconstruction error of cold starts, cm, {seeds}, {series.frames} frames an update"]
    heads = [FULL if f == 1 else f"{COLD} {percent(f)}" for f in series.fractions]
    for first in range(0, len(heads), COLUMNS):
        part = slice(first, first + COLUMNS)
        for model, errors in series.errors.items():
            lines += ["", *_block(model[:40], series.updates, heads[part], errors[:, part], "{:.2f}")]
        if len(series.updates) > 1:
            title = "change by one more doubling, %, mean of logarithms over the models"
            lines += ["", *_block(title, series.updates[:-1], heads[part], 100 * series.changes[:, part], "{:+.1f}")]
    return lines


def _block(
    title: str, updates: Sequence[int], heads: Sequence[str], numbers: np.ndarray, form: str
) -> list[str]:
    rows = [["updates", *heads]]
    rows += [
        [f"{n:,}", *("" if math.isnan(value) else form.format(value) for value in row)]
        for n, row in zip(updates, numbers.tolist(), strict=True)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(word.rjust(width) for word, width in zip(row, widths, strict=True)) for row in rows]
    return [title, *lines]


def verdict_lines(series: Series, choice: Choice) -> list[str]:
    """Return the chosen budget in words."""
    share = f"{100 * ENOUGH:.0f} %"
    if choice.settled:
        lines = [
            f"budget: {choice.updates:,} updates of {series.frames} frames, the smallest at which one more doubling",
            f"changes cold at every fraction by less than {share}.",
        ]
    else:
        lines = [f"budget: {choice.updates:,} updates of {series.frames} frames, the cap."]
        words = ", ".join(percent(f) for f in choice.unsettled)
        if words:
            lines += [
                f"One more doubling changes cold by {share} or more, or it is not known, at:",
                f"  {words}; these are not ranked.",
            ]
        else:
            lines.append(f"One more doubling changes cold at every fraction by less than {share}.")
    if not math.isnan(choice.full_change):
        lines.append(f"One more doubling changes {FULL} by {100 * choice.full_change:+.1f} %.")
    return lines


def facts(series: Series, choice: Choice) -> dict[str, Any]:
    """Return everything as numbers, ready for JSON."""
    return {
        "task": series.task, "frames_per_update": series.frames, "seeds": series.seeds, "cap": series.cap,
        "updates": list(series.updates), "fractions": list(series.fractions),
        "errors": {model: table.tolist() for model, table in series.errors.items()},
        "changes": series.changes.tolist(),
        "budget": choice.updates, "settled": choice.settled, "unsettled": list(choice.unsettled),
        "full_change": choice.full_change,
    }  # fmt: skip


def draw_series(series: Series, choice: Choice, path: Path) -> Path:
    """Draw a panel for each model: the errors over updates, both axes logarithmic, and the chosen budget as a line."""
    from rae_bench.viewer.plots import make_axes, save_figure

    figure, axes = make_axes(1, len(series.errors), (4.6 * len(series.errors) + 0.6, 4.2), sharey=True)
    shades = np.linspace(0.85, 0.15, len(series.fractions))
    import matplotlib

    colours = matplotlib.colormaps["viridis"]
    values = np.concatenate([table.ravel() for table in series.errors.values()])
    values = values[np.isfinite(values)]
    for axis, (model, errors) in zip(axes[0], series.errors.items(), strict=True):
        for column, fraction in enumerate(series.fractions):
            label = FULL if fraction == 1 else f"{COLD} {percent(fraction)}"
            dashes = "--" if fraction == 1 else "-"
            colour = colours(shades[column])
            axis.plot(series.updates, errors[:, column], dashes, marker="o", ms=4, label=label, color=colour)
        axis.axvline(choice.updates, color="#777777", lw=1, ls=":", label="chosen budget")
        axis.set(xscale="log", yscale="log", title=model, xlabel=f"updates of {series.frames} frames")
        axis.set_xticks(series.updates, [f"{n:,}" for n in series.updates], rotation=40)
        if len(values):
            ticks = _ticks(values.min(), values.max())
            axis.set_ylim(min(values.min() / 1.1, ticks[0]), max(values.max() * 1.1, ticks[-1]))
            axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.minorticks_off()
        axis.grid(alpha=0.25)
    axes[0][0].set_ylabel("reconstruction error, cm")
    handles, labels = axes[0][0].get_legend_handles_labels()
    columns = min(len(labels), 3 * len(series.errors))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    figure.suptitle(f"{series.task}: cold starts over updates, {series.seeds} seed{'s' if series.seeds > 1 else ''}")
    return save_figure(figure, path)


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers of an axis from `low` to `high`: 1, 1.5, 2, 3, 5 and 7 times powers of ten."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    rounds = [digit * 10.0**power for power in powers for digit in (1, 1.5, 2, 3, 5, 7)]
    within = [tick for tick in rounds if low <= tick <= high]
    return within if len(within) > 1 else [low, high]
