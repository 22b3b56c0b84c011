"""Tasks: source domain, target domain, fractions, budgets. One TOML file each; reading one imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any

from rae_bench.errors import UserError, check_keys, unknown
from rae_bench.model.config import MODES
from rae_bench.objectives.tracks import LIMBS, TRACKS
from rae_bench.storage import read_toml


@dataclass(frozen=True)
class Protocol:
    """The numbers of a task: what is held out and what training may cost (docs/protocol.md, docs/design.md 4.3).

    Attributes:
        fps: frames per second of every clip.
        seconds, history: length of a segment, and how much of it is given.
        fractions: of the target's training frames, below 1; `full` is always fraction 1.
        default_fraction: what `run` uses.
        pretrain_updates, adapt_updates: optimiser steps.
        frames_per_update: cap on frames seen: updates x this.
        track: what is asked of a model, one of `rae_bench.objectives.tracks.TRACKS`.
        roles: that both rigs must have.
        mode: `corrected`, or `paper`: held-out clips and budgets as the thesis had them, see `rae_bench.study`.
    """

    fps: float = 30.0
    seconds: float = 5.0
    history: float = 1.0
    fractions: tuple[float, ...] = (0.01, 0.05, 0.2)
    default_fraction: float = 0.05
    pretrain_updates: int = 1600
    adapt_updates: int = 800
    frames_per_update: int = 128
    track: str = LIMBS
    roles: tuple[str, ...] = ("pelvis",)
    mode: str = "corrected"

    @property
    def published(self) -> bool:
        """Whether held-out clips, budgets and tests are those of the thesis, to compare with its tables.

        It tests single frames alone, and on all clips that were not trained on.
        """
        return self.mode == "paper"


@dataclass(frozen=True)
class Task:
    """A question: what does moving from the sources to `target` cost?

    Attributes:
        demo: shows that an import works, on data too small to rank anything by.
        sources: most tasks have one; a file names several as [[source]], one table each.
        sources, target: where motion comes from: {"kind": "builtin", "rig", "motion", ...}, {"kind": "recordings",
            "folder", ...recipe} or {"kind": "domain", "name"}.
    """

    name: str
    title: str
    description: str
    sources: tuple[Mapping[str, Any], ...]
    target: Mapping[str, Any]
    protocol: Protocol
    demo: bool = False

    def __repr__(self) -> str:
        sides = [str(s.get("rig") or s.get("name") or s.get("folder")) for s in (*self.sources, self.target)]
        return f"Task('{self.name}', {', '.join(sides[:-1])} to {sides[-1]})"

    @property
    def source(self) -> Mapping[str, Any]:
        """The first source."""
        return self.sources[0]

    def table(self) -> dict[str, Any]:
        """What `task_from_table` makes this task of."""
        sources = [dict(source) for source in self.sources]
        return {
            "title": self.title,
            "description": self.description,
            "source": sources[0] if len(sources) == 1 else sources,
            "target": dict(self.target),
            "protocol": asdict(self.protocol),
            "demo": self.demo,
        }

    @property
    def content_hash(self) -> str:
        """sha256 of what decides a cell: sides and protocol; not words for people, nor which fractions there are.

        Nor the list of files and where they are to be had: their content is part of the data's identity.
        """
        table = self.table()
        protocol = table["protocol"]
        del protocol["fractions"], protocol["default_fraction"]
        if self.protocol.mode == MODES[0]:
            del protocol["mode"]

        def decisive(side: Any) -> Any:
            if isinstance(side, list):
                return [decisive(one) for one in side]
            return {key: value for key, value in side.items() if key not in ("files", "origin", "download")}

        sides = [decisive(table[key]) for key in ("source", "target")]
        return hashlib.sha256(json.dumps([*sides, protocol], sort_keys=True).encode()).hexdigest()


KINDS: dict[str, tuple[str, set[str] | None]] = {
    "builtin": ("rig", {"kind", "rig", "motion", "clips", "seed", "sweep", "swap_roles", "actions"}),
    "recordings": ("folder", None),  # the other keys are checked by Recipe.from_table
    "domain": ("name", {"kind", "name", "actions"}),
}
"""Kind of a side -> the key that it needs, and all that it may have."""


def task_from_table(name: str, table: Mapping[str, Any], where: str) -> Task:
    """A checked task; `source` is a table or a list of them. Raises `UserError` on unknown keys or missing sides."""
    check_keys(table, {"title", "description", "source", "target", "protocol", "demo"}, where)
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
    protocol = dict(table.get("protocol", {}))
    check_keys(protocol, {field.name for field in fields(Protocol)}, f"{where}: [protocol]")
    for key in protocol:
        protocol[key] = _checked(key, protocol[key], f"{where}: [protocol]")
    return Task(
        name,
        str(table.get("title", name)),
        str(table.get("description", "")),
        tuple(sources),
        table["target"],
        Protocol(**protocol),
        table.get("demo", False),
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
    if "sweep" in side and side.get("motion", "locomotion") != "locomotion":
        raise UserError(f"{where}: {name}: `sweep` belongs to the motion 'locomotion', not to '{side['motion']}'")
    for key in ("sweep", "swap_roles"):
        if not isinstance(side.get(key, False), bool):
            raise UserError(f"{where}: {name}: {key} = {side[key]!r} needs to be true or false")
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


def load_task(name: str | Path) -> Task:
    """A task by name, or a task file by path (anything ending in .toml)."""
    if str(name).endswith(".toml"):
        path = Path(name)
    else:
        tasks = builtin_tasks()
        if str(name) not in tasks:
            raise unknown("task", str(name), tasks)
        path = tasks[str(name)]
    table = read_toml(path, "no such task file")
    return task_from_table(path.stem, table, path.name)


def adhoc_task(source: str, target: str) -> Task:
    """A task of two domains by name: imported ones, or a built-in rig's `locomotion` by the rig's name."""
    from rae_bench.rigs.builtin import builtin_rigs
    from rae_bench.storage import list_domains

    def side(name: str) -> dict[str, Any]:
        if name in list_domains():
            return {"kind": "domain", "name": name}
        if name in builtin_rigs():
            return {"kind": "builtin", "rig": name, "motion": "locomotion"}
        raise unknown("domain", name, [*list_domains(), *builtin_rigs()])

    table = {"title": f"{source} to {target}", "source": side(source), "target": side(target)}
    return task_from_table(f"{source}-to-{target}", table, f"--source {source} --target {target}")
