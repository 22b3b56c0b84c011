"""`rae-bench check task`: does a task train for long enough, and can it tell models apart?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rae_bench.cli import complete
from rae_bench.cli.kept import Kept
from rae_bench.cli.screen import next_steps, print_facts, print_table, wide_option
from rae_bench.cli.status import begin
from rae_bench.cli.values import SeedsType

if TYPE_CHECKING:
    from rae_bench.harness.run import Outcome
    from rae_bench.study.ranking import Measured, Verdict
    from rae_bench.task.task import Task

PATH = click.Path(path_type=Path)
SERIES_MODELS, RANKING_MODELS = "mann,fe", "mann,match,patches"
"""What each check trains unless it is told otherwise."""
SERIES_SEEDS, RANKING_SEEDS = 1, 5
VERDICT_SEEDS = 3
"""Seeds that decide about a budget (docs/develop/design.md 4.3)."""


@click.command("task")
@click.argument("name", shell_complete=complete.task)
@click.option("--budgets", is_flag=True, help="Train for ever more updates, and say how many are enough.")
@click.option("--ranking", is_flag=True, help="Say whether the task can tell models apart, so that it is ranked.")
@click.option("--models", multiple=True, help=f"Good entries [{SERIES_MODELS}; for --ranking {RANKING_MODELS}].")
@click.option(
    "--seeds", type=SeedsType(),
    help=f"How many, or which: 0,3-4 [{SERIES_SEEDS}, and 3 decide; for --ranking {RANKING_SEEDS}].",
)  # fmt: skip
@click.option("--start", type=int, default=200, show_default=True, help="The fewest updates of --budgets.")
@click.option("--cap", type=int, default=3200, show_default=True, help="The most updates that may be chosen.")
@click.option("--out", type=PATH, default="budgets", show_default=True, help="Folder of the cells.")
@click.option("--plot", "plot_path", type=PATH, help="Where the plot of --budgets goes (OUT/NAME-budgets.png).")
@click.option("--data", "data_root", type=PATH, help="Folder of recordings ($RAE_BENCH_DATA).")
@click.option("--workers", type=click.IntRange(min=1), help="Cells at a time (as many as there are cores).")
@click.option("--report-only", is_flag=True, help="Train nothing: judge by the cells that are there.")
@click.option(
    "--evidence", type=PATH, help="With --ranking: judge by the numbers that --json printed into this file.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@wide_option
def check_task(
    name: str, budgets: bool, ranking: bool, models: tuple[str, ...], seeds: int | list[int] | None, start: int,
    cap: int, out: Path, plot_path: Path | None, data_root: Path | None, workers: int | None, report_only: bool,
    evidence: Path | None, as_json: bool, wide: bool,
) -> int:
    """Check task NAME, or a task file.

    --budgets trains cold starts at every fraction and on all data, with updates doubling from --start to --cap. Where
    none of these is enough, it trains one doubling more to say at which fractions the cap is not.

    --ranking trains with the task's full budget: cold starts at every fraction and on all data, cold-long at the
    smallest fraction, feedforward and the controls. Then it applies the rule by which a task is ranked. Whether the
    budget is enough it knows from cells of --budgets in the same folder.

    Finished cells are kept in --out: the same command does the rest.
    """
    from rae_bench.errors import UserError

    if budgets == ranking:
        raise UserError("say what to check of the task: --budgets or --ranking")
    if evidence and budgets:
        raise UserError("--evidence goes with --ranking")
    begin(f"check task {Path(name).stem}")

    from rae_bench.cli.values import split
    from rae_bench.task.named import load_task

    task = load_task(name)
    if task.protocol.published:
        raise UserError(f"{task.name}: its protocol is the published one, which has epochs and no budgets")
    names = split(models or (RANKING_MODELS if ranking else SERIES_MODELS,))
    where = Kept(out, data_root, workers, report_only)
    if evidence:
        return _judge_evidence(task, evidence, as_json=as_json, wide=wide)
    if ranking:
        return _ranking(task, names, seeds or RANKING_SEEDS, where, as_json=as_json, wide=wide)
    return _budgets(task, name, names, seeds or SERIES_SEEDS, (start, cap), where, plot_path, as_json=as_json)


def _budgets(
    task: Task, name: str, names: Sequence[str], seeds: int | list[int], ends: tuple[int, int], where: Kept,
    plot_path: Path | None, *, as_json: bool,
) -> int:
    from rae_bench.data.formats.export import check_place
    from rae_bench.results.files import strict
    from rae_bench.study import budgets as study

    start, cap = ends
    updates = study.doubling(start, cap)
    plot = plot_path or where.out / f"{task.name}-budgets.png"
    if plot_path:
        check_place(plot_path)
    outcomes: list[Outcome] = []
    for wanted in (updates, (2 * cap,)):
        specs = study.series_specs(task, names, wanted, seeds=seeds, out=where.out, data_root=where.data_root)
        outcomes += where.outcomes(specs)
        done = updates if wanted == updates else (*updates, 2 * cap)
        series = study.read_series(task, done, outcomes, seeds=len(outcomes[0].plan.spec.seeds), cap=cap)
        choice = study.choose(series)
        if choice.settled or any(outcome.failed for outcome in outcomes):
            break
    if as_json:
        click.echo(json.dumps(strict(study.facts(series, choice)), indent=1, allow_nan=False))
    else:
        for line in (*study.table_lines(series), "", *study.verdict_lines(series, choice)):
            click.echo(line)
    click.echo(f"plot: {study.draw_series(series, choice, plot)}", err=True)
    next_steps(
        f"write full_updates = {choice.updates} below [budget] of the task", f"rae-bench check task {name} --ranking"
    )
    return int(any(outcome.failed for outcome in outcomes))


def _ranking(
    task: Task, names: Sequence[str], seeds: int | list[int], where: Kept, *, as_json: bool, wide: bool
) -> int:
    from rae_bench.study import budgets as series_study
    from rae_bench.study import ranking as study

    specs = study.ranking_specs(task, names, seeds=seeds, out=where.out, data_root=where.data_root)
    outcomes = where.outcomes(specs)
    if any(outcome.failed for outcome in outcomes):
        return 1
    found = study.measured(task, outcomes)
    best = study.best_two(found)
    updates = (task.protocol.full_updates, 2 * task.protocol.full_updates)
    doubled = series_study.series_specs(
        task, best, updates, seeds=VERDICT_SEEDS, out=where.out, data_root=where.data_root
    )
    series = series_study.read_series(
        task, updates, where.there(doubled), seeds=VERDICT_SEEDS, cap=task.protocol.full_updates
    )
    choice = series_study.choose(series)
    verdict = study.judge(found, choice.unsettled, choice.full_change)
    return _print_ranking(task, found, verdict, as_json=as_json, wide=wide)


def _judge_evidence(task: Task, path: Path, *, as_json: bool, wide: bool) -> int:
    from rae_bench.errors import UserError
    from rae_bench.files import read_text
    from rae_bench.study.ranking import judge
    from rae_bench.study.ranking_tables import read_facts

    try:
        found, unsettled, full_change = read_facts(json.loads(read_text(path)))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise UserError(f"{path}: this is not what check task --ranking --json writes ({error!r})") from error
    if found.task != task.name:
        raise UserError(f"{path}: it is about {found.task}, not {task.name}")
    return _print_ranking(task, found, judge(found, unsettled, full_change), as_json=as_json, wide=wide)


def _print_ranking(
    task: Task, found: Measured, verdict: Verdict, *, as_json: bool, wide: bool
) -> int:
    from rae_bench.results.files import strict
    from rae_bench.study import ranking_tables as shown
    if as_json:
        click.echo(json.dumps(strict(shown.facts(found, verdict)), allow_nan=False))
        return 0
    for title, columns, rows in shown.tables(found):
        print_table(columns, rows, title, wide=wide)
    print_facts(shown.condition_facts(verdict), 9)
    next_steps(f"write this below [ranking] of {task.name}.toml", f"rae-bench show task {task.name}")
    return 0
