"""What `run` and `sweep` share: the options that say which cells, and the list of these with a time estimate."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rae_bench.cli import complete
from rae_bench.cli.screen import next_steps, print_facts, print_notes, wide_option
from rae_bench.cli.values import SeedsType, assignments, expand, numbers, split
from rae_bench.model.registry import model_name
from rae_bench.task.task import BUDGETS, QUICK_BUDGET

if TYPE_CHECKING:
    from rae_bench.harness.jobs import AnyJob
    from rae_bench.harness.plan import Plan, PlannedCell
    from rae_bench.harness.spec import RunSpec
    from rae_bench.task.cells import Cell
    from rae_bench.task.task import Protocol, Task


Wanted = tuple[str, str | None, Mapping[str, Any]]
"""A model, a task (None where two domains are named), and arguments of `make_spec`."""


def budget_option() -> Callable[[Any], Any]:
    """The option by which a command is told which of a task's budgets to train with."""
    return click.option(
        "--budget", type=click.Choice(BUDGETS), default=QUICK_BUDGET, show_default=True,
        help="Updates: full is for the board, quick about a tenth.",
    )  # fmt: skip


def cell_options(seeds: int, fractions: str) -> Callable[[Any], Any]:
    """The options by which a command is told its cells. `fractions` says in words what is taken by default."""
    options = [
        click.option(
            "--model", "models", multiple=True, required=True, shell_complete=complete.models,
            help="Entry, glob, module:Class or file.py:Class.",
        ),
        click.option("--task", "tasks", multiple=True, shell_complete=complete.tasks, help="Task, glob or file.toml."),
        click.option(
            "--source", shell_complete=complete.domain, help="Instead of --task: name of the source domain."
        ),
        click.option(
            "--target", shell_complete=complete.domain, help="Instead of --task: name of the target domain."
        ),
        click.option(
            "--regimes",
            multiple=True,
            help="cold, frozen, finetune, full (these, and zero-shot where the model can), cold-long, retarget.",
        ),
        click.option("--fractions", multiple=True, help=f"Of the target's training frames: 0.05 or 5% ({fractions})."),
        budget_option(),
        click.option(
            "--seeds", type=SeedsType(), default=seeds, show_default=True, help="How many seeds, or which: 0,3-4."
        ),
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
        click.option(
            "--metrics", multiple=True, type=click.Choice(["thesis"]),
            help="More metrics: thesis trains its convolutional critic on what all cells generated (needs minutes).",
        ),
        click.option("--force", is_flag=True, help="Run finished cells again."),
        click.option("--keep", is_flag=True, help="Keep the adapted models, for rae-bench generate."),
        click.option(
            "--accelerator",
            type=click.Choice(["cpu", "gpu"]),
            default="cpu",
            show_default=True,
            help="What models that can use a GPU compute on.",
        ),
        click.option("--dry-run", is_flag=True, help="Only say what is done, stale (why) and to do, and how long."),
        click.option("--json", "as_json", is_flag=True, help="Print the cell results as JSON."),
        wide_option,
    ]

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def wanted_cells(
    *,
    models: Sequence[str],
    tasks: Sequence[str],
    source: str | None,
    target: str | None,
    regimes: Sequence[str],
    fractions: Sequence[str],
    options: Sequence[str],
    **others: Any,
) -> list[Wanted]:
    """(model, task, arguments of `make_spec`) of each pair that the options name; globs become what they match.

    The task is None where `source` and `target` name two domains.
    """
    from rae_bench.model.registry import CONTROLS, list_models
    from rae_bench.task.named import builtin_tasks

    learned = [name for name in list_models() if name not in CONTROLS]
    names = expand("model", split(models), learned)
    chosen: list[str | None] = [*expand("task", split(tasks), builtin_tasks())] or [None]
    arguments = {
        **others,
        "source": source,
        "target": target,
        "regimes": split(regimes) or None,
        "fractions": numbers("--fractions", split(fractions)) or None,
        "options": assignments("--set", options),
    }
    return [(model, task, arguments) for model in names for task in chosen]


def wanted_words(wanted: Sequence[Wanted]) -> str:
    """Return in words what is asked for, as `wanted_cells` gives it."""
    models = list(dict.fromkeys(model for model, _, _ in wanted))
    tasks = list(dict.fromkeys(task or f"{asked['source']}-to-{asked['target']}" for _, task, asked in wanted))
    named = model_name(models[0]) if len(models) == 1 else f"{len(models)} models"
    return f"{named} on " + (Path(tasks[0]).stem if len(tasks) == 1 else f"{len(tasks)} tasks")


def print_plans(specs: Sequence[RunSpec], workers: int, *, as_json: bool) -> None:
    """The cells of `--dry-run`, each once: done, stale (why), to do; and how long the rest would take."""
    from rae_bench.harness.isolation.models import why_alone
    from rae_bench.harness.plan import make_plans

    plans = make_plans(specs)
    cells = {p.path: (plan.task, p) for plan in plans for p in plan.cells}
    if as_json:
        click.echo(json.dumps([plan_entry(task, p) for task, p in cells.values()], indent=1))
        return
    print_facts(group_lines(cells.values()), 16)
    for task in {task.folder: task for task, _ in cells.values()}.values():
        print_notes([f"{task.name}: {budget_words(task.protocol)}"])
    for spec in {spec.model.spec: spec for spec in specs}.values():
        why = why_alone(spec.model, spec.options)
        if why:
            print_notes([f"{spec.model.name}: its cells train one by one, which takes longer: {why}"])
    _print_estimate(plans, workers)
    next_steps("the same command without --dry-run")


def group_lines(cells: Iterable[tuple[Task, PlannedCell]]) -> list[tuple[str, str]]:
    """Return (state and number, which) of cells that are alike but for fraction and seed, in the order of the plan."""
    from rae_bench.data.wording import in_ranges
    from rae_bench.model.regimes import percent, row_name

    # Seeds of each fraction first, so that a line names exactly its cells.
    seeds: dict[tuple[str, str, str, str, float], list[int]] = defaultdict(list)
    for task, p in cells:
        cell = p.cell
        row = f"{model_name(cell.model)} {row_name(cell.regime, cell.fraction)}" if cell.learns else cell.model
        seeds[p.state, p.why, task.name, row, cell.fraction].append(cell.seed)
    groups: dict[tuple[str, str, str, str, tuple[int, ...]], list[float]] = defaultdict(list)
    for (state, why, name, row, fraction), found in seeds.items():
        groups[state, why, name, row, tuple(found)].append(fraction)
    lines = []
    for (state, why, name, row, which), fractions in groups.items():
        count = len(which) * len(fractions)
        data = "" if fractions == [1.0] else f" {', '.join(percent(f) for f in fractions)}"
        reason = f" ({why})" if why else ""
        head = f"{state:<6} {count:>3} cell{'s' if count > 1 else ''}"
        lines.append((head, f"{name}  {row}{data}, seed{'s' * (len(which) > 1)} {in_ranges(which)}{reason}"))
    return lines


def budget_words(protocol: Protocol) -> str:
    """Return a task's chosen budget in words; in the published protocol updates follow from epochs."""
    of = f"updates of {protocol.frames_per_update} frames"
    if protocol.published:
        return f"{protocol.budget} budget: {protocol.pretrain_updates:,} {of} to pre-train and on all data"
    adapt, pretrain = f"{protocol.adapt_updates:,} {of} to adapt", f"{protocol.pretrain_updates:,} to pre-train"
    return f"{protocol.budget} budget: {adapt}, {pretrain}"


def plan_entry(task: Task, planned: PlannedCell) -> dict[str, Any]:
    """A line of `--dry-run --json`."""
    cell = planned.cell
    return {
        "state": planned.state,
        "why": planned.why,
        "model": cell.model,
        "task": task.name,
        "budget": task.budget,
        "regime": cell.regime,
        "fraction": cell.fraction,
        "seed": cell.seed,
        "path": str(planned.path),
    }


def _print_estimate(plans: Sequence[Plan], workers: int) -> None:
    from rae_bench.harness.estimate import estimate
    from rae_bench.harness.plan import jobs_of_all

    jobs = jobs_of_all(plans)
    if not jobs:
        return
    expected = estimate(jobs)
    uncounted = len(jobs) - len(expected)
    if not expected:
        print_notes([f"{len(jobs)} jobs; how long is not known: no cell of this kind has been run here"])
        return
    cost = sum(expected.values())
    wall = max([cost / workers, *expected.values()])
    rest = f"; {uncounted} of {len(jobs)} jobs not counted: none of their kind has been run here" if uncounted else ""
    said = f"{'at least' if uncounted else 'about'} {duration(wall)} on {workers} worker{'s' if workers > 1 else ''}"
    print_notes([f"{said} ({duration(cost)} of CPU time, by what earlier cells took){rest}"])


def duration(seconds: float) -> str:
    """A length of time in words, to the precision that people plan with."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def cell_label(cell: Cell) -> str:
    """A cell in words."""
    from rae_bench.model.regimes import percent
    from rae_bench.task.cells import NEAREST

    if not cell.learns:
        return cell.row + (f" {percent(cell.fraction)}" if cell.model == NEAREST else "")
    return f"{model_name(cell.model)} {cell.row} seed {cell.seed}"


def job_label(job: AnyJob) -> str:
    """A job in words."""
    from rae_bench.harness.jobs import PretrainJob

    if isinstance(job, PretrainJob):
        return f"{model_name(job.model)} pre-training seed {job.seed}"
    return cell_label(job.cell)
