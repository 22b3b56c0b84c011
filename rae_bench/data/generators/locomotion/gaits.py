"""Gaits: how a body of two, four or six legs moves, and the cells of gait, speed and turn that its clips fill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Gait:
    """How a body moves at one gait; lengths in leg lengths, angles in degrees, phases in cycles.

    Attributes:
        touchdowns: role -> phase at which that foot comes down.
        duty: share of the cycle that a foot stands.
        speeds: Froude speeds called slow, medium and fast.
        stride: travel of the body in one cycle at the medium speed; it grows with the root of the speed.
        lift: height of the swinging foot.
        heel: pitch of the foot around lift-off.
        toe: how far the toes are raised before touch-down.
        bob: rise of the pelvis in the middle of a stance; negative where it falls, as in running.
        sway: sideways travel of the pelvis.
        yaw: turn of the pelvis.
        roll: sideways tilt of the pelvis.
        pitch: forward tilt of the pelvis.
        lean: forward tilt of the trunk.
        arm: swing of the arms.
        elbow: bend of the elbows.
        width: distance of the feet from the midline, as a share of that at rest.
        behind: how far the feet stand behind their rest place.
        swept: whether clips keep to these numbers: constant speed, straight ahead, and feet that fly along cycloids.
    """

    touchdowns: Mapping[str, float]
    duty: float
    speeds: tuple[float, float, float]
    stride: float
    lift: float
    heel: float = 0
    toe: float = 0
    bob: float = 0.015
    sway: float = 0.02
    yaw: float = 0
    roll: float = 0
    pitch: float = 0
    lean: float = 0
    arm: float = 0
    elbow: float = 0
    width: float = 1
    behind: float = 0
    swept: bool = False


SPEEDS = ("slow", "medium", "fast")
"""Names of a gait's three speeds."""
TURNS = {"straight": 0.0, "left": 0.09, "right": -0.09, "sharp-left": 0.2, "sharp-right": -0.2}
"""Turn rate over sqrt(g / leg length); a left turn is positive."""
FEW = ("straight", "left", "right")
"""Turns of gaits that have fewer cells."""

_BIPED = {"left_foot": 0.0, "right_foot": 0.5}
_LATERAL = {"left_foot": 0.0, "left_hand": 0.25, "right_foot": 0.5, "right_hand": 0.75}
_DIAGONAL = {"left_foot": 0.0, "right_hand": 0.0, "right_foot": 0.5, "left_hand": 0.5}
_SIDES = {"left_foot": 0.0, "left_hand": 0.03, "right_foot": 0.5, "right_hand": 0.53}
_TRIPODS = dict.fromkeys(("left_foot", "right_mid", "left_hand"), 0.0) | dict.fromkeys(
    ("right_foot", "left_mid", "right_hand"), 0.5
)
_WAVE = {
    f"{side}_{part}": start + after
    for side, start in (("left", 0.0), ("right", 0.5))
    for part, after in (("foot", 0.0), ("mid", 1 / 6), ("hand", 1 / 3))
}
# fmt: off
GAITS: dict[int, dict[str, Gait]] = {  # by number of legs
    2: {
        "walk": Gait(_BIPED, duty=0.6, speeds=(0.22, 0.33, 0.44), stride=1.08, lift=0.09, heel=34, toe=14, bob=0.01,
                     sway=0.022, yaw=6, roll=3, lean=2, arm=20, elbow=14, width=0.8, behind=0.08),
        "run": Gait(_BIPED, duty=0.33, speeds=(0.65, 0.82, 1.0), stride=1.75, lift=0.2, heel=58, toe=8, bob=-0.03,
                    sway=0.01, yaw=8, roll=4, lean=9, arm=30, elbow=72, width=0.5, behind=0.1),
    },
    4: {
        "walk": Gait(_LATERAL, duty=0.66, speeds=(0.22, 0.32, 0.42), stride=1.0, lift=0.11, heel=34, bob=0.008,
                     sway=0.02, yaw=4, roll=2.5, pitch=1.2, width=0.85),
        "trot": Gait(_DIAGONAL, duty=0.44, speeds=(0.5, 0.62, 0.76), stride=1.3, lift=0.11, heel=36, bob=-0.018,
                     sway=0.006, yaw=2, roll=1.5, pitch=0.7, width=0.75),
        "pace": Gait(_SIDES, duty=0.46, speeds=(0.45, 0.53, 0.62), stride=1.2, lift=0.11, heel=36, bob=-0.012,
                     sway=0.035, yaw=2, roll=4, pitch=0.6, width=0.8),
    },
    6: {
        "tripod": Gait(_TRIPODS, duty=0.56, speeds=(0.16, 0.24, 0.32), stride=0.95, lift=0.22, bob=-0.012,
                       sway=0.015, yaw=2, roll=1.5),
        "walk": Gait(_WAVE, duty=0.76, speeds=(0.08, 0.12, 0.16), stride=0.72, lift=0.2, bob=0.006,
                     sway=0.012, yaw=1.5, roll=1, pitch=1),
    },
}
"""Gaits by number of legs and by name."""
# fmt: on


@dataclass(frozen=True)
class GaitCell:
    """A group of clips.

    Attributes:
        group: its name.
        action: what its clips do.
        gait: how the body moves.
        before: Froude speed before the change; 0 stands.
        after: Froude speed after the change.
        turn: turn rate over sqrt(g / leg length).
    """

    group: str
    action: str
    gait: Gait
    before: float
    after: float
    turn: float


def gait_cells(gaits: Mapping[str, Gait]) -> list[GaitCell]:
    """Return all cells of the gaits of a number of legs, 48 in all."""
    names, cells = list(gaits), []
    for i, (name, gait) in enumerate(gaits.items()):
        turns = TURNS if i == 0 or len(names) == 2 else FEW
        speeds = gait.speeds if i < 2 else gait.speeds[::2]
        for speed in speeds:
            for turn in turns:
                label = SPEEDS[gait.speeds.index(speed)]
                cells.append(GaitCell(f"{name}/{label}/{turn}", name, gait, speed, speed, TURNS[turn]))
    # The gaits that start, stop and change: the first for all, and the second where there are more than two.
    for name in names[:2]:
        gait = gaits[name]
        slow, medium, fast = gait.speeds
        for turn in FEW:
            rate = TURNS[turn]
            cells.append(GaitCell(f"start-{name}/medium/{turn}", "start", gait, 0, medium, rate))
            cells.append(GaitCell(f"stop-{name}/medium/{turn}", "stop", gait, medium, 0, rate))
            if name == names[0]:
                cells.append(GaitCell(f"{name}-faster/slow-to-fast/{turn}", "speed-change", gait, slow, fast, rate))
                cells.append(GaitCell(f"{name}-slower/fast-to-slow/{turn}", "speed-change", gait, fast, slow, rate))
    return cells


def gait_cell_names() -> tuple[str, ...]:
    """Return the names of the cells of all bodies, each once; cells of one gait follow one another."""
    cells = (cell.group for gaits in GAITS.values() for cell in gait_cells(gaits))
    return tuple(sorted(dict.fromkeys(cells), key=lambda name: name.partition("/")[0]))
