"""Names and parents of joints, for recordings that do not hold them. docs/reference/formats.md describes the files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rae_bench.data.formats.source import Source
from rae_bench.errors import UserError, unknown
from rae_bench.rigs.rig import MAX_JOINTS
from rae_bench.rigs.tree import depth_first, find_cycle, reordered
from rae_bench.storage import read_toml

VIRTUAL_ROOT = "root"
"""Name of the joint that joins several trees, where no other name is given."""


@dataclass(frozen=True, eq=False)
class JointTree:
    """Names and parents of the points of a recording.

    Attributes:
        names: J unique names.
        parents: (J,) int, -1 for the root and for children of the virtual root.
        virtual_root: name of a root that the recording does not hold, None where it holds its root.
    """

    names: tuple[str, ...]
    parents: np.ndarray
    virtual_root: str | None = None

    def with_root(self) -> tuple[list[str], np.ndarray, list[int]]:
        """Return names and parents with the virtual root where there is one, depth first, and that order.

        Returns:
            J' names, parents (J',) with -1 at the root alone, and for each of them its place in the list that has the
            virtual root, where there is one, before the recording's own points.
        """
        names, parents = list(self.names), self.parents
        if self.virtual_root:
            names, parents = [self.virtual_root, *names], np.concatenate([[-1], parents + 1])
        order = depth_first(parents)
        return [names[j] for j in order], reordered(parents, order), order


def make_joint_tree(
    names: Sequence[str], parents: Sequence[int], virtual_root: str | None, fault: Callable[[str], UserError]
) -> JointTree:
    """Return a checked tree; several roots without a virtual one hang on a joint called `VIRTUAL_ROOT`.

    Args:
        names: J names.
        parents: J indices, -1 for a root.
        virtual_root: name of a root that the recording does not hold.
        fault: makes an error of a text.

    Raises:
        UserError: Names are empty or stand twice, parents are out of range or form a cycle, or there are too many.
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
    cycle = find_cycle(parents)
    if cycle:
        raise fault(f"joint '{names[cycle[0]]}': its parents form a cycle through '{names[cycle[1]]}'")
    if sum(parent < 0 for parent in parents) > 1 and virtual_root is None:
        virtual_root = VIRTUAL_ROOT
        while virtual_root in taken:
            virtual_root += "_"
    return JointTree(tuple(names), np.asarray(parents, int), virtual_root)


def read_joint_tree(path: Path) -> JointTree:
    """Read a TOML file of names and parents.

    Raises:
        UserError: One line names the file, the joint and the fault.
    """
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
    return make_joint_tree(names, parents, virtual, source.fault)
