"""Key poses, and the bodies between two of them: where feet stand, how legs are raised, and where hands are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rae_bench.data.generators.locomotion.body import Leg
from rae_bench.data.generators.locomotion.curves import ease
from rae_bench.data.generators.locomotion.pose import Pose, fast_rotate, shortfall, solve_leg
from rae_bench.data.generators.reach.limbs import Reacher
from rae_bench.data.generators.reach.targets import TOLERANCE
from rae_bench.kinematics import quat
from rae_bench.kinematics.inverse import limit_angles, limit_turn

LEAD = 0.25
"""Share of a move after which a foot is lifted: halfway through the body's way over the others. It is put down as
much before the end."""
OVER = 0.1
"""How near a leg comes to being raised halfway between two targets, as a share. It comes less near where they are
close: less than a radian of its joints apart."""


@dataclass(frozen=True)
class KeyPoses:
    """P key poses of a rig with L limbs; the first is standing.

    Attributes:
        root: (P, 3) metres, world.
        yaw: (P,) radians, turn of the root.
        angles: (P, J, 3) limit angles of all joints but the root; those of legs count only where they are lifted.
        lifted: (P, L) 0 or 1: whether the limb is in the air and its angles hold.
        lift: (P, J, 3) limit angles by way of which a lifted leg goes there.
    """

    root: np.ndarray
    yaw: np.ndarray
    angles: np.ndarray
    lifted: np.ndarray
    lift: np.ndarray

    def __add__(self, other: KeyPoses) -> KeyPoses:
        both = zip(vars(self).values(), vars(other).values(), strict=True)
        return KeyPoses(*(np.concatenate(pair) for pair in both))

    def between(self, a: np.ndarray, b: np.ndarray, share: np.ndarray) -> KeyPoses:
        """Return key poses at `share` (P,) of the way from `a` to `b` (P,).

        Where `b` lifts a leg, the way leads from that leg raised.
        """
        rises = (self.lifted[b] > self.lifted[a]).any(-1)

        def mix(start: np.ndarray, end: np.ndarray, raised: np.ndarray) -> np.ndarray:
            one = (-1, *[1] * (end.ndim - 1))
            start = np.where(rises.reshape(one), raised, start)
            return start + share.reshape(one) * (end - start)

        root, yaw, angles = self.root, self.yaw, self.angles
        return KeyPoses(
            mix(root[a], root[b], root[b]),
            mix(yaw[a], yaw[b], yaw[b]),
            mix(angles[a], angles[b], self.lift[b]),
            self.lifted[b],
            self.lift[b],
        )


class MoveFrames(NamedTuple):
    """Where in their moves the bodies are: from key pose `a` to key pose `b`, `u` of the way in time, each (N, T)."""

    a: np.ndarray
    b: np.ndarray
    u: np.ndarray


def sink(reacher: Reacher, keys: KeyPoses) -> np.ndarray:
    """Return the metres (P,) by which the root must fall for the legs to reach the ground."""
    most = np.zeros(len(keys.root))
    if not reacher.legs:
        return most
    here = np.arange(len(keys.root))[:, None]
    pose = _upper(reacher, keys, MoveFrames(here, here, np.zeros(here.shape)))[0]
    for leg in reacher.legs:
        place, foot = _stand(reacher, leg, here.shape)
        # Lifted ones count too: they are put down from here.
        most = np.maximum(most, shortfall(pose, leg, place, foot)[:, 0])
    return most


def _stand(reacher: Reacher, leg: Leg, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return where a foot that stays where it rests stands, (N, T, 3), and its turn (N, T, 4), over (N, T) frames."""
    at = reacher.rig.rest_global[0][leg.contact].astype(np.float64)
    identity = np.broadcast_to(np.array([1.0, 0, 0, 0]), (*shape, 4))
    return np.broadcast_to(at, (*shape, 3)), identity


def _upper(reacher: Reacher, keys: KeyPoses, frames: MoveFrames) -> tuple[Pose, np.ndarray]:
    """Return the poses of all that no leg carries, and how far each limb is off the ground, (N, T, L) from 0 to 1."""
    a, b, u = frames
    up_a, up_b = keys.lifted[a], keys.lifted[b]
    lifting, landing = (up_b > up_a).any(-1), (up_a > up_b).any(-1)
    whole = ease(u)
    body = np.where(lifting, ease(u / (2 * LEAD)), np.where(landing, ease(1 - (1 - u) / (2 * LEAD)), whole))
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
    """Return the turns (..., 4) of a joint in the rest pose's world axes.

    Args:
        rest: (4,) world rotation of the joint in the rest pose.
        angles: (..., 3) limit angles in radians.
    """
    turn = limit_turn(angles)
    return turn if rest[0] > 1 - 1e-9 else quat.mul(quat.mul(rest, turn), quat.inverse(rest))


def make_pose(
    reacher: Reacher, keys: KeyPoses, frames: MoveFrames, *, reaching_only: bool = False
) -> tuple[Pose, np.ndarray]:
    """Return the poses of the frames, and how far each limb is off the ground, (N, T, L) from 0 to 1.

    Args:
        reacher: the rig.
        keys: key poses.
        frames: where in their moves the bodies are.
        reaching_only: leave out the legs on which no limb stands, where only hands matter.
    """
    pose, off_ground = _upper(reacher, keys, frames)
    lifted = {id(limb.leg): i for i, limb in enumerate(reacher.limbs) if limb.leg}
    for leg in reacher.legs:
        if reaching_only and id(leg) not in lifted:
            continue
        place, foot = _stand(reacher, leg, frames.u.shape)
        yaw = np.arctan2(*(fast_rotate(pose.turn(0), np.array([0.0, 0, 1]))[..., i] for i in (0, 2)))
        solve_leg(pose, leg, place, foot, np.zeros(frames.u.shape), yaw)
        if id(leg) in lifted:
            _raise(reacher, keys, frames, pose, leg, off_ground[..., lifted[id(leg)]], lifted[id(leg)])
    return pose, off_ground


def _raise(
    reacher: Reacher, keys: KeyPoses, frames: MoveFrames, pose: Pose, leg: Leg, share: np.ndarray, index: int
) -> None:
    """Turn the joints of a standing leg towards those of the key pose, as far as the leg is off the ground."""
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
    """Return where the hands are, (N, T, L, 3) in metres, world."""
    return np.stack([pose.position(limb.hand) for limb in reacher.limbs], -2)


def touch_distance(reacher: Reacher) -> float:
    """Return the metres from its target at which a hand touches it."""
    return TOLERANCE * reacher.scale
