"""The thesis' claims as comparisons, and the verdicts on them.

A claim is a list of comparisons. A comparison `holds` or `fails` where its effect is decided: p < 0.05, adjusted by
Holm's method for the claim's comparisons in our statistics, not adjusted in the published ones. Else it is `undecided`.
A claim is overturned if any comparison fails, and confirmed if all hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rae_bench.model.regimes import COLD, FINETUNE, FROZEN, FULL
from rae_bench.statistics.significance import holm
from rae_bench.study.effects import Effect, ModelRegime, decided
from rae_bench.study.published import RIGS, ratio

FC_LAYERS = ("rbf", "vae", "dec")
CATS = tuple(f"fc-{layer}-cat" for layer in FC_LAYERS)
MODELS = ("fe", *CATS, *(f"fc-{layer}-in" for layer in FC_LAYERS), "fs", "fe+omg-lstm")
TRANSFER = (FROZEN, FINETUNE)
ALIKE = 1.25
"""Two errors do not differ clearly where their ratio is between this and its inverse."""


@dataclass(frozen=True)
class Comparison:
    """A's errors are smaller than B's; or, if `alike`, they do not differ clearly."""

    a: ModelRegime
    b: ModelRegime
    alike: bool = False

    @property
    def words(self) -> str:
        """The comparison in words."""
        (model, regime), (other, against) = self.a, self.b
        right = against if model == other else f"{other} {against}" if regime != against else other
        return f"{model} {regime} {'like' if self.alike else 'better than'} {right}"


@dataclass(frozen=True)
class Claim:
    """A claim of the thesis. The third has no parts here; `rae_bench.study.cost` judges it."""

    number: int
    text: str
    parts: tuple[Comparison, ...]


CLAIMS = (
    Claim(
        1,
        "Every transferred model but DEC-CAT frozen beats its own cold start.",
        tuple(
            Comparison((model, regime), (model, COLD))
            for model in MODELS
            for regime in TRANSFER
            if (model, regime) != ("fc-dec-cat", FROZEN) and model != "fe+omg-lstm"
        ),
    ),
    Claim(
        2,
        "FE and FC-CAT transfer better than FS; FE and FC do not differ clearly.",
        tuple(Comparison((model, regime), ("fs", regime)) for model in ("fe", *CATS[:2]) for regime in TRANSFER)
        + tuple(Comparison(("fe", regime), (model, regime), alike=True) for model in CATS[:2] for regime in TRANSFER),
    ),
    Claim(3, "FE is the cheapest.", ()),
    Claim(4, "The mixture of experts beats the LSTM.", (Comparison(("fe", FULL), ("fe+omg-lstm", FULL)),)),
    Claim(
        5,
        "CAT beats IN.",
        tuple(Comparison((f"fc-{layer}-cat", FULL), (f"fc-{layer}-in", FULL)) for layer in FC_LAYERS),
    ),
)


@dataclass(frozen=True)
class Judgement:
    """What was found of one comparison.

    Attributes:
        words: the comparison in words.
        effect: the measured effect; None where cells are missing.
        p: the p-value that decides, adjusted or not.
        verdict: holds, fails, undecided, or `not run`.
        published: the thesis' number, where there is one.
    """

    words: str
    effect: Effect | None
    p: float
    verdict: str
    published: float | None


@dataclass(frozen=True)
class Verdict:
    """What was found of a claim: `verdict` is confirmed, overturned, undecided, or `not run`."""

    number: int
    text: str
    verdict: str
    findings: tuple[Judgement, ...]


def judge(
    claim: Claim,
    measure: Callable[[ModelRegime, ModelRegime], Effect | None],
    rigs: tuple[str, ...] = RIGS,
    *,
    adjusted: bool,
) -> Verdict:
    """Judge a claim by measured effects.

    Args:
        claim: a claim with parts.
        measure: measure(a, b) returns the effect of A over B.
        rigs: the rigs of the published numbers.
        adjusted: whether p is adjusted for the number of parts.
    """
    effects = [measure(part.a, part.b) for part in claim.parts]
    plain = [math.nan if e is None else e.p for e in effects]
    ps = holm(plain) if adjusted else plain
    found = tuple(
        Judgement(part.words, e, float(p), _part_verdict(part, e, float(p)), ratio(part.a, part.b, rigs))
        for part, e, p in zip(claim.parts, effects, ps, strict=True)
    )
    return Verdict(claim.number, claim.text, claim_verdict([f.verdict for f in found]), found)


def _part_verdict(part: Comparison, found: Effect | None, p: float) -> str:
    if found is None:
        return "not run"
    if part.alike:
        if found.low > 1 / ALIKE and found.high < ALIKE:
            return "holds"
        clear = decided(p) and not 1 / ALIKE < found.times < ALIKE
        return "fails" if clear else "undecided"
    if not decided(p):
        return "undecided"
    return "holds" if found.times > 1 else "fails"


def claim_verdict(words: Sequence[str]) -> str:
    """Return the verdict on a claim from the verdicts on its parts."""
    if all(word == "not run" for word in words):
        return "not run"
    if "fails" in words:
        return "overturned"
    return "confirmed" if all(word == "holds" for word in words) else "undecided"
