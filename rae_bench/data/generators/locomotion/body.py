"""The body plan: what the generator knows of a rig's legs, trunk, arms and tails, in the rest pose's world axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rae_bench.data.generators.locomotion.gaits import GAITS
from rae_bench.errors import UserError
from rae_bench.kinematics import quat
from rae_bench.rigs.rig import ROLES, Rig

UP = np.array([0.0, 1.0, 0.0])
"""(3,) unit vector."""
SIDEWAYS = np.array([1.0, 0.0, 0.0])
"""(3,) unit vector to the left."""
LEG_ROLES = ("left_foot", "right_foot", "left_hand", "right_hand", "left_mid", "right_mid")
"""Roles of limbs that may carry the body."""


@dataclass(frozen=True)
class Leg:
    """A leg from hip to ground, in the rest pose's world axes.

    Attributes:
        role: role that it has.
        contact: joint that is planted.
        column: which of the rig's contact joints that is.
        girdle: joints between trunk and hip.
        coxa: joint that only turns the leg's plane about the vertical; -1 where the hip does it.
        hip: joint.
        knee: joint.
        ankle: joint; -1 where the lower leg ends in the contact joint.
        upper: (3,) metres, vector of the upper leg.
        lower: (3,) metres, vector of the lower leg.
        foot: (3,) metres, from the lower leg's end to the contact joint.
        hinge: (3,) axis of the knee about which it bends positively.
        bend: radians by which the knee is bent at rest.
        fore: whether it hangs on the trunk rather than on the root.
    """

    role: str
    contact: int
    column: int
    girdle: tuple[int, ...]
    coxa: int
    hip: int
    knee: int
    ankle: int
    upper: np.ndarray
    lower: np.ndarray
    foot: np.ndarray
    hinge: np.ndarray
    bend: float
    fore: bool

    @property
    def joints(self) -> tuple[int, ...]:
        """The solved joints."""
        return tuple(j for j in (self.coxa, self.hip, self.knee, self.ankle, self.contact) if j >= 0)

    def length(self, bend: float) -> float:
        """Return the metres from hip to ankle with the knee bent by `bend` radians."""
        along = (self.upper @ self.hinge) * (self.lower @ self.hinge)
        across = np.linalg.norm(np.cross(self.hinge, self.upper)) * np.linalg.norm(np.cross(self.hinge, self.lower))
        return float(np.sqrt(self.upper @ self.upper + self.lower @ self.lower + 2 * (along + across * np.cos(bend))))


@dataclass(frozen=True)
class FreeArm:
    """An arm that carries nothing.

    Attributes:
        clavicles: joints between trunk and shoulder.
        shoulder: joint.
        elbow: joint.
        hand: joint.
        side: +1 on the left, -1 on the right.
        length: metres from shoulder to hand.
    """

    clavicles: tuple[int, ...]
    shoulder: int
    elbow: int
    hand: int
    side: int
    length: float


@dataclass(frozen=True)
class Body:
    """What the generator knows of a rig.

    Attributes:
        legs: all legs that carry it.
        trunk: joints above the root up to the one that bears arms or fore legs, both ends of its bending included.
        neck: joints from there to the head.
        arms: those that carry nothing.
        tails: chains of other joints, root first.
        leg_length: metres from hip to ground.
        length: metres between the root and the fore legs' girdle, 0 where no leg hangs on the trunk.
    """

    legs: tuple[Leg, ...]
    trunk: tuple[int, ...]
    neck: tuple[int, ...]
    arms: tuple[FreeArm, ...]
    tails: tuple[tuple[int, ...], ...]
    leg_length: float
    length: float


def _path(rig: Rig, joint: int) -> list[int]:
    """Return the joints from the root down to `joint`."""
    return [int(j) for j in np.flatnonzero(rig.ancestors[joint])]


def read_body(rig: Rig) -> Body:
    """Return the body plan of a rig.

    Raises:
        UserError: The rig has no legs to walk on.
    """
    at = rig.rest_global[0].astype(np.float64)
    contact_of: dict[str, int] = {}
    for column in np.argsort(rig.depths[rig.contact_joints], kind="stable"):  # of heel and toe, the toe is planted
        slot = rig.contact_slots[column]
        # A joint that may touch the ground but rests in the air (a man's hand) carries nothing.
        low = at[rig.contact_joints[column], 1] < 0.2 * rig.rest_global[0][0, 1]
        if slot >= 0 and ROLES[slot] in LEG_ROLES and low:
            contact_of[ROLES[slot]] = int(column)
    if len(contact_of) not in GAITS or set(contact_of) != set(GAITS[len(contact_of)]["walk"].touchdowns):
        raise UserError(
            f"rig '{rig.name}' cannot walk: locomotion needs contact joints on both feet, or on feet and hands, "
            f"or on feet, hands and mids; it has {', '.join(contact_of) or 'none'}"
        )
    to_head = _path(rig, rig.roles["head"]) if "head" in rig.roles else [0]
    limbs = [_path(rig, rig.roles[r]) for r in ("left_hand", "right_hand") if r in rig.roles]
    top = max((j for limb in limbs for j in limb if j in to_head), default=to_head[-1])
    trunk = tuple(j for j in to_head if 0 < j <= top)
    legs = tuple(_leg(rig, role, column, trunk, at) for role, column in contact_of.items())
    used = {0, *to_head, *(j for leg in legs for j in _path(rig, leg.contact))}
    arms = []
    for role in ("left_hand", "right_hand"):
        if role in rig.roles and role not in contact_of:
            chain = [j for j in _path(rig, rig.roles[role]) if j not in to_head]
            used.update(np.flatnonzero(rig.ancestors[:, chain[0]]))
            if len(chain) >= 3:
                length = float(np.linalg.norm(np.diff(at[chain[-3:]], axis=0), axis=-1).sum())
                side = 1 if role.startswith("left") else -1
                arms.append(FreeArm(tuple(chain[:-3]), chain[-3], chain[-2], chain[-1], side, length))
    tails = []
    for j in range(len(rig)):
        below = np.flatnonzero(rig.ancestors[:, j])
        if j not in used and rig.parents[j] == 0 and not used.intersection(below):
            tails.append(_path(rig, int(below[rig.depths[below].argmax()]))[1:-1])
    # A rig whose legs all hang on the trunk moves from its root.
    hips = np.mean(
        [at[leg.coxa if leg.coxa >= 0 else leg.hip, 1] for leg in legs if not leg.fore or "hand" not in leg.role]
    )
    ground = np.mean([at[leg.contact, 1] for leg in legs])
    return Body(
        legs,
        trunk,
        tuple(j for j in to_head if j > top),
        tuple(arms),
        tuple(tuple(tail) for tail in tails if tail),
        float(hips - ground),
        float(at[top, 2] - at[0, 2]) if any(leg.fore for leg in legs) else 0.0,
    )


def only_axis(rig: Rig, joint: int) -> np.ndarray | None:
    """Return the one axis (3,) about which a hinge turns, in world axes of the rest pose; None for any other joint."""
    axes = np.flatnonzero(np.ptp(rig.limits[joint], axis=1) > 1e-6)
    return quat.rotate(rig.rest_global[1][joint].astype(np.float64), np.eye(3)[axes[0]]) if len(axes) == 1 else None


def _leg(rig: Rig, role: str, column: int, trunk: tuple[int, ...], at: np.ndarray) -> Leg:
    """Return the leg of a role whose contact joint stands in a column of the rig's contact joints."""
    contact = int(rig.contact_joints[column])
    path = _path(rig, contact)
    others = [_path(rig, rig.roles[r]) for r in rig.roles if r != role and rig.roles[r] not in path]
    chain = [j for j in path[1:] if not any(j in other for other in others)]
    # Joints in one place act as one: the first of them turns.
    chain = [j for i, j in enumerate(chain) if i == 0 or np.linalg.norm(at[j] - at[chain[i - 1]]) > 1e-4]
    if len(chain) < 3:
        raise UserError(
            f"rig '{rig.name}' cannot walk: {role} needs a hip, a knee and a foot, it has {len(chain)} joints"
        )
    drop = at[contact] - at[chain[0]]
    sprawled = len(chain) >= 4 and np.hypot(drop[0], drop[2]) > 0.7 * abs(drop[1])
    if sprawled:
        coxa, hip, knee, ankle = *chain[-4:-1], -1
        radial = np.array([drop[0], 0, drop[2]])
        side = np.cross(radial / np.linalg.norm(radial), UP)
        girdle = chain[:-4]
    else:
        coxa, (hip, knee, ankle) = -1, chain[-4:-1] if len(chain) >= 4 else (*chain[:2], -1)
        side = SIDEWAYS
        girdle = chain[:-4]
    end = contact if ankle < 0 else ankle
    upper, lower = at[knee] - at[hip], at[end] - at[knee]
    hinge = only_axis(rig, knee)
    hinge = side if hinge is None else hinge
    across_upper, across_lower = upper - (upper @ hinge) * hinge, lower - (lower @ hinge) * hinge
    bend = float(np.arctan2(np.cross(across_upper, across_lower) @ hinge, across_upper @ across_lower))
    # A leg that rests straight bends like a knee; a fore leg, like an elbow.
    if bend < -1e-3 or (abs(bend) <= 1e-3 and role.endswith("hand") and not sprawled):
        hinge, bend = -hinge, -bend
    foot = at[contact] - at[end]
    fore = any(j in trunk for j in path)
    return Leg(role, contact, column, tuple(girdle), coxa, hip, knee, ankle, upper, lower, foot, hinge, bend, fore)
