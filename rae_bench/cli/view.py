"""`rae-bench view`: a page of moving skeletons, without importing torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from rae_bench.errors import UserError


@click.command()
@click.argument("what", metavar="RESULT|DOMAIN")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The page (RESULT/view.html, DOMAIN-view.html).")
@click.option("--clips", type=int, default=4, show_default=True, help="How many: one of each action first.")
@click.option("--png", type=click.Path(path_type=Path), help="Also a picture: frames in a row.")
@click.option("--task", help="The task of RESULT where its name does not say it: file.toml.")
@click.option("--data", "data_root", type=click.Path(path_type=Path), help="Folder of recordings, or RAE_BENCH_DATA.")
def view(
    what: str, output: Path | None, clips: int, png: Path | None, task: str | None, data_root: Path | None
) -> None:
    """Show motion in a page that any browser opens: one file, no network.

    RESULT is a folder that `run` wrote, <out>/<model>-<hash>/<task>: its roll-outs over the truth. DOMAIN is an
    imported domain or a built-in rig: its motion.
    """
    from rae_bench.plots import domain_sheet, exam_sheet
    from rae_bench.viewer.gather import domain_scene, open_domain, open_result, result_scene
    from rae_bench.viewer.page import write_page

    if clips < 1:
        raise UserError("--clips takes a number above 0")
    if Path(what).is_dir():
        result = open_result(Path(what), task, data_root)
        scene, page = result_scene(result, clips), output or Path(what) / "view.html"
    else:
        corpus = open_domain(what)
        scene, page = domain_scene(corpus, clips), output or Path(f"{what}-view.html")
    click.echo(_written(page, lambda: write_page(scene, page)))
    if png is None:
        return
    if Path(what).is_dir():
        files = {r.kind: (r.label, r.file) for r in result.rollouts}
        if not files:
            raise UserError(f"{what}: no trajectory to draw")
        click.echo(_written(png, lambda: exam_sheet(result.task.name, result.exam, files, png)))
    else:
        click.echo(_written(png, lambda: domain_sheet(corpus, png, clips)))


def _written(path: Path, write: Callable[[], object]) -> str:
    try:
        write()
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from None
    return str(path)
