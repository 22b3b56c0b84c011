"""What recordings do not say: the level of the ground and the standing rest pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rae_bench.kinematics import quat
from rae_bench.motion.contacts import stance_heights
from rae_bench.motion.motion import Motion
from rae_bench.motion.root import heading_angle
from rae_bench.rigs.rig import Rig

UPRIGHT = 0.1
"""Upright: the pelvis is within this share of its usual height."""
STOOPED = 60
"""Percentile of the head's height below which such a frame stoops: some takes are of people who crouch all along."""
GROUNDED = 0.06
"""Grounded: every contact joint is within this share of the pelvis height of its stance height."""
SLOWEST = 0.25
"""Share of the upright, grounded frames, the slowest of them, among which the rest pose is sought."""
FEWEST = 30
"""Frames that there have to be: of travel for its pelvis height to count, and to seek the rest pose among."""
SUNK, RAISED = 0.03, 0.15
"""Stance heights that pass for a ground at 0, in pelvis heights: soles lie below joints, and markers sink."""


def ground_shift(takes: Sequence[Motion]) -> float:
    """Return the metres to add to every height so that the ground lies at 0; 0 where it does already.

    The median over the contact joints' stance heights decides, since one badly tracked foot may sink. Contact joints
    sit a little above the sole, so a stance height between slightly below 0 and a foot's thickness passes for ground
    level. Beyond that the stance height is taken for the ground.

    Args:
        takes: motions of one clip each, on one rig.
    """
    rig = takes[0].rig
    if rig.fixed_base or len(rig.contact_joints) == 0:
        return 0.0
    positions = np.concatenate([take.positions[0] for take in takes])
    stance = float(np.median(stance_heights(positions[None], rig, np.array([len(positions)]))))
    tall = float(np.percentile(positions[:, rig.roles.get("pelvis", 0), 1], 75)) - stance
    return 0.0 if -SUNK * tall <= stance <= RAISED * tall else -stance


def with_rest_pose(takes: Sequence[Motion]) -> tuple[Rig, int, int]:
    """Return the rig with a standing rest pose found in its motion, and the (take, frame) that it comes from.

    A frame is upright whose pelvis is as high as it usually is in locomotion (a dog also sits and lies) and whose head
    does not stoop. The pattern is the median of all upright frames in root space, made symmetric (sides swapped and
    averaged): over whole strides it stands straight with its legs below it, arms down, head ahead. A frame stands that
    is upright, has every contact joint near its stance height (where there are such frames), and is slow (among the
    slowest quarter). Of these the rest pose is the one with the least distance to the pattern plus distance to its
    mirror image, means over joints. It is turned to face +Z.

    Args:
        takes: motions of one clip each, on one rig with roles; its rest pose is not used.
    """
    rig, fps = takes[0].rig, takes[0].fps
    positions = np.concatenate([take.positions[0] for take in takes])
    rotations = np.concatenate([take.rotations[0] for take in takes])
    moves = [np.gradient(p, axis=0) * fps if len(p) > 1 else 0 * p for p in (take.positions[0] for take in takes)]
    velocity = np.concatenate(moves)
    pelvis = rig.roles.get("pelvis", 0)

    stance = stance_heights(positions[None], rig, np.array([len(positions)]))
    tall = positions[:, pelvis, 1] - (stance.mean() if len(stance) else 0)
    reach = float(np.percentile(tall, 90))
    travels = np.linalg.norm(velocity[:, pelvis][:, [0, 2]], axis=-1) > 0.5 * reach
    usual = float(np.median(tall[travels] if travels.sum() >= FEWEST else tall[tall >= np.median(tall)]))
    upright = np.abs(tall - usual) <= UPRIGHT * abs(usual)
    if "head" in rig.roles:
        head = positions[:, rig.roles["head"], 1]
        upright &= head >= np.percentile(head[upright], STOOPED)
    above = positions[:, rig.contact_joints, 1] - stance
    grounded = (above < GROUNDED * abs(usual)).all(-1)
    if not (upright & grounded).any():
        grounded[:] = True
    standing = np.flatnonzero(upright & grounded)
    speed = np.linalg.norm(velocity, axis=-1).mean(-1)
    count = min(len(standing), max(FEWEST, round(SLOWEST * len(standing))))
    slowest = standing[np.argsort(speed[standing], kind="stable")[:count]]

    # Which joints span the heading is read off a rest pose; any upright one serves until the real one is known.
    draft = facing_ahead(replace(rig, rest=rotations[slowest[0]]))
    globals_ = np.concatenate([take.global_rotations[0] for take in takes])
    origin = positions[:, pelvis] * np.array([1, 0, 1], np.float32)
    yaw = heading_angle(positions, globals_, draft)
    poses = quat.rotate(quat.from_yaw(-yaw)[:, None], positions - origin[:, None])
    flip = np.array([-1, 1, 1], np.float32)
    pattern = np.median(poses[upright], axis=0)
    pattern = (pattern + pattern[rig.mirror] * flip) / 2
    still = poses[slowest]
    mirrored = still[:, rig.mirror] * flip
    unlike = np.linalg.norm(still - pattern, axis=-1).mean(-1) + np.linalg.norm(still - mirrored, axis=-1).mean(-1)
    best = int(slowest[unlike.argmin()])
    starts = np.cumsum([0, *(len(take.positions[0]) for take in takes)])
    take = int(np.searchsorted(starts, best, side="right")) - 1
    return facing_ahead(replace(rig, rest=rotations[best])), take, best - int(starts[take])


def facing_ahead(rig: Rig) -> Rig:
    """Return the rig with its rest pose turned about the vertical until it faces +Z."""
    yaw = heading_angle(rig.rest_global[0], rig.rest_global[1], rig)
    rest = np.array(rig.rest, np.float32)
    root = int(np.flatnonzero(rig.parents < 0)[0])
    rest[root] = quat.mul(quat.from_yaw(-yaw).astype(np.float32), rest[root])
    rest = quat.normalize(rest)
    rest.setflags(write=False)
    return replace(rig, rest=rest)
