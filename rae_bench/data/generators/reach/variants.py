"""Which targets a clip has: the thesis' 24 settings at each of its 40 spawn points."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import product

import numpy as np

LEVELS, POINTS = 5, 8
RADII = (0.35, 0.7)
"""Metres, as all lengths here for a body of `HUMAN` height; others in proportion."""
CYLINDER = 0.7
TOLERANCE = 0.1
"""A hand nearer than this touches its target."""
HOLD = 5
"""Frames that a touch lasts before the target despawns."""
MAX_SPEED = MAX_ACCELERATION = 5.0
HUMAN = 1.75


@dataclass(frozen=True)
class Setting:
    """How many targets in a row, where the next one spawns, how far out, and whether they are turned at random."""

    count: int
    opposite: bool
    radius: int
    turned: bool


@dataclass(frozen=True)
class Variant:
    """A setting at a spawn point: the level and the point on its circle, counted from straight ahead to the left."""

    setting: Setting
    level: int
    point: int

    @property
    def group(self) -> str:
        """The spawn point of the first target."""
        return f"level-{self.level + 1}/point-{self.point + 1}"

    @property
    def name(self) -> str:
        """All that is fixed about it, in words."""
        s = self.setting
        words = ["far" if s.radius else "near", "opposite" if s.opposite else "adjacent"]
        return "-".join([self.group.replace("/", "-"), f"reach-{s.count}", *words, *["turned"] * s.turned])

    def points(self, step: int) -> list[int]:
        """The points of its targets; adjacent ones go round by `step`, 1 or -1."""
        each = POINTS // 2 if self.setting.opposite else step
        return [(self.point + i * each) % POINTS for i in range(self.setting.count)]


SETTINGS = tuple(Setting(*values) for values in product((1, 2, 3), (False, True), (0, 1), (False, True)))


def choose_variants(clips: int) -> list[Variant]:
    """That many of the 960 variants: all spawn points in turn, each with settings from another place of one order."""
    order = sorted(SETTINGS, key=lambda s: hashlib.sha256(repr(s).encode()).digest())
    spawns = LEVELS * POINTS
    chosen = []
    for i in range(clips):
        spawn = i % spawns if clips >= spawns else i * spawns // clips
        first = int(hashlib.sha256(f"spawn-{spawn}".encode()).hexdigest()[:8], 16)
        chosen.append(Variant(order[(first + i // spawns) % len(order)], spawn // POINTS, spawn % POINTS))
    return chosen


def spawn_places(radius: np.ndarray, level: np.ndarray, point: np.ndarray, scale: float) -> np.ndarray:
    """(E, 3) metres from the middle of the cylinder's foot: places by indices (E,) of radius, level and point."""
    angle, out = 2 * np.pi * point / POINTS, np.array(RADII)[radius]
    return scale * np.stack([out * np.sin(angle), CYLINDER * level / (LEVELS - 1), out * np.cos(angle)], -1)
