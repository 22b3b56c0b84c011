"""What is wrong with a trajectory, an input or a saved file, in words. The text is empty where nothing is wrong."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rae_bench.files import LARGEST, read_bytes
from rae_bench.model.api import Prompt
from rae_bench.model.trajectory import UNIT_TOLERANCE, Trajectory, TrajectoryFault, trajectory_fault
from rae_bench.motion.motion import Motion

SUFFIXES = (".npz", ".npy", ".safetensors", ".json", ".toml", ".csv", ".txt")
"""Endings that a saved file may have."""


def shape_fault(trajectory: Any, prompt: Prompt, samples: int = 1) -> str:
    """Wrong types or shapes."""
    fault = _first_fault(trajectory, prompt, samples)
    return f"generate gave {fault.text}" if fault is not None and fault.kind != "finite" else ""


def unit_fault(trajectory: Trajectory, prompt: Prompt) -> str:
    """Rotations within the clips' frames that are not unit quaternions."""
    fault = _first_fault(trajectory, prompt, unit_tolerance=UNIT_TOLERANCE)
    return f"generate gave {fault.text}" if fault is not None and fault.kind == "unit" else ""


def finite_fault(trajectory: Trajectory, prompt: Prompt) -> str:
    """NaN or infinity within the clips' frames."""
    fault = _first_fault(trajectory, prompt)
    if fault is None or fault.kind != "finite":
        return ""
    return f"{fault.array} of clip {fault.place[0]} are not finite from generated frame {fault.place[1]} on"


def fault_of(trajectory: Trajectory, prompt: Prompt) -> str:
    """Wrong types, wrong shapes, NaN or infinity."""
    return shape_fault(trajectory, prompt) or finite_fault(trajectory, prompt)


def _first_fault(
    trajectory: Any, prompt: Prompt, samples: int = 1, unit_tolerance: float | None = None
) -> TrajectoryFault | None:
    return trajectory_fault(
        trajectory,
        samples=samples,
        clips=len(prompt.frames),
        frames=int(prompt.frames.max()),
        joints=len(prompt.rig),
        lengths=prompt.frames,
        unit_tolerance=unit_tolerance,
    )


def gap_between(a: Trajectory, b: Trajectory, frames: np.ndarray) -> tuple[float, str]:
    """The largest difference over each clip's first frames (N,), in metres or radians, and where it is."""
    if a.root_positions.shape != b.root_positions.shape or a.rotations.shape != b.rotations.shape:
        return np.inf, f"the shapes differ: {a.rotations.shape} and {b.rotations.shape}"
    valid = np.arange(a.rotations.shape[2]) < frames[:, None]
    worst, where = 0.0, ""
    # The check `finite` complains about what is not finite; here it counts as zero.
    p, q, root_a, root_b = (
        np.nan_to_num(x.astype(float)) for x in (a.rotations, b.rotations, a.root_positions, b.root_positions)
    )
    chord = np.minimum(np.linalg.norm(p - q, axis=-1), np.linalg.norm(p + q, axis=-1))
    for gap, unit in (
        (np.linalg.norm(root_a - root_b, axis=-1), "m at the root"),
        (4 * np.arcsin(np.minimum(chord / 2, 1)).max(-1), "rad at a joint"),
    ):
        gap = np.where(valid, gap, 0)
        if gap.max(initial=0) > worst:
            worst = float(gap.max())
            _, clip, frame = np.unravel_index(gap.argmax(), gap.shape)
            where = f"clip {clip}, generated frame {frame}: {worst:.3g} {unit}"
    return worst, where


def arrays_of(value: Any, path: str) -> dict[str, np.ndarray]:
    """Every array within a dataclass, by its path.

    Of a motion these are the derived world transforms too, which it keeps once they have been asked for.
    """
    if isinstance(value, np.ndarray):
        return {path: value}
    found: dict[str, np.ndarray] = {}
    if is_dataclass(value):
        for field in fields(value):
            found |= arrays_of(getattr(value, field.name), f"{path}.{field.name}")
    if isinstance(value, Motion) and len(value):
        found |= {f"{path}.positions": value.positions, f"{path}.global_rotations": value.global_rotations}
    return found


def copies_of(value: Any, path: str) -> dict[str, np.ndarray]:
    """The same, copied."""
    return {name: array.copy() for name, array in arrays_of(value, path).items()}


def change_since(value: Any, path: str, before: Mapping[str, np.ndarray]) -> str:
    """Which array differs from what `copies_of` kept."""
    for name, array in arrays_of(value, path).items():
        if not np.array_equal(array, before[name], equal_nan=array.dtype.kind == "f"):
            return f"{name} was changed; work on a copy"
    return ""


def file_fault(path: Path) -> str:
    """Why a saved file is neither arrays nor text. Its content is looked at as well as its name."""
    if path.is_symlink():
        return "is a link; write a file"
    if path.suffix not in SUFFIXES:
        return f"has the ending '{path.suffix}'; allowed: {' '.join(SUFFIXES)}"
    try:
        data = read_bytes(path, LARGEST)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if path.suffix in (".npz", ".npy"):
        try:
            with io.BytesIO(data) as file:
                loaded = np.load(file, allow_pickle=False)
                for name in loaded.files if path.suffix == ".npz" else ():
                    loaded[name]
        except Exception as error:  # zip, npy header and pickle faults all come as other types
            return f"does not load with allow_pickle=False ({error})"
    elif path.suffix == ".safetensors":
        try:
            (size,) = struct.unpack("<Q", data[:8])
            json.loads(data[8 : 8 + size])
        except (struct.error, ValueError) as error:
            return f"is no safetensors file ({error})"
    else:
        # Pickles begin with byte 0x80 since protocol 2, which never begins a character of UTF-8; older ones are text,
        # but not JSON.
        try:
            text = data.decode("utf-8")
            if path.suffix == ".json":
                json.loads(text)
        except ValueError as error:
            return f"is not text as its name says ({error})"
    return ""
