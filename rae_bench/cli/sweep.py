"""`rae-bench sweep`: many cells, on this machine or on a Ray cluster."""

from __future__ import annotations

import json
from typing import Any

import click

from rae_bench.cli.cells import cell_options, print_plans, wanted_cells, wanted_words
from rae_bench.cli.screen import next_steps, print_notes
from rae_bench.cli.status import begin
from rae_bench.cli.values import ShardType
from rae_bench.errors import UserError


@click.command()
@cell_options(seeds=3, fractions="all of the task's")
@click.option("--workers", type=int, help="Cells at a time on this machine (as many as it has cores for).")
@click.option("--cpus-per-cell", type=int, default=1, show_default=True, help="Cores of a cell, one thread each.")
@click.option(
    "--ray-address", help="A Ray cluster to use: auto, host:port, ray://host:port, local (needs rae-bench[sweep])."
)
@click.option(
    "--gpus-per-cell", type=float, default=0, help="GPUs of a cell on Ray, such as 0.25 (1 with --accelerator gpu)."
)
@click.option("--gpus", type=int, help="Compute on so many GPUs of this machine, which the workers share.")
@click.option(
    "--shard", type=ShardType(), help="Only this share of the cells, such as 3/10: one for each machine or array task."
)
@click.option("--max-core-hours", type=float, help="Begin no cell that would spend more than that in this call.")
def sweep(
    workers: int | None, cpus_per_cell: int, ray_address: str | None, gpus_per_cell: float, gpus: int | None,
    shard: tuple[int, int] | None, max_core_hours: float | None, metrics: tuple[str, ...], dry_run: bool,
    as_json: bool, wide: bool, **asked: Any,
) -> int:
    """Run models x tasks x regimes x fractions x seeds, on the cores of this machine or on a Ray cluster.

    A cell's result is the same as that of rae-bench run, in the same place: finished cells are not run again, whichever
    command made them, and after an interruption the same command does the rest.
    --model, --task, --regimes and --fractions take several values: comma-separated, or the option again.
    """
    for option, value in (("--workers", workers), ("--cpus-per-cell", cpus_per_cell)):
        if value is not None and value < 1:
            raise UserError(f"{option} takes a number above 0")
    if workers is not None and ray_address not in (None, "local"):
        raise UserError("--workers is for this machine; with --ray-address the cluster's size decides")
    if gpus is not None:
        asked["accelerator"] = "gpu"
    pairs = wanted_cells(**asked)
    begin(wanted_words(pairs))

    from rich.console import Console

    from rae_bench.cli.run import print_outcome, what_next
    from rae_bench.cli.sweep_progress import SweepProgress
    from rae_bench.harness.sweep import make_specs, results_of, shard_specs, sweep_specs, sweep_workers
    from rae_bench.results.rows import rows
    from rae_bench.study.on_request import add_thesis_errors

    models, tasks = (list(dict.fromkeys(names)) for names in zip(*((m, t) for m, t, _ in pairs), strict=True))
    specs = make_specs(models, tasks, **pairs[0][2])
    if shard is not None:
        if metrics:
            raise UserError("--metrics thesis looks at all cells at once: run it without --shard when all are finished")
        specs = shard_specs(specs, *shard)
        if not specs:
            click.echo(f"share {shard[0]} of {shard[1]} has no cells: there are fewer parts than shares", err=True)
            return 0
    if dry_run:
        print_plans(specs, workers or sweep_workers(cpus_per_cell), as_json=as_json)
        return 0
    with SweepProgress(Console(stderr=True)) as progress:
        outcomes = sweep_specs(
            specs, workers=workers, cpus_per_cell=cpus_per_cell, ray_address=ray_address, gpus_per_cell=gpus_per_cell,
            gpus=gpus, max_core_hours=max_core_hours, observe=progress.observe,
        )  # fmt: skip
    if metrics:
        add_thesis_errors(outcomes, Console(stderr=True).print)
    if as_json:
        click.echo(json.dumps(results_of(outcomes), indent=1, allow_nan=False))
    elif shard is not None:
        cells = {p.path for outcome in outcomes for p in outcome.cells}
        click.echo(f"share {shard[0]} of {shard[1]}: {len(cells)} cells, {len(results_of(outcomes))} with a result")
        print_notes(["The same command without --shard shows the tables of all shares that have ended."])
    else:
        for number, outcome in enumerate(outcomes):
            if number:
                click.echo()
            print_outcome(outcome, rows(outcome.results), wide=wide)
        next_steps(*what_next(specs, pairs))
    return int(any(outcome.failed for outcome in outcomes))
