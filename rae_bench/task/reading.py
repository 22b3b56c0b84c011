"""Tasks from the tables of their files, checked key by key. Nothing here imports torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from rae_bench.errors import UserError, check_keys, unknown
from rae_bench.model.config import MODES
from rae_bench.objectives.tracks import KEYFRAMES, TRACKS
from rae_bench.task.task import BUDGET_KEYS, QUICK_SUFFIX, Protocol, Ranking, Task

MOST_CLIPS = 1_000_000
"""The most clips of built-in motion that a side may ask for; its tasks have some hundred."""
KINDS: dict[str, tuple[str, set[str] | None]] = {
    "builtin": ("rig", {"kind", "rig", "motion", "clips", "seed", "sweep", "swap_roles", "actions"}),
    "recordings": ("folder", None),  # the other keys are checked by Recipe.from_table
    "domain": ("name", {"kind", "name", "actions"}),
}
"""Kind of a side -> the key that it needs, and all that it may have."""


WORDS, TABLES = ("title", "description"), ("protocol", "budget", "ranking")
"""Keys of a task that may differ from track to track."""
WHO = ("kind", "rig", "motion", "folder", "name")
"""Keys of the target that do not differ from track to track: it is the same character."""


def task_from_table(name: str, table: Mapping[str, Any], where: str) -> Task:
    """A checked task; `source` is a table or a list of them. Raises `UserError` on unknown keys or missing sides.

    A table with the name of a track says what differs where the task is run in that track.
    """
    check_keys(table, {*WORDS, "source", "target", *TABLES, "demo", *TRACKS}, where)
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
        _ranking(table, numbers, where) if "ranking" in table else None,
        {track: _in_track(track, table[track], name, table, where) for track in TRACKS if track in table},
    )


def _in_track(track: str, own: Any, name: str, table: Mapping[str, Any], where: str) -> Task:
    """Return the task in a track: with what its file says of that track, and for the rest as it is."""
    within = f"{where}: [{track}]"
    if not isinstance(own, Mapping):
        raise UserError(f"{within} needs to be a table")
    check_keys(own, {*WORDS, *TABLES, "target"}, within)
    for key in (*TABLES, "target"):
        if not isinstance(own.get(key, {}), Mapping):
            raise UserError(f"{where}: {track}.{key} = {own[key]!r} needs to be a table [{track}.{key}]")
    changed = [key for key in WHO if key in own.get("target", {})]
    if changed:
        raise UserError(f"{where}: [{track}.target]: {changed[0]} is the same in every track; make it another task")
    protocol = {**table.get("protocol", {}), **own.get("protocol", {}), "track": track}
    if track == table.get("protocol", {}).get("track", Protocol.track) or "track" in own.get("protocol", {}):
        raise UserError(f"{within}: a table with the name of a track is for another track than that of the task")
    common = {key: table[key] for key in (*WORDS, "source", "demo") if key in table}
    common["target"] = {**table["target"], **own.get("target", {})}
    budget = {**table.get("budget", {}), **own.get("budget", {})}
    given = {key: own[key] for key in (*WORDS, "ranking") if key in own}
    return task_from_table(f"{name}-{track}", {**common, **given, "protocol": protocol, "budget": budget}, within)


def _ranking(task: Mapping[str, Any], protocol: Protocol, where: str) -> Ranking:
    """Return what [ranking] says. Raise `UserError` where it is no table of numbers that fit the task."""
    where, table = f"{where}: [ranking]", task["ranking"]
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
    never = f"a task in the track {KEYFRAMES}" if protocol.track == KEYFRAMES else "a demo" if task.get("demo") else ""
    if numbers["fractions"] and never:
        raise UserError(f"{where}: {never} is never ranked; give the reason in place of the fractions")
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
        raise UserError(f'{where}: {name}: kind "{kind}" needs `{needed}`, a name')
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
