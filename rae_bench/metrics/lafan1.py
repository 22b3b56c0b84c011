"""LaFAN1's in-betweening benchmark (Harvey et al. 2020), to check our arithmetic against published numbers.

In its protocol, windows begin every `offset` frames while one more frame than the window is left. Each is centred over
the ground by its mean root position and turned so that the y axis of the hips points along +X on the last frame of the
past. Statistics are those of the training windows, and all clips have the first one's bones. Errors have no unit.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from rae_bench.data.formats.bvh import read_bvh
from rae_bench.errors import UserError
from rae_bench.files import digest
from rae_bench.kinematics import quat
from rae_bench.metrics.npss import real_power, spectral_distance
from rae_bench.motion.motion import Motion
from rae_bench.motion.root import RootSpace
from rae_bench.rigs.rig import Rig, make_rig

LocalClip = tuple[np.ndarray, np.ndarray]
"""Local quaternions wxyz, (F, 22, 4), and local positions, (F, 22, 3)."""

JOINTS = (
    "Hips", "LeftUpLeg", "LeftLeg", "LeftFoot", "LeftToe", "RightUpLeg", "RightLeg", "RightFoot", "RightToe",
    "Spine", "Spine1", "Spine2", "Neck", "Head", "LeftShoulder", "LeftArm", "LeftForeArm", "LeftHand",
    "RightShoulder", "RightArm", "RightForeArm", "RightHand",
)  # fmt: skip
PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 12, 11, 14, 15, 16, 11, 18, 19, 20)
TRAIN, TEST = (50, 20), (65, 40)
"""Window and offset in frames at 30 fps."""
PAST, FUTURE = 10, 10
BASELINES = ("zero_velocity", "interpolation")
STRAIGHT = 0.01
"""Quaternions whose dot product is closer to 1 than this are interpolated linearly."""

SHA256 = "ea918082b500a5d158e9d3aa39039df04cd42e25f5c02fe8f7e88e8e9365a977"
BYTES = 144_051_503
TRAINING_SUBJECTS, TEST_SUBJECT = (1, 2, 3, 4), 5
PUBLISHED = {
    ("zero_velocity", "l2q"): (0.56, 1.10, 1.51),
    ("zero_velocity", "l2p"): (1.5230, 3.6944, 6.6002),
    ("zero_velocity", "npss"): (0.0053, 0.0522, 0.2318),
    ("interpolation", "l2q"): (0.22, 0.62, 0.98),
    ("interpolation", "l2p"): (0.3729, 1.2488, 2.3158),
    ("interpolation", "npss"): (0.0023, 0.0391, 0.2013),
}
"""(baseline, measure) -> the published errors at `PUBLISHED_LENGTHS`."""
PUBLISHED_LENGTHS = (5, 15, 30)
TOLERANCE = {"l2q": 0.006, "l2p": 5e-4, "npss": 6e-5}
"""The largest difference from a published error: half its last digit, and the rounding of float32."""


def benchmark(
    train: Sequence[LocalClip], test: Sequence[LocalClip], lengths: Sequence[int] = (5, 15, 30)
) -> dict[tuple[str, str, int], float]:
    """Return the errors of the two published baselines on transitions.

    Args:
        train, test: clips at 30 frames a second.
        lengths: frames of the transitions; at most 45 fit.

    Returns:
        {(baseline, measure, length): value} of `BASELINES` and the measures `l2q`, `l2p` and `npss`.

    Raises:
        UserError: no window fits, shapes are wrong, or a transition is too long for the test windows.
    """
    for n in lengths:
        if not 1 <= n <= TEST[0] - PAST - FUTURE:
            raise UserError(f"lafan1: a transition of {n} frames does not fit; use 1 to {TEST[0] - PAST - FUTURE}")
    _check([*train, *test])
    if not train or not test:
        raise UserError("lafan1: both training and test clips are needed")
    rig = _rig(train[0][1][0])
    mean, std = _statistics(train, rig)
    windows = [_windows(clip, *TEST) for clip in test]
    rotations, root = (np.concatenate(part) for part in zip(*windows, strict=True))
    if not len(root):
        raise UserError(f"lafan1: no test clip is longer than {TEST[0]} frames")
    rotations, root = _canonical(rotations, root)
    out = {}
    for n in lengths:
        whole, between = slice(0, PAST + n + FUTURE), slice(PAST, PAST + n)
        truth = rig.forward_kinematics(rotations[:, between], root[:, between])
        for baseline in BASELINES:
            made = _fill(baseline, rotations[:, whole], root[:, whole], n)
            positions, turns = rig.forward_kinematics(*made)
            gap = ((positions - mean) / std - (truth[0] - mean) / std).reshape(len(root), n, -1)
            out[baseline, "l2q", n] = _length(turns - truth[1])
            out[baseline, "l2p", n] = float(np.linalg.norm(gap, axis=-1).mean())
            out[baseline, "npss", n] = published_npss(turns, truth[1])
    return out


def published_npss(generated: np.ndarray, truth: np.ndarray) -> float:
    """Return LaFAN1's NPSS of quaternions (N, T, J, 4), which is of the real part of the spectrum."""
    made, true = (real_power(np.moveaxis(q, 1, -1)) for q in (generated, truth))
    distance, weight = spectral_distance(made, true, truth.shape[1])
    return float((distance * weight).sum() / weight.sum())


def _length(difference: np.ndarray) -> float:
    """Return the mean norm over all axes but the first two."""
    return float(np.linalg.norm(difference.reshape(*difference.shape[:2], -1), axis=-1).mean())


def _check(clips: Sequence[LocalClip]) -> None:
    for number, (rotations, positions) in enumerate(clips):
        shapes = np.shape(rotations), np.shape(positions)
        frames = len(rotations)
        if shapes != ((frames, len(PARENTS), 4), (frames, len(PARENTS), 3)) or not frames:
            raise UserError(f"lafan1: clip {number} has shapes {shapes[0]} and {shapes[1]}; (F, 22, 4) and (F, 22, 3)")


def _rig(offsets: np.ndarray) -> Rig:
    """Make the skeleton with these bones, (22, 3)."""
    parents = [None if p < 0 else JOINTS[p] for p in PARENTS]
    return make_rig("lafan1", list(zip(JOINTS, parents, offsets, strict=True)), {})


def _windows(clip: LocalClip, size: int, offset: int) -> tuple[np.ndarray, np.ndarray]:
    """Return local rotations (W, size, 22, 4) and root positions (W, size, 3). A window that just fits is left out."""
    rotations = quat.continuous(np.asarray(clip[0], np.float64), axis=0)
    starts = np.arange(0, max(len(rotations) - size, 0), offset)
    frame = starts[:, None] + np.arange(size)
    return rotations[frame], np.asarray(clip[1], np.float64)[:, 0][frame]


def _canonical(rotations: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Move windows over the origin and turn them to face +X at the end of the past."""
    place = RootSpace(_centre(root)[:, None], _facing(rotations)[:, None])
    turned = rotations.copy()
    turned[:, :, 0] = quat.mul(quat.inverse(place.rotation), rotations[:, :, 0])
    return turned, place.points_in(root[:, :, None])[:, :, 0]


def _centre(root: np.ndarray) -> np.ndarray:
    """Return the mean place of the root on the ground over each window, (W, 3)."""
    return root.mean(1) * np.array([1.0, 0, 1])


def _facing(rotations: np.ndarray) -> np.ndarray:
    """Return the angle about +Y, (W,) radians, from +X to the y axis of the hips on the last frame of the past."""
    forward = quat.rotate(rotations[:, PAST - 1, 0], np.array([0.0, 1, 0]))
    return np.arctan2(-forward[:, 2], forward[:, 0])


def _statistics(train: Sequence[LocalClip], rig: Rig) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation, (22, 3), of world joint positions over all training windows."""
    count, total, squares = 0, np.zeros((len(rig), 3)), np.zeros((len(rig), 3))
    for clip in train:
        positions, _ = rig.forward_kinematics(*_canonical(*_windows(clip, *TRAIN)))
        count += positions.shape[0] * positions.shape[1]
        total += positions.sum((0, 1))
        squares += (positions**2).sum((0, 1))
    if not count:
        raise UserError(f"lafan1: no training clip is longer than {TRAIN[0]} frames")
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean**2, 1e-12))


def _fill(baseline: str, rotations: np.ndarray, root: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Return local rotations and root positions of the transition, from the frames on both sides of it."""
    last, following = PAST - 1, PAST + frames
    if baseline == "zero_velocity":
        return np.repeat(rotations[:, last, None], frames, 1), np.repeat(root[:, last, None], frames, 1)
    share = np.arange(1, frames + 1) / (frames + 1)
    line = share[:, None]
    between = (1 - line) * root[:, last, None] + line * root[:, following, None]
    return _slerp(rotations[:, last, None], rotations[:, following, None], share[:, None]), between


def _slerp(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Interpolate as the publication does: along the short arc, and in a straight line where the arc is short."""
    dot = (a * b).sum(-1)
    b = np.where(dot[..., None] < 0, -b, b)
    dot = np.abs(dot)
    straight = 1 - dot < STRAIGHT
    angle = np.arccos(np.where(straight, 0, np.minimum(dot, 1)))
    wa = np.where(straight, 1 - t, np.sin((1 - t) * angle) / np.sin(angle))
    wb = np.where(straight, t, np.sin(t * angle) / np.sin(angle))
    return quat.normalize(wa[..., None] * a + wb[..., None] * b)


def published_clips(path: str | Path) -> tuple[list[LocalClip], list[LocalClip]]:
    """Read training and test clips of the data set, in centimetres.

    Args:
        path: lafan1.zip as its authors give it, or a folder that holds it. A file with other bytes is refused.

    Raises:
        UserError: the file is not there, or it has other bytes.
    """
    path = Path(path)
    archive = path / "lafan1.zip" if path.is_dir() else path
    if not archive.is_file():
        raise UserError(f"{archive}: not there; get lafan1.zip from the data set's own page (CC BY-NC-ND 4.0)")
    size = archive.stat().st_size
    if size != BYTES:
        raise UserError(f"{archive}: has {size} bytes, lafan1.zip has {BYTES}; get it again")
    found = digest(archive, BYTES)[0]
    if found != SHA256:
        raise UserError(f"{archive}: sha256 {found[:12]}... differs from lafan1.zip's {SHA256[:12]}...; get it again")
    train: list[LocalClip] = []
    test: list[LocalClip] = []
    with ZipFile(archive) as files, tempfile.TemporaryDirectory() as scratch:
        for name in sorted(n for n in files.namelist() if n.lower().endswith(".bvh")):
            subject = re.search(r"subject(\d+)\.bvh$", name, re.IGNORECASE)
            number = int(subject[1]) if subject else -1
            if number not in (*TRAINING_SUBJECTS, TEST_SUBJECT):
                continue
            file = Path(scratch) / "clip.bvh"
            file.write_bytes(files.read(name))
            # A unit of 1 keeps the numbers.
            (test if number == TEST_SUBJECT else train).append(_as_clip(read_bvh(file, unit=1.0)))
    return train, test


def _as_clip(motion: Motion) -> LocalClip:
    missing = [name for name in JOINTS if name not in motion.rig.joint_names]
    if missing:
        raise UserError(f"lafan1: no joint {missing[0]}; these are not LaFAN1's files")
    pick = [motion.rig.index(name) for name in JOINTS]
    positions = np.repeat(motion.rig.offsets[None, pick].astype(np.float64), len(motion.root_positions[0]), 0)
    positions[:, 0] = motion.root_positions[0]
    return motion.rotations[0][:, pick].astype(np.float64), positions


def comparison_table(
    values: Mapping[tuple[str, str, int], float],
) -> tuple[list[tuple[str, ...]], bool]:
    """Return our numbers beside the published ones, a row for each baseline and measure, and whether all agree."""
    rows, agree = [], True
    for (baseline, measure), published in PUBLISHED.items():
        ours = [values[baseline, measure, n] for n in PUBLISHED_LENGTHS]
        close = all(abs(a - b) <= TOLERANCE[measure] for a, b in zip(ours, published, strict=True))
        cells = [text for a, b in zip(ours, published, strict=True) for text in (f"{a:.4f}", f"{b:g}")]
        rows.append((f"{baseline} {measure}", *cells, "" if close else "differs"))
        agree &= close
    return rows, agree
