"""The built-in motion `locomotion`: which clips a corpus has, and the cache that keeps it between runs."""

from __future__ import annotations

from rae_bench.data.corpus import Corpus
from rae_bench.data.generators.locomotion import LOCOMOTION_VERSION, SWEEP_VERSION
from rae_bench.data.generators.locomotion.body import read_body
from rae_bench.data.generators.locomotion.gaits import GAITS, gait_cell_names, gait_cells
from rae_bench.data.generators.locomotion.paths import DRAWS
from rae_bench.data.generators.locomotion.step_grid import step_grid_cells, step_grid_names
from rae_bench.data.generators.locomotion.whole_body import make_poses
from rae_bench.data.generators.shared import check_size, corpus_identity, in_blocks, occurrences, random_numbers
from rae_bench.data.store import keep_generated
from rae_bench.motion.course import course_of
from rae_bench.motion.motion import make_motion
from rae_bench.rigs.rig import Rig


def _name(rig: Rig, step_grid: bool) -> str:
    return f"{rig.name}-{'sweep' if step_grid else 'locomotion'}"


def _identity(rig: Rig, clips: int, seconds: float, fps: float, seed: int, step_grid: bool) -> str:
    grid = ("sweep", SWEEP_VERSION) if step_grid else ()
    size = (clips, float(seconds), float(fps), seed)
    return corpus_identity("locomotion", rig.content_hash, LOCOMOTION_VERSION, *size, *grid)


def generate_locomotion(
    rig: Rig, *, clips: int = 240, seconds: float = 5.0, fps: float = 30.0, seed: int = 0, step_grid: bool = False
) -> Corpus:
    """Generate walks and runs, spread evenly over the cells of the rig's body plan: gaits, turns, changes of speed.

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
    body = read_body(rig)
    table = step_grid_cells(rig, body) if step_grid else gait_cells(GAITS[len(body.legs)])
    chosen = [table[i * len(table) // clips] for i in range(clips)]
    draw = random_numbers(rig, seed, clips, DRAWS)
    root, rotations, contacts = in_blocks(
        lambda part: make_poses(rig, body, chosen[part], draw[part], seconds, fps), clips
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
        combinations=step_grid_names() if step_grid else gait_cell_names(),
    )


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
