"""Guesses from joint names: which joint has which role, and which joints touch the ground. The import shows them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rae_bench.data.importing.joint_names import (
    CLAW,
    FINGER,
    FOOT,
    FRONT,
    HAND,
    HIND,
    LEFT,
    LIMB_END,
    MID,
    RIGHT,
    TOE,
    words,
)
from rae_bench.rigs.rig import Rig

_BALL = {"ball", "forefoot", "metatarsal", "metatarsals"}
"""Words for the ball of a foot: its last joint where no toe is named."""
_PELVIS = ("hips", "pelvis", "hip")
_NO_JOINT = {"end", "nub", "armor", "footsteps"}
_LIMBS = {"front": "hand", "mid": "mid", "hind": "foot"}
WALKS_ON = 0.3
"""Hands whose usual height is below this share of the pelvis' are forefeet."""
LOWER = 0.03
"""A joint below a foot touches the ground, whatever its name, that is lower by this share of the pelvis' height."""


def guess_roles(rig: Rig, positions: np.ndarray | None = None) -> tuple[dict[str, str], list[str]]:
    """Guess roles and contact joints from the names of joints.

    Hands and feet are the first joints of a side down the tree that are called so; front legs count as hands. On a rig
    whose hands walk (by `positions`) and on six legs they are the last part that has a name (finger, paw, toe, claw).
    Feet touch the ground with their toes, else with the ball, else with the foot below an ankle, else with a joint that
    is lower, else with the End Site below, else with the joint itself. Of toes whose names tie it is the one that
    points where all of them point together, so that a bird does not stand on its back toe.

    Args:
        rig: the skeleton.
        positions: (F, J, 3) metres, y up: heights tell a quadruped from a biped.

    Returns:
        Role -> joint name, and the names of the joints that touch the ground.
    """
    named = words(rig.joint_names)
    found: dict[str, int] = {}
    for side, marks in (("left", LEFT), ("right", RIGHT)):
        on_side = [j for j, each in enumerate(named) if marks & set(each) and not _NO_JOINT & set(each)]
        legs = {
            place: [j for j in on_side if marks_of & set(named[j])]
            for place, marks_of in (("front", FRONT), ("mid", MID), ("hind", HIND))
        }
        kinds_of = (CLAW, LIMB_END | HAND | FOOT) if legs["front"] and legs["hind"] else (CLAW,)
        for place, joints in legs.items():
            ends = [j for kinds in kinds_of if (j := _best(joints, named, kinds, rig)) is not None]
            if ends:
                found[f"{side}_{_LIMBS[place]}"] = ends[0]
        for role, kinds in (("hand", HAND), ("foot", FOOT)):
            if f"{side}_{role}" not in found and (joint := _best(on_side, named, kinds, rig)) is not None:
                found[f"{side}_{role}"] = joint
    bodily = [j for j, each in enumerate(named) if not (_NO_JOINT | LEFT | RIGHT) & set(each)]
    lone = _best(bodily, named, HAND, rig)
    if lone is not None and not any(role.endswith("_hand") for role in found):
        found["right_hand"] = lone  # an arm alone has no side; its hand is the right one, as on the built-in arm
    head = next((j for word in ("head", "neck") if (j := _best(bodily, named, {word}, rig)) is not None), None)
    if head is not None:
        found["head"] = head
    pelvis = next((j for word in _PELVIS if (j := _best(bodily, named, {word}, rig)) is not None), 0)
    found["pelvis"] = pelvis if pelvis not in [found[role] for role in found] else 0

    walking = [role for role in found if role.endswith(("foot", "mid"))]
    hands = [role for role in found if role.endswith("hand")]
    if walking and any(role.endswith("mid") for role in found):
        walking += hands
    elif walking and positions is not None and _hands_walk(found, positions, rig, named):
        walking += hands
        for role in walking:
            found[role] = _tip(found[role], named, rig)
    heights = None if positions is None else np.percentile(positions[..., 1], 25, axis=0)
    contacts = [_ground_joint(found[role], named, rig, heights, found["pelvis"]) for role in walking]
    unique = {role: joint for role, joint in found.items() if role == "pelvis" or joint != found["pelvis"]}
    order = sorted(set(contacts))
    return {role: rig.joint_names[j] for role, j in unique.items()}, [rig.joint_names[j] for j in order]


def _best(joints: Sequence[int], named: Sequence[tuple[str, ...]], kinds: set[str], rig: Rig) -> int | None:
    """Return the joint with one of the words: the first down the tree, then the one with the fewest other words."""
    fits = [j for j in joints if kinds & set(named[j])]
    return min(fits, key=lambda j: (rig.depths[j], len(named[j]), j), default=None)


def _tip(joint: int, named: Sequence[tuple[str, ...]], rig: Rig) -> int:
    """Return the finger, paw, toe or claw below a hand or foot; the joint itself where there is none."""
    below = [j for j in np.flatnonzero(rig.ancestors[:, joint]).tolist() if not _NO_JOINT & set(named[j])]
    tips = [j for j in below if (FINGER | TOE) & set(named[j])]
    tips = tips or [j for j in below if _BALL & set(named[j]) or {"fore", "foot"} <= set(named[j])]
    if not tips:
        return joint
    # The mean way from the joint to the first tips of all branches, with what lies between unturned, points ahead: a
    # back toe is one of several.
    first = [j for j in tips if not any(k != j and rig.ancestors[j, k] for k in tips)]
    ways = np.stack([rig.offsets[rig.ancestors[j] & ~rig.ancestors[joint]].sum(0) for j in first]).astype(np.float64)
    ways /= np.maximum(np.linalg.norm(ways, axis=-1, keepdims=True), 1e-12)
    along = dict(zip(first, (ways @ ways.mean(0)).round(6).tolist(), strict=True))
    back = [j for j in first if along[j] < 0]
    ahead = [j for j in tips if not rig.ancestors[j, back].any()]
    return min(ahead, key=lambda j: (len(named[j]), rig.depths[j], -along.get(j, 0.0)))


def _ground_joint(
    joint: int, named: Sequence[tuple[str, ...]], rig: Rig, heights: np.ndarray | None = None, pelvis: int = 0
) -> int:
    """Return the joint with which a hand or foot touches the ground.

    Args:
        joint: the hand or foot.
        named: words of all names.
        rig: the skeleton.
        heights: (J,) metres, how high each joint is when it is low; None where nothing is known of that.
        pelvis: the pelvis.
    """
    tip = _tip(joint, named, rig)
    if tip != joint or (FINGER | TOE) & set(named[joint]):
        return tip
    long = np.linalg.norm(rig.offsets, axis=-1) > 1e-6
    below = np.flatnonzero(rig.parents == joint).tolist()
    if "ankle" in named[joint] and (feet := [j for j in below if "foot" in named[j]]):
        return _ground_joint(feet[0], named, rig, heights, pelvis)
    if heights is not None:
        under = [j for j in np.flatnonzero(rig.ancestors[:, joint]).tolist() if not _NO_JOINT & set(named[j])]
        lowest = min(under, key=lambda j: heights[j], default=joint)
        if heights[joint] - heights[lowest] > LOWER * (heights[pelvis] - heights[lowest]) > 0:
            return lowest
    ends = [j for j in below if "end" in named[j] and long[j]]
    return ends[0] if ends else joint


def _hands_walk(found: dict[str, int], positions: np.ndarray, rig: Rig, named: Sequence[tuple[str, ...]]) -> bool:
    """Return whether the hands are usually near the ground, as forefeet are."""
    heights = np.median(positions[..., 1], axis=0)
    feet = [_tip(found[role], named, rig) for role in found if role.endswith("foot")]
    hands = [_tip(found[role], named, rig) for role in found if role.endswith("hand")]
    ground = float(np.percentile(positions[:, feet, 1], 5))
    tall = heights[found["pelvis"]] - ground
    return bool(hands) and tall > 0 and bool((heights[hands] - ground < WALKS_ON * tall).all())
