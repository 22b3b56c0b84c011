"""`rae-bench study`: published studies, run again, and transfer over the distance between rigs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rae_bench.cli.cells import budget_option, budget_words
from rae_bench.cli.screen import next_steps, print_facts
from rae_bench.cli.status import begin
from rae_bench.cli.study_distance import distance
from rae_bench.cli.values import SeedsType, assignments, expand, split
from rae_bench.errors import UserError, unknown
from rae_bench.model.regimes import NO_REGIME
from rae_bench.task.task import QUICK_BUDGET, QUICK_SUFFIX

if TYPE_CHECKING:
    from rae_bench.harness.plan import Plan
    from rae_bench.harness.spec import Seeds
    from rae_bench.study.cost import Cost
    from rae_bench.study.thesis import StudyArm

REPORT_FOLDER = "study-thesis"


@click.group()
def study() -> None:
    """Run a published study again, or see how far transfer reaches."""


study.add_command(distance)


@study.command()
@click.option("--rigs", multiple=True, default=("r2,r4",), show_default=True, help="Target rigs, of r2, r3, r4 and r5.")
@click.option("--models", multiple=True, help="Of the study's; all of them by default.")
@click.option(
    "--modes", multiple=True,
    help="corrected (our protocol), paper (as published), swapped (the source's hands called feet); all by default.",
)  # fmt: skip
@click.option("--seeds", type=SeedsType(), default=3, show_default=True, help="How many seeds, or which: 0,3-4.")
@click.option("--out", type=click.Path(path_type=Path), default="results", show_default=True, help="Result folder.")
@click.option("--set", "options", multiple=True, metavar="KEY=VALUE", help="Of all models, such as preset=paper.")
@budget_option()
@click.option("--workers", type=int, help="Cells at a time on this machine (as many as it has cores for).")
@click.option("--ray-address", help="Of a Ray cluster to use: auto, host:port or ray://host:port.")
@click.option("--max-core-hours", type=float, help="Begin no cell that would spend more than that in each mode.")
@click.option("--dry-run", is_flag=True, help="Only count the cells, and say how long they would take.")
@click.option("--report-only", is_flag=True, help="Run nothing: report what is there.")
def thesis(
    rigs: tuple[str, ...], models: tuple[str, ...], modes: tuple[str, ...], seeds: Seeds, out: Path,
    options: tuple[str, ...], budget: str, workers: int | None, dry_run: bool, report_only: bool, **resources: Any,
) -> int:
    """The KTH thesis that this benchmark standardises: its models, regimes and five claims.

    Cells are those of rae-bench sweep, in the same folder: after an interruption the same command does the rest.
    """
    begin("study thesis")

    from rae_bench.study.claims import MODELS
    from rae_bench.study.published import RIGS
    from rae_bench.study.thesis import ARMS, arms, run_arm

    chosen = _chosen("model of the study", models, MODELS)
    names = _chosen("mode", modes, ARMS)
    chosen_rigs = _chosen("rig of the study", rigs, RIGS)
    parts = arms(chosen_rigs, names, chosen, assignments("--set", options), budget)
    if dry_run:
        _estimate(parts, seeds, out, workers)
        return 0
    failed = 0
    if not report_only:
        from rich.console import Console

        from rae_bench.cli.sweep_progress import SweepProgress

        for arm in parts:
            click.echo(f"{arm.name}: {len(arm.models)} models on {len(arm.tasks)} tasks", err=True)
            with SweepProgress(Console(stderr=True)) as progress:
                failed += run_arm(arm, seeds, out, progress.observe, workers=workers, **resources)
    _report(parts, seeds, out, measure=not report_only)
    return int(failed > 0)


def _chosen(kind: str, words: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the names that `words` ask for, or all `known` names where they ask for none."""
    names = expand(kind, split(words), known)
    for name in names:
        if name not in known:
            raise unknown(kind, name, known)
    return names or list(known)


def _plans(parts: Sequence[StudyArm], seeds: Seeds, out: Path) -> dict[str, list[Plan]]:
    from rae_bench.study.thesis import plan_arm

    return {arm.name: plan_arm(arm, seeds, out) for arm in parts}


def _counts(plans: Sequence[Plan]) -> tuple[int, int]:
    cells = {p.path: p.state == "done" for plan in plans for p in plan.cells}
    return sum(cells.values()), len(cells)


def _estimate(parts: Sequence[StudyArm], seeds: Seeds, out: Path, workers: int | None) -> None:
    """Print the number of cells of each mode, and the time that they would take by what earlier cells took."""
    from rae_bench.cli.cells import duration
    from rae_bench.harness.estimate import estimate
    from rae_bench.harness.plan import jobs_of_all
    from rae_bench.harness.sweep import sweep_workers

    room = workers or sweep_workers()
    cost, open_ended = 0.0, 0
    for name, plans in _plans(parts, seeds, out).items():
        done, wanted = _counts(plans)
        jobs = jobs_of_all(plans)
        expected = estimate(jobs)
        cost, open_ended = cost + sum(expected.values()), open_ended + len(jobs) - len(expected)
        updates = sum(job.updates for job in jobs)
        hours = sum(expected.values()) / 3600
        words = f"{done} of {wanted} cells done; {updates:,} updates to do, about {hours:.2f} core-hours"
        print_facts([(name, words), ("", budget_words(plans[0].task.protocol))], 11)
    if cost:
        click.echo(f"{'at least' if open_ended else 'about'} {duration(cost / room)} on {room} workers")
    if open_ended:
        click.echo(f"not counted: {open_ended} jobs of which none of the kind has been run here")


def _report(parts: Sequence[StudyArm], seeds: Seeds, out: Path, *, measure: bool) -> None:
    """Measure the cost where it is not known, write the report, and print the verdicts."""
    from rae_bench.study.findings import find
    from rae_bench.study.report import write_study
    from rae_bench.study.thesis import ERROR_OF_ARM, clips_of

    plans = _plans(parts, seeds, out)
    clips = {arm.name: clips_of(arm, plans[arm.name], ERROR_OF_ARM[arm.name]) for arm in parts}
    if all(table.empty for table in clips.values()):
        raise UserError(f"{out}: no finished cell of the study; run it without --report-only first")
    budget = parts[0].tasks[0].budget
    folder = out / (REPORT_FOLDER + (QUICK_SUFFIX if budget == QUICK_BUDGET else ""))
    costs = _costs(parts[0], plans[parts[0].name], folder, measure=measure)
    rigs = tuple(task.name.split("-")[1] for task in parts[0].tasks)
    counts = {name: _counts(of) for name, of in plans.items()}
    which = plans[parts[0].name][0].spec.seeds
    found = find(clips, parts[0].models, costs, rigs, which, counts, budget)
    for path in write_study(found, folder):
        click.echo(f"report    {path}", err=True)
    for mode, verdicts in found.verdicts.items():
        for verdict in verdicts:
            print_facts([(f"{mode:<10} claim {verdict.number}  {verdict.verdict:<10}", verdict.text)], 33)
    next_steps(f"read {folder / 'study.md'}")


def _costs(arm: StudyArm, plans: Sequence[Plan], folder: Path, *, measure: bool) -> list[Cost]:
    """Return what the models cost, from the file of an earlier report if nothing that it depends on has changed."""
    from rae_bench.files import read_text
    from rae_bench.results.files import write_json
    from rae_bench.study import cost

    learned = [p for p in plans[0].cells if p.cell.regime != NO_REGIME]
    basis = {key: learned[0].identity[key] for key in ("engine", "model", "config", "task", "data")}
    path = folder / "cost.json"
    try:
        known = json.loads(read_text(path))
        if known["basis"] == basis and {c["model"] for c in known["costs"]} >= set(arm.models):
            return [cost.Cost(**c) for c in known["costs"] if c["model"] in arm.models]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    if not measure:
        return []
    click.echo(f"cost: {len(arm.models)} models by turns", err=True)
    found = cost.measure_costs(arm.models, arm.options, plans[0].target)
    write_json(path, {"basis": basis, "costs": [vars(c) for c in found]})
    return found
