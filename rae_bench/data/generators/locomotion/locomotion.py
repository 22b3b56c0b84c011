"""The built-in motion `locomotion`: which clips a corpus has, and the cache that keeps it between runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rae_bench.data.corpus import Corpus
from rae_bench.data.generators.locomotion import LOCOMOTION_VERSION, SWEEP_VERSION
from rae_bench.data.generators.locomotion.actions import Cell, action_cell_names, action_cells
from rae_bench.data.generators.locomotion.body import Body, read_body
from rae_bench.data.generators.locomotion.paths import DRAWS
from rae_bench.data.generators.locomotion.postures import Postures, find_postures
from rae_bench.data.generators.locomotion.step_grid import step_grid_cells, step_grid_names
from rae_bench.data.generators.locomotion.whole_body import make_poses
from rae_bench.data.generators.shared import (
    check_size,
    corpus_identity,
    in_blocks,
    occurrences,
    random_numbers,
    tell_of_motion,
)
from rae_bench.data.store import keep_generated
from rae_bench.kinematics.inverse import limit_angles
from rae_bench.motion.course import course_of
from rae_bench.motion.motion import make_motion
from rae_bench.rigs.rig import Rig

GENTLER = (0.7, 0.4, 0.0)
"""Strengths of style that are tried in turn where a clip at full strength leaves a limit."""
OVER = 5e-4
"""Radians by which a leg may be outside its limits."""


def _name(rig: Rig, step_grid: bool) -> str:
    return f"{rig.name}-{'sweep' if step_grid else 'locomotion'}"


def _identity(rig: Rig, clips: int, seconds: float, fps: float, seed: int, step_grid: bool) -> str:
    grid = ("sweep", SWEEP_VERSION) if step_grid else ()
    size = (clips, float(seconds), float(fps), seed)
    return corpus_identity("locomotion", rig.content_hash, LOCOMOTION_VERSION, *size, *grid)


def generate_locomotion(
    rig: Rig, *, clips: int = 240, seconds: float = 5.0, fps: float = 30.0, seed: int = 0, step_grid: bool = False
) -> Corpus:
    """Generate clips that are spread evenly over the cells of the rig's body plan: action, speed, turn and style.

    Args:
        rig: two, four or six legs, by the roles of its contact joints.
        clips: how many.
        seconds: length of each.
        fps: frames per second.
        seed: another seed gives other clips of the same cells.
        step_grid: make straight walks on a grid of step frequency, step size and lift instead.

    Returns:
        A corpus named after the rig, with exact contacts; a cell is a group.

    Raises:
        UserError: The rig has no legs to walk on, or none that can walk the grid.
    """
    check_size("locomotion", clips, seconds, fps)
    tell_of_motion("locomotion", clips)
    body = read_body(rig)
    table = step_grid_cells(rig, body) if step_grid else action_cells(len(body.legs))
    postures = Postures() if step_grid else find_postures(rig, body)
    chosen = [table[i * len(table) // clips] for i in range(clips)]
    draw = random_numbers(rig, seed, clips, DRAWS)
    root, rotations, contacts = in_blocks(
        lambda part: _within_limits(rig, body, postures, chosen[part], draw[part], seconds, fps), clips
    )
    groups = [cell.group for cell in chosen]
    ids = tuple(f"{g.replace('/', '-')}-{n:02d}" for g, n in zip(groups, occurrences(groups), strict=True))
    motion = make_motion(rig, fps, root, rotations, contacts=contacts)
    what = "'locomotion', swept" if step_grid else "'locomotion'"
    return Corpus(
        _name(rig, step_grid),
        motion,
        ids,
        tuple(groups),
        tuple(cell.action for cell in chosen),
        ids,
        course_of(motion),
        _identity(rig, clips, seconds, fps, seed, step_grid),
        {"source": f"built-in motion {what}, version {LOCOMOTION_VERSION}, seed {seed}", "licence": "MIT"},
        exact_contacts=True,
        combinations=step_grid_names() if step_grid else action_cell_names(),
    )


def _within_limits(
    rig: Rig, body: Body, postures: Postures, cells: Sequence[Cell], draw: np.ndarray, seconds: float, fps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make poses as `make_poses` does; clips whose legs leave their limits are made again with less style."""
    made = make_poses(rig, body, postures, cells, draw, seconds, fps)
    legs = [joint for leg in body.legs for joint in leg.joints]
    low, high = rig.limits[legs, :, 0], rig.limits[legs, :, 1]
    for strength in GENTLER:
        angles = limit_angles(made[1].astype(np.float64), rig)[..., legs, :]
        over = np.flatnonzero((np.maximum(angles - high, low - angles) > OVER).any((1, 2, 3))).tolist()
        if not len(over):
            break
        again = make_poses(rig, body, postures, [cells[i] for i in over], draw[over], seconds, fps, strength)
        for array, part in zip(made, again, strict=True):
            array[over] = part
    return made


def load_locomotion(
    rig: Rig,
    *,
    clips: int = 240,
    seconds: float = 5.0,
    fps: float = 30.0,
    seed: int = 0,
    step_grid: bool = False,
    cache: bool = True,
) -> Corpus:
    """Generate locomotion as `generate_locomotion` does, and keep it under `home()/generated` unless `cache` is off."""

    def make() -> Corpus:
        return generate_locomotion(rig, clips=clips, seconds=seconds, fps=fps, seed=seed, step_grid=step_grid)

    if not cache:
        return make()
    return keep_generated(_name(rig, step_grid), _identity(rig, clips, seconds, fps, seed, step_grid), make)
