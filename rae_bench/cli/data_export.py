"""`rae-bench data export`: clips and roll-outs for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rae_bench.cli.screen import next_steps
from rae_bench.cli.status import begin

if TYPE_CHECKING:
    from rae_bench.motion.motion import Motion
    from rae_bench.viewer.gather import ResultFolder


@click.command()
@click.argument("what", metavar="RESULT|DOMAIN")
@click.option("--to", "path", type=click.Path(path_type=Path), required=True, help="File to write: .bvh, .glb or .npz.")
@click.option("--clip", "clips", multiple=True, help="Clips or actions by name or glob; .glb takes more than one.")
@click.option("--unit", default="cm", show_default=True, help="Of a BVH file: cm, m, mm, or metres per unit.")
@click.option("--regime", help="Of RESULT: whose roll-out, a regime, full or a control; or truth.")
@click.option("--fraction", help="Of RESULT: the target's fraction, 0.05 or 5% (the first).")
@click.option("--seed", type=int, help="Of RESULT: the seed (the first).")
@click.option("--with-history", is_flag=True, help="Of RESULT: the history too, before what was generated.")
@click.option("--task", help="The task of RESULT where its name does not say it: file.toml.")
@click.option("--data", "data_root", type=click.Path(path_type=Path), help="Folder of recordings ($RAE_BENCH_DATA).")
def export(
    what: str,
    path: Path,
    clips: tuple[str, ...],
    unit: str,
    regime: str | None,
    fraction: str | None,
    seed: int | None,
    with_history: bool,
    task: str | None,
    data_root: Path | None,
) -> None:
    """Write motion for other programs, as BVH, npz or glTF (.glb: skeleton, a body, an animation for each clip).

    DOMAIN is an imported domain or a built-in rig. RESULT is a folder that `run` wrote, <out>/<model>-<hash>/<task>:
    what --regime generated from its test clips.
    """
    begin(f"export {what}", brief=True)

    from rae_bench.cli.values import length_unit, numbers, split, writing
    from rae_bench.data.formats.export import check_writable, export_clips, matching_clips
    from rae_bench.data.formats.units import metres_per_unit
    from rae_bench.errors import UserError
    from rae_bench.task.cells import TRUTH
    from rae_bench.viewer.choice import Choice
    from rae_bench.viewer.gather import names_result, open_domain, open_result

    scale = length_unit(unit)
    metres_per_unit(scale)
    check_writable(path)  # before the work
    if names_result(what):
        part = numbers("--fraction", [fraction])[0] if fraction else None
        wanted = (regime,) if regime and regime != TRUTH else ()
        result = open_result(Path(what), task, data_root, Choice((), 0, wanted, part, seed))
        motion, exam = _rollout(result, regime, with_history), result.exam
        ids, actions = list(exam.ids), list(exam.actions)
    else:
        for option, value in (("--regime", regime), ("--fraction", fraction), ("--seed", seed), ("--task", task)):
            if value is not None:
                raise UserError(f"{option} chooses among the roll-outs of a result; '{what}' is no result folder")
        corpus = open_domain(what)
        motion, ids, actions = corpus.motion, list(corpus.ids), list(corpus.actions)
    picked = matching_clips(split(clips), ids, actions)
    with writing(path):
        export_clips(path, motion, picked, names=[ids[n] for n in picked], unit=scale)
    for n in picked:
        click.echo(f"{path}: {ids[n]}, {motion.lengths[n]} frames at {motion.fps:g} fps")
    next_steps(f"open {path} where it is wanted, such as in Blender", f"rae-bench view {what}")


def _rollout(result: ResultFolder, regime: str | None, with_history: bool) -> Motion:
    """Return the test clips as one regime or control generated them, or as they were recorded."""
    import numpy as np

    from rae_bench.errors import UserError
    from rae_bench.motion.motion import make_motion
    from rae_bench.results.trajectories import load_trajectory
    from rae_bench.task.cells import TRUTH

    truth, past = result.exam.truth, result.exam.prompt.history
    root, rotations = truth.root_positions, truth.rotations
    if regime != TRUTH:
        if len(result.rollouts) != 1:
            kinds = ", ".join(rollout.kind for rollout in result.rollouts)
            raise UserError(f"{result.folder}: choose with --regime: truth, {kinds}")
        file = result.rollouts[0].file
        made = load_trajectory(file)
        root, rotations = made.root_positions[0], made.rotations[0]
        if rotations.shape[:3] != truth.rotations.shape[:3]:
            raise UserError(f"{file}: not of the test clips that the task has now; run it again")
    lengths = truth.lengths
    if with_history:
        root = np.concatenate([past.root_positions, root], 1)
        rotations = np.concatenate([past.rotations, rotations], 1)
        lengths = lengths + past.root_positions.shape[1]
    return make_motion(truth.rig, truth.fps, root, rotations, lengths=lengths)
