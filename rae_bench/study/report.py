"""The study in words, numbers and a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rae_bench.results.files import write_json
from rae_bench.storage import whole_file
from rae_bench.study.claims import CLAIMS
from rae_bench.study.cost import MEASURES, REFERENCE, Cost, cheaper
from rae_bench.study.effects import Effect
from rae_bench.study.findings import Study

if TYPE_CHECKING:
    pass

SCHEMA = "rae-bench.study/1"










def write(study: Study, folder: Path) -> list[Path]:
    """`study.json`, `study.md` and `study.png`."""
    from rae_bench.study.figure import draw

    folder.mkdir(parents=True, exist_ok=True)
    facts = {"schema": SCHEMA, "package": version("rae-bench"), **asdict(study)}
    write_json(folder / "study.json", facts)
    with whole_file(folder / "study.md") as scratch:
        scratch.write_text("\n".join(lines(study)) + "\n", encoding="utf-8")
    return [folder / "study.md", folder / "study.json", draw(study, folder / "study.png")]


def times(found: Effect | float | None, *, ends: bool = True) -> str:
    """1.23 (1.10 to 1.38)."""
    if found is None:
        return ""
    if isinstance(found, float):
        return f"{found:.2f}"
    if not ends or math.isnan(found.low) or found.low == found.high:
        return f"{found.times:.2f}"
    return f"{found.times:.2f} ({found.low:.2f} to {found.high:.2f})"


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body)] + [""]


def lines(study: Study) -> list[str]:
    """The report as Markdown."""
    done = ", ".join(f"{name} {n} of {count} cells" for name, (n, count) in study.cells.items())
    modes = list(study.verdicts)
    out = [
        "# The thesis' study, run again",
        "",
        f"rae-bench {version('rae-bench')}; rigs {', '.join(study.rigs)} from r1; seeds: {study.seeds}; {done}.",
        "",
        "`corrected`: our protocol; error of roll-outs, paired clips, intervals over seeds and clip groups.",
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
        head = ["model", *(column for what in MEASURES.values() for column in (what, "times"))]
        body = [[cost.model, *_costs(study.costs, cost)] for cost in study.costs]
        out += _table(head, body)
    return out


def _costs(costs: Sequence[Cost], cost: Cost) -> list[str]:
    out = []
    for what in MEASURES:
        value = getattr(cost, what)
        middle = value if isinstance(value, int) else sorted(value)[len(value) // 2]
        text = f"{middle:,}" if isinstance(middle, int) else f"{middle:.2f}"
        out += [text, "" if cost.model == REFERENCE else times(cheaper(costs, REFERENCE, cost.model, what))]
    return out
