"""Figures whose BVH text is written here, and whose joints are placed by scipy, for tests of what exporters do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

ZXY = "Zrotation Xrotation Yrotation"
XYZ = "Xposition Yposition Zposition"
Joint = tuple[str, str, tuple[float, float, float]]
"""Name, name of the parent, offset in centimetres; "" is the parent of the root."""


def both_sides(*joints: Joint) -> list[Joint]:
    """Joints of the left side, and the same of the right."""
    right = [
        (name.replace("Left", "Right").replace("L_", "R_"), parent.replace("Left", "Right").replace("L_", "R_"),
         (-x, y, z))
        for name, parent, (x, y, z) in joints
    ]  # fmt: skip
    return [*joints, *right]


MAN: list[Joint] = [
    ("Hips", "", (0, 91, 0)),
    ("Spine", "Hips", (0, 12, 0)),
    ("Chest", "Spine", (0, 21, 0)),
    ("Neck", "Chest", (0, 17, 0)),
    ("Head", "Neck", (0, 11, 2)),
    *both_sides(
        ("LeftArm", "Chest", (17, 13, 0)),
        ("LeftForeArm", "LeftArm", (27, 0, 0)),
        ("LeftHand", "LeftForeArm", (24, 0, 0)),
        ("LeftUpLeg", "Hips", (9, -3, 0)),
        ("LeftLeg", "LeftUpLeg", (0, -41, 0)),
        ("LeftFoot", "LeftLeg", (0, -40, 0)),
        ("LeftToe", "LeftFoot", (0, -6, 13)),
    ),
]
MAN_ENDS: dict[str, tuple[float, float, float]] = {
    "Head": (0, 18, 0), "LeftHand": (9, 0, 0), "RightHand": (-9, 0, 0), "LeftToe": (0, 0, 6), "RightToe": (0, 0, 6)
}  # fmt: skip
SWING = {
    **{"LeftUpLeg": 30, "RightUpLeg": -30, "LeftArm": -25, "RightArm": 25, "Spine": 4},
    **{"L_Thigh": 25, "R_Thigh": -25},
}
"""Degrees about x by which a joint swings within a stride."""


@dataclass(frozen=True)
class Figure:
    """A figure and its motion, in centimetres and degrees.

    Attributes:
        joints: parents first.
        ends: joint -> offset of its End Site.
        root: (T, 3).
        angles: (T, J, 3) about z, x, y in turn.
        places: joint -> (T, 3), position channels of joints below the root.
        fps: frames per second.
    """

    joints: Sequence[Joint]
    ends: Mapping[str, tuple[float, float, float]]
    root: np.ndarray
    angles: np.ndarray
    places: Mapping[str, np.ndarray]
    fps: float = 30

    def world(self) -> dict[str, np.ndarray]:
        """Joint -> (T, 3) metres, by scipy's rotations; position channels are places in the parent."""
        turns: dict[str, Rotation] = {}
        found: dict[str, np.ndarray] = {}
        for j, (name, parent, offset) in enumerate(self.joints):
            own = Rotation.from_euler("ZXY", self.angles[:, j], degrees=True)
            if not parent:
                turns[name], found[name] = own, self.root
                continue
            local = self.places.get(name, np.tile(offset, (len(self.root), 1)))
            found[name] = found[parent] + turns[parent].apply(local)
            turns[name] = turns[parent] * own
        return {name: place / 100 for name, place in found.items()}

    def text(self, frames: int | None = None, time: str | None = None) -> str:
        """The BVH file."""
        lines = ["HIERARCHY"]
        columns: list[np.ndarray] = []

        def walk(j: int, depth: int) -> None:
            name, parent, offset = self.joints[j]
            lead = "\t" * depth
            six = not parent or name in self.places
            lines.extend([f"{lead}{'JOINT' if parent else 'ROOT'} {name}", f"{lead}{{"])
            lines.append(f"{lead}\tOFFSET {' '.join(f'{v:.4f}' for v in offset)}")
            lines.append(f"{lead}\tCHANNELS {f'6 {XYZ} {ZXY}' if six else f'3 {ZXY}'}")
            if six:
                columns.append(self.places[name] if parent else self.root)
            columns.append(self.angles[:, j])
            for child, each in enumerate(self.joints):
                if each[1] == name:
                    walk(child, depth + 1)
            if name in self.ends:
                end = " ".join(f"{v:.4f}" for v in self.ends[name])
                lines.extend([f"{lead}\tEnd Site", f"{lead}\t{{", f"{lead}\t\tOFFSET {end}", f"{lead}\t}}"])
            lines.append(f"{lead}}}")

        walk(0, 0)
        count, seconds = frames or len(self.root), time or f"{1 / self.fps:.6f}"
        rows = [" ".join(f"{v:.5f}" for v in row) for row in np.concatenate(columns, 1)]
        return "\n".join([*lines, "MOTION", f"Frames: {count}", f"Frame Time: {seconds}", *rows, ""])

    def called(self, names: Mapping[str, str]) -> Figure:
        """The same figure with other names of joints."""
        joints = [(names.get(name, name), names.get(parent, parent), at) for name, parent, at in self.joints]
        return replace(self, joints=joints, ends={names.get(name, name): at for name, at in self.ends.items()})


def walking(
    joints: Sequence[Joint] = MAN,
    ends: Mapping[str, tuple[float, float, float]] | None = None,
    *,
    seconds: float = 5,
    speed: float = 110,
    scale: float = 1,
    seed: int = 0,
) -> Figure:
    """A figure that goes along +Z with swinging limbs, wandering a little, in its own way for each seed."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(30 * seconds)) / 30
    rate = 1 + 0.1 * rng.uniform(-1, 1)
    wander = sum(np.sin(2 * np.pi * (rng.uniform(0.1, 0.4) * time + rng.uniform())) for _ in range(3))
    angles = np.zeros((len(time), len(joints), 3))
    for j, (name, _, _) in enumerate(joints):
        angles[:, j, 1] = SWING.get(name, 0) * np.sin(2 * np.pi * rate * time) + 2 * wander * (name in SWING)
        if name in ("LeftLeg", "RightLeg"):
            angles[:, j, 1] = 20 + 20 * np.sin(2 * np.pi * rate * time + (1 if name == "LeftLeg" else 4))
        if name == "Head":
            angles[:, j, 2] = 10 * wander
    angles[:, 0, 2] = 5 * wander
    high = joints[0][2][1] * scale
    root = np.stack([3 * wander, high + np.sin(4 * np.pi * rate * time), speed * time], -1) * [scale, 1, scale]
    sized = [(name, parent, tuple(scale * v for v in at)) for name, parent, at in joints]
    tips = {name: tuple(scale * v for v in at) for name, at in (MAN_ENDS if ends is None else ends).items()}
    return Figure(sized, tips, root, angles, {})  # type: ignore[arg-type]


def mirrored(figure: Figure) -> Figure:
    """The mirror image: left and right change places, x its sign, and the turns about y and z theirs."""
    names = [name for name, _, _ in figure.joints]

    def other(name: str) -> str:
        return name.replace("Left", "?").replace("Right", "Left").replace("?", "Right")

    pick = [names.index(other(name)) for name in names]
    return replace(figure, root=figure.root * [-1, 1, 1], angles=figure.angles[:, pick] * [-1, 1, -1])
