"""Figures of the board for Markdown: the error of each task's first entries over the target's data, one SVG a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import escape

from rae_bench.leaderboard.board.charts import SHOWN_LINES, entry_colours, task_chart
from rae_bench.leaderboard.board.make import Board
from rae_bench.leaderboard.board.svg import HEIGHT, WIDTH, curves_parts

FOLDER = "curves"
"""Where the figures lie, beside the board's tables."""
GAP, HEAD, LEGEND = 20.0, 26.0, 30.0
"""Pixels between panels, for a panel's heading, and for the legend."""
STYLE = """
svg { background: #fff; font: 12px system-ui, sans-serif; }
text { fill: #1b1f24; }
.head { font-weight: 600; font-size: 14px; }
.tick, .title { fill: #59626d; }
.grid { stroke: #dfe3e8; }
.line, .control { color: var(--light); }
.line polyline { fill: none; stroke: currentcolor; stroke-width: 2; }
.line polygon { fill: currentcolor; opacity: 0.12; }
.line line { stroke: currentcolor; opacity: 0.45; stroke-width: 1.5; }
.line circle { fill: currentcolor; }
.control polyline { fill: none; stroke: currentcolor; stroke-width: 1.5; stroke-dasharray: 6 5; }
"""


def figure_files(board: Board) -> dict[str, str]:
    """Return name -> text of the figure of every task on which an entry is complete."""
    colours, out = entry_colours(board), {}
    for name, cells in board.tasks.items():
        chart = task_chart(cells, [row["entry"] for row in board.data["tasks"][name]["rows"]], colours)
        if chart["lines"] and chart["ticks"]:
            out[f"{FOLDER}/{name}.svg"] = figure_svg(chart, name)
    return out


def figure_svg(chart: Mapping[str, Any], name: str) -> str:
    """Return the panels of a chart of `charts.task_chart`, two beside each other, and a legend below them.

    The first `SHOWN_LINES` entries have a line. Controls are dashed.
    """
    drawn = {**chart, "lines": chart["lines"][:SHOWN_LINES]}
    parts = []
    for number, panel in enumerate(drawn["panels"]):
        x, y = (number % 2) * (WIDTH + GAP), (number // 2) * (HEIGHT + HEAD + GAP)
        words = panel["title"] + (f", {panel['unit']}" if panel["unit"] else "")
        parts.append(f'<g transform="translate({x:g} {y:g})"><text class="head" x="8" y="18">{escape(words)}</text>')
        parts.append(f'<g transform="translate(0 {HEAD:g})">{"".join(curves_parts(drawn, panel))}</g></g>')
    wide, tall = 2 * WIDTH + GAP, -(-len(drawn["panels"]) // 2) * (HEIGHT + HEAD + GAP)
    x = 8.0
    for line, dash in [*((one, "") for one in drawn["lines"]), *((one, "6 5") for one in drawn["controls"])]:
        stroke = f'stroke="{line["colours"][0]}" stroke-width="2" stroke-dasharray="{dash}"'
        parts.append(f'<line x1="{x:g}" x2="{x + 26:g}" y1="{tall + 12:g}" y2="{tall + 12:g}" {stroke}/>')
        parts.append(f'<text x="{x + 32:g}" y="{tall + 16:g}">{escape(line["label"][:24])}</text>')
        x += 50 + 6.8 * len(line["label"][:24])
    size = f'viewBox="0 0 {max(wide, x):g} {tall + LEGEND:g}"'
    title = f"{name}: error over the share of the target's data, with 95 % intervals over folds"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )
