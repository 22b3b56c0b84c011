"""A folder of walks that tests import."""

from __future__ import annotations

import numpy as np

from rae_bench.data.importing.recipe import Recipe

XYZ = "Xposition Yposition Zposition"


ZXY = "Zrotation Xrotation Yrotation"


THIGH, SHIN = 45.0, 45.0


JOINTS = [  # name, depth, offset in cm; the figure faces +X in the file
    ("Hips", 0, (0, 0, 0)),
    ("Head", 1, (0, 60, 0)),
    ("LeftHand", 1, (0, 0, -30)),
    ("RightHand", 1, (0, 0, 30)),
    ("LeftLeg", 1, (0, 0, -10)),
    ("LeftFoot", 2, (0, -THIGH, 0)),
    ("LeftToe", 3, (0, -SHIN, 0)),
    ("RightLeg", 1, (0, 0, 10)),
    ("RightFoot", 2, (0, -THIGH, 0)),
    ("RightToe", 3, (0, -SHIN, 0)),
]


LEAVES = ("Head", "LeftHand", "RightHand", "LeftToe", "RightToe")


TABLE = {
    "contact_joints": ["LeftToe", "RightToe"],
    "roles": {
        "pelvis": "Hips",
        "head": "Head",
        "left_hand": "LeftHand",
        "right_hand": "RightHand",
        "left_foot": "LeftFoot",
        "right_foot": "RightFoot",
    },
}


RECIPE = Recipe.from_table(TABLE)


def header(end: float = 0.0, head: float = 60.0, rename: tuple[str, str] = ("", "")) -> str:
    lines, depth = ["HIERARCHY"], -1
    for name, level, offset in JOINTS:
        while depth >= level:
            lines.append("}")
            depth -= 1
        depth = level
        height = head if name == "Head" else offset[1]
        shown = rename[1] if name == rename[0] else name
        lines += [f"{'JOINT' if level else 'ROOT'} {shown}", "{", f"OFFSET {offset[0]} {height} {offset[2]}"]
        lines.append(f"CHANNELS {3 if level else 6} {'' if level else XYZ} {ZXY}")
        if name in LEAVES:
            lines += ["End Site", "{", f"OFFSET 0 {end} 0", "}"]
    return "\n".join([*lines, *["}"] * (depth + 1)]) + "\n"


def walk(seconds: float, fps: int, speed: float = 60.0, floor: float = 0.0) -> str:
    """A stiff-hipped walk along +X: the first second stands; stance feet are planted, swinging ones lifted by 12 cm.

    Its two-bone legs are solved in the plane of the walk; each foot stands for 0.6 of a 1 s stride.
    """
    rows = []
    hips = THIGH + SHIN - 4
    stride = speed * 1.0
    for frame in range(round(seconds * fps)):
        time = frame / fps
        distance = speed * max(0.0, time - 1)
        row = [f"{distance:.6f} {hips + floor:.6f} 0 0 0 0", "0 0 0", "0 0 0", "0 0 0"]
        for shift in (0.0, 0.5):
            phase = max(0.0, time - 1) + shift
            step, part = divmod(phase, 1.0)
            start = (step - shift + 0.3) * stride
            x, y = start, 0.0
            if part > 0.6:
                swing = (part - 0.6) / 0.4
                x, y = start + stride * swing, 12 * np.sin(np.pi * swing)
            if time <= 1:
                x, y = (0.0, 0.0)
            dx, dy = np.clip(x - distance, -60, 60), y - hips
            reach = min(np.hypot(dx, dy), THIGH + SHIN - 1e-3)
            bend = np.arccos(reach / (THIGH + SHIN))
            hip = np.arctan2(dx, -dy) + bend
            row += [f"{np.degrees(hip):.6f} 0 0", f"{np.degrees(-2 * bend):.6f} 0 0", "0 0 0"]
        rows.append(" ".join(row))
    return f"MOTION\nFrames: {len(rows)}\nFrame Time: {1 / fps:.7f}\n" + "\n".join(rows) + "\n"
