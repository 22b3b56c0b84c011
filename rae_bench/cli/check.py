"""`rae-bench check`: is a model, a rig, a metric or a task what it should be?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rae_bench.cli import complete
from rae_bench.cli.check_task import check_task
from rae_bench.cli.screen import next_steps, print_facts, print_table, wide_option
from rae_bench.cli.status import begin, status_line
from rae_bench.results.text_table import TextColumn

if TYPE_CHECKING:
    from rae_bench.testing import Check



@click.group()
def check() -> None:
    """Check a model's contract, a rig, our metrics, or what a task can tell."""


check.add_command(check_task)


@check.command("model")
@click.argument("spec", shell_complete=complete.model)
@click.option("--set", "options", multiple=True, metavar="KEY=VALUE", help="Option of the model.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check_model(spec: str, options: tuple[str, ...], as_json: bool) -> None:
    """Run the conformance suite on SPEC: an entry's name, package.module:Class or path/to/file.py:Class."""
    from rae_bench.cli.values import assignments
    from rae_bench.model.registry import resolve_model

    resolve_model(spec)
    begin(f"check model {spec}")

    from rae_bench.testing import CHECKS
    from rae_bench.testing import check_model as run_checks

    number = 0

    def shown(check: Check) -> None:
        nonlocal number
        number += 1
        if not as_json:
            with say.paused():
                _print_check(check)

    with status_line() as say:
        checks = run_checks(
            spec, options=assignments("--set", options), ended=shown,
            begun=lambda name: say(f"check {number + 1} of {len(CHECKS)}: {name}"),
        )  # fmt: skip
    if as_json:
        click.echo(json.dumps([{"name": c.name, "ok": c.ok, "reason": c.reason} for c in checks], indent=1))
    if not all(c.ok for c in checks):
        next_steps("mend what FAIL names", f"rae-bench check model {spec}")
        raise click.exceptions.Exit(1)
    next_steps(f"rae-bench run --model {spec} --task biped2quad")


@check.command("rig")
@click.argument("name", shell_complete=complete.rig)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check_rig(name: str, as_json: bool) -> None:
    """Check the rig NAME, or a rig file: sides, ground, limits, and whether built-in motion can be made on it."""
    from rae_bench.rigs.file import load_rig

    rig = load_rig(name)
    begin(f"check rig {rig.name}")

    from rae_bench.testing import check_rig as run_checks

    _print_checks(run_checks(rig), as_json=as_json)
    steps = [f"rae-bench show rig {name}"]
    if not name.endswith(".toml"):
        steps += [f"rae-bench view {name}", f"rae-bench run --model fe --source r1 --target {name}"]
    next_steps(*steps)


def _print_checks(checks: Sequence[Check], *, as_json: bool) -> None:
    """Print the results of checks; exit with 1 where one fails."""
    if as_json:
        click.echo(json.dumps([{"name": c.name, "ok": c.ok, "reason": c.reason} for c in checks], indent=1))
    else:
        for each in checks:
            _print_check(each)
    if not all(c.ok for c in checks):
        next_steps("mend what FAIL names, and check again")
        raise click.exceptions.Exit(1)


def _print_check(check: Check) -> None:
    print_facts([("ok" if check.ok else "FAIL", check.name + (f": {check.reason}" if check.reason else ""))], 6)


@check.command("lafan1")
@click.argument("path", type=click.Path(path_type=Path))
def check_lafan1(path: Path) -> None:
    """Run LaFAN1's in-betweening baselines on PATH, its lafan1.zip, and show them beside the published numbers."""
    from rae_bench.metrics import lafan1

    rows, agree = lafan1.comparison_table(lafan1.benchmark(*lafan1.published_clips(path)))
    lengths = [TextColumn(f"{n}", f"{n}\n{what}") for n in lafan1.PUBLISHED_LENGTHS for what in ("frames", "paper")]
    print_table([TextColumn("baseline", right=False), *lengths, TextColumn("verdict", " ", right=False)], rows, end="")
    if not agree:
        raise click.exceptions.Exit(1)
    next_steps("rae-bench run --model fe --task lafan2dog")


@check.command("metrics")
@click.option("--task", "task_name", default="biped2quad", show_default=True, help="Its test clips are spoilt.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of recordings ($RAE_BENCH_DATA).")
@click.option("--plot", "plot_path", type=click.Path(path_type=Path), help="Draw the primaries over strength (PNG).")
@click.option("--json", "as_json", is_flag=True, help="Print every value as JSON.")
@click.option("--markdown", is_flag=True, help="Print the tables as Markdown, as docs/reports/robustness.md has them.")
@wide_option
def check_metrics(
    task_name: str, data: Path | None, plot_path: Path | None, as_json: bool, markdown: bool, wide: bool
) -> None:
    """Put known faults into true motion at rising strength and show which metric sees which (about a minute).

    Fails where, in a ranked track, a category's primary does not rise with its own fault or no primary sees a fault.
    """
    begin(f"check metrics on {task_name}")

    from rae_bench.data.formats.export import check_place
    from rae_bench.harness.beside import Beside
    from rae_bench.metrics.evaluation import beside_real
    from rae_bench.model.api import Trajectory
    from rae_bench.study import robustness
    from rae_bench.task.named import load_task
    from rae_bench.task.sides import load_sides

    if plot_path:
        check_place(plot_path)
    _, target = load_sides(load_task(task_name), data)
    exam = target.held_out_clips(target.split(0).test)
    _, real = Beside(target, exam).at(0)

    wanted = 1 + sum(len(fault.strengths) for fault in robustness.FAULTS)
    number = 0

    def compare(trajectory: Trajectory) -> dict[str, float]:
        nonlocal number
        number += 1
        say(f"faulty motion {number} of {wanted}")
        return beside_real(trajectory, real)

    with status_line() as say:
        found = robustness.readings(exam.truth, exam.objectives, compare)
    failings = robustness.failings(found)
    if as_json:
        lines = [vars(reading) | {"values": dict(reading.values)} for reading in found]
        click.echo(json.dumps({"readings": lines, "failings": failings}, indent=1))
    else:
        if markdown:
            click.echo(robustness.table(found))
        for title, columns, rows in () if markdown else robustness.text_tables(found):
            print_table(columns, rows, title, wide=wide)
    if plot_path:
        click.echo(f"plot: {robustness.plot(found, plot_path)}", err=True)
    for failing in failings:
        click.echo(f"FAIL  {failing}", err=True)
    if failings:
        raise click.exceptions.Exit(1)
    next_steps("read docs/reports/robustness.md, which says what each fault is")
