"""Motion of one rig on another: the benchmark's own retargeting, by roles and inverse kinematics.

What corresponds are roles: pelvis, head, hands and feet (docs/concepts/glossary.md). A role that only one of the rigs
has is left out. What a character does is how its roles have moved away from the rest pose, seen from under the pelvis,
so the rest pose of one rig becomes the rest pose of the other:

1. **Places.** A role is as far from its place in the rest pose, in heights of its rig, as the source's is. The way over
   the ground is scaled alike.
2. **Turns.** A role's joint has turned as much from the rest pose, in the world, as the source's. Joints between two
   roles start turned as those of the source at the same share of the way.
3. **Feet.** A contact joint of the source stands over some frames. The target's stands too: at one place, which is the
   mean of where (1) puts it, at the height at which it rests. Between two stances the correction passes over linearly.
   No contact joint of the target goes below the height at which it rests.
4. **Inverse kinematics** (`rae_bench.kinematics.inverse`) brings the joints there, within their limits. Standing feet
   count most. The root gives way where legs are too short.

Nothing is learnt, and nothing of the target but its rig is needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rae_bench.data.corpus import Corpus
from rae_bench.kinematics import quat
from rae_bench.kinematics.inverse import from_limit_angles, limit_angles, solve_ik
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.motion.root import root_space
from rae_bench.rigs.correspondence import Match, match, partners
from rae_bench.rigs.rig import Rig

RETARGET_VERSION = 2
"""Covers retargeted motion: places, pins, turns and the inverse kinematics; raise it when these numbers move."""
WEIGHTS = {"pelvis": 1.0, "head": 0.2, "left_hand": 0.3, "right_hand": 0.3}
"""How much a role counts. Others count `LIMB`; a contact joint that stands counts `STANDING`."""
LIMB, STANDING = 0.5, 3.0
FIRST, ITERATIONS = 30, 5
"""Steps of the inverse kinematics at most, in the first frame of a clip and in each other."""
FLOOR = 1e-4
"""Its least damping, which decides between poses of a stretched limb."""
PULL = 0.1
"""By how much of the way a frame starts nearer to the source's turns than the frame before came out."""
CALM = 0.05
"""Seconds: standard deviation of the Gaussian that takes its trembling away."""


Progress = Callable[[int, int], None]
"""Is called with how many frames are done, of how many; all clips advance together."""


def retarget(motion: Motion, rig: Rig, progress: Progress = lambda done, frames: None) -> Motion:
    """Return the same clips on another rig.

    Args:
        motion: N clips of T frames on the source's rig.
        rig: the target's.
        progress: is told how far the work is.

    Returns:
        N clips of T frames. A contact joint stands where the one that corresponds does. Whether others stand is found
        by looking at the motion.

    Raises:
        UserError: the rigs have no role in common but the pelvis.
    """
    common = match(motion.rig, rig)
    scale = rig.height / motion.rig.height
    joints, goals, weights = _goals(motion, rig, common, scale)
    start, pose = _start(motion, rig, scale)
    root, before = start.copy(), start[:, 0]
    turns = _turns(motion, rig, joints)
    for t in range(pose.shape[1]):
        progress(t, pose.shape[1])
        # Where limits leave two ways to a place, each frame goes that of the frame before.
        if t:
            sign = np.where((pose[:, t] * pose[:, t - 1]).sum(-1, keepdims=True) < 0, -1, 1)
            pose[:, t] = quat.normalize(pose[:, t - 1] + PULL * (sign * pose[:, t] - pose[:, t - 1]))
            root[:, t] += root[:, t - 1] - before
        before = start[:, t]
        root[:, t], pose[:, t] = solve_ik(
            rig, root[:, t], pose[:, t], joints, goals[:, t], target_rotations=turns[:, t], weights=weights[:, t],
            iterations=ITERATIONS if t else FIRST, floor=FLOOR, move_root=not rig.fixed_base,
        )  # fmt: skip
    root, pose = _calmed(root, pose, rig, motion.fps)
    on = rig.contact_joints.tolist()
    if on:  # what was calmed has left its places a little; legs alone bring feet back, and up to the ground
        feet = rig.forward_kinematics(pose, root)[0][:, :, on]
        for joint, *_ in common.contacts:
            feet[:, :, on.index(joint)] = goals[:, :, joints.index(joint)]
        feet[..., 1] = np.maximum(feet[..., 1], rig.rest_global[0][on, 1])
        legs = rig.ancestors[on].any(0) & ~rig.ancestors[rig.roles.get("pelvis", 0)]
        root, pose = solve_ik(rig, root, pose, on, feet, iterations=FIRST, floor=FLOOR, movable=legs)
    made = make_motion(rig, motion.fps, root, pose, lengths=motion.lengths)
    contacts, order = made.contacts.copy(), rig.contact_joints.tolist()
    for joint, _, which in common.contacts:
        contacts[:, :, order.index(joint)] = motion.contacts[:, :, which]
    return replace(made, contacts=contacts)


def retarget_corpus(
    corpus: Corpus, rig: Rig, name: str, progress: Progress = lambda done, frames: None
) -> Corpus:
    """Return a corpus on another rig, under another name: segments, groups, actions and takes stay what they are.

    The course is scaled as the way over the ground is. A target of a hand is where the retargeted hand is when it
    arrives.

    Args:
        progress: as of `retarget`.

    Raises:
        UserError: as of `retarget`.
    """
    source = corpus.motion
    motion, common = retarget(source, rig, progress), match(source.rig, rig)
    scale = rig.height / source.rig.height
    targets = corpus.targets
    if targets is not None:
        clip, slot = np.arange(len(motion))[:, None], np.maximum(targets.slots, 0)
        joint, at = np.maximum(rig.key_joints[slot], 0), np.minimum(targets.arrivals, motion.lengths[:, None] - 1)
        turned = quat.mul(motion.global_rotations[clip, at, joint], quat.inverse(rig.rest_global[1][joint]))
        slots = np.where(rig.role_mask[slot], targets.slots, -1).astype(targets.slots.dtype)
        targets = replace(targets, slots=slots, positions=motion.positions[clip, at, joint], rotations=turned)
    known = {joint for joint, *_ in common.contacts} >= {int(joint) for joint in rig.contact_joints}
    origin = {"from": corpus.name, "to": rig.name, "version": RETARGET_VERSION}
    return replace(
        corpus,
        name=name,
        motion=motion,
        course=corpus.course * np.array([scale, scale, 1], np.float32),
        identity=retargeted_identity(corpus, rig),
        provenance={**corpus.provenance, "retargeted": origin},
        exact_contacts=corpus.exact_contacts and known,
        targets=targets,
    )


def retargeted_identity(corpus: Corpus, rig: Rig) -> str:
    """Return the identity, a sha256, of what `retarget_corpus` makes of a corpus, which may be a part of one."""
    facts = [corpus.identity, *corpus.ids, "retarget", str(RETARGET_VERSION), rig.content_hash]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def standing(motion: Motion) -> list[tuple[str, float, float]]:
    """Return how firmly each contact joint stands that ever does, as its 95 % quantiles over frames.

    Returns:
        (joint name, horizontal speed in cm/s, distance from the height at which it rests in cm).
    """
    found = []
    for which, joint in enumerate(motion.rig.contact_joints.tolist()):
        stands = motion.contacts[:, :, which] & motion.valid
        both = stands[:, 1:] & stands[:, :-1]
        if both.any():
            place = motion.positions[:, :, joint]
            speed = np.linalg.norm(np.diff(place[..., [0, 2]], axis=1), axis=-1)[both] * motion.fps
            off = np.abs(place[..., 1] - motion.rig.rest_global[0][joint, 1])[stands]
            name = motion.rig.joint_names[joint]
            found.append((name, 100 * float(np.quantile(speed, 0.95)), 100 * float(np.quantile(off, 0.95))))
    return found


def _calmed(root: np.ndarray, pose: np.ndarray, rig: Rig, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Roots (N, T, 3) and poses (N, T, J, 4) without what the inverse kinematics trembles by where limits stop it."""
    wide = CALM * fps
    pose = quat.normalize(_smoothed(quat.continuous(pose, 1), wide))
    free = (np.abs(rig.limits) > np.pi - 1e-4).all((1, 2))
    angles = np.clip(limit_angles(pose, rig), rig.limits[..., 0], rig.limits[..., 1])
    pose[:, :, ~free] = from_limit_angles(angles, rig)[:, :, ~free]
    return _smoothed(root, wide), pose


def _smoothed(values: np.ndarray, wide: float) -> np.ndarray:
    """(N, T, ...) values through a Gaussian of a width in frames; what moves at an end of a clip goes on moving."""
    from scipy.ndimage import gaussian_filter1d

    room = min(int(4 * wide + 0.5), values.shape[1] - 1)
    wider = np.pad(values, [(0, 0), (room, room), *[(0, 0)] * (values.ndim - 2)], "reflect", reflect_type="odd")
    made: np.ndarray = gaussian_filter1d(wider, wide, axis=1, mode="nearest")[:, room : room + values.shape[1]]
    return made


def _seen(motion: Motion, joints: np.ndarray) -> np.ndarray:
    """(N, T, K, 3) how far joints are from their places in the rest pose, seen from under the pelvis, in metres."""
    positions, rotations = motion.rig.rest_global
    still = root_space(positions, rotations, motion.rig).points_in(positions[joints])
    return motion.root.points_in(motion.positions[:, :, joints]) - still


def _placed(motion: Motion, rig: Rig, ours: np.ndarray, theirs: np.ndarray, scale: float) -> np.ndarray:
    """(N, T, K, 3) where joints `ours` of the rig are to be, as `theirs` of the motion moved; world, metres."""
    positions, rotations = rig.rest_global
    still = root_space(positions, rotations, rig).points_in(positions[ours])
    space = motion.root
    moved = type(space)(space.origin * np.float32(scale), space.yaw)
    return moved.points_out(still + scale * _seen(motion, theirs))


def _goals(
    motion: Motion, rig: Rig, common: Match, scale: float
) -> tuple[list[int], np.ndarray, np.ndarray]:
    """What the inverse kinematics is asked for.

    Returns:
        K joints of the rig, (N, T, K, 3) where they are to be, and (N, T, K) how much that counts.
    """
    pinned = {joint: (other, which) for joint, other, which in common.contacts}
    pairs = {rig.roles[role]: motion.rig.roles[role] for role in common.roles} | {j: o for j, (o, _) in pinned.items()}
    joints = list(pairs)
    goals = _placed(motion, rig, np.array(joints), np.array(list(pairs.values())), scale)
    counts = {rig.roles[role]: WEIGHTS.get(role, LIMB) for role in common.roles}
    weights = np.empty(goals.shape[:3], np.float32)
    for k, joint in enumerate(joints):
        weights[..., k] = counts.get(joint, LIMB)
        if joint in pinned:
            stands = motion.contacts[:, :, pinned[joint][1]] & motion.valid
            goals[:, :, k] = pin(goals[:, :, k], stands, float(rig.rest_global[0][joint, 1]))
            weights[..., k] = np.where(stands, STANDING, LIMB)
        if joint in rig.contact_joints:
            goals[:, :, k, 1] = np.maximum(goals[:, :, k, 1], rig.rest_global[0][joint, 1])
    return joints, goals, weights


def pin(places: np.ndarray, stands: np.ndarray, height: float) -> np.ndarray:
    """Return places that stay where they are while a foot stands.

    Args:
        places: (N, T, 3) metres, world.
        stands: (N, T) bool.
        height: metres above the ground at which it stands.

    Returns:
        (N, T, 3). Within a stance the mean of its places, at the height. Before and after, the places with a correction
        that goes over from one stance's to the next one's linearly.
    """
    clips, frames = stands.shape
    begins = stands & ~np.pad(stands, ((0, 0), (1, 0)))[:, :-1]
    stance = begins.cumsum(1) - 1 + (np.arange(clips) * (frames + 1))[:, None]  # a number of its own for each
    flat, room = stance[stands], clips * (frames + 1)
    count = np.maximum(np.bincount(flat, minlength=room), 1)
    means = np.stack([np.bincount(flat, places[..., i][stands], room) / count for i in range(3)], -1)
    means[:, 1] = height
    correction = np.where(stands[..., None], means[np.where(stands, stance, 0)] - places, 0)
    t = np.arange(frames)
    last = np.maximum.accumulate(np.where(stands, t, -1), 1)
    following = np.minimum.accumulate(np.where(stands, t, frames)[:, ::-1], 1)[:, ::-1]
    none = (last < 0) & (following == frames)
    last, following = np.where(last < 0, following, last), np.where(following == frames, last, following)
    last, following = np.where(none, 0, last), np.where(none, 0, following)
    share = (t - last) / np.maximum(following - last, 1)
    clip = np.arange(clips)[:, None]
    before, after = correction[clip, last], correction[clip, following]
    moved: np.ndarray = places + before + np.clip(share, 0, 1)[..., None] * (after - before)
    return moved.astype(places.dtype)


def _turn(motion: Motion, joint: int) -> np.ndarray:
    """(N, T, 4) how a joint has turned from the rest pose, in the world."""
    return quat.mul(motion.global_rotations[:, :, joint], quat.inverse(motion.rig.rest_global[1][joint]))


def _turns(motion: Motion, rig: Rig, joints: list[int]) -> np.ndarray:
    """(N, T, K, 4) world rotations that joints of the rig are to have, by the joints that correspond."""
    partner = partners(motion.rig, rig)
    return np.stack([quat.mul(_turn(motion, partner[joint]), rig.rest_global[1][joint]) for joint in joints], 2)


def _start(motion: Motion, rig: Rig, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Root (N, T, 3) and local rotations (N, T, J, 4) from which the inverse kinematics starts."""
    partner = partners(motion.rig, rig)
    turned: list[np.ndarray] = []
    local = np.empty((*motion.rotations.shape[:2], len(rig), 4), np.float32)
    for joint, parent in enumerate(rig.parents):  # parents first
        if joint in partner:
            whole = quat.mul(_turn(motion, partner[joint]), rig.rest_global[1][joint])
        elif parent < 0:
            whole = np.broadcast_to(rig.rest[joint], local[:, :, joint].shape)
        else:
            whole = quat.mul(turned[parent], rig.rest[joint])
        turned.append(whole)
        local[:, :, joint] = whole if parent < 0 else quat.mul(quat.inverse(turned[parent]), whole)
    positions, _ = rig.forward_kinematics(local, np.zeros_like(motion.root_positions))
    pelvis = np.array([rig.roles.get("pelvis", 0)])
    there = _placed(motion, rig, pelvis, np.array([motion.rig.roles.get("pelvis", 0)]), scale)
    root = (there - positions[:, :, pelvis])[:, :, 0]
    return (np.zeros_like(root) if rig.fixed_base else root), local
