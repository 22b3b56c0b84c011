"""Who hangs on whom, for recordings that do not say it: a TOML file of names and parents, and checks of trees.

    virtual_root = "pelvis"              # only where the recording lacks its root: a point that parents may name
    joints = [                           # in the recording's order where it holds no names
      { name = "spine", parent = "pelvis" },
      { name = "chest", parent = "spine" },
    ]

A rig file does too; its offsets are not used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rae_bench.data.formats.source import MAX_JOINTS, Source
from rae_bench.errors import UserError, unknown
from rae_bench.storage import read_toml

VIRTUAL_ROOT = "root"
"""Name of the joint that joins several trees, where no other is given."""


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Names and parents of the points of a recording.

    Attributes:
        names: J unique names.
        parents: (J,) int, -1 for the root and for children of the virtual root.
        virtual_root: name of a root that the recording does not hold, None where it does.
    """

    names: tuple[str, ...]
    parents: np.ndarray
    virtual_root: str | None = None


def make_skeleton(
    names: Sequence[str], parents: Sequence[int], virtual_root: str | None, fault: Callable[[str], UserError]
) -> Skeleton:
    """A checked skeleton: unique names, parents in range, no cycles.

    Several roots without a virtual one are given `VIRTUAL_ROOT`.
    """
    count = len(names)
    if not 0 < count <= MAX_JOINTS:
        raise fault(f"{count} joints; between 1 and {MAX_JOINTS} are read")
    if len(parents) != count:
        raise fault(f"{count} names but {len(parents)} parents")
    taken = {virtual_root} if virtual_root else set()
    for name in names:
        if not name:
            raise fault("a joint without a name")
        if name in taken:
            raise fault(f"a second joint called '{name}'; joint names must be unique")
        taken.add(name)
    for j, parent in enumerate(parents):
        if not -1 <= parent < count:
            raise fault(f"joint '{names[j]}': parent {parent} is none of the {count} joints")
    done = np.zeros(count, bool)
    for j in range(count):
        path = set()
        at = j
        while at >= 0 and not done[at]:
            if at in path:
                raise fault(f"joint '{names[j]}': its parents form a cycle through '{names[at]}'")
            path.add(at)
            at = int(parents[at])
        done[list(path)] = True
    roots = sum(parent < 0 for parent in parents)
    if roots > 1 and virtual_root is None:
        virtual_root = VIRTUAL_ROOT
        while virtual_root in taken:
            virtual_root += "_"
    return Skeleton(tuple(names), np.asarray(parents, int), virtual_root)


def read_skeleton(path: Path) -> Skeleton:
    """Read a file of names and parents. Raises `UserError` naming file, joint and fault."""
    source = Source(path)
    table = read_toml(path, "no such file")
    entries = table.get("joints")
    if not isinstance(entries, list) or not all(
        isinstance(e, dict) and isinstance(e.get("name"), str) and isinstance(e.get("parent", ""), str) for e in entries
    ):
        raise source.fault('joints = [{ name = "spine", parent = "hips" }, ...] is needed')
    virtual = table.get("virtual_root")
    if virtual is not None and not isinstance(virtual, str):
        raise source.fault("virtual_root needs to be a name")
    names = [entry["name"] for entry in entries]
    index = {name: j for j, name in enumerate(names)}
    parents = []
    for entry in entries:
        parent = entry.get("parent")
        if parent is None or parent == virtual:
            parents.append(-1)
        elif parent in index:
            parents.append(index[parent])
        else:
            raise source.fault(f"joint '{entry['name']}': {unknown('parent', parent, names)}")
    return make_skeleton(names, parents, virtual, source.fault)


def depth_first(parents: np.ndarray) -> list[int]:
    """Joints in the order in which `make_rig` lists them: depth first, siblings as they come."""
    children: dict[int, list[int]] = {}
    for j, parent in enumerate(parents):
        children.setdefault(int(parent), []).append(j)
    order: list[int] = []
    stack = children.get(-1, [])[::-1]
    while stack:
        j = stack.pop()
        order.append(j)
        stack.extend(reversed(children.get(j, [])))
    return order


def joint_list(
    names: Sequence[str], parents: np.ndarray, offsets: np.ndarray
) -> list[tuple[str, str | None, np.ndarray]]:
    """(name, parent's name, offset) of each joint, as `make_rig` takes them."""
    return [
        (name, None if p < 0 else names[p], offset) for name, p, offset in zip(names, parents, offsets, strict=True)
    ]
