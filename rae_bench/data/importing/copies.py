"""Copies and mirrored copies of recordings, found by their content.

A data set may hold a take twice, mirrored, or an excerpt of it under another name. Held out in one place and trained on
in another, it would be no test. What is found is put into one group.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from rae_bench.data.wording import first_few
from rae_bench.motion.motion import Motion

WINDOW, STEPS = 1.0, 10
"""Seconds of a window of a segment that is looked for in the others, and how many of its frames are compared."""
LOOKED_FOR = 3
"""Windows of a segment that are looked for: an excerpt may lie across the border of two segments of the other take."""
SAME, SHARE = 0.003, 0.2
"""Rig heights, root mean square over frames and joints, below which two windows are the same motion; and the share of
the motion within the window that this may be, so that slow motion must agree better."""
LEAST_MOTION = 0.004
"""Rig heights by which joints move within a window about their mean; a window of standing still proves nothing."""
TRAVEL, TRAVEL_SHARE = 0.01, 0.02
"""Rig heights by which the root may travel further in one window than in the other, and the share of its way besides: a
cycle that is played over other ground is another motion."""
ASIDE = 9
"""Places between half a frame before and half a frame after that are tried."""
COPIED = "the same motion, or its mirror image, is in two groups"
"""How a warning begins that tells of copies."""
FEW = 24
"""Directions in which windows are compared first."""
AT_ONCE = 10_000_000
"""Pairs of windows that are compared at a time."""


def without_copies(motion: Motion, groups: Sequence[str], ids: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Put segments that hold the same motion, or its mirror image, into one group.

    Segments of the same content are found first, however little moves in them. Then some windows of each segment are
    compared with every window of all segments of other groups, by where the key joints are in root space and how far
    the root travels. The comparison does not tell left from right, and finds a copy that begins between two frames, as
    one does that was cut before it was resampled. Two groups that share a window become one, under the name that comes
    first in the alphabet.

    Args:
        motion: N segments.
        groups: the group of each.
        ids: their names.

    Returns:
        The groups; what was found, in words.
    """
    parent = {name: name for name in groups}

    def find(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    found = []
    for here, there in chain(_identical(motion), copies(motion, groups)):
        a, b = find(groups[here]), find(groups[there])
        if a != b:
            parent[max(a, b)] = min(a, b)
            found.append(f"{ids[here]} and {ids[there]}")
    words = [f"{COPIED}, which count as one: {first_few(found)}"]
    return tuple(find(name) for name in groups), words if found else []


def _identical(motion: Motion) -> Iterator[tuple[int, int]]:
    """Give pairs of segments that hold the same numbers, of those in which anything moves."""
    seen: dict[bytes, int] = {}
    for n, frames in enumerate(motion.lengths.tolist()):
        arrays = (motion.root_positions[n, :frames], motion.rotations[n, :frames])
        if not any((array != array[:1]).any() for array in arrays):
            continue
        digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays)).digest()
        first = seen.setdefault(digest, n)
        if first != n:
            yield first, n


def copies(motion: Motion, groups: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Give pairs of segments of different groups that hold the same motion, or its mirror image."""
    size = max(STEPS, round(WINDOW * motion.fps))
    features = mirrored_alike(motion)
    steps = np.linspace(0, size - 1, STEPS).round().astype(int)
    last = motion.lengths - size
    clip = np.repeat(np.arange(len(motion)), np.maximum(last + 1, 0))
    if not len(clip):
        return
    first = np.concatenate([np.arange(max(n + 1, 0)) for n in last])
    windows = features[clip[:, None], first[:, None] + steps].reshape(len(clip), -1)
    windows -= windows.mean(0)
    moved = features[clip[:, None], first[:, None] + steps].std(1).mean(-1)
    begins = np.searchsorted(clip, np.arange(len(motion)))
    # Of a jerk little can be said between frames: what moves a lot, smoothly, is looked for.
    follows = np.append(clip[1:] == clip[:-1], False)
    jerk = np.zeros(len(windows), np.float32)
    third = windows[3:] - 3 * windows[2:-1] + 3 * windows[1:-2] - windows[:-3]
    jerk[1:-2] = np.sqrt((third**2).mean(1))
    clear = moved / (SAME + jerk / 16)
    queries = np.unique([
        begin + part[0] + int(clear[begin + part].argmax())
        for begin, n in zip(begins, last, strict=True) if n >= 0
        for part in np.array_split(np.arange(n + 1), LOOKED_FOR) if len(part)
    ])  # fmt: skip
    queries = queries[moved[queries] > LEAST_MOTION]
    number = np.unique(np.asarray(groups), return_inverse=True)[1]
    sizes, width = (windows * windows).sum(1), windows.shape[1]
    limit = np.minimum(SAME, SHARE * moved)
    # How far a window is from the next, or from the one before.
    step = np.zeros(len(windows), np.float32)
    step[:-1] = np.sqrt(((windows[1:] - windows[:-1]) ** 2).mean(1)) * follows[:-1]
    step[1:] = np.maximum(step[1:], step[:-1])
    way = _ways(motion, size)[clip, first]
    room = TRAVEL + TRAVEL_SHARE * np.linalg.norm(way, axis=-1)
    near = width * (limit + step)[queries, None] ** 2
    for asked, two in _nearby(windows, queries, near[:, 0]):
        one = queries[asked]
        other = number[clip[one]] != number[clip[two]]
        asked, one, two = asked[other], one[other], two[other]
        apart = sizes[one] + sizes[two] - 2 * np.einsum("ij,ij->i", windows[one], windows[two])
        likely = apart < near[asked, 0]
        one, two = one[likely], two[likely]
        alike = np.linalg.norm(way[one] - way[two], axis=-1) < room[one]
        one, two = one[alike], two[alike]
        same = _apart(windows, follows, one, two) < limit[one]
        yield from zip(clip[one[same]].tolist(), clip[two[same]].tolist(), strict=True)


def _nearby(windows: np.ndarray, queries: np.ndarray, near: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give pairs of places in `queries` and of windows that may be nearer than the square root of `near`, in parts.

    Distances along a few directions, those in which windows differ most, are no longer than the whole distances.

    Args:
        windows: (W, D) about their mean.
        queries: (Q,) indices of windows.
        near: (Q,) squares of distances.
    """
    few = windows @ np.linalg.eigh(windows.T @ windows)[1][:, -FEW:]
    sizes = (few * few).sum(1, keepdims=True)
    asked = np.concatenate([-2 * few[queries], np.ones((len(queries), 1), np.float32)], 1)
    known = np.concatenate([few, sizes], 1).T
    limit = (1.001 * near + 1e-5)[:, None] - sizes[queries]
    step = max(1, AT_ONCE // max(len(queries), 1))
    for start in range(0, len(windows), step):
        part = known[:, start : start + step]
        place, there = np.divmod(np.flatnonzero(asked @ part < limit), part.shape[1])
        yield place, there + start


def _ways(motion: Motion, size: int) -> np.ndarray:
    """Return how far the root travels from each frame on in a window, (N, T, 2) in heights: aside, ahead.

    Aside is without a sign, so that a motion and its mirror image are alike.
    """
    root = motion.root
    last = np.minimum(np.arange(root.yaw.shape[1]) + size - 1, root.yaw.shape[1] - 1)
    step = root.points_in(root.origin[:, last][:, :, None])[:, :, 0] / max(motion.rig.height, 1e-6)
    return np.stack([np.abs(step[..., 0]), step[..., 2]], -1)


def _apart(windows: np.ndarray, follows: np.ndarray, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return how far windows are apart from others, root mean square, where they come nearest up to half a frame aside.

    Between frames the motion is the parabola through three of them.

    Args:
        windows: (W, D), every frame's window after that of the frame before.
        follows: (W,) bool, whether the next window is of the same segment.
        one, two: (M,) indices of windows; the second of each pair is moved.
    """
    before, after = np.maximum(two - 1, 0), np.minimum(two + 1, len(windows) - 1)
    inner = (follows[before] & (before < two) & follows[two])[:, None]
    gap = windows[one] - windows[two]
    slope = (windows[after] - windows[before]) / 2 * inner
    bend = (windows[after] - 2 * windows[two] + windows[before]) / 2 * inner
    aside = [((gap - a * slope - a * a * bend) ** 2).mean(1) for a in np.linspace(-0.5, 0.5, ASIDE)]
    best: np.ndarray = np.sqrt(np.min(aside, axis=0))
    return best


def mirrored_alike(motion: Motion) -> np.ndarray:
    """Return (N, T, D) float32 places of the key joints in root space, in heights, alike for a motion and its mirror.

    Of a joint on the midline: |x|, y, z. Of a left and a right one: x_l - x_r, and of y and z the sum and the absolute
    difference.
    """
    rig = motion.rig
    places = motion.root.points_in(motion.positions) / max(rig.height, 1e-6)
    parts = []
    for role in ("pelvis", "head"):
        if role in rig.roles:
            x, y, z = np.moveaxis(places[:, :, rig.roles[role]], -1, 0)
            parts += [np.abs(x), y, z]
    for limb in ("hand", "foot", "mid"):
        if f"left_{limb}" in rig.roles and f"right_{limb}" in rig.roles:
            left, right = (places[:, :, rig.roles[f"{side}_{limb}"]] for side in ("left", "right"))
            parts += [left[..., 0] - right[..., 0]]
            for axis in (1, 2):
                parts += [left[..., axis] + right[..., axis], np.abs(left[..., axis] - right[..., axis])]
    return np.stack(parts, -1).astype(np.float32) if parts else np.zeros((*places.shape[:2], 1), np.float32)
