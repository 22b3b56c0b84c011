"""Motion as a library of frames that can be played anywhere, and what frames are known by; for `match` and `patches`.

Each frame is kept as it is seen from its own root space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from rae_bench.model import HORIZONS, ROLES, Domain, Motion, Objectives, RootPath, UserError, key_transforms, quat

SLOTS, PELVIS = len(ROLES), ROLES.index("pelvis")
"""How many role slots there are, and which is the pelvis'."""
PATH = 4 * len(HORIZONS)
"""Numbers that say what a path asks: x and z, sine and cosine of the heading, for each horizon."""
EVENT, TIME = 7, 5
"""Numbers that say what an objective asks: place (3), sine and cosine of where it faces, seconds to its arrival,
whether it is there; and where among them the seconds are."""
WEIGHTS = {
    "position": 0.75, "speed": 1.0, "path": 1.0, "heading": 1.5, "event": 1.5, "faces": 0.5, "time": 1.5, "active": 1.0
}  # fmt: skip
"""Of the groups of features: how much a standard deviation counts."""


@dataclass(frozen=True, eq=False)
class Library:
    """F frames of motion on a rig of J joints, each as seen from its own root space.

    Attributes:
        left: (F,) frames that follow in the same segment.
        place: (F, 3) the root joint, metres.
        turns: (F, J, 4) local rotations; that of the root joint is relative to the heading.
        steps: (F, 3) how the root came here from the frame before: dx, dz in the root space of that, metres; radians.
        keys, speeds: (F, 8, 3) key joints and their velocities, rig heights and heights a second.
        stands: (F, C) bool, whether a contact joint stands.
        asked: (F, A) what was asked, as of `asked_of`.
    """

    left: np.ndarray
    place: np.ndarray
    turns: np.ndarray
    steps: np.ndarray
    keys: np.ndarray
    speeds: np.ndarray
    stands: np.ndarray
    asked: np.ndarray

    def __len__(self) -> int:
        return len(self.left)

    def __getitem__(self, frames: np.ndarray) -> Library:
        return Library(*(getattr(self, each.name)[frames] for each in fields(self)))

    def write(self, file: Path) -> None:
        """Keep the arrays as an .npz file."""
        np.savez(file, **{each.name: getattr(self, each.name) for each in fields(self)})

    @classmethod
    def read(cls, file: Path) -> Library:
        """Read what `write` kept. Raises `UserError` where the file is not there or damaged."""
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return cls(*(arrays[each.name] for each in fields(cls)))
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{file}: no saved library of motion ({error})") from None


def library_of(domain: Domain) -> Library:
    """The frames of a domain, segment after segment."""
    motion, rows = domain.motion, domain.motion.root_positions.shape[1]
    origin, yaw = motion.root.origin[..., [0, 2]], motion.root.yaw
    asked = np.stack(
        [asked_of(domain.objectives, domain.path, t, origin[:, t], yaw[:, t], motion) for t in range(rows)], 1
    ) if rows else np.zeros((len(domain), 0, PATH if domain.path else EVENT * SLOTS), np.float32)
    left = np.maximum(motion.lengths[:, None] - 1 - np.arange(rows), 0)
    parts = (left, *_seen(motion), asked)
    return Library(*(part[motion.valid] for part in parts))


def together(parts: Sequence[Library]) -> Library:
    """The frames of all of them."""
    return Library(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Library)))


def last_frame(history: Motion) -> Library:
    """The last frame of each history, (N,) frames of which nothing is asked and which nothing follows."""
    last = np.maximum(history.lengths - 1, 0)
    clip = np.arange(len(last))
    seen = [part[clip, last] for part in _seen(history)]
    return Library(np.zeros(len(last), int), *seen, np.zeros((len(last), 0), np.float32))


def _seen(motion: Motion) -> list[np.ndarray]:
    """Place, turns, steps, keys, speeds and contacts (N, T, ...) of motion, as `Library` has them."""
    rig, root = motion.rig, motion.root
    keys = key_transforms(motion.positions, motion.global_rotations, rig)[0]
    moved, turned = np.zeros_like(keys), np.zeros_like(root.yaw)
    here = np.zeros_like(root.origin)
    if keys.shape[1] > 1:
        moved[:, 1:], turned[:, 1:] = np.diff(keys, axis=1), quat.wrapped(np.diff(root.yaw, axis=1))
        here[:, 1:] = root[:, :-1].vectors_in(np.diff(root.origin, axis=1)[..., None, :])[..., 0, :]
        for each in (moved, turned, here):
            each[:, 0] = each[:, 1]
    turns = motion.rotations.copy()
    turns[:, :, 0] = quat.mul(quat.inverse(root.rotation), turns[:, :, 0])
    place = root.points_in(motion.root_positions[..., None, :])[..., 0, :]
    height = np.float32(rig.height)
    mask = rig.role_mask[:, None]
    return [
        place.astype(np.float32),
        turns.astype(np.float32),
        np.stack([here[..., 0], here[..., 2], turned], -1).astype(np.float32),
        (root.points_in(keys) * mask / height).astype(np.float32),
        (root.vectors_in(moved) * motion.fps * mask / height).astype(np.float32),
        motion.contacts,
    ]


def asked_of(
    objectives: Objectives, path: RootPath | None, row: int, origin: np.ndarray, yaw: np.ndarray, motion: Motion
) -> np.ndarray:
    """What row `row` asks of bodies at (B, 2), metres, heading (B,): (B, 12) of a path, else (B, 56) of objectives.

    Places are in rig heights and root space, a path's by horizon, objectives' by slot. What is not active is zeros.
    """
    c, s, height = np.cos(yaw)[:, None], np.sin(yaw)[:, None], motion.rig.height
    if path is not None:
        x, z = np.moveaxis(path.positions[:, row] - origin[:, None], -1, 0)
        turn = path.headings[:, row] - yaw[:, None]
        parts = [(c * x - s * z) / height, (s * x + c * z) / height, np.sin(turn), np.cos(turn)]
    else:
        gap = objectives.positions[:, row]
        x, z = gap[..., 0] - origin[:, :1], gap[..., 2] - origin[:, 1:]
        seconds = (objectives.arrivals[:, row] - row) / motion.fps
        active = objectives.active[:, row]
        faces = quat.yaw(objectives.rotations[:, row]) - yaw[:, None]
        place = [(c * x - s * z) / height, gap[..., 1] / height, (s * x + c * z) / height]
        parts = [*place, np.sin(faces), np.cos(faces), seconds, np.ones_like(x)]
        parts = [np.where(active, part, 0) for part in parts]
    return np.concatenate(parts, -1).astype(np.float32)


def features_of(library: Library, asked: np.ndarray) -> np.ndarray:
    """(B, P + A) features of frames: pose, then what is asked (B, A)."""
    count = len(library)
    pose = [library.keys.reshape(count, 3 * SLOTS), library.speeds.reshape(count, 3 * SLOTS)]
    return np.concatenate([*pose, asked], 1).astype(np.float64)


def scales_of(library: Library) -> np.ndarray:
    """(P + A,) weight over standard deviation of each group of features: the mean of the deviations within it."""
    groups = [("position", np.arange(3) + 3 * k) for k in range(SLOTS)]
    groups += [("speed", np.arange(3) + 3 * (SLOTS + k)) for k in range(SLOTS)]
    at = 6 * SLOTS
    if library.asked.shape[1] == PATH:
        half = PATH // 2
        groups += [("path", at + np.arange(half)), ("heading", at + half + np.arange(half))]
    else:
        for name, first, width in (("event", 0, 3), ("faces", 3, 2), ("time", TIME, 1), ("active", EVENT - 1, 1)):
            groups.append((name, at + SLOTS * first + np.arange(SLOTS * width)))
    values = features_of(library, library.asked)
    out = np.zeros(values.shape[1])
    for name, columns in groups:
        spread = values[:, columns].std(0).mean() if len(values) else 0.0
        out[columns] = WEIGHTS[name] / spread if spread > 1e-6 else 0.0
    return out


def findable(library: Library, features: np.ndarray, least: float) -> tuple[np.ndarray, cKDTree | None]:
    """Frames that at least so many frames follow, where there are such frames, and where to look for them.

    Returns:
        (G,) frames, and a tree of their features (G, P); no tree where no frame has one that follows.
    """
    enough = min(max(round(least), 1), int(library.left.max(initial=0)))
    good = np.flatnonzero(library.left >= max(enough, 1))
    return good, cKDTree(features[good]) if len(good) else None
