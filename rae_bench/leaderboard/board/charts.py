"""What a page draws: curves of error over the target's fraction as data for `svg`, and rigs as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rae_bench.leaderboard.board import formatting
from rae_bench.leaderboard.board.contestants import Contestant, TaskCells
from rae_bench.leaderboard.board.estimates import over_seeds
from rae_bench.leaderboard.board.make import Board
from rae_bench.model.regimes import COLD, ZERO_SHOT
from rae_bench.results.columns import primary_columns
from rae_bench.rigs.rig import Rig
from rae_bench.task.cells import TRUTH
from rae_bench.viewer.kinds import COLOURS, line_colours

SHOWN_LINES = 5
"""The number of entries whose lines are shown from the start."""

Place = tuple[str, float]
"""Regime and fraction."""


def entry_colours(board: Board) -> dict[str, tuple[str, str]]:
    """Return the colours of the entries that learn, the same on every page of a board."""
    return line_colours(entry.name for entry in board.entries.values() if entry.card.learns)


def task_chart(cells: TaskCells, order: Sequence[str], colours: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return a chart with a line for each entry: its transfer regime, then all of the target's data.

    Args:
        cells: all entries on the task.
        order: names of entries in the order of the table.
        colours: entry -> its colour on a light and on a dark ground.
    """
    by_name = {c.name: c for c in cells.complete}
    lines = [
        _line(by_name[name], [(by_name[name].regime, f) for f in by_name[name].low if f > 0] + [(COLD, 1.0)], name)
        | {"colours": list(colours[name]), "shown": k < SHOWN_LINES}
        for k, name in enumerate(order)
        if name in by_name
    ]
    return _chart(cells, lines)


def entry_chart(contestant: Contestant, cells: TaskCells) -> dict[str, Any]:
    """Return a chart with a line for each regime that the entry ran."""
    regimes = sorted({key.regime for key in contestant.cells} - {ZERO_SHOT}, key=list(COLOURS).index)
    lines = []
    for regime in regimes:
        fractions = sorted({key.fraction for key in contestant.cells if key.regime == regime})
        line = _line(contestant, [(regime, f) for f in fractions], regime)
        lines.append(line | {"colours": list(COLOURS[regime]), "shown": True})
    return _chart(cells, lines)


def _line(c: Contestant, places: Sequence[Place], label: str) -> dict[str, Any]:
    primary = primary_columns(c.track)
    points: dict[str, list[Any]] = {"x": []} | {category: [] for category in primary}
    for regime, fraction in places:
        found = {k: over_seeds(c.values(regime, fraction, column.name)) for k, column in primary.items()}
        if any(value is not None for value in found.values()):
            points["x"].append(100 * fraction)
            for category, value in found.items():
                points[category].append(value and [_short(value[end]) for end in ("value", "low", "high")])
    return {"label": label, **points}


def _chart(cells: TaskCells, lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return panels in the order of the categories, with controls, which are level unless they read clips."""
    ticks = sorted({x for line in lines for x in line["x"]})
    controls: list[dict[str, Any]] = []
    primary = primary_columns(cells.track)
    for name in cells.controls:
        by_fraction = cells.control_means(name)
        fixed = by_fraction[1.0] if list(by_fraction) == [1.0] else None
        at = {100 * fraction: values for fraction, values in by_fraction.items()}
        values = [fixed or at.get(x) for x in ticks]
        if name != TRUTH and any(values):
            line = {k: [_short(v[c.name]) if v else None for v in values] for k, c in primary.items()}
            controls.append({"label": name, "colours": list(COLOURS[name]), **line})
    panels = [
        {"category": category, "title": column.label, "unit": column.unit, "digits": column.digits}
        for category, column in primary.items()
    ]
    return {"panels": panels, "lines": list(lines), "controls": controls, "ticks": ticks}


def number_rows(chart: Mapping[str, Any], panel: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Return the numbers of a panel in words: each line with a cell for each tick."""

    def write(point: Sequence[float | None] | None) -> str:
        if point is None:
            return formatting.NONE
        return formatting.with_ends(dict(zip(("value", "low", "high"), point, strict=True)), panel["digits"])

    rows = []
    for line in chart["lines"]:
        at = dict(zip(line["x"], line[panel["category"]], strict=True))
        rows.append((line["label"], [write(at.get(x)) for x in chart["ticks"]]))
    return rows


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def scale_of(part: Mapping[str, Any]) -> float:
    """Return the right end of the scale of a table's scores. It has room for the entries; controls may lie beyond."""
    known = [row["score"]["high"] or row["score"]["value"] for row in part["rows"] if row["score"]]
    return max([1e-9, *known]) * 1.05


DRAWING_WIDTH, DRAWING_HEIGHT, DRAWING_MARGIN = 300.0, 210.0, 14.0
"""The size of a rig's drawing and its margin, pixels."""


def rig_svg(rig: Rig) -> str:
    """Draw a rig in its rest pose as an inline SVG, seen from its left and from the front.

    The page styles the classes `bone`, `joint`, `key` and `ground`.
    """
    points = rig.rest_global[0].astype(float)
    views = [np.stack([points[:, 2], points[:, 1]], 1), np.stack([-points[:, 0], points[:, 1]], 1)]
    spans = [max(float(np.ptp(view[:, 0])), 0.05) for view in views]
    tall = max(float(np.ptp(points[:, 1])), 0.05)
    scale = min((DRAWING_WIDTH - 3 * DRAWING_MARGIN) / sum(spans), (DRAWING_HEIGHT - 2 * DRAWING_MARGIN) / tall)
    left, ground = (DRAWING_WIDTH - scale * sum(spans) - DRAWING_MARGIN) / 2, DRAWING_HEIGHT - DRAWING_MARGIN
    keys = {int(joint) for joint in rig.key_joints if joint >= 0}
    parts = [f'<line class="ground" x1="0" x2="{DRAWING_WIDTH:g}" y1="{ground:g}" y2="{ground:g}"/>']
    for view, span in zip(views, spans, strict=True):
        x = left + scale * (view[:, 0] - view[:, 0].min())
        y = ground - scale * (view[:, 1] - points[:, 1].min())
        for joint, parent in enumerate(rig.parents):
            if parent >= 0:
                ends = f'x1="{x[parent]:.1f}" y1="{y[parent]:.1f}" x2="{x[joint]:.1f}" y2="{y[joint]:.1f}"'
                parts.append(f'<line class="bone" {ends}/>')
        for joint in range(len(rig)):
            kind, radius = ("key", 4) if joint in keys else ("joint", 1.8)
            parts.append(f'<circle class="{kind}" cx="{x[joint]:.1f}" cy="{y[joint]:.1f}" r="{radius}"/>')
        left += scale * span + DRAWING_MARGIN
    box = f'viewBox="0 0 {DRAWING_WIDTH:g} {DRAWING_HEIGHT:g}"'
    return f'<svg class="rig" {box} aria-hidden="true">{"".join(parts)}</svg>'
