"""Charts as SVG in the page: curves of error over the target's fraction, and cost against score. No script draws them.

The page styles the classes, and gives every line its colour on a light and on a dark ground.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

WIDTH, HEIGHT = 460.0, 252.0
LEFT, RIGHT, TOP, BOTTOM = 54.0, 14.0, 10.0, 46.0
"""The size of a chart and its margins, pixels."""
BEYOND = 2.5
"""A line whose least value is so many times the median of all lines' greatest ones does not stretch the scale."""


def curves_svg(chart: Mapping[str, Any], panel: Mapping[str, Any]) -> Markup:
    """Draw a panel of a chart of `charts.task_chart` or `charts.entry_chart`."""
    label = f"{panel['title']} over the share of the target's data; the table below has its numbers"
    return _svg(curves_parts(chart, panel), label)


def curves_parts(chart: Mapping[str, Any], panel: Mapping[str, Any]) -> list[str]:
    """Return what such a panel is made of, in a field of `WIDTH` x `HEIGHT`."""
    ticks, category = chart["ticks"], panel["category"]
    top = highest(chart, category)
    across = _data_scale(ticks)
    up = _scale(0, top)
    parts = _frame([(x, percent(x)) for x in ticks], _steps(top), across, up)
    for control in chart["controls"]:
        known = [(x, v) for x, v in zip(ticks, control[category], strict=True) if v is not None]
        if known and min(v for _, v in known) <= top:
            parts.append(_line("control", [(across(x), up(v)) for x, v in known], control["colours"]))
    for number, line in enumerate(chart["lines"]):
        points = [(x, p) for x, p in zip(line["x"], line[category], strict=True) if p is not None]
        band = [(x, p) for x, p in points if p[1] is not None]
        low, high = ([(across(x), up(p[end])) for x, p in band] for end in (1, 2))
        inner = _polygon([*high, *reversed(low)]) if len(band) > 1 else ""
        inner += _bars(low, high) + _polyline([(across(x), up(p[0])) for x, p in points])
        inner += "".join(f'<circle cx="{across(x):.1f}" cy="{up(p[0]):.1f}" r="3.5"/>' for x, p in points)
        hidden = "" if line["shown"] else " hidden"
        parts.append(f'<g class="line" data-line="{number}" style="{_colours(line["colours"])}"{hidden}>{inner}</g>')
    return [*parts, *_titles("share of the target's data", panel["unit"])]


def highest(chart: Mapping[str, Any], category: str) -> float:
    """Return the top of a panel's scale: that of the lines, with their intervals up to three times the line."""
    tops, least = [], []
    for line in chart["lines"]:
        points = [p for p in line[category] if p is not None]
        if points:
            tops.append(max(p[0] if p[2] is None else min(p[2], 3 * p[0]) for p in points))
            least.append(min(p[0] for p in points))
    if not tops:
        return 1.0
    middle = sorted(tops)[(len(tops) - 1) // 2]
    near = [top for top, low in zip(tops, least, strict=True) if low <= BEYOND * middle]
    return 1.12 * max(near, default=0.0) if max(near, default=0.0) > 0 else 1.0


def above(chart: Mapping[str, Any], panel: Mapping[str, Any]) -> str:
    """Say which controls the dashed lines are, and what lies above the scale."""
    top, category, digits = highest(chart, panel["category"]), panel["category"], panel["digits"]
    found: dict[str, list[str]] = {"dashed": [], "above the scale": []}
    for control in chart["controls"]:
        known = [v for v in control[category] if v is not None]
        if known:
            ends = dict.fromkeys(f"{v:z.{digits}f}" for v in (min(known), max(known)))
            where = "above the scale" if min(known) > top else "dashed"
            found[where].append(f"{control['label']} {' to '.join(ends)}")
    for line in chart["lines"]:
        known = [p[0] for p in line[category] if p is not None]
        if known and min(known) > top:
            found["above the scale"].append(f"{line['label']} {min(known):z.{digits}f}")
    return "; ".join(f"{where}: {', '.join(names)}" for where, names in found.items() if names)


def cost_svg(rows: Sequence[Mapping[str, Any]], colours: Mapping[str, Sequence[str]]) -> Markup | None:
    """Draw the score of a table's entries against the core-seconds of one adaptation; None where no entry has both.

    A ring stands where the entry is once pre-training is added. The line joins the entries that no other beats in score
    and adaptation.

    Args:
        rows: the table's rows of entries.
        colours: entry -> its colour on a light and on a dark ground.
    """
    known = [
        (row["cost"]["adapt_core_seconds"], row["score"]["value"], row)
        for row in rows
        if row["score"] and (row["cost"].get("adapt_core_seconds") or 0) > 0
    ]
    if not known:
        return None
    known.sort(key=lambda one: (one[0], one[1], one[2]["entry"]))
    whole = [cost + (row["cost"].get("pretrain_core_seconds") or 0) for cost, _, row in known]
    least, most = known[0][0] / 1.6, max(whole) * 2.2
    top = 1.08 * max(0.01, *(min(row["score"]["high"] or score, 2 * score) for _, score, row in known))
    across, up = _log_scale(least, most), _scale(0, top)
    parts = _frame([(x, f"{x:,g} s") for x in _decades(least, most)], _steps(top), across, up)
    best, front = math.inf, []
    for cost, score, _ in known:
        if score < best:
            best = score
            front.append((across(cost), up(score)))
    parts.append(f'<g class="front">{_polyline(front)}</g>')
    for (cost, _, row), total in zip(known, whole, strict=True):
        drawn = _dot(row, cost, total, across, up)
        parts.append(f'<g class="dot" style="{_colours(colours[row["entry"]])}">{drawn}</g>')
    parts += _names([(across(cost), up(score), row["title"]) for cost, score, row in known])
    parts += _titles("core-seconds: dot, one adaptation; ring, with pre-training", "score")
    return _svg(parts, "Score against the core-seconds of one adaptation; the table's columns have the numbers")


def _dot(row: Mapping[str, Any], cost: float, total: float, across: Any, up: Any) -> str:
    """Draw an entry: its interval, a dot, and a ring where pre-training is added."""
    x, y, ends = across(cost), up(row["score"]["value"]), (row["score"]["low"], row["score"]["high"])
    bar = "" if None in ends else f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{up(ends[0]):.1f}" y2="{up(ends[1]):.1f}"/>'
    words = f"{row['title']}: score {row['score']['value']:.3f}, {cost:,.0f} core-seconds"
    ring = ""
    if total > cost:
        words += f", {total:,.0f} with pre-training"
        ring = f'<line class="to" x1="{x:.1f}" x2="{across(total):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        ring += f'<circle class="ring" cx="{across(total):.1f}" cy="{y:.1f}" r="4"/>'
    return f'{ring}{bar}<circle cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{escape(words)}</title></circle>'


def _names(places: Sequence[tuple[float, float, str]]) -> list[str]:
    """Write names beside their dots, each below the one before where they would overlap."""
    parts, used = [], list[tuple[float, float, float]]()
    for x, y, name in sorted(places, key=lambda one: (one[1], one[0])):
        words = name[:24]
        wide, end = 6.6 * len(words), x > 0.6 * WIDTH
        low, y = (x - 8 - wide if end else x + 8), y + 14
        while any(abs(y - other) < 12 and low < right and left < low + wide for left, right, other in used):
            y += 3
        used.append((low, low + wide, y))
        x, y, anchor = x + (-8 if end else 8), min(y, HEIGHT - BOTTOM - 3), "end" if end else "start"
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>')
    return parts


def _titles(across: str, up: str) -> list[str]:
    """Name the two axes."""
    middle, half = LEFT + (WIDTH - LEFT - RIGHT) / 2, TOP + (HEIGHT - TOP - BOTTOM) / 2
    places = [(f"translate({middle:g} {HEIGHT - 6:g})", across), (f"translate(13 {half:g}) rotate(-90)", up)]
    return [
        f'<text class="title" text-anchor="middle" transform="{place}">{escape(words)}</text>'
        for place, words in places
        if words
    ]


def percent(x: float) -> str:
    """Write a tick of the data's axis."""
    return f"{x:.3g} %"


def _svg(parts: Iterable[str], label: str) -> Markup:
    box = f'viewBox="0 0 {WIDTH:g} {HEIGHT:g}"'
    return Markup(f'<svg class="chart" {box} role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>')


def _frame(marks: Sequence[tuple[float, str]], steps: Sequence[float], across: Any, up: Any) -> list[str]:
    """Draw the grid with its numbers."""
    parts = []
    for value in steps:
        y = up(value)
        parts.append(f'<line class="grid" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value, words in marks:
        x = across(value)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP:g}" y2="{HEIGHT - BOTTOM:g}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 26:g}" text-anchor="middle">{words}</text>')
    return parts


def _scale(low: float, high: float) -> Any:
    """Return where a value stands on the axis that goes up; what lies beyond stands at the edge."""
    room = HEIGHT - TOP - BOTTOM
    return lambda value: TOP + room * (1 - min(max((value - low) / (high - low), 0.0), 1.0))


def _data_scale(ticks: Sequence[float]) -> Any:
    """Return where a share of the data stands, on a logarithmic axis; none at all stands to the left of the least."""
    some = [x for x in ticks if x > 0] or [1.0]
    least = min(some) / (2.5 if len(some) < len(ticks) else 1.25)
    across = _log_scale(least, max(some) * 1.25)
    return lambda x: across(x if x > 0 else 1.25 * least)


def _log_scale(low: float, high: float) -> Any:
    """Return where a value above 0 stands on the axis to the right, which is logarithmic."""
    room, span = WIDTH - LEFT - RIGHT, math.log(high / low)
    return lambda value: LEFT + room * min(max(math.log(max(value, 1e-12) / low) / span, 0.0), 1.0)


def _steps(top: float) -> list[float]:
    """Return three to six round numbers from 0 to below the top."""
    power = 10.0 ** math.floor(math.log10(top / 4))
    step = next(n * power for n in (1, 2, 5, 10) if top / (n * power) <= 5)
    return [float(f"{n * step:.6g}") for n in range(int(top / step) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Return the numbers 1, 3, 10 ... between two numbers; of more than six, every second one."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    all_of = [n * 10.0**p for p in range(first, last + 1) for n in (1, 3) if low <= n * 10.0**p <= high]
    return all_of if len(all_of) <= 6 else all_of[::2]


def _colours(pair: Sequence[str]) -> str:
    return f"--light: {pair[0]}; --dark: {pair[1]}"


def _line(kind: str, points: Sequence[tuple[float, float]], colours: Sequence[str]) -> str:
    if len(points) == 1:  # a level that one fraction has
        points = [(points[0][0] - 14, points[0][1]), (points[0][0] + 14, points[0][1])]
    return f'<g class="{kind}" style="{_colours(colours)}">{_polyline(points)}</g>'


def _polyline(points: Sequence[tuple[float, float]]) -> str:
    return f'<polyline points="{_text(points)}"/>' if len(points) > 1 else ""


def _polygon(points: Sequence[tuple[float, float]]) -> str:
    return f'<polygon points="{_text(points)}"/>'


def _bars(low: Sequence[tuple[float, float]], high: Sequence[tuple[float, float]]) -> str:
    ends = zip(low, high, strict=True)
    return "".join(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{a:.1f}" y2="{b:.1f}"/>' for (x, a), (_, b) in ends)


def _text(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
