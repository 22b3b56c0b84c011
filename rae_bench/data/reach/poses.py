"""Key poses that bring a hand to its target, and the motion between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from rae_bench.data.locomotion.body import UP, Leg
from rae_bench.data.locomotion.paths import ease
from rae_bench.data.locomotion.poses import swing_arm
from rae_bench.data.locomotion.solve import Pose, rotate, shortfall, solve_leg
from rae_bench.data.reach.limbs import Limb, Reacher
from rae_bench.data.reach.plan import RADII, TOLERANCE
from rae_bench.kinematics import forward_kinematics, from_limit_angles, limit_angles, quat, solve_ik
from rae_bench.rig import Rig

YAW = np.radians(28)
"""How far the pelvis of a body with free hands turns after its target, at most."""
LEAD = 0.2
"""Share of a move by which the body goes ahead of a foot that is lifted, and follows one that is put down."""
OVER = 0.1
"""How near a leg comes to being raised halfway between two targets, as a share; less where they are close, less than
a radian of its joints apart."""
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

    def between(self, a: np.ndarray, b: np.ndarray, share: np.ndarray) -> Keys:
        """Key poses at `share` (P,) of the way from `a` to `b` (P,); where `b` lifts a leg, from where that is raised."""
        rises = (self.lifted[b] > self.lifted[a]).any(-1)

        def mix(start: np.ndarray, end: np.ndarray, raised: np.ndarray) -> np.ndarray:
            one = (-1, *[1] * (end.ndim - 1))
            start = np.where(rises.reshape(one), raised, start)
            return start + share.reshape(one) * (end - start)

        root, yaw, angles = self.root, self.yaw, self.angles
        return Keys(
            mix(root[a], root[b], root[b]),
            mix(yaw[a], yaw[b], yaw[b]),
            mix(angles[a], angles[b], self.lift[b]),
            self.lifted[b],
            self.lift[b],
        )


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
    reacher: Reacher,
    crew: Sequence[Limb],
    stand: Keys,
    targets: np.ndarray,
    turns: np.ndarray | None,
    gaze: np.ndarray,
) -> Keys:
    """P key poses of K limbs at `targets` (P, K, 3), world, the hands turned by `turns` (P, K, 4) as far as that is
    free, the face turned towards `gaze` (P, 3). A crew of several limbs stands on none of them."""
    rig, count = reacher.rig, len(targets)
    narrow = _narrow(reacher)
    movable = np.zeros(len(rig), bool)
    # What stands on its hands keeps its back as it is: the legs that stay on the ground hang on it.
    movable[[*(() if crew[0].leg else reacher.trunk), *(j for limb in crew for j in limb.chain)]] = True
    ends = [limb.hand for limb in crew]
    lifted = np.zeros((count, len(reacher.limbs)))
    lifted[:, reacher.limbs.index(crew[0])] = crew[0].leg is not None
    root, yaw = _lean(reacher, crew, stand.root, targets)
    angles = np.repeat(stand.angles, count, 0)
    keys = Keys(root, yaw, angles, lifted, angles)
    for turn in range(ROUNDS):
        sink = _sink(reacher, keys)
        keys = replace(keys, root=keys.root - sink[:, None] * UP)
        rotations = _rotations(rig, keys)
        wanted = None
        if turns is not None and turn == ROUNDS - 2:
            wanted = quat.mul(turns, forward_kinematics(rotations, keys.root, rig)[1][:, ends])
        _, rotations = solve_ik(
            narrow,
            keys.root,
            rotations,
            ends,
            targets,
            target_rotations=wanted,
            iterations=40 if turn == 0 else 20,
            movable=movable,
        )
        found = limit_angles(rotations, rig)
        keys = replace(keys, angles=np.where(movable[:, None], found, keys.angles))
    keys = replace(keys, angles=_look(reacher, keys, gaze))
    return replace(keys, lift=_lifts(reacher, crew[0], stand, keys, narrow, movable)) if crew[0].leg else keys


def hand_places(reacher: Reacher, keys: Keys) -> tuple[np.ndarray, np.ndarray]:
    """Positions (P, L, 3) and rest-relative rotations (P, L, 4) of all hands that are off the ground, both world."""
    ends = [limb.hand for limb in reacher.limbs]
    rest = reacher.rig.rest_global[1][ends].astype(np.float64)
    positions, globals_ = forward_kinematics(_rotations(reacher.rig, keys), keys.root, reacher.rig)
    return positions[:, ends], quat.mul(globals_[:, ends], quat.inverse(rest))


def _lean(
    reacher: Reacher, crew: Sequence[Limb], root: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Root positions (P, 3) and turns (P,): towards the targets, or over the feet that stay on the ground."""
    rig, scale, leg = reacher.rig, reacher.scale, crew[0].leg
    if reacher.body is None:
        return np.repeat(root, len(targets), 0), np.zeros(len(targets))
    if leg:
        at = rig.rest_global[0].astype(np.float64)
        all_feet = np.array([at[other.contact] for other in reacher.legs])
        others = np.array([at[other.contact] for other in reacher.legs if other is not leg])
        # Five legs carry the body wherever it is; of four, the other three have it between them by then.
        share = 0.8 if len(others) == 3 else 0.4
        shift = share * (others.mean(0) - all_feet.mean(0)) * [1, 0, 1]
        return np.repeat(root + shift, len(targets), 0), np.zeros(len(targets))
    away = targets - root[:, None]
    sides = np.array([limb.side for limb in crew])
    # Straight behind is on the hand's own side.
    angle = np.arctan2(np.where(np.abs(away[..., 0]) < 1e-6, 1e-6 * sides, away[..., 0]), away[..., 2]).mean(1)
    flat = away.mean(1) * [1, 0, 1]
    shift = 0.04 * scale * flat / np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), RADII[0] * scale)
    low = np.clip((crew[0].foot_of_cylinder[1] + 0.25 * scale - targets[..., 1].mean(1)) / (0.25 * scale), 0, 1)
    return root + shift - 0.05 * scale * low[:, None] * UP, YAW * np.tanh(0.5 * angle / YAW)


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


def _look(reacher: Reacher, keys: Keys, gaze: np.ndarray) -> np.ndarray:
    """Angles (P, J, 3) with the neck turned towards `gaze` (P, 3)."""
    if not reacher.neck:
        return keys.angles
    angles = keys.angles.copy()
    away = gaze - keys.root
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
    way = np.sqrt(((keys.angles[b] - keys.angles[a])[:, list(joints)] ** 2).sum((1, 2)))[:, None]
    bow = 4 * OVER * np.minimum(way, 1)
    for j in joints:
        over, goal = keys.lift[there, j], keys.angles[there, j]
        # From target to target it goes a little by way of the lifted leg too: not through the ground.
        between = keys.angles[a, j] + along * (keys.angles[b, j] - keys.angles[a, j])
        between = between + bow * along * (1 - along) * (over - between)
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
