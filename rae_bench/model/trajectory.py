"""Generated motion, and the one place that says what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rae_bench.errors import UserError

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion

UNIT_TOLERANCE = 0.01
"""How far from 1 the length of a quaternion that a model generates may be."""


@dataclass(frozen=True)
class TrajectoryFault:
    """What is wrong with a trajectory.

    Attributes:
        kind: `type`, `shape`, `finite`, `far` or `unit`.
        array: `root_positions` or `rotations`.
        text: the fault in words, as what was given: "rotations that are not finite, ...".
        place: clip and frame, of a rotation also the joint, where the fault is met first; () for types and shapes.
    """

    kind: str
    array: str
    text: str
    place: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Generated motion: the frames after the history only.

    Attributes:
        root_positions: (S, N, T, 3) metres, world.
        rotations: (S, N, T, J, 4) local unit quaternions (w, x, y, z).
    """

    root_positions: np.ndarray
    rotations: np.ndarray

    def __repr__(self) -> str:
        samples, clips, frames, joints = self.rotations.shape[:4]
        some = f"{samples} sample{'s' * (samples != 1)} of {clips} clip{'s' * (clips != 1)}"
        return f"Trajectory({some}, {frames} frames, {joints} joints)"

    @classmethod
    def of(cls, motion: Motion) -> Trajectory:
        """Return the whole of a motion as one sample."""
        return cls(motion.root_positions[None], motion.rotations[None])

    def spread(self, clips: int, frames: int) -> Trajectory:
        """Return room for more clips and frames with as many samples and joints: roots at 0, nothing turned."""
        samples, joints = self.rotations.shape[0], self.rotations.shape[3]
        turns = np.zeros((samples, clips, frames, joints, 4), np.float32)
        turns[..., 0] = 1
        return Trajectory(np.zeros((samples, clips, frames, 3), np.float32), turns)

    @classmethod
    def checked(cls, given: Any, giver: str, **expected: Any) -> Trajectory:
        """What was given, if it is the motion that is expected.

        Args:
            given: anything; a trajectory, if all is well.
            giver: how a complaint begins, for instance `model 'fe': generate gave`.
            expected: what is expected, as of `trajectory_fault`.

        Raises:
            UserError: something is wrong with it.
        """
        fault = trajectory_fault(given, **expected)
        if fault is not None:
            raise UserError(f"{giver} {fault.text}")
        return cls(given.root_positions, given.rotations)


def trajectory_fault(
    trajectory: Any,
    *,
    samples: int | None = None,
    clips: int | None = None,
    frames: int | None = None,
    joints: int | None = None,
    lengths: np.ndarray | None = None,
    single_precision: bool = True,
    unit_tolerance: float | None = None,
    farthest: float | None = None,
) -> TrajectoryFault | None:
    """The first fault of a trajectory; None if it has none.

    Types and shapes come first, then finiteness, then distance, then the length of quaternions.

    Args:
        trajectory: anything; what a model gives may lack an array.
        samples, clips, frames, joints: S, N, T and J that are asked for; None takes what `root_positions` has (for the
            joints what `rotations` has).
        lengths: (N,) how many frames of each clip count; None for all.
        single_precision: whether arrays must be numpy arrays of float32; else anything with a shape will do.
        unit_tolerance: how far from 1 the length of a quaternion may be; None does not look.
        farthest: metres from the origin that a root may be along an axis; None does not look.
    """
    arrays: dict[str, Any] = {name: getattr(trajectory, name, None) for name in ("root_positions", "rotations")}
    for name, array in arrays.items():
        if single_precision and (not isinstance(array, np.ndarray) or array.dtype != np.float32):
            found = f"{array.dtype} array" if isinstance(array, np.ndarray) else type(array).__name__
            return TrajectoryFault("type", name, f"{name} as {found}; a numpy float32 array is needed")
    wanted: tuple[int | None, ...] = (samples, clips, frames)
    for name, tail in (("root_positions", (3,)), ("rotations", (joints, 4))):
        shape = np.shape(arrays[name])
        fits = len(shape) == len(wanted) + len(tail)
        if not fits or any(w not in (None, s) for w, s in zip((*wanted, *tail), shape, strict=True)):
            letters = ("S", "N", "T", *(("J",) if len(tail) > 1 else ()), tail[-1])
            text = ", ".join(str(a if w is None else w) for a, w in zip(letters, (*wanted, *tail), strict=True))
            return TrajectoryFault("shape", name, f"{name} of shape {shape}; (S, N, T, ...) = ({text}) is needed")
        wanted = shape[:3]
    return next(_value_faults(Trajectory(**arrays), lengths, unit_tolerance, farthest), None)


def _value_faults(
    trajectory: Trajectory, lengths: np.ndarray | None, unit_tolerance: float | None, farthest: float | None
) -> Iterator[TrajectoryFault]:
    """Faults of the numbers within the clips' lengths."""
    count, frames = np.shape(trajectory.root_positions)[1:3]
    real = np.arange(frames) < (np.full(count, frames) if lengths is None else np.asarray(lengths))[:, None]

    def place_of(bad: np.ndarray) -> tuple[int, ...]:
        """Clip, frame and so on where an array (S, N, T, ...) of bool is first true, the first clip first."""
        places = np.argwhere(bad & real.reshape(*real.shape, *[1] * (bad.ndim - 3)))[:, 1:]
        return tuple(min(places.tolist()))

    for name in ("root_positions", "rotations"):
        bad = ~np.isfinite(getattr(trajectory, name)).all(-1)
        if bad[:, real].any():
            place = place_of(bad)
            text = f"{name} that are not finite, in clip {place[0]} from frame {place[1]} on"
            yield TrajectoryFault("finite", name, text, place)
    if farthest is not None:
        bad = (np.abs(trajectory.root_positions) > farthest).any(-1)
        if bad[:, real].any():
            place = place_of(bad)
            text = f"root_positions more than {farthest:g} m away, in clip {place[0]} from frame {place[1]} on"
            yield TrajectoryFault("far", "root_positions", text, place)
    if unit_tolerance is not None:
        with np.errstate(over="ignore"):
            off = np.abs(np.linalg.norm(trajectory.rotations, axis=-1) - 1)
        bad = off > unit_tolerance
        if bad[:, real].any():
            place = place_of(bad)
            where = f"in clip {place[0]}, frame {place[1]}, joint {place[2]}"
            most = f"a length is off by {off[:, real].max():.2g}"
            text = f"rotations that are not unit quaternions (w, x, y, z), {where}: {most}"
            yield TrajectoryFault("unit", "rotations", text, place)
