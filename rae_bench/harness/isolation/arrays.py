"""Domains, prompts and trajectories as files: npz without pickle, numbers bit by bit as they were."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.data.formats.archive import Archive
from rae_bench.data.formats.source import Source
from rae_bench.model.api import Domain, Prompt, Trajectory
from rae_bench.motion.motion import Motion
from rae_bench.objectives.objectives import Objectives
from rae_bench.objectives.path import RootPath
from rae_bench.rigs.rig import Rig

CLASSES: Mapping[str, type] = {cls.__name__: cls for cls in (Domain, Prompt, Motion, Objectives, RootPath, Rig)}
"""Dataclasses that may cross the border. Their fields are arrays, plain values, tuples, mappings, and each other."""
_FACTS = "facts"


def write(path: Path, value: Any) -> None:
    """Write a dataclass of `CLASSES` to a file. What it derived and kept beside its fields stays behind.

    Raises:
        TypeError: a field holds something that may not cross the border.
    """
    arrays: dict[str, np.ndarray] = {}
    facts = json.dumps(_packed(value, arrays, {}))
    arrays[_FACTS] = np.frombuffer(facts.encode(), np.uint8)
    with path.open("xb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub takes the arrays for its option


def read(path: Path) -> Any:
    """Read what `write` wrote; arrays are new, and what was one object there is one object here."""
    with np.load(path, allow_pickle=False) as arrays:
        return _unpacked(json.loads(arrays[_FACTS].tobytes()), arrays, [])


def _packed(value: Any, arrays: dict[str, np.ndarray], seen: dict[int, int]) -> Any:
    """The value as JSON; arrays go to `arrays`. `seen` numbers the dataclasses in the order in which they begin."""
    if isinstance(value, np.ndarray):
        key = f"a{len(arrays)}"
        arrays[key] = value
        return {"array": key, "fixed": not value.flags.writeable}
    if type(value) in CLASSES.values():
        cls: Any = type(value)
        if id(value) in seen:
            return {"same": seen[id(value)]}
        seen[id(value)] = len(seen)
        parts = {field.name: _packed(getattr(value, field.name), arrays, seen) for field in fields(cls)}
        return {"class": cls.__name__, "fields": parts}
    if isinstance(value, tuple):
        return {"tuple": [_packed(item, arrays, seen) for item in value]}
    if isinstance(value, Mapping):
        return {"map": {str(key): _packed(item, arrays, seen) for key, item in value.items()}}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a {type(value).__name__} may not cross to a model process")


def _unpacked(value: Any, arrays: Mapping[str, np.ndarray], made: list[Any]) -> Any:
    if not isinstance(value, dict):
        return value
    if "array" in value:
        array = arrays[value["array"]]
        array.setflags(write=not value["fixed"])
        return array
    if "same" in value:
        return made[value["same"]]
    if "tuple" in value:
        return tuple(_unpacked(item, arrays, made) for item in value["tuple"])
    if "map" in value:
        return {key: _unpacked(item, arrays, made) for key, item in value["map"].items()}
    place = len(made)
    made.append(None)
    parts = {name: _unpacked(item, arrays, made) for name, item in value["fields"].items()}
    made[place] = CLASSES[value["class"]](**parts)
    return made[place]


def write_trajectory(path: Path, trajectory: Trajectory) -> None:
    """Write what a model generated, in the precision that it has.

    Raises:
        ValueError: an array of Python objects.
    """
    roots, rotations = np.asarray(trajectory.root_positions), np.asarray(trajectory.rotations)
    if roots.dtype.hasobject or rotations.dtype.hasobject:
        raise ValueError("a trajectory holds Python objects; numpy float32 arrays are needed")
    with path.open("xb") as file:
        np.savez(file, root_positions=roots, rotations=rotations)


def read_trajectory(path: Path) -> Trajectory:
    """Read what `write_trajectory` wrote, in a process that does not trust it.

    Shapes and values are the caller's to check. Raises `UserError` where the file is damaged or holds other arrays.
    """
    archive = Archive(Source(path))
    found = []
    for name in ("root_positions", "rotations"):
        if name not in archive or archive.shapes[name][1] not in "fiu":
            raise archive.fault(f"no array of numbers '{name}'; it holds {archive}")
        found.append(np.array(archive[name]))
    return Trajectory(*found)
