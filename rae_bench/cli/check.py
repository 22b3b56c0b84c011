"""`rae-bench check`: does a model keep its contract, and does our arithmetic agree with published numbers?"""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.group()
def check() -> None:
    """Check a model's contract, or our metrics."""


@check.command("model")
@click.argument("spec")
@click.option("--set", "options", multiple=True, metavar="KEY=VALUE", help="Option of the model.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check_model(spec: str, options: tuple[str, ...], as_json: bool) -> None:
    """Run the conformance suite on SPEC: an entry's name, package.module:Class or path/to/file.py:Class."""
    from rae_bench.cli.values import assignments
    from rae_bench.testing import check_model as run_checks

    checks = run_checks(spec, options=assignments("--set", options))
    if as_json:
        click.echo(json.dumps([{"name": c.name, "ok": c.ok, "reason": c.reason} for c in checks], indent=1))
    else:
        for c in checks:
            click.echo(f"{'ok  ' if c.ok else 'FAIL'}  {c.name}" + (f": {c.reason}" if c.reason else ""))
    if not all(c.ok for c in checks):
        raise click.exceptions.Exit(1)


@check.command("lafan1")
@click.argument("path", type=click.Path(path_type=Path))
def check_lafan1(path: Path) -> None:
    """Run LaFAN1's in-betweening baselines on PATH, its lafan1.zip, and show them beside the published numbers."""
    from rae_bench.metrics import lafan1

    text, agree = lafan1.comparison_table(lafan1.benchmark(*lafan1.published_clips(path)))
    click.echo(text)
    if not agree:
        raise click.exceptions.Exit(1)


@check.command("metrics")
@click.option("--task", "task_name", default="biped2quad", show_default=True, help="Its test clips are spoilt.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of recordings ($RAE_BENCH_DATA).")
@click.option("--plot", "plot_path", type=click.Path(path_type=Path), help="Draw the primaries over strength (PNG).")
@click.option("--json", "as_json", is_flag=True, help="Print every value as JSON.")
def check_metrics(task_name: str, data: Path | None, plot_path: Path | None, as_json: bool) -> None:
    """Put known faults into true motion at rising strength and show which metric sees which (about a minute).

    Fails where, in a ranked track, a category's primary does not rise with its own fault or no primary sees a fault.
    """
    from rae_bench.data.formats.export import check_place
    from rae_bench.metrics import adversarial
    from rae_bench.model.api import Trajectory
    from rae_bench.study import robustness
    from rae_bench.task.others import other_real_clips
    from rae_bench.task.sides import load_sides
    from rae_bench.task.task import load_task

    if plot_path:
        check_place(plot_path)
    _, target = load_sides(load_task(task_name), data)
    exam = target.held_out_clips(target.split.test)
    others = other_real_clips(target, exam, 0)

    def compare(trajectory: Trajectory) -> dict[str, float]:
        return adversarial(
            trajectory, exam.truth, others.motion, groups=exam.groups, other_groups=others.groups
        )

    found = robustness.readings(exam.truth, exam.objectives, compare)
    failings = robustness.failings(found)
    if as_json:
        lines = [vars(reading) | {"values": dict(reading.values)} for reading in found]
        click.echo(json.dumps({"readings": lines, "failings": failings}, indent=1))
    else:
        click.echo(robustness.table(found))
    if plot_path:
        click.echo(f"plot: {robustness.plot(found, plot_path)}", err=True)
    for failing in failings:
        click.echo(f"FAIL  {failing}", err=True)
    if failings:
        raise click.exceptions.Exit(1)
