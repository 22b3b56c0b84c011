"""What may be wrong with a whole domain: its rig, its sides, a tilted ground, feet that do not stand, absent capture.

Each function looks at one thing and returns lines for people, none where nothing is odd. The lines are warnings: what
is certainly wrong is refused by the readers. `rig_warnings.py` looks at the rig alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rae_bench.data.formats.units import Up, upright
from rae_bench.data.importing.rig_warnings import helper_nodes, legs, lopsided, lying, no_feet, wrong_size
from rae_bench.data.wording import as_length, first_few
from rae_bench.kinematics import quat
from rae_bench.motion.contacts import joint_speeds, stance_heights
from rae_bench.motion.motion import Motion
from rae_bench.rigs.rig import Rig

SAME_RATIO = 0.08
"""Two units are told apart by the ratio of lengths up to this share."""
TILT = 2.0
"""Degrees by which a ground may slope before it is worth a word."""
STILL_TURN = 0.5
"""Degrees: a joint whose turns stay within it does not move."""
TREADMILL = 0.3
"""A body that stays within this share of its height, while its feet go further than that, does not travel."""
AHEAD = 0.02
"""Toes point ahead or back by more than this share of the height, or say nothing."""
STILL = 0.15
"""Segments hardly move whose usual speed is below this share of the median segment's."""
UNEVEN = 0.03
"""Left and right feet stand unevenly where they do so by more than this share of the rig's height."""


def domain_warnings(
    motion: Motion, unit: str | float, up: Up, ids: Sequence[str], raised: float = 0.0
) -> list[str]:
    """Return all that may be wrong with a domain, one line each.

    Args:
        motion: its N segments, on a rig with roles and a rest pose.
        unit: unit of its files.
        up: vertical axis of its files.
        ids: names of the N segments.
        raised: metres by which all was raised to put the ground at 0.
    """
    rig = motion.rig
    if lines := lying(rig):
        lines = [*lines, *tilted_ground(motion, up)]  # little else can be said of a body that lies on its side
    else:
        lines = [
            *no_feet(rig),
            *wrong_size(rig, unit),
            *path_in_another_unit(motion, raised),
            *wrong_sides(motion),
            *helper_nodes(rig),
            *lopsided(rig),
            *(no_travel(motion) or [*tilted_ground(motion, up), *uneven_feet(motion)]),
            *no_turns(motion),
        ]
    return [*stands_oddly(motion), *lines, *hardly_move(motion, ids)]


def path_in_another_unit(motion: Motion, raised: float) -> list[str]:
    """Warn of a root whose height would fit the legs if it were in another unit than they are."""
    rig = motion.rig
    tall = float(np.median(motion.positions[:, :, rig.roles.get("pelvis", 0), 1][motion.valid]))
    before = tall - raised
    if raised <= 0 or before <= 0 or not len(rig.contact_joints):
        return []
    ratio = tall / before
    near = min((2.54, 10, 30.48, 39.37, 100, 1000), key=lambda known: abs(known / ratio - 1))
    if abs(near / ratio - 1) > SAME_RATIO:
        return []
    return [f"the root moves as if its path were in a unit {near:g} times that of the bones: multiply it, or the bones"]


def wrong_sides(motion: Motion) -> list[str]:
    """Warn of left and right joints that lie on the other side of a body.

    Toes, spine and travel tell where its front is.
    """
    rig = motion.rig
    valid = motion.valid
    local = motion.root.points_in(motion.positions)[valid]  # (F, J, 3), +x is the left of +z
    apart = {}
    for limb in ("hand", "foot", "mid"):
        pair = [rig.roles.get(f"{side}_{limb}") for side in ("left", "right")]
        if None not in pair:
            apart[limb] = float(np.median(local[:, pair[0], 0] - local[:, pair[1], 0]))
    if not apart:
        return []
    names = {"hand": "hands", "foot": "feet", "mid": "middle legs"}
    crossed = [limb for limb, x in apart.items() if x < -AHEAD * rig.height]
    right = [limb for limb, x in apart.items() if x > AHEAD * rig.height]
    if crossed and right:
        limbs = " and ".join(names[limb] for limb in crossed)
        return [f"left and right {limbs} are swapped against the {names[right[0]]}: see roles, joint names"]
    if crossed:  # the heading is the spine's, so that all sides are wrong
        return ["left and right are swapped: the left limbs lie to the right of the spine's way to the head"]
    if legs(rig) > 2 and "head" in rig.roles and float(np.median(local[:, rig.roles["head"], 2])) < 0:
        return ["left and right are swapped, or the files mirrored: the head lies behind the pelvis"]
    toes = _toes_ahead(rig, local) if legs(rig) < 6 else 0  # an insect's point to all sides
    forward = _travel_ahead(motion)
    if toes < 0 and forward < 0:
        return ["left and right are swapped, or the files mirrored: toes point back, and it travels backwards"]
    if toes < 0:
        return ["left and right may be swapped, or the files mirrored: the toes point back"]
    if toes == 0 and forward < 0:
        return ["left and right may be swapped, or the files mirrored: it mostly travels backwards"]
    return []


def _toes_ahead(rig: Rig, local: np.ndarray) -> int:
    """Return 1 where toes point ahead of the feet, -1 where they point back, 0 where it cannot be said.

    Args:
        rig: the skeleton.
        local: (F, J, 3) metres, root space.
    """
    ahead = []
    for side in ("left", "right"):
        foot = rig.roles.get(f"{side}_foot")
        if foot is None:
            continue
        tips = np.flatnonzero(rig.ancestors[:, foot] & ~np.isin(np.arange(len(rig)), rig.parents))
        ahead.append(float(np.median(local[:, tips, 2].mean(1) - local[:, foot, 2])))
    if not ahead or min(map(abs, ahead)) < AHEAD * rig.height or min(ahead) < 0 < max(ahead):
        return 0
    return int(np.sign(ahead[0]))


def _travel_ahead(motion: Motion) -> int:
    """Return 1 or -1 where it goes forwards or backwards for nearly all the time that it travels, else 0."""
    origin, yaw = motion.root.origin, motion.root.yaw[:, :-1]
    step = np.diff(origin, axis=1) * motion.fps
    speed = np.linalg.norm(step, axis=-1)
    going = (speed > 0.3 * motion.rig.height) & motion.valid[:, 1:]
    if going.sum() < motion.fps:
        return 0
    ahead = (step[..., 0] * np.sin(yaw) + step[..., 2] * np.cos(yaw))[going] / speed[going]
    share = float((ahead > 0.5).mean()), float((ahead < -0.5).mean())
    return 1 if share[0] > 0.8 else -1 if share[1] > 0.8 else 0


def tilted_ground(motion: Motion, up: Up) -> list[str]:
    """Warn of a ground that slopes, by a plane through the places where feet stand, and name the axis that mends it."""
    rig = motion.rig
    count = len(rig.contact_joints)
    if count == 0 or rig.fixed_base:
        return []
    feet = motion.positions[:, :, rig.contact_joints]
    speed = joint_speeds(feet, motion.fps, motion.lengths)
    slow = motion.valid[..., None] & (speed < 0.1 * rig.height)
    clip, frame, foot = np.nonzero(slow)
    points = feet[clip, frame, foot].astype(np.float64)
    keep = np.ones(len(points), bool)
    table = np.concatenate([points[:, [0, 2]], np.eye(count)[foot]], 1)
    slope = np.zeros(2)
    off = 0.0
    for _ in range(6):
        if keep.sum() < 10 * (count + 2):
            return []
        slope = np.linalg.lstsq(table[keep], points[keep, 1], rcond=None)[0]
        rest = points[:, 1] - table @ slope
        off = float(np.median(np.abs(rest[keep])))
        keep = np.abs(rest) <= 3 * max(off, 1e-9)
    rise = slope[:2]
    degrees = float(np.degrees(np.arctan(np.linalg.norm(rise))))
    explained = float(np.std(points[keep][:, [0, 2]] @ rise))
    if degrees < TILT or explained < 2 * off:
        return []
    normal = np.array([-rise[0], 1.0, -rise[1]]) / np.linalg.norm([*rise, 1])
    turn = upright(up)
    normal = normal if turn is None else quat.rotate(quat.inverse(turn), normal)
    option = ",".join(f"{v:.3f}" for v in normal)
    return [f"the ground slopes by {degrees:.1f} degrees where feet stand: an axis that is not upright? --up={option}"]


def no_travel(motion: Motion) -> list[str]:
    """Warn of a body that stays where it is while its feet go on."""
    rig = motion.rig
    if rig.fixed_base or not len(rig.contact_joints):
        return []

    def extent(joints: Sequence[int]) -> float:
        places = motion.positions[motion.valid][:, joints][..., [0, 2]]
        return float(np.linalg.norm(np.ptp(places, axis=0), axis=-1).max())

    ways = [
        float(np.linalg.norm(np.ptp(path[:length, [0, 2]], axis=0)))
        for path, length in zip(motion.root.origin, motion.lengths, strict=True)
    ]
    if max(ways) > TREADMILL * rig.height or extent(rig.contact_joints.tolist()) < TREADMILL * rig.height:
        return []
    return ["the body never travels while its feet do (a tether, treadmill or ball?): contacts are of feet that stand"]


def no_turns(motion: Motion) -> list[str]:
    """Warn of joints that never turn, of those whose turning would move anything."""
    rig = motion.rig
    length = np.linalg.norm(rig.offsets, axis=-1)
    reach = np.array([length[rig.parents == j].max(initial=0) for j in range(len(rig))])
    some = 1e-3 * length[1:].max(initial=0)
    joints = np.flatnonzero((reach > some) & (length > some) & (rig.parents >= 0))
    if not len(joints):
        return []
    turns = motion.rotations[motion.valid][:, joints]
    middle = quat.normalize(np.median(turns * np.sign((turns * turns[:1]).sum(-1, keepdims=True)), axis=0))
    degrees = np.degrees(quat.angle(turns, middle[None]))
    degrees = np.percentile(degrees, 99, axis=0)
    still = [rig.joint_names[j] for j in joints[degrees < STILL_TURN]]
    text = f"{len(still)} of {len(joints)} joints never turn (no capture of them?): {first_few(still)}"
    return [text] if still else []


def stands_oddly(motion: Motion) -> list[str]:
    """Warn of a pelvis below the feet, and of contact joints that never touch the ground."""
    rig = motion.rig
    lines: list[str] = []
    if len(rig.contact_joints) == 0:
        return lines
    heights = np.median(motion.positions[motion.valid][..., 1], axis=0)
    if heights[rig.roles.get("pelvis", 0)] <= heights[rig.contact_joints].min():
        lines.append("the pelvis lies below the feet: is --up the other way round?")
    never = rig.contact_joints[~motion.contacts[motion.valid].any(0)]
    if len(never):
        names = ", ".join(rig.joint_names[j] for j in never)
        lines.append(f"never on the ground: {names} (feet on a treadmill or a ball never stand still)")
    return lines


def hardly_move(motion: Motion, ids: Sequence[str]) -> list[str]:
    """Warn of segments whose fastest joint is slow for most of their time beside what it is in the median segment."""
    if len(motion) < 2:
        return []
    speed = joint_speeds(motion.positions, motion.fps, motion.lengths).max(-1)
    usual = np.array([np.percentile(row[:size], 75) for row, size in zip(speed, motion.lengths, strict=True)])
    still = np.flatnonzero(usual < STILL * np.median(usual))
    if not len(still):
        return []
    which = first_few([ids[n] for n in still.tolist()])
    return [f"{len(still)} of {len(motion)} segments hardly move: {which}; --exclude leaves files out"]


def uneven_feet(motion: Motion) -> list[str]:
    """Warn of left and right feet that stand at different heights."""
    rig = motion.rig
    stance = dict(zip(rig.contact_joints.tolist(), stance_heights(motion.positions, rig, motion.lengths), strict=True))
    pairs = [(j, k) for j in stance if (k := int(rig.mirror[j])) in stance and j < k]
    apart = [abs(stance[j] - stance[k]) for j, k in pairs]
    if not apart or max(apart) < UNEVEN * rig.height:
        return []
    j, k = pairs[int(np.argmax(apart))]
    low, high = (j, k) if stance[j] < stance[k] else (k, j)
    names = rig.joint_names
    return [f"{names[low]} stands {as_length(max(apart))} lower than {names[high]}: one of them sinks?"]
