"""What may be wrong with the rig of a domain: its size, its feet, a body that lies down, nodes that are no body.

Each function looks at one thing and returns lines for people, none where nothing is odd.
"""

from __future__ import annotations

import numpy as np

from rae_bench.data.formats.units import UNITS, metres_per_unit
from rae_bench.data.importing.joint_names import is_sided, pairs_by_spelling, pairs_by_words, words
from rae_bench.data.wording import as_length, first_few
from rae_bench.rigs.rig import Rig

HELPERS = {
    *("footsteps", "nub", "armor", "armour", "helper", "dummy", "prop", "camera", "marker", "ctrl", "control"),
    *("pole", "weapon", "attach", "socket", "twist", "roll"),
}
"""Words in names of nodes that help an animator and are no part of a body."""
HEIGHTS = {2: (0.04, 6.0), 4: (0.012, 3.0), 6: (2e-4, 0.3)}
"""Standing heights in metres by legs: a wren to a dinosaur, a shrew to a horse, a fly to a giant stick insect."""
WITH_HANDS = (0.9, 2.6)
"""Standing heights in metres of two-legged bodies with hands: a small child to a giant."""
TYPICAL = {2: 1.7, 4: 0.5, 6: 0.005}
"""Usual standing heights in metres by number of legs."""
LIKELY_UNITS = {**UNITS, "inches": 0.0254, "feet": 0.3048, "CMU's own unit": 0.056444}
"""Metres in units in which recordings come."""
LOPSIDED = 0.05
"""Left and right bones may differ by this share of their length, and by as much less of the longest bone."""


def legs(rig: Rig) -> int:
    """Return how many legs a rig walks on by its roles: 2, 4 or 6; 0 where it has no feet."""
    if not len(rig.contact_joints) or not {"left_foot", "right_foot"} & set(rig.roles):
        return 0
    if {"left_mid", "right_mid"} & set(rig.roles):
        return 6
    slots = {int(slot) for slot in rig.contact_slots}
    return 4 if slots & {2, 3} else 2


def no_feet(rig: Rig) -> list[str]:
    """Warn of a body that is free to travel, of which no joint is known to touch the ground."""
    if rig.fixed_base or len(rig.contact_joints):
        return []
    if {"left_foot", "right_foot"} & set(rig.roles):
        return ["no joint touches the ground: contacts and the metrics of feet fall away; --roles says contact_joints"]
    return [
        "no feet were found by name: contacts and the metrics of feet fall away, and objectives for all but "
        f"{', '.join(rig.roles) or 'no role'}; a file for --roles names contact_joints and [roles]"
    ]


def lying(rig: Rig) -> list[str]:
    """Warn of a two-legged body whose head is hardly above its feet though far from them."""
    if legs(rig) != 2 or "head" not in rig.roles:
        return []
    places = rig.rest_global[0]
    feet = places[[rig.roles[role] for role in ("left_foot", "right_foot") if role in rig.roles]].mean(0)
    body = places[rig.roles["head"]] - feet
    if body[1] > 0.5 * float(np.linalg.norm(body)):
        return []
    return ["the body lies down: its head is hardly above its feet; is --up right?"]


def wrong_size(rig: Rig, unit: str | float) -> list[str]:
    """Warn of a body of a size that no such body has, and name the unit that would make it plausible."""
    count = legs(rig)
    if not count:
        return []
    hands = count == 2 and {"left_hand", "right_hand"} <= set(rig.roles)
    low, high = WITH_HANDS if hands else HEIGHTS[count]
    if low <= rig.height <= high:
        return []
    scale = metres_per_unit(unit)
    sizes = {name: rig.height * other / scale for name, other in LIKELY_UNITS.items() if other != scale}
    fitting = {name: size for name, size in sizes.items() if low <= size <= high}
    body = f"{count} legs, with hands" if hands else f"{count} legs"
    text = f"it stands {as_length(rig.height)} high on {body}, the files being read in {unit}"
    if not fitting:
        return [f"{text}: is --unit right?"]
    best = min(fitting, key=lambda name: abs(np.log(fitting[name] / TYPICAL[count])))
    option = best if best in UNITS else f"{LIKELY_UNITS[best]:g}"
    also = "".join(
        f", --unit {name} {as_length(fitting[name])}" for name in UNITS if name in fitting and name != best
    )
    return [f"{text}: {best}? --unit {option} makes it {as_length(fitting[best])}{also}"]


def helper_nodes(rig: Rig) -> list[str]:
    """Warn of nodes whose names say that they are no body, and of those of one side that lack the other."""
    named = words(rig.joint_names)
    odd = [j for j, each in enumerate(named) if HELPERS & set(each)]
    sided = [j for j, each in enumerate(named) if is_sided(each)]
    paired = {name for pairs in (pairs_by_spelling, pairs_by_words) for pair in pairs(rig.joint_names) for name in pair}
    alone = [j for j in sided if rig.joint_names[j] not in paired and j not in odd]
    if len(alone) < len(sided) / 2:
        odd = sorted({*odd, *alone})
    if not odd:
        return []
    names = first_few([rig.joint_names[j] for j in odd])
    return [f"nodes that look like helpers rather than body: {names}; --drop-joints leaves them out"]


def lopsided(rig: Rig) -> list[str]:
    """Warn of bones that differ from those of the other side."""
    length = np.linalg.norm(rig.offsets, axis=-1)
    length[0] = 0
    apart = np.abs(length - length[rig.mirror])
    odd = (apart > LOPSIDED * np.maximum(length, length[rig.mirror])) & (apart > LOPSIDED * length.max() / 2)
    if not odd.any():
        return []
    worst = int(np.where(odd, apart, 0).argmax())
    other = int(rig.mirror[worst])
    text = f"{as_length(length[worst])} and {as_length(length[other])}"
    more = f" ({int(odd.sum()) // 2} pairs in all)" if odd.sum() > 2 else ""
    return [f"bones differ between left and right: {rig.joint_names[worst]}, {rig.joint_names[other]}: {text}{more}"]
