"""Key poses that bring a hand to its target, and the motion between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from rae_bench.data.locomotion.body import UP, Leg
from rae_bench.data.locomotion.paths import ease
from rae_bench.data.locomotion.poses import swing_arm
from rae_bench.data.locomotion.solve import Pose, rotate, shortfall, solve_leg, unit
from rae_bench.data.reach.limbs import Limb, Reacher
from rae_bench.data.reach.plan import TOLERANCE
from rae_bench.kinematics import forward_kinematics, from_limit_angles, limit_angles, quat, solve_ik
from rae_bench.rig import Rig

YAW = np.radians(28)
"""How far the pelvis of a body with free hands turns after its target, at most."""
LEAD = 0.2
"""Share of a move by which the body goes ahead of a foot that is lifted, and follows one that is put down."""
OVER = 0.3
"""How near a leg comes to being lifted halfway between two targets, as a share."""
RISE = 0.25
"""Metres, for a body of `HUMAN` height, to which a leg is lifted on its way."""
SLACK = 0.97
"""Share of the joints' limits that reaching uses, so that rounding does not cross them."""
ROUNDS = 3


@dataclass(frozen=True)
class Keys:
    """P key poses; the first is standing.

    Attributes:
        root: (P, 3) metres, world.
        yaw: (P,) radians, turn of the root.
        angles: (P, J, 3) limit angles of all joints but the root; those of legs count only where they are lifted.
        lifted: (P, L) 0 or 1: limb in the air, its angles hold.
        lift: (P, J, 3) limit angles by way of which a lifted leg goes there.
    """

    root: np.ndarray
    yaw: np.ndarray
    angles: np.ndarray
    lifted: np.ndarray
    lift: np.ndarray

    def __add__(self, other: Keys) -> Keys:
        both = zip(vars(self).values(), vars(other).values(), strict=True)
        return Keys(*(np.concatenate(pair) for pair in both))


class Frames(NamedTuple):
    """Where the bodies are: from key `a` to key `b` (N, T), `u` (N, T) of the way in time."""

    a: np.ndarray
    b: np.ndarray
    u: np.ndarray


class _Stand(NamedTuple):
    """What `solve_leg` reads of a step: a foot that stays where it rests."""

    position: np.ndarray
    yaw: np.ndarray


def standing(reacher: Reacher) -> Keys:
    """The pose at rest: arms hanging, knees a little bent."""
    rig = reacher.rig
    root = rig.rest_global[0][:1].astype(np.float64)
    pose = Pose(rig, root[:, None], np.array([[[1.0, 0, 0, 0]]]))
    if reacher.body:
        for arm in reacher.body.arms:
            flex, back = np.full((2, 1, 1), [[[np.radians(12)]], [[0.0]]])
            swing_arm(pose, arm, back, flex, np.full((1, 1), np.radians(11)))
    rotations = pose.rotations()[0]
    angles = np.clip(limit_angles(rotations, rig), SLACK * rig.limits[..., 0], SLACK * rig.limits[..., 1])
    none = np.zeros((1, len(reacher.limbs)))
    keys = Keys(root, np.zeros(1), angles, none, angles)
    sink = _sink(reacher, keys)
    return replace(keys, root=root - sink[:, None] * UP)


def reach_keys(
    reacher: Reacher, limb: Limb, stand: Keys, targets: np.ndarray, turns: np.ndarray | None = None
) -> tuple[Keys, np.ndarray, np.ndarray]:
    """Key poses of one limb at `targets` (P, 3), world, the hand turned by `turns` (P, 4) as far as that is free.

    Returns:
        The keys, and the hand's positions (P, 3) and rest-relative rotations (P, 4), both world.
    """
    rig, count = reacher.rig, len(targets)
    narrow = _narrow(reacher)
    movable = np.zeros(len(rig), bool)
    # What stands on its hands keeps its back as it is: the legs that stay on the ground hang on it.
    movable[[*(() if limb.leg else reacher.trunk), *limb.chain]] = True
    index = reacher.limbs.index(limb)
    lifted = np.zeros((count, len(reacher.limbs)))
    lifted[:, index] = limb.leg is not None
    root, yaw = _lean(reacher, limb, stand.root, targets)
    angles = np.repeat(stand.angles, count, 0)
    keys = Keys(root, yaw, angles, lifted, angles)
    rest = rig.rest_global[1].astype(np.float64)
    for turn in range(ROUNDS):
        sink = _sink(reacher, keys)
        keys = replace(keys, root=keys.root - sink[:, None] * UP)
        rotations = _rotations(rig, keys)
        wanted = None
        if turns is not None and turn == ROUNDS - 2:
            globals_ = forward_kinematics(rotations, keys.root, rig)[1][:, limb.hand]
            wanted = quat.mul(turns, globals_)[:, None]
        _, rotations = solve_ik(
            narrow,
            keys.root,
            rotations,
            [limb.hand],
            targets[:, None],
            target_rotations=wanted,
            iterations=40 if turn == 0 else 20,
            movable=movable,
        )
        found = limit_angles(rotations, rig)
        keys = replace(keys, angles=np.where(movable[:, None], found, keys.angles))
    keys = replace(keys, angles=_look(reacher, keys, targets))
    if limb.leg:
        keys = replace(keys, lift=_lifts(reacher, limb, stand, keys, narrow, movable))
    positions, globals_ = forward_kinematics(_rotations(rig, keys), keys.root, rig)
    return keys, positions[:, limb.hand], quat.mul(globals_[:, limb.hand], quat.inverse(rest[limb.hand]))


def _lean(reacher: Reacher, limb: Limb, root: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Root positions (P, 3) and turns (P,): towards the target, or over the feet that stay on the ground."""
    rig, scale = reacher.rig, reacher.scale
    away = targets - root
    if reacher.body is None:
        return np.repeat(root, len(targets), 0), np.zeros(len(targets))
    if limb.leg:
        at = rig.rest_global[0].astype(np.float64)
        all_feet = np.array([at[leg.contact] for leg in reacher.legs])
        others = np.array([at[leg.contact] for leg in reacher.legs if leg is not limb.leg])
        share = 0.8 if len(others) == 3 else 0.4
        shift = share * (others.mean(0) - all_feet.mean(0)) * [1, 0, 1]
        return np.repeat(root + shift, len(targets), 0), np.zeros(len(targets))
    angle = np.arctan2(away[:, 0], away[:, 2])
    yaw = YAW * np.tanh(0.5 * angle / YAW)
    shift = 0.04 * scale * unit(away * [1, 0, 1])
    low = np.clip((limb.foot_of_cylinder[1] + 0.25 * scale - targets[:, 1]) / (0.25 * scale), 0, 1)
    return root + shift - 0.05 * scale * low[:, None] * UP, yaw


def _narrow(reacher: Reacher) -> Rig:
    """The rig with the limits that reaching uses: the trunk helps, the arm reaches."""
    rig = reacher.rig
    limits = SLACK * rig.limits
    trunk = list(reacher.trunk)
    limits[trunk] = 0.5 * np.clip(limits[trunk], -1, 1)
    return replace(rig, limits=limits)


def _lifts(reacher: Reacher, limb: Limb, stand: Keys, keys: Keys, narrow: Rig, movable: np.ndarray) -> np.ndarray:
    """(P, J, 3) limit angles of a leg raised above where it stands: the way to anywhere else."""
    rig = reacher.rig
    rise = rig.rest_global[0][limb.hand].astype(np.float64) + RISE * reacher.scale * UP
    at = replace(stand, root=keys.root[:1])  # the body goes to one place for all targets of a leg
    _, rotations = solve_ik(narrow, at.root, _rotations(rig, at), [limb.hand], rise[None, None], movable=movable)
    return np.repeat(limit_angles(rotations, rig), len(keys.root), 0)


def _look(reacher: Reacher, keys: Keys, targets: np.ndarray) -> np.ndarray:
    """Angles (P, J, 3) with the neck turned towards the targets."""
    if not reacher.neck:
        return keys.angles
    angles = keys.angles.copy()
    away = targets - keys.root
    angle = np.arctan2(away[:, 0], away[:, 2]) - keys.yaw - angles[:, list(reacher.trunk), 1].sum(1)
    angle = np.arctan2(np.sin(angle), np.cos(angle))
    for joint in reacher.neck:
        low, high = 0.6 * np.clip(reacher.rig.limits[joint, 1], -1, 1)
        angles[:, joint, 1] = np.clip(0.5 * angle / len(reacher.neck), low, high)
    return angles


def _rotations(rig: Rig, keys: Keys) -> np.ndarray:
    """Local rotations (P, J, 4) with every leg as its angles say."""
    rotations = from_limit_angles(keys.angles, rig)
    rotations[:, 0] = quat.mul(quat.from_yaw(keys.yaw), rig.rest_global[1][0].astype(np.float64))
    return rotations


def _sink(reacher: Reacher, keys: Keys) -> np.ndarray:
    """(P,) metres that the root must fall for the legs to reach the ground."""
    sink = np.zeros(len(keys.root))
    if not reacher.legs:
        return sink
    here = np.arange(len(keys.root))[:, None]
    pose = _upper(reacher, keys, Frames(here, here, np.zeros(here.shape)))[0]
    for leg in reacher.legs:
        stand, foot = _stand(reacher, leg, here.shape)
        # Lifted ones count too: they are put down from here.
        sink = np.maximum(sink, shortfall(pose, leg, stand, foot)[:, 0])  # type: ignore[arg-type]
    return sink


def _stand(reacher: Reacher, leg: Leg, shape: tuple[int, ...]) -> tuple[_Stand, np.ndarray]:
    """A standing foot and its turn, over (N, T) frames."""
    at = reacher.rig.rest_global[0][leg.contact].astype(np.float64)
    identity = np.broadcast_to(np.array([1.0, 0, 0, 0]), (*shape, 4))
    return _Stand(np.broadcast_to(at, (*shape, 3)), np.zeros(shape)), identity


def _upper(reacher: Reacher, keys: Keys, frames: Frames) -> tuple[Pose, np.ndarray]:
    """Poses of all that no leg carries, and how far each limb is off the ground, (N, T, L) from 0 to 1."""
    a, b, u = frames
    up_a, up_b = keys.lifted[a], keys.lifted[b]
    lifting, landing = (up_b > up_a).any(-1), (up_a > up_b).any(-1)
    whole = ease(u)
    body = np.where(lifting, ease(u / (1 - LEAD)), np.where(landing, ease((u - LEAD) / (1 - LEAD)), whole))
    limb = np.where(lifting, ease((u - LEAD) / (1 - LEAD)), np.where(landing, ease(u / (1 - LEAD)), whole))
    off_ground = up_a + (up_b - up_a) * limb[..., None]

    def mix(values: np.ndarray) -> np.ndarray:
        s = body.reshape(body.shape + (1,) * (values.ndim - 1))
        return values[a] + s * (values[b] - values[a])

    rig = reacher.rig
    pose = Pose(rig, mix(keys.root), quat.from_yaw(mix(keys.yaw)))
    rest = rig.rest_global[1].astype(np.float64)
    legs = {j for leg in reacher.legs for j in (*leg.girdle, *leg.joints)}
    for j in range(1, len(rig)):
        if j not in legs and np.abs(keys.angles[:, j]).max() > 1e-9:
            pose.bend(j, _about(rest[j], mix(keys.angles[:, j])))
    return pose, off_ground


def _about(rest: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Turns (..., 4) in the rest pose's world axes of limit angles (..., 3) of a joint with rest rotation `rest`."""
    half = angles / 2
    (cx, cy, cz), (sx, sy, sz) = np.moveaxis(np.cos(half), -1, 0), np.moveaxis(np.sin(half), -1, 0)
    parts = [
        cx * cz * cy + sx * sz * sy,
        sx * cz * cy - cx * sz * sy,
        cx * cz * sy - sx * sz * cy,
        cx * sz * cy + sx * cz * sy,
    ]
    turn = np.stack(parts, -1)
    return turn if rest[0] > 1 - 1e-9 else quat.mul(quat.mul(rest, turn), quat.inverse(rest))


def make_pose(reacher: Reacher, keys: Keys, frames: Frames, *, reaching_only: bool = False) -> tuple[Pose, np.ndarray]:
    """Poses of the frames, and how far each limb is off the ground, (N, T, L); without legs where only hands matter."""
    pose, off_ground = _upper(reacher, keys, frames)
    lifted = {id(limb.leg): i for i, limb in enumerate(reacher.limbs) if limb.leg}
    for leg in reacher.legs:
        if reaching_only and id(leg) not in lifted:
            continue
        stand, foot = _stand(reacher, leg, frames.u.shape)
        yaw = np.arctan2(*(rotate(pose.turn(0), np.array([0.0, 0, 1]))[..., i] for i in (0, 2)))
        solve_leg(pose, leg, stand, foot, yaw)  # type: ignore[arg-type]
        if id(leg) in lifted:
            _raise(reacher, keys, frames, pose, leg, off_ground[..., lifted[id(leg)]], lifted[id(leg)])
    return pose, off_ground


def _raise(reacher: Reacher, keys: Keys, frames: Frames, pose: Pose, leg: Leg, share: np.ndarray, index: int) -> None:
    """Turns the joints of a standing leg towards those of the key, as far as it is off the ground."""
    rig = reacher.rig
    rest = rig.rest_global[1].astype(np.float64)
    air = np.nonzero(share > 0)
    if not len(air[0]):
        return
    a, b, part = frames.a[air], frames.b[air], share[air][:, None]
    both = (keys.lifted[a, index] > 0) & (keys.lifted[b, index] > 0)
    along = ease(frames.u[air])[:, None]
    joints = (*leg.girdle, *leg.joints)
    planted = np.tile(rig.rest.astype(np.float64), (len(a), 1, 1))
    for j in joints:
        turn = quat.mul(quat.inverse(pose.turn(int(rig.parents[j]))[air]), pose.turn(j)[air])
        planted[:, j] = quat.mul(rig.rest[j], quat.mul(quat.mul(quat.inverse(rest[j]), turn), rest[j]))
    ground = limit_angles(planted, rig)
    there = np.where(keys.lifted[b, index] > 0, b, a)
    for j in joints:
        over, goal = keys.lift[there, j], keys.angles[there, j]
        # From target to target it goes a little by way of the lifted leg too: not through the ground.
        between = keys.angles[a, j] + along * (keys.angles[b, j] - keys.angles[a, j])
        between = between + OVER * 4 * along * (1 - along) * (over - between)
        goal = np.where(both[:, None], between, goal)
        # Limit angles between angles within the limits are within them, too.
        angles = (1 - part) ** 2 * ground[:, j] + 2 * part * (1 - part) * over + part**2 * goal
        if pose.turns[j] is None and not np.abs(angles).max() > 0:
            continue
        whole = pose.turn(j).copy()
        whole[air] = quat.mul(pose.turn(int(rig.parents[j]))[air], _about(rest[j], angles))
        pose.turns[j] = whole


def hands(reacher: Reacher, pose: Pose) -> np.ndarray:
    """(N, T, L, 3) metres, world."""
    return np.stack([pose.position(limb.hand) for limb in reacher.limbs], -2)


def tolerance(reacher: Reacher) -> float:
    """Metres from its target at which a hand touches it."""
    return TOLERANCE * reacher.scale
