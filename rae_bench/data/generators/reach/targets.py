"""Which targets a clip has: the thesis' 24 settings at each of its 40 spawn points."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import product

import numpy as np

LEVELS, POINTS = 5, 8
"""Levels of the cylinder, and points on each."""
RADII = (0.35, 0.7)
"""Metres, as all lengths here for a body of `HUMAN` height; others in proportion."""
CYLINDER = 0.7
"""Height of the cylinder, in metres."""
TOLERANCE = 0.1
"""A hand nearer than this touches its target."""
HOLD_FRAMES = 5
"""Frames that a touch lasts before the target despawns."""
MAX_SPEED = MAX_ACCELERATION = 5.0
"""Metres a second, and metres a second squared, of a hand."""
HUMAN = 1.75
"""Metres: height of the body for which lengths are given; those of other bodies are in proportion."""


@dataclass(frozen=True)
class Setting:
    """What targets a clip has. Its name and fields decide the order of `choose_variants`.

    Attributes:
        count: targets in a row.
        opposite: whether the next one spawns on the other side; otherwise it spawns on the next point.
        radius: index into `RADII`.
        turned: whether targets are turned at random.
    """

    count: int
    opposite: bool
    radius: int
    turned: bool


@dataclass(frozen=True)
class Variant:
    """A setting at a spawn point: the level, and the point on its circle, counted from straight ahead to the left."""

    setting: Setting
    level: int
    point: int

    @property
    def group(self) -> str:
        """Name of the spawn point of the first target."""
        return f"level-{self.level + 1}/point-{self.point + 1}"

    @property
    def name(self) -> str:
        """All that is fixed about it, in words."""
        s = self.setting
        words = ["far" if s.radius else "near", "opposite" if s.opposite else "adjacent"]
        return "-".join([self.group.replace("/", "-"), f"reach-{s.count}", *words, *["turned"] * s.turned])

    def points(self, step: int) -> list[int]:
        """Return the points of its targets; adjacent ones go round by `step`, 1 or -1."""
        each = POINTS // 2 if self.setting.opposite else step
        return [(self.point + i * each) % POINTS for i in range(self.setting.count)]


SETTINGS = tuple(Setting(*values) for values in product((1, 2, 3), (False, True), (0, 1), (False, True)))
"""All settings."""


def choose_variants(clips: int) -> list[Variant]:
    """Return that many of the 960 variants.

    All spawn points come in turn, each with settings from another place of one order.
    """
    order = sorted(SETTINGS, key=lambda s: hashlib.sha256(repr(s).encode()).digest())
    spawns = LEVELS * POINTS
    chosen = []
    for i in range(clips):
        spawn = i % spawns if clips >= spawns else i * spawns // clips
        first = int(hashlib.sha256(f"spawn-{spawn}".encode()).hexdigest()[:8], 16)
        chosen.append(Variant(order[(first + i // spawns) % len(order)], spawn // POINTS, spawn % POINTS))
    return chosen


def spawn_names() -> tuple[str, ...]:
    """Return the names of all spawn points, level by level."""
    return tuple(Variant(SETTINGS[0], *place).group for place in product(range(LEVELS), range(POINTS)))


def spawn_places(radius: np.ndarray, level: np.ndarray, point: np.ndarray, scale: float) -> np.ndarray:
    """Return places (E, 3) in metres from the middle of the cylinder's foot.

    Args:
        radius: (E,) indices into `RADII`.
        level: (E,) levels.
        point: (E,) points.
        scale: the body's height over `HUMAN`.
    """
    angle, out = 2 * np.pi * point / POINTS, np.array(RADII)[radius]
    return scale * np.stack([out * np.sin(angle), CYLINDER * level / (LEVELS - 1), out * np.cos(angle)], -1)
