"""The study in words, numbers and a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rae_bench.benchmark import BENCHMARK_VERSION
from rae_bench.data.wording import in_ranges
from rae_bench.results.files import write_json
from rae_bench.storage import whole_file
from rae_bench.study.claims import CLAIMS
from rae_bench.study.cost import COST_MEASURES, REFERENCE, Cost, cheaper
from rae_bench.study.effects import Effect
from rae_bench.study.findings import Study, StudyRow
from rae_bench.viewer.plots import make_axes, save_figure

SCHEMA = "rae-bench.study/2"
STYLES: dict[str, dict[str, Any]] = {
    "published": {"marker": "D", "mfc": "none", "color": "#444444", "ls": "none", "ms": 5},
    "paper": {"marker": "s", "color": "#c77f1a", "ls": "none", "ms": 4},
    "corrected": {"marker": "o", "color": "#2a6fdb", "ls": "none", "ms": 5},
}
STYLE_LABELS = {"published": "published", "paper": "published protocol, run again", "corrected": "corrected protocol"}
YARDSTICKS = (("to_cold", "times better than the own cold start"), ("to_full", "times better than full-data FE"))


def write_study(study: Study, folder: Path) -> list[Path]:
    """Write `study.json`, `study.md` and `study.png`; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"schema": SCHEMA, "benchmark": BENCHMARK_VERSION, "package": version("rae-bench"), **asdict(study)}
    write_json(folder / "study.json", facts)
    with whole_file(folder / "study.md") as scratch:
        scratch.write_text("\n".join(report_lines(study)) + "\n", encoding="utf-8")
    return [folder / "study.md", folder / "study.json", draw_study(study, folder / "study.png")]


def times(found: Effect | float | None) -> str:
    """Write an effect as "1.23 (1.10 to 1.38)"."""
    if found is None:
        return ""
    if isinstance(found, float):
        return f"{found:.2f}"
    if math.isnan(found.low) or found.low == found.high:
        return f"{found.times:.2f}"
    return f"{found.times:.2f} ({found.low:.2f} to {found.high:.2f})"


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body)] + [""]


def report_lines(study: Study) -> list[str]:
    """Return the report as Markdown."""
    done = ", ".join(f"{name} {n} of {count} cells" for name, (n, count) in study.cells.items())
    modes = list(study.verdicts)
    out = [
        "# The thesis' study, run again",
        "",
        f"rae-bench {version('rae-bench')}, benchmark version {BENCHMARK_VERSION}, {study.budget} budget; "
        f"rigs {', '.join(study.rigs)} from r1; seeds: {in_ranges(study.seeds)}; {done}.",
        "",
        "`corrected`: our protocol; error of roll-outs, paired clips, intervals over folds.",
        "`paper`: the published protocol with its faults; error one frame ahead of the true one, ratios of means,",
        "intervals over seeds. Ratios: times better, more than 1 is better. Published: the thesis' numbers, same rigs.",
        "",
        "## The five claims",
        "",
    ]
    for k, claim in enumerate(CLAIMS):
        words = "; ".join(f"{mode}: **{study.verdicts[mode][k].verdict}**" for mode in modes)
        out.append(f"{claim.number}. {claim.text} {words}.")
    out.append("")
    for k, claim in enumerate(CLAIMS):
        if not any(study.verdicts[mode][k].findings for mode in modes):
            continue
        out += [f"### Claim {claim.number}", ""]
        if claim.parts:
            head = ["", "published", *(column for mode in modes for column in (mode, ""))]
            body = []
            for n, first in enumerate(study.verdicts[modes[0]][k].findings):
                found = [study.verdicts[mode][k].findings[n] for mode in modes]
                cells = [text for f in found for text in (times(f.effect), f.verdict)]
                body.append([first.words, times(first.published), *cells])
            out += _table(head, body)
        else:
            found_once = study.verdicts[modes[0]][k].findings
            out += _table(["", "times less", ""], [[f.words, times(f.effect), f.verdict] for f in found_once])
    for title, name in (("full-data FE", "to_full"), ("own cold start", "to_cold")):
        out += [f"## Times better than {title}", ""]
        body = []
        for row in study.rows:
            side: dict[str, Any] = getattr(row, name)
            if any(value is not None for key, value in side.items() if key != "published"):
                body.append([row.model, row.regime, times(side["published"]), *(times(side[mode]) for mode in modes)])
        out += _table(["model", "regime", "published", *modes], body)
    if study.sources:
        out += ["## Transfer or mere pre-training", ""]
        out += ["The swapped source has the same motion; its hands are called feet and its feet hands.", ""]
        out += _table(["", "times better", ""], [[f.words, times(f.effect), f.verdict] for f in study.sources])
    if study.costs:
        out += ["## Cost, side by side", "", "One core; medians of the rounds; times: cost over FE's.", ""]
        head = ["model", *(column for what in COST_MEASURES.values() for column in (what, "times"))]
        body = [[cost.model, *_costs(study.costs, cost)] for cost in study.costs]
        out += _table(head, body)
    return out


def _costs(costs: Sequence[Cost], cost: Cost) -> list[str]:
    out = []
    for what in COST_MEASURES:
        value = getattr(cost, what)
        middle = value if isinstance(value, int) else sorted(value)[len(value) // 2]
        text = f"{middle:,}" if isinstance(middle, int) else f"{middle:.2f}"
        out += [text, "" if cost.model == REFERENCE else times(cheaper(costs, REFERENCE, cost.model, what))]
    return out


def draw_study(study: Study, path: Path) -> Path:
    """Draw a row for each model and regime, a panel for each yardstick; bars are 95 % intervals, cut at the frame."""
    effects = {row: (*row.to_full.values(), *row.to_cold.values()) for row in study.rows}
    rows = [row for row, values in effects.items() if any(isinstance(value, Effect) for value in values)]
    figure, axes = make_axes(1, 2, (12, 0.27 * len(rows) + 2))
    for axis, (name, title) in zip(axes[0], YARDSTICKS, strict=True):
        middles: list[float] = []
        for k, (mode, style) in enumerate(STYLES.items()):
            middles += _points(axis, rows, name, mode, 0.22 * (k - 1), style)
        axis.axvline(1, color="#888888", lw=1)
        axis.set_xscale("log")
        ticks = [0.2, 0.33, 0.5, 0.8, 1, 1.25, 2, 3, 5]
        # Two seeds give intervals of three decades, next to which the points would be one.
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
    what = f"rigs {', '.join(study.rigs)} from r1, seeds: {in_ranges(study.seeds)}, {study.budget} budget"
    figure.suptitle(f"The thesis' study: {what}")
    return save_figure(figure, path)


def _points(axis: Any, rows: list[StudyRow], name: str, mode: str, shift: float, style: dict[str, Any]) -> list[float]:
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
        axis.errorbar(xs, ys, xerr=[left, right], elinewidth=1, label=STYLE_LABELS[mode], **style)
    return xs
