"""What a rig reaches with, and where its hands can act."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rae_bench.data.generators.locomotion.body import Body, Leg, read_body
from rae_bench.data.generators.reach.targets import CYLINDER, HUMAN, RADII, TOLERANCE
from rae_bench.errors import UserError
from rae_bench.rigs.rig import ROLES, Rig


@dataclass(frozen=True)
class Limb:
    """A hand and the joints between the trunk and it.

    Attributes:
        slot: role slot.
        hand: key joint.
        chain: joints from shoulder to hand.
        side: +1 on the left, -1 on the right.
        leg: the leg that stands on this hand, None where it is free.
        foot_of_cylinder: (3,) metres, where the middle of the cylinder's foot stands.
    """

    slot: int
    hand: int
    chain: tuple[int, ...]
    side: int
    leg: Leg | None
    foot_of_cylinder: np.ndarray


@dataclass(frozen=True)
class Reacher:
    """A rig that reaches.

    Attributes:
        rig: the skeleton.
        body: its body plan, None where it stands on nothing.
        limbs: L limbs that reach.
        trunk: joints of the trunk.
        neck: joints of the neck.
        scale: its height over a man's.
    """

    rig: Rig
    body: Body | None
    limbs: tuple[Limb, ...]
    trunk: tuple[int, ...]
    neck: tuple[int, ...]
    scale: float

    @property
    def legs(self) -> tuple[Leg, ...]:
        """All legs that it stands on."""
        return self.body.legs if self.body else ()

    @property
    def free_hands(self) -> bool:
        """Whether it has two hands and stands on neither."""
        return len(self.limbs) == 2 and all(limb.leg is None for limb in self.limbs)


def read_reacher(rig: Rig) -> Reacher:
    """Return what a rig reaches with.

    Raises:
        UserError: The rig has no hand, or neither legs nor a fixed base.
    """
    roles = [role for role in ("left_hand", "right_hand") if role in rig.roles]
    if not roles:
        raise UserError(f"rig '{rig.name}' cannot reach: it has no joint for role left_hand or right_hand")
    try:
        body = None if rig.fixed_base else read_body(rig)
    except UserError as error:
        raise UserError(
            str(error)
            .replace("cannot walk: locomotion", "cannot reach: standing")
            .replace("cannot walk", "cannot reach")
        ) from None
    trunk = body.trunk if body else ()
    at = rig.rest_global[0].astype(np.float64)
    scale = rig.height / HUMAN
    leg_of = {leg.role: leg for leg in body.legs} if body else {}
    chains = {
        role: tuple(int(j) for j in np.flatnonzero(rig.ancestors[rig.roles[role]]) if j and j not in trunk)
        for role in roles
    }
    shoulders = np.mean([at[_shoulder(rig, chain)] for chain in chains.values()], 0)
    limbs = []
    for role, chain in chains.items():
        hand, leg = rig.roles[role], leg_of.get(role)
        foot = shoulders.copy()
        if leg:  # legs reach from above the ground, ahead; sprawled ones beside the body, where they stand
            foot[1] = 2 * TOLERANCE * scale
            if np.hypot(*(at[hand] - shoulders)[[0, 2]]) > RADII[1] * scale:
                foot[[0, 2]] = at[hand][[0, 2]]
            else:
                foot[2] = at[hand][2] + RADII[0] * scale
        else:
            foot[1] -= (0.85 if body else 0.2) * CYLINDER * scale
        limbs.append(Limb(ROLES.index(role), hand, chain, 1 if role.startswith("left") else -1, leg, foot))
    return Reacher(rig, body, tuple(limbs), trunk, body.neck if body else (), scale)


def _shoulder(rig: Rig, chain: tuple[int, ...]) -> int:
    """Return the first joint of the chain that can lift the arm."""
    return next((j for j in chain if np.ptp(rig.limits[j], axis=1)[[0, 2]].max() > 1.0), chain[0])
