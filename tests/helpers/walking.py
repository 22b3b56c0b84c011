"""A stick figure that walks with feet planted to the last bit, at a speed and cadence of its own in every clip."""

import numpy as np

from rae_bench.kinematics import quat
from rae_bench.model.api import Trajectory
from rae_bench.motion.motion import Motion, make_motion
from rae_bench.rigs.rig import Rig, make_rig

LEG = 0.45
DUTY = 0.6
FPS = 30.0


def _walker() -> Rig:
    joints: list[tuple[str, str | None, list[float]]] = [
        ("hips", None, [0, 0, 0]),
        ("spine", "hips", [0, 0.2, 0]),
        ("neck", "spine", [0, 0.3, 0]),
        ("head", "neck", [0, 0.25, 0]),
    ]
    for side, x in (("left", 1), ("right", -1)):
        joints += [
            (f"{side}_thigh", "hips", [0.1 * x, 0, 0]),
            (f"{side}_shin", f"{side}_thigh", [0, -LEG, 0]),
            (f"{side}_foot", f"{side}_shin", [0, -LEG, 0]),
            (f"{side}_arm", "neck", [0.2 * x, 0, 0]),
            (f"{side}_elbow", f"{side}_arm", [0, -0.3, 0]),
            (f"{side}_hand", f"{side}_elbow", [0, -0.25, 0]),
        ]
    roles = {"pelvis": "hips", "head": "head"}
    roles |= {f"{side}_{end}": f"{side}_{end}" for side in ("left", "right") for end in ("hand", "foot")}
    return make_rig("walker", joints, roles, contact_joints=["left_foot", "right_foot"])


def _about(axis: list[float], angle: np.ndarray) -> np.ndarray:
    return quat.from_axis_angle(np.array(axis, float), angle)


def _wander(rng: np.random.Generator, clips: int, time: np.ndarray) -> np.ndarray:
    """Slow smooth noise of unit size, (clips, T)."""
    rate, phase = rng.uniform(0.2, 1.2, (clips, 3, 1)), rng.uniform(0, 2 * np.pi, (clips, 3, 1))
    return np.sin(2 * np.pi * rate * time[:, None] + phase).sum(1) / np.sqrt(1.5)


def walk(clips: int = 8, frames: int = 60, seed: int = 0, slide: float = 0.0, rig: Rig | None = None) -> Motion:
    """Walking clips; with `slide` the planted feet glide along the heading at this many metres a second."""
    rig = rig or _walker()
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[None] / FPS + rng.uniform(0, 3, (clips, 1))
    speed, cadence = rng.uniform(0.5, 0.9, (clips, 1)), rng.uniform(0.8, 1.2, (clips, 1))
    yaw = rng.uniform(-np.pi, np.pi, (clips, 1)) + np.zeros((1, frames))
    q = np.zeros((clips, frames, len(rig), 4))
    q[..., 0] = 1
    height = 0.76 + 0.015 * np.cos(4 * np.pi * cadence * time) + 0.01 * _wander(rng, clips, time)
    contacts = np.zeros((clips, frames, 2), bool)
    for c, (side, lag) in enumerate((("left", 0.0), ("right", 0.5))):
        cycle = cadence * time + lag
        number, phase = np.floor(cycle), cycle % 1
        stance = phase < DUTY
        swing = np.clip((phase - DUTY) / (1 - DUTY), 0, 1)
        ahead = (number + DUTY / 2 - lag + (1 - np.cos(np.pi * swing)) / 2) * speed / cadence - speed * time
        # Beginning each stance back by half, so that gliding feet stay under the body.
        ahead = ahead + np.where(stance, slide * (phase - DUTY / 2) / cadence, slide * DUTY * (0.5 - swing) / cadence)
        down = -height + 0.1 * np.sin(np.pi * swing)
        lean = np.arctan2(-ahead, -down)
        bend = np.arccos(np.clip(np.hypot(ahead, down) / (2 * LEG), 0, 1))
        q[:, :, rig.index(f"{side}_thigh")] = _about([1, 0, 0], lean - bend)
        q[:, :, rig.index(f"{side}_shin")] = _about([1, 0, 0], 2 * bend)
        contacts[..., c] = stance
        arm = 0.4 * speed * np.sin(2 * np.pi * cycle) + 0.1 * _wander(rng, clips, time)
        q[:, :, rig.index(f"{side}_arm")] = _about([1, 0, 0], arm)
        q[:, :, rig.index(f"{side}_elbow")] = _about([1, 0, 0], -0.4 + 0.15 * _wander(rng, clips, time))
    q[:, :, rig.index("spine")] = _about([1, 0, 0], 0.08 * _wander(rng, clips, time))
    q[:, :, rig.index("neck")] = _about([0, 1, 0], 0.2 * _wander(rng, clips, time))
    q[:, :, rig.index("hips")] = quat.from_yaw(yaw)
    along = speed * (time - time[:, :1])
    start = rng.uniform(-2, 2, (clips, 1, 2))
    root = np.stack([start[..., 0] + np.sin(yaw) * along, height, start[..., 1] + np.cos(yaw) * along], -1)
    return make_motion(rig, FPS, root, q, contacts=contacts)


def as_trajectory(*motions: Motion) -> Trajectory:
    """Motions of equal shape as the samples of a trajectory."""
    return Trajectory(np.stack([m.root_positions for m in motions]), np.stack([m.rotations for m in motions]))


def noisy(motion: Motion, degrees: float, seed: int = 0) -> Motion:
    """Every joint turned by an angle of this size, anew in every frame."""
    rng = np.random.default_rng(seed)
    axis = quat.normalize(
        np.concatenate(
            [np.zeros((*motion.rotations.shape[:3], 1)), rng.standard_normal((*motion.rotations.shape[:3], 3))], -1
        )
    )[..., 1:]
    turn = quat.from_axis_angle(axis, np.radians(degrees) * rng.standard_normal(motion.rotations.shape[:3]))
    return make_motion(
        motion.rig,
        motion.fps,
        motion.root_positions,
        quat.mul(turn, motion.rotations),
        lengths=motion.lengths,
        contacts=motion.contacts,
    )


def relabel(motion: Motion, seed: int = 0) -> Motion:
    """The same movement on the same rig with its joints listed in another order."""
    rig = motion.rig
    rng = np.random.default_rng(seed)
    order: list[int] = []
    while len(order) < len(rig):
        ready = [j for j in range(len(rig)) if j not in order and (rig.parents[j] < 0 or rig.parents[j] in order)]
        order.append(int(rng.choice(ready)))
    names = [rig.joint_names[j] for j in order]
    contacts = list(rng.permutation(len(rig.contact_joints)))
    joints = [
        (n, None if (p := rig.parents[rig.index(n)]) < 0 else rig.joint_names[p], rig.offsets[rig.index(n)])
        for n in names
    ]
    other = make_rig(
        rig.name,
        joints,
        {role: rig.joint_names[j] for role, j in rig.roles.items()},
        contact_joints=[rig.joint_names[rig.contact_joints[c]] for c in contacts],
    )
    pick = [rig.index(name) for name in other.joint_names]
    return Motion(
        other,
        motion.fps,
        motion.lengths,
        motion.root_positions,
        motion.rotations[:, :, pick],
        motion.contacts[:, :, contacts],
    )
