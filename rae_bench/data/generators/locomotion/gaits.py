"""Gaits: how a body of two, four or six legs moves."""

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
        bob: rise of the pelvis in the middle of a stance; gaits with a flight follow gravity instead.
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
                    sway=0.01, yaw=8, roll=4, lean=9, arm=30, elbow=72, width=0.6, behind=0.1),
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
