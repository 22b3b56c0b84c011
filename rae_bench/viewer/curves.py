"""Curves of runs: the primary errors over the fraction of the target's data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rae_bench.model.regimes import COLD, FULL
from rae_bench.results.columns import primary_columns
from rae_bench.results.rows import Row, rows, track_of
from rae_bench.statistics.intervals import level_interval
from rae_bench.viewer.kinds import COLOURS
from rae_bench.viewer.plots import ON_PAPER, make_axes, save_figure

if TYPE_CHECKING:
    from rae_bench.harness.run import Outcome
    from rae_bench.metrics.base import Column

WIDTH, HEIGHT = 15.0, 4.0
"""Inches of the four panels of a run."""


def fraction_curves(outcome: Outcome, table_rows: Sequence[Row], path: Path) -> Path | None:
    """Write the figure of `curves_figure` for one run.

    Returns:
        `path`; None where there is nothing to draw.
    """
    figure = _figure([(outcome, table_rows)])
    return None if figure is None else save_figure(figure, path)


def curves_figure(outcomes: Sequence[Outcome]) -> Any | None:
    """Draw the primary errors over the fraction of target data, a line for each regime; controls are dashed.

    Returns:
        A matplotlib figure with a row of four panels for each run; None where there is nothing to draw.
    """
    return _figure([(outcome, rows(outcome.results)) for outcome in outcomes])


def _figure(runs: Sequence[tuple[Outcome, Sequence[Row]]]) -> Any | None:
    drawn = [(outcome, table_rows) for outcome, table_rows in runs if _learned(_lines(outcome, table_rows))]
    if not drawn:
        return None
    figure, axes = make_axes(len(drawn), 4, (WIDTH, HEIGHT * len(drawn)))
    for (outcome, table_rows), panels in zip(drawn, axes, strict=True):
        lines = _lines(outcome, table_rows)
        for (category, column), axis in zip(primary_columns(track_of(outcome.results)).items(), panels, strict=True):
            _draw(axis, category, column, lines, table_rows)
        if len(drawn) > 1:
            panels[0].set_ylabel(f"{outcome.plan.spec.model.name} on {outcome.task.name}")
    named: dict[str, Any] = {}
    for panels in axes:
        for handle, label in zip(*panels[0].get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    order = [label for label in COLOURS if label in named]
    figure.legend([named[label] for label in order], order, loc="outside lower center", ncols=len(order), frameon=False)
    several = any(len(row.seeds) > 1 for _, table_rows in drawn for row in table_rows if row.kind == "model")
    repeated = "; bars: 95 % interval over folds" if several else ""
    of = ", ".join(dict.fromkeys(f"{outcome.task.name}, {outcome.task.budget} budget" for outcome, _ in drawn))
    figure.suptitle(f"{of}: error over target data (100 % is full{repeated})")
    return figure


def _lines(outcome: Outcome, table_rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows that have a fraction by their label; `full` is the end of `cold`."""
    first = primary_columns(track_of(outcome.results))["reconstruction"].name
    lines: dict[str, list[Row]] = {}
    for row in table_rows:
        if row.values.get(first) and row.fraction is not None:
            lines.setdefault(COLD if row.label == FULL else row.label, []).append(row)
    return lines


def _learned(lines: dict[str, list[Row]]) -> list[Row]:
    return [row for points in lines.values() for row in points if row.kind == "model"]


def _draw(axis: Any, category: str, column: Column, lines: dict[str, list[Row]], table_rows: Sequence[Row]) -> None:
    """Draw one error of a run."""
    name, learned = column.name, _learned(lines)
    fractions = sorted({row.fraction or 0 for row in learned})
    for k, (label, points) in enumerate(lines.items()):
        points = sorted(points, key=lambda r: r.fraction or 0)
        # Side by side, so that the bars of one regime do not hide another's.
        x = [100 * (r.fraction or 0) * 1.03 ** (k - (len(lines) - 1) / 2) for r in points]
        found = [level_interval(r.seeds, r.values[name]) for r in points]
        means, halves = [one.estimate for one in found], [one.high - one.estimate for one in found]
        bars = None if all(map(math.isnan, halves)) else [0 if math.isnan(h) else h for h in halves]
        style: dict[str, Any] = {"ls": "-", "marker": "o"}
        if points[0].kind != "model":
            style = {"ls": "--", "marker": ".", "lw": 1}
        axis.errorbar(x, means, yerr=bars, capsize=3, elinewidth=1, label=label, color=ON_PAPER[label], **style)
    level = [row for row in table_rows if row.fraction is None and row.values.get(name)]
    for row in level:
        dashes = ":" if row.kind == "truth" else "--"
        axis.axhline(row.values[name][0], color=ON_PAPER[row.label], ls=dashes, lw=1, label=row.label)
    axis.set(xscale="log", xlabel="target training data, %", title=column.title)
    axis.set_xticks([100 * f for f in fractions], [f"{100 * f:g}" for f in fractions])
    axis.minorticks_off()
    axis.grid(alpha=0.2)
    # The scale fits values and not bars, which can be ten times as long with two seeds. It does not fit controls
    # that miss their objectives by metres, since the models would then lie on the axis.
    fitted = learned if category == "objective" else [*learned, *level]
    top = max((v for row in fitted for v in row.values[name] if math.isfinite(v)), default=0)
    axis.set_ylim(0, 1.15 * top if top > 0 else 1)
