"""`rae-bench tune`: search a model's options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from rae_bench.cli import complete
from rae_bench.cli.cells import budget_option, budget_words
from rae_bench.cli.screen import print_facts
from rae_bench.cli.status import begin, truthful
from rae_bench.cli.values import assignments
from rae_bench.errors import UserError
from rae_bench.results.text_table import short_number
from rae_bench.task.task import QUICK_BUDGET

SHOWN = 5


@click.command()
@click.option("--model", required=True, shell_complete=complete.model, help="Entry, module:Class or file.py:Class.")
@click.option(
    "--task", required=True, shell_complete=complete.task, help="Task or file.toml; only its source is looked at."
)
@budget_option()
@click.option("--trials", type=int, default=16, show_default=True, help="Configurations drawn at random.")
@click.option("--grid", is_flag=True, help="Instead: every combination, each on the whole budget.")
@click.option("--set", "options", multiple=True, metavar="KEY=VALUE", help="Option that is held fixed.")
@click.option("--data", "data_root", type=click.Path(path_type=Path), help="Folder of recordings ($RAE_BENCH_DATA).")
@click.option("--out", type=click.Path(path_type=Path), default="results", show_default=True, help="Result folder.")
@click.option("--workers", type=int, help="Trials at a time on this machine (as many as it has cores for).")
@click.option("--ray-address", help="Of a Ray cluster to use: auto, host:port or ray://host:port.")
@click.option("--cpus-per-cell", type=int, default=1, show_default=True, help="Cores of a trial, one thread each.")
@click.option("--json", "as_json", is_flag=True, help="Print the trials as JSON.")
def tune(
    model: str, task: str, trials: int, grid: bool, options: tuple[str, ...], as_json: bool, **others: Any
) -> None:
    """Search the options that a model declares in search_space, scored on the source's val segments.

    Nothing of the target is looked at. Ends with a preset file for run and sweep; the same command goes on where an
    earlier one ended, and with more --trials it draws more.
    """
    for option, value in (("--workers", others["workers"]), ("--cpus-per-cell", others["cpus_per_cell"])):
        if value is not None and value < 1:
            raise UserError(f"{option} takes a number above 0")
    begin(f"tune {model} on {Path(task).stem}")

    from rich.console import Console

    from rae_bench.cli.progress import say
    from rae_bench.harness.events import DataWanted
    from rae_bench.harness.tuning import RUNGS, Measured, TrialsPlanned, TuneEvent
    from rae_bench.harness.tuning import tune as search

    stderr = Console(stderr=True)
    count = {"wanted": 0, "measured": 0}

    def how_far() -> str:
        if not count["wanted"]:
            return "no trial had begun"
        return f"{count['measured']} results of {count['wanted']} trials are kept; the same command goes on from them"

    def observe(event: TuneEvent) -> None:
        count["measured"] += isinstance(event, Measured)
        if isinstance(event, DataWanted):
            say(stderr, f"{model} on the source of {event.tasks[0]}: making or finding the data")
        elif isinstance(event, TrialsPlanned):
            count.update(wanted=len(event.trials), measured=event.known)
            say(stderr, f"{len(event.trials)} trials, {event.known} in the ledger; {budget_words(event.protocol)}")
        elif not event.again:
            outcome = event.reason or f"{short_number(event.error, 3)} cm"
            share = f"{event.ninths}/{RUNGS[-1]} of the budget"
            word, colour = ("failed", "red") if event.reason else ("done", "green")
            say(stderr, f"  trial {event.trial}, {share}: {outcome}  {_words(event.options)}", word, colour)

    with truthful(how_far):
        tuned = search(
            model, task, trials=trials, search="grid" if grid else "asha", options=assignments("--set", options),
            observe=observe, **others,
        )  # fmt: skip
    if as_json:
        entries = [{"options": t.options, "errors": t.errors, "reason": t.reason} for t in tuned.trials]
        click.echo(json.dumps({"trials": entries, "preset": str(tuned.preset)}, indent=1))
        return
    last = RUNGS[-1]
    ranked = sorted((t for t in tuned.trials if last in t.errors), key=lambda t: t.errors[last])
    halted = sum(not t.reason for t in tuned.trials) - len(ranked)
    failed = len(tuned.trials) - len(ranked) - halted
    click.echo(f"{len(tuned.trials)} trials: {len(ranked)} trained to the end, {halted} stopped early, {failed} failed")
    click.echo("reconstruction error on the source's val segments, cm:")
    for t in ranked[:SHOWN]:
        print_facts([(f"  {short_number(t.errors[last], 3):>8}", _words(t.options))], 12)
    click.echo(f"preset {tuned.preset}")
    budget = "" if others["budget"] == QUICK_BUDGET else f" --budget {others['budget']}"
    click.echo(f"try it: rae-bench run --model {model} --task {task} --preset {tuned.preset}{budget}")


def _words(options: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={json.dumps(value)}" for key, value in sorted(options.items()))
