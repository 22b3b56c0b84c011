"""Objectives that a person writes down: a table of a TOML file becomes the `Objectives` of one clip.

docs/reference/formats.md describes the file.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.errors import UserError, check_keys, unknown
from rae_bench.kinematics import quat
from rae_bench.objectives.objectives import KEYFRAME, KINDS, NONE
from rae_bench.rigs.rig import ROLES
from rae_bench.storage import read_toml

LONGEST = 600.0
"""Seconds that may be asked for."""
MOST = 10_000
"""Objectives that a file may hold."""
FARTHEST = 1e4
"""Metres: what is farther away is a slip of the unit."""
DUTY = 0.6
"""Share of the stride that a foot of a walk stands, where the file does not say it."""
SHORTEST_STRIDE, LONGEST_STRIDE = 0.1, 10.0
"""Seconds that a stride may last."""
KEYS = {"role", "time", "position", "heading", "rotation", "kind"}
"""Keys of an objective."""
WRITTEN_KINDS = [kind for kind in KINDS if kind != KINDS[NONE]]
"""Kinds of objectives that a person may ask for."""


@dataclass(frozen=True, eq=False)
class WrittenObjective:
    """One objective, in the root space of the last history frame.

    Attributes:
        slot: role slot.
        time: seconds after the history.
        position: (3,) metres.
        rotation: (4,) relative to the rest pose.
        kind: index into `KINDS`.
    """

    slot: int
    time: float
    position: np.ndarray
    rotation: np.ndarray
    kind: int


@dataclass(frozen=True)
class Waypoint:
    """One point of a written path, in the root space of the last history frame.

    Attributes:
        time: seconds after the history.
        x, z: metres to the left and ahead.
        heading: radians about +Y from where the character faces after the history; None to face where it goes.
    """

    time: float
    x: float
    z: float
    heading: float | None


@dataclass(frozen=True)
class Walk:
    """When feet touch down.

    Attributes:
        stride: seconds between two touch-downs of a foot.
        touch_downs: role slot -> share of the stride, 0 to 1.
        duty: share of the stride that a foot stands.
    """

    stride: float
    touch_downs: Mapping[int, float]
    duty: float


@dataclass(frozen=True, eq=False)
class WrittenObjectives:
    """All that a file asks for.

    Attributes:
        seconds: how long to generate.
        objectives: what is asked for.
        walk: steps to lay out between the objectives, None for none.
        path: points of a path, for models of the track `control`.
    """

    seconds: float
    objectives: tuple[WrittenObjective, ...]
    walk: Walk | None = None
    path: tuple[Waypoint, ...] = ()


def read_objectives(path: Path, seconds: float | None = None) -> WrittenObjectives:
    """Read a file of objectives.

    Args:
        path: a TOML file.
        seconds: how long to generate, in place of what the file says.

    Raises:
        UserError: One line says which objective is wrong and how.
    """
    return check_objectives(read_toml(path, "no such objectives file"), path.name, seconds)


def check_objectives(table: Mapping[str, Any], where: str, seconds: float | None = None) -> WrittenObjectives:
    """Return what the table of a file asks for, checked.

    Args:
        table: as a TOML file gives it.
        where: name of the file, for messages.
        seconds: how long to generate, in place of what the table says.

    Raises:
        UserError: One line says which objective is wrong and how.
    """
    check_keys(table, ("seconds", "objectives", "walk", "path"), where)
    if seconds is None:
        if "seconds" not in table:
            raise UserError(f"{where}: no `seconds`; it says how long to generate, as --seconds does")
        seconds = _number(table["seconds"], f"{where}: seconds")
    if not 0 < seconds <= LONGEST:
        raise UserError(f"{where}: seconds = {seconds:g} needs to lie above 0 and up to {LONGEST:g}")
    points = _tables(table, "path", where)
    entries = _tables(table, "objectives", where)
    if points and (entries or "walk" in table):
        raise UserError(f"{where}: [[path]] excludes [[objectives]] and [walk]; a model is asked for one or the other")
    if points:
        return WrittenObjectives(seconds, (), None, _waypoints(points, where, seconds))
    if not entries:
        raise UserError(f"{where}: no [[objectives]] and no [[path]]; name at least one, such as the pelvis'")
    objectives = tuple(_objective(entry, f"{where}: objective {n}", seconds) for n, entry in enumerate(entries, 1))
    walk = check_walk(table["walk"], f"{where}: walk") if "walk" in table else None
    return WrittenObjectives(seconds, objectives, walk)


def _tables(table: Mapping[str, Any], key: str, where: str) -> list[Mapping[str, Any]]:
    """Return the tables of a list in a file."""
    entries = table.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise UserError(f"{where}: {key} are tables, each under its own [[{key}]]")
    if len(entries) > MOST:
        raise UserError(f"{where}: {len(entries)} of [[{key}]]; up to {MOST} are read")
    return entries


def _waypoints(entries: list[Mapping[str, Any]], where: str, seconds: float) -> tuple[Waypoint, ...]:
    """Return the checked points of a path, by time."""
    points = []
    for number, entry in enumerate(entries, 1):
        place = f"{where}: path point {number}"
        check_keys(entry, ("time", "position", "heading"), place)
        for key in ("time", "position"):
            if key not in entry:
                raise UserError(f"{place}: no `{key}`; a point of a path needs time and position")
        time = _number(entry["time"], f"{place}: time")
        if not 0 < time <= seconds:
            raise UserError(f"{place}: time = {time:g} needs to lie above 0 and within the {seconds:g} s generated")
        x, z = _numbers(entry["position"], 2, f"{place}: position")
        if max(abs(x), abs(z)) > FARTHEST:
            raise UserError(f"{place}: position is farther away than {FARTHEST:g} m; positions are in metres")
        heading = entry.get("heading")
        turn = None if heading is None else math.radians(_number(heading, f"{place}: heading"))
        points.append(Waypoint(time, float(x), float(z), turn))
    points.sort(key=lambda point: point.time)
    for one, two in itertools.pairwise(points):
        if two.time - one.time < 1e-3:
            raise UserError(f"{where}: two points of the path at {two.time:g} s; a path is at one place at a time")
    return tuple(points)


def _objective(entry: Mapping[str, Any], where: str, seconds: float) -> WrittenObjective:
    """Return one checked objective; `where` names the file and the objective."""
    check_keys(entry, KEYS, where)
    for key in ("role", "time", "position"):
        if key not in entry:
            raise UserError(f"{where}: no `{key}`; an objective needs role, time and position")
    if entry["role"] not in ROLES:
        raise UserError(f"{where}: {unknown('role', str(entry['role']), ROLES)}")
    where = f"{where} ({entry['role']})"
    kind = entry.get("kind", KINDS[KEYFRAME])
    if kind not in WRITTEN_KINDS:
        raise UserError(f"{where}: {unknown('kind', str(kind), WRITTEN_KINDS)}")
    time = _number(entry["time"], f"{where}: time")
    if not 0 < time <= seconds:
        raise UserError(f"{where}: time = {time:g} needs to lie above 0 and within the {seconds:g} s generated")
    position = _numbers(entry["position"], 3, f"{where}: position")
    if np.abs(position).max() > FARTHEST:
        raise UserError(f"{where}: position is farther away than {FARTHEST:g} m; positions are in metres")
    if "heading" in entry and "rotation" in entry:
        raise UserError(f"{where}: heading and rotation exclude each other; keep one")
    rotation = quat.from_yaw(np.array(math.radians(_number(entry.get("heading", 0), f"{where}: heading"))))
    if "rotation" in entry:
        rotation = _numbers(entry["rotation"], 4, f"{where}: rotation")
        if abs(np.linalg.norm(rotation) - 1) > 1e-2:
            raise UserError(f"{where}: rotation is not a unit quaternion [w, x, y, z]")
        rotation = quat.normalize(rotation)
    return WrittenObjective(ROLES.index(entry["role"]), time, position, rotation, KINDS.index(kind))


def check_walk(table: Any, where: str) -> Walk:
    """Return the walk of a `[walk]` table, checked.

    Raises:
        UserError: One line says what is wrong with it.
    """
    if not isinstance(table, Mapping):
        raise UserError(f"{where} is a table: [walk]")
    check_keys(table, ("stride", "touch_downs", "duty"), where)
    stride = _within(table.get("stride"), SHORTEST_STRIDE, LONGEST_STRIDE, f"{where}: stride")
    duty = _within(table.get("duty", DUTY), 0.05, 0.95, f"{where}: duty")
    feet = table.get("touch_downs")
    if not isinstance(feet, Mapping) or not feet:
        raise UserError(f"{where}: touch_downs is a table of roles, as in {{ left_foot = 0.0, right_foot = 0.5 }}")
    for role in feet:
        if role not in ROLES:
            raise UserError(f"{where}: touch_downs: {unknown('role', role, ROLES)}")
    shares = {ROLES.index(role): _within(share, 0, 1, f"{where}: {role}") for role, share in feet.items()}
    return Walk(stride, shares, duty)


def _within(value: Any, low: float, high: float, where: str) -> float:
    """Return a number from `low` to `high`."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        raise UserError(f"{where} = {value!r} needs to be a number from {low:g} to {high:g}"[:200])
    return float(value)


def _number(value: Any, where: str) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UserError(f"{where} = {value!r} is not a number"[:200])
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UserError(f"{where} = {number} is not finite")
    return number


def _numbers(value: Any, count: int, where: str) -> np.ndarray:
    """Return a list of `count` finite numbers as an array."""
    if not isinstance(value, (list, tuple)) or len(value) != count:
        raise UserError(f"{where} = {value!r}: a list of {count} numbers is needed"[:200])
    return np.array([_number(item, where) for item in value])
