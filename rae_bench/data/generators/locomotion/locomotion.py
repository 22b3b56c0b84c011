"""Corpora of built-in motion: which clips, and the cache that keeps them between runs."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from rae_bench.data.corpus import Corpus
from rae_bench.data.generators.locomotion import LOCOMOTION_VERSION, SWEEP_VERSION
from rae_bench.data.generators.locomotion.body import read_body
from rae_bench.data.generators.locomotion.gaits import GAITS, gait_cells
from rae_bench.data.generators.locomotion.paths import DRAWS
from rae_bench.data.generators.locomotion.step_grid import step_grid_cells
from rae_bench.data.generators.locomotion.whole_body import make_poses
from rae_bench.data.store import keep_generated
from rae_bench.errors import UserError
from rae_bench.motion.motion import make_motion
from rae_bench.rigs.rig import Rig

BLOCK = 24
"""Clips at a time: keeps the memory of long corpora flat."""


def _name(rig: Rig, sweep: bool) -> str:
    return f"{rig.name}-{'sweep' if sweep else 'locomotion'}"


def _identity(rig: Rig, clips: int, seconds: float, fps: float, seed: int, sweep: bool) -> str:
    parts = ["locomotion", rig.content_hash, LOCOMOTION_VERSION, clips, float(seconds), float(fps), seed]
    parts += ["sweep", SWEEP_VERSION] if sweep else []
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def generate_locomotion(
    rig: Rig, *, clips: int = 240, seconds: float = 5.0, fps: float = 30.0, seed: int = 0, sweep: bool = False
) -> Corpus:
    """Gaits, turns, starts, stops and changes of speed, spread evenly over the cells of the rig's body plan.

    Args:
        rig: two, four or six legs, by the roles of its contact joints.
        clips: how many.
        seconds: length of each.
        fps: frames per second.
        seed: other clips of the same cells.
        sweep: straight walks on a grid of step frequency, step size and lift instead.

    Raises:
        UserError: the rig has no legs to walk on, or none that can walk the sweep.
    """
    if clips < 1 or round(seconds * fps) < 2:
        raise UserError(
            f"locomotion needs at least 1 clip of 2 frames; asked for {clips} of {seconds:g} s at {fps:g} fps"
        )
    body = read_body(rig)
    table = step_grid_cells(rig, body) if sweep else gait_cells(GAITS[len(body.legs)])
    chosen = [table[i * len(table) // clips] for i in range(clips)]
    # Two rigs must not get the same clips: a transferred model would meet its training paths again.
    generator = np.random.default_rng([seed, int(rig.content_hash[:12], 16)])
    draw = generator.random((clips, DRAWS))
    blocks = [
        make_poses(rig, body, chosen[start : start + BLOCK], draw[start : start + BLOCK], seconds, fps)
        for start in range(0, clips, BLOCK)
    ]
    root, rotations, contacts = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    seen: dict[str, int] = {}
    ids = []
    for cell in chosen:
        seen[cell.group] = seen.get(cell.group, 0) + 1
        ids.append(f"{cell.group.replace('/', '-')}-{seen[cell.group]:02d}")
    what = "'locomotion', swept" if sweep else "'locomotion'"
    return Corpus(
        _name(rig, sweep),
        make_motion(rig, fps, root, rotations, contacts=contacts),
        tuple(ids),
        tuple(cell.group for cell in chosen),
        tuple(cell.action for cell in chosen),
        _identity(rig, clips, seconds, fps, seed, sweep),
        {"source": f"built-in motion {what}, version {LOCOMOTION_VERSION}, seed {seed}", "licence": "MIT"},
        exact_contacts=True,
    )


def load_locomotion(
    rig: Rig,
    *,
    clips: int = 240,
    seconds: float = 5.0,
    fps: float = 30.0,
    seed: int = 0,
    sweep: bool = False,
    cache: bool = True,
) -> Corpus:
    """`generate_locomotion`, kept under `home()/generated` between calls unless `cache` is off."""

    def make() -> Corpus:
        return generate_locomotion(rig, clips=clips, seconds=seconds, fps=fps, seed=seed, sweep=sweep)

    return (
        keep_generated(_name(rig, sweep), _identity(rig, clips, seconds, fps, seed, sweep), make) if cache else make()
    )
