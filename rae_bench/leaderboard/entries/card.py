"""Cards: who a model is, in the words of its authors. Untrusted text, one line each."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from rae_bench.leaderboard.entries import files
from rae_bench.leaderboard.entries.finding import Refused
from rae_bench.leaderboard.entries.text import check_line, check_link
from rae_bench.model.regimes import REGIMES
from rae_bench.model.registry import CONTROLS

TRUTH, HOLD = "truth", "hold"
MAX_TRAJECTORIES = 4 << 30
"""Bytes of the packed trajectories of an entry."""


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who a model is, in the words of its authors: untrusted text, one line each.

    Attributes:
        model: its name in the cells.
        config: eight hex digits that stand for its options.
        paper: words; `link` and `code` are https addresses. Each may be empty.
        capabilities: the regimes it supports, besides `cold`; `samples` and `several-sources`, as on a `ModelCard`.
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
    capabilities: list[Literal["frozen", "finetune", "cold-long", "zero-shot", "samples", "several-sources"]] = []
    access: Literal["causal", "offline"] = "causal"
    learns: bool = True


LINES = {"title": 80, "authors": 300, "model": 80, "version": 40, "description": 600, "paper": 300, "licence": 80}
"""Most characters of each line of a card."""


class Trajectories(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file with every cell's generated motion. `url` is empty until it has been uploaded."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    size: Annotated[int, Meta(gt=0, le=MAX_TRAJECTORIES)]
    url: str = ""


def check_facts(card: Card, division: str, external: list[str], regime: str) -> None:
    """Raises `Refused` where a card's words, division or regime are not as they must be."""
    for key, longest in LINES.items():
        check_line(getattr(card, key), f"{files.ENTRY}: card.{key}", longest)
    for key in ("title", "authors", "model"):
        if not getattr(card, key):
            raise Refused(files.ENTRY, f"card.{key} is empty", "say it in a few words")
    if {"/", "\\"} & set(card.model):
        raise Refused(files.ENTRY, "card.model is a path", "give the model's name alone, as submit writes it")
    for key in ("link", "code"):
        check_link(getattr(card, key), f"{files.ENTRY}: card.{key}")
    if len(external) > 20:
        raise Refused(files.ENTRY, f"external has {len(external)} lines", "sum it up in 20")
    for line in external:
        check_line(line, f"{files.ENTRY}: external", 300)
    if (division == "open") != any(external):
        raise Refused(
            files.ENTRY, f"division {division} with {len(external)} lines of external data",
            "an open entry says in `external` what it learnt from; a closed one has task data only",
        )  # fmt: skip
    fixed = card.model in (TRUTH, *CONTROLS)
    if fixed != (regime == "none") or (not fixed and regime not in REGIMES):
        raise Refused(files.ENTRY, f"regime '{regime}' of model {card.model}", f"choose one of {', '.join(REGIMES)}")
    if regime not in ("none", "cold", *card.capabilities):
        raise Refused(files.ENTRY, f"regime '{regime}' is not among the card's capabilities", "choose one that is")
