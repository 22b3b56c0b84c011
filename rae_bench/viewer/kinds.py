"""The kinds of rows that pictures and pages show, in their order, and their colours."""

from __future__ import annotations

from collections.abc import Iterable

from rae_bench.model.regimes import COLD, COLD_LONG, FINETUNE, FROZEN, FULL, RETARGET, ZERO_SHOT
from rae_bench.task.cells import HOLD, NEAREST, TRUTH

COLOURS = {
    TRUTH: ("#444444", "#ffffff"),
    COLD: ("#2a6fdb", "#5b9bff"),
    COLD_LONG: ("#7fb2f0", "#a5cbf7"),
    FROZEN: ("#d43d3d", "#ff6b6b"),
    FINETUNE: ("#2e9e4f", "#4cc972"),
    RETARGET: ("#0f8f86", "#3cc4b9"),
    ZERO_SHOT: ("#c77f1a", "#e8a548"),
    FULL: ("#7b3fa0", "#b583ee"),
    HOLD: ("#6b6b6b", "#9a9a9a"),
    "interpolate": ("#b07d2b", "#d1a45c"),
    NEAREST: ("#5b8c8c", "#82b8b8"),
}
"""Kind of a row -> its colour on a light and on a dark ground, "#rrggbb". Truth, cold, frozen and finetune have the
colours of the thesis on light."""

LINE_COLOURS = (
    ("#2a6fdb", "#6ea4f7"), ("#c2410c", "#fb923c"), ("#15803d", "#4ade80"), ("#7b3fa0", "#c694ef"),
    ("#0e7490", "#22d3ee"), ("#a16207", "#facc15"), ("#be185d", "#f472b6"), ("#4d5b6b", "#a8b3c0"),
    ("#4d7c0f", "#bef264"), ("#7f1d1d", "#fda4af"), ("#1e3a8a", "#93b4fd"), ("#6b4423", "#d6a87c"),
    ("#047857", "#6ee7b7"), ("#86198f", "#f0abfc"),
)  # fmt: skip
"""Colours of models that stand together, on a light and on a dark ground."""


def line_colours(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return name -> its colour on a light and on a dark ground; the order of the names does not matter."""
    return {name: LINE_COLOURS[number % len(LINE_COLOURS)] for number, name in enumerate(sorted(set(names)))}


def kind_of(label: str) -> str:
    """Return the kind of a row with a label such as "cold 5 %"."""
    return label.partition(" ")[0]
