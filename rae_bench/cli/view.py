"""`rae-bench view`: a page of moving skeletons, a picture, a film, without importing torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from rae_bench.cli.screen import next_steps
from rae_bench.cli.status import begin
from rae_bench.cli.values import numbers, split, writing
from rae_bench.errors import UserError


@click.command()
@click.argument("what", metavar="RESULT...|DOMAIN", nargs=-1, required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The page (RESULT/view.html, DOMAIN-view.html).")
@click.option("--png", type=click.Path(path_type=Path), help="Also a picture: frames in a row.")
@click.option("--gif", type=click.Path(path_type=Path), help="Also a film, as a GIF.")
@click.option("--mp4", type=click.Path(path_type=Path), help="Also a film, as an MP4; needs ffmpeg.")
@click.option("--clips", type=int, help="How many: one of each action first (100; films 4).")
@click.option("--clip", "names", multiple=True, help="Clips or actions by name or glob, comma-separated.")
@click.option("--regimes", multiple=True, help="Of RESULT: regimes, full and controls (all), comma-separated.")
@click.option("--fraction", help="Of RESULT: the target's fraction, 0.05 or 5% (the first).")
@click.option("--seed", type=int, help="Of RESULT: the seed (the first).")
@click.option("--motion", type=click.Choice(["locomotion", "reach"]), help="Of a built-in rig: which motion.")
@click.option("--task", help="The task of RESULT where its name does not say it: file.toml.")
@click.option("--data", "data_root", type=click.Path(path_type=Path), help="Folder of recordings ($RAE_BENCH_DATA).")
def view(
    what: tuple[str, ...],
    output: Path | None,
    png: Path | None,
    gif: Path | None,
    mp4: Path | None,
    clips: int | None,
    names: tuple[str, ...],
    regimes: tuple[str, ...],
    fraction: str | None,
    seed: int | None,
    motion: str | None,
    task: str | None,
    data_root: Path | None,
) -> None:
    """Show motion in a page that any browser opens: one file, no network.

    RESULT is a folder that `run` wrote, <out>/<model>-<hash>/<task>: its roll-outs over the truth. Several of one task
    stand side by side, clip by clip. DOMAIN is an imported domain or a built-in rig: its motion.
    """
    begin(f"view {' '.join(what)}", brief=True)

    from rae_bench.viewer.choice import Choice, pick_clips
    from rae_bench.viewer.compare import compared_scene
    from rae_bench.viewer.encoding import find_encoder, write_gif, write_mp4
    from rae_bench.viewer.gather import domain_scene, names_result, open_domain, open_result, result_scene
    from rae_bench.viewer.page import write_page
    from rae_bench.viewer.plots import domain_sheet, exam_sheet

    if clips is not None and clips < 1:
        raise UserError("--clips takes a number above 0")
    encoder = find_encoder() if mp4 else ""  # before the work: it may not be there
    part = numbers("--fraction", [fraction])[0] if fraction else None
    choice = Choice(tuple(split(names)), clips or 0, tuple(split(regimes)), part, seed)
    result, whole = None, choice.for_page
    if len(what) > 1 or names_result(what[0]):
        if motion:
            raise UserError(f"--motion {motion}: {what[0]} is a result; the choice is of built-in rigs")
        if png and len(what) > 1:
            raise UserError("--png is of one result; name one, or leave it out")
        results = [open_result(Path(name), task, data_root, choice) for name in what]
        result = results[0]
        scene = result_scene(result, whole) if len(what) == 1 else compared_scene(results, whole)
        page = output or Path(what[0]) / ("view.html" if len(what) == 1 else "compare.html")
    else:
        for option, value in (("--regimes", regimes), ("--fraction", fraction), ("--seed", seed), ("--task", task)):
            if value not in (None, ()):
                raise UserError(f"{option} chooses among the roll-outs of a result; '{what[0]}' is no result folder")
        corpus = open_domain(what[0], motion)
        scene, page = domain_scene(corpus, whole), output or Path(f"{what[0]}-view.html")
    with writing(page):
        write_page(scene, page)
    click.echo(str(page))
    if png and result:
        exam, rows = result.exam, {r.kind: (r.label, r.file) for r in result.rollouts}
        picked = pick_clips(exam.ids, exam.actions, exam.truth.lengths, choice)
        with writing(png):
            exam_sheet(result.task.name, exam, rows, picked, png)
        click.echo(str(png))
    elif png:
        picked = pick_clips(corpus.ids, corpus.actions, corpus.motion.lengths, choice)
        with writing(png):
            domain_sheet(corpus, picked, png)
        click.echo(str(png))
    film = replace(scene, clips=scene.clips[: choice.few])
    if gif:
        with writing(gif):
            write_gif(film, gif)
        click.echo(str(gif))
    if mp4:
        with writing(mp4):
            write_mp4(film, mp4, encoder)
        click.echo(str(mp4))
    next_steps(f"open {page} in a browser")
