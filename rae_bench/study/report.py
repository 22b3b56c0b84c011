"""The study in words, numbers and a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rae_bench.results import write_json
from rae_bench.storage import whole_file
from rae_bench.study.claims import CLAIMS, TRANSFER, Finding, Verdict, judge
from rae_bench.study.cost import MEASURES, REFERENCE, Cost, cheaper, judge_cost
from rae_bench.study.effects import Effect, Side, decided, effect
from rae_bench.study.published import ratio
from rae_bench.study.thesis import CORRECTED, PAPER, SWAPPED, as_of

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "rae-bench.study/1"
SWAPPED_MODEL = "swapped source"


@dataclass(frozen=True, eq=False)
class Row:
    """A model and regime beside the full-data reference and beside its own cold start; more than 1 is better.

    Attributes:
        to_full, to_cold: mode -> measured effect, `published` -> the thesis' number; None where there is none.
    """

    model: str
    regime: str
    to_full: dict[str, Effect | float | None]
    to_cold: dict[str, Effect | float | None]


@dataclass(frozen=True)
class Study:
    """Everything that was found.

    Attributes:
        verdicts: mode -> the five claims.
        sources: the true source and the one with swapped roles: gains over cold, and one over the other.
        cells: arm -> (done, asked for).
    """

    rigs: tuple[str, ...]
    seeds: int
    rows: tuple[Row, ...]
    verdicts: dict[str, tuple[Verdict, ...]]
    sources: tuple[Finding, ...]
    costs: tuple[Cost, ...]
    cells: dict[str, tuple[int, int]]


def find(
    clips: dict[str, pd.DataFrame], models: Sequence[str], costs: Sequence[Cost], rigs: Sequence[str], seeds: int,
    cells: dict[str, tuple[int, int]],
) -> Study:
    """What the errors of clips say.

    Args:
        clips: arm -> table of `rae_bench.study.thesis.clips_of`.
        costs: of `rae_bench.study.cost`; empty where they were not measured.
    """
    rigs = tuple(rigs)

    @cache
    def measured(mode: str, a: Side, b: Side) -> Effect | None:
        return effect(clips[mode], a, b, published=mode == PAPER)

    modes = [mode for mode in (CORRECTED, PAPER) if mode in clips]
    rows = []
    for model in models:
        for regime in ("cold", *TRANSFER, "full"):
            side, full, cold = (model, regime), (REFERENCE, "full"), (model, "cold")
            to_full: dict[str, Effect | float | None] = {}
            to_cold: dict[str, Effect | float | None] = {}
            for to, yardstick in ((to_full, full), (to_cold, cold)):
                itself = side == yardstick
                to["published"] = None if itself else ratio(side, yardstick, rigs)
                for mode in modes:
                    to[mode] = None if itself else measured(mode, side, yardstick)
            rows.append(Row(model, regime, to_full, to_cold))
    verdicts = {}
    for mode in modes:
        found = []
        for claim in CLAIMS:
            if claim.parts:
                found.append(judge(claim, partial(measured, mode), rigs, adjusted=mode == CORRECTED))
            elif costs:
                found.append(judge_cost(claim, costs))
            else:
                found.append(Verdict(claim.number, claim.text, "not run", ()))
        verdicts[mode] = tuple(found)
    return Study(rigs, seeds, tuple(rows), verdicts, _sources(clips, models[0]), tuple(costs), cells)


def _sources(clips: dict[str, pd.DataFrame], model: str) -> tuple[Finding, ...]:
    """The true source beside one whose roles are swapped: what is left of the gain is pre-training's."""
    import pandas as pd

    if SWAPPED not in clips or CORRECTED not in clips or clips[SWAPPED].empty:
        return ()
    both = pd.concat([clips[CORRECTED], as_of(clips[SWAPPED], f"-{SWAPPED}", SWAPPED_MODEL)], ignore_index=True)
    out = []
    for regime in TRANSFER:
        for a, b, words in (
            ((model, regime), (model, "cold"), f"{regime}, true source, against cold"),
            ((SWAPPED_MODEL, regime), (model, "cold"), f"{regime}, swapped source, against cold"),
            ((model, regime), (SWAPPED_MODEL, regime), f"{regime}, true against swapped source"),
        ):
            found = effect(both, a, b)
            p = math.nan if found is None else found.p
            if found is None:
                word = "not run"
            else:
                word = "undecided" if not decided(p) else "better" if found.times > 1 else "worse"
            out.append(Finding(words, found, p, word, None))
    return tuple(out)


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
