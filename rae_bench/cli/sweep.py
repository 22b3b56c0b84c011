"""`rae-bench sweep`: many cells, on Ray."""

from __future__ import annotations

import json
from typing import Any

import click

from rae_bench.cli.cells import arguments_of, cell_options, chosen, plan_entry, print_plans
from rae_bench.errors import UserError


@click.command()
@cell_options(seeds=3, fractions="all of the task's")
@click.option("--source", help="Instead of --task: name of the source domain.")
@click.option("--target", help="Instead of --task: name of the target domain.")
@click.option("--workers", type=int, help="Cells at a time on this machine (as many as it has cores for).")
@click.option("--ray-address", help="Of a Ray cluster to use: auto, host:port or ray://host:port.")
@click.option("--cpus-per-cell", type=int, default=1, show_default=True, help="Cores of a cell, one thread each.")
@click.option("--gpus-per-cell", type=float, default=0, help="GPUs of a cell, such as 0.25 (1 with --accelerator gpu).")
@click.option("--max-core-hours", type=float, help="Begin no cell that would spend more than that in this call.")
def sweep(
    models: tuple[str, ...], tasks: tuple[str, ...], workers: int | None, ray_address: str | None, cpus_per_cell: int,
    gpus_per_cell: float, max_core_hours: float | None, dry_run: bool, as_json: bool, **asked: Any,
) -> int:
    """Run models x tasks x regimes x fractions x seeds with Ray.

    A cell's result is the same as that of rae-bench run, in the same place: finished cells are not run again, whichever
    command made them, and after an interruption the same command does the rest.

    --model, --task, --regimes and --fractions take several values: comma-separated, or the option again.
    """
    from rich.console import Console

    from rae_bench.cli.run import footnotes, render
    from rae_bench.cli.sweep_progress import SweepProgress
    from rae_bench.harness import sweep as sweeps
    from rae_bench.harness.ray.cluster import Resources
    from rae_bench.results.rows import rows

    for option, value in (("--workers", workers), ("--cpus-per-cell", cpus_per_cell)):
        if value is not None and value < 1:
            raise UserError(f"{option} takes a number above 0")
    if workers is not None and ray_address is not None:
        raise UserError("--workers is for this machine; with --ray-address the cluster's size decides")
    arguments = arguments_of(**asked)
    model_names, names = chosen(models, tasks)
    task_names: list[str | None] = [*names] or [None]
    if dry_run:
        plans = sweeps.plans_of(sweeps.requests(model_names, task_names, **arguments))
        if as_json:
            entries = {p.path: plan_entry(plan.task, p) for plan in plans for p in plan.cells}
            click.echo(json.dumps(list(entries.values()), indent=1))
        else:
            print_plans(plans, workers or Resources(cpus_per_cell).fit())
        return 0
    with SweepProgress(Console(stderr=True)) as progress:
        outcomes = sweeps.sweep_cells(
            model_names, task_names, workers=workers, ray_address=ray_address, cpus_per_cell=cpus_per_cell,
            gpus_per_cell=gpus_per_cell, max_core_hours=max_core_hours, observe=progress.observe, **arguments,
        )  # fmt: skip
    if as_json:
        click.echo(json.dumps(sweeps.results_of(outcomes), indent=1, allow_nan=False))
    else:
        console = Console(width=None if Console().is_terminal else 150)
        pairs = ((task, model) for task in task_names for model in model_names)
        for (_, model), outcome in zip(pairs, outcomes, strict=True):
            table_rows = rows(outcome.results)
            console.print(render(table_rows, f"{model} on {outcome.task.name}: {outcome.task.title}"))
            for line in footnotes(outcome, table_rows):
                console.print(line, highlight=False, markup=False, soft_wrap=True)
    return int(any(outcome.failed for outcome in outcomes))
