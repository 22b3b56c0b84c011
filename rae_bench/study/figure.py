"""The study in one figure: published, as published, and corrected, side by side."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rae_bench.study.effects import Effect
from rae_bench.viewer.plots import make_axes, save_figure

if TYPE_CHECKING:
    from rae_bench.study.findings import Row, Study

MARKS: dict[str, dict[str, Any]] = {
    "published": {"marker": "D", "mfc": "none", "color": "#444444", "ls": "none", "ms": 5},
    "paper": {"marker": "s", "color": "#c77f1a", "ls": "none", "ms": 4},
    "corrected": {"marker": "o", "color": "#2a6fdb", "ls": "none", "ms": 5},
}
LABELS = {"published": "published", "paper": "published protocol, run again", "corrected": "corrected protocol"}
PANELS = (("to_cold", "times better than the own cold start"), ("to_full", "times better than full-data FE"))


def draw(study: Study, path: Path) -> Path:
    """A row a model and regime, a panel a yardstick; bars are 95 % intervals, cut at the frame."""
    both = {row: (*row.to_full.values(), *row.to_cold.values()) for row in study.rows}
    rows = [row for row, values in both.items() if any(isinstance(value, Effect) for value in values)]
    figure, axes = make_axes(1, 2, (12, 0.27 * len(rows) + 2))
    for axis, (name, title) in zip(axes[0], PANELS, strict=True):
        middles: list[float] = []
        for k, (mode, style) in enumerate(MARKS.items()):
            middles += _points(axis, rows, name, mode, 0.22 * (k - 1), style)
        axis.axvline(1, color="#888888", lw=1)
        axis.set_xscale("log")
        ticks = [0.2, 0.33, 0.5, 0.8, 1, 1.25, 2, 3, 5]
        # Two seeds give intervals of three decades, beside which the points could not be told apart.
        low, high = min(middles, default=1) / 1.5, max(middles, default=1) * 1.5
        axis.set_xlim(low, high)
        shown = [tick for tick in ticks if low <= tick <= high] or [1]
        axis.set_xticks(shown, [f"{tick:g}" for tick in shown])
        axis.minorticks_off()
        axis.set(xlabel=title, ylim=(len(rows) - 0.5, -0.5))
        axis.set_yticks(range(len(rows)), [f"{row.model}  {row.regime}" for row in rows] if axis is axes[0][0] else [])
        axis.grid(axis="x", alpha=0.2)
    handles, labels = [], []
    for axis in axes[0]:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            if label not in labels:
                handles.append(handle)
                labels.append(label)
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(f"The thesis' study: rigs {', '.join(study.rigs)} from r1, seeds: {study.seeds}")
    return save_figure(figure, path)


def _points(axis: Any, rows: list[Row], name: str, mode: str, shift: float, style: dict[str, Any]) -> list[float]:
    xs, ys, left, right = [], [], [], []
    for y, row in enumerate(rows):
        value = getattr(row, name).get(mode)
        if value is None:
            continue
        middle = value.times if isinstance(value, Effect) else value
        sure = isinstance(value, Effect) and not math.isnan(value.low)
        xs.append(middle)
        ys.append(y + shift)
        left.append(middle - value.low if sure else 0.0)
        right.append(value.high - middle if sure else 0.0)
    if xs:
        axis.errorbar(xs, ys, xerr=[left, right], elinewidth=1, label=LABELS[mode], **style)
    return xs
