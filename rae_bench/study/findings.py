"""What the study found: rows beside their yardsticks, verdicts on the claims, and costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from rae_bench.model.regimes import COLD, FULL
from rae_bench.study.claims import CLAIMS, TRANSFER, Judgement, Verdict, judge
from rae_bench.study.cost import REFERENCE, Cost, judge_cost
from rae_bench.study.effects import Effect, ModelRegime, compare_models, decided
from rae_bench.study.published import ratio
from rae_bench.study.thesis import CORRECTED, PAPER, SWAPPED, as_of
from rae_bench.task.task import FULL_BUDGET

if TYPE_CHECKING:
    import pandas as pd

SWAPPED_MODEL = "swapped source"
"""The name of the model that learnt from the source with swapped roles."""


@dataclass(frozen=True, eq=False)
class StudyRow:
    """A model and regime compared with the full-data reference and with its cold start; more than 1 is better.

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
        sources: gains over cold of the true source and the one with swapped roles, and of one over the other.
        cells: arm -> the number of cells that are done, and of those that it has.
        budget: of the tasks, quick or full.
    """

    rigs: tuple[str, ...]
    seeds: tuple[int, ...]
    rows: tuple[StudyRow, ...]
    verdicts: dict[str, tuple[Verdict, ...]]
    sources: tuple[Judgement, ...]
    costs: tuple[Cost, ...]
    cells: dict[str, tuple[int, int]]
    budget: str = FULL_BUDGET


def find(
    clips: dict[str, pd.DataFrame], models: Sequence[str], costs: Sequence[Cost], rigs: Sequence[str],
    seeds: Sequence[int], cells: dict[str, tuple[int, int]], budget: str = FULL_BUDGET,
) -> Study:
    """Find what the errors of clips say.

    Args:
        clips: arm -> table of `rae_bench.study.thesis.clips_of`.
        models: names, the first one that of the swapped source.
        costs: as from `rae_bench.study.cost`; empty where they were not measured.
        rigs: the target rigs.
        seeds: which seeds.
        cells: arm -> the number of cells that are done, and of those that it has.
        budget: of the tasks, quick or full.
    """
    rigs = tuple(rigs)

    @cache
    def measured(mode: str, a: ModelRegime, b: ModelRegime) -> Effect | None:
        return compare_models(clips[mode], a, b, published=mode == PAPER)

    modes = [mode for mode in (CORRECTED, PAPER) if mode in clips]
    rows = []
    for model in models:
        for regime in (COLD, *TRANSFER, FULL):
            side, full, cold = (model, regime), (REFERENCE, FULL), (model, COLD)
            to_full: dict[str, Effect | float | None] = {}
            to_cold: dict[str, Effect | float | None] = {}
            for to, yardstick in ((to_full, full), (to_cold, cold)):
                itself = side == yardstick
                to["published"] = None if itself else ratio(side, yardstick, rigs)
                for mode in modes:
                    to[mode] = None if itself else measured(mode, side, yardstick)
            rows.append(StudyRow(model, regime, to_full, to_cold))
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
    return Study(rigs, tuple(seeds), tuple(rows), verdicts, _sources(clips, models[0]), tuple(costs), cells, budget)


def _sources(clips: dict[str, pd.DataFrame], model: str) -> tuple[Judgement, ...]:
    """Compare the true source with one whose roles are swapped: what is left of the gain is due to any pre-training."""
    import pandas as pd

    if SWAPPED not in clips or CORRECTED not in clips or clips[SWAPPED].empty:
        return ()
    sources = pd.concat([clips[CORRECTED], as_of(clips[SWAPPED], f"-{SWAPPED}", SWAPPED_MODEL)], ignore_index=True)
    out = []
    for regime in TRANSFER:
        for a, b, words in (
            ((model, regime), (model, COLD), f"{regime}, true source, against cold"),
            ((SWAPPED_MODEL, regime), (model, COLD), f"{regime}, swapped source, against cold"),
            ((model, regime), (SWAPPED_MODEL, regime), f"{regime}, true against swapped source"),
        ):
            found = compare_models(sources, a, b)
            p = math.nan if found is None else found.p
            if found is None:
                word = "not run"
            else:
                word = "undecided" if not decided(p) else "better" if found.times > 1 else "worse"
            out.append(Judgement(words, found, p, word, None))
    return tuple(out)
