"""Writing BVH files. docs/reference/formats.md says what they hold."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from rae_bench.data.formats.bvh_text import END, free_name
from rae_bench.data.formats.units import metres_per_unit
from rae_bench.motion.motion import Motion, clip_arrays
from rae_bench.rigs.rig import Rig
from rae_bench.rigs.tree import children_of
from rae_bench.storage import whole_file

ORDER = "ZXY"
"""Order of the turns in files that are written."""
_ROTATIONS = " ".join(f"{axis}rotation" for axis in ORDER)
_POSITIONS = "Xposition Yposition Zposition"


def write_bvh(path: str | Path, motion: Motion, clip: int = 0, *, unit: str | float = "cm") -> None:
    """Write one clip as a BVH file, which appears whole or not at all; `read_bvh` with the same unit gives it back.

    Args:
        path: the file; missing folders above it are made.
        motion: positions in metres, y up.
        clip: which of its clips, counted from 0.
        unit: "cm", "m", "mm", or metres per unit of the file.

    Raises:
        UserError: There is no such clip or unit, or the clip has no frame or numbers that are not finite.
    """
    scale = metres_per_unit(unit)
    places, rotations = clip_arrays(motion, clip)
    places, frames, rig = places / scale, len(places), motion.rig
    ends = end_sites(rig)
    angles = continuous_angles(rotations[:, ~ends])
    lines = _hierarchy(rig, ends, scale)
    lines += ["MOTION", f"Frames: {frames}", f"Frame Time: {1 / motion.fps:.10f}"]
    table = np.concatenate([places, angles.reshape(frames, -1)], 1)
    with whole_file(Path(path)) as scratch, scratch.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(lines) + "\n")
        np.savetxt(file, table, fmt="%.6f")


def end_sites(rig: Rig) -> np.ndarray:
    """Return which joints are End Sites, (J,) bool.

    They are leaves with the name that the reader gives to an End Site at their place.
    """
    leaf = ~np.isin(np.arange(len(rig)), rig.parents)
    taken: set[str] = set()
    ends = np.zeros(len(rig), bool)
    for j, joint in enumerate(rig.joint_names):
        if leaf[j] and rig.parents[j] >= 0:
            ends[j] = joint == free_name(rig.joint_names[rig.parents[j]] + END, taken)
        taken.add(joint)
    return ends


def continuous_angles(rotations: np.ndarray) -> np.ndarray:
    """Return Euler angles in degrees about z, x, y in turn, without jumps over time.

    Each rotation has two triples of angles, each up to whole turns: the one nearest to the frame before is taken. Where
    z and y turn about the same axis only their sum counts, and z stays as it was.

    Args:
        rotations: (T, J, 4) unit quaternions.

    Returns:
        (T, J, 3) degrees.
    """
    from scipy.spatial.transform import Rotation

    frames, joints = rotations.shape[:2]
    flat = Rotation.from_quat(rotations.reshape(-1, 4), scalar_first=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # scipy's word on gimbal lock; dealt with below
        first = flat.as_euler(ORDER, degrees=True).reshape(frames, joints, 3)
    z, x, y = np.moveaxis(first, -1, 0)
    both = np.stack([first, np.stack([z + 180, 180 - x, y + 180], -1)])
    locked = np.abs(np.abs(x) - 90) < 1e-5
    out = first.copy()
    pick = np.arange(joints)
    for t in range(1, frames):
        options, before = both[:, t].copy(), out[t - 1]
        shift = np.where(locked[t], before[:, 0] - options[0, :, 0], 0)
        options[0, :, 0] += shift
        options[0, :, 2] -= np.sign(x[t]) * shift
        options += 360 * np.round((before - options) / 360)
        out[t] = options[np.abs(options - before).sum(-1).argmin(0), pick]
    return out


def _hierarchy(rig: Rig, ends: np.ndarray, scale: float) -> list[str]:
    """Return the lines of the HIERARCHY part; the root's OFFSET is zero, since its channels say where it is."""
    children = children_of(rig.parents)
    lines = ["HIERARCHY"]

    def walk(joint: int, depth: int) -> None:
        lead = "  " * depth
        top = rig.parents[joint] < 0
        word = "End Site" if ends[joint] else f"{'ROOT' if top else 'JOINT'} {rig.joint_names[joint]}"
        offset = np.zeros(3) if top else rig.offsets[joint].astype(np.float64) / scale
        lines.extend([f"{lead}{word}", f"{lead}{{", f"{lead}  OFFSET {' '.join(f'{v:.6f}' for v in offset)}"])
        if not ends[joint]:
            channels = f"6 {_POSITIONS} {_ROTATIONS}" if top else f"3 {_ROTATIONS}"
            lines.append(f"{lead}  CHANNELS {channels}")
        for child in children[joint]:
            walk(child, depth + 1)
        lines.append(f"{lead}}}")

    walk(children[-1][0], 0)
    return lines
