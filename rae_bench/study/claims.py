"""The thesis' claims as comparisons, and what is found of them.

A claim is a list of parts, each one comparison. A part `holds` or `fails` where its effect is decided (p < 0.05, by
Holm's method adjusted for the claim's parts in our statistics, not adjusted in the published ones), else it is
`undecided`. A claim that any part contradicts is overturned; one whose parts all hold is confirmed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rae_bench.statistics.significance import holm
from rae_bench.study.effects import Effect, Side, decided
from rae_bench.study.published import RIGS, ratio

LAYERS = ("rbf", "vae", "dec")
CATS = tuple(f"fc-{layer}-cat" for layer in LAYERS)
MODELS = ("fe", *CATS, *(f"fc-{layer}-in" for layer in LAYERS), "fs", "fe+omg-lstm")
TRANSFER = ("frozen", "finetune")
ALIKE = 1.25
"""Two errors do not differ clearly where their ratio is within this and its inverse."""


@dataclass(frozen=True)
class Part:
    """A's errors are smaller than B's; or, `alike`, they do not differ clearly."""

    a: Side
    b: Side
    alike: bool = False

    @property
    def words(self) -> str:
        """The comparison in words."""
        (model, regime), (other, against) = self.a, self.b
        right = against if model == other else f"{other} {against}" if regime != against else other
        return f"{model} {regime} {'like' if self.alike else 'better than'} {right}"


@dataclass(frozen=True)
class Claim:
    """A claim of the thesis; the third has no parts here, see `rae_bench.study.cost`."""

    number: int
    text: str
    parts: tuple[Part, ...]


CLAIMS = (
    Claim(
        1,
        "Every transferred model but DEC-CAT frozen beats its own cold start.",
        tuple(
            Part((model, regime), (model, "cold"))
            for model in MODELS
            for regime in TRANSFER
            if (model, regime) != ("fc-dec-cat", "frozen") and model != "fe+omg-lstm"
        ),
    ),
    Claim(
        2,
        "FE and FC-CAT transfer better than FS; FE and FC do not differ clearly.",
        tuple(Part((model, regime), ("fs", regime)) for model in ("fe", *CATS[:2]) for regime in TRANSFER)
        + tuple(Part(("fe", regime), (model, regime), alike=True) for model in CATS[:2] for regime in TRANSFER),
    ),
    Claim(3, "FE is the cheapest.", ()),
    Claim(4, "The mixture of experts beats the LSTM.", (Part(("fe", "full"), ("fe+omg-lstm", "full")),)),
    Claim(
        5,
        "CAT beats IN.",
        tuple(Part((f"fc-{layer}-cat", "full"), (f"fc-{layer}-in", "full")) for layer in LAYERS),
    ),
)


@dataclass(frozen=True)
class Finding:
    """What was found of a part: `effect` is None where cells are missing."""

    words: str
    effect: Effect | None
    p: float
    verdict: str
    published: float | None


@dataclass(frozen=True)
class Verdict:
    """What was found of a claim: confirmed, overturned, undecided, or `not run`."""

    number: int
    text: str
    verdict: str
    findings: tuple[Finding, ...]


def judge(
    claim: Claim, measure: Callable[[Side, Side], Effect | None], rigs: tuple[str, ...] = RIGS, *, adjusted: bool
) -> Verdict:
    """A claim against measured effects.

    Args:
        measure: effect of A over B.
        rigs: of the published numbers beside them.
        adjusted: whether p is adjusted for the number of parts.
    """
    effects = [measure(part.a, part.b) for part in claim.parts]
    plain = [math.nan if e is None else e.p for e in effects]
    ps = holm(plain) if adjusted else plain
    found = tuple(
        Finding(part.words, e, float(p), _word(part, e, float(p)), ratio(part.a, part.b, rigs))
        for part, e, p in zip(claim.parts, effects, ps, strict=True)
    )
    return Verdict(claim.number, claim.text, overall([f.verdict for f in found]), found)


def _word(part: Part, found: Effect | None, p: float) -> str:
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


def overall(words: Sequence[str]) -> str:
    """The word for a claim, of those for its parts."""
    if all(word == "not run" for word in words):
        return "not run"
    if "fails" in words:
        return "overturned"
    return "confirmed" if all(word == "holds" for word in words) else "undecided"
