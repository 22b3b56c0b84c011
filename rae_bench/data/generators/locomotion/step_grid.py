"""The step grid: straight walks on a grid of step frequency, step size and lift, the thesis' second data set.

Tasks call it their `sweep`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from rae_bench.data.generators.locomotion.actions import Cell
from rae_bench.data.generators.locomotion.body import Body
from rae_bench.data.generators.locomotion.curves import GRAVITY
from rae_bench.data.generators.locomotion.gaits import GAITS, Gait
from rae_bench.data.generators.locomotion.paths import DRAWS
from rae_bench.data.generators.locomotion.postures import Postures
from rae_bench.data.generators.locomotion.whole_body import make_poses
from rae_bench.errors import UserError
from rae_bench.kinematics.inverse import limit_angles
from rae_bench.rigs.rig import Rig

FREQUENCIES = (0.16, 0.22, 0.28, 0.34, 0.40)
"""Steps of each foot in the time sqrt(leg length / g)."""
STEPS = (0.4, 0.6, 0.8, 1.0, 1.2, 1.4)
"""Leg lengths between two footprints of a foot."""
LIFTS = (0.06, 0.12, 0.18, 0.24)
"""Leg lengths by which a foot rises in the middle of its flight: the thesis' amplitude."""
FASTEST = 0.5
"""Froude speed beyond which bodies run rather than walk."""
MAX_SINK = 0.13
"""Leg lengths by which a body that walks upright may sink to reach its footprints."""
TRIAL_FPS = 20.0
"""Frames per second of the trial that finds out which cells a rig can walk."""


def step_grid_cells(rig: Rig, body: Body) -> list[Cell]:
    """Return the cells of the grid that a rig can walk, in an order (of a hash) whose every part covers the whole grid.

    A combination is left out, not clipped, where its speed is beyond `FASTEST`, or where in a trial the body sinks by
    more than `MAX_SINK` or a joint leaves its limits.

    Args:
        rig: the skeleton.
        body: its body plan.

    Raises:
        UserError: The rig can walk none of them.
    """
    gait = next(iter(GAITS[len(body.legs)].values()))
    grid = [_cell(gait, *numbers) for numbers in product(FREQUENCIES, STEPS, LIFTS)]
    slow_enough = [cell for cell in grid if cell.reference <= FASTEST]
    cells = [cell for cell, fits in zip(slow_enough, _walkable(rig, body, slow_enough), strict=True) if fits]
    if not cells:
        raise UserError(f"rig '{rig.name}' cannot walk any cell of the sweep: its joint limits are too narrow")
    return sorted(cells, key=lambda cell: hashlib.sha256(cell.group.encode()).hexdigest())


def step_grid_names() -> tuple[str, ...]:
    """Return the names of all cells of the grid, whether a rig can walk them or not."""
    gait = next(iter(GAITS[2].values()))
    return tuple(_cell(gait, *numbers).group for numbers in product(FREQUENCIES, STEPS, LIFTS))


def _cell(gait: Gait, frequency: float, step: float, lift: float) -> Cell:
    """Return the cell of a frequency, a step and a lift."""
    speed, share = frequency * step, step / gait.stride
    # What the body does with its steps grows and shrinks with them.
    moves = {name: getattr(gait, name) * share for name in ("heel", "toe", "bob", "yaw", "arm")}
    swept = replace(gait, speeds=(speed, speed, speed), stride=step, lift=lift, swept=True, **moves)
    pace, size = "slow" if frequency < 0.3 else "quick", "short" if step < 0.9 else "long"
    group = f"rate-{frequency:.2f}/step-{step:.1f}/lift-{lift:.2f}"
    return Cell(group, f"{pace}-{size}", swept, (speed,) * 3)


def _walkable(rig: Rig, body: Body, cells: Sequence[Cell]) -> np.ndarray:
    """Return whether a clip of a whole cycle with nothing varied stays upright and within the limits, (N,) bool."""
    cycle = np.sqrt(body.leg_length / GRAVITY) / min(FREQUENCIES)
    draw = np.full((len(cells), DRAWS), 0.5)
    root, rotations, _ = make_poses(rig, body, Postures(), cells, draw, 1.1 * cycle, TRIAL_FPS)
    sink = (rig.rest_global[0][0, 1] - root[..., 1].min(1)) / body.leg_length
    angles = limit_angles(rotations.astype(np.float64), rig)
    over = np.maximum(angles - rig.limits[..., 1], rig.limits[..., 0] - angles).max((1, 2, 3))
    return (sink <= MAX_SINK) & (over < 1e-3)
