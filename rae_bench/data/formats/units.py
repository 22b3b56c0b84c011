"""Units, vertical axes and frame rates of files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rae_bench.errors import UserError, unknown
from rae_bench.kinematics import quat
from rae_bench.rigs.rig import LARGEST

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}
"""Metres in each unit that has a name."""
_SPELLINGS = {
    **dict.fromkeys(("meter", "meters", "metre", "metres"), 1.0),
    **dict.fromkeys(("centimeter", "centimeters", "centimetre", "centimetres"), 0.01),
    **dict.fromkeys(("millimeter", "millimeters", "millimetre", "millimetres"), 0.001),
    **dict.fromkeys(("inch", "inches", "in"), 0.0254),
    **dict.fromkeys(("foot", "feet", "ft"), 0.3048),
}

Up = str | Sequence[float]
"""The vertical axis of a file: "y", "z", "-y", "-z", or a direction as three numbers."""
_UPS = {"y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0), "-y": (0.0, -1.0, 0.0), "-z": (0.0, 0.0, -1.0)}


def metres_per_unit(unit: str | float) -> float:
    """Return the metres in one unit of a file.

    Args:
        unit: "m", "cm", "mm", or already a number of metres.

    Raises:
        UserError: The unit has no such name, or is no length.
    """
    if isinstance(unit, str):
        try:
            return {**UNITS, **_SPELLINGS}[unit.strip().lower()]
        except KeyError:
            raise unknown("unit", unit, [*UNITS, "inch", "a number of metres"]) from None
    if not 0 < unit < LARGEST:
        raise UserError(f"unit {unit!r} is not a length; use cm, m, mm or the metres in one unit of the file")
    return float(unit)


def upright(up: Up) -> np.ndarray | None:
    """Return the shortest turn (4,) that takes a file's vertical axis to +Y, or None where it is +Y already.

    Raises:
        UserError: `up` is no axis and no direction.
    """
    if isinstance(up, str):
        if up not in _UPS:
            raise UserError(f"up axis '{up}'; use y or z (or -y, -z, or three numbers)")
        axis = np.array(_UPS[up])
    else:
        axis = np.asarray(up, np.float64)
        if axis.shape != (3,) or not (np.abs(axis) < LARGEST).all() or np.linalg.norm(axis) < 1e-6:
            raise UserError(f"up axis {list(up)} is not a direction; use y, z, -y, -z or three numbers")
    if axis[1] > 0 and not axis[[0, 2]].any():
        return None
    return quat.between(axis, np.array([0.0, 1.0, 0.0]))


def turn_axes(
    turn: np.ndarray | None, offsets: np.ndarray, root_positions: np.ndarray, rotations: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a skeleton and its motion in axes turned by `turn`; the axes of every joint turn with the world's.

    Args:
        turn: (4,) as `upright` gives it; None changes nothing.
        offsets: (J, 3).
        root_positions: (T, 3).
        rotations: (T, J, 4) local.

    Returns:
        Offsets, root positions and rotations, in the shapes that were given.
    """
    if turn is None:
        return offsets, root_positions, rotations
    vectors = quat.rotate(turn, rotations[..., 1:])
    rotations = np.concatenate([rotations[..., :1], vectors], -1)
    return quat.rotate(turn, offsets), quat.rotate(turn, root_positions), rotations


SLOWEST, FASTEST = 4.0, 2000.0
"""Frames per second of recordings of motion."""
COMMON_RATES = (15, 20, 23.976, 24, 25, 29.97, 30, 48, 50, 59.94, 60, 72, 90, 100, 119.88, 120, 144, 200, 240, 250)
"""Frames per second at which recordings are made."""


def rate_doubt(fps: float) -> str:
    """Return why a frame rate is hardly that of a recording, and what was probably meant; "" where nothing is odd."""
    if SLOWEST <= fps <= FASTEST:
        return ""

    def common(rate: float) -> float | None:
        near = min(COMMON_RATES, key=lambda known: abs(known / rate - 1))
        return near if abs(near / rate - 1) < 0.006 else None

    seconds = 1 / fps
    text = f"its frames last {seconds:.4g} s ({fps:.4g} fps)"
    for rate, meaning in (
        (seconds, "frames per second in place of seconds"),
        (1000 * fps, "milliseconds in place of seconds"),
        (fps / 1000, "seconds that were divided by 1000"),
    ):
        if (likely := common(rate)) is not None:
            return f"{text}; {meaning}? --recorded-fps {likely:g} reads it so"
    unknown_rate = ", which tools write that do not know the rate" if abs(seconds - 1) < 1e-3 else ""
    return f"{text}{unknown_rate}; say the rate with --recorded-fps, such as --recorded-fps 30"


def rounded_rate(seconds: float) -> float:
    """Return the frames per second of frames that last `seconds`: a whole number where it is within 0.02 % of one."""
    fps = 1 / seconds
    return float(round(fps)) if round(fps) and abs(fps / round(fps) - 1) < 2e-4 else fps
