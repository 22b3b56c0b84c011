"""Recordings of SMPL's joints that tests write, as AMASS has them: z up, turns as axis times radians."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from rae_bench.data.formats.smpl import JOINTS, PARENTS, SmplBody, average_body


def walk(frames: int = 600, fps: float = 120.0, *, joints: int = 52, speed: float = 1.2, heading: float = 0.3) -> dict:
    """The arrays of a file: a figure that swings its limbs while it travels; joints behind the body turn at random."""
    rng = np.random.default_rng(joints)
    time = np.arange(frames) / fps
    swing = np.sin(2 * np.pi * time * speed / 1.4)
    turns = np.zeros((frames, joints, 3))
    for side, sign in (("left", 1), ("right", -1)):
        turns[:, JOINTS.index(f"{side}_hip"), 0] = -0.45 * sign * swing
        turns[:, JOINTS.index(f"{side}_knee"), 0] = 0.5 * (1 - np.cos(2 * np.pi * time * speed / 1.4 + sign)) / 2
        turns[:, JOINTS.index(f"{side}_shoulder"), 2] = -1.25 * sign
        turns[:, JOINTS.index(f"{side}_elbow"), 1] = -0.3 * sign - 0.1 * swing
    turns[:, JOINTS.index("spine1"), 1] = 0.1 * swing
    turns[:, 22:] = 0.2 * rng.normal(size=(frames, joints - 22, 3))
    upright = Rotation.from_rotvec([np.pi / 2, 0, 0])  # the body's y is the file's z, its front the file's -y
    facing = Rotation.from_rotvec(np.outer(heading + 0.1 * swing, [0, 0, 1]))
    turns[:, 0] = (facing * upright).as_rotvec()
    ahead = np.array([np.sin(heading), -np.cos(heading), 0])
    trans = time[:, None] * speed * ahead + [0, 0, 0.93] + 0.02 * np.abs(swing)[:, None] * [0, 0, 1]
    return {
        "poses": turns.reshape(frames, -1),
        "trans": trans,
        "betas": rng.normal(size=16),
        "mocap_framerate": np.array(fps),
        "gender": np.array("neutral"),
    }


def places(arrays: dict, body: SmplBody | None = None) -> np.ndarray:
    """World positions (T, 24, 3) of the body's joints, z up, by matrices, joint by joint."""
    body = body or average_body()
    turns = arrays["poses"].reshape(len(arrays["trans"]), -1, 3)
    points = np.zeros((len(turns), len(JOINTS), 3))
    world: list[np.ndarray] = []
    for j in range(len(JOINTS)):
        local = Rotation.from_rotvec(turns[:, min(j, turns.shape[1] - 1)]).as_matrix()
        if j == 0:
            points[:, 0] = arrays["trans"] + body.pelvis
            world.append(local)
        else:
            points[:, j] = points[:, PARENTS[j]] + world[PARENTS[j]] @ body.offsets[j]
            world.append(world[PARENTS[j]] @ local)
    return points
