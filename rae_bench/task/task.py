"""Tasks: source domain, target domain, fractions, budgets. One TOML file each; reading one imports no torch."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

from rae_bench.errors import UserError, check_keys, unknown
from rae_bench.model.config import MODES
from rae_bench.objectives.tracks import LIMBS, TRACKS
from rae_bench.storage import read_toml

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
    """The numbers of a task: what is held out and what training may cost (docs/protocol.md, docs/design.md 4.3).

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
    """Whether a task is ranked, and the measurement that says so (docs/design.md 4.9, `rae-bench check task NAME`).

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
    """

    name: str
    title: str
    description: str
    sources: tuple[Mapping[str, Any], ...]
    target: Mapping[str, Any]
    protocol: Protocol
    demo: bool = False
    ranking: Ranking | None = None

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
        """What `task_from_table` makes this task of, but for the choice of a budget."""
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


MOST_CLIPS = 1_000_000
"""The most clips of built-in motion that a side may ask for; its tasks have some hundred."""
KINDS: dict[str, tuple[str, set[str] | None]] = {
    "builtin": ("rig", {"kind", "rig", "motion", "clips", "seed", "sweep", "swap_roles", "actions"}),
    "recordings": ("folder", None),  # the other keys are checked by Recipe.from_table
    "domain": ("name", {"kind", "name", "actions"}),
}
"""Kind of a side -> the key that it needs, and all that it may have."""


def task_from_table(name: str, table: Mapping[str, Any], where: str) -> Task:
    """A checked task; `source` is a table or a list of them. Raises `UserError` on unknown keys or missing sides."""
    check_keys(table, {"title", "description", "source", "target", "protocol", "budget", "demo", "ranking"}, where)
    if name.endswith(QUICK_SUFFIX):
        raise UserError(f"{where}: a task's name must not end in {QUICK_SUFFIX}, as folders of quick results do")
    sources = table.get("source")
    if not isinstance(sources, (list, tuple)):
        sources = [sources]
    if not sources:
        raise UserError(f"{where}: no table [source]; it says where the source's motion comes from")
    for number, side in enumerate(sources, 1):
        _check_side(side, "source", f"[[source]] number {number}" if len(sources) > 1 else "[source]", where)
    _check_side(table.get("target"), "target", "[target]", where)
    if not isinstance(table.get("demo", False), bool):
        raise UserError(f"{where}: demo = {table['demo']!r} needs to be true or false")
    for word in ("protocol", "budget"):
        if not isinstance(table.get(word, {}), Mapping):
            raise UserError(f"{where}: {word} = {table[word]!r} needs to be a table [{word}]")
    protocol, budget = dict(table.get("protocol", {})), dict(table.get("budget", {}))
    _check_no_old_budget(protocol, where)
    check_keys(protocol, {field.name for field in fields(Protocol)} - {*BUDGET_KEYS, "budget"}, f"{where}: [protocol]")
    check_keys(budget, BUDGET_KEYS, f"{where}: [budget]")
    for title, part in (("protocol", protocol), ("budget", budget)):
        for key in part:
            part[key] = _checked(key, part[key], f"{where}: [{title}]")
    numbers = Protocol(**protocol, **budget)
    if numbers.quick_updates > numbers.full_updates:
        raise UserError(
            f"{where}: [budget]: quick_updates = {numbers.quick_updates} is more than "
            f"full_updates = {numbers.full_updates}; choose about a tenth of it"
        )
    return Task(
        name,
        str(table.get("title", name)),
        str(table.get("description", "")),
        tuple(sources),
        table["target"],
        numbers,
        table.get("demo", False),
        _ranking(table["ranking"], numbers, where) if "ranking" in table else None,
    )


def _ranking(table: Any, protocol: Protocol, where: str) -> Ranking:
    """Return what [ranking] says. Raise `UserError` where it is no table of numbers that fit the task."""
    where = f"{where}: [ranking]"
    if not isinstance(table, Mapping):
        raise UserError(f"{where} needs to be a table")
    check_keys(table, {field.name for field in fields(Ranking)}, where)
    numbers = {}
    for key in ("fractions", "headroom"):
        value = table.get(key, [])
        if not isinstance(value, (list, tuple)) or not all(_is_positive(item) for item in value):
            raise UserError(f"{where}: {key} = {value!r} needs to be a list of numbers above 0")
        numbers[key] = tuple(float(item) for item in value)
    strange = [f for f in numbers["fractions"] if f not in protocol.fractions or f >= 1]
    if strange:
        raise UserError(f"{where}: fractions = {strange[0]:g} is none of the fractions below 1 of [protocol]")
    if numbers["headroom"] and len(numbers["headroom"]) != 3:
        raise UserError(f"{where}: headroom needs three numbers: cold / full, and the ends of its interval")
    reason = table.get("reason", "")
    if not isinstance(reason, str) or bool(reason) == bool(numbers["fractions"]):
        raise UserError(f"{where}: a task has either the fractions at which it is ranked, or the reason why it is not")
    return Ranking(tuple(sorted(numbers["fractions"])), numbers["headroom"], reason)


def _is_positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf


def _check_no_old_budget(protocol: Mapping[str, Any], where: str) -> None:
    for key in ("adapt_updates", "pretrain_updates", "frames_per_update"):
        if key in protocol:
            raise UserError(
                f"{where}: [protocol]: {key} is of benchmark version 1; now a table [budget] has "
                f"{', '.join(BUDGET_KEYS)}, and pre-training has twice the updates of an adaptation"
            )


def _check_side(side: Any, word: str, name: str, where: str) -> None:
    if not isinstance(side, dict):
        raise UserError(f"{where}: no table [{word}]; it says where the {word}'s motion comes from")
    kind = side.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise UserError(f"{where}: {name}: {unknown('kind', str(kind), KINDS)}")
    needed, allowed = KINDS[kind]
    if allowed is not None:
        check_keys(side, allowed, f"{where}: {name}")
    if not isinstance(side.get(needed), str):
        raise UserError(f"{where}: {name}: kind \"{kind}\" needs `{needed}`, a name")
    if not side[needed].isprintable():
        raise UserError(f"{where}: {name}: {needed} = {side[needed][:60]!r} holds a character that no name may have")
    if "sweep" in side and side.get("motion", "locomotion") != "locomotion":
        raise UserError(f"{where}: {name}: `sweep` belongs to the motion 'locomotion', not to '{side['motion']}'")
    for key in ("sweep", "swap_roles"):
        if not isinstance(side.get(key, False), bool):
            raise UserError(f"{where}: {name}: {key} = {side[key]!r} needs to be true or false")
    for key in ("clips", "seed") if kind == "builtin" else ():
        number = side.get(key, 1)
        if isinstance(number, bool) or not isinstance(number, int):
            raise UserError(f"{where}: {name}: {key} = {number!r} needs to be a whole number")
        if key == "clips" and number > MOST_CLIPS:
            raise UserError(f"{where}: {name}: clips = {number} needs to be at most {MOST_CLIPS:,}")
    if not isinstance(side.get("motion", ""), str):
        raise UserError(f"{where}: {name}: motion = {side['motion']!r} needs to be a name")
    actions = side.get("actions", ["any"])
    if not isinstance(actions, (list, tuple)) or not actions or not all(isinstance(word, str) for word in actions):
        raise UserError(f"{where}: {name}: actions = {actions!r} needs to be a list of words")


def _checked(key: str, value: Any, where: str) -> Any:
    if key in ("fractions", "roles"):
        kind = str if key == "roles" else (int, float)
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, kind) for item in value):
            words = "names" if key == "roles" else "numbers"
            raise UserError(f"{where}: {key} = {value!r} needs to be a list of {words}")
        return tuple(value)
    if key == "track":
        if value not in TRACKS:
            raise UserError(f"{where}: {unknown('track', str(value), TRACKS)}")
        return value
    if key == "mode":
        if value not in MODES:
            raise UserError(f"{where}: {unknown('mode', str(value), MODES)}")
        return value
    whole = key.endswith("updates") or key == "frames_per_update"
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or value <= 0:
        raise UserError(f"{where}: {key} = {value!r} needs to be a {'whole ' if whole else ''}number above 0")
    return value


def builtin_tasks() -> dict[str, Path]:
    """Names and files of the tasks that come with the package."""
    folder = resources.files("rae_bench.tasks")
    return {Path(str(f)).stem: Path(str(f)) for f in sorted(folder.iterdir(), key=str) if f.name.endswith(".toml")}


def is_builtin_task(name: str) -> bool:
    """Whether a task comes with the package, in the track of its file or in another one, as its name says then."""
    base, _, track = name.rpartition("-")
    return name in builtin_tasks() or (base in builtin_tasks() and track in TRACKS)


def load_task(name: str | Path) -> Task:
    """A task by name, or a task file by path (anything ending in .toml).

    A task's name with a track behind it, such as `biped2quad-control`, is the same task in that track. SOURCE-to-TARGET
    is the task of two domains by name, as `adhoc_task` makes it.
    """
    if str(name).endswith(".toml"):
        path = Path(name)
        return task_from_table(path.stem, read_toml(path, "no such task file"), path.name)
    tasks = builtin_tasks()
    base, _, track = str(name).rpartition("-")
    if str(name) in tasks:
        base, track = str(name), ""
    elif base not in tasks or track not in TRACKS:
        pair = _two_domains(str(name))
        if pair is None:
            raise unknown("task", str(name), tasks)
        return adhoc_task(*pair)
    path = tasks[base]
    task = task_from_table(path.stem, read_toml(path, "no such task file"), path.name)
    return task.in_track(track) if track else task


def _two_domains(name: str) -> tuple[str, str] | None:
    """Return source and target where a name is SOURCE-to-TARGET of domains that are there; names may hold "-to-"."""
    from rae_bench.rigs.builtin import is_builtin
    from rae_bench.storage import list_domains

    cuts = [at for at in range(len(name)) if name.startswith("-to-", at)]
    known = list_domains() if cuts else []
    for source, target in ((name[:at], name[at + 4 :]) for at in cuts):
        if all(side in known or is_builtin(side) for side in (source, target)):
            return source, target
    return None


def adhoc_task(source: str, target: str) -> Task:
    """A task of two domains by name: imported ones, or a built-in rig's `locomotion` by the rig's name."""
    from rae_bench.rigs.builtin import builtin_rigs, is_builtin
    from rae_bench.storage import list_domains

    def side(name: str) -> dict[str, Any]:
        if name in list_domains():
            return {"kind": "domain", "name": name}
        if is_builtin(name):
            return {"kind": "builtin", "rig": name, "motion": "locomotion"}
        raise unknown("domain", name, [*list_domains(), *builtin_rigs()])

    table = {"title": f"{source} to {target}", "source": side(source), "target": side(target)}
    return task_from_table(f"{source}-to-{target}", table, f"--source {source} --target {target}")
