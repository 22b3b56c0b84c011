"""Tasks: source domain, target domain, fractions, budgets. Nothing here imports torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rae_bench.errors import unknown
from rae_bench.model.config import MODES
from rae_bench.objectives.tracks import LIMBS

FULL_BUDGET, QUICK_BUDGET = "full", "quick"
BUDGETS = (QUICK_BUDGET, FULL_BUDGET)
"""What training may cost: the budget of the board, and about a tenth of it, for numbers that come at once."""
PRETRAINING_SHARE = 2
"""Updates of pre-training for each update of an adaptation."""
BUDGET_KEYS = ("full_updates", "quick_updates", "frames_per_update")
"""What a task file's table [budget] may have; the other fields of `Protocol` stand in [protocol]."""
QUICK_SUFFIX = "-quick"
"""What follows the name of a task in the name of the folder of its quick results."""


@dataclass(frozen=True)
class Protocol:
    """The numbers of a task: what is held out and what training may cost.

    docs/concepts/protocol.md and docs/develop/design.md 4.3 have the reasons.

    Attributes:
        fps: frames per second of every clip.
        seconds, history: length of a segment, and how much of it is given.
        fractions: of the target's training frames, below 1; `full` is always fraction 1.
        default_fraction: what `run` uses.
        full_updates, quick_updates: optimiser steps of an adaptation in each of the task's budgets.
        frames_per_update: cap on frames seen: updates x this.
        track: what is asked of a model, one of `rae_bench.objectives.tracks.TRACKS`.
        budget: which of its budgets the task is run with, one of `BUDGETS`.
        roles: that both rigs must have.
        mode: `corrected`, or `paper`: held-out clips and budgets as the thesis had them, see `rae_bench.study`.
    """

    fps: float = 30.0
    seconds: float = 5.0
    history: float = 1.0
    fractions: tuple[float, ...] = (0.01, 0.05, 0.2)
    default_fraction: float = 0.05
    full_updates: int = 3200
    quick_updates: int = 320
    frames_per_update: int = 128
    track: str = LIMBS
    budget: str = FULL_BUDGET
    roles: tuple[str, ...] = ("pelvis",)
    mode: str = "corrected"

    @property
    def adapt_updates(self) -> int:
        """Optimiser steps of an adaptation, by the chosen budget."""
        return self.full_updates if self.budget == FULL_BUDGET else self.quick_updates

    @property
    def pretrain_updates(self) -> int:
        """Optimiser steps of pre-training: always twice those of an adaptation."""
        return PRETRAINING_SHARE * self.adapt_updates

    @property
    def published(self) -> bool:
        """Whether held-out clips, budgets and tests are those of the thesis, to compare with its tables.

        It tests single frames alone, and on all clips that were not trained on.
        """
        return self.mode == "paper"


@dataclass(frozen=True)
class Ranking:
    """Whether a task is ranked, and the measurement that says so (docs/develop/design.md 4.9).

    Attributes:
        fractions: of the target's data at which it is ranked, ascending; none where it is not ranked.
        headroom: `cold` at the smallest of them (or of the task's) over `full`, and the ends of its 95 % interval.
        reason: why it is not ranked.
    """

    fractions: tuple[float, ...] = ()
    headroom: tuple[float, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Task:
    """A question: what does moving from the sources to `target` cost?

    Attributes:
        demo: shows that an import works, on data too small to rank anything by.
        sources: most tasks have one; a file names several as [[source]], one table each.
        sources, target: where motion comes from: {"kind": "builtin", "rig", "motion", ...}, {"kind": "recordings",
            "folder", ...recipe} or {"kind": "domain", "name"}.
        ranking: whether it is ranked; None where that has not been measured.
        tracks: the same task in other tracks, where its file says what differs there.
    """

    name: str
    title: str
    description: str
    sources: tuple[Mapping[str, Any], ...]
    target: Mapping[str, Any]
    protocol: Protocol
    demo: bool = False
    ranking: Ranking | None = None
    tracks: Mapping[str, Task] = field(default_factory=dict)

    def __repr__(self) -> str:
        sides = [str(s.get("rig") or s.get("name") or s.get("folder")) for s in (*self.sources, self.target)]
        return f"Task('{self.name}', {', '.join(sides[:-1])} to {sides[-1]})"

    @property
    def budget(self) -> str:
        """Which of its budgets it is run with: `full`, unless `at` has chosen."""
        return self.protocol.budget

    @property
    def folder(self) -> str:
        """The name of the folder in which its results lie. Those of the two budgets never lie in one."""
        return self.name + (QUICK_SUFFIX if self.budget == QUICK_BUDGET else "")

    def at(self, budget: str) -> Task:
        """Return the task with one of its `BUDGETS`. Raise `UserError` where there is no such budget."""
        if budget not in BUDGETS:
            raise unknown("budget", budget, BUDGETS)
        return replace(self, protocol=replace(self.protocol, budget=budget))

    @property
    def source(self) -> Mapping[str, Any]:
        """The first source."""
        return self.sources[0]

    def table(self) -> dict[str, Any]:
        """What `task_from_table` makes this task of, but for the choice of a budget and its other tracks."""
        sources = [dict(source) for source in self.sources]
        protocol = asdict(self.protocol)
        del protocol["budget"]
        budget = {key: protocol.pop(key) for key in BUDGET_KEYS}
        return {
            "title": self.title,
            "description": self.description,
            "source": sources[0] if len(sources) == 1 else sources,
            "target": dict(self.target),
            "protocol": protocol,
            "budget": budget,
            "demo": self.demo,
            **({"ranking": asdict(self.ranking)} if self.ranking else {}),
        }

    def in_track(self, track: str) -> Task:
        """The same task in a track; its name says so where that is not the track of its file."""
        if track == self.protocol.track:
            return self
        if track in self.tracks:
            return self.tracks[track].at(self.budget)
        words = {"limbs": "touch-downs and targets", "control": "a path", "keyframes": "keyframes"}[track]
        protocol = replace(self.protocol, track=track)
        title = f"{self.title}, by {words}"
        return replace(self, name=f"{self.name}-{track}", title=title, protocol=protocol, ranking=None)

    @property
    def content_hash(self) -> str:
        """sha256 of what decides a cell: sides, protocol and chosen budget, not words or which fractions there are.

        Nor the list of files and where they are to be had: their content is part of the data's identity.
        """
        table = self.table()
        protocol = table["protocol"]
        protocol["budget"] = [self.budget, self.protocol.adapt_updates, self.protocol.frames_per_update]
        del protocol["fractions"], protocol["default_fraction"]
        if self.protocol.mode == MODES[0]:
            del protocol["mode"]

        def decisive(side: Any) -> Any:
            if isinstance(side, list):
                return [decisive(one) for one in side]
            return {key: value for key, value in side.items() if key not in ("files", "origin", "download")}

        sides = [decisive(table[key]) for key in ("source", "target")]
        return hashlib.sha256(json.dumps([*sides, protocol], sort_keys=True).encode()).hexdigest()
