"""Postures: how low a rig can stand, and how it sits and lies, found by trying poses against its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from rae_bench.data.generators.locomotion.actions import SEATS
from rae_bench.data.generators.locomotion.body import Body, Leg
from rae_bench.data.generators.locomotion.gaits import GAITS
from rae_bench.data.generators.locomotion.pose import Pose, shortfall, solve_leg, turn_about
from rae_bench.kinematics.inverse import limit_angles
from rae_bench.rigs.rig import Rig

SPREAD = {"hand": 0.45, "foot": -0.45}
"""Leg lengths by which sprawled legs reach ahead of where they rest."""
CLEAR = 0.16
"""Leg lengths that trunk and hips keep from the ground: bodies have flesh."""
SLACK = np.radians(6)
"""Radians that a posture stays inside the limits of the legs."""
TIPTOE = np.radians(20)
"""How far heels are raised as the body takes off."""
DROPS = np.linspace(0, 0.78, 27)
"""Leg lengths by which a body is lowered in the trials."""
BACKS = np.linspace(-0.35, 0.4, 16)
"""Leg lengths by which it is moved back."""
FEET = np.radians([0, -15, -30, -45, -60, -75, 15, 30, 45, 60, 75])
"""Pitches of the feet, the flat foot first; positive raises the heel."""


@dataclass(frozen=True)
class Seat:
    """How a standing body changes as it sits or lies down: metres and radians.

    Attributes:
        drop: how far the pelvis is lowered.
        back: how far it is moved back.
        pitch: forward tilt of the pelvis.
        stoop: forward bend of the trunk.
        hind: pitch of the feet whose legs hang on the pelvis.
        fore: pitch of the feet whose legs hang on the trunk.
    """

    drop: float = 0.0
    back: float = 0.0
    pitch: float = 0.0
    stoop: float = 0.0
    hind: float = 0.0
    fore: float = 0.0


@dataclass(frozen=True)
class Postures:
    """What a rig can do besides standing upright.

    Attributes:
        room: metres by which it can lower its body over flat feet.
        spring: metres by which it can raise its body over feet whose heels are raised by `TIPTOE`.
        seats: those of `actions.SEATS` for its number of legs.
    """

    room: float = 0.0
    spring: float = 0.0
    seats: Mapping[str, Seat] = field(default_factory=dict)


def foot_home(rig: Rig, body: Body, leg: Leg) -> tuple[float, float]:
    """Return where a foot stands: metres to the left and ahead of what its girdle hangs on."""
    rest = rig.rest_global[0].astype(np.float64)
    side, _, ahead = rest[leg.contact] - rest[body.trunk[-1] if leg.fore else 0]
    if leg.coxa >= 0:  # sprawled legs rest straight out; at work the fore ones reach ahead, the hind ones back
        ahead += SPREAD.get(leg.role.split("_")[1], 0) * body.leg_length
    return float(side), float(ahead)


def find_postures(rig: Rig, body: Body) -> Postures:
    """Return the postures of a rig."""
    still = DROPS[_fits(rig, body, _Trial(DROPS, 0 * DROPS, 0 * DROPS, 0 * DROPS)).all(1)]
    seats = {kind: _find_seat(rig, body, kind) for kind in SEATS[len(body.legs)]}
    return Postures(float(still.max(initial=0)) * body.leg_length, _spring(rig, body), seats)


def _spring(rig: Rig, body: Body) -> float:
    """Return how far a rig can raise its body on its toes, in metres; below 0 where its legs rest straight."""
    none = np.zeros((1, 1))
    rest = rig.rest_global[0].astype(np.float64)
    pose = Pose(rig, rest[None, None, 0], turn_about(x=none))
    foot = turn_about(x=none + (TIPTOE if GAITS[len(body.legs)]["walk"].heel else 0.0))
    return -max(float(shortfall(pose, leg, _standing(rig, body, leg, 1), foot)[0, 0]) for leg in body.legs)


def _standing(rig: Rig, body: Body, leg: Leg, poses: int) -> np.ndarray:
    """Return where a foot stands at home in static poses, (poses, 1, 3) metres."""
    target = rig.rest_global[0][leg.contact].astype(np.float64)
    target[2] = rig.rest_global[0][body.trunk[-1] if leg.fore else 0, 2] + foot_home(rig, body, leg)[1]
    return np.broadcast_to(target, (poses, 1, 3))


@dataclass(frozen=True)
class _Trial:
    """M static poses: drop and back in leg lengths, pitch of the pelvis and of all feet in radians, (M,) each."""

    drop: np.ndarray
    back: np.ndarray
    pitch: np.ndarray
    foot: np.ndarray


def _fits(rig: Rig, body: Body, trial: _Trial) -> np.ndarray:
    """Return which legs reach their feet within their limits, and with hips and knees above the ground, (M, legs)."""
    rest = rig.rest_global[0].astype(np.float64)
    root = rest[0] - np.stack([0 * trial.drop, trial.drop, trial.back], -1) * body.leg_length
    pose = Pose(rig, root[:, None], turn_about(x=trial.pitch[:, None]))
    none = np.zeros((len(root), 1))
    targets = []
    for leg in body.legs:
        place = _standing(rig, body, leg, len(root))
        targets.append(place[:, 0])
        foot = turn_about(x=trial.foot[:, None])
        if rig.limits[leg.contact].any() and leg.ankle >= 0:
            pose.turns[leg.contact] = turn_about(x=none)
        solve_leg(pose, leg, place, foot, none, none)
    angles = limit_angles(pose.rotations(), rig)[:, 0]
    room = np.minimum(rig.limits[..., 1] - angles, angles - rig.limits[..., 0])
    room = np.where(np.ptp(rig.limits, axis=-1) > 3 * SLACK, room - SLACK, room + 1e-3).min(-1)
    lows = []
    for leg, target in zip(body.legs, targets, strict=True):
        miss = np.linalg.norm(pose.position(leg.contact)[:, 0] - target, axis=-1)
        hip, knee = (pose.position(joint)[:, 0, 1] for joint in (leg.hip, leg.knee))
        high = (hip > CLEAR * body.leg_length) & (knee > 0.02 * body.leg_length)
        lows.append((room[:, list(leg.joints)].min(1) > 0) & (miss < 1e-4) & high)
    return np.stack(lows, 1)


def _find_seat(rig: Rig, body: Body, kind: str) -> Seat:
    """Return the lowest posture of a kind that all legs can take, with the flattest feet and the least way back."""
    drop, back, foot = (np.array(values) for values in zip(*product(DROPS, BACKS, FEET), strict=True))
    kept = rig.rest_global[0][0, 1] - drop * body.leg_length > CLEAR * body.leg_length
    pitch = np.zeros_like(drop)
    stoop = 0.0
    if kind == "sit" and body.arms:
        # On a stool: the thighs are level, and the trunk leans over the feet.
        kept &= drop <= 0.5
        pitch, stoop = np.full_like(drop, -0.1), 0.45
    elif kind == "sit" and body.length:
        # On the haunches: the fore girdle stays up.
        pitch = -np.arcsin(np.clip((drop - 0.04) * body.leg_length / body.length, 0, 0.6))
    fits = _fits(rig, body, _Trial(drop, back, pitch, foot)).reshape(len(DROPS), len(BACKS), len(FEET), -1)
    fits &= kept.reshape(*fits.shape[:3], 1)
    fore = np.array([leg.fore for leg in body.legs])
    good = {"hind": np.all(fits[..., ~fore], -1), "fore": np.all(fits[..., fore], -1)}
    possible: np.ndarray = np.any(good["hind"], -1) & np.any(good["fore"], -1)
    if not possible.any():
        return Seat()
    lowest = int(np.flatnonzero(possible.any(1)).max())
    least = np.where(possible[lowest], np.abs(BACKS - (0.3 if kind == "sit" and body.arms else 0.0)), np.inf)
    place = int(np.argmin(least))
    feet = {part: float(FEET[int(np.argmax(good[part][lowest, place]))]) for part in good}
    level = pitch.reshape(fits.shape[:3])[lowest, 0, 0]
    return Seat(
        float(DROPS[lowest]) * body.leg_length,
        float(BACKS[place]) * body.leg_length,
        float(level),
        stoop,
        feet["hind"],
        feet["fore"],
    )
