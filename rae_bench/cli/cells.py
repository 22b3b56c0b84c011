"""What `run` and `sweep` share: the options that say which cells, and the list of these with a time estimate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rae_bench.cli.options import assignments, expand, numbers, split

if TYPE_CHECKING:
    from rae_bench.harness.plan import Plan, Planned
    from rae_bench.task.task import Task


def cell_options(seeds: int, fractions: str) -> Callable[[Any], Any]:
    """The options by which a command is told its cells. `fractions` says in words what is taken by default."""
    options = [
        click.option(
            "--model", "models", multiple=True, required=True, help="Entry, glob, module:Class or file.py:Class."
        ),
        click.option("--task", "tasks", multiple=True, help="Task, glob or file.toml."),
        click.option(
            "--regimes", multiple=True,
            help="cold, frozen, finetune, full (these, and zero-shot where the model can), cold-long."
        ),
        click.option(
            "--fractions", multiple=True, help=f"Of the target's training frames: 0.05 or 5% ({fractions})."
        ),
        click.option("--seeds", type=int, default=seeds, show_default=True, help="How many seeds."),
        click.option(
            "--data", "data_root", type=click.Path(path_type=Path), help="Folder of recordings ($RAE_BENCH_DATA)."
        ),
        click.option(
            "--out", type=click.Path(path_type=Path), default="results", show_default=True, help="Result folder."
        ),
        click.option(
            "--set", "options", multiple=True, metavar="KEY=VALUE", help="Option of the model, such as preset=paper."
        ),
        click.option("--preset", type=click.Path(path_type=Path), help="File of options that rae-bench tune wrote."),
        click.option("--force", is_flag=True, help="Run finished cells again."),
        click.option("--keep", is_flag=True, help="Keep the adapted models, for rae-bench generate."),
        click.option(
            "--accelerator", type=click.Choice(["cpu", "gpu"]), default="cpu", show_default=True,
            help="What models that can use a GPU compute on.",
        ),
        click.option("--dry-run", is_flag=True, help="Only list the cells: done, stale (why), to do."),
        click.option("--json", "as_json", is_flag=True, help="Print the cell results as JSON."),
    ]

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def chosen(models: Sequence[str], tasks: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of models and tasks, globs replaced by what they match."""
    from rae_bench.model.registry import CONTROLS, list_models
    from rae_bench.task.task import builtin_tasks

    learned = [name for name in list_models() if name not in CONTROLS]
    return expand("model", split(models), learned), expand("task", split(tasks), builtin_tasks())


def arguments_of(
    *, regimes: Sequence[str], fractions: Sequence[str], options: Sequence[str], **others: Any
) -> dict[str, Any]:
    """Keyword arguments of `rae_bench.run` and `rae_bench.sweep` from the values of the options."""
    return {
        **others,
        "regimes": split(regimes) or None,
        "fractions": numbers("--fractions", split(fractions)) or None,
        "options": assignments("--set", options),
    }


def plan_entry(task: Task, planned: Planned) -> dict[str, Any]:
    """A line of `--dry-run --json`."""
    cell = planned.cell
    return {
        "state": planned.state,
        "why": planned.why,
        "model": cell.model,
        "task": task.name,
        "regime": cell.regime,
        "fraction": cell.fraction,
        "seed": cell.seed,
        "path": str(planned.path),
    }


def print_plans(plans: Sequence[Plan], workers: int) -> None:
    """The cells of `--dry-run`, each once, and how long those that are not done would take."""
    from rae_bench.cli.progress import cell_label, duration
    from rae_bench.harness.estimate import estimate
    from rae_bench.harness.plan import jobs_of

    cells = {p.path: (plan.task, p) for plan in plans for p in plan.cells}
    for task, p in cells.values():
        click.echo(f"{p.state:<6} {task.name}  {cell_label(p.cell)}" + (f"  ({p.why})" if p.why else ""))
    jobs = jobs_of(plans)
    if not jobs:
        return
    expected = estimate(jobs)
    open_ended = len(jobs) - len(expected)
    if not expected:
        click.echo("no estimate: no cell of this kind has been run here")
        return
    cost = sum(expected.values())
    wall = max([cost / workers, *expected.values()])
    rest = f"; {open_ended} of {len(jobs)} jobs not counted: none of their kind has been run here" if open_ended else ""
    click.echo(
        f"about {duration(wall)} on {workers} worker{'s' if workers > 1 else ''} "
        f"({cost / 3600:.2g} core-hours, by what earlier cells took){rest}"
    )
