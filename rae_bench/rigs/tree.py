"""Trees of joints as lists of parents: order, children and cycles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def children_of(parents: Sequence[int] | np.ndarray) -> list[list[int]]:
    """Return the children of each joint, in the order of the list; the roots stand at the end, at index -1."""
    children: list[list[int]] = [[] for _ in range(len(parents) + 1)]
    for joint, parent in enumerate(parents):
        children[int(parent)].append(joint)
    return children


def depth_first(parents: Sequence[int] | np.ndarray) -> list[int]:
    """Return the joints depth first, siblings as they come, so that parents stand before their children."""
    children = children_of(parents)
    order: list[int] = []
    stack = children[-1][::-1]
    while stack:
        joint = stack.pop()
        order.append(joint)
        stack.extend(reversed(children[joint]))
    return order


def reordered(parents: Sequence[int] | np.ndarray, order: Sequence[int]) -> np.ndarray:
    """Return the parents (J,) of joints that were put into another order.

    Args:
        parents: J indices, -1 at the root.
        order: which old joint stands at each new place.
    """
    place = np.argsort(order)
    return np.array([-1 if parents[joint] < 0 else place[parents[joint]] for joint in order])


def find_cycle(parents: Sequence[int] | np.ndarray) -> tuple[int, int] | None:
    """Return the first joint whose parents never end at a root, and a joint of that cycle; None in a tree."""
    done = np.zeros(len(parents), bool)
    for joint in range(len(parents)):
        path: set[int] = set()
        at = joint
        while at >= 0 and not done[at]:
            if at in path:
                return joint, at
            path.add(at)
            at = int(parents[at])
        done[list(path)] = True
    return None


def joint_list(
    names: Sequence[str], parents: Sequence[int] | np.ndarray, offsets: np.ndarray
) -> list[tuple[str, str | None, np.ndarray]]:
    """Return (name, parent's name, offset) of each joint, as `make_rig` takes them."""
    return [
        (name, None if parent < 0 else names[parent], offset)
        for name, parent, offset in zip(names, parents, offsets, strict=True)
    ]
