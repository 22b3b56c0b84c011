"""`rae-bench generate`: motion from an adapted model."""

from __future__ import annotations

from pathlib import Path

import click

from rae_bench.cli.screen import next_steps
from rae_bench.cli.status import begin


@click.command()
@click.argument("model_dir", metavar="MODEL_DIR", type=click.Path(path_type=Path))
@click.option("--objectives", type=click.Path(path_type=Path), required=True, help="TOML file: what to reach, when.")
@click.option("--history", required=True, help="BVH or glTF file whose end is continued; or rest, to start standing.")
@click.option("--clip", help="Of a glTF history with several animations: which.")
@click.option("--unit", default="cm", show_default=True, help="Of BVH files: cm, m, mm, or metres per unit.")
@click.option("--up", type=click.Choice(["y", "z"]), default="y", show_default=True, help="Vertical axis of the clip.")
@click.option("--seconds", type=float, help="How long to generate (default: what the objectives file says).")
@click.option("--with-history", is_flag=True, help="Write the history too, before the generated motion.")
@click.option("--page", type=click.Path(path_type=Path), help="Also a page that shows it, with the objectives.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="File to write: .bvh, .glb, .npz.")
def generate(
    model_dir: Path, objectives: Path, history: str, clip: str | None, unit: str, up: str, seconds: float | None,
    with_history: bool, page: Path | None, output: Path,
) -> None:
    """Continue a clip towards objectives with the model in MODEL_DIR, which rae-bench run --keep left.

    Writes the motion as BVH, glTF (.glb) or npz, says how far each objective was missed and what feet do, and warns of
    what speaks against the motion. --page opens where it is worst.
    """
    begin(f"generate with {model_dir.name}")

    from rae_bench.cli.values import length_unit, writing
    from rae_bench.data.formats.export import check_place, check_writable, export_clips
    from rae_bench.data.formats.units import metres_per_unit
    from rae_bench.harness.generate import generate as make
    from rae_bench.task.cells import row_label

    scale = length_unit(unit)
    metres_per_unit(scale)
    check_writable(output)
    if page:
        check_place(page)
    made = make(model_dir, objectives, history, unit=scale, up=up, seconds=seconds, clip=clip)
    motion = made.whole if with_history else made.motion
    with writing(output):
        export_clips(output, motion, names=[output.stem], unit=scale)
    if page:
        from rae_bench.viewer.gather import generated_scene
        from rae_bench.viewer.page import write_page

        with writing(page):
            write_page(generated_scene(made, output.name), page)
    for text in made.notes:
        click.echo(text, err=True)
    kept = made.kept
    click.echo(f"model: {kept.model}, {row_label(kept.model, kept.regime, kept.fraction)} of {kept.task}, "
               f"{kept.budget} budget", err=True)  # fmt: skip
    frames = int(motion.lengths[0])
    click.echo(f"{output}: {frames} frames at {motion.fps:g} fps, {frames / motion.fps:.2f} s")
    for role, time, metres in made.distances:
        click.echo(f"  {role:<10} at {time:5.2f} s: missed by {100 * metres:.1f} cm")
    if made.feet:
        click.echo(f"  {made.feet}")
    for doubt in made.doubts:
        click.echo(f"  warning: {doubt.text}")
    next_steps(f"open {page} in a browser" if page else "the same command with --page out.html shows it")
