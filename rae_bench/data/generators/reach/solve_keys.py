"""Key poses solved by inverse kinematics: standing, and those that bring hands to their targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rae_bench.data.generators.locomotion.body import UP
from rae_bench.data.generators.locomotion.pose import Pose
from rae_bench.data.generators.locomotion.upper_body import swing_arm
from rae_bench.data.generators.reach.key_poses import KeyPoses, sink
from rae_bench.data.generators.reach.limbs import Limb, Reacher
from rae_bench.data.generators.reach.targets import RADII
from rae_bench.kinematics import quat
from rae_bench.kinematics.inverse import from_limit_angles, limit_angles, solve_ik
from rae_bench.rigs.rig import Rig

YAW = np.radians(28)
"""How far the pelvis of a body with free hands turns after its target, at most."""
RISE = 0.25
"""Metres, for a body of `HUMAN` height, to which a leg is lifted on its way."""
SLACK = 0.97
"""Share of the joints' limits that reaching uses, so that rounding does not cross them."""
ASKEW = 0.1
"""Radians by which an arm on a base is turned before it is solved for."""
ROUNDS = 3
"""How often a key pose is solved: the root's height and the angles follow from one another."""
CALM: dict[str, Any] = {"damping": 1.0, "floor": 1e-3}
"""How targets are solved for: the same on any machine, however the last digit is rounded."""


def standing_pose(reacher: Reacher) -> KeyPoses:
    """Return the pose at rest: arms hang, knees are a little bent."""
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
    return _lowered(reacher, KeyPoses(root, np.zeros(1), angles, none, angles))


def _lowered(reacher: Reacher, keys: KeyPoses) -> KeyPoses:
    """Return the key poses with the root as low as the legs need it to reach the ground."""
    return replace(keys, root=keys.root - sink(reacher, keys)[:, None] * UP)


def reach_keys(
    reacher: Reacher,
    crew: Sequence[Limb],
    stand: KeyPoses,
    targets: np.ndarray,
    turns: np.ndarray | None,
    gaze: np.ndarray,
) -> KeyPoses:
    """Return key poses that bring K limbs to their targets, P of them.

    Args:
        reacher: the rig.
        crew: K limbs; a crew of more than one stands on none of them.
        stand: the pose at rest.
        targets: (P, K, 3) metres, world.
        turns: (P, K, 4) by which the hands are turned, as far as that is free; None leaves them as they come.
        gaze: (P, 3) metres, where the face turns to.
    """
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
    if reacher.body is None:
        # Straight behind a base is as far by the left as by the right: a little turn, not rounding, settles which.
        angles = np.clip(angles + ASKEW * movable[:, None], narrow.limits[..., 0], narrow.limits[..., 1])
    keys = KeyPoses(root, yaw, angles, lifted, angles)
    for turn in range(ROUNDS):
        keys = _lowered(reacher, keys)
        rotations = _rotations(rig, keys)
        wanted = None
        if turns is not None and turn == ROUNDS - 2:
            wanted = quat.mul(turns, rig.forward_kinematics(rotations, keys.root)[1][:, ends])
        _, rotations = solve_ik(
            narrow,
            keys.root,
            rotations,
            ends,
            targets,
            target_rotations=wanted,
            iterations=40 if turn == 0 else 20,
            movable=movable,
            **CALM,
        )
        found = limit_angles(rotations, rig)
        keys = replace(keys, angles=np.where(movable[:, None], found, keys.angles))
    keys = replace(keys, angles=_look(reacher, keys, gaze))
    return replace(keys, lift=_lifts(reacher, crew[0], stand, keys, narrow, movable)) if crew[0].leg else keys


def hand_places(reacher: Reacher, keys: KeyPoses) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions (P, L, 3) and rest-relative rotations (P, L, 4) of all hands off the ground, world."""
    ends = [limb.hand for limb in reacher.limbs]
    rest = reacher.rig.rest_global[1][ends].astype(np.float64)
    positions, globals_ = reacher.rig.forward_kinematics(_rotations(reacher.rig, keys), keys.root)
    return positions[:, ends], quat.mul(globals_[:, ends], quat.inverse(rest))


def _lean(
    reacher: Reacher, crew: Sequence[Limb], root: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return root positions (P, 3) and turns (P,): towards the targets, or over the feet that stay on the ground."""
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
    """Return the rig with the limits that reaching uses: the trunk helps, the arm reaches."""
    rig = reacher.rig
    limits = SLACK * rig.limits
    trunk = list(reacher.trunk)
    limits[trunk] = 0.5 * np.clip(limits[trunk], -1, 1)
    return replace(rig, limits=limits)


def _lifts(
    reacher: Reacher, limb: Limb, stand: KeyPoses, keys: KeyPoses, narrow: Rig, movable: np.ndarray
) -> np.ndarray:
    """Return the limit angles (P, J, 3) of a leg raised above where it stands: the way to anywhere else."""
    rig = reacher.rig
    rise = rig.rest_global[0][limb.hand].astype(np.float64) + RISE * reacher.scale * UP
    at = replace(stand, root=keys.root[:1])  # the body goes to one place for all targets of a leg
    _, rotations = solve_ik(
        narrow, at.root, _rotations(rig, at), [limb.hand], rise[None, None], movable=movable, **CALM
    )
    return np.repeat(limit_angles(rotations, rig), len(keys.root), 0)


def _look(reacher: Reacher, keys: KeyPoses, gaze: np.ndarray) -> np.ndarray:
    """Return the limit angles (P, J, 3) with the neck turned towards `gaze` (P, 3)."""
    if not reacher.neck:
        return keys.angles
    angles = keys.angles.copy()
    away = gaze - keys.root
    angle = np.arctan2(away[:, 0], away[:, 2]) - keys.yaw - angles[:, list(reacher.trunk), 1].sum(1)
    angle = np.arctan2(np.sin(angle), np.cos(angle))
    # Nobody looks at what is straight behind, which is as far by the left as by the right.
    angle = angle * np.clip((np.pi - np.abs(angle)) / 0.5, 0, 1)
    for joint in reacher.neck:
        low, high = 0.6 * np.clip(reacher.rig.limits[joint, 1], -1, 1)
        angles[:, joint, 1] = np.clip(0.5 * angle / len(reacher.neck), low, high)
    return angles


def _rotations(rig: Rig, keys: KeyPoses) -> np.ndarray:
    """Return the local rotations (P, J, 4) with every leg as its angles say."""
    rotations = from_limit_angles(keys.angles, rig)
    rotations[:, 0] = quat.mul(quat.from_yaw(keys.yaw), rig.rest_global[1][0].astype(np.float64))
    return rotations
