"""Targets of reaching clips: events that a motion alone does not show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True, eq=False)
class Targets:
    """Up to E targets in each of N clips, those of one hand one after the other.

    Attributes:
        slots: (N, E) int8, role slot of the hand that reaches; -1 where there is no event.
        starts: (N, E) int32, the frame from which the target is there.
        arrivals: (N, E) int32, the last frame of the contact; the target is gone after it.
        positions: (N, E, 3) float32 metres, world.
        rotations: (N, E, 4) float32 world, relative to the rest pose.
        respawned: (N, E) bool, the spawn point was out of reach: the target is the nearest place that was not.
    """

    slots: np.ndarray
    starts: np.ndarray
    arrivals: np.ndarray
    positions: np.ndarray
    rotations: np.ndarray
    respawned: np.ndarray

    def __getitem__(self, clips: slice | Sequence[int] | np.ndarray) -> Targets:
        """The targets of some of the clips."""
        pick = clips if isinstance(clips, slice) else np.asarray(clips, int)
        return Targets(*(array[pick] for array in self.arrays().values()))

    def arrays(self) -> dict[str, np.ndarray]:
        """All fields by name, to be saved."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
