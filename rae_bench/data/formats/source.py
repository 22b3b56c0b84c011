"""What readers of recordings share: complaints that name their place, units, the vertical axis, limits, notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from rae_bench.errors import UserError, unknown
from rae_bench.kinematics import quat
from rae_bench.motion.motion import Motion
from rae_bench.rigs.rig import LARGEST, MAX_JOINTS

__all__ = ["LARGEST", "MAX_JOINTS"]  # and what stands below

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}
MAX_BYTES = 2**31
"""Largest file, and largest array unpacked from one, that is read."""

Up = str | Sequence[float]
Kind = TypeVar("Kind")
_UPS = {"y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0), "-y": (0.0, -1.0, 0.0), "-z": (0.0, 0.0, -1.0)}


@dataclass(frozen=True)
class Note:
    """Something a person should know about a file as it was read.

    Attributes:
        kind: equal for notes of the same sort, so that a folder's can be told as one.
        text: one line.
        size: how bad; the largest of a kind speaks for the folder.
    """

    kind: str
    text: str
    size: float = 0.0


@dataclass(frozen=True, eq=False)
class Take:
    """One recording as its reader gives it: a motion of one clip, on a rig without roles, and what was noticed.

    Attributes:
        spread: joint -> by which share of its length its bone varied, where the file lets bones do that.
    """

    motion: Motion
    notes: tuple[Note, ...] = ()
    spread: Mapping[str, float] = field(default_factory=dict)


class Source:
    """A path that knows how to complain about one of its lines."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fault(self, text: str, line: int | None = None) -> UserError:
        """The error that says what is wrong with this file, and where."""
        return UserError(f"{self.path}:{line}: {text}" if line else f"{self.path}: {text}")

    def read(self) -> bytes:
        """The file's bytes; a missing, empty or monstrous one is refused."""
        try:
            size = self.path.stat().st_size
            if size > MAX_BYTES:
                raise self.fault(f"{size / 2**30:.1f} GiB, more than the {MAX_BYTES / 2**30:.0f} GiB read; split it")
            data = self.path.read_bytes()
        except FileNotFoundError:
            raise self.fault("no such file") from None
        except OSError as error:
            raise self.fault(f"cannot be read ({error.strerror})") from None
        if not data[:4096].strip() and not data.strip():
            raise self.fault("the file is empty; export or download it again")
        return data


def metres_per_unit(unit: str | float) -> float:
    """Metres in one `unit` ("m", "cm", "mm", or already a number of metres)."""
    if isinstance(unit, str):
        try:
            return UNITS[unit.strip().lower()]
        except KeyError:
            raise unknown("unit", unit, [*UNITS, "a number of metres"]) from None
    if not 0 < unit < LARGEST:
        raise UserError(f"unit {unit!r} is not a length; use cm, m, mm or the metres in one unit of the file")
    return float(unit)


def upright(up: Up) -> np.ndarray | None:
    """The shortest turn (4,) that takes the files' vertical axis to +Y; None where it is +Y already.

    Args:
        up: "y", "z", "-y", "-z", or the direction as three numbers.
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


def whole_rate(seconds: float) -> float:
    """Frames per second of a frame's duration, the whole number where it is within 0.02 % of one."""
    fps = 1 / seconds
    return float(round(fps)) if round(fps) and abs(fps / round(fps) - 1) < 2e-4 else fps


def turned(
    turn: np.ndarray | None, offsets: np.ndarray, root_positions: np.ndarray, rotations: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Skeleton and motion in axes turned by `turn` (4,); the axes of every joint turn with the world's.

    Args:
        offsets: (J, 3).
        root_positions: (T, 3).
        rotations: (T, J, 4) local.
    """
    if turn is None:
        return offsets, root_positions, rotations
    vectors = quat.rotate(turn, rotations[..., 1:])
    rotations = np.concatenate([rotations[..., :1], vectors], -1)
    return quat.rotate(turn, offsets), quat.rotate(turn, root_positions), rotations


def decode_json(source: Source, kind: type[Kind]) -> Kind:
    """The file's JSON as a msgspec type; what does not fit it is named by place."""
    data = source.read()
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise source.fault(f"not as expected: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise source.fault(f"not whole JSON ({error}); get the file again") from None
    except RecursionError:
        raise source.fault("JSON nested too deep; this is no recording") from None


def as_length(metres: float) -> str:
    """In words, in the unit that suits its size."""
    size = abs(metres)
    if size >= 1:
        return f"{metres:.3g} m"
    return f"{100 * metres:.3g} cm" if size >= 0.01 else f"{1000 * metres:.2g} mm"


def first_few(names: Sequence[str], count: int = 6) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")
