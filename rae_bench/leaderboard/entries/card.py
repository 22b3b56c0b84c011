"""Cards: who a model is, in the words of its authors. Each line is untrusted text."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from rae_bench.leaderboard.entries.entry_files import ENTRY
from rae_bench.leaderboard.entries.finding import Refused
from rae_bench.leaderboard.entries.text import check_line, check_link, check_name
from rae_bench.model.api import MULTIPLE_SOURCES, SAMPLES
from rae_bench.model.regimes import COLD, NO_REGIME, REGIMES
from rae_bench.model.registry import CONTROLS
from rae_bench.task.cells import TRUTH

CAPABILITIES = (*(regime for regime in REGIMES if regime != COLD), SAMPLES, MULTIPLE_SOURCES)
"""What a card may claim: regimes besides `cold`, and the properties of a `rae_bench.ModelCard`."""
MAX_TRAJECTORIES = 4 << 30
"""The largest file of packed trajectories that is read, in bytes."""


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who a model is, in the words of its authors: untrusted text, one line each.

    Attributes:
        model: the model's name in the cells.
        config: eight hex digits that stand for its options.
        paper: words, such as a title and a year. May be empty, as may `link` and `code`.
        link, code: https addresses.
        capabilities: what it supports besides `cold`, of `CAPABILITIES`.
        learns: false for controls and the truth.
    """

    title: str
    authors: str
    model: str
    config: Annotated[str, Meta(pattern="^[0-9a-f]{8}$")]
    version: str = "1"
    description: str = ""
    paper: str = ""
    link: str = ""
    code: str = ""
    licence: str = ""
    capabilities: list[str] = []
    access: Literal["causal", "offline"] = "causal"
    learns: bool = True


LONGEST_LINES = {
    "title": 80, "authors": 300, "model": 80, "version": 40, "description": 600, "paper": 300, "licence": 80,
}  # fmt: skip
"""The most characters of each line of a card."""


class Trajectories(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file with the generated motion of every cell. `url` is empty until the file has been uploaded."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    size: Annotated[int, Meta(gt=0, le=MAX_TRAJECTORIES)]
    url: str = ""


def check_facts(card: Card, division: str, external: list[str], regime: str) -> None:
    """Raise `Refused` where a card's words, division or regime are not as they must be."""
    for key, longest in LONGEST_LINES.items():
        check_line(getattr(card, key), f"{ENTRY}: card.{key}", longest)
    for key in ("title", "authors", "model"):
        if not any(letter.isalnum() for letter in getattr(card, key)):
            raise Refused(ENTRY, f"card.{key} is empty", "say it in a few words")
        check_name(getattr(card, key), f"{ENTRY}: card.{key}")
    if {"/", "\\"} & set(card.model):
        raise Refused(ENTRY, "card.model is a path", "give the model's name alone, as submit writes it")
    for key in ("link", "code"):
        check_link(getattr(card, key), f"{ENTRY}: card.{key}")
    if len(external) > 20:
        raise Refused(ENTRY, f"external has {len(external)} lines", "sum it up in 20")
    for line in external:
        check_line(line, f"{ENTRY}: external", 300)
    if (division == "open") != any(external):
        raise Refused(
            ENTRY, f"division {division} with {len(external)} lines of external data",
            "an open entry says in `external` what it learnt from; a closed one has task data only",
        )  # fmt: skip
    strange = sorted(set(card.capabilities) - set(CAPABILITIES))
    if strange:
        known = ", ".join(CAPABILITIES)
        raise Refused(ENTRY, f"card.capabilities has '{strange[0]}'", f"choose of {known}")
    fixed = card.model in (TRUTH, *CONTROLS)
    if not card.learns and not fixed:
        raise Refused(ENTRY, "card.learns is false, and the model is no control", "leave it as submit wrote it")
    if fixed != (regime == NO_REGIME) or (not fixed and regime not in REGIMES):
        raise Refused(ENTRY, f"regime '{regime}' of model {card.model}", f"choose one of {', '.join(REGIMES)}")
    if regime not in (NO_REGIME, COLD, *card.capabilities):
        raise Refused(ENTRY, f"regime '{regime}' is not among the card's capabilities", "choose one that is")
