"""Small folders that are laid out as public sets are: names of files, folders and joints, units, rates, first frames.

The motion is made up: a figure that faces +Z and whose planted feet stay where they are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from helpers import smpl

Joints = list[tuple[str, str | None, tuple[float, float, float]]]
"""Name, parent and offset in metres; parents come first, and children follow them depth first."""

LEG = 0.42
"""Metres of a thigh, and of a shin."""
LEAD = 90
"""Frames in a T-pose before and after every take of 100STYLE."""
ACTIONS = {"FW": 1.2, "FR": 2.4, "BW": -0.8, "ID": 0.0}
"""100STYLE's name of an action -> metres a second."""


def hundred_style(folder: Path, styles: int = 5, seconds: float = 5.0) -> None:
    """Write styles as 100STYLE has them: STYLE/STYLE_ACTION.bvh, cm, 60 fps, T-poses at both ends, Frame_Cuts.csv."""
    joints = _figure("Chest Chest2 Chest3 Chest4 Neck Head", "Collar Shoulder Elbow Wrist", "Hip Knee Ankle Toe", 3)
    names = ("Aeroplane", "Akimbo", "Angry", "Old", "Zombie")[:styles]
    for n, style in enumerate(names):
        (folder / style).mkdir(parents=True)
        for action, speed in ACTIONS.items():
            turns, path = _stride(seconds, 60, speed * (1 - 0.07 * n), n, ("Hip", "Knee", "Ankle", "Shoulder"))
            turns = {name: np.pad(angles, ((LEAD, LEAD), (0, 0))) for name, angles in turns.items()}
            path = np.pad(path, ((LEAD, LEAD), (0, 0)), "edge")
            text = _bvh(joints, turns, path, 100.0, "0.016667", "YXZ")
            (folder / style / f"{style}_{action}.bvh").write_text(text)
    head = "".join(f",{action}_START,{action}_STOP" for action in (*ACTIONS, "TR2"))
    cells = "".join(f",{LEAD},{LEAD + round(60 * seconds)}" for _ in ACTIONS) + ",N/A,N/A"
    (folder / "Frame_Cuts.csv").write_text(
        "\r\n".join(["STYLE_NAME" + head, *(name + cells for name in names)]) + "\r\n"
    )
    (folder / "Dataset_List.csv").write_text("Style Name,Description,Stochastic,Symmetric\r\n")


def cmu(folder: Path, subject: int = 91, takes: int = 6, seconds: float = 5.0, size: float = 1.0) -> None:
    """Write takes of one subject as Hahne's conversion has them: 091/91_01.bvh, 120 fps, a T-pose as first frame."""
    hand = "Shoulder Arm ForeArm Hand FingerBase HandIndex1"
    joints = _figure("LowerBack Spine Spine1 Neck Neck1 Head", hand, "UpLeg Leg Foot ToeBase", 2)
    for side in ("Left", "Right"):
        at = next(k for k, (name, *_) in enumerate(joints) if name == f"{side}HandIndex1")
        joints.insert(at + 1, (f"{side[0]}Thumb", f"{side}Hand", (0.0, 0.0, 0.02)))
        at = next(k for k, (name, *_) in enumerate(joints) if name == f"{side}UpLeg")
        joints[at] = (joints[at][0], f"{side[0]}HipJoint", joints[at][2])
        joints.insert(at, (f"{side[0]}HipJoint", "Hips", (0.0, 0.0, 0.0)))
    joints = [(name, parent, tuple(size * x for x in offset)) for name, parent, offset in joints]  # type: ignore[misc]
    place = folder / f"{subject:03d}"
    place.mkdir(parents=True)
    for n in range(takes):
        turns, path = _stride(seconds, 120, (0.9, 1.4, 2.6)[n % 3] + 0.05 * n, n, ("UpLeg", "Leg", "Foot", "Arm"))
        turns = {name: np.pad(angles, ((1, 0), (0, 0))) for name, angles in turns.items()}
        path = size * np.pad(path, ((1, 0), (0, 0)), "edge")
        text = _bvh(joints, turns, path, 1 / 0.056444, ".0083333", "ZYX")
        (place / f"{subject:02d}_{n + 1:02d}.bvh").write_text(text)


def amass(folder: Path, seconds: float = 5.0) -> None:
    """Write files as AMASS has them: DATASET/SUBJECT/*_poses.npz of SMPL+H, *_stageii.npz of SMPL-X, and shapes."""
    takes = {
        "ACCAD/Male1Walking_c3d/Walk_B10_-_Walk_turn_left_45_poses.npz": (120.0, 1.3, 52),
        "ACCAD/Female1Running_c3d/C3_-_run_poses.npz": (120.0, 2.6, 52),
        "CMU/01/01_01_poses.npz": (60.0, 0.9, 52),
        "CMU/01/01_02_poses.npz": (120.0, 1.1, 52),
        "CMU/02/02_01_poses.npz": (120.0, 1.5, 52),
        "KIT/3/walking_medium04_stageii.npz": (100.0, 1.4, 55),
    }
    for n, (name, (fps, speed, joints)) in enumerate(takes.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = smpl.walk(round(seconds * fps), fps, joints=joints, speed=speed, heading=float(n))
        if "stageii" in name:
            arrays["mocap_frame_rate"] = arrays.pop("mocap_framerate")
            np.savez(path.with_name("neutral_stagei.npz"), betas=np.zeros(16), gender=np.array("neutral"))
        else:
            np.savez(path.with_name("shape.npz"), betas=np.zeros(16), gender=np.array("male"))
        np.savez(path, **arrays)


def _figure(spine: str, arm: str, leg: str, shoulders: int) -> Joints:
    """A standing figure in a T-pose that faces +Z; arms hang on the joint of the spine with this number."""
    trunk = spine.split()
    joints: Joints = [("Hips", None, (0.0, 0.0, 0.0))]
    for k, name in enumerate(trunk):
        joints.append((name, trunk[k - 1] if k else "Hips", (0.0, 0.55 / len(trunk), 0.0)))
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        names = [side + name for name in arm.split()]
        lengths = (0.05, 0.13, 0.28, 0.25, 0.0, 0.08)
        joints += [
            (name, names[k - 1] if k else trunk[shoulders], (sign * length, 0.0, 0.0))
            for k, (name, length) in enumerate(zip(names, lengths, strict=False))
        ]
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        hip, knee, ankle, toe = (side + name for name in leg.split())
        joints += [
            (hip, "Hips", (0.09 * sign, -0.05, 0.0)),
            (knee, hip, (0.0, -LEG, 0.0)),
            (ankle, knee, (0.0, -LEG, 0.0)),
            (toe, ankle, (0.0, -0.06, 0.13)),
        ]
    return joints


def _stride(
    seconds: float, fps: float, speed: float, take: int, names: tuple[str, str, str, str]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Turns of joints in degrees (T, 3) about z, y and x, and the path (T, 3) in metres.

    Args:
        seconds: how long.
        fps: frames per second.
        speed: metres a second.
        take: a number that tells takes apart: by how the arms hang and where the figure goes.
        names: of hip, knee, ankle and shoulder, without the side.
    """
    hip, knee, ankle, shoulder = names
    time = np.arange(round(seconds * fps)) / fps
    cadence, duty = (1.4, 0.4) if abs(speed) > 2 else (0.9 + 0.03 * take, 0.6)
    height = 2 * LEG - 0.05 + 0.01 * np.cos(4 * np.pi * cadence * time)
    turns = {}
    for side, sign, lag in (("Left", 1.0, 0.0), ("Right", -1.0, 0.5)):
        number, phase = np.divmod(cadence * time + lag, 1)
        swing = np.clip((phase - duty) / (1 - duty), 0, 1)
        ahead = (number + duty / 2 - lag + (1 - np.cos(np.pi * swing)) / 2) * speed / cadence - speed * time
        down = height - (0.1 * np.sin(np.pi * swing) if speed else 0)
        bend = np.arccos(np.clip(np.hypot(ahead, down) / (2 * LEG), 0, 1))
        thigh = -(np.arctan2(ahead, down) + bend)
        nothing = np.zeros_like(time)
        for name, angle in ((hip, thigh), (knee, 2 * bend), (ankle, -thigh - 2 * bend)):
            turns[side + name] = np.degrees(np.stack([nothing, nothing, angle], -1))
        arm = 20 * np.sin(2 * np.pi * (cadence * time + lag)) * (0.4 + abs(speed)) / 2
        turns[side + shoulder] = np.stack([nothing - sign * (80 - 12 * take), arm, nothing], -1)
    turns["Hips"] = np.stack([nothing, nothing + 40 * take, nothing], -1)
    way = np.array([np.sin(np.radians(40 * take)), 0, np.cos(np.radians(40 * take))])
    path = (speed * time)[:, None] * way + np.stack([nothing, height + 0.05 + 0.06, nothing], -1)
    return turns, path


def _bvh(joints: Joints, turns: dict[str, np.ndarray], path: np.ndarray, scale: float, time: str, order: str) -> str:
    """The text of a file: lengths in 1/`scale` metres, rotations in the order of these axes."""
    depth: dict[str | None, int] = {None: -1}
    lines, open_ = ["HIERARCHY"], 0
    parents = {parent for _, parent, _ in joints}
    for name, parent, offset in joints:
        depth[name] = depth[parent] + 1
        lines += ["}"] * (open_ - depth[name])
        open_ = depth[name] + 1
        place = " ".join(f"{scale * x:.5f}" for x in offset)
        lines += [f"{'JOINT' if parent else 'ROOT'} {name}", "{", f"OFFSET {place}"]
        channels = "3" if parent else "6 Xposition Yposition Zposition"
        lines.append(f"CHANNELS {channels} " + " ".join(f"{axis}rotation" for axis in order))
        if name not in parents:
            lines += ["End Site", "{", f"OFFSET 0 0 {scale * 0.03:.5f}", "}"]
    lines += ["}"] * open_
    columns = [scale * path]
    for name, *_ in joints:
        columns.append(turns.get(name, np.zeros_like(path))[:, ["ZYX".index(axis) for axis in order]])
    rows = [" ".join(f"{x:.4f}" for x in row) for row in np.concatenate(columns, 1)]
    return "\n".join([*lines, "MOTION", f"Frames: {len(rows)}", f"Frame Time: {time}", *rows]) + "\n"
