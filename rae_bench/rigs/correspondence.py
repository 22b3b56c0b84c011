"""What two rigs have in common, and how far apart they are.

What corresponds are roles. Joints between two roles correspond by where they lie on the way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rae_bench.errors import UserError
from rae_bench.rigs.rig import ROLES, Rig


@dataclass(frozen=True)
class Match:
    """What two rigs have in common.

    Attributes:
        roles: those of both.
        contacts: (target joint, source joint, which of the source's contacts) of contact joints that correspond.
        missing: roles of the source that the target lacks.
        new: roles of the target that the source lacks: they hold the rest pose and are carried along.
    """

    roles: tuple[str, ...]
    contacts: tuple[tuple[int, int, int], ...]
    missing: tuple[str, ...]
    new: tuple[str, ...]


def match(source: Rig, target: Rig) -> Match:
    """Return what two rigs have in common.

    Contact joints correspond where they belong to one role, in the order from back to front in the rest pose. A role of
    the target whose limb stands where the source's does not, as a hand that becomes a fore paw, is not pinned.

    Raises:
        UserError: they have no role in common but the pelvis.
    """
    both = tuple(role for role in ROLES if role in source.roles and role in target.roles)
    if not set(both) - {"pelvis"}:
        raise UserError(
            f"rig '{source.name}' and rig '{target.name}' have no role in common but the pelvis, so nothing of one can "
            "be put on the other"
        )
    contacts = []
    for role in both:
        slot = ROLES.index(role)
        ours, theirs = (_front_last(rig, slot) for rig in (target, source))
        for place, joint in enumerate(ours):
            if theirs:
                other = theirs[min(place, len(theirs) - 1)]
                contacts.append((joint, other, source.contact_joints.tolist().index(other)))
    missing = tuple(role for role in ROLES if role in source.roles and role not in both)
    new = tuple(role for role in ROLES if role in target.roles and role not in both)
    return Match(both, tuple(contacts), missing, new)


def _front_last(rig: Rig, slot: int) -> list[int]:
    """Contact joints of a role, the one that is furthest back in the rest pose first."""
    joints = rig.contact_joints[rig.contact_slots == slot]
    return [int(j) for j in joints[np.argsort(rig.rest_global[0][joints, 2], kind="stable")]]


def partners(source: Rig, target: Rig) -> dict[int, int]:
    """Return which joint of the source tells how a joint of the target turns: {target joint: source joint}.

    On the way from the pelvis to a role of both rigs joints correspond one to one where there are as many; else each
    has the one at the nearest share of the way. Contact joints have the one of their role. All others have none.
    """
    found: dict[int, int] = {}
    for role in ROLES:
        if role not in source.roles or role not in target.roles:
            continue
        if role == "pelvis":
            found[target.roles[role]] = source.roles[role]
            continue
        ours, theirs = way_to(target, role), way_to(source, role)
        if len(ours) == len(theirs):
            pairs = list(zip(ours, theirs, strict=True))
        else:
            shares = np.abs(_shares(target, ours)[:, None] - _shares(source, theirs))
            pairs = [(joint, theirs[int(near)]) for joint, near in zip(ours, shares.argmin(1), strict=True)]
            pairs[-1] = (ours[-1], theirs[-1])
        for joint, other in pairs:
            found.setdefault(joint, other)
    for joint, other, _ in match(source, target).contacts:
        found.setdefault(joint, other)
    return found


def anchors(first: Rig, second: Rig, role: str) -> list[tuple[int, int]]:
    """Return pairs of joints on the ways of two rigs to a role that lie at corresponding places, from the pelvis on.

    One to one where there are as many; else each pair of which either is the other's nearest by the share of the way.
    The joints of the role are the last pair.
    """
    ours, theirs = way_to(first, role), way_to(second, role)
    if len(ours) == len(theirs):
        return list(zip(ours, theirs, strict=True))
    apart = np.abs(_shares(first, ours)[:, None] - _shares(second, theirs))
    near, back = apart.argmin(1), apart.argmin(0)
    pairs = [(ours[i], theirs[int(near[i])]) for i in range(len(ours) - 1) if back[near[i]] == i]
    return [*(pair for pair in pairs if pair[1] != theirs[-1]), (ours[-1], theirs[-1])]


def way_to(rig: Rig, role: str) -> list[int]:
    """Return the joints below the pelvis on the way to a role, the role's own last."""
    pelvis = rig.roles.get("pelvis", 0)
    on = rig.ancestors[rig.roles[role]] & ~rig.ancestors[pelvis]
    return [int(j) for j in np.flatnonzero(on)]


def _shares(rig: Rig, way: list[int]) -> np.ndarray:
    """Share of the way's length at which each of its joints lies."""
    lengths = np.linalg.norm(rig.offsets[way], axis=1).cumsum()
    return lengths / max(float(lengths[-1]), 1e-9)


@dataclass(frozen=True)
class Distance:
    """How far apart two rigs are, the same in both directions.

    Attributes:
        bones: root mean square of the log ratios of bone lengths, in heights of their rigs, between joints that
            correspond; 0 for the same proportions.
        joints: joint edit distance: how many joints must be put in or taken out, limb by limb and at the end of each,
            so that both have as many.
        limbs: how many roles only one of them has.
    """

    bones: float
    joints: int
    limbs: int


def distance(first: Rig, second: Rig) -> Distance:
    """Return how far apart two rigs are.

    Raises:
        UserError: as of `match`.
    """
    common = match(first, second)
    ratios = [*_log_ratios(first, second, common.roles), *_log_ratios(second, first, common.roles)]
    parts = _parts(first), _parts(second)
    edits = sum(abs(parts[0][part] - parts[1][part]) for part in parts[0].keys() | parts[1].keys())
    squares = np.sort(np.square(ratios))  # in one order, so that both directions are equal to the last bit
    bones = float(np.sqrt(squares.mean())) if ratios else 0.0
    return Distance(bones, edits, len(common.missing) + len(common.new))


def _log_ratios(source: Rig, target: Rig, roles: Sequence[str]) -> list[float]:
    """Log ratios of lengths between successive joints of the source that correspond to one of the target, once each."""
    ratios: dict[tuple[int, int], float] = {}
    for role in roles:
        if role == "pelvis":
            continue
        ours, theirs = way_to(target, role), way_to(source, role)
        before = (target.roles.get("pelvis", 0), source.roles.get("pelvis", 0))
        for joint, other in anchors(target, source, role):
            lengths = _length(target, ours, before[0], joint), _length(source, theirs, before[1], other)
            if min(lengths) > 1e-6:
                ratios[before[0], joint] = float(np.log(lengths[0] / lengths[1]))
            before = joint, other
    return list(ratios.values())


def _length(rig: Rig, way: list[int], above: int, below: int) -> float:
    """Length of the bones on a way below one joint, down to another, in heights."""
    start = way.index(above) + 1 if above in way else 0
    return float(np.linalg.norm(rig.offsets[way[start : way.index(below) + 1]], axis=1).sum() / rig.height)


def _parts(rig: Rig) -> Counter[tuple[bool, tuple[str, ...]]]:
    """How many joints each part of a rig has: on the ways to the same roles, or hanging on such a part."""
    ways = {role: set(way_to(rig, role)) for role in ROLES if role in rig.roles and role != "pelvis"}
    found: Counter[tuple[bool, tuple[str, ...]]] = Counter()
    for joint in range(len(rig)):
        on = joint
        while on >= 0 and not any(on in way for way in ways.values()):
            on = int(rig.parents[on])
        found[on == joint, tuple(role for role, way in ways.items() if on in way)] += 1
    return found
